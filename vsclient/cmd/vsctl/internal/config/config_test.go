package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/cmd/vsctl/internal/config"
)

func env(pairs ...string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1], true
			}
		}
		return "", false
	}
}

func load(t *testing.T, text string) (config.Config, string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "settings.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(file)
	return c, filepath.Dir(file), err
}

func TestFlagsComeBeforeTheEnvironmentAndThatBeforeTheFile(t *testing.T) {
	is := is.New(t)
	c, _, err := load(t, "store: file\nbase_url: file\nproject: file\norganization: ${ORG}\napi_key: ${KEY}\n")
	is.NoErr(err)
	got, err := c.Resolve(config.Config{Store: "flag"}, env("OPENAI_VECTOR_STORE_ID", "env", "OPENAI_BASE_URL", "env", "KEY", "sk", "ORG", "o"))
	is.NoErr(err)
	is.Equal(got.Store, "flag")
	is.Equal(got.BaseURL, "env")
	is.Equal(got.Project, "file")
	is.Equal(got.APIKey, "sk")
	is.Equal(got.Organization, "o")
}

func TestTheFileMayBeginWithAByteOrderMark(t *testing.T) {
	is := is.New(t)
	c, _, err := load(t, "\ufeffsources:\n  h:\n    source: docs\n")
	is.NoErr(err)
	is.True(strings.HasSuffix(c.Sources["h"].Source, "docs"))
}

func TestAVariableOfTheFileMustBeSet(t *testing.T) {
	is := is.New(t)
	c, _, err := load(t, "api_key: ${KEY}\n")
	is.NoErr(err)
	_, err = c.Resolve(config.Config{}, env())
	is.True(err != nil && strings.Contains(err.Error(), "settings.yaml names ${KEY}"))
	_, err = c.Resolve(config.Config{}, env("OPENAI_API_KEY", "sk")) // then it is not needed
	is.NoErr(err)
}

func TestThePlaceOfASourceIsRelativeToTheFile(t *testing.T) {
	is := is.New(t)
	c, dir, err := load(t, "sources:\n  a: {source: docs}\n  b: {source: \"manifest:out/m.jsonl\"}\n  c: {source: \"keys:-\"}\n  d: {source: /abs}\n  e: {source: \"${WHERE}\"}\n")
	is.NoErr(err)
	is.Equal(c.Names(), []string{"a", "b", "c", "d", "e"})
	for name, want := range map[string]string{
		"a": filepath.Join(dir, "docs"), "b": "manifest:" + filepath.Join(dir, "out/m.jsonl"), "c": "keys:-", "d": "/abs", "e": filepath.Join(dir, "here"),
	} {
		s, ok, err := c.Source(name, env("WHERE", "here"))
		is.NoErr(err)
		is.True(ok)
		is.Equal(s.Source, want)
	}
	_, ok, err := c.Source("docs", env())
	is.NoErr(err)
	is.True(!ok)
}

func TestEverySettingOfASourceTakesVariables(t *testing.T) {
	is := is.New(t)
	c, _, err := load(t, "sources:\n  a: {source: /a, owner_attribute: \"${X}\", chunking: \"${X}/400\", max_remove: \"${X}%\", include: [\"${X}\"], exclude: [\"${X}\"], front_matter: [\"${X}\"]}\n")
	is.NoErr(err)
	for _, value := range []string{"800", "900"} { // the settings of the file stay as they are
		s, _, err := c.Source("a", env("X", value))
		is.NoErr(err)
		is.Equal([]string{s.Attribute, s.Chunking, s.MaxRemove, s.Include[0], s.Exclude[0], s.FrontMatter[0]},
			[]string{value, value + "/400", value + "%", value, value, value})
	}
}

func TestAFaultOfTheFileIsNamed(t *testing.T) {
	for text, want := range map[string]string{
		"stroe: x\n":                  `unknown field "stroe"`,
		"sources: {a: {owner: x}}\n":  `the source "a" has no "source"`,
		"sources: [\n":                "settings.yaml",
		"sources: {a: {source: [1]}}": "settings.yaml",
	} {
		_, _, err := load(t, text)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: the error is %v", text, err)
		}
	}
}
