package openaitest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"time"
)

// control returns the handler of the control door: everything under /-/. It offers methods
// of [Server] to other languages: it shows the state, moves the clock and injects faults. Its
// requests are not requests of the API: they are not counted, and no fault strikes them.
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
			// A page of another site can make a browser send other types without asking it.
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
			By *Duration `json:"by"`
		}
		err := decodeStrictly(body, &a)
		if err == nil && a.By == nil {
			err = errors.New("by is missing")
		}
		if err != nil {
			return fmt.Errorf(`%w; send {"by":"24h"}`, err)
		}
		return s.advance(time.Duration(*a.By))
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

// orEmpty returns the list, or an empty one for nil, which JSON would show as null.
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
