package reply

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
)

func TestAURLIsShownWithoutItsPassword(t *testing.T) {
	is := is.New(t)
	for raw, want := range map[string]string{ //nolint:gosec // made-up passwords: the ones that must not show
		"https://h/v1":              "https://h/v1",
		"https://h/a@b":             "https://h/a@b",
		"https://u:pa%2F55@h:1/v1":  "https://[redacted]@h:1/v1",
		"https://token@h/v1":        "https://[redacted]@h/v1",
		"https://u:pa/55@h/v1":      "https://[redacted]@h/v1", // no URL, since the slash ends the host
		"u:pa55@h/v1":               "[redacted]@h/v1",
		"https://u:\n@h":            "https://[redacted]@h",
		"https://u:p@h/" + "\u202e": `https://[redacted]@h/\u202e`,
		"https://h/v1?api-key=pa55": "https://h/v1?[redacted]",
		"https://h/v1#pa55":         "https://h/v1#[redacted]",
		"https://h/v1?":             "https://h/v1?",
		"":                          "",
	} {
		is.Equal(SafeURL(raw), want)
	}
}

func TestASecretIsHiddenHoweverItIsEscaped(t *testing.T) {
	is := is.New(t)
	base, err := url.Parse("https://u:p%C3%A9%F0%9F%94%91%2Fss@h/v1")
	is.NoErr(err)
	j := NewJudge(`a/b&c<"d`, base)
	for _, shown := range []string{
		`a/b&c<"d`, `a\/b&c<\"d`, `a\/b\u0026c\u003C\"d`, `a\\/b\\u0026c<\\\"d`, `a%2Fb%26c%3c%22d`, `a%252Fb%26c%3C%22d`, `a/b&amp;c&lt;&#34;d`, `a&#x2F;b&#038;c<"d`,
		`a/b&amp;amp;c&amp;lt;&amp;#34;d`, `a&amp;amp;#x2F;b&amp;amp;#038;c<"d`,
		`pé🔑/ss`, `p\u00e9\ud83d\udd11\/ss`, `p%c3%a9%f0%9f%94%91%2fss`, `p&#233;&#x1F511;/ss`,
	} {
		is.Equal(j.Line("no "+shown+" here", 100), "no [redacted] here")
	}
	is.Equal(j.Line("a/b&c", 100), "a/b&c")
}

func TestASecretIsHiddenWhereLinesAreWrapped(t *testing.T) {
	is := is.New(t)
	j := NewJudge("k3y-of-a-gateway", &url.URL{})
	for _, end := range []string{"\r\n", "\r\n  ", "\n\t", "-\n", "-\r\n    "} {
		is.Equal(j.Line("no k3y-of-"+end+"a-gateway here", 100), "no [redacted] here")
	}
}

func TestASecretOfAnyLengthIsHidden(t *testing.T) {
	is := is.New(t)
	for _, n := range []int{2, maxSecret, 4_000, 1 << 20} {
		key := strings.Repeat("aB3.", n/4+1)[:n]
		is.True(!strings.Contains(NewJudge(key, &url.URL{}).Line("no "+key+" here", 100), key[:min(n, 8)]))
	}
}

func TestASecretIsHiddenBeforeAURLIsCut(t *testing.T) {
	is := is.New(t)
	j := NewJudge("Tr0ub4dor-and-3", &url.URL{})
	for pad := range 40 {
		is.True(!strings.Contains(j.URL("https://h/"+strings.Repeat("p", 60+pad)+"Tr0ub4dor-and-3", 90), "Tr"))
	}
}

func TestAWordIsNotTakenForAKey(t *testing.T) {
	is := is.New(t)
	j := NewJudge("key", &url.URL{})
	for text, want := range map[string]string{
		"no disk-usage.md in task-1234":                      "no disk-usage.md in task-1234",
		"provided: sk-proj-abcd****wxyz, OPENAI_sk-abcd1234": "provided: [redacted], OPENAI[redacted]",
	} {
		is.Equal(j.Line(text, 100), want)
	}
}

