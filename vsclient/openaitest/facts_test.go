package openaitest_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// Sources of the facts below.
const (
	recorded = "replies of the API recorded by the tests of github.com/alexrudall/ruby-openai, 2023-11 to 2025-02"
	stdapi   = "tests of stdapi.ai that also run against OpenAI"
	forum    = "community.openai.com/t/1357013"
	document = "OpenAI's OpenAPI document of 2026-08-21"
	ogx      = "OGX 1.5.0, as it ran"
)

// step is one request of a fact, and parts of its reply. {vs}, {file} and {last} stand for
// ids; {last} is the id in the last reply.
type step struct {
	request string // method and path
	body    string // JSON; of an upload or part: the content
	name    string // of the file; a form is sent
	purpose string // of the form; empty: assistants; "part": a part of an upload

	wait   time.Duration // before the request
	status int
	has    []string // in the body or in a header
}

// TestTheAPIBehavesHereAsOthersHaveSeenIt checks the emulator against facts about the live
// API and about other servers. Each fact begins with an empty vector store and a File a.md
// that is not attached.
func TestTheAPIBehavesHereAsOthersHaveSeenIt(t *testing.T) {
	for _, tt := range []struct {
		fact   string
		source string
		cfg    openaitest.Config
		steps  []step
	}{
		{fact: "a store that is given no name has name null, and no policy is null", source: recorded, steps: []step{
			{request: "POST /vector_stores", body: `{}`, status: 200, has: []string{`"name":null`, `"expires_after":null`, `"expires_at":null`}},
		}},
		{fact: "status_details of a File are null", source: recorded, steps: []step{
			{request: "POST /files", name: "a.md", body: "x", status: 200, has: []string{`"status_details":null`}},
			{request: "GET /files/{last}", status: 200, has: []string{`"status_details":null`}},
		}},
		{fact: "a text of 12 bytes uses 1036", source: recorded, steps: []step{
			{request: "POST /files", name: "a.md", body: "Hello, world", status: 200, has: []string{`"bytes":12,`}},
			{request: "POST /vector_stores/{vs}/files", body: `{"file_id":"{last}"}`, status: 200, has: []string{`"usage_bytes":1036,`}},
			{request: "GET /vector_stores/{vs}", status: 200, has: []string{`"usage_bytes":1036,`}},
		}},
		{
			fact: "the listing of a new batch is answered 500, and two seconds later it is not", source: recorded + " (2024-10-15)",
			cfg: openaitest.Config{Quirks: openaitest.Quirks{FreshBatchListing500: true}}, steps: []step{
				{request: "POST /vector_stores/{vs}/file_batches", body: `{"file_ids":["{file}"]}`, status: 200},
				{request: "GET /vector_stores/{vs}/file_batches/{last}/files", status: 500, has: []string{`"server_error"`, "The server had an error processing your request. Sorry about that! You can retry your request"}},
				{request: "GET /vector_stores/{vs}/file_batches/{last}/files", wait: 2 * time.Second, status: 200, has: []string{"{file}"}},
			},
		},
		{fact: "content comes as application/octet-stream with the name of the file", source: recorded + " (2025-02)", steps: []step{
			{request: "POST /files", name: "a \"b\".png", purpose: "vision", body: "x", status: 200},
			{request: "GET /files/{last}/content", status: 200, has: []string{"application/octet-stream", `attachment; filename="a \"b\".png"`}},
		}},
		{fact: "a file for fine-tuning needs no extension jsonl", source: recorded + " (2024-04)", steps: []step{
			{request: "POST /files", name: "sentiment.json", purpose: "fine-tune", body: "{}", status: 200},
		}},
		{fact: "the cancel of a finished batch is answered with the completed batch", source: recorded, steps: []step{
			{request: "POST /vector_stores/{vs}/file_batches", body: `{"file_ids":["{file}"]}`, status: 200},
			{request: "POST /vector_stores/{vs}/file_batches/{last}/cancel", status: 200, has: []string{`"status":"completed"`}},
		}},
		{fact: "a part beyond the declared bytes is refused when it comes", source: stdapi, steps: []step{
			{request: "POST /uploads", body: `{"filename":"a.md","purpose":"assistants","bytes":5,"mime_type":"text/markdown"}`, status: 200},
			{request: "POST /uploads/{last}/parts", name: "part", purpose: "part", body: "sixsix", status: 400, has: []string{"declared"}},
			{request: "POST /uploads/{last}/parts", name: "part", purpose: "part", body: "five5", status: 200},
		}},
		{fact: "a part that is sent again after a lost reply is not in the way", source: document + ": the bytes uploaded upon completion must match", steps: []step{
			{request: "POST /uploads", body: `{"filename":"a.md","purpose":"assistants","bytes":5,"mime_type":"text/markdown"}`, status: 200},
			{request: "POST /uploads/{last}/parts", name: "part", purpose: "part", body: "five5", status: 200},
			{request: "POST /uploads/{last}/parts", name: "part", purpose: "part", body: "five5", status: 200},
		}},
		{fact: "an unknown part is a bad request that names the part", source: stdapi, steps: []step{
			{request: "POST /uploads", body: `{"filename":"a.md","purpose":"assistants","bytes":5,"mime_type":"text/markdown"}`, status: 200},
			{request: "POST /uploads/{last}/complete", body: `{"part_ids":["part_unknown"]}`, status: 400, has: []string{"part_unknown", "invalid_request_error"}},
		}},
		{
			fact: "an upload of application/octet-stream is taken", source: stdapi,
			cfg: openaitest.Config{Quirks: openaitest.Quirks{OctetStreamUploads: true}}, steps: []step{
				{request: "POST /uploads", body: `{"filename":"a.md","purpose":"assistants","bytes":5,"mime_type":"application/octet-stream"}`, status: 200},
			},
		},
		{fact: "an upload of application/octet-stream is refused", source: document + ", CreateUploadRequest", steps: []step{
			{request: "POST /uploads", body: `{"filename":"a.md","purpose":"assistants","bytes":5,"mime_type":"application/octet-stream"}`, status: 400, has: []string{"mime_type"}},
		}},
		{fact: "a File without an extension cannot be attached", source: "openai-python#1511", steps: []step{
			{request: "POST /files", name: "LICENSE", body: "x", status: 200},
			{request: "POST /vector_stores/{vs}/files", body: `{"file_id":"{last}"}`, status: 400, has: []string{"Files with extensions [none] are not supported for retrieval"}},
		}},
		{
			fact: "an extension in capitals is refused", source: "kaapi-backend#1192, unconfirmed",
			cfg: openaitest.Config{Quirks: openaitest.Quirks{ExtensionCase: true}}, steps: []step{
				{request: "POST /files", name: "A.MD", body: "x", status: 200},
				{request: "POST /vector_stores/{vs}/files", body: `{"file_id":"{last}"}`, status: 400, has: []string{"unsupported_file"}},
			},
		},
		{fact: "an unsupported extension is refused with its code", source: stdapi, steps: []step{
			{request: "POST /files", name: "a.png", body: "x", status: 200},
			{request: "POST /vector_stores/{vs}/files", body: `{"file_id":"{last}"}`, status: 400, has: []string{`"code":"unsupported_file"`, `"param":"file_ids"`, "[.png]"}},
			{request: "GET /vector_stores/{vs}/files", status: 200, has: []string{`"data":[]`}},
		}},
		{
			fact: "a detach in one store detaches in all", source: "openai-node#1710, open",
			cfg: openaitest.Config{Quirks: openaitest.Quirks{DetachEverywhere: true}}, steps: []step{
				{request: "POST /vector_stores", body: `{"file_ids":["{file}"]}`, status: 200, has: []string{`"total":1`}},
				{request: "POST /vector_stores/{vs}/files", body: `{"file_id":"{file}"}`, status: 200},
				{request: "DELETE /vector_stores/{vs}/files/{file}", status: 200},
				{request: "GET /vector_stores", status: 200, has: []string{`"total":0`}},
			},
		},
		{fact: "an unknown File is not found, and after its deletion at once", source: stdapi, steps: []step{
			{request: "GET /files/file-1234567890123456789012", status: 404, has: []string{"invalid_request_error", "No such"}},
			{request: "DELETE /files/{file}", status: 200},
			{request: "GET /files/{file}", status: 404},
			{request: "DELETE /files/{file}", status: 404},
		}},
		{fact: "an update replaces all attributes", source: stdapi, steps: []step{
			{request: "POST /vector_stores/{vs}/files", body: `{"file_id":"{file}","attributes":{"a":1}}`, status: 200, has: []string{`"attributes":{"a":1}`}},
			{request: "POST /vector_stores/{vs}/files/{file}", body: `{"attributes":{"b":2}}`, status: 200, has: []string{`"attributes":{"b":2}`}},
		}},
		{fact: "a second attach of a File leaves one store file", source: stdapi, steps: []step{
			{request: "POST /vector_stores/{vs}/files", body: `{"file_id":"{file}"}`, status: 200},
			{request: "POST /vector_stores/{vs}/files", body: `{"file_id":"{file}"}`, status: 200},
			{request: "GET /vector_stores/{vs}", status: 200, has: []string{`"total":1`}},
		}},
		{fact: "the object of a batch is vector_store.file_batch", source: stdapi, steps: []step{
			{request: "POST /vector_stores/{vs}/file_batches", body: `{"file_ids":["{file}"]}`, status: 200, has: []string{`"object":"vector_store.file_batch"`}},
		}},
		{
			fact: "an unknown batch and every cancel are answered 500", source: stdapi,
			cfg: openaitest.Config{Quirks: openaitest.Quirks{UnknownBatch500: true, CancelBatch500: true}}, steps: []step{
				{request: "GET /vector_stores/{vs}/file_batches/vsfb_1", status: 500},
				{request: "POST /vector_stores/{vs}/file_batches", body: `{"file_ids":["{file}"]}`, status: 200},
				{request: "POST /vector_stores/{vs}/file_batches/{last}/cancel", status: 500},
			},
		},
		{fact: "a search of an unknown store is not found", source: stdapi, steps: []step{
			{request: "POST /vector_stores/vs_1/search", body: `{"query":"x"}`, status: 404},
		}},
		{fact: "a filter on an attribute that nothing has finds nothing", source: stdapi, steps: []step{
			{request: "POST /vector_stores/{vs}/files", body: `{"file_id":"{file}"}`, status: 200, has: []string{`"attributes":{}`}},
			{request: "POST /vector_stores/{vs}/search", body: `{"query":"cats","filters":{"type":"eq","key":"lang","value":"en"}}`, status: 200, has: []string{`"data":[]`}},
		}},
		{fact: "an empty file is refused", source: "openai-go#434", steps: []step{
			{request: "POST /files", name: "a.md", status: 400, has: []string{"File is empty."}},
		}},
		{fact: "content of some purposes cannot be downloaded", source: forum, steps: []step{
			{request: "GET /files/{file}/content", status: 400, has: []string{"Not allowed to download files of purpose: assistants"}},
		}},
		{
			fact: "a full storage is a bad request without a code", source: "bespokelabsai/curator#189",
			cfg: openaitest.Config{StorageQuota: 20}, steps: []step{
				{request: "POST /files", name: "a.md", body: "more than there is room for", status: 400, has: []string{"file storage quota", `"code":null`}},
			},
		},
		{fact: "an empty list has no first and no last id", source: recorded + " (2024-04, of messages and run steps)", steps: []step{
			{request: "GET /vector_stores/{vs}/files", status: 200, has: []string{`"data":[]`, `"first_id":null,"last_id":null,"has_more":false`}},
			{request: "GET /files?purpose=vision", status: 200, has: []string{`"data":[]`, `"first_id":null,"last_id":null,"has_more":false`}},
		}},
		{fact: "a File for purpose user_data can be attached", source: "openai-python#2724", steps: []step{
			{request: "POST /files", name: "a.md", purpose: "user_data", body: "x", status: 200},
			{request: "POST /vector_stores/{vs}/files", body: `{"file_id":"{last}"}`, status: 200, has: []string{`"status":"completed"`}},
		}},
		{fact: "a store is described at its creation alone", source: document + ", UpdateVectorStoreRequest", steps: []step{
			{request: "POST /vector_stores", body: `{"description":"of cats"}`, status: 200},
			{request: "POST /vector_stores/{last}", body: `{"description":"of dogs"}`, status: 400, has: []string{`"param":"description"`}},
		}},
		{fact: "hybrid_search is an option of another API's searches", source: document + ", VectorStoreSearchRequest", steps: []step{
			{request: "POST /vector_stores/{vs}/search", body: `{"query":"x","ranking_options":{"hybrid_search":{"text_weight":1}}}`, status: 400, has: []string{"ranking_options.hybrid_search"}},
		}},
		{fact: "the Assistants API is gone", source: "OpenAI's deprecations, 2026-08-26", steps: []step{
			{request: "GET /assistants", status: 404, has: []string{"invalid_request_error"}},
			{request: "POST /threads", body: `{}`, status: 404, has: []string{"invalid_request_error"}},
		}},
		{
			fact: "another server refuses absent objects with 400 and names them", source: ogx,
			cfg: openaitest.Config{Quirks: openaitest.Quirks{Absent400: true}}, steps: []step{
				{request: "GET /vector_stores/vs_1", status: 400, has: []string{"'vs_1' not found"}},
				{request: "GET /vector_stores/{vs}/files/{file}", status: 400, has: []string{"'{file}' not found"}},
				{request: "GET /files/file-1", status: 404},
			},
		},
		{
			fact: "another server takes batches of file_ids, and of files none", source: ogx,
			cfg: openaitest.Config{Quirks: openaitest.Quirks{BatchesNotTaken: openaitest.BatchesEmpty}}, steps: []step{
				{request: "POST /vector_stores/{vs}/file_batches", body: `{"files":[{"file_id":"{file}"}]}`, status: 200, has: []string{`"total":0`}},
				{request: "GET /vector_stores/{vs}/files", status: 200, has: []string{`"data":[]`}},
				{request: "POST /vector_stores/{vs}/file_batches", body: `{"file_ids":["{file}"]}`, status: 200, has: []string{`"total":1`}},
				{request: "GET /vector_stores/{vs}/files", status: 200, has: []string{"{file}"}},
			},
		},
		{
			fact: "another server cannot read JSON", source: ogx,
			cfg: openaitest.Config{IndexRules: []openaitest.IndexRule{{Name: "*.json", Code: "server_error"}}}, steps: []step{
				{request: "POST /files", name: "a.json", body: "{}", status: 200},
				{request: "POST /vector_stores/{vs}/files", body: `{"file_id":"{last}"}`, status: 200, has: []string{`"status":"failed"`, `"code":"server_error"`}},
			},
		},
		{
			fact: "another server alters the names of files", source: ogx,
			cfg: openaitest.Config{Quirks: openaitest.Quirks{AlterFilenames: openaitest.UnderscoreForUnsafe}}, steps: []step{
				{request: "POST /files", name: "über a.md", body: "x", status: 200, has: []string{`"filename":"_ber_a.md"`}},
			},
		},
		{
			fact: "another server searches by the attributes of the attach", source: ogx,
			cfg: openaitest.Config{Quirks: openaitest.Quirks{SearchKeepsAttributes: true}}, steps: []step{
				{request: "POST /vector_stores/{vs}/files", body: `{"file_id":"{file}","attributes":{"a":1}}`, status: 200},
				{request: "POST /vector_stores/{vs}/files/{file}", body: `{"attributes":{"a":2}}`, status: 200},
				{request: "GET /vector_stores/{vs}/files/{file}", status: 200, has: []string{`"attributes":{"a":2}`}},
				{request: "POST /vector_stores/{vs}/search", body: `{"query":"cats","filters":{"type":"eq","key":"a","value":1}}`, status: 200, has: []string{`"attributes":{"a":1}`}},
				{request: "POST /vector_stores/{vs}/search", body: `{"query":"cats","filters":{"type":"eq","key":"a","value":2}}`, status: 200, has: []string{`"data":[]`}},
			},
		},
		{
			fact: "a file without the attribute passes ne where the switch says so, and no other comparison", source: "OpenAI's documents are silent",
			cfg: openaitest.Config{Quirks: openaitest.Quirks{UnequalPassesAbsent: true}}, steps: []step{
				{request: "POST /vector_stores/{vs}/files", body: `{"file_id":"{file}"}`, status: 200},
				{request: "POST /vector_stores/{vs}/search", body: `{"query":"cats","filters":{"type":"ne","key":"a","value":1}}`, status: 200, has: []string{`"file_id":"{file}"`}},
				{request: "POST /vector_stores/{vs}/search", body: `{"query":"cats","filters":{"type":"lt","key":"a","value":1}}`, status: 200, has: []string{`"data":[]`}},
			},
		},
		{
			fact: "another server loses attributes", source: "the mock openai-responses 0.13.1",
			cfg: openaitest.Config{Quirks: openaitest.Quirks{AttributesDropped: true}}, steps: []step{
				{request: "POST /vector_stores/{vs}/files", body: `{"file_id":"{file}","attributes":{"a":1}}`, status: 200, has: []string{`"attributes":{}`}},
			},
		},
	} {
		t.Run(tt.fact, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := openaitest.New(tt.cfg)
				defer s.Close()
				ids := map[string]string{"{vs}": s.NewVectorStore("docs"), "{file}": s.AddFile(openaitest.NewFile{Name: "a.md", Content: []byte("Cats sleep.")})}
				for i, st := range tt.steps {
					time.Sleep(st.wait)
					got, err := st.send(t.Context(), s, ids)
					is.New(t).NoErr(err)
					all := got.header.Get("Content-Type") + "\n" + got.header.Get("Content-Disposition") + "\n" + got.body
					if got.status != st.status {
						t.Errorf("step %d: %d %s, want %d; source: %s", i, got.status, got.body, st.status, tt.source)
					}
					for _, want := range st.has {
						if !strings.Contains(all, fill(want, ids)) {
							t.Errorf("step %d: %s lacks %s; source: %s", i, all, want, tt.source)
						}
					}
					if _, id, ok := strings.Cut(got.body, `{"id":"`); ok && strings.HasPrefix(st.request, "POST") && !strings.HasSuffix(st.request, "/parts") {
						ids["{last}"], _, _ = strings.Cut(id, `"`)
					}
				}
			})
		})
	}
}

// fill puts ids in the place of their names.
func fill(text string, ids map[string]string) string {
	for name, id := range ids {
		text = strings.ReplaceAll(text, name, id)
	}
	return text
}

func (st step) send(ctx context.Context, s *openaitest.Server, ids map[string]string) (answer, error) {
	method, path, _ := strings.Cut(fill(st.request, ids), " ")
	if st.name == "" {
		return do(ctx, s, method, path, strings.NewReader(fill(st.body, ids)), "application/json")
	}
	return do(ctx, s, method, path, strings.NewReader(st.form(st.body)), "multipart/form-data; boundary=b")
}

// form returns the multipart body that carries the content.
func (st step) form(content string) string {
	field, purpose := "file", st.purpose
	if purpose == "" {
		purpose = "assistants"
	}
	form := "--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\n" + purpose + "\r\n"
	if purpose == "part" {
		field, form = "data", ""
	}
	form += "--b\r\nContent-Disposition: form-data; name=\"" + field + "\"; filename=\"" + strings.ReplaceAll(st.name, `"`, `\"`) + "\"\r\n\r\n" + content + "\r\n--b--\r\n"
	return form
}
