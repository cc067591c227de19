package fail_test

import (
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
)

func TestALineIsOneLineThatCanBeSeen(t *testing.T) {
	is := is.New(t)
	is.Equal(fail.Line(" a\r\n\tb\u2028c ", 100), "a b c")
	is.Equal(fail.Line("\x1b[31m\x00\u202e\ufeff\xff", 100), `\x1b[31m\x00\u202e\ufeff\xff`)
	is.Equal(fail.Line("日本語", 7), "日本…")
	is.Equal(fail.Line(strings.Repeat("x", 1<<20), 10), "xxxxxxxxxx…")
}