func TestASecretIsHiddenInBase64(t *testing.T) {
	is := is.New(t)
	base, err := url.Parse("https://u:p%C3%A9ssword@h/v1")
	is.NoErr(err)
	for _, secret := range []string{"k>key?0123456789", "péssword"} {
		j := NewJudge("k>key?0123456789", base)
		for _, around := range []string{"", "u:", "Bearer ", "Basic", "x"} {
			for _, alphabet := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding, base64.RawStdEncoding} {
				for _, behind := range []string{"", "a", "\r\n"} {
					text := alphabet.EncodeToString([]byte(around + secret + behind))
					shown := j.Line("no "+text, 200)
					is.True(strings.Contains(shown, "[redacted]"))
					for _, left := range strings.Split(strings.TrimPrefix(shown, "no "), "[redacted]") {
						is.True(len(left) <= 4*(len(around+behind)+4)/3) // no more than the rest and a byte at each end
					}
				}
			}
		}
	}
}

func TestATokenInTheBaseURLIsHidden(t *testing.T) {
	for user, hidden := range map[string]bool{
		"t0ken": true, "t0ken:": true, // as curl writes it
		"ghp_0123456789abcdef:x-oauth-basic": true,
		"us3r:passw0rd":                      false,
	} {
		is := is.New(t)
		base, err := url.Parse("https://" + user + "@h/v1")
		is.NoErr(err)
		name := base.User.Username()
		shown := NewJudge("key", base).Line(`Get "https://`+name+`:***@h/v1/files": EOF`, 100)
		is.Equal(!strings.Contains(shown, name), hidden)
	}
}

// FuzzSafeURL looks for a password that shows.
func FuzzSafeURL(f *testing.F) {
	f.Add("https://u:", "@h/v1")
	f.Add("u:", "@h")
	f.Add("//", "@")
	f.Fuzz(func(t *testing.T, before, after string) {
		if !strings.Contains(before, ":") || !strings.HasPrefix(after, "@") || strings.ContainsAny(before, "@/?#") && !strings.HasPrefix(before, "https://") || strings.Count(before, "/") > 2 || strings.ContainsAny(before, "?#") {
			t.Skip()
		}
		if shown := SafeURL(before + "pa55word" + after); strings.Contains(shown, "pa55word") {
			t.Errorf("%q is shown as %q", before+"pa55word"+after, shown)
		}
	})
}

func TestAFullStoreIsKnownInManyWords(t *testing.T) {
	is := is.New(t)
	for message, full := range map[string]bool{
		"Vector store 'vs_1' cannot hold more than 10000 files.":                  true,
		"The vector store already contains the maximum number of files (10,000).": true,
		"Vector store can only contain up to 10000 files":                         true,
		"You cannot add more than 10000 files to a vector store":                  true,
		"The vector store has reached its limit of 10,000 files":                  true,
		"Maximum number of vector store files reached":                            true,
		"Maximum file count exceeded for vector store vs_1":                       true,
		"vector store files limit exceeded: 10000":                                true,
		"Max files per vector store: 10000":                                       true,
		"The vector store has no room for more files":                             true,
		"exceeds the maximum allowed 10,000 files per vector store":               true,
		"Vector store vs_1 exceeded maximum of 10000 vector store files":          true,
		"Vector stores can contain at most 10000 files":                           true,
		"This vector store has reached its capacity of 10,000 files.":             true,
		"vector store vs_1 already contains 10000 files":                          true,
		"Vector store limit reached: 10000 files":                                 true,
		"The vector store has reached its limit.":                                 true,
		"Vector store capacity exceeded":                                          true,
		"Vector store vs_1 is at capacity":                                        true,
		"vector store contains too many vector store files":                       true,
		"A vector store may hold no more than 10k files":                          true,
		"Vector store 'vs_1' is full.":                                            true,
		"Vector store vs_1 is full":                                               true,
		"Cannot add file: vector store already has 10000 files":                   true,
		"vector store is full":                                                    true,
		"Cannot attach file-1 to vector store vs_1: file is full of errors":       false,
		"vector store file attribute exceeds maximum length 512":                  false,
		"chunk overlap for vector store is more than max":                         false,
		"Too many files in one request to the vector store: at most 2000":         false,
		"The file has more than the maximum number of tokens of a vector store":   false,
		"The file exceeds the limit of 16 attributes of a vector store file":      false,
		"Invalid 'files': array too long for a vector store":                      false,
	} {
		is.Equal(hear(refusal{Message: message}, []string{"vs_1"}, nil).kind() == fail.StoreFull, full) //nolint:errorlint // the kind itself
	}
}

