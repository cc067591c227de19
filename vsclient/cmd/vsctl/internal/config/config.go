// Package config reads the settings of vsctl: flags, then the environment, then a
// file.
package config

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/cmd/vsctl/internal/source"
)

// File is the name of the file of settings in the working directory.
const File = ".vsctl.yaml"

// Config is the settings that every command needs.
type Config struct {
	APIKey       string            `yaml:"api_key"`
	BaseURL      string            `yaml:"base_url"`
	Organization string            `yaml:"organization"`
	Project      string            `yaml:"project"`
	Store        string            `yaml:"store"`
	Sources      map[string]Source `yaml:"sources"`

	file string // the path of the file
}

// Source is a source with its settings, by a name of its own.
type Source struct {
	Source      string   `yaml:"source"` // DIR, manifest:FILE or keys:FILE
	Store       string   `yaml:"store"`
	Owner       string   `yaml:"owner"`
	Attribute   string   `yaml:"owner_attribute"`
	Prefix      string   `yaml:"prefix"`
	Include     []string `yaml:"include"`
	Exclude     []string `yaml:"exclude"`
	FrontMatter []string `yaml:"front_matter"` // fields; ["*"]: all
	Chunking    string   `yaml:"chunking"`
	MaxRemove   string   `yaml:"max_remove"`
}

// Load reads the file; "" is the one in the working directory, if there is one.
func Load(path string) (Config, error) {
	var c Config
	data, err := os.ReadFile(cmp.Or(path, File))
	switch {
	case errors.Is(err, fs.ErrNotExist) && path == "":
		return c, nil
	case err != nil:
		return c, err
	}
	path = cmp.Or(path, File)
	if err := yaml.UnmarshalWithOptions(bytes.TrimPrefix(data, []byte("\ufeff")), &c, yaml.DisallowUnknownField()); err != nil {
		return c, fmt.Errorf("%s: %s", path, firstLine(err))
	}
	for name, s := range c.Sources {
		if s.Source == "" {
			return c, fmt.Errorf("%s: the source %q has no \"source\": give a folder, manifest:FILE or keys:FILE", path, name)
		}
	}
	c.file = path
	return c, nil
}

func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// Source returns the source of a name, with its place relative to the working
// directory. Its store is as the file has it: Resolve reads the variables of that.
func (c Config) Source(name string, env func(string) (string, bool)) (Source, bool, error) {
	s, ok := c.Sources[name]
	if !ok {
		return s, false, nil
	}
	s.Include, s.Exclude, s.FrontMatter = slices.Clone(s.Include), slices.Clone(s.Exclude), slices.Clone(s.FrontMatter)
	texts := []*string{&s.Source, &s.Owner, &s.Attribute, &s.Prefix, &s.Chunking, &s.MaxRemove}
	for _, list := range [][]string{s.Include, s.Exclude, s.FrontMatter} {
		for i := range list {
			texts = append(texts, &list[i])
		}
	}
	here := strings.Contains(s.Source, "${PWD}")
	if err := c.expand(env, texts...); err != nil {
		return s, true, err
	}
	kind, place := source.Split(s.Source)
	if place != "-" && !filepath.IsAbs(place) {
		place = filepath.Join(filepath.Dir(c.file), place)
	}
	if working, err := os.Getwd(); err == nil && here { // the working directory decides where it is
		if relative, err := filepath.Rel(working, place); err == nil {
			place = relative
		}
	}
	if s.Source = place; kind != "dir" {
		s.Source = kind + ":" + place
	}
	return s, true, nil
}

// Names returns the names of the sources, sorted.
func (c Config) Names() []string { return slices.Sorted(maps.Keys(c.Sources)) }

// Resolve returns the settings with those of the flags and of the environment in
// place of the file's.
func (c Config) Resolve(flags Config, env func(string) (string, bool)) (Config, error) {
	for _, one := range []struct {
		to   *string
		flag string
		name string
	}{
		{&c.APIKey, flags.APIKey, "OPENAI_API_KEY"},
		{&c.BaseURL, flags.BaseURL, "OPENAI_BASE_URL"},
		{&c.Organization, flags.Organization, "OPENAI_ORG_ID"},
		{&c.Project, flags.Project, "OPENAI_PROJECT_ID"},
		{&c.Store, flags.Store, "OPENAI_VECTOR_STORE_ID"},
	} {
		value, _ := env(one.name)
		if value = cmp.Or(one.flag, value); value != "" {
			*one.to = value
		} else if err := c.expand(env, one.to); err != nil {
			return c, err
		}
	}
	return c, nil
}

var variable = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// expand puts the values of the environment in place of ${NAME}.
func (c Config) expand(env func(string) (string, bool), texts ...*string) error {
	var err error
	for _, text := range texts {
		*text = variable.ReplaceAllStringFunc(*text, func(found string) string {
			name := found[2 : len(found)-1]
			value, ok := env(name)
			if !ok && err == nil {
				err = fmt.Errorf("%s names ${%s}, which is not set", c.file, name)
			}
			return value
		})
	}
	return err
}
