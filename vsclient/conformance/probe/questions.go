package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// questions are the questions that OpenAI's documents leave open.
var questions = []struct {
	text string
	ask  func(*prober, context.Context) (string, error)
}{
	{"What happens to a file without an extension?", (*prober).missingExtension},
	{"How long may a file name be, and are directories kept?", (*prober).fileNames},
	{"How long may an attribute value be, in characters or bytes?", (*prober).attributeLength},
	{"Do the attributes of a second attach overwrite those of the first?", (*prober).reattach},
	{"Does one bad file refuse its batch?", (*prober).badFileInBatch},
	{"What is the answer to a second detach?", (*prober).secondDetach},
	{"What limits do GET and DELETE on vector stores have?", (*prober).limits},
	{"How far do views lag behind an attach and a detach?", (*prober).lags},
	{"Does a search find a file as soon as it is completed?", (*prober).searchAtOnce},
	{"Which parameter asks for the next page of parsed content?", (*prober).contentPages},
	{"Is Idempotency-Key honoured?", (*prober).idempotency},
	{"Does deleting only the File leave it in file_counts?", (*prober).countsAfterDelete},
	{"May a cursor name a file that was deleted?", (*prober).deletedCursor},
	{"May attributes be updated while a file is in progress?", (*prober).updateInProgress},
}

// askAll asks every question, also after one that has no answer. Its error names the
// objects that could not be removed at the end.
func (p *prober) askAll(ctx context.Context) (all []finding, err error) {
	defer func() { err = p.cleanUp(ctx) }()
	for i, q := range questions {
		p.details = nil
		f := finding{Number: i + 1, Question: q.text}
		err := p.ensureStore(ctx)
		if err == nil {
			f.Answer, err = q.ask(p, ctx)
		}
		if err != nil {
			f.Answer, f.Failed = "no answer: "+err.Error(), true
		}
		f.Details = p.details
		all = append(all, f)
	}
	return all, nil
}

func (p *prober) ensureStore(ctx context.Context) error {
	if p.store != "" {
		return nil
	}
	r, err := p.post(ctx, "/vector_stores", map[string]any{
		"name": "vsclient probe", "expires_after": map[string]any{"anchor": "last_active_at", "days": 1},
	})
	if err != nil {
		return err
	}
	var made struct{ ID string }
	err = r.into(&made)
	p.store = made.ID
	return err
}

func (p *prober) missingExtension(ctx context.Context) (string, error) {
	id, err := p.upload(ctx, "README", "A file without an extension.")
	if err != nil {
		return "", err
	}
	r, err := p.attach(ctx, id, nil)
	if err != nil {
		return "", err
	}
	if r.status != http.StatusOK {
		p.note("%s", r.message())
		return "the attach is refused: " + r.String(), nil
	}
	f, err := p.settled(ctx, id)
	if err != nil {
		return "", err
	}
	if f.LastError != nil {
		p.note("%s", f.LastError.Message)
		return "it is attached, then " + f.Status + ": " + f.LastError.Code, nil
	}
	return "it is attached, then " + f.Status, nil
}

func (p *prober) fileNames(ctx context.Context) (string, error) {
	const name = `probe/"a" ☃.txt`
	f, r, err := p.tryUpload(ctx, name, "x")
	if err != nil {
		return "", err
	}
	answer := "directories are kept"
	switch {
	case f.ID == "":
		answer = "directories are refused: " + r.String()
	case f.Filename != name:
		answer = fmt.Sprintf("%q becomes %q", name, f.Filename)
	}
	longest := 0
	for _, n := range []int{100, 255, 256, 512, 1024, 4096} {
		f, r, err := p.tryUpload(ctx, strings.Repeat("n", n-4)+".txt", "x")
		if err != nil {
			return "", err
		}
		if f.ID == "" || len(f.Filename) != n {
			p.note("%d characters: %s, name of %d", n, r, len(f.Filename))
			return fmt.Sprintf("%s; %d characters are too many, %d are not", answer, n, longest), nil
		}
		longest = n
	}
	return fmt.Sprintf("%s; %d characters are not too many", answer, longest), nil
}

