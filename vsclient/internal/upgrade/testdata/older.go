// The program of an older release. It is compiled in that release's own tree. It reads
// one command a line, carries commands out side by side, and answers each with one line.
// It ends when there are no more commands.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient"
)

type command struct {
	ID         int
	Do         string
	Key        string
	Text       string
	Attributes map[string]any
	MaxTokens  int
}

type document struct {
	Key        string
	FileID     string
	SHA256     string
	Status     string
	Attributes map[string]any
	MaxTokens  int
}

type answer struct {
	ID        int
	Outcome   string
	Error     string
	NotFound  bool
	Documents []document
}

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(url, store string) error {
	c, err := vsclient.New(vsclient.Config{
		APIKey: "sk-test", BaseURL: url, VectorStoreID: store,
		Limits: vsclient.Limits{UploadsPerMinute: vsclient.NoLimit, AttachRequestsPerMinute: vsclient.NoLimit, AttachedFilesPerMinute: vsclient.NoLimit},
	})
	if err != nil {
		return err
	}
	var (
		wait sync.WaitGroup
		mu   sync.Mutex
		out  = json.NewEncoder(os.Stdout)
	)
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var cmd command
		if err := json.Unmarshal(lines.Bytes(), &cmd); err != nil {
			return err
		}
		wait.Add(1)
		go func() {
			defer wait.Done()
			a, err := carryOut(context.Background(), c, cmd)
			if a.ID = cmd.ID; err != nil {
				a.Error, a.NotFound = err.Error(), errors.Is(err, vsclient.ErrNotFound)
			}
			mu.Lock()
			defer mu.Unlock()
			if err := out.Encode(a); err != nil {
				fmt.Fprintln(os.Stderr, err)
			}
		}()
	}
	wait.Wait()
	return errors.Join(lines.Err(), c.Close())
}

func carryOut(ctx context.Context, c *vsclient.Client, cmd command) (a answer, err error) {
	switch cmd.Do {
	case "put":
		d := vsclient.Document{Key: cmd.Key, Content: vsclient.Bytes([]byte(cmd.Text)), Attributes: cmd.Attributes}
		if cmd.MaxTokens > 0 {
			d.Chunking = vsclient.Chunking{MaxTokens: cmd.MaxTokens, OverlapTokens: cmd.MaxTokens / 2}
		}
		r, err := c.Put(ctx, d)
		return answer{Outcome: r.Outcome.String()}, err
	case "update":
		r, err := c.UpdateAttributes(ctx, cmd.Key, cmd.Attributes)
		return answer{Outcome: r.Outcome.String()}, err
	case "delete":
		return a, c.Delete(ctx, cmd.Key)
	case "get":
		i, err := c.Get(ctx, cmd.Key)
		return answer{Documents: []document{shown(i)}}, err
	case "list":
		for i, err := range c.List(ctx) {
			if err != nil {
				return a, err
			}
			a.Documents = append(a.Documents, shown(i))
		}
		return a, nil
	case "sweep":
		_, err := c.Sweep(ctx)
		return a, err
	}
	return a, fmt.Errorf("there is no command %q", cmd.Do)
}

func shown(i vsclient.Info) document {
	return document{
		Key: i.Key, FileID: i.FileID, SHA256: i.SHA256, Status: string(i.Status), Attributes: i.Attributes,
		MaxTokens: i.Chunking.MaxTokens,
	}
}
