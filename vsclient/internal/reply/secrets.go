package reply

import (
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/openai/openai-go/v3"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
)

// Judge judges replies. It takes the API key, and a password in the base URL, out of
// texts that are shown. They are held in a closure, which no format verb looks into.
type Judge struct {
	hide  func(string) string
	holds func(string) bool // a secret, as it is or in base64
}

const redacted = "[redacted]"

// keyLike is the form of keys of OpenAI, also half masked, as some of its errors quote
// them. A word that ends in "sk-", such as "disk-usage", is none.
var keyLike = regexp.MustCompile(`(?:\b|_)sk-[A-Za-z0-9_*-]{4,}`)

// NewJudge returns a Judge that hides the key and the password of the base URL. It hides the
// user there as well, where it has no password or is long: that is a token.
func NewJudge(key string, base *url.URL) Judge {
	secrets := []string{key}
	password, _ := base.User.Password()
	if password != "" {
		secrets = append(secrets, password)
	}
	if user := base.User.Username(); user != "" && (password == "" || len(user) >= minToken) {
		secrets = append(secrets, user)
	}
	var forms, encoded []string
	for _, s := range secrets {
		forms, encoded = append(forms, escapedOrNot(s)), append(encoded, inBase64(s)...)
	}
	hidden := strings.NewReplacer(encoded...)
	own := regexp.MustCompile(strings.Join(forms, "|"))
	return Judge{
		hide: func(s string) string {
			return keyLike.ReplaceAllString(own.ReplaceAllString(hidden.Replace(s), redacted), redacted)
		},
		holds: func(s string) bool {
			return hidden.Replace(s) != s || slices.ContainsFunc(secrets, func(secret string) bool { return len(secret) >= minEncoded && strings.Contains(s, secret) })
		},
	}
}

// minToken is the least length of a user that may be a token. Those of services have 20
// characters or more.
const minToken = 16

// maxSecret is how much of a secret is looked for, in bytes. Behind it everything up to
// the next space is hidden as well. A token of Azure has a few thousand bytes.
const maxSecret = 256

// escapedOrNot returns an expression that finds s, each of its characters as it is or as
// JSON, a URL or HTML may escape it. Line ends between them, with a hyphen or an indent, may
// have come from wrapping.
func escapedOrNot(s string) string {
	var b strings.Builder
	for at, r := range s {
		if at >= maxSecret {
			b.WriteString(`[!-~]*`)
			break
		}
		if at > 0 {
			b.WriteString(`(?:-?[\r\n]+[ \t]*)?`)
		}
		plain := regexp.QuoteMeta(string(r))
		var units, octets string
		for _, u := range utf16.Encode([]rune{r}) {
			units += fmt.Sprintf(`\\+u%04x`, u)
		}
		for _, o := range []byte(string(r)) {
			octets += fmt.Sprintf(`%%(?:25)*%02x`, o)
		}
		fmt.Fprintf(&b, `(?:\\*%s|(?i:%s|%s|&(?:amp;)*#(?:0*%d|x0*%x);)`, plain, units, octets, r, r)
		if named := html.EscapeString(string(r)); named != string(r) {
			b.WriteString("|&(?:amp;)*" + regexp.QuoteMeta(named[1:]))
		}
		b.WriteString(")")
	}
	return b.String()
}

// inBase64 returns the part of every base64 that holds s which s alone decides, for each
// of the three places at which s may begin, and after each the text that replaces it.
func inBase64(s string) (parts []string) {
	for before := range 3 {
		for _, alphabet := range []*base64.Encoding{base64.RawStdEncoding, base64.RawURLEncoding} {
			part := alphabet.EncodeToString([]byte("xx"[:before] + s))[(before*8+5)/6 : (before+len(s))*8/6]
			if len(part) >= minEncoded {
				parts = append(parts, part, redacted)
			}
		}
	}
	return parts
}

// minEncoded is the least length of a part that is in no word or id by chance.
const minEncoded = 8

// maxRead is how much of a text is looked at to show its beginning, in bytes.
const maxRead = 16 << 10

// Line makes one line without secrets, of n bytes at the most, of a text that a server
// has sent. Every such text that an error, a log or a reason for a failure shows has
// passed here.
func (j Judge) Line(text string, n int) string {
	if len(text) > maxRead {
		text = j.hide(text[:maxRead])
		text = text[:len(text)*3/4] // the cut may have left half of a key
	}
	return fail.Line(j.hide(text), n)
}

// clean returns err or, where its text cannot be shown, an error of the line that can.
// That wraps nothing: the text within would show.
func (j Judge) clean(err error) error {
	text := err.Error()
	if shown := j.Line(text, fail.MaxReason); shown != text {
		return errors.New(shown)
	}
	return err
}

// redact takes the secrets out of the request that an error of the SDK carries. Its reply
// holds none: see [Judge.Tame].
func (j Judge) redact(e *openai.Error) {
	if e.Request == nil {
		return
	}
	e.Request.Header = e.Request.Header.Clone()
	e.Request.Header.Set("Authorization", "Bearer "+redacted)
	if e.Request.URL != nil && e.Request.URL.User != nil {
		shown := *e.Request.URL
		shown.User = nil
		e.Request.URL = &shown
	}
	if e.Response != nil {
		e.Response.Request = e.Request
	}
}

// header returns the part of a reply's header that an error of the SDK keeps.
func (j Judge) header(h http.Header) http.Header {
	kept := http.Header{}
	for _, name := range []string{"X-Request-Id", "Retry-After", "Retry-After-Ms"} {
		if v := h.Get(name); v != "" {
			kept.Set(name, j.Line(v, maxRequestID))
		}
	}
	return kept
}

// URL makes one line without secrets, of n bytes at the most, of a URL that a server has
// sent. The secrets go first: a cut must not leave half of one.
func (j Judge) URL(raw string, n int) string { return j.Line(withoutUser(raw), n) }

// SafeURL returns a URL of the configuration in one line, without the user and password in
// it and without a query or a fragment, where some services take a key, also where it is
// no URL.
func SafeURL(raw string) string {
	raw = withoutUser(raw)
	if at := strings.IndexAny(raw, "?#"); at >= 0 && at+1 < len(raw) {
		raw = raw[:at+1] + redacted
	}
	return fail.Line(raw, fail.MaxReason)
}

// withoutUser hides the user and the password in a URL, also where it is none.
func withoutUser(raw string) string {
	if u, err := url.Parse(raw); err == nil && u.Host != "" && u.User == nil {
		return raw
	}
	before, rest, ok := strings.Cut(raw, "//")
	if !ok {
		before, rest = "", raw
	} else {
		before += "//"
	}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		return before + redacted + rest[at:]
	}
	return raw
}
