package pace

import (
	"context"
	"time"
)

// FirstPause is the wait after the first attempt at something that may work a moment later.
const FirstPause = 250 * time.Millisecond

// Poll calls try with growing pauses until it reports true or an error, and for at
// most limit. It reports whether try has reported true.
func Poll(ctx context.Context, limit time.Duration, try func() (bool, error)) (bool, error) {
	began := time.Now()
	for wait := FirstPause; ; wait = min(2*wait, MaxPoll) {
		if done, err := try(); done || err != nil {
			return done, err
		}
		if time.Since(began)+wait > limit {
			return false, nil
		}
		if err := Pause(ctx, wait, nil); err != nil {
			return false, err
		}
	}
}
