package vsclient_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"path"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

// FuzzKey follows a key to the name of its File and to the attributes that it is
// known by, and back.
func FuzzKey(f *testing.F) {
	for _, key := range []string{"a.md", "a/b.md", "..", " ", "\x00", `{"id":1}`, `"`, "é", strings.Repeat("x", 257), strings.Repeat("😀", 300), ".md", "a.md.md"} {
		f.Add(key, 0)
		f.Add(key, vsclient.MaxAttributes)
	}
	f.Fuzz(func(t *testing.T, key string, attributes int) {
		if key == "" || !utf8.ValidString(key) || attributes < 0 || attributes > vsclient.MaxAttributes {
			t.Skip()
		}
		base, ext := vsclient.FileName(key)
		name := base + ext
		switch {
		case base == "" || len(name) > 255 || strings.TrimSpace(base) != base || strings.Trim(base, ". ") == "":
			t.Errorf("%q is no file name", name)
		case strings.ContainsFunc(name, func(r rune) bool { return strings.ContainsRune("/\\\"\r\n\x00", r) || !unicode.IsPrint(r) }):
			t.Errorf("%q has to be escaped", name)
		case !utf8.ValidString(name):
			t.Errorf("%q is not UTF-8", name)
		case ext != "" && !slices.Contains(vsclient.SupportedExtensions(), ext) || ext != "" && path.Ext(key) != ext:
			t.Errorf("%q became %q", key, name)
		}
		if again, ext2 := vsclient.FileName(name); ext != "" && (again != base || ext2 != ext) {
			t.Errorf("%q became %q, and that %q", key, name, again+ext2) // a name that is a key is its own
		}

		own := attributesOf(attributes)
		all := vsclient.Identity{Key: key, Version: 7, SHA256: someDigest, Size: 3, Chunking: "auto", Own: own}.Encode()
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
		id := vsclient.Decode(read)
		switch {
		case !id.Ours || id.Digest != sha256.Sum256([]byte(key)):
			t.Errorf("%q is not found again: %+v", key, id)
		case id.Key != key && (id.Key != "" || len(key) <= 256):
			t.Errorf("%q came back as %q", key, id.Key)
		case id.Version != 7 || id.SHA256 != someDigest || id.Size != 3 || len(id.Own) != len(own):
			t.Errorf("%q came back with %+v", key, id)
		}
	})
}

var someDigest = strings.Repeat("0a", sha256.Size)

// FuzzTwoKeys has two keys that differ be two documents.
func FuzzTwoKeys(f *testing.F) {
	f.Add("a/b.md", "a_b.md")
	f.Add("é", "e\u0301")
	f.Add(strings.Repeat("x", 1025), strings.Repeat("x", 1026))
	f.Fuzz(func(t *testing.T, a, b string) {
		if a == b || a == "" || b == "" || !utf8.ValidString(a) || !utf8.ValidString(b) {
			t.Skip()
		}
		x := vsclient.Decode(vsclient.Identity{Key: a}.Encode())
		y := vsclient.Decode(vsclient.Identity{Key: b}.Encode())
		if x.Digest == y.Digest {
			t.Errorf("%q and %q are one document", a, b)
		}
	})
}

// FuzzAttributes decodes whatever a store file may bear.
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
		id := vsclient.Decode(all)
		if id.Ours && !vsclient.Marked(all) {
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
		if slices.Contains(id.Replaces, "") {
			t.Error("an empty id")
		}
		// What is understood survives being written again.
		if id.Key != "" && len(id.Own) <= vsclient.MaxAttributes && utf8.ValidString(id.Key) && len(id.Key) <= 256 {
			again := vsclient.Decode(vsclient.Identity{Key: id.Key, Version: max(0, id.Version), Own: id.Own}.Encode())
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
		c := vsclient.ParseChunking(s)
		if again := vsclient.ParseChunking(c.String()); again != c {
			t.Errorf("%q: %v came back as %v", s, c, again)
		}
	})
}

