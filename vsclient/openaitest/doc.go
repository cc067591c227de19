// Package openaitest is a stateful emulator of OpenAI's Files, Uploads and
// Vector Stores API, for tests and demos of programs that use it from Go or
// from any other language. It has no dependency outside the standard library.
//
//	s := openaitest.New(openaitest.Config{IndexTime: 2 * time.Second})
//	defer s.Close()
//	client := openai.NewClient(option.WithAPIKey("any"),
//		option.WithBaseURL(s.URL()), option.WithHTTPClient(s.Client()))
//	store := s.NewVectorStore("docs")
//	// … the code under test uses client and store …
//	for _, f := range s.Snapshot().Store(store).Files {
//		fmt.Println(f.Filename, f.Status)
//	}
//
// # Three doors
//
// A [Server] is an [net/http.Handler]. [Server.Client] is an http.Client that
// reaches it without a socket; in a testing/synctest bubble its waits take no
// real time, so that a test of a ten-minute indexing ends at once.
// [Server.Listen] serves on a TCP address, as the program cmd/openaitest does,
// which also shows the stored objects and the latest requests at /.
//
// # Scope
//
// /files, /uploads, /vector_stores with search, and their files and
// file_batches: all operations, fields, defaults, limits and errors of OpenAI's
// OpenAPI document of 2026-08-21, and behaviour that OpenAI's guides and users report
// beyond it. Anything else that OpenAI has is answered 501. Where sources
// disagree or are silent, a switch in [Quirks] takes either side, and
// [EachQuirk] goes through them, so that a client can be tested under either
// answer. The wording of errors is OpenAI's where a
// source shows it; do not build on the wording of others.
//
// File names are kept as they come in the multipart header: with directories,
// with \" and \\ unescaped, with RFC 5987 decoded, and with percent signs as
// they are. In place of a real tokenizer four bytes count as a token. Indexing
// fails by content as it does in the API: text must be UTF-8, or UTF-16 with a
// byte order mark; docx and pptx must be zips with the parts that hold their
// text; pdf and doc must begin as such files do. Text is read out of all of
// them but doc, and out of PDFs with fonts of standard encoding; of compressed
// text, the first 8 MiB. A file of which not all is kept (Config.KeepBytes)
// is read as far as it is, and a docx or pptx not at all.
//
// # Search
//
// A search scores every chunk of the files that are completed and pass the
// filter, and returns the best, equal ones in order of attach. The score is a
// function of words alone, not of meaning: the text and the query are split
// into runs of letters and digits, in lower case, without a plural s and, in
// the query, without the commonest English words; of scripts without spaces, as
// Chinese and Thai, each letter is a word. Each word of the query that is in a
// chunk n times gives
//
//	w · n/(n + 0.25 + 0.75·length/mean length),  w = ln(1 + (chunks+1)/(chunks with the word+0.5))
//
// where a word in the file's name counts as one more occurrence; the sum is
// divided by the sum of all w, so that it is between 0 and 1. A filter on an
// attribute that a file does not have never passes, whatever its operator.
// Values of different types are never equal.
//
// # Awkwardness
//
// Nothing of it is on unless the [Config] says so: latency, indexing time,
// listings that lag, a store file that is 404 just after its attach or still
// there after its detach, stale counts, late searches, files that fail or
// stick, stores that expire in use, rate limits with Retry-After, a full storage.
// A [Fault] describes, as data, which requests are answered with an error, cut, hung
// or delayed, and whether they take effect before that, after it, up to minutes
// later, or never. All that is random follows from Config.Seed.
//
// # Looking inside
//
// [Server.Requests] and [Server.Counts] return the requests, [Server.Snapshot] the
// true state of now, and [Server.History] when each file was searchable: with it
// a test asserts that a replaced document was missing at no time. Planting with
// [Server.AddFile] and [Server.AddStoreFile] counts as no request.
//
// Programs in other languages reach the same through the handler and the listener,
// beside the API: GET /-/snapshot, /-/history/{vector_store_id},
// /-/requests and /-/counts, POST /-/advance with {"by":"24h"}, POST /-/expire with
// {"vector_store_id":"vs_…","after":"5m"}, POST /-/faults with an array of faults,
// and DELETE /-/faults. Names in their JSON are those of the
// fields in lower case, with underscores.
package openaitest
