package wire

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/exchange"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/race"
)

func TestAConfigurationWithWhichNoRequestCanBeMadeIsRefused(t *testing.T) {
	for _, row := range []struct {
		sentence string
		change   func(*Config)
		says     string
	}{
		{"a query", func(c *Config) { c.BaseURL = "https://u:pa55word@h/v1?api-version=1" }, "query"},
		{"an empty query", func(c *Config) { c.BaseURL = "https://h/v1?" }, "query"},
		{"a fragment", func(c *Config) { c.BaseURL = "https://h/v1#x" }, "fragment"},
		{"a port beyond all", func(c *Config) { c.BaseURL = "https://u:pa55word@h:65536/v1" }, "port"},
		{"port 0", func(c *Config) { c.BaseURL = "https://h:0/v1" }, "port"},
		{"a port that is no number", func(c *Config) { c.BaseURL = "https://u:pa55word@h:x/v1" }, "no URL"},
		{"another scheme", func(c *Config) { c.BaseURL = "ftp://u:pa55word@h/v1" }, "http or https"},
		{"no scheme", func(c *Config) { c.BaseURL = "u:pa55word@h/v1" }, "http or https"},
		{"no host", func(c *Config) { c.BaseURL = "https:///v1" }, "http or https"},
		{"a line end in the URL", func(c *Config) { c.BaseURL = "https://u:pa55word@h/\n\x1b" }, "no URL"},
		{"a space behind the URL", func(c *Config) { c.BaseURL = "https://h/v1 " }, "space"},
		{"a character that cannot be seen in the URL", func(c *Config) { c.BaseURL = "https://u:pa55word@h\u202e/v1" }, "cannot be seen"},
		{"a line end in the organization", func(c *Config) { c.Organization = "org\r\nX-Evil: 1" }, "organization"},
		{"a line end in the project", func(c *Config) { c.Project = "proj\n" }, "project"},
		{"a letter that no header carries in the project", func(c *Config) { c.Project = "é" }, "project"},
		{"a space in the key", func(c *Config) { c.APIKey = "pa55word " }, "API key"},
		{"a store id that leads elsewhere", func(c *Config) { c.StoreID = "../files" }, "store id"},
		{"no store id", func(c *Config) { c.StoreID = "" }, "store id"},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			cfg := Config{StoreID: "vs_1", Config: exchange.Config{BaseURL: "https://h/v1", APIKey: "k"}}
			row.change(&cfg)
			_, err := New(cfg)
			if err == nil || !strings.Contains(err.Error(), row.says) || strings.Contains(err.Error(), "pa55word") || strings.ContainsAny(err.Error(), "\r\n\x1b") {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	is := is.New(t)
	var hosts []string
	c := newClient(t, transport(func(r *http.Request) (*http.Response, error) {
		hosts = append(hosts, r.URL.Host)
		return answer(307, ``, "Location", "https://other.example/v1/files/file-1")(r)
	}))
	_, err := c.File(t.Context(), "file-1")
	is.True(errors.Is(err, fail.Incompatible))
	is.Equal(hosts, []string{"api.example"})
}

// absences are answers to a request, while the store is there.
var absences = []struct {
	sentence string
	status   int
	message  string
	endpoint string
	kind     error
	storeToo int // requests for the store
}{
	{"a 404 that names the file", 404, "No file found with id 'file-1' in vector store 'vs_1'.", "StoreFile", fail.NotFound, 0},
	{"a 404 that names nothing", 404, "Not Found", "StoreFile", fail.NotFound, 1},
	{"a 404 that speaks of the store", 404, "Vector store vs_1: no such file", "StoreFile", fail.NotFound, 1},
	{"a 400 that names the file", 400, "File 'file-1' not found in vector store 'vs_1'.", "StoreFile", fail.NotFound, 0},
	{"a 400 that names the store", 400, "Vector store 'vs_1' not found.", "UpdateStoreFile", fail.Rejected, 1},
	{"a 400 for an attach that names the store", 400, "Embedding model not found for vector store 'vs_1'.", "CreateStoreFile", fail.Rejected, 1},
	{"a 400 that names the file in another's name", 400, "File file-12 not found.", "UpdateStoreFile", fail.Rejected, 0},
	{"a 400 that names another file", 400, "File 'file-2' not found.", "UpdateStoreFile", fail.Rejected, 0},
	{"a 400 that names the file, and does not miss it", 400, "File 'file-1' is being indexed.", "UpdateStoreFile", fail.Rejected, 0},
	{"a 400 about a file that is called so", 400, "File file-1 (unknown file not found.md) is in use by another request.", "StoreFile", fail.Incompatible, 0},
	{"a 400 about a document that is called so", 400, "Document not found.md (file-1) is locked.", "StoreFile", fail.Incompatible, 0},
	{"a 400 that quotes an attribute", 400, "The value 'not found' of attribute 'state' of file file-1 is not allowed.", "UpdateStoreFile", fail.Rejected, 0},
	{"a 400 about an unknown error", 400, "File file-1 cannot be removed now because of an unknown error.", "StoreFile", fail.Incompatible, 0},
	{"a 400 whose other sentence misses something", 400, "File file-1 is locked. No such lock owner.", "StoreFile", fail.Incompatible, 0},
	{"a 400 whose error object names the file", 400, `Error code: 404 - {'error': {'message': "No such File object: file-1", 'code': None}}`, "File", fail.NotFound, 0},
	{"a 400 that names nothing", 400, "No such file.", "UpdateStoreFile", fail.Rejected, 0},
	{"a 404 for a File", 404, "", "File", fail.NotFound, 0},
	{"a 400 for a File", 400, "No such File object: file-1", "File", fail.NotFound, 0},
	{"a 404 for the list of Files", 404, "Not Found", "Files", fail.Incompatible, 0},
	{"a 404 for the list of store files", 404, "Not Found", "StoreFiles", fail.Incompatible, 1},
	{"a 404 for an upload", 404, "Not Found", "Upload", fail.Incompatible, 0},
	{"a 404 for an attach that names the File", 404, "No such File object: file-1", "CreateStoreFile", fail.NotFound, 0},
	{"a 404 for an attach that names nothing", 404, "Not Found", "CreateStoreFile", fail.NotFound, 1},
	{"a 400 for an attach that names the File", 400, "The file file-1 does not exist", "CreateStoreFile", fail.NotFound, 0},
	{"a 404 for a batch that names a File", 404, "No such File object: file-1", "CreateBatch", fail.NotFound, 0},
	{"a 404 for a batch that names nothing", 404, "Invalid URL (POST /v1/vector_stores/vs_1/file_batches)", "CreateBatch", fail.Incompatible, 1},
}

func TestAbsenceIsOfTheObjectThatWasAskedFor(t *testing.T) {
	calls := make(map[string]func(*testing.T, *Client) error)
	for _, e := range endpoints {
		calls[e.name] = func(t *testing.T, c *Client) error { return e.call(t.Context(), c) }
	}
	for _, row := range absences {
		for reply, want := range map[string]error{
			`200 {"id":"vs_1","status":"completed"}`: row.kind, `200 {"id":"vs_1","status":"expired"}`: fail.StoreGone, `404 {}`: fail.StoreGone, `500 {}`: fail.Unavailable,
		} {
			if row.storeToo == 0 {
				want = row.kind
			}
			var status int
			_, err := fmt.Sscan(reply, &status)
			if err != nil {
				t.Fatal(err)
			}
			t.Run(fmt.Sprint(row.sentence, ", and the store says ", reply), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					asked, others := 0, 0
					c := newClient(t, transport(func(r *http.Request) (*http.Response, error) {
						if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/vector_stores/vs_1") {
							asked++
							return answer(status, reply[4:])(r)
						}
						others++
						return answer(row.status, fmt.Sprintf(`{"error":{"message":%q}}`, row.message))(r)
					}))
					err := calls[row.endpoint](t, c)
					if !errors.Is(err, want) || errors.Is(want, fail.StoreGone) && errors.Is(err, fail.NotFound) {
						t.Errorf("%v is not %v", err, want)
					}
					if tries := map[bool]int{true: 6, false: 1}[errors.Is(want, fail.Incompatible) && row.status == 400]; others != tries || (asked > 0) != (row.storeToo > 0) {
						t.Errorf("%d requests, and %d for the store", others, asked)
					}
				})
			})
		}
	}
}

