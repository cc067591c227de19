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
	r := report{t: t, name: "an upload takes effect late", kinds: 4}
	stride := 1
	if sparing() {
		stride = 4
	}
	for i, late := range []time.Duration{100 * time.Millisecond, time.Second, 3 * time.Second, 30 * time.Second} {
		for nth := 1 + i%stride; ; nth += stride {
			l := &lateUpload{nth: nth, after: late}
			var bad findings
			var bounded int
			synctest.Test(t, func(t *testing.T) {
				cfg := calm.cfg
				cfg.IndexTime = 10 * time.Second
				w := newProject(cfg, keysOf(steps))
				l.next = w.srv.Client().Transport
				c := w.client(l)
				log := &session{w: w}
				for _, s := range steps {
					if a := call(neverDone, c, log, s); a.Err != nil {
						t.Errorf("%v: %v", s, a.Err)
					}
				}
				l.late.Wait()
				time.Sleep(settling)
				// Nothing shows whose the File is: the removal of leftovers takes it.
				bad, bounded = w.ends(c, 1)
				c.Close()
			})
			r.boundaries = nth
			r.add(l, bad, bounded)
			if l.n < nth {
				break
			}
		}
	}
}
