// Package digest keeps digests in the form that takes the least memory.
package digest

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
)

// Digest is a SHA-256. The zero Digest is not known.
type Digest [sha256.Size]byte

// Of reads the hex form. A text that is none is not known.
func Of(text string) (d Digest) {
	if bytes, err := hex.DecodeString(text); err == nil && len(bytes) == len(d) {
		d = Digest(bytes)
	}
	return d
}

// String is the hex form, or empty.
func (d Digest) String() string {
	if d == (Digest{}) {
		return ""
	}
	return hex.EncodeToString(d[:])
}

// Attributes is the first half of a digest of attributes and their types. fmt sorts them by name.
func Attributes(a map[string]any) [16]byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%#v", a))
	return [16]byte(sum[:16])
}

// Settings is the beginning of a digest of attributes and a chunking.
func Settings(a map[string]any, chunking any) uint32 {
	sum := sha256.New()
	fmt.Fprintf(sum, "%#v %#v", a, chunking)
	return binary.BigEndian.Uint32(sum.Sum(nil))
}