// FuzzHeaders reads what a server says of waiting.
func FuzzHeaders(f *testing.F) {
	for _, v := range []string{"1", "0.5", "-1", "1e300", "Inf", "NaN", "9223372036854775807", "Wed, 21 Oct 2099 07:28:00 GMT", "Wed, 21 Oct 1999 07:28:00 GMT", "soon"} {
		f.Add(v, v, v)
	}
	f.Fuzz(func(t *testing.T, after, afterMs, poll string) {
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		h := http.Header{"Retry-After": {after}, "Retry-After-Ms": {afterMs}, "Openai-Poll-After-Ms": {poll}}
		if d := vsclient.RetryAfter(h, now); d < 0 {
			t.Errorf("wait for %v", d)
		}
		if d := vsclient.PollAfter(h); d < 0 || d > 8*time.Second {
			t.Errorf("poll after %v", d)
		}
	})
}

// FuzzReply answers each request with the same bytes: whatever they are, the call
// comes to an end, with an error that can be shown.
func FuzzReply(f *testing.F) {
	for _, body := range []string{
		``, `{}`, `null`, `[]`, `"x"`, `{"error":"a string"}`, `{"error":{"message":"no such file","code":null}}`, `{"error":{"message":7}}`,
		`{"data":[{"id":"file-1"}],"has_more":true}`, `{"data":[null],"has_more":true,"last_id":"x"}`, `{"data":{}}`, `<html>`, `{"id":"file-1","status":"completed"}`,
		`{"deleted":false}`, `{"error":{"message":"quota exceeded"}}`,
	} {
		for _, status := range []int{200, 400, 404, 429, 500} {
			f.Add(status, []byte(body))
		}
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		if status < 200 || status > 599 {
			t.Skip()
		}
		synctest.Test(t, func(t *testing.T) {
			c, err := vsclient.New(vsclient.Config{
				APIKey: "sk-test", VectorStoreID: "vs_1", HTTPClient: &http.Client{Transport: answers{status, body}}, RetryTimeout: time.Second, IndexTimeout: time.Minute,
			})
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_, put := c.Put(t.Context(), doc("a.md", "x"))
			_, get := c.Get(t.Context(), "a.md")
			for _, err := range []error{put, get, c.Delete(t.Context(), "a.md")} {
				if err == nil {
					continue
				}
				var e *vsclient.Error
				if !errors.As(err, &e) || e.Kind == nil || !utf8.ValidString(err.Error()) || strings.ContainsAny(err.Error(), "\r\n") {
					t.Errorf("%q", err)
				}
			}
		})
	})
}

// answers is an API that always says the same.
type answers struct {
	status int
	body   []byte
}

func (a answers) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Body != nil {
		_, _ = io.Copy(io.Discard, req.Body)
		req.Body.Close()
	}
	return &http.Response{
		StatusCode: a.status, Status: http.StatusText(a.status), Proto: "HTTP/1.1", Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(bytes.NewReader(a.body)), ContentLength: int64(len(a.body)), Request: req,
	}, nil
}

// FuzzContent judges content that comes in pieces as it does the whole.
func FuzzContent(f *testing.F) {
	f.Add([]byte("héllo"), 2)
	f.Add([]byte("a\x00b"), 1)
	f.Add([]byte(`{"a":[1,{}]} `), 3)
	f.Add([]byte("\xf0\x9f\x98\x80"), 3)
	f.Fuzz(func(t *testing.T, data []byte, cut int) {
		if cut < 0 || cut > len(data) {
			t.Skip()
		}
		text := utf8.Valid(data) && bytes.IndexByte(data, 0) < 0
		one := make([][]byte, len(data))
		for i := range data {
			one[i] = data[i : i+1]
		}
		if vsclient.IsText(data) != text || vsclient.IsText(data[:cut], data[cut:]) != text || vsclient.IsText(one...) != text {
			t.Errorf("%q is text: %v", data, text)
		}
		first := bytes.TrimLeft(data, " \t\r\n")
		want := json.Valid(data) && len(first) > 0 && (first[0] == '{' || first[0] == '[')
		if got := vsclient.IsJSON(vsclient.Bytes(data)); got != want {
			t.Errorf("%q is JSON: %v", data, got)
		}
	})
}

// FuzzRefusal finds some kind in any wording.
func FuzzRefusal(f *testing.F) {
	f.Add("unsupported_file", "")
	f.Add("", "You exceeded your current quota")
	f.Fuzz(func(t *testing.T, code, message string) {
		if vsclient.KindOfRefusal(code, message) == nil {
			t.Error("no kind")
		}
	})
}
