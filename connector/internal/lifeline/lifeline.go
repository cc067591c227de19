// Package lifeline tells a plugin at once that its engine is gone.
//
// A plugin whose engine was killed must not go on: the engine starts again with
// another process of the plugin, which writes the same documents. It must not clean
// up after itself either, since its successor may rely on files that are there by now.
//
// The engine keeps one connection to its plugin as long as both live, and the
// operating system closes that when the engine dies, on every platform. gRPC reacts
// to that by cancelling the calls under way, whose code then cleans up; so the
// connection is watched below gRPC, which learns of its end no earlier than the
// owner of this package.
package lifeline

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// Watch returns the option that has a gRPC server watch its connections. gone is
// called when the peer has ended the last of them, before any call is cancelled, or
// when none has come within patience. It is not called when the server itself ends
// its connections. An option for credentials that follows this one takes its place.
func Watch(patience time.Duration, gone func()) grpc.ServerOption {
	w := &watch{TransportCredentials: insecure.NewCredentials(), gone: gone}
	w.unused = time.AfterFunc(patience, gone)
	return grpc.Creds(w)
}

// watch stands where gRPC hands each new connection to its credentials.
type watch struct {
	credentials.TransportCredentials
	gone   func()
	unused *time.Timer
	open   atomic.Int32
}

func (w *watch) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	c, info, err := w.TransportCredentials.ServerHandshake(c)
	if err != nil {
		return nil, nil, fmt.Errorf("taking a connection: %w", err)
	}
	w.unused.Stop()
	w.open.Add(1)
	return &conn{Conn: c, watch: w}, info, nil
}

func (w *watch) Clone() credentials.TransportCredentials { return w }

type conn struct {
	net.Conn
	watch *watch
	over  sync.Once
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.see(err)
	return n, err
}

func (c *conn) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.see(err)
	return n, err
}

// see takes in an error of the connection. Those that this side has brought about
// say nothing of the peer.
func (c *conn) see(err error) {
	if err == nil || errors.Is(err, net.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
		return
	}
	c.over.Do(func() {
		if c.watch.open.Add(-1) == 0 {
			c.watch.gone()
		}
	})
}

func (c *conn) Close() error {
	c.over.Do(func() { c.watch.open.Add(-1) })
	return c.Conn.Close()
}
