package openaitest

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The page for people: what is there, and what is being asked. It is rendered
// whole by the server and reloads itself.

//go:embed page.html
var pageSource string

var pageTemplate = template.Must(template.New("page").Funcs(template.FuncMap{
	"bytes": func(n int64) string {
		switch {
		case n < 1<<10:
			return fmt.Sprintf("%d B", n)
		case n < 1<<20:
			return fmt.Sprintf("%.1f KB", float64(n)/(1<<10))
		case n < 1<<30:
			return fmt.Sprintf("%.1f MB", float64(n)/(1<<20))
		}
		return fmt.Sprintf("%.2f GB", float64(n)/(1<<30))
	},
	"short": func(path string) string {
		return longID.ReplaceAllString(strings.TrimPrefix(path, "/v1"), "$1…$2")
	},
	"clock":   func(t time.Time) string { return t.UTC().Format("15:04:05") },
	"date":    func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") },
	"percent": func(f float64) string { return fmt.Sprintf("%.0f %%", f*100) },
	"class": func(status int) string {
		switch {
		case status == 0:
			return "cancelled"
		case status < 300:
			return "completed"
		case status < 500:
			return "in_progress"
		}
		return "failed"
	},
}).Parse(pageSource))

// longID is an id whose middle tells a reader nothing.
var longID = regexp.MustCompile(`\b((?:vs|vsfb|upload)_[0-9a-f]{5}|file-\w{5})\w+(\w{4})\b`)

const (
	pageRows     = 50
	pageRequests = 40
)

// pageData is all that the template shows.
type pageData struct {
	Now     time.Time
	Refresh int // seconds; 0: not at all
	Stores  []pageStore
	Files   []FileInfo
	Log     []Request

	FileCount, StoreCount, RequestCount, Waiting, Scripts int
	Stored                                                int64
	Settings                                              []string

	Store   *pageStore // the one looked at
	Entries []StoreFile
	More    int // entries that are not shown
	Query   string
	Results []searchResult
}

type pageStore struct {
	ID, Name, Status string
	CreatedAt        time.Time
	Counts           fileCounts
	Usage            int64
}

func (s *Server) servePage(w http.ResponseWriter, r *http.Request) {
	storeID, isStore := strings.CutPrefix(r.URL.Path, "/stores/")
	if !isStore {
		storeID = ""
	}
	switch {
	case r.URL.Path != "/" && (!isStore || storeID == ""):
		http.NotFound(w, r)
		return
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
		return
	}
	data := pageData{Refresh: 2, Query: r.URL.Query().Get("q")}
	if v := r.URL.Query().Get("refresh"); v != "" {
		data.Refresh, _ = strconv.Atoi(v)
	}
	if data.Query != "" {
		data.Refresh = 0
	}
	if !s.fillPage(&data, storeID) {
		http.NotFound(w, r)
		return
	}
	var page bytes.Buffer
	if err := pageTemplate.Execute(&page, data); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Write(page.Bytes())
}

// fillPage reads the state, and reports whether the store is there if one is named.
func (s *Server) fillPage(d *pageData, storeID string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.Now = s.now()
	s.tick(d.Now)
	d.FileCount, d.StoreCount, d.RequestCount = s.fileList.count, s.storeList.count, s.logged
	d.Stored = s.stored
	d.Settings = s.cfg.settings()
	for _, f := range s.scripts {
		if !f.spent() {
			d.Scripts++
		}
	}
	d.Log = slices.Clone(s.log[max(0, len(s.log)-pageRequests):])
	slices.Reverse(d.Log)
	for _, r := range s.log {
		if !r.Done {
			d.Waiting++
		}
	}
	for st := range s.storeList.descend(nil) {
		if len(d.Stores) == pageRows {
			break
		}
		d.Stores = append(d.Stores, s.pageStore(st, d.Now))
	}
	for f := range s.fileList.descend(nil) {
		if len(d.Files) == pageRows {
			break
		}
		d.Files = append(d.Files, f.info())
	}
	if storeID == "" {
		return true
	}
	st := s.stores[storeID]
	if st == nil {
		return false
	}
	ps := s.pageStore(st, d.Now)
	d.Store = &ps
	for f := range st.listed.descend(nil) {
		if !f.detachedAt.IsZero() {
			continue
		}
		if len(d.Entries) == 2*pageRows {
			d.More++
			continue
		}
		d.Entries = append(d.Entries, f.info())
	}
	if d.Query != "" {
		d.Results = s.rank(st, []string{d.Query}, nil)
		d.Results = d.Results[:min(5, len(d.Results))]
	}
	return true
}

func (s *Server) pageStore(st *store, now time.Time) pageStore {
	s.settle(st, now)
	p := pageStore{ID: st.id, Name: st.shownName(), Status: "completed", CreatedAt: st.createdAt, Counts: st.counts.wire(), Usage: st.counts.usage}
	switch {
	case st.expired:
		p.Status = "expired"
	case st.counts.inProgress > 0:
		p.Status = "in_progress"
	}
	return p
}

// settings are those that differ from the zero Config, in words.
func (cfg *Config) settings() []string {
	var all []string
	add := func(name string, value any, set bool) {
		if set {
			all = append(all, fmt.Sprintf("%s %v", name, value))
		}
	}
	for _, d := range []struct {
		name string
		d    time.Duration
	}{
		{"latency", cfg.Latency},
		{"indexing", cfg.IndexTime},
		{"indexing jitter", cfg.IndexJitter},
		{"list lag after attach", cfg.ListLag.Attach},
		{"list lag after detach", cfg.ListLag.Detach},
		{"list lag after update", cfg.ListLag.Update},
		{"counts lag", cfg.CountsLag},
		{"404 window", cfg.NotFoundWindow},
		{"ghost window", cfg.GhostWindow},
		{"search lag after attach", cfg.SearchLag.Attach},
		{"search lag after detach", cfg.SearchLag.Detach},
		{"fresh file window", cfg.FreshFileWindow},
		{"stores expire after", cfg.StoresExpireAfter},
	} {
		add(d.name, d.d, d.d != 0)
	}
	l := cfg.Limits
	add("uploads/min", l.UploadsPerMinute, l.UploadsPerMinute > 0)
	add("attach requests/min", l.AttachRequestsPerMinute, l.AttachRequestsPerMinute > 0)
	add("attached files/min", l.AttachedFilesPerMinute, l.AttachedFilesPerMinute > 0)
	add("reads/min", l.ReadsPerMinute, l.ReadsPerMinute > 0)
	add("deletes/min", l.DeletesPerMinute, l.DeletesPerMinute > 0)
	add("index rules", len(cfg.IndexRules), len(cfg.IndexRules) > 0)
	quirks := map[string]any{}
	data, err := json.Marshal(cfg.Quirks)
	if err == nil {
		err = json.Unmarshal(data, &quirks)
	}
	if err != nil {
		panic("openaitest: " + err.Error()) // Quirks are plain values
	}
	for _, name := range slices.Sorted(keysOf(quirks)) {
		if on, ok := quirks[name].(bool); ok && on {
			all = append(all, strings.ReplaceAll(name, "_", " "))
		} else {
			add(strings.ReplaceAll(name, "_", " "), quirks[name], true)
		}
	}
	return all
}