// inTurn answers with one after the other, and then with the first again.
func inTurn(all ...transport) transport {
	n := -1
	return func(r *http.Request) (*http.Response, error) {
		n++
		return all[n%len(all)](r)
	}
}

// A 400 has many reasons, and its words may mislead. A GET may still show an object that was removed.
func TestARemovalThatA400CallsAbsentIsDoneWhenAGetSaysTheSame(t *testing.T) {
	refused := answer(400, `{"error":{"message":"File 'file-1' not found in vector store 'vs_1'."}}`)
	for sentence, row := range map[string]struct {
		get  transport
		kind error // nil: it is done
	}{
		"a 404":             {answer(404, `{}`), nil},
		"the same 400":      {refused, nil},
		"the object":        {answer(200, `{"id":"file-1"}`), fail.Unavailable},
		"the object first":  {inTurn(answer(200, `{"id":"file-1"}`), answer(200, `{"id":"file-1"}`), answer(404, `{}`)), nil},
		"a refusal behind":  {inTurn(answer(200, `{"id":"file-1"}`), answer(401, `{}`)), fail.Unauthorized},
		"an outage":         {answer(503, `{}`), fail.Unavailable},
		"a refusal of it":   {answer(401, `{}`), fail.Unauthorized},
		"a 400 about other": {answer(400, `{"error":{"message":"Field required"}}`), fail.Incompatible},
	} {
		t.Run(sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := newClient(t, storeThere(func(r *http.Request) (*http.Response, error) {
					if r.Method == http.MethodGet {
						return row.get(r)
					}
					return refused(r)
				}))
				for name, remove := range map[string]func(context.Context, string) (bool, error){"detach": c.detached, "delete": c.DeleteFile} {
					there, err := remove(t.Context(), "file-1")
					if there || !errors.Is(err, row.kind) {
						t.Errorf("%s: %v, %v", name, there, err)
					}
				}
			})
		})
	}
}

