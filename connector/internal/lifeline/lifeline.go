// Package lifeline detects at once that a plugin's engine has died.
//
// A plugin whose engine was killed must not continue: the restarted engine starts another
// process of the plugin, which writes the same documents. It must not clean up either,
// because its successor may rely on its files.
//
// The engine keeps one connection to its plugin while both live. The operating system closes
// the connection when the engine dies, on every platform. gRPC reacts by cancelling the calls
// under way, whose code then cleans up. So this package watches the connection below gRPC,
// and is called no later than gRPC.
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

// Watch returns the option with which a gRPC server watches its connections. It calls gone
// when the peer has ended the last of them, before any call is cancelled, or when no
// connection has come within patience. It does not call gone when the server itself ends its
// connections. A later option for credentials overrides this one.
func Watch(patience time.Duration, gone func()) grpc.ServerOption {
	w := &watch{TransportCredentials: insecure.NewCredentials(), gone: gone}
	w.unused = time.AfterFunc(patience, gone)
	return grpc.Creds(w)
}

// watch is in the place of the credentials, to which gRPC hands each new connection.
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

// see handles an error of the connection. It ignores errors that this side has caused, which
// tell nothing about the peer.
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
