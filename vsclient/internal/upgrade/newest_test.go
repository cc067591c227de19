package upgrade_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

// command is one call of a release. The older one reads it as a line of JSON.
type command struct {
	ID         int
	Do         string
	Key        string
	Text       string
	Attributes map[string]any
	MaxTokens  int
}

// answer is the result of a command.
type answer struct {
	ID        int
	Outcome   string
	Error     string
	NotFound  bool
	Documents []shown
}

// shown is a document as Get and List tell it.
type shown struct {
	Key        string
	FileID     string
	SHA256     string
	Status     string
	Attributes map[string]any
	MaxTokens  int
}

// process is one process of a release.
type process interface {
	do(ctx context.Context, cmd command) answer
	close() error
}

// newProcess is the newest client in this process. It speaks to the API over TCP.
type newProcess struct{ c *vsclient.Client }

func startNewest(t *testing.T, url, store string) process {
	t.Helper()
	c, err := vsclient.New(vsclient.Config{
		APIKey: "sk-test", BaseURL: url, VectorStoreID: store,
		Limits: vsclient.Limits{UploadsPerMinute: vsclient.NoLimit, AttachRequestsPerMinute: vsclient.NoLimit, AttachedFilesPerMinute: vsclient.NoLimit},
	})
	if err != nil {
		t.Fatal(err)
	}
	return newProcess{c}
}

func (p newProcess) do(ctx context.Context, cmd command) answer {
	a, err := p.carryOut(ctx, cmd)
	if err != nil {
		a.Error, a.NotFound = err.Error(), errors.Is(err, vsclient.ErrNotFound)
	}
	return a
}

func (p newProcess) carryOut(ctx context.Context, cmd command) (a answer, err error) {
	var r vsclient.Result
	switch cmd.Do {
	case "put":
		d := vsclient.Document{Key: cmd.Key, Content: vsclient.Bytes([]byte(cmd.Text)), Attributes: cmd.Attributes}
		if cmd.MaxTokens > 0 {
			d.Chunking = vsclient.Chunking{MaxTokens: cmd.MaxTokens, OverlapTokens: cmd.MaxTokens / 2}
		}
		r, err = p.c.Put(ctx, d)
	case "update":
		r, err = p.c.SetAttributes(ctx, cmd.Key, cmd.Attributes)
	case "delete":
		r, err = p.c.Delete(ctx, cmd.Key)
	case "get":
		var i vsclient.Info
		i, err = p.c.Get(ctx, cmd.Key)
		a.Documents = []shown{shownBy(i)}
	case "list":
		for i, err := range p.c.List(ctx) {
			if err != nil {
				return a, err
			}
			a.Documents = append(a.Documents, shownBy(i))
		}
	case "sweep":
		_, err = p.c.Sweep(ctx, vsclient.SweepOptions{})
	case "strays":
		var strays []vsclient.Stray
		strays, err = p.c.Sweep(ctx, vsclient.SweepOptions{DryRun: true, Keys: []string{cmd.Key}})
		for _, s := range strays {
			a.Documents = append(a.Documents, shown{FileID: s.FileID})
		}
	default:
		err = fmt.Errorf("there is no command %q", cmd.Do)
	}
	a.Outcome = string(r.Outcome)
	return a, err
}

func shownBy(i vsclient.Info) shown {
	return shown{
		Key: i.Key, FileID: i.FileID, SHA256: i.SHA256, Status: string(i.Status), Attributes: i.Attributes,
		MaxTokens: i.Chunking.MaxTokens,
	}
}

func (p newProcess) close() error { return p.c.Close() }
