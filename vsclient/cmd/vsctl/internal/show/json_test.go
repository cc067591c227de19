package show_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/cmd/vsctl/internal/show"
)

// long is a result with two lists.
type long struct {
	Text string   `json:"text"`
	One  []string `json:"one"`
	In   inner    `json:"in"`
}

type inner struct {
	Two []int `json:"two"`
}

func (l long) Lists() (bare any, lists []show.List) {
	lists = []show.List{show.Of("one", l.One), show.Of("two", l.In.Two)}
	l.One, l.In.Two = []string{}, []int{}
	return l, lists
}

// pieces is a writer that keeps the size of the largest piece.
type pieces struct {
	strings.Builder
	largest int
}

func (p *pieces) Write(data []byte) (int, error) {
	p.largest = max(p.largest, len(data))
	return p.Builder.Write(data)
}

func TestALongResultIsWrittenInPiecesAndReadWhole(t *testing.T) {
	for _, n := range []int{0, 1, 10_000} {
		is := is.New(t)
		l := long{Text: `a "one": [] "two": [] <b>`, One: []string{}, In: inner{[]int{}}}
		for i := range n {
			l.One, l.In.Two = append(l.One, fmt.Sprintf(`"two": [] %d`, i)), append(l.In.Two, i)
		}
		var to pieces
		is.NoErr(show.JSON(&to, show.Envelope{Result: l}))
		is.True(to.largest < 64<<10)
		var read struct {
			Result long `json:"result"`
		}
		is.NoErr(json.Unmarshal([]byte(to.String()), &read))
		is.Equal(read.Result, l)
	}
}

func TestEachElementOfALongResultHasALine(t *testing.T) {
	is := is.New(t)
	var to strings.Builder
	is.NoErr(show.JSON(&to, show.Envelope{Command: "c", Result: long{One: []string{"<a>", "b"}}}))
	is.Equal(to.String(), `{
  "command": "c",
  "ok": false,
  "summary": "",
  "result": {
    "text": "",
    "one": [
      "<a>",
      "b"
    ],
    "in": {
      "two": []
    }
  },
  "error": null
}
`)
}

func TestAnElementThatIsNoJSONIsAnError(t *testing.T) {
	is := is.New(t)
	var to strings.Builder
	is.True(show.Indented(&to, map[string][]string{"x": {}}, "  ", []show.List{show.Of("x", []any{func() {}})}) != nil)
}

func TestColumnsOfATableAreEvenlyWide(t *testing.T) {
	is := is.New(t)
	var to strings.Builder
	show.Table(&to, "A\tB\tC", []string{"é\t\tx", "long\t\ty"})
	is.Equal(to.String(), "A     B  C\né        x\nlong     y\n")
	to.Reset()
	show.Table(&to, "A\tB", nil)
	is.Equal(to.String(), "A  B\n")
	to.Reset()
	show.Table(&to, "", nil)
	is.Equal(to.String(), "")
}

func TestALongTableIsAlignedInBlocks(t *testing.T) {
	is := is.New(t)
	const n = 10_000
	rows := make([]string, n)
	for i := range rows {
		rows[i] = "ok\tb"
	}
	rows[n-1] = "unknown\tb"
	var to strings.Builder
	show.Table(&to, "A\tB", rows)
	lines := strings.Split(strings.TrimSuffix(to.String(), "\n"), "\n")
	is.Equal(len(lines), n+1)
	is.Equal(lines[:3], []string{"A   B", "ok  b", "ok  b"}) // its block has no wider cell
	is.Equal(lines[n-1:], []string{"ok       b", "unknown  b"})
}
