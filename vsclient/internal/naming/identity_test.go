package naming

import (
	"errors"
	"strings"
	"testing"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
)

func TestAKeyTakesAsManyAttributesAsItNeeds(t *testing.T) {
	is := is.New(t)
	for key, most := range map[string]int{
		"a": 13, strings.Repeat("x", 256): 13, strings.Repeat("x", 257): 12, strings.Repeat("x", 1024): 10, strings.Repeat("日", 341): 9,
	} {
		is.NoErr(CheckKey(key))
		is.Equal(room(key), most)
		_, err := Normalize(key, attributesOf(most))
		is.NoErr(err)
		_, err = Normalize(key, attributesOf(most+1))
		is.True(errors.Is(err, fail.InvalidAttributes))
		own := attributesOf(most)
		all := Identity{Key: key, Version: 1, Source: Source{SHA256: someDigest, Size: 1, Chunking: "auto"}, Own: own}.Encode()
		is.Equal(len(all), 16)
		is.Equal(Decode(all).Key, key)
	}
	is.True(errors.Is(CheckKey(strings.Repeat("x", 1025)), fail.InvalidKey))
}

func TestAKeyOfWhichAnOlderReleaseKeptTheDigestIsKnownByIt(t *testing.T) {
	is := is.New(t)
	id := Decode(map[string]any{"vs_key_sha256": DigestOf("long").String(), "vs_version": "0000000000000007"})
	is.True(id.Ours)
	is.Equal(id.Key, "")
	is.Equal(id.Digest, DigestOf("long"))
}

func TestAVersionThatNoReleaseWritesIsNone(t *testing.T) {
	is := is.New(t)
	for _, v := range []string{"-1", "9223372036854775807", "9000000000000000", "1e3", ""} {
		is.Equal(Decode(map[string]any{"vs_key": "a", "vs_version": v}).Version, int64(0))
	}
	is.Equal(Decode(map[string]any{"vs_key": "a", "vs_version": "0001700000000000"}).Version, int64(1_700_000_000_000))
}
