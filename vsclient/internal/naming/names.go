package naming

import (
	"slices"
	"strings"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
)

// Names are the ways in which file names lead to the document of a key. They save
// requests and prove nothing: identity is read from attributes.
type Names struct {
	Stems []string // folded stems of every name that any release has given the key
	Whole []string // names that make a store file without reserved attributes the key's document
	Ext   string   // the extension that all these names have; "": it differs
}

// NamesOf returns the names of a key. extension is the one that is configured for
// keys without an extension that OpenAI indexes.
func NamesOf(key, extension string) Names {
	base, ext := FileName(key)
	n := Names{Stems: []string{Fold(base)}, Whole: []string{key}, Ext: ext}
	also := func(list *[]string, s string) {
		if !slices.Contains(*list, s) {
			*list = append(*list, s)
		}
	}
	also(&n.Stems, Fold(Stem(key))) // the earlier connector's name is the key
	extensions := []string{ext}
	if ext == "" {
		extensions = []string{".txt", ".json"}
		if extension != "" {
			extensions = append(extensions, extension)
		}
	}
	for _, e := range extensions {
		also(&n.Whole, base+e)
	}
	if ext != "" && !strings.HasSuffix(key, ext) {
		// Releases before 0.2 knew no extension in capitals: the name was the key made
		// safe, with an extension by content.
		older := safeName(key, key)
		also(&n.Stems, Fold(older))
		for _, e := range []string{".txt", ".json"} {
			also(&n.Whole, older+e)
		}
		n.Ext = ""
	}
	return n
}

// NameFor returns the name of the File for a key with that content. extension is for
// a key without an extension that OpenAI indexes; "": it follows from the content.
func NameFor(key, extension string, c Content, s Summary) (string, error) {
	base, ext := FileName(key)
	switch {
	case ext != "":
		return base + ext, nil
	case extension != "":
		return base + extension, nil
	case !s.Text:
		return "", fail.New(fail.UnsupportedType, "the content is neither JSON nor other UTF-8 text, and the key has no extension that OpenAI indexes; give it one, or set the document's Extension")
	}
	json, err := c.IsJSON()
	if err != nil {
		return "", err
	}
	if json {
		return base + ".json", nil
	}
	return base + ".txt", nil
}
