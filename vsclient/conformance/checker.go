package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"
	"github.com/pb33f/libopenapi-validator/config"
	liberrors "github.com/pb33f/libopenapi-validator/errors"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// rules are the rules of the document, without and with each exception.
type rules struct {
	source     []byte // the part of the document that is validated against
	plain      *reading
	amended    []*reading // one for each exception
	operations []string   // of the document, such as "GET /files"
}

// checker validates exchanges and counts its findings.
type checker struct {
	*rules

	answered map[string]int // replies of 200, by operation
	needed   map[string]int // exchanges that need an exception, by its name

	exchanges, distinct, requests, replies int
	refused                                int // deliberately wrong requests that were refused
	unread                                 int // requests whose body was recorded in part
	cut                                    int // replies that did not arrive whole
	pages                                  int // injected replies that are not of the API
	outside                                int // requests to paths outside the document
	violations                             []string
}

func newChecker(r *rules) *checker {
	return &checker{rules: r, answered: map[string]int{}, needed: map[string]int{}}
}

func newRules(source []byte) (*rules, error) {
	var doc document
	err := json.Unmarshal(source, &doc)
	if err != nil {
		return nil, fmt.Errorf("the OpenAPI document: %w", err)
	}
	doc = doc.part()
	r := &rules{}
	if r.source, err = json.Marshal(doc); err != nil {
		return nil, err
	}
	if r.plain, err = r.build(); err != nil {
		return nil, err
	}
	for _, e := range exceptions {
		v, err := r.build(e)
		if err != nil {
			return nil, fmt.Errorf("exception %q: %w", e.name, err)
		}
		r.amended = append(r.amended, v)
	}
	for op := range doc.queryParameters() {
		r.operations = append(r.operations, op)
	}
	slices.Sort(r.operations)
	return r, nil
}

// build returns a validator for the document with these exceptions.
func (r *rules) build(amendments ...exception) (*reading, error) {
	var doc document
	if err := json.Unmarshal(r.source, &doc); err != nil {
		return nil, fmt.Errorf("the OpenAPI document: %w", err)
	}
	for _, a := range append(slices.Clone(repairs), amendments...) {
		a.amend(doc)
	}
	data, err := json.Marshal(doc)
	if err != nil {
		return nil, err
	}
	parsed, err := libopenapi.NewDocument(data)
	if err != nil {
		return nil, err
	}
	v, errs := validator.NewValidator(parsed, config.WithStandardBodyDecoders(), config.WithRejectUndeclaredRequestBody())
	return &reading{v, doc.queryParameters()}, errors.Join(errs...)
}

// reading is a validator for the document with some exceptions.
type reading struct {
	validator.Validator
	query map[string][]string // the names of the parameters of each operation
}

// request validates a request, which must have no undeclared query parameters.
func (r *reading) request(e openaitest.Exchange) []*liberrors.ValidationError {
	req := request(e)
	_, errs := r.ValidateHttpRequestSync(req)
	for name := range req.URL.Query() {
		if !slices.Contains(r.query[e.Endpoint], name) {
			errs = append(errs, &liberrors.ValidationError{Message: "query parameter", Reason: strconv.Quote(name) + " is not declared"})
		}
	}
	return errs
}

func (r *reading) reply(e openaitest.Exchange) []*liberrors.ValidationError {
	resp := response(e)
	defer resp.Body.Close()
	_, errs := r.ValidateHttpResponse(request(e), resp)
	return errs
}

// finding is the result of one exchange.
type finding struct {
	endpoint                                                      string
	answered, request, reply, refused, unread, cut, page, outside bool
}

// check validates one exchange. In deliberate records a wrong request is allowed if it was
// refused.
func (c *checker) check(e openaitest.Exchange, deliberate bool) finding {
	c.distinct++
	known := slices.Contains(c.operations, e.Endpoint)
	f := finding{endpoint: e.Endpoint, answered: known && e.Status == http.StatusOK, outside: !known}
	switch {
	case !known:
	case e.RequestCut:
		f.unread = true
	default:
		f.request = true
		f.refused = c.checkRequest(e, deliberate)
	}
	switch {
	case e.Status == 0 || e.ReplyCut:
		f.cut = true
	case e.Fault != "" && !strings.HasPrefix(e.ReplyHeader.Get("Content-Type"), "application/json"):
		f.page = true
	default:
		f.reply = true
		c.checkReply(e, known)
	}
	return f
}

func (c *checker) count(f finding) {
	c.exchanges++
	if f.answered {
		c.answered[f.endpoint]++
	}
	for counter, found := range map[*int]bool{
		&c.requests: f.request, &c.replies: f.reply, &c.refused: f.refused, &c.unread: f.unread, &c.cut: f.cut, &c.pages: f.page, &c.outside: f.outside,
	} {
		if found {
			*counter++
		}
	}
}