func (p *prober) attributeLength(ctx context.Context) (string, error) {
	id, err := p.indexed(ctx, "attributes.txt", "Attributes.", nil)
	if err != nil {
		return "", err
	}
	fits := func(value string) (bool, error) {
		r, err := p.post(ctx, p.path("/files/"+id), map[string]any{"attributes": map[string]any{"v": value}})
		if err != nil {
			return false, err
		}
		if r.status != http.StatusOK && r.status != http.StatusBadRequest {
			return false, fmt.Errorf("answered %s", r)
		}
		p.note("%d characters, %d bytes: %s", len([]rune(value)), len(value), r)
		return r.status == http.StatusOK, nil
	}
	limit := 0
	for _, n := range []int{256, 257, 512, 513, 1024} {
		ok, err := fits(strings.Repeat("a", n))
		if err != nil {
			return "", err
		}
		if !ok {
			break
		}
		limit = n
	}
	if limit == 0 {
		return "less than 256", nil
	}
	inCharacters, err := fits(strings.Repeat("é", limit))
	if err != nil {
		return "", err
	}
	if inCharacters {
		return fmt.Sprintf("%d characters", limit), nil
	}
	return fmt.Sprintf("%d bytes", limit), nil
}

func (p *prober) reattach(ctx context.Context) (string, error) {
	id, err := p.indexed(ctx, "reattach.txt", "Attached twice.", map[string]any{"v": "first"})
	if err != nil {
		return "", err
	}
	r, err := p.attach(ctx, id, map[string]any{"v": "second"})
	if err != nil {
		return "", err
	}
	var at storeFile
	if err := r.into(&at); err != nil {
		return "", err
	}
	f, err := p.settled(ctx, id)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("the %s remain; the status is %s at first", f.Attributes["v"], at.Status), nil
}

func (p *prober) badFileInBatch(ctx context.Context) (string, error) {
	good, err := p.upload(ctx, "good.txt", "A good file.")
	if err != nil {
		return "", err
	}
	bad, err := p.upload(ctx, "bad.png", "no picture")
	if err != nil {
		return "", err
	}
	var answers []string
	for _, c := range []struct{ file, id string }{{"an unsupported extension", bad}, {"an unknown id", "file-" + strings.Repeat("A", 22)}} {
		r, err := p.post(ctx, p.path("/file_batches"), map[string]any{"file_ids": []string{good, c.id}})
		if err != nil {
			return "", err
		}
		if r.status != http.StatusOK {
			p.note("%s: %s", c.file, r.message())
			answers = append(answers, c.file+" refuses it: "+r.String())
			continue
		}
		var b struct {
			ID, Status string
			FileCounts struct{ Completed, Failed, Total int } `json:"file_counts"`
		}
		if err := r.into(&b); err != nil {
			return "", err
		}
		id := b.ID // a GET may return another id
		_, err = until(ctx, func() (bool, error) {
			r, err := p.get(ctx, p.path("/file_batches/"+id))
			if err != nil {
				return false, err
			}
			err = r.into(&b)
			return b.Status != "in_progress", err
		})
		if err != nil {
			return "", err
		}
		answers = append(answers, fmt.Sprintf("%s leaves it %s: %d completed, %d failed of %d", c.file, b.Status, b.FileCounts.Completed, b.FileCounts.Failed, b.FileCounts.Total))
	}
	return strings.Join(answers, "; "), nil
}

func (p *prober) secondDetach(ctx context.Context) (string, error) {
	id, err := p.indexed(ctx, "detach.txt", "Detached twice.", nil)
	if err != nil {
		return "", err
	}
	first, err := p.delete(ctx, p.path("/files/"+id))
	if err != nil {
		return "", err
	}
	if first.status != http.StatusOK {
		return "", fmt.Errorf("the first is answered %s", first)
	}
	second, err := p.delete(ctx, p.path("/files/"+id))
	if err != nil {
		return "", err
	}
	p.note("%s", second.message())
	return second.String(), nil
}

func (p *prober) limits(ctx context.Context) (string, error) {
	seen := map[string]bool{}
	look := func(request string, r reply) {
		for name, v := range r.header {
			if strings.HasPrefix(name, "X-Ratelimit-") {
				seen[name] = true
				p.note("%s: %s: %s", request, name, v[0])
			}
		}
	}
	for i := range 20 {
		r, err := p.get(ctx, p.path("/files"))
		if err != nil {
			return "", err
		}
		if r.status == http.StatusTooManyRequests {
			look("GET", r)
			return fmt.Sprintf("429 after %d requests, Retry-After %q", i, r.header.Get("Retry-After")), nil
		}
		if i == 0 {
			look("GET", r)
		}
	}
	r, err := p.delete(ctx, p.path("/files/file-"+strings.Repeat("A", 22)))
	if err != nil {
		return "", err
	}
	look("DELETE", r)
	if len(seen) == 0 {
		return "20 GET in a row are not limited; no x-ratelimit header", nil
	}
	return fmt.Sprintf("20 GET in a row are not limited; there are %d x-ratelimit headers", len(seen)), nil
}

