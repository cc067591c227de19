package openaitest_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// sendJSON sends a request with a JSON body, and decodes the reply into to unless it is nil.
func sendJSON(t *testing.T, s *openaitest.Server, method, path, body string, to any) answer {
	t.Helper()
	got, err := do(t.Context(), s, method, path, strings.NewReader(body), "application/json")
	if err != nil {
		t.Fatal(err)
	}
	if to != nil {
		if err := json.Unmarshal([]byte(got.body), to); err != nil {
			t.Fatalf("%s: %v", got.body, err)
		}
	}
	return got
}

func TestFileNamesAreAlteredAsTheQuirkSays(t *testing.T) {
	for _, tt := range []struct {
		alter      openaitest.AlterFilenames
		sent, kept string
	}{
		{"", "Docs/A b%20e\u0301.MD", "Docs/A b%20e\u0301.MD"},
		{openaitest.LowerCaseFilenames, "Docs/ÄÖ b.MD", "docs/äö b.md"},
		{openaitest.NFCFilenames, "cafe\u0301 \u1112\u1161\u11ab a\u0323\u0302.md", "café \ud55c \u1ead.md"},
		{openaitest.NFCFilenames, "\u212b \u0958 q\u0307\u0323.md", "\u00c5 \u0915\u093c q\u0323\u0307.md"}, // a singleton, an exclusion, an order
		{openaitest.UnderscoreForSpace, "a b  c.md", "a_b__c.md"},
		{openaitest.UnderscoreForUnsafe, "docs/é (1)_a-b.md", "docs____1__a-b.md"},
		{openaitest.Latin1Filenames, "é☃.md", "Ã©â\u0098\u0083.md"},
		{openaitest.PercentDecodedFilenames, "a%20b%2Fc%C3%A9%zz%.md", "a b/cé%zz%.md"},
	} {
		t.Run(fmt.Sprintf("%s %q", tt.alter, tt.sent), func(t *testing.T) {
			is := is.New(t)
			s := openaitest.New(openaitest.Config{Quirks: openaitest.Quirks{AlterFilenames: tt.alter}})
			got, err := upload(t.Context(), s, tt.sent, strings.NewReader("x"))
			is.NoErr(err)
			is.Equal(got.status, http.StatusOK)
			is.Equal(s.Snapshot().Files[0].Name, tt.kept)
			var u struct{ Filename string }
			name, err := json.Marshal(tt.sent)
			is.NoErr(err)
			sendJSON(t, s, "POST", "/uploads", `{"filename":`+string(name)+`,"purpose":"assistants","bytes":1,"mime_type":"text/plain"}`, &u)
			is.Equal(u.Filename, tt.kept)
		})
	}
}

func TestAbsentObjectsAreAnsweredAsTheQuirkSays(t *testing.T) {
	is := is.New(t)
	for _, tt := range []struct {
		quirks                 openaitest.Quirks
		store, storeFile, file int
	}{
		{openaitest.Quirks{}, 404, 404, 404},
		{openaitest.Quirks{Absent400: true}, 400, 400, 404},
		{openaitest.Quirks{AbsentFile400: true}, 404, 404, 400},
	} {
		s := openaitest.New(openaitest.Config{Quirks: tt.quirks})
		vs := s.NewVectorStore("docs")
		check := func(method, path, id, body string, status int) {
			t.Helper()
			got := sendJSON(t, s, method, path, body, nil)
			is.Equal(got.status, status)
			is.True(strings.Contains(got.body, id))
			is.True(status == 404 || strings.Contains(got.body, "not found"))
		}
		for _, method := range []string{"GET", "DELETE"} {
			check(method, "/vector_stores/vs_gone", "vs_gone", "", tt.store)
			check(method, "/vector_stores/vs_gone/files/file-1", "vs_gone", "", tt.store)
			check(method, "/vector_stores/"+vs+"/files/file-1", "file-1", "", tt.storeFile)
			check(method, "/files/file-1", "file-1", "", tt.file)
		}
		check("POST", "/vector_stores/vs_gone/search", "vs_gone", `{"query":"x"}`, tt.store)
		check("POST", "/vector_stores/vs_gone/files", "vs_gone", `{"file_id":"file-1"}`, tt.store)
		check("POST", "/vector_stores/"+vs+"/files/file-1", "file-1", `{"attributes":{}}`, tt.storeFile)
	}
}

func TestAGhostIsReadUnderEachAnswerForAnAbsentStoreFile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		s := openaitest.New(openaitest.Config{GhostWindow: time.Minute, Quirks: openaitest.Quirks{Absent400: true}})
		defer s.Close()
		vs, id := planted(s, "a.md")
		s.DetachStoreFile(vs, id)
		is.Equal(sendJSON(t, s, "GET", "/vector_stores/"+vs+"/files/"+id, "", nil).status, 200)
		time.Sleep(time.Minute)
		is.Equal(sendJSON(t, s, "GET", "/vector_stores/"+vs+"/files/"+id, "", nil).status, 400)
	})
}