func TestTheWordsOfADocumentDecideNothing(t *testing.T) {
	is := is.New(t)
	for message, sent := range map[string]string{
		"document 'it's over budget.md' is invalid":                 "",
		`file name "a \" quota \" b" is bad`:                        "",
		"Could not read document «budget has been exceeded.md»":     "",
		"Could not read document “budget has been exceeded.md”":     "",
		"Invalid file format: storage quota guide.md":               "Storage quota guide.md",
		"The file incorrect api key.md is invalid":                  "incorrect api key.md",
		"File api-version-2.md could not be parsed":                 "api-version-2.md",
		"Invalid files: ['a.md','storage quota.md']":                "",
		"the name 'x' 'over budget' is bad":                         "",
		"The document our team's quota's end cannot be read":        "our team's quota's end",
		"Invalid file over budget.md: over budget.md is not a text": "over budget.md",
		`[{"msg":"too many attributes","at":{"quota":5,"a":"x"}}]`:  "quota",
		`too many attributes: {quota: 5, a: x}`:                     "quota",
		"Value of attribute quota is too long":                      "quota",
		"The quota attribute of a vector store file must be text":   "quota",
		"A vector store file takes no field called expired":         "expired",
		"Not allowed (storage limit)":                               "storage limit",
		`Not allowed: {"message": "storage limit"}`:                 "storage limit",
		"Not allowed: storage limit.":                               "storage limit",
		"File file-1 (team's storage quota.md) is locked":           "",
		"Document storage quota.md is locked":                       "",
		"Document (our old storage quota of May.md) is locked":      "",
		"docs_quota_plan-5231f8a1.md is damaged":                    "",
		"Cannot read docs_the quota of all of us-5231f8a1.md":       "docs_the quota of all of us-5231f8a1.md",
	} {
		h := hear(refusal{Message: message}, []string{"vs_1"}, []string{sent})
		is.Equal(h.kind(), fail.Rejected)
		is.True(!budget.MatchString(h.words.String()))
	}
	for _, text := range []string{"Vector Store", "exceeded your storage quota", "has reached the maximum of 10000 files", "quota", "message", "10000", "10000.0", "storage quota", "has expired", "Connection error.", "API key", "budget has"} {
		for message, kind := range map[string]error{
			"Vector store already has 10000 files":                    fail.StoreFull,
			"The vector store has reached the maximum of 10000 files": fail.StoreFull,
			"You have exceeded your storage quota.":                   fail.Quota,
			"Connection error.":                                       fail.Unavailable,
			"Incorrect API key provided":                              fail.Unauthorized,
			"The vector store vs_1 has expired":                       fail.StoreGone,
		} {
			is.Equal(hear(refusal{Message: message}, []string{"vs_1"}, []string{text}).kind(), kind) // words of the server's
		}
	}
	for message, kind := range map[string]error{
		"You're over the storage quota": fail.Quota, "the file 'a' is over the quota's limit": fail.Quota, "storage limit of 'org's plan' reached": fail.Quota,
		"Error: You have exceeded your storage quota. See platform.openai.com/docs/limits.html":           fail.Quota,
		"Error: your organization has exceeded its storage limit while indexing docs_report-5231f8a1.pdf": fail.Quota,
		"BadRequestError: Storage quota exceeded for file docs_report-5231f8a1.pdf":                       fail.Quota,
		"400 Bad Request (Storage quota exceeded for a.pdf)":                                              fail.Quota,
		"File file-1 failed (no storage quota. See limits.html)":                                          fail.Quota,
		"The file failed because of the storage quota of limits.html":                                     fail.Quota,
		"Files failed, storage quota exceeded by a.pdf":                                                   fail.Quota,
		"The documents are too many. Quota: see docs/limits.html":                                         fail.Quota,
		"Error: Vector store vs_1 has expired while adding file docs_report-5231f8a1.pdf":                 fail.StoreGone,
		"400: The organization org-1 is disabled. See help.openai.com/disabled.html":                      fail.Unauthorized,
	} {
		is.Equal(hear(refusal{Message: message}, nil, nil).kind(), kind)
	}
}

