package lifeline

import (
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"
	"google.golang.org/grpc/credentials/insecure"
)

// connect returns both ends of a connection that the watch watches.
func connect(t *testing.T, w *watch) (peer, own net.Conn) {
	t.Helper()
	peer, c := net.Pipe()
	own, _, err := w.ServerHandshake(c)
	is.New(t).NoErr(err)
	return peer, own
}

func read(c net.Conn) { c.Read(make([]byte, 1)) } //nolint:errcheck // the watch sees the error

func newWatch(patience time.Duration) (*watch, *int) {
	calls := new(int)
	w := &watch{TransportCredentials: insecure.NewCredentials(), gone: func() { *calls++ }}
	w.unused = time.AfterFunc(patience, w.gone)
	return w, calls
}

func TestTheEndOfTheLastConnectionCallsGone(t *testing.T) {
	is := is.New(t)
	w, calls := newWatch(time.Hour)
	one, ownOne := connect(t, w)
	two, ownTwo := connect(t, w)
	is.NoErr(one.Close())
	read(ownOne)
	is.Equal(*calls, 0) // the other one is still there
	is.NoErr(two.Close())
	read(ownTwo)
	is.Equal(*calls, 1)
	read(ownTwo)
	is.Equal(*calls, 1) // once
}

func TestAWriteAlsoDetectsTheEnd(t *testing.T) {
	is := is.New(t)
	w, calls := newWatch(time.Hour)
	peer, own := connect(t, w)
	is.NoErr(peer.Close())
	own.Write([]byte("x")) //nolint:errcheck // the watch sees the error
	is.Equal(*calls, 1)
}

func TestTheServersOwnEndDoesNotCallGone(t *testing.T) {
	is := is.New(t)
	w, calls := newWatch(time.Hour)
	_, own := connect(t, w)
	is.NoErr(own.SetReadDeadline(time.Now()))
	read(own)
	is.NoErr(own.Close())
	read(own)
	is.Equal(*calls, 0)
}

func TestAServerWithoutAConnectionCallsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		_, calls := newWatch(time.Minute)
		w, connected := newWatch(time.Minute)
		_, own := connect(t, w)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		is.Equal(*calls, 1)
		is.Equal(*connected, 0)
		is.NoErr(own.Close())
	})
}
