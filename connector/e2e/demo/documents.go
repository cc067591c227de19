//go:build unix

package main

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector/e2e/rig"
)

// copyDocuments copies the repository's documents to a folder, under their names, and
// returns their number.
func copyDocuments(to string) (int, error) {
	root, err := rig.Root()
	if err != nil {
		return 0, err
	}
	n := 0
	for _, pattern := range []string{"README.md", "LICENSE", "connector/README.md", "connector/docs/*.md", "connector/docs/*.json", "connector/examples/*.yaml", "vsclient/docs/*.md"} {
		paths, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return 0, err
		}
		for _, path := range paths {
			name, err := filepath.Rel(root, path)
			if err != nil {
				return 0, err
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return 0, err
			}
			if err := write(filepath.Join(to, name), data); err != nil {
				return 0, err
			}
			n++
		}
	}
	return n, nil
}

// changeDocuments changes a document, adds one and removes one.
func changeDocuments(dir string) error {
	readme := filepath.Join(dir, "README.md")
	text, err := os.ReadFile(readme)
	if err != nil {
		return err
	}
	return errors.Join(
		write(readme, append(text, "\nThis line was added by the demo.\n"...)),
		write(filepath.Join(dir, "NEW.md"), []byte("# New\n\nThis document was written by the demo.\n")),
		os.Remove(filepath.Join(dir, "LICENSE")),
	)
}

// write writes a file atomically, so that no reader sees half of it.
func write(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp("", "document")
	if err != nil {
		return err
	}
	_, err = tmp.Write(data)
	return errors.Join(err, tmp.Close(), os.Rename(tmp.Name(), path))
}