func (p *prober) lags(ctx context.Context) (string, error) {
	id, err := p.upload(ctx, "lag.txt", "The word is xylophagous.")
	if err != nil {
		return "", err
	}
	get := func() (bool, error) {
		r, err := p.get(ctx, p.path("/files/"+id))
		return r.status == http.StatusOK, err
	}
	list := func() (bool, error) {
		r, err := p.get(ctx, p.path("/files?limit=100"))
		return strings.Contains(string(r.body), id), err
	}
	search := func() (bool, error) { return p.finds(ctx, "xylophagous", id) }
	views := []struct {
		name string
		ask  func() (bool, error)
	}{{"GET", get}, {"listing", list}, {"search", search}}
	watch := func(change string, there bool) ([]string, error) {
		start := time.Now()
		took := make([]time.Duration, len(views))
		_, err := until(ctx, func() (bool, error) {
			all := true
			for i, v := range views {
				if took[i] > 0 {
					continue
				}
				ok, err := v.ask()
				if err != nil {
					return false, err
				}
				if ok == there {
					took[i] = max(time.Since(start), 1)
				}
				all = all && took[i] > 0
			}
			return all, nil
		})
		var out []string
		for i, v := range views {
			d := took[i].Round(100 * time.Millisecond).String()
			if took[i] == 0 {
				d = "not seen"
			}
			out = append(out, fmt.Sprintf("%s %s", v.name, d))
		}
		return []string{change + ": " + strings.Join(out, ", ")}, err
	}
	r, err := p.attach(ctx, id, nil)
	if err != nil {
		return "", err
	}
	if r.status != http.StatusOK {
		return "", fmt.Errorf("the attach was answered %s", r)
	}
	attached, err := watch("after the attach", true)
	if err != nil {
		return "", err
	}
	r, err = p.delete(ctx, p.path("/files/"+id))
	if err == nil && r.status != http.StatusOK {
		err = fmt.Errorf("the detach was answered %s", r)
	}
	if err != nil {
		return "", err
	}
	detached, err := watch("after the detach", false)
	return strings.Join(append(attached, detached...), "; "), err
}

// finds reports whether a search for a word returns the file.
func (p *prober) finds(ctx context.Context, word, id string) (bool, error) {
	r, err := p.post(ctx, p.path("/search"), map[string]any{"query": word, "max_num_results": 50})
	if err == nil && r.status != http.StatusOK {
		err = fmt.Errorf("the search was answered %s", r)
	}
	return strings.Contains(string(r.body), id), err
}

func (p *prober) searchAtOnce(ctx context.Context) (string, error) {
	id, err := p.indexed(ctx, "search.txt", "The word is quomodocunquize.", nil)
	if err != nil {
		return "", err
	}
	took, err := until(ctx, func() (bool, error) { return p.finds(ctx, "quomodocunquize", id) })
	if err != nil {
		return "", err
	}
	if took < interval {
		return "yes", nil
	}
	return fmt.Sprintf("no, after %v", took.Round(100*time.Millisecond)), nil
}

func (p *prober) contentPages(ctx context.Context) (string, error) {
	var text strings.Builder
	for i := range 20000 {
		fmt.Fprintf(&text, "This is sentence number %d of a long text. ", i)
	}
	id, err := p.indexed(ctx, "long.txt", text.String(), nil)
	if err != nil {
		return "", err
	}
	type page struct {
		Data     []struct{ Text string }
		HasMore  bool    `json:"has_more"`
		NextPage *string `json:"next_page"`
	}
	fetch := func(query string) (page, reply, error) {
		var pg page
		r, err := p.get(ctx, p.path("/files/"+id+"/content")+query)
		if err == nil && r.status == http.StatusOK {
			err = r.into(&pg)
		}
		return pg, r, err
	}
	first, r, err := fetch("")
	if err != nil {
		return "", err
	}
	if r.status != http.StatusOK {
		return "content is answered " + r.String(), nil
	}
	p.note("%d chunks on the first page of %d bytes of text", len(first.Data), text.Len())
	if !first.HasMore || first.NextPage == nil {
		return "none: all is on one page", nil
	}
	for _, name := range []string{"page", "next_page", "after", "cursor"} {
		next, r, err := fetch("?" + name + "=" + url.QueryEscape(*first.NextPage))
		if err != nil {
			return "", err
		}
		p.note("?%s: %s", name, r)
		if r.status == http.StatusOK && len(next.Data) > 0 && next.Data[0].Text != first.Data[0].Text {
			return name, nil
		}
	}
	return "none of page, next_page, after, cursor", nil
}

