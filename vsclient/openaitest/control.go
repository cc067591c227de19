package openaitest

import (
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"
)

// The control door stands for the methods of [Server] where those cannot be called, as in
// other languages: it looks inside, moves the clock and injects faults. Its requests are
// no requests of the API; they are neither counted nor struck.

// control returns the handler of everything under /-/.
func (s *Server) control() http.Handler {
	mux := http.NewServeMux()
	show := func(pattern string, get func(r *http.Request) any) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { writeControl(w, http.StatusOK, get(r)) })
	}
	show("GET /-/snapshot", func(*http.Request) any { return s.Snapshot() })
	show("GET /-/history/{store}", func(r *http.Request) any { return orEmpty(s.History(r.PathValue("store"))) })
	show("GET /-/requests", func(*http.Request) any { return orEmpty(s.Requests()) })
	show("GET /-/counts", func(*http.Request) any { return s.Counts() })
	do := func(pattern string, act func(body []byte) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			// A page of another site can make a browser send any other type unasked.
			if typ, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type")); r.Method == http.MethodPost && typ != "application/json" {
				writeControl(w, http.StatusUnsupportedMediaType, map[string]string{"error": "send JSON with Content-Type: application/json, as curl --json does"})
				return
			}
			body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
			if err == nil {
				err = act(body)
			}
			if err != nil {
				writeControl(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
				return
			}
			w.WriteHeader(http.StatusNoContent)
		})
	}
	do("POST /-/advance", func(body []byte) error {
		var a struct {
			By Duration `json:"by"`
		}
		if err := decodeStrictly(body, &a); err != nil {
			return fmt.Errorf(`%w; send {"by":"24h"}`, err)
		}
		if a.By < 0 {
			return fmt.Errorf("the clock cannot go back by %v", -time.Duration(a.By))
		}
		s.Advance(time.Duration(a.By))
		return nil
	})
	do("POST /-/expire", func(body []byte) error {
		var e struct {
			Store string   `json:"vector_store_id"`
			After Duration `json:"after"`
		}
		if err := decodeStrictly(body, &e); err != nil {
			return fmt.Errorf(`%w; send {"vector_store_id":"vs_…","after":"5m"}`, err)
		}
		return s.expireVectorStore(e.Store, time.Duration(e.After))
	})
	do("POST /-/faults", func(body []byte) error {
		faults, err := ParseFaults(body)
		if err != nil {
			return err
		}
		s.Inject(faults...)
		return nil
	})
	do("DELETE /-/faults", func([]byte) error {
		s.ClearFaults()
		return nil
	})
	return mux
}

// orEmpty is a list that JSON shows as one, though it is empty.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func writeControl(w http.ResponseWriter, status int, v any) {
	data, err := json.Marshal(v)
	if err != nil { // a planted attribute that JSON cannot carry
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(append(data, '\n'))
}
