package digest_test

import (
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/plan/internal/digest"
)

func TestADigestComesBackAsItWas(t *testing.T) {
	is := is.New(t)
	text := strings.Repeat("0a", 32)
	is.Equal(digest.Of(text).String(), text)
	for _, other := range []string{"", "ab", text + "00", strings.Repeat("x", 64)} {
		is.Equal(digest.Of(other), digest.Digest{})
	}
	is.Equal(digest.Digest{}.String(), "")
}

func TestAttributesOfOtherTypesAreOthers(t *testing.T) {
	is := is.New(t)
	one := digest.Attributes(map[string]any{"a": "1", "b": true})
	is.Equal(digest.Attributes(map[string]any{"b": true, "a": "1"}), one)
	is.True(digest.Attributes(map[string]any{"a": 1.0, "b": true}) != one)
	is.True(digest.Attributes(map[string]any{"a": "1", "b": "true"}) != one)
}

func TestSettingsAreOthersWhenAttributesOrChunkingAre(t *testing.T) {
	is := is.New(t)
	one := digest.Settings(map[string]any{"a": "1", "b": true}, [2]int{200, 100})
	is.Equal(digest.Settings(map[string]any{"b": true, "a": "1"}, [2]int{200, 100}), one)
	is.True(digest.Settings(map[string]any{"a": "2", "b": true}, [2]int{200, 100}) != one)
	is.True(digest.Settings(map[string]any{"a": "1", "b": true}, [2]int{200, 50}) != one)
}