func (p *prober) idempotency(ctx context.Context) (string, error) {
	key := fmt.Sprintf("vsclient-probe-%d", time.Now().UnixNano())
	first, r, err := p.tryUpload(ctx, "twice.txt", "Sent twice.", "Idempotency-Key", key)
	if err == nil && first.ID == "" {
		err = fmt.Errorf("answered %s", r)
	}
	if err != nil {
		return "", err
	}
	second, again, err := p.tryUpload(ctx, "twice.txt", "Sent twice.", "Idempotency-Key", key)
	switch {
	case err != nil:
		return "", err
	case second.ID == "":
		return "the second is refused: " + again.String(), nil
	case second.ID == first.ID:
		return "yes", nil
	}
	return "no", nil
}

func (p *prober) countsAfterDelete(ctx context.Context) (string, error) {
	total := func() (int, error) {
		var s struct {
			FileCounts struct{ Total int } `json:"file_counts"`
		}
		r, err := p.get(ctx, p.path(""))
		if err == nil {
			err = r.into(&s)
		}
		return s.FileCounts.Total, err
	}
	without, err := total()
	if err != nil {
		return "", err
	}
	id, err := p.indexed(ctx, "counted.txt", "Deleted while attached.", nil)
	if err != nil {
		return "", err
	}
	counts := func(want int) (time.Duration, error) {
		return until(ctx, func() (bool, error) {
			n, err := total()
			return n == want, err
		})
	}
	if _, err := counts(without + 1); err != nil {
		return "", fmt.Errorf("the file is not counted: %w", err)
	}
	if _, err := p.delete(ctx, "/files/"+id); err != nil {
		return "", err
	}
	took, err := counts(without)
	switch {
	case errors.Is(err, errTooLong):
		return fmt.Sprintf("yes, still after %v", longest), nil
	case err != nil:
		return "", err
	case took < interval:
		return "no", nil
	}
	return fmt.Sprintf("for %v", took.Round(100*time.Millisecond)), nil
}

func (p *prober) deletedCursor(ctx context.Context) (string, error) {
	var ids []string
	for i := range 3 {
		id, err := p.upload(ctx, fmt.Sprintf("cursor-%d.txt", i), "x")
		if err != nil {
			return "", err
		}
		ids = append(ids, id)
	}
	if _, err := p.delete(ctx, "/files/"+ids[1]); err != nil {
		return "", err
	}
	r, err := p.get(ctx, "/files?limit=1&order=desc&after="+ids[1])
	if err != nil {
		return "", err
	}
	if r.status != http.StatusOK {
		p.note("%s", r.message())
		return "no: " + r.String(), nil
	}
	var page struct{ Data []fileObject }
	if err := r.into(&page); err != nil {
		return "", err
	}
	if len(page.Data) == 0 {
		return "yes, but the page is empty", nil
	}
	if i := slices.Index(ids, page.Data[0].ID); i != 0 {
		p.note("the page begins with file %d of those made", i)
		return "yes, but the listing goes on elsewhere", nil
	}
	return "yes", nil
}

func (p *prober) updateInProgress(ctx context.Context) (string, error) {
	id, err := p.upload(ctx, "update.txt", strings.Repeat("Some text to be indexed. ", 20000))
	if err != nil {
		return "", err
	}
	r, err := p.attach(ctx, id, map[string]any{"v": "first"})
	if err != nil {
		return "", err
	}
	var f storeFile
	if err := r.into(&f); err != nil {
		return "", err
	}
	if f.Status != "in_progress" {
		return "it was " + f.Status + " at once", nil
	}
	r, err = p.post(ctx, p.path("/files/"+id), map[string]any{"attributes": map[string]any{"v": "second"}})
	if err != nil {
		return "", err
	}
	if r.status != http.StatusOK {
		p.note("%s", r.message())
		return "no: " + r.String(), nil
	}
	f, err = p.settled(ctx, id)
	if err != nil {
		return "", err
	}
	if f.Attributes["v"] != "second" {
		return "the update is answered 200 and then lost", nil
	}
	return "yes", nil
}
