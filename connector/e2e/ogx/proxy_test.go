//go:build ogx

package ogx_test

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"

	"github.com/matryer/is"
)

// through puts a proxy between the store's clients and OGX. It calls before with each request
// first. before returns true when it has answered the request.
func (w *ogxStore) through(before func(http.ResponseWriter, *http.Request) bool) {
	w.Helper()
	target, err := url.Parse(ogx.url)
	is.New(w.T).NoErr(err)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = target.Scheme, target.Host },
		// A connection that OGX has closed is closed for the client, too.
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if before == nil || !before(rw, r) {
			proxy.ServeHTTP(rw, r)
		}
	}))
	w.Cleanup(server.Close)
	w.URL = server.URL + "/v1"
}

func isUpload(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/v1/files")
}

func isAttach(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.Contains(r.URL.Path, "/vector_stores/") && strings.HasSuffix(r.URL.Path, "/files")
}

func isBatch(r *http.Request) bool { return strings.Contains(r.URL.Path, "/file_batches") }

func isDetach(r *http.Request) bool {
	return r.Method == http.MethodDelete && strings.Contains(r.URL.Path, "/vector_stores/")
}

func isFileDeletion(r *http.Request) bool {
	return r.Method == http.MethodDelete && !isDetach(r)
}
