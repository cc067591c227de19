package openaitest_test

import (
	"crypto/md5" //nolint:gosec // the checksum that the API takes
	"encoding/hex"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// beginUpload starts an upload of so many bytes and adds the parts.
func beginUpload(t *testing.T, s *openaitest.Server, size int, parts ...string) (upload string, ids []string) {
	t.Helper()
	var made struct{ ID string }
	sendJSON(t, s, "POST", "/uploads", fmt.Sprintf(`{"filename":"a.md","purpose":"assistants","bytes":%d,"mime_type":"text/markdown"}`, size), &made)
	upload = made.ID
	for _, p := range parts {
		got, err := step{request: "POST /uploads/" + upload + "/parts", name: "part", purpose: "part", body: p}.send(t.Context(), s, nil)
		if err != nil || got.status != 200 {
			t.Fatal(got, err)
		}
		_, id, _ := strings.Cut(got.body, `"id":"`)
		id, _, _ = strings.Cut(id, `"`)
		ids = append(ids, id)
	}
	return upload, ids
}

func completion(ids []string, sum [md5.Size]byte) string {
	return `{"part_ids":["` + strings.Join(ids, `","`) + `"],"md5":"` + hex.EncodeToString(sum[:]) + `"}`
}

func TestTheMD5OfAnUploadIsCheckedThoughNotAllIsKept(t *testing.T) {
	is := is.New(t)
	s := openaitest.New(openaitest.Config{KeepBytes: 1000})
	parts := []string{strings.Repeat("a", 1500), strings.Repeat("b", 2000)}
	upload, ids := beginUpload(t, s, 3500, parts...)
	turned := []string{ids[1], ids[0]}
	sum := func(text string) [md5.Size]byte { return md5.Sum([]byte(text)) } //nolint:gosec // as above
	path := "/uploads/" + upload + "/complete"
	is.Equal(sendJSON(t, s, "POST", path, completion(turned, sum(parts[0]+parts[1])), nil).status, 400)
	is.Equal(sendJSON(t, s, "POST", path, completion(turned, sum(parts[1]+parts[0])), nil).status, 200)
	f := s.Snapshot().Files[0]
	is.Equal(f.Bytes, int64(3500))
	is.True(f.SHA256 != "")
	is.Equal(string(s.Content(f.ID)), parts[1][:1000])
}

func TestAnUploadOfOnePartHasItsContent(t *testing.T) {
	is := is.New(t)
	s := openaitest.New(openaitest.Config{})
	upload, ids := beginUpload(t, s, 5, "hello")
	is.Equal(sendJSON(t, s, "POST", "/uploads/"+upload+"/complete", `{"part_ids":["`+ids[0]+`"]}`, nil).status, 200)
	f := s.Snapshot().Files[0]
	is.Equal(string(s.Content(f.ID)), "hello")
	is.Equal(f.SHA256, "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")
}

func TestAnAbandonedUploadExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		s := openaitest.New(openaitest.Config{})
		defer s.Close()
		upload, ids := beginUpload(t, s, 5, "hello")
		done, parts := beginUpload(t, s, 5, "hello")
		is.Equal(sendJSON(t, s, "POST", "/uploads/"+done+"/complete", `{"part_ids":["`+parts[0]+`"]}`, nil).status, 200)
		time.Sleep(time.Hour - 1)
		is.Equal(s.Snapshot().Uploads, 1)
		time.Sleep(time.Nanosecond)
		is.Equal(s.Snapshot().Uploads, 0)
		got := sendJSON(t, s, "POST", "/uploads/"+upload+"/complete", `{"part_ids":["`+ids[0]+`"]}`, nil)
		is.Equal(got.status, 400)
		is.True(strings.Contains(got.body, "expired"))
		is.Equal(len(s.Snapshot().Files), 1) // the completed one stays
	})
}

// TestThePartsOfAnUploadTakeAFewTimesItsBytes sends one part again, as after lost replies,
// and then many others.
func TestThePartsOfAnUploadTakeAFewTimesItsBytes(t *testing.T) {
	is := is.New(t)
	s := openaitest.New(openaitest.Config{})
	again := slices.Repeat([]string{"hello"}, 100)
	upload, ids := beginUpload(t, s, 10, again...)
	taken, refused := 0, ""
	for i := range 100 {
		got, err := step{request: "POST /uploads/" + upload + "/parts", name: "part", purpose: "part", body: fmt.Sprintf("%05d", i)}.send(t.Context(), s, nil)
		is.NoErr(err)
		if got.status == 200 {
			taken++
		} else {
			is.Equal(got.status, 400)
			refused = got.body
		}
	}
	is.Equal(taken, 4*10/5-1)
	is.True(strings.Contains(refused, "many times the 10 bytes declared"))
	beginUpload(t, s, 10, "other") // has room of its own
	path := "/uploads/" + upload + "/complete"
	is.Equal(sendJSON(t, s, "POST", path, completion([]string{ids[0], ids[99]}, md5.Sum([]byte("hellohello"))), nil).status, 200) //nolint:gosec // as above
	is.Equal(string(s.Content(s.Snapshot().Files[0].ID)), "hellohello")
}

func TestAPartTakesNoMoreMemoryThanItsUploadHasBytesLeft(t *testing.T) {
	if os.Getenv("OPENAITEST_RECORD") != "" {
		t.Skip("a recording holds the bodies of requests")
	}
	is := is.New(t)
	s := openaitest.New(openaitest.Config{})
	upload, _ := beginUpload(t, s, 10, "hello")
	part := step{request: "POST /uploads/" + upload + "/parts", name: "part", purpose: "part"}
	body := strings.NewReader(part.form(strings.Repeat("x", 32<<20)))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got, err := do(t.Context(), s, "POST", "/uploads/"+upload+"/parts", body, "multipart/form-data; boundary=b")
	runtime.ReadMemStats(&after)
	is.NoErr(err)
	is.Equal(got.status, 400)
	is.True(after.TotalAlloc-before.TotalAlloc < 8<<20)
}
