package naming

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

var someDigest = strings.Repeat("0a", sha256.Size)

// FuzzKey follows a key to the name of its File and to the attributes that it is
// known by, and back.
func FuzzKey(f *testing.F) {
	for _, key := range []string{"a.md", "a/b.md", "..", " ", "\x00", `{"id":1}`, `"`, "é", strings.Repeat("x", 257), strings.Repeat("😀", 256), strings.Repeat("日", 341), ".md", "a.md.md"} {
		f.Add(key, 0)
		f.Add(key, MaxAttributes)
	}
	f.Fuzz(func(t *testing.T, key string, attributes int) {
		if CheckKey(key) != nil || attributes < 0 || attributes > room(key) {
			t.Skip()
		}
		base, ext := FileName(key)
		name := base + ext
		switch {
		case base == "" || len(name) > 255 || strings.TrimSpace(base) != base || strings.Trim(base, ". ") == "":
			t.Errorf("%q is no file name", name)
		case strings.ContainsFunc(name, func(r rune) bool { return strings.ContainsRune("/\\\"\r\n\x00", r) || !unicode.IsPrint(r) }):
			t.Errorf("%q has to be escaped", name)
		case !utf8.ValidString(name):
			t.Errorf("%q is not UTF-8", name)
		case ext != "" && !slices.Contains(Extensions(), ext) || ext != "" && strings.ToLower(path.Ext(key)) != ext:
			t.Errorf("%q became %q", key, name)
		}
		if again, ext2 := FileName(name); ext != "" && (again != base || ext2 != ext) {
			t.Errorf("%q became %q, and that %q", key, name, again+ext2) // a name that is a key is its own
		}

		own := attributesOf(attributes)
		all := Identity{Key: key, Digest: DigestOf(key), Version: 7, Source: Source{SHA256: someDigest, Size: 3, Chunking: "auto"}, Own: own}.Encode()
		if len(all) > 16 {
			t.Fatalf("%d attributes", len(all))
		}
		for name, v := range all {
			if s, ok := v.(string); ok && len(s) > 256 {
				t.Errorf("%s has %d bytes", name, len(s))
			} else if ok && !utf8.ValidString(s) {
				t.Errorf("%s is cut within a character", name)
			}
		}
		wire, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		var read map[string]any
		if err := json.Unmarshal(wire, &read); err != nil {
			t.Fatal(err)
		}
		id := Decode(read)
		switch {
		case !id.Ours || id.Digest != sha256.Sum256([]byte(key)):
			t.Errorf("%q is not found again: %+v", key, id)
		case id.Key != key:
			t.Errorf("%q came back as %q", key, id.Key)
		case id.Version != 7 || id.Source.SHA256 != someDigest || id.Source.Size != 3 || len(id.Own) != len(own):
			t.Errorf("%q came back with %+v", key, id)
		}
	})
}

// FuzzTwoKeys has two keys that differ be two documents.
func FuzzTwoKeys(f *testing.F) {
	f.Add("a/b.md", "a_b.md")
	f.Add("é", "e\u0301")
	f.Add(strings.Repeat("x", 1023), strings.Repeat("x", 1024))
	f.Fuzz(func(t *testing.T, a, b string) {
		if a == b || a == "" || b == "" || !utf8.ValidString(a) || !utf8.ValidString(b) {
			t.Skip()
		}
		x := Decode(Identity{Key: a, Digest: DigestOf(a)}.Encode())
		y := Decode(Identity{Key: b, Digest: DigestOf(b)}.Encode())
		if x.Digest == y.Digest {
			t.Errorf("%q and %q are one document", a, b)
		}
	})
}

// FuzzAttributes decodes whatever attributes a store file may have.
func FuzzAttributes(f *testing.F) {
	for _, s := range []string{
		`{}`, `null`, `{"vs_key":"a.md","vs_version":"0000000000000001","vs_content":"sha256=ab;size=3;chunking=200/50;replaces=file-1,file-2"}`,
		`{"vs_key":1,"vs_key_2":"b","vs_content":7}`, `{"vs_key_sha256":"zz"}`, `{"vs_content":";;=;size=x;replaces=,,"}`, `{"vs_version":"-1"}`, `{"a":{"b":[1]}}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var all map[string]any
		if json.Unmarshal(data, &all) != nil {
			t.Skip()
		}
		id := Decode(all)
		if id.Ours && !Marked(all) {
			t.Error("a key without a reserved attribute")
		}
		for name := range id.Own {
			if strings.HasPrefix(name, "vs_") {
				t.Errorf("%s is handed to the caller", name)
			}
		}
		if id.Key != "" && id.Digest != sha256.Sum256([]byte(id.Key)) {
			t.Error("the digest is not the key's")
		}
		if slices.Contains(id.Source.Replaces, "") {
			t.Error("an empty id")
		}
		// An understood value survives being written again.
		if id.Key != "" && len(id.Own) <= MaxAttributes && utf8.ValidString(id.Key) && len(id.Key) <= 256 {
			again := Decode(Identity{Key: id.Key, Digest: id.Digest, Version: max(0, id.Version), Own: id.Own}.Encode())
			if again.Key != id.Key || again.Version != max(0, id.Version) || !maps.EqualFunc(again.Own, id.Own, func(any, any) bool { return true }) {
				t.Errorf("%+v came back as %+v", id, again)
			}
		}
	})
}

func FuzzChunking(f *testing.F) {
	f.Add("auto")
	f.Add("800/400")
	f.Add("-1/2/3")
	f.Fuzz(func(t *testing.T, s string) {
		c := ParseChunking(s)
		if again := ParseChunking(c.String()); again != c {
			t.Errorf("%q: %v came back as %v", s, c, again)
		}
	})
}

func attributesOf(n int) map[string]any {
	all := make(map[string]any, n)
	for i := range n {
		all[fmt.Sprintf("a%02d", i)] = i
	}
	return all
}
