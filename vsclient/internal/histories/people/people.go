// Package people is everybody else of the project: they have Files of the names and sizes of
// ours, replace attributes, attach Files by hand, and fill the stores. It judges nothing.
package people

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/client"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/judge"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/plan"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/rare"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/histories/trail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

// People are the others of a history.
type People struct {
	*judge.Judge
	Crowds int // Files that they have made meanwhile in another store

	times int      // how often they have made some in any
	crowd []string // the Files of which every second one may go
}

// Begin makes the Files that are there before anything happens: an hour before, and at last
// the fresh ones.
func (o *People) Begin() {
	o.Plan.Planted = slices.Clone(o.Plan.Planted)
	for i, p := range o.Plan.Planted {
		if p.Like {
			o.Plan.Planted[i].Name = fileName(p.Name, p.Text)
		}
	}
	o.plant()
	time.Sleep(time.Hour)
	o.plantFresh()
	o.Was = o.Describe()
}

// fileName is the name of the File that a client makes of a document, in a project of its own.
func fileName(key, text string) string {
	srv := openaitest.New(openaitest.Config{})
	defer srv.Close()
	store := srv.NewVectorStore("scratch")
	c, err := client.New(client.Settings{Store: store, URL: srv.URL(), Transport: srv.Client().Transport})
	if err != nil {
		panic(err)
	}
	defer c.Close()
	if a := c.Put(context.Background(), key, plan.Doc{Text: text}); a.Err != nil {
		panic(a.Err)
	}
	return srv.Snapshot().Store(store).Files[0].Filename
}

// plant makes the Files that are there before anything happens, one a second: of two
// without attributes and of one second, nothing tells which is newer.
func (o *People) plant() {
	for i, p := range o.Plan.Planted {
		if !p.Fresh {
			o.add(p, time.Now().Add(o.Clock-24*time.Hour+time.Duration(i)*time.Second))
		}
	}
}

func (o *People) plantFresh() {
	for _, p := range o.Plan.Planted {
		if p.Fresh {
			o.add(p, time.Now().Add(o.Clock-5*time.Second))
		}
	}
}

func (o *People) add(p plan.Planted, at time.Time) {
	id := o.Srv.AddFile(openaitest.NewFile{Name: p.Name, Purpose: p.Purpose, Content: []byte(p.Text), CreatedAt: at})
	if p.Ours {
		o.Srv.AddStoreFile(o.Stores[0], id, p.Attrs)
	}
	if p.Theirs {
		o.Srv.AddStoreFile(o.Stores[2], id, nil)
	}
	o.Planted[id] = p
}

// Strip replaces the attributes of a key's only store file, as another tool might.
func (o *People) Strip(s plan.Step) {
	o.Mu.Lock()
	defer o.Mu.Unlock()
	c := o.Cells[[2]int{0, s.Key}]
	if len(c.Pending) > 0 || len(c.States) != 1 || c.States[0].Absent {
		return
	}
	var found []string
	var name string
	for _, f := range o.Srv.Snapshot().Store(o.Stores[0]).Files {
		if trail.Marked(f.Attributes) && o.Owner(f.FileID, f.Attributes, f.Filename) == c.Key {
			found, name = append(found, f.FileID), f.Filename
		}
	}
	if len(found) != 1 || !o.Tells(found[0], name, c.Key) {
		return
	}
	o.Srv.AddStoreFile(o.Stores[0], found[0], map[string]any{"by": "another tool"})
	c.Replace(map[string]any{"by": "another tool"}, o.Now())
	c.StrippedAt = o.Now()
	o.Out.States[rare.Stripped]++
}

// AttachElsewhere attaches a key's File to somebody else's store.
func (o *People) AttachElsewhere(s plan.Step) {
	now := o.Srv.Snapshot()
	there := make(map[string]bool)
	for _, f := range now.Files {
		there[f.ID] = true
	}
	for _, f := range now.Store(o.Stores[0]).Files {
		if _, planted := o.Planted[f.FileID]; !planted && there[f.FileID] && trail.KeyOf(f.Attributes, f.Filename) == o.Plan.Keys[s.Key] {
			o.Srv.AddStoreFile(o.Stores[2], f.FileID, nil)
			o.Reached(rare.AttachedElsewhere)
		}
	}
}

// Crowded is how many Files another store gets at once.
const Crowded = 300

// Crowd fills another store of the project, or the store under test, with Files of
// other names and keys.
func (o *People) Crowd(store int) {
	if store == 0 && o.Expired {
		return // it takes no Files any more
	}
	o.times++
	var attrs map[string]any
	if store == 0 {
		attrs = map[string]any{"vs_key": "a key of the crowd", "vs_version": "0000000000000001"}
	} else {
		store = 2
	}
	for i := range Crowded {
		name := fmt.Sprintf("crowd %d of %d.md", i, o.times) // of this crowd alone
		id := o.Srv.AddFile(openaitest.NewFile{Name: name, Content: []byte(name)})
		if attrs != nil {
			attrs = map[string]any{"vs_key": name, "vs_version": "0000000000000001"}
		}
		o.Srv.AddStoreFile(o.Stores[store], id, attrs)
		o.Planted[id] = plan.Planted{Name: name, Text: name, Key: -1, Theirs: store == 2, Ours: store == 0, Attrs: attrs}
		o.Texts[trail.Digest(name)] = name
		o.crowd = append(o.crowd, id)
	}
	o.Was = o.DescribeWith(o.Was)
	if store == 2 {
		o.Crowds += Crowded
	}
}

// Thin deletes every second File of the crowd, as other people do.
func (o *People) Thin() {
	for i, id := range o.crowd {
		if i%2 == 0 {
			continue
		}
		req, err := http.NewRequestWithContext(context.Background(), http.MethodDelete, o.Srv.URL()+"/files/"+id, nil)
		if err != nil {
			panic(err)
		}
		req.Header.Set("Authorization", "Bearer sk-test")
		if resp, err := o.Srv.Client().Do(req); err == nil {
			resp.Body.Close()
		}
		delete(o.Was, id)
		delete(o.Planted, id)
	}
	o.crowd = nil
}