// planted returns a new store that holds a new file.
func planted(s *openaitest.Server, name string) (store, file string) {
	store, file = s.NewVectorStore("docs"), s.AddFile(openaitest.NewFile{Name: name, Content: []byte("x")})
	s.AddStoreFile(store, file, map[string]any{"key": name})
	return store, file
}

func TestAServerWithoutBatchesTakesSingleAttaches(t *testing.T) {
	is := is.New(t)
	for answer, status := range map[openaitest.BatchesNotTaken]int{openaitest.BatchesNotFound: 404, openaitest.BatchesFail: 500, openaitest.BatchesEmpty: 200} {
		s := openaitest.New(openaitest.Config{Quirks: openaitest.Quirks{BatchesNotTaken: answer}})
		vs := s.NewVectorStore("docs")
		id := s.AddFile(openaitest.NewFile{Name: "a.md", Content: []byte("x")})
		bodies := []string{`{"files":[{"file_id":"` + id + `"}]}`, `{"file_ids":["` + id + `"]}`}
		if answer == openaitest.BatchesEmpty {
			bodies = bodies[:1]
		}
		for _, body := range bodies {
			var b struct {
				ID, Status string
				FileCounts struct{ Total int } `json:"file_counts"`
			}
			got := sendJSON(t, s, "POST", "/vector_stores/"+vs+"/file_batches", body, &b)
			is.Equal(got.status, status)
			is.Equal(len(s.Snapshot().Store(vs).Files), 0)
			if answer == openaitest.BatchesEmpty {
				is.Equal(b.Status, "completed")
				is.Equal(b.FileCounts.Total, 0)
				is.Equal(sendJSON(t, s, "GET", "/vector_stores/"+vs+"/file_batches/"+b.ID, "", nil).status, 200)
			} else {
				is.Equal(sendJSON(t, s, "GET", "/vector_stores/"+vs+"/file_batches/vsfb_1/files", "", nil).status, status)
			}
		}
		is.Equal(sendJSON(t, s, "POST", "/vector_stores/"+vs+"/files", `{"file_id":"`+id+`"}`, nil).status, 200) // a single attach is taken
	}
}

func TestAServerThatDropsAttributesShowsNone(t *testing.T) {
	is := is.New(t)
	s := openaitest.New(openaitest.Config{Quirks: openaitest.Quirks{AttributesDropped: true}})
	vs := s.NewVectorStore("docs")
	a, b := s.AddFile(openaitest.NewFile{Name: "a.md", Content: []byte("x")}), s.AddFile(openaitest.NewFile{Name: "b.md", Content: []byte("x")})
	files := "/vector_stores/" + vs + "/files"
	for _, r := range []struct{ method, path, body string }{
		{"POST", files, `{"file_id":"` + a + `","attributes":{"k":"v"}}`},
		{"POST", "/vector_stores/" + vs + "/file_batches", `{"files":[{"file_id":"` + b + `","attributes":{"k":"v"}}]}`},
		{"POST", files + "/" + a, `{"attributes":{"k":"v"}}`},
		{"GET", files + "/" + a, ""},
		{"GET", files, ""},
	} {
		got := sendJSON(t, s, r.method, r.path, r.body, nil)
		is.Equal(got.status, 200)
		is.True(!strings.Contains(got.body, `"k"`))
	}
	is.Equal(len(s.Snapshot().Store(vs).Files), 2)
	is.Equal(sendJSON(t, s, "POST", files, `{"file_id":"`+a+`","attributes":{"k":[]}}`, nil).status, 400) // they are still checked
}

func TestADetachReachesOtherStoresOnlyUnderItsQuirk(t *testing.T) {
	is := is.New(t)
	for _, everywhere := range []bool{false, true} {
		s := openaitest.New(openaitest.Config{Quirks: openaitest.Quirks{DetachEverywhere: everywhere}})
		one, id := planted(s, "a.md")
		two := s.NewVectorStore("others")
		s.AddStoreFile(two, id, nil)
		is.Equal(sendJSON(t, s, "DELETE", "/vector_stores/"+one+"/files/"+id, "", nil).status, 200)
		is.Equal(len(s.Snapshot().Store(one).Files), 0)
		is.Equal(len(s.Snapshot().Store(two).Files) == 0, everywhere)
		is.Equal(len(s.Snapshot().Files), 1) // the File itself stays
	}
}