func TestADeleteOfAnAbsentObjectSucceedsOnlyWhileTheStoreIsThere(t *testing.T) {
	is := is.New(t)
	refused := answer(404, `{"error":{"message":"Not Found"}}`)
	there, _, err := newClient(t, storeThere(refused)).Detach(t.Context(), "file-1")
	is.NoErr(err)
	is.True(!there)
	_, _, err = newClient(t, refused).Detach(t.Context(), "file-1")
	is.True(errors.Is(err, fail.StoreGone))
	there, err = newClient(t, refused).DeleteFile(t.Context(), "file-1")
	is.NoErr(err)
	is.True(!there)
}

func TestAListingWhoseCursorIsRefusedBeginsAnew(t *testing.T) {
	is := is.New(t)
	deleted := false
	c := newClient(t, transport(func(r *http.Request) (*http.Response, error) {
		after := r.URL.Query().Get("after")
		switch {
		case after == "file-2" && !deleted:
			deleted = true
			return answer(404, `{"error":{"message":"No such File object: file-2"}}`)(r)
		case after == "":
			id := 2
			if deleted {
				id = 1
			}
			return answer(200, fmt.Sprintf(`{"object":"list","data":[{"id":"file-%d"}],"has_more":true}`, id))(r)
		}
		return answer(200, `{"object":"list","data":[{"id":"file-0"}]}`)(r)
	}))
	var seen []string
	for page, err := range c.Files(t.Context(), 1, nil) {
		is.NoErr(err)
		for _, f := range page {
			seen = append(seen, f.ID)
		}
	}
	is.Equal(seen, []string{"file-2", "file-1", "file-0"})
}

func TestAListingWhoseCursorsAreAllRefusedFails(t *testing.T) {
	for _, status := range []int{400, 404} {
		n := 0
		c := newClient(t, transport(func(r *http.Request) (*http.Response, error) {
			n++
			if r.URL.Query().Get("after") != "" {
				return answer(status, `{"error":{"message":"bad cursor file-1"}}`)(r)
			}
			return answer(200, `{"object":"list","data":[{"id":"file-1"}],"has_more":true}`)(r)
		}))
		err := all(c.StoreFiles(t.Context()))
		if !errors.Is(err, fail.Incompatible) || errors.Is(err, fail.NotFound) || n > 10 {
			t.Errorf("%v after %d requests", err, n)
		}
	}
}

func TestAListingWhoseCursorsAreAllRefusedFailsAlsoWhereItAlwaysBeginsWithAnother(t *testing.T) {
	n := 0
	c := newClient(t, storeThere(transport(func(r *http.Request) (*http.Response, error) {
		if r.URL.Query().Get("after") != "" {
			return answer(404, `{"error":{"message":"Not Found"}}`)(r)
		}
		if n++; n > 1000 {
			return answer(401, `{}`)(r)
		}
		return answer(200, fmt.Sprintf(`{"object":"list","data":[%s{"id":"file-%d"}],"has_more":true}`, strings.Repeat(fmt.Sprintf(`{"id":"file-%d"},`, n), 99), n))(r)
	})))
	if err := all(c.StoreFiles(t.Context())); !errors.Is(err, fail.Incompatible) || n > maxFresh+1 {
		t.Errorf("%v after %d beginnings", err, n)
	}
}

