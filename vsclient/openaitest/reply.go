package openaitest

import (
	"bytes"
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"time"
)

// reply is the answer to a request.
type reply struct {
	status int
	header http.Header
	body   []byte
	cut    cut
}

// cut is the place at which a reply breaks off.
type cut int

const (
	whole     cut = iota
	cutBefore     // the connection breaks before the reply
	cutMiddle     // it breaks in the middle of the body
)

// rawContent is a reply that is not JSON.
type rawContent struct {
	data []byte
	typ  string
}

// render turns a value or a refusal into a reply.
func (c *call) render(value any, refused *apiError) *reply {
	rep := &reply{status: http.StatusOK, header: c.header}
	if refused != nil {
		rep.status = refused.status
		value = refused.body()
		if refused.retryAfter > 0 {
			c.setRetryAfter(refused.retryAfter)
		}
		if refused.final {
			c.header.Set("X-Should-Retry", "false")
		}
	}
	if raw, ok := value.(rawContent); ok {
		c.header.Set("Content-Type", raw.typ)
		rep.body = raw.data
		return rep
	}
	c.header.Set("Content-Type", "application/json")
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(value); err != nil {
		panic("openaitest: " + err.Error()) // every value has a type of this package
	}
	rep.body = bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	return rep
}

// setRetryAfter sets Retry-After to d, rounded up: a client that waits that long is not
// refused again.
func (c *call) setRetryAfter(d time.Duration) {
	c.header.Set("Retry-After", strconv.Itoa(max(1, int(math.Ceil(d.Seconds())))))
}
