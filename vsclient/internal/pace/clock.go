package pace

import "time"

// Clock estimates OpenAI's time from the newest File that was seen: this machine's clock
// may be wrong. It is behind by the age of that File when it was seen first. The zero Clock
// is ready.
type Clock struct {
	created int64
	seen    time.Time
}

// Show sets the clock by the time at which a File was made, in Unix seconds by OpenAI's clock.
func (c *Clock) Show(created int64) {
	if c.seen.IsZero() || created > c.Now() {
		c.created, c.seen = created, time.Now()
	}
}

// Now is in Unix seconds, and never ahead; 0 before any File was seen.
func (c *Clock) Now() int64 {
	if c.seen.IsZero() {
		return 0
	}
	return c.created + int64(time.Since(c.seen)/time.Second)
}