// A cache or a proxy may mix replies up. Only one that speaks of the File proves that it
// is gone.
func TestADeletionIsProvedByAReplyAboutItAlone(t *testing.T) {
	for body, done := range map[string]bool{
		`{"id":"file-1","object":"vector_store.file.deleted","deleted":true}`: true,
		`{"id":"file-1","object":"file","deleted":true}`:                      true,
		`{"id":"file-1","object":"file.deleted"}`:                             true,
		`{"deleted":true}`: true,
		`{}`:               true,
		`{"id":"file-1","object":"vector_store.file.deleted","deleted":false}`: false,
		`{"id":"file-2","object":"vector_store.file.deleted","deleted":true}`:  false,
		`{"id":"file-1","object":"list"}`:                                      false,
		`{"id":"file-1","object":"file"}`:                                      false,
		`{"object":"list","data":[],"has_more":false}`:                         false,
	} {
		synctest.Test(t, func(t *testing.T) {
			is := is.New(t)
			c := newClient(t, answer(200, body))
			defer c.Close()
			for _, remove := range []func(context.Context, string) (bool, error){c.detached, c.DeleteFile} {
				there, err := remove(t.Context(), "file-1")
				is.Equal(there, done)
				is.Equal(err == nil, done) // of this reply
				is.True(done || errors.Is(err, fail.Unavailable))
			}
		})
	}
}

// Some servers refuse to list files, or to remove one, while another is being removed.
func TestARequestThatReadsOrRemovesIsRepeatedWhenItIsRefusedForAReasonThatIsNotKnown(t *testing.T) {
	for _, e := range endpoints {
		t.Run(e.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var methods []string
				c := newClient(t, transport(func(r *http.Request) (*http.Response, error) {
					if methods = append(methods, r.Method); len(methods) <= 3 {
						return answer(400, `{"error":{"message":"Field required"}}`)(r)
					}
					return answer(200, e.object)(r)
				}))
				err := e.call(t.Context(), c)
				if post := methods[0] == http.MethodPost; post == (err == nil) || post && len(methods) > 1 {
					t.Errorf("%v after %v", err, methods)
				}
			})
		})
	}
}

// Some servers close the connection behind a 400 without saying so, which loses a
// request that is sent on it meanwhile.
func TestNoRequestIsSentOnAConnectionThatHasBroughtA400(t *testing.T) {
	for status, connections := range map[int]int32{200: 1, 404: 1, 400: 6} { // a GET follows a DELETE that a 400 refuses
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			is := is.New(t)
			var opened atomic.Int32
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(status)
				fmt.Fprint(w, `{"id":"file-1","deleted":true,"error":{"message":"File file-1 not found"}}`)
			}))
			server.Config.ConnState = func(_ net.Conn, s http.ConnState) {
				if s == http.StateNew {
					opened.Add(1)
				}
			}
			server.Start()
			defer server.Close()
			c := newClient(t, nil, func(cfg *Config) { cfg.BaseURL, cfg.HTTPClient, cfg.Connections = server.URL, nil, 10 })
			defer c.Close()
			for range 3 {
				_, _, err := c.Detach(t.Context(), "file-1")
				is.NoErr(err)
			}
			is.Equal(opened.Load(), connections)
		})
	}
}

func TestTextsOfAReplyAreSingleLinesWithoutSecrets(t *testing.T) {
	is, times := is.New(t), 9000
	if race.Enabled {
		times = 300
	}
	reply := `{"id":"file-1","status":"in\u001bprogress","last_error":{"code":"bad\r\n","message":"` + strings.Repeat(`no \u001b[31m\n`+secretKey, times) + `"},"attributes":{"a":"kept\nas it is"}}`
	for _, get := range []func(*Client) (StoreFile, error){
		func(c *Client) (StoreFile, error) { s, _, err := c.StoreFile(t.Context(), "file-1"); return s, err },
		func(c *Client) (StoreFile, error) {
			for page, err := range c.StoreFiles(t.Context()) {
				return page[0], err
			}
			return StoreFile{}, errors.New("no page")
		},
	} {
		s, err := get(newClient(t, transport(func(r *http.Request) (*http.Response, error) {
			if strings.HasSuffix(r.URL.Path, "/files") {
				return answer(200, `{"object":"list","data":[`+reply+`]}`)(r)
			}
			return answer(200, reply)(r)
		})))
		is.NoErr(err)
		shown := s.LastError.String()
		is.True(strings.HasPrefix(shown, `bad: no \x1b[31m [redacted]no`))
		is.True(len(shown) < 600)
		is.True(!strings.Contains(shown, secretKey))
		is.Equal(string(s.Status), `in\x1bprogress`)
		is.Equal(s.Attributes["a"], "kept\nas it is") // the caller's
	}
}

// detached takes a File out of the store, as [Client.DeleteFile] deletes one.
func (c *Client) detached(ctx context.Context, id string) (there bool, err error) {
	there, _, err = c.Detach(ctx, id)
	return there, err
}
