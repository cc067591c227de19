package faulttest_test

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestAnUploadThatTakesEffectLateLeavesOneFileThatIsListed loses the connection under each upload, which
// the API carries out all the same, after the client has looked for it.
func TestAnUploadThatTakesEffectLateLeavesOneFileThatIsListed(t *testing.T) {
	steps := compact()
	for _, late := range []time.Duration{100 * time.Millisecond, time.Second, 3 * time.Second, 30 * time.Second} {
		for nth := 1; ; nth++ {
			last := false
			synctest.Test(t, func(t *testing.T) {
				cfg := calm.cfg
				cfg.IndexTime = 10 * time.Second
				w := newWorld(cfg, keysOf(steps))
				l := &lateUpload{next: w.srv.Client().Transport, nth: nth, after: late}
				c := w.client(l)
				log := &session{w: w}
				for _, s := range steps {
					if a := call(neverDone, c, log, s); a.Err != nil {
						t.Errorf("%v: %v", s, a.Err)
					}
				}
				l.late.Wait()
				time.Sleep(settling)
				bad := w.examine()
				bounded := len(bad.leftovers)
				// Nothing shows whose it is: it is one of those that the removal of
				// leftovers takes.
				bad.leftovers = nil
				bad.add(w.tidy(c, keysOf(steps)))
				bad.add(w.examine())
				count("an upload takes effect late", func(f *figures) {
					f.boundaries, f.kinds = max(f.boundaries, nth), 4
					f.bounded += bounded
					f.tell(bad)
				})
				if bad.any() {
					t.Errorf("%v late, upload %d:%v", late, nth, bad)
				}
				c.Close()
				last = l.n < nth
			})
			if last {
				break
			}
		}
	}
}
