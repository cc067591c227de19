package vsclient

import (
	"net/http"
	"time"
)

// What the fuzz tests need of what is parsed.

// RetryAfter reads how long a server asks to wait.
func RetryAfter(h http.Header, now time.Time) time.Duration { return retryAfter(h, now) }

// PollAfter reads how long a server asks to wait before the next look.
func PollAfter(h http.Header) time.Duration { return pollAfter(h) }

// KindOfRefusal tells apart what OpenAI answers with a 400.
func KindOfRefusal(code, message string) error { return kindOfRefusal(code, message) }
