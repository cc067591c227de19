package show

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Progress writes how far a command is: over one line of a terminal, and elsewhere
// as a line every ten seconds. It is safe for concurrent use.
type Progress struct {
	W        io.Writer
	Terminal bool
	Width    func() int // of the terminal; nil or 0: unknown
	Now      func() time.Time

	mu          sync.Mutex
	began, last time.Time
	waiting     string
	done, total int
	bytes       int64
	shown       bool
	ended       bool // only Done shows the line again
}

// Waiting takes the purpose of the requests under way.
func (p *Progress) Waiting(reason string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.waiting = reason
	p.show(false)
}

// Done says how many of all entries have ended. The rate counts from the call with 0.
func (p *Progress) Done(done, total int, bytes int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.total, p.bytes = done, total, bytes
	if p.ended = false; done == 0 {
		p.began, p.last = p.Now(), p.Now()
	}
	p.show(done == total)
}

// End takes the line off the terminal.
func (p *Progress) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown && p.Terminal {
		fmt.Fprint(p.W, "\r\x1b[K")
	}
	p.shown, p.total, p.ended = false, 0, true
}

func (p *Progress) show(end bool) {
	now := p.Now()
	every := 10 * time.Second
	switch {
	case p.Terminal && p.total == 0:
		every = time.Second // a command that ends within a second shows no progress
	case p.Terminal:
		every = 100 * time.Millisecond
	}
	if p.last.IsZero() {
		p.last = now
	}
	if p.ended || now.Sub(p.last) < every && !(end && p.Terminal) {
		return
	}
	p.last, p.shown = now, true
	line := p.waiting
	if p.total > 0 {
		line = p.line(now.Sub(p.began))
	}
	if p.Terminal {
		if p.Width != nil {
			if r, w := []rune(line), p.Width(); w > 0 && len(r) >= w {
				line = string(r[:w-1])
			}
		}
		fmt.Fprintf(p.W, "\r%s\x1b[K", line)
		return
	}
	fmt.Fprintln(p.W, line)
}

func (p *Progress) line(took time.Duration) string {
	line := fmt.Sprintf("%d of %d, %s", p.done, p.total, Bytes(p.bytes))
	if s := took.Seconds(); s >= 1 && p.done > 0 {
		rate := float64(p.done) / s
		line += fmt.Sprintf(", %.1f/s", rate)
		if left := time.Duration(float64(p.total-p.done) / rate * float64(time.Second)).Round(time.Second); left > 0 {
			line += fmt.Sprintf(", %v left", left)
		}
	}
	if p.waiting != "" {
		line += ", " + p.waiting
	}
	return line
}