// A gateway passes on the error that it got, in the form of its language.
func TestAnErrorObjectWithinAMessageIsTheServersWord(t *testing.T) {
	for message, kind := range map[string]error{
		`Error code: 400 - {'error': {'message': 'Vector store vs_1 has expired.', 'type': 'invalid_request_error', 'param': None, 'code': None}}`: fail.StoreGone,
		`Error code: 400 - {'error': {'message': "The vector store's files: Vector store vs_1 has been deleted", 'code': None}}`:                   fail.Rejected,
		`Error code: 400 - {'error': {'message': 'Vector store vs_1 has been deleted.'}}`:                                                          fail.StoreGone,
		`Error code: 400 - {'detail': 'Vector store vs_1 is full: at most 10000 files.'}`:                                                          fail.StoreFull,
		`Error code: 400 - {'error': {'message': 'Vector store vs_1 is full: at most 10000 files.', 'type': 'invalid_request_error'}}`:             fail.StoreFull,
		`OpenAIException - {"error": {"message": "You have used up your storage quota"}}`:                                                          fail.Quota,
		`OpenAIException - {"error": {"message": "x: {\"error\": \"exceeded its storage limit\"}"}}`:                                               fail.Quota,
		`[{"type":"x","loc":["body","quota"],"msg":"The organization org-1 is disabled."}]`:                                                        fail.Unauthorized,
		`Error code: 400 - {'error': {'message': 'x', 'code': 'unsupported_file'}}`:                                                                fail.UnsupportedType,
		`Error code: 400 - {'error': {'message': 'Your organization has exceeded its storage limit.', 'ty`:                                         fail.Quota, // cut off
		`Invalid attributes: {"type":"gr\u00f6\u00dfere quota beantragt","vs_content":"sha256=1"}`:                                                 fail.Rejected,
		`Invalid attributes: {'message': 'our quota is too small f...ey': 'a.md'}`:                                                                 fail.Rejected,
		`{"error": {"message": "Invalid attributes: {\"type\": \"a quota\"}", "type": "x"}}`:                                                       fail.Rejected,
		`{'error': {'param': {'type': 'a quota'}, 'code': 'x'}}`:                                                                                   fail.Rejected,
		`{'error': {}, 'type': 'a quota'}`:                                                                         fail.Rejected,
		`{"error": {"loc": ["a"], "message": "The quota is used up"}}`:                                             fail.Quota,
		`Error code: 400 - {'error': {'message': "Invalid name: 'storage quota'", 'param': 'quota', 'code': 'x'}}`: fail.Rejected,
	} {
		if got := hear(refusal{Message: message}, []string{"vs_1"}, []string{"message", "type", "code"}).kind(); got != kind { //nolint:errorlint // the kind itself
			t.Errorf("%s: %v is not %v", message, got, kind)
		}
	}
	is := is.New(t)
	unpayable := `OpenAIException - Error code: 400 - {'error': {'message': 'x', 'type': 'insufficient_quota', 'param': None}}`
	is.True(hear(refusal{Message: unpayable}, nil, nil).coded(unpaid...))
	is.True(!hear(refusal{Message: unpayable}, nil, []string{"insufficient_quota"}).coded(unpaid...)) // the request's
}

func TestAFaultOfARequestIsToldWithoutTheRequest(t *testing.T) {
	is := is.New(t)
	r, _ := parseRefusal([]byte(`{"detail":[{"loc":["body","a"],"msg":"bad","input":{"message":"storage quota"}},7]}`), "")
	is.Equal(r.Message, `[{"loc":["body","a"],"msg":"bad"},7]`)
}

// FuzzHeaders reads a server's words about waiting.
func FuzzHeaders(f *testing.F) {
	for _, v := range []string{"1", "0.5", "-1", "1e300", "Inf", "NaN", "9223372036854775807", "Wed, 21 Oct 2099 07:28:00 GMT", "Wed, 21 Oct 1999 07:28:00 GMT", "soon"} {
		f.Add(v, v, v)
	}
	f.Fuzz(func(t *testing.T, after, afterMs, poll string) {
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		h := http.Header{"Retry-After": {after}, "Retry-After-Ms": {afterMs}, "Openai-Poll-After-Ms": {poll}}
		if d := retryAfter(h, now); d < 0 {
			t.Errorf("wait for %v", d)
		}
		if d := PollAfter(h); d < 0 || d > 8*time.Second {
			t.Errorf("poll after %v", d)
		}
	})
}

// FuzzRefusal finds some kind in any wording.
func FuzzRefusal(f *testing.F) {
	f.Add("unsupported_file", "")
	f.Add("", "You exceeded your current quota")
	f.Fuzz(func(t *testing.T, code, message string) {
		if hear(refusal{Code: code, Message: message}, nil, nil).kind() == nil {
			t.Error("no kind")
		}
	})
}