func TestAListingMayShowAFileAsCompletedTooEarly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		for _, early := range []bool{false, true} {
			s := openaitest.New(openaitest.Config{IndexTime: time.Minute, Quirks: openaitest.Quirks{EarlyListed: early}})
			defer s.Close()
			vs := s.NewVectorStore("docs")
			good, bad := s.AddFile(openaitest.NewFile{Name: "a.md", Content: []byte("x")}), s.AddFile(openaitest.NewFile{Name: "b.md", Content: []byte("\xff")})
			store := "/vector_stores/" + vs
			var batch struct{ ID string }
			is.Equal(sendJSON(t, s, "POST", store+"/file_batches", `{"file_ids":["`+good+`","`+bad+`"]}`, &batch).status, 200)
			statuses := func(path string) (all []string) {
				var l struct{ Data []struct{ Status string } }
				is.Equal(sendJSON(t, s, "GET", path, "", &l).status, 200)
				for _, f := range l.Data {
					all = append(all, f.Status)
				}
				return all
			}
			var file struct{ Status string }
			sendJSON(t, s, "GET", store+"/files/"+good, "", &file)
			is.Equal(file.Status, "in_progress") // the store file itself tells the truth
			is.Equal(statuses(store+"/file_batches/"+batch.ID+"/files"), []string{"in_progress", "in_progress"})
			if early {
				is.Equal(statuses(store+"/files"), []string{"completed", "completed"})
				is.Equal(len(statuses(store+"/files?filter=completed")), 2)
				is.Equal(len(statuses(store+"/files?filter=in_progress")), 0)
			} else {
				is.Equal(statuses(store+"/files"), []string{"in_progress", "in_progress"})
			}
			time.Sleep(time.Minute)
			is.Equal(statuses(store+"/files?order=asc"), []string{"completed", "failed"})
		}
	})
}

func TestACapitalInAnExtensionIsRefusedWhereCaseCounts(t *testing.T) {
	is := is.New(t)
	for _, byCase := range []bool{false, true} {
		s := openaitest.New(openaitest.Config{Quirks: openaitest.Quirks{ExtensionCase: byCase, CheckUploadExtension: true}})
		vs := s.NewVectorStore("docs")
		attach := func(name string) answer {
			id := s.AddFile(openaitest.NewFile{Name: name, Content: []byte("x")})
			return sendJSON(t, s, "POST", "/vector_stores/"+vs+"/files", `{"file_id":"`+id+`"}`, nil)
		}
		is.Equal(attach("A.md").status, 200)
		got := attach("a.Md")
		up, err := upload(t.Context(), s, "a.Md", strings.NewReader("x"))
		is.NoErr(err)
		if byCase {
			is.Equal(got.status, 400)
			is.True(strings.Contains(got.body, "extensions [.Md] are not supported"))
			is.Equal(up.status, 400)
		} else {
			is.Equal(got.status, 200)
			is.Equal(up.status, 200)
		}
	}
}

func TestAStoreExpiresWhenTheTestSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		s := openaitest.New(openaitest.Config{StoresExpireAfter: time.Hour})
		defer s.Close()
		expired := func(vs string) bool {
			got := sendJSON(t, s, "GET", "/vector_stores/"+vs, "", nil) // a use does not keep it alive
			return strings.Contains(got.body, `"status":"expired"`)
		}
		first, id := planted(s, "a.md")
		second, _ := planted(s, "b.md")
		s.ExpireVectorStore(first, time.Minute)
		time.Sleep(time.Minute - 1)
		is.Equal(sendJSON(t, s, "POST", "/vector_stores/"+first+"/search", `{"query":"x"}`, nil).status, 200)
		is.True(!expired(first))
		time.Sleep(time.Nanosecond)
		is.True(expired(first))
		is.Equal(len(s.Snapshot().Store(first).Files), 0)
		is.Equal(len(s.Snapshot().Files), 2) // Files outlive the store
		got := sendJSON(t, s, "POST", "/vector_stores/"+first+"/files", `{"file_id":"`+id+`"}`, nil)
		is.Equal(got.status, 400)
		is.True(strings.Contains(got.body, "expired"))

		is.True(!expired(second))
		time.Sleep(time.Hour - time.Minute)
		is.True(expired(second)) // by Config.StoresExpireAfter
		third := s.NewVectorStore("docs")
		s.ExpireVectorStore(third, 0)
		is.True(expired(third))
	})
}

func TestAStoreExpiresWhenTheControlDoorIsTold(t *testing.T) {
	is := is.New(t)
	s := openaitest.New(openaitest.Config{})
	vs := s.NewVectorStore("docs")
	is.Equal(control(t, s, "POST", "/expire", `{"vector_store_id":"`+vs+`","after":"1h"}`, nil), http.StatusNoContent)
	is.True(!s.Snapshot().Store(vs).Expired)
	s.Advance(time.Hour)
	is.True(s.Snapshot().Store(vs).Expired)
	for _, bad := range []string{`{"vector_store_id":"vs_gone"}`, `{"vector_store_id":"` + vs + `","after":"-1s"}`, `{}`} {
		is.Equal(control(t, s, "POST", "/expire", bad, nil), http.StatusBadRequest)
	}
}
