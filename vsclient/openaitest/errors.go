package openaitest

import (
	"fmt"
	"net/http"
	"time"
)

// apiError is a refusal of a request, in OpenAI's words where a source shows them.
type apiError struct {
	status     int
	typ        string // empty: invalid_request_error
	code       string // empty: null
	param      string // empty: null
	message    string
	retryAfter time.Duration
	final      bool // x-should-retry: false
}

type errorBody struct {
	Error errorDetail `json:"error"`
}

type errorDetail struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
}

func (e *apiError) body() errorBody {
	d := errorDetail{Message: e.message, Type: e.typ}
	if d.Type == "" {
		d.Type = "invalid_request_error"
	}
	if e.param != "" {
		d.Param = &e.param
	}
	if e.code != "" {
		d.Code = &e.code
	}
	return errorBody{d}
}

func badRequest(code, param, format string, args ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, code: code, param: param, message: fmt.Sprintf(format, args...)}
}

// outOfBounds refuses a number of a kind, integer or decimal, below least or above most.
func outOfBounds[N int | int64 | float64](param, kind string, n, least, most N) *apiError {
	switch {
	case n < least:
		return badRequest(kind+"_below_min_value", param, "Invalid '%s': %s below minimum value. Expected a value >= %v, but got %v instead.", param, kind, least, n)
	case n > most:
		return badRequest(kind+"_above_max_value", param, "Invalid '%s': %s above maximum value. Expected a value <= %v, but got %v instead.", param, kind, most, n)
	}
	return nil
}

func tooLarge(param, format string, args ...any) *apiError {
	return &apiError{status: http.StatusRequestEntityTooLarge, param: param, message: fmt.Sprintf(format, args...)}
}

func notFound(param, format string, args ...any) *apiError {
	return &apiError{status: http.StatusNotFound, param: param, message: fmt.Sprintf(format, args...)}
}

func serverError() *apiError {
	return &apiError{
		status: http.StatusInternalServerError, typ: "server_error",
		message: "The server had an error processing your request. Sorry about that! You can retry your request, or contact us" +
			" through our help center at help.openai.com if you keep seeing this error.",
	}
}

// notModelled refuses a part of the API that the emulator does not have. The header of a
// final refusal keeps SDKs from trying again.
func notModelled(format string, args ...any) *apiError {
	return &apiError{
		status: http.StatusNotImplemented, typ: "server_error", code: "not_modelled", final: true,
		message: "openaitest does not model " + fmt.Sprintf(format, args...),
	}
}

func (q *Quirks) noSuchFile(id string) *apiError {
	if q.AbsentFile400 {
		return badRequest("", "", "File '%s' not found.", id)
	}
	return notFound("id", "No such File object: %s", id)
}

func (q *Quirks) noSuchStore(id string) *apiError {
	if q.Absent400 {
		return badRequest("", "", "Vector store '%s' not found.", id)
	}
	return notFound("", "Vector store with id '%s' not found.", id)
}

func (q *Quirks) noSuchStoreFile(id, store string) *apiError {
	if q.Absent400 {
		return badRequest("", "", "File '%s' not found in vector store '%s'.", id, store)
	}
	return notFound("", "No file found with id '%s' in vector store '%s'.", id, store)
}

func rateLimited(requests string, limit int, wait time.Duration) *apiError {
	return &apiError{
		status: http.StatusTooManyRequests, code: "rate_limit_exceeded", retryAfter: wait,
		message: fmt.Sprintf("Rate limit reached for %s: Limit %d / min. Please try again in %.3fs.", requests, limit, wait.Seconds()),
	}
}

// statusError is the reply of an injected fault that names only a status.
func statusError(status int, code, message string, retryAfter time.Duration) *apiError {
	e := &apiError{status: status, code: code, message: message, retryAfter: retryAfter}
	if status >= 500 {
		e.typ = "server_error"
	}
	if e.message == "" {
		switch status {
		case http.StatusTooManyRequests:
			e.message = "Rate limit reached. Please try again later."
			if e.code == "" {
				e.code = "rate_limit_exceeded"
			}
		case http.StatusServiceUnavailable:
			e.message = "The server is currently overloaded with other requests. Sorry about that! You can retry your request."
		case http.StatusInternalServerError:
			e.message = serverError().message
		default:
			e.message = http.StatusText(status)
		}
	}
	return e
}
