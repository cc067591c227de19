package plan_test

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/worldtest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/plan"
)

// TestADocumentThatOpenAIRefusesIsUploadedOnce runs again over the same source, in
// another process, and then over one that was mended.
func TestADocumentThatOpenAIRefusesIsUploadedOnce(t *testing.T) {
	for _, c := range []struct {
		sentence string
		mended   vsclient.Document
	}{
		{"until its content changes", doc("bad.md", "whole")},
		{"until its chunking changes", vsclient.Document{Key: "bad.md", Content: vsclient.Bytes([]byte("broken")), Chunking: vsclient.Chunking{MaxTokens: 200}}},
	} {
		t.Run(c.sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				is := is.New(t)
				file := filepath.Join(t.TempDir(), "refusals.json")
				w := worldtest.New(t, openaitest.Config{FailIndexing: func(f openaitest.FileInfo) (code, message string) {
					if f.Bytes == 6 && f.Name == "bad.md" {
						return "invalid_file", "it is broken"
					}
					return "", ""
				}})
				sync := func(d vsclient.Document) (*plan.Plan, plan.Report) {
					refusals, err := plan.LoadRefusals(file)
					is.NoErr(err)
					p := makePlan(w, w.Client(), source(d, doc("good.md", "g")), plan.Options{Refusals: refusals})
					r := run(w, w.Client(), p, plan.ExecuteOptions{Refusals: refusals})
					is.NoErr(refusals.Save(file))
					return p, r
				}
				_, r := sync(doc("bad.md", "broken"))
				is.Equal(len(r.Failed), 1)
				var p *plan.Plan
				_, writes := requests(w, func() { p, r = sync(doc("bad.md", "broken")) })
				is.Equal(writes, 0)
				is.Equal(lines(p), []string{"refused bad.md", "unchanged good.md"})
				is.True(strings.Contains(p.Entries[0].Reason, "it is broken"))
				p, _ = sync(c.mended)
				is.Equal(lines(p), []string{"create bad.md", "unchanged good.md"})
			})
		})
	}
}

// TestTwoRunsSaveRefusalsSideBySide has the file of another save that is under way, and looks
// for files that a save leaves behind.
func TestTwoRunsSaveRefusalsSideBySide(t *testing.T) {
	is := is.New(t)
	folder := t.TempDir()
	file := filepath.Join(folder, "refusals.json")
	is.NoErr(os.Mkdir(file+".new", 0o700)) // no save can write or rename it
	is.NoErr(new(plan.Refusals).Save(file))
	is.NoErr(new(plan.Refusals).Save(file))
	_, err := plan.LoadRefusals(file)
	is.NoErr(err)
	is.NoErr(os.Remove(file + ".new"))
	left, err := os.ReadDir(folder)
	is.NoErr(err)
	is.Equal(len(left), 1)
}

func TestAFailureOfTheServiceIsNoRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{FailIndexing: func(openaitest.FileInfo) (code, message string) { return "server_error", "sorry" }})
		refusals := new(plan.Refusals)
		r := run(w, w.Client(), makePlan(w, w.Client(), source(doc("a.md", "a")), plan.Options{}), plan.ExecuteOptions{Refusals: refusals})
		is.Equal(len(r.Failed), 1)
		is.Equal(refusals.Len(), 0)
	})
}

// TestARequestThatWasRefusedIsTriedAgainAfterADay has OpenAI answer an upload with a 400 of
// unknown reason.
func TestARequestThatWasRefusedIsTriedAgainAfterADay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		w := worldtest.New(t, openaitest.Config{})
		w.Server.Inject(openaitest.Fault{Method: http.MethodPost, Path: "/files", Kind: openaitest.FaultStatus, Status: http.StatusBadRequest})
		refusals := new(plan.Refusals)
		sync := func() *plan.Plan {
			p := makePlan(w, w.Client(), source(doc("a.md", "a")), plan.Options{Refusals: refusals})
			run(w, w.Client(), p, plan.ExecuteOptions{Refusals: refusals})
			return p
		}
		is.Equal(lines(sync()), []string{"create a.md"})
		is.Equal(lines(sync()), []string{"refused a.md"})
		time.Sleep(25 * time.Hour)
		is.Equal(lines(sync()), []string{"create a.md"})
		is.Equal(stored(w), []string{"a.md: a"})
	})
}

func TestARecordOfRefusalsThatIsBrokenSaysSo(t *testing.T) {
	is := is.New(t)
	file := filepath.Join(t.TempDir(), "refusals.json")
	is.NoErr(os.WriteFile(file, []byte("{"), 0o600))
	_, err := plan.LoadRefusals(file)
	is.True(err != nil && strings.Contains(err.Error(), file))
}
