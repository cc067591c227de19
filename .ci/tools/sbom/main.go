// Sbom writes a CycloneDX bill of materials of Go programs. It lists every module of the
// programs, as the go command has recorded them there.
//
//	sbom VERSION PROGRAM... > sbom.json
package main

import (
	"debug/buildinfo"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"runtime/debug"
	"slices"
	"strings"
)

type bom struct {
	Format      string      `json:"bomFormat"`
	SpecVersion string      `json:"specVersion"`
	Version     int         `json:"version"`
	Metadata    metadata    `json:"metadata"`
	Components  []component `json:"components"`
}

type metadata struct {
	Component component `json:"component"`
}

type component struct {
	Type    string `json:"type"`
	Ref     string `json:"bom-ref"`
	Name    string `json:"name"`
	Version string `json:"version"`
	PURL    string `json:"purl"`
	Hashes  []hash `json:"hashes,omitempty"`
}

type hash struct {
	Algorithm string `json:"alg"`
	Content   string `json:"content"`
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return fmt.Errorf("usage: sbom VERSION PROGRAM [PROGRAM...]")
	}
	out := bom{Format: "CycloneDX", SpecVersion: "1.6", Version: 1}
	// Programs for different systems have different modules. The bill has all of them.
	modules := map[string]component{}
	for _, program := range args[1:] {
		info, err := buildinfo.ReadFile(program)
		if err != nil {
			return err
		}
		out.Metadata.Component = newComponent("application", info.Main.Path, args[0])
		modules["std"] = newComponent("library", "std", strings.TrimPrefix(info.GoVersion, "go"))
		for _, m := range info.Deps {
			c, err := fromModule(m)
			if err != nil {
				return err
			}
			modules[m.Path] = c
		}
	}
	for _, name := range slices.Sorted(maps.Keys(modules)) {
		out.Components = append(out.Components, modules[name])
	}
	text, err := json.MarshalIndent(out, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Println(string(text))
	return err
}

func newComponent(kind, name, version string) component {
	// A purl has the module path unescaped, as other generators write it.
	url := path.Join("golang", name) + "@" + version
	return component{Type: kind, Ref: "pkg:" + url, Name: name, Version: version, PURL: "pkg:" + url}
}

func fromModule(m *debug.Module) (component, error) {
	version, sum := m.Version, m.Sum
	if m.Replace != nil { // the workspace's vsclient, which has the released name and version
		sum = m.Replace.Sum
	}
	c := newComponent("library", m.Path, version)
	if sum == "" {
		return c, nil
	}
	// h1 is a SHA-256 of the module's files.
	raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(sum, "h1:"))
	if err != nil {
		return component{}, fmt.Errorf("%s: %w", m.Path, err)
	}
	c.Hashes = []hash{{Algorithm: "SHA-256", Content: hex.EncodeToString(raw)}}
	return c, nil
}
