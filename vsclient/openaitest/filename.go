package openaitest

import (
	"slices"
	"strconv"
	"strings"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest/internal/nfc"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest/internal/project"
)

// AlterFilenames is how a server alters every file name that it stores.
type AlterFilenames string

const (
	LowerCaseFilenames      AlterFilenames = "lower_case"        // letters become lower case
	NFCFilenames            AlterFilenames = "nfc"               // Unicode's normal form C
	UnderscoreForSpace      AlterFilenames = "underscore_space"  // each space becomes "_"
	UnderscoreForUnsafe     AlterFilenames = "underscore_unsafe" // each character except ASCII letters, digits and "._-" becomes "_", as in OGX
	Latin1Filenames         AlterFilenames = "latin1"            // the bytes of UTF-8 are read as Latin-1
	PercentDecodedFilenames AlterFilenames = "percent_decoded"   // each %XX becomes the byte that it encodes
	filenamesAsSent         AlterFilenames = ""                  // the default
)

var alterations = map[AlterFilenames]func(string) string{
	filenamesAsSent:         func(name string) string { return name },
	LowerCaseFilenames:      strings.ToLower,
	NFCFilenames:            nfc.String,
	UnderscoreForSpace:      func(name string) string { return strings.ReplaceAll(name, " ", "_") },
	UnderscoreForUnsafe:     underscoreUnsafe,
	Latin1Filenames:         readAsLatin1,
	PercentDecodedFilenames: decodePercent,
}

func underscoreUnsafe(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r) {
			return r
		}
		return '_'
	}, name)
}

func readAsLatin1(name string) string {
	runes := make([]rune, len(name))
	for i := range len(name) {
		runes[i] = rune(name[i])
	}
	return string(runes)
}

// decodePercent decodes each %XX, and replaces bytes that are then not UTF-8 by U+FFFD.
func decodePercent(name string) string {
	var b strings.Builder
	for i := 0; i < len(name); i++ {
		if name[i] == '%' && i+2 < len(name) {
			if v, err := strconv.ParseUint(name[i+1:i+3], 16, 8); err == nil {
				b.WriteByte(byte(v))
				i += 2
				continue
			}
		}
		b.WriteByte(name[i])
	}
	return strings.ToValidUTF8(b.String(), "\ufffd")
}

// extensionNames and retrievalTypes are the types of files that can be attached to a
// vector store, by OpenAI's retrieval guide.
var (
	extensionNames = []string{
		"c", "cpp", "cs", "css", "doc", "docx", "go", "html", "java", "js", "json", "md", "pdf", "php", "pptx", "py", "rb", "sh", "tex", "ts", "txt",
	}
	retrievalTypes = []string{
		"text/x-c", "text/x-c++", "text/x-csharp", "text/css", "application/msword",
		"application/vnd.openxmlformats-officedocument.wordprocessingml.document", "text/x-golang", "text/html", "text/x-java",
		"text/javascript", "application/json", "text/markdown", "application/pdf", "text/x-php",
		"application/vnd.openxmlformats-officedocument.presentationml.presentation", "text/x-python", "text/x-script.python",
		"text/x-ruby", "application/x-sh", "text/x-tex", "application/typescript", "text/plain",
	}
)

// retrievable reports whether the name has an extension that can be attached.
func (q *Quirks) retrievable(name string) bool {
	ext := project.Extension(name)
	if q.ExtensionCase && !strings.HasSuffix(name, ext) {
		return false
	}
	return ext != "" && slices.Contains(extensionNames, ext[1:])
}
