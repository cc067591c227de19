// Command foldersource is a Conduit source for the files of a folder. Each file is one
// record with the file's path as the key: first a snapshot of the existing files, then each
// creation, change and deletion. The demo uses it, because none of Conduit's sources sends
// whole files and their deletions.
package main

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/conduitio/conduit-commons/opencdc"
	sdk "github.com/conduitio/conduit-connector-sdk"
)

//go:embed connector.yaml
var specification string

func main() {
	sdk.Serve(sdk.Connector{
		NewSpecification: sdk.YAMLSpecification(specification, ""),
		NewSource:        func() sdk.Source { return &source{} }, // without middleware: a file's bytes have no schema
	})
}

type config struct {
	sdk.UnimplementedSourceConfig

	// Folder whose files are read, including its subfolders.
	Path string `json:"path" validate:"required"`
	// How often the folder is read.
	Poll time.Duration `json:"poll" default:"200ms"`
}

type source struct {
	sdk.UnimplementedSource
	config config

	seen    map[string]string // digest of each file by its path, after the last record
	started bool              // the snapshot is complete
	waiting []change
}

type change struct {
	path   string
	digest string // "": the file is gone
	data   []byte
}

func (s *source) Config() sdk.SourceConfig { return &s.config }

// Open resumes from a position, which contains the digest of each emitted file.
func (s *source) Open(_ context.Context, pos opencdc.Position) error {
	s.seen = make(map[string]string)
	if pos == nil {
		return nil
	}
	s.started = true
	if err := json.Unmarshal(pos, &s.seen); err != nil {
		return fmt.Errorf("the position is not one of this source: %w", err)
	}
	return nil
}

func (s *source) Read(ctx context.Context) (opencdc.Record, error) {
	for len(s.waiting) == 0 {
		if err := s.look(); err != nil {
			return opencdc.Record{}, err
		}
		if len(s.waiting) > 0 {
			break
		}
		s.started = true
		select {
		case <-ctx.Done():
			return opencdc.Record{}, ctx.Err()
		case <-time.After(s.config.Poll):
		}
	}
	c := s.waiting[0]
	s.waiting = s.waiting[1:]
	_, known := s.seen[c.path]
	key := opencdc.RawData(filepath.ToSlash(c.path))
	metadata := opencdc.Metadata{}
	metadata.SetFileName(filepath.Base(c.path))
	metadata.SetCollection(filepath.Base(s.config.Path))
	if c.digest == "" {
		delete(s.seen, c.path)
		pos, err := s.position()
		return sdk.Util.Source.NewRecordDelete(pos, metadata, key, nil), err
	}
	s.seen[c.path] = c.digest
	pos, err := s.position()
	switch {
	case known:
		return sdk.Util.Source.NewRecordUpdate(pos, metadata, key, nil, opencdc.RawData(c.data)), err
	case s.started:
		return sdk.Util.Source.NewRecordCreate(pos, metadata, key, opencdc.RawData(c.data)), err
	}
	return sdk.Util.Source.NewRecordSnapshot(pos, metadata, key, opencdc.RawData(c.data)), err
}

func (s *source) position() (opencdc.Position, error) { return json.Marshal(s.seen) }

// look finds the changes since the last records.
func (s *source) look() error {
	gone := maps.Clone(s.seen)
	err := filepath.WalkDir(s.config.Path, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(s.config.Path, path)
		if err != nil {
			return err
		}
		delete(gone, name)
		sum := sha256.Sum256(data)
		if digest := hex.EncodeToString(sum[:]); digest != s.seen[name] && len(data) > 0 {
			s.waiting = append(s.waiting, change{path: name, digest: digest, data: data})
		}
		return nil
	})
	for _, name := range slices.Sorted(maps.Keys(gone)) {
		s.waiting = append(s.waiting, change{path: name})
	}
	return err
}

func (s *source) Ack(context.Context, opencdc.Position) error { return nil }

func (s *source) Teardown(context.Context) error { return nil }