// checkRequest reports whether the request is deliberately wrong and was refused.
func (c *checker) checkRequest(e openaitest.Exchange, deliberate bool) (refused bool) {
	validate := func(r *reading) []*liberrors.ValidationError { return r.request(e) }
	errs := c.excused(validate, deliberate)
	switch {
	case errs == nil:
	case deliberate && e.Status >= 400:
		return true
	default:
		c.violate(e, "request", errs)
	}
	return false
}

func (c *checker) checkReply(e openaitest.Exchange, known bool) {
	if !known {
		// A refusal outside the document has the form of the API's errors.
		e.Method, e.URL = http.MethodGet, "/v1/files"
	}
	validate := func(r *reading) []*liberrors.ValidationError { return r.reply(e) }
	if errs := c.excused(validate, false); errs != nil {
		c.violate(e, "reply", errs)
	}
}

// excused validates with the document, then with each exception in turn. It returns the
// errors under the document, unless there are none under one of the exceptions.
func (c *checker) excused(validate func(*reading) []*liberrors.ValidationError, deliberate bool) []*liberrors.ValidationError {
	errs := validate(c.plain)
	if len(errs) == 0 {
		return nil
	}
	for i, v := range c.amended {
		if (deliberate || !exceptions[i].deliberate) && len(validate(v)) == 0 {
			c.needed[exceptions[i].name]++
			return nil
		}
	}
	return errs
}

func (c *checker) violate(e openaitest.Exchange, part string, errs []*liberrors.ValidationError) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s of %s %s (%d):", part, e.Method, e.URL, e.Status)
	for _, err := range errs {
		fmt.Fprintf(&b, "\n\t%s: %s", err.Message, err.Reason)
		for _, f := range err.SchemaValidationErrors {
			fmt.Fprintf(&b, "\n\t\t%s: %s", f.FieldPath, f.Reason)
		}
	}
	body := e.ReplyBody
	if part == "request" {
		body = e.RequestBody
	}
	fmt.Fprintf(&b, "\n\t%.500q", body)
	c.violations = append(c.violations, b.String())
}

func request(e openaitest.Exchange) *http.Request {
	u, err := url.Parse("https://api.openai.com" + e.URL)
	if err != nil {
		panic(err) // the URL is of a parsed request
	}
	return &http.Request{
		Method: e.Method, URL: u, Host: u.Host, Header: e.RequestHeader,
		Body: io.NopCloser(bytes.NewReader(e.RequestBody)), ContentLength: int64(len(e.RequestBody)),
	}
}

func response(e openaitest.Exchange) *http.Response {
	return &http.Response{StatusCode: e.Status, Header: e.ReplyHeader, Body: io.NopCloser(bytes.NewReader(e.ReplyBody))}
}

func (c *checker) report(w io.Writer) {
	fmt.Fprintf(w, "%d exchanges, %d of them different, not counting ids and times\n", c.exchanges, c.distinct)
	fmt.Fprintf(w, "%d requests and %d replies validated\n", c.requests, c.replies)
	fmt.Fprintf(w, "not validated: %d replies cut by faults, %d injected pages, %d request bodies recorded in part, %d requests outside the document\n",
		c.cut, c.pages, c.unread, c.outside)
	fmt.Fprintf(w, "deliberately wrong requests, all refused: %d\n", c.refused)
	fmt.Fprintln(w, "exceptions, with the distinct exchanges that need them:")
	for _, e := range exceptions {
		fmt.Fprintf(w, "%7d  %s: %s\n", c.needed[e.name], e.name, e.reason)
	}
	fmt.Fprintln(w, "answered 200, by operation:")
	for _, op := range c.operations {
		fmt.Fprintf(w, "%7d  %s\n", c.answered[op], op)
	}
	for _, v := range c.violations[:min(len(c.violations), 20)] {
		fmt.Fprintln(w, "VIOLATION:", v)
	}
	fmt.Fprintf(w, "%d violations\n", len(c.violations))
}

// verdict returns an error when the record does not conform, or proves nothing.
func (c *checker) verdict(whole bool) error {
	if n := len(c.violations); n > 0 {
		return fmt.Errorf("%d exchanges violate the OpenAPI document", n)
	}
	if c.exchanges == 0 {
		return errors.New("no exchange was recorded")
	}
	if !whole {
		return nil
	}
	for _, op := range c.operations {
		if c.answered[op] == 0 {
			return fmt.Errorf("%s was never answered 200: add a test that makes it", op)
		}
	}
	for _, e := range exceptions {
		if c.needed[e.name] == 0 {
			return fmt.Errorf("the exception %q is not needed: remove it", e.name)
		}
	}
	return nil
}
