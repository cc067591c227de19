package plan

import (
	"cmp"
	"fmt"
	"strings"
)

// Scope says which documents of the store are the source's. They alone are removed when
// the source no longer has them. With both fields a document has to meet both; with
// neither, nothing is removed. Without an owner, a document that has one is another's. A
// file that vsclient has not written is removed only with a document of its name.
type Scope struct {
	Owner  string `json:"owner,omitempty"`  // the value of the owner attribute
	Prefix string `json:"prefix,omitempty"` // the beginning of the key
}

// has reports whether a stored document is the source's.
func (s Scope) has(key string, owner any) bool {
	mine := owner == nil
	if s.Owner != "" {
		mine = owner == s.Owner
	}
	return s != Scope{} && mine && strings.HasPrefix(key, s.Prefix)
}

// Guard limits removals. Up to Free removals are allowed. More are withheld when they exceed Share
// of the documents within the scope, or Most. A zero field means its default. A negative Share
// allows Free removals and no more. Otherwise Free does not apply when two documents or more whose
// content the source lacks would go, and they are more than three quarters of all.
type Guard struct {
	Free  int     `json:"free"`  // 0: 10
	Most  int     `json:"most"`  // 0: 1,000
	Share float64 `json:"share"` // of the documents within the scope; 0: 0.10
}

// The defaults of a [Guard].
const (
	DefaultFree  = 10
	DefaultMost  = 1000
	DefaultShare = 0.10
)

func (g Guard) withDefaults() Guard {
	return Guard{cmp.Or(g.Free, DefaultFree), cmp.Or(g.Most, DefaultMost), cmp.Or(g.Share, DefaultShare)}
}

// nearlyAll reports whether the documents that would go are more than three quarters of all.
func nearlyAll(gone, owned int) bool { return gone > 1 && 4*gone > 3*owned }

// refuses says why n removals are too many; empty: they are not. gone is the number of those whose content the source lacks.
func (g Guard) refuses(n, gone, owned int) string {
	switch {
	case n <= g.Free && (g.Share < 0 || !nearlyAll(gone, owned)):
	case g.Share < 0:
		return fmt.Sprintf("%s would be removed, which is more than %d", documents(n), max(g.Free, 0))
	case float64(n) > g.Share*float64(owned)+1e-6: // 0.29 of 100 are less than 29
		return fmt.Sprintf("%d of %d documents would be removed, which is more than %.4g %%", n, owned, 100*g.Share)
	case n > g.Most:
		return fmt.Sprintf("%s would be removed, which is more than %d", documents(n), g.Most)
	}
	return ""
}

func documents(n int) string {
	if n == 1 {
		return "1 document"
	}
	return fmt.Sprintf("%d documents", n)
}
