package openaitest

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"iter"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest/internal/project"
)

// The page for people shows the state and the latest requests. The server renders the
// whole page. Its script fetches it again every two seconds and changes the shown page to
// it, except for the search box.

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
	"key":     documentKey,
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

// longID matches an id, whose middle the page leaves out.
var longID = regexp.MustCompile(`\b((?:vs|vsfb|upload)_[0-9a-f]{5}|file-\w{5})\w+(\w{4})\b`)

const (
	pageRows     = 50
	pageRequests = 40
)

// documentKey returns the key of a document that vsclient wrote, otherwise the file name.
func documentKey(attributes map[string]any, filename string) string {
	key, ok := attributes["vs_key"].(string)
	if !ok {
		return filename
	}
	for i := 2; ; i++ {
		part, ok := attributes[fmt.Sprintf("vs_key_%d", i)].(string)
		if !ok {
			return key
		}
		key += part
	}
}

// pages is the shown page of a list and the number of its last page. Page 1 has the
// newest rows.
type pages struct {
	Page, Last int
	param      string
	query      url.Values
}

// pagesOf reads the page of a list of n rows from the parameter of that name.
func pagesOf(query url.Values, param string, n int) pages {
	p := pages{param: param, query: query, Last: max(1, (n+pageRows-1)/pageRows)}
	asked, _ := strconv.Atoi(query.Get(param))
	p.Page = min(max(asked, 1), p.Last)
	return p
}

func (p pages) Newer() int { return p.Page - 1 }
func (p pages) Older() int { return p.Page + 1 }

// Link returns the URL of the same view with another page of this list.
func (p pages) Link(page int) string {
	q := maps.Clone(p.query)
	q.Set(p.param, strconv.Itoa(page))
	return "?" + q.Encode()
}

// rows returns the rows of the page, from a seq of all rows, newest first.
func rows[T any](p pages, seq iter.Seq[T]) []T {
	var got []T
	skip := (p.Page - 1) * pageRows
	for v := range seq {
		if skip--; skip >= 0 {
			continue
		}
		if got = append(got, v); len(got) == pageRows {
			break
		}
	}
	return got
}

// pageData is the data of the template.
type pageData struct {
	Now    time.Time
	Stores []pageStore
	Files  []FileInfo
	Log    []Request

	StorePages, FilePages, EntryPages pages

	FileCount, StoreCount, RequestCount, Waiting, Scripts int
	Stored                                                int64
	Settings                                              []string

	Store   *pageStore // the store that is shown; nil on the first page
	Entries []StoreFile
	Query   string
	Results []project.Hit
}

type pageStore struct {
	ID, Name, Status string
	Counts           project.Counts
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
	query := r.URL.Query()
	data := pageData{Query: query.Get("q")}
	if !s.fillPage(&data, storeID, query) {
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

// fillPage reads the state into d. It reports false when storeID names no store.
func (s *Server) fillPage(d *pageData, storeID string, query url.Values) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	d.Now = s.state.Now()
	d.FileCount, d.StoreCount, d.RequestCount = s.state.FileCount(), s.state.StoreCount(), s.logged
	d.Stored = s.state.Stored()
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
	if storeID == "" {
		d.StorePages = pagesOf(query, "stores", d.StoreCount)
		for _, st := range rows(d.StorePages, s.state.NewestStores()) {
			d.Stores = append(d.Stores, storeOnPage(st))
		}
		d.FilePages = pagesOf(query, "files", d.FileCount)
		for _, f := range rows(d.FilePages, s.state.NewestFiles()) {
			d.Files = append(d.Files, fileInfo(f))
		}
		return true
	}
	st := s.state.Store(storeID)
	if st == nil {
		return false
	}
	ps := storeOnPage(st)
	d.Store = &ps
	d.EntryPages = pagesOf(query, "files", st.FileCount())
	for _, f := range rows(d.EntryPages, st.NewestFiles()) {
		d.Entries = append(d.Entries, storeFileInfo(f))
	}
	if d.Query != "" {
		for _, hit := range s.state.Search(st, []string{d.Query}, nil) {
			if hit.Score == 0 || len(d.Results) == 10 {
				break
			}
			d.Results = append(d.Results, hit)
		}
	}
	return true
}

func storeOnPage(st *project.Store) pageStore {
	counts := st.Counts()
	p := pageStore{ID: st.ID, Name: st.ShownName(), Status: "completed", Counts: counts}
	switch {
	case st.Expired:
		p.Status = "expired"
	case counts.InProgress > 0:
		p.Status = "in_progress"
	}
	return p
}

// settings returns the settings that differ from the zero Config, in words.
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
		{"poll after", cfg.PollAfter},
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
	add("limits counted by", l.Kind, l.Kind != "")
	add("burst", l.Burst, l.Burst > 0)
	add("bytes kept of a file", cfg.KeepBytes, cfg.KeepBytes != defaultKeepBytes)
	add("storage in bytes", cfg.StorageQuota, cfg.StorageQuota > 0)
	add("tokens in a file", cfg.MaxFileTokens, cfg.MaxFileTokens > 0)
	add("index rules", len(cfg.IndexRules), len(cfg.IndexRules) > 0)
	quirks := map[string]any{}
	data, err := json.Marshal(cfg.Quirks)
	if err == nil {
		err = json.Unmarshal(data, &quirks)
	}
	if err != nil {
		panic("openaitest: " + err.Error()) // Quirks are plain values
	}
	for _, name := range slices.Sorted(maps.Keys(quirks)) {
		if on, ok := quirks[name].(bool); ok && on {
			all = append(all, strings.ReplaceAll(name, "_", " "))
		} else {
			add(strings.ReplaceAll(name, "_", " "), quirks[name], true)
		}
	}
	return all
}
