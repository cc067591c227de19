package openaivs_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/conduitio/conduit-commons/config"
	"github.com/conduitio/yaml/v3"
	"github.com/matryer/is"

	openaivs "github.com/conduitio-labs/conduit-connector-openai-vectorstore/connector"
)

// Conduit's "pipelines validate" does not check the settings of standalone plugins.
func TestTheSettingsOfTheExamplesAreGood(t *testing.T) {
	is := is.New(t)
	for name, value := range map[string]string{"OPENAI_API_KEY": "sk-test", "OPENAI_VECTOR_STORE_ID": "vs_1", "OPENAI_BASE_URL": ""} {
		t.Setenv(name, value)
	}
	paths, err := filepath.Glob("examples/*.yaml")
	is.NoErr(err)
	is.True(len(paths) >= 3)
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			is := is.New(t)
			text, err := os.ReadFile(path)
			is.NoErr(err)
			var file struct {
				Pipelines []struct {
					Connectors []struct {
						Plugin   string
						Settings map[string]string
					}
				}
			}
			is.NoErr(yaml.Unmarshal([]byte(os.ExpandEnv(string(text))), &file)) // Conduit expands so
			checked := 0
			for _, p := range file.Pipelines {
				for _, c := range p.Connectors {
					if c.Plugin == "standalone:openai-vectorstore" {
						is.NoErr(configure(t, openaivs.NewDestination(), config.Config(c.Settings)))
						checked++
					}
				}
			}
			is.Equal(checked, 1)
		})
	}
}
