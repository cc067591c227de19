package show_test

import (
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/cmd/vsctl/internal/show"
)

func TestProgressIsALineEveryTenSecondsWithoutATerminal(t *testing.T) {
	is := is.New(t)
	var out strings.Builder
	now := time.Unix(0, 0)
	p := show.Progress{W: &out, Now: func() time.Time { return now }}
	for second := range 26 {
		now = time.Unix(int64(second), 0)
		p.Waiting("uploading")
		p.Done(second*4, 200, int64(second)*1000)
	}
	p.End()
	is.Equal(out.String(), "36 of 200, 9.0 kB, 3.6/s, 46s left, uploading\n76 of 200, 19.0 kB, 3.8/s, 33s left, uploading\n")
}

func TestProgressWritesOverOneLineOfATerminal(t *testing.T) {
	is := is.New(t)
	var out strings.Builder
	now := time.Unix(0, 0)
	p := show.Progress{W: &out, Terminal: true, Now: func() time.Time { return now }}
	p.Done(0, 3, 0)
	p.Done(2, 3, 20) // at the same moment
	now = now.Add(2 * time.Second)
	p.Done(2, 3, 20)
	p.Done(3, 3, 30) // the end shows whenever it comes
	p.End()
	is.Equal(out.String(), "\r2 of 3, 20 B, 1.0/s, 1s left\x1b[K\r3 of 3, 30 B, 1.5/s\x1b[K\r\x1b[K")
}

func TestProgressNamesTheWorkBeforeThereIsATotal(t *testing.T) {
	is := is.New(t)
	var out strings.Builder
	now := time.Unix(0, 0)
	p := show.Progress{W: &out, Terminal: true, Width: func() int { return 8 }, Now: func() time.Time { return now }}
	p.Waiting("reading") // a command that ends at once shows no progress
	is.Equal(out.String(), "")
	now = now.Add(time.Second)
	p.Waiting("trying again, 2") // it does not fit, and is cut
	p.End()
	now = now.Add(time.Hour)
	p.Waiting("reading") // somebody is asked, or the result is shown
	const end = "\x1b[K" // of the line is cleared
	is.Equal(out.String(), "\rtrying "+end+"\r"+end)
}

func TestTextStaysOnItsLine(t *testing.T) {
	is := is.New(t)
	for in, want := range map[string]string{
		"a b/ä 日本.md": "a b/ä 日本.md",
		"a\nb":        `"a\nb"`,
		"\x1b[2J":     `"\x1b[2J"`,
		"\xff":        `"\xff"`,
		"a\u202eb":    `"a\u202eb"`,
	} {
		is.Equal(show.Text(in), want)
	}
}

func TestABlockHasLinesAndTabsAlone(t *testing.T) {
	is := is.New(t)
	for in, want := range map[string]string{
		"a\tb\r\nc ä 日本\n":    "a\tb\nc ä 日本\n",
		"\x1b[2J\r\x00\u009b": `\x1b[2J\r\x00\u009b`,
		"a\u202eb\xff\ufffd":  `a\u202eb\xff` + "\ufffd",
	} {
		is.Equal(show.Block(in), want)
	}
}

func TestSizesAreInUnits(t *testing.T) {
	is := is.New(t)
	for in, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", -1500: "-1.5 kB", 999_960: "1.0 MB", 512 << 20: "536.9 MB", 5e15: "5000.0 TB"} {
		is.Equal(show.Bytes(in), want)
	}
}
