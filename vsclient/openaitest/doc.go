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
// A [Server] is a [net/http.Handler]. [Server.Client] is an http.Client that
// reaches it without a socket; in a testing/synctest bubble its waits take no
// real time, so that a test of a ten-minute indexing ends at once.
// [Server.Listen] serves on a TCP address, as the program cmd/openaitest does,
// which also shows the stored objects and the latest requests at /.
//
// # Scope
//
// /files, /uploads, /vector_stores with search, and their files and
// file_batches: all operations, fields, defaults, limits and errors of OpenAI's
// OpenAPI document of 2026-08-21, and further behaviour that OpenAI's guides and
// users report. Every other API of OpenAI is answered 501. Where sources disagree or
// are silent, a switch in [Quirks] selects the answer. [EachQuirk] iterates over
// these answers, so that a client can be tested under each. The wording of an
// error is OpenAI's where a source shows it; do not depend on any other wording.
//
// File names are kept as the multipart header has them: directories stay, \" and
// \\ are unescaped, RFC 5987 is decoded, and percent signs stay. There is no
// tokenizer: four bytes count as one token. Indexing fails by content, as in the
// API: text must be UTF-8, or UTF-16 with a byte order mark; a docx or pptx must
// be a zip with the parts that hold its text; a pdf or doc must begin with the
// bytes of its format. Text is extracted from all of them except doc. From a PDF
// it is extracted where the fonts have a standard encoding, and from compressed
// parts up to 8 MiB. Of a file that is kept in part (Config.KeepBytes) only that
// part is parsed, and of a docx or pptx nothing.
//
// # Search
//
// A search scores every chunk of the files that are completed and pass the
// filter. It returns the best chunks, and equal ones in order of attach. The score
// depends on words alone, not on meaning. Text and query are split into words: runs
// of letters and digits, in lower case, without a plural s. In scripts without
// spaces, such as Chinese and Thai, each letter is a word. The commonest English
// words of a query are ignored. A word of the query that occurs n times in a chunk
// adds to its score
//
//	w · n/(n + 0.25 + 0.75·length/mean length),  w = ln(1 + (chunks+1)/(chunks with the word+0.5))
//
// A word in the file's name counts as one more occurrence. The sum is divided by
// the sum of all w, so that a score is between 0 and 1. A file without the
// attribute passes no filter by it. Values of different types are never equal.
//
// # Awkwardness
//
// The [Config] turns each of these on: latency, indexing time, listings that lag, a
// store file that is 404 just after its attach or still there after its detach,
// stale counts, late searches, files that fail or stick, stores that expire in use,
// rate limits with Retry-After, a full storage. A [Fault] describes, as data, the
// requests that are answered with an error, cut, hung or delayed, and when they take
// effect: before that, after it, up to minutes later, or never. Config.Seed
// determines every random decision.
//
// # Looking inside
//
// [Server.Requests] and [Server.Counts] return the requests, and [Server.Snapshot]
// the true state. [Server.History] returns when each file was searchable; a test can
// assert with it that a replaced document was never missing. [Server.AddFile] and
// [Server.AddStoreFile] plant objects without a request.
//
// Programs in other languages use the paths of the control door, beside the API:
// GET /-/snapshot, /-/history/{vector_store_id}, /-/requests and /-/counts,
// POST /-/advance with {"by":"24h"}, POST /-/expire with
// {"vector_store_id":"vs_…","after":"5m"}, POST /-/faults with an array of faults,
// and DELETE /-/faults. The names in the JSON are those of the fields, in lower case
// with underscores, but that of Took is took_ns.
package openaitest
