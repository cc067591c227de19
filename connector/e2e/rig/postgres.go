//go:build unix

package rig

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// ErrNoPostgres is the error when PostgreSQL's programs are not installed.
var ErrNoPostgres = errors.New("PostgreSQL is not installed: install Debian's package postgresql (apt-get install postgresql), or put initdb, postgres and psql on PATH")

// Postgres is a PostgreSQL server with logical replication, on a free loopback port.
type Postgres struct {
	URL string

	bin  map[string]string
	port string
	dir  string
	cmd  *exec.Cmd
}

// startTime is how long the server may take until it answers.
const startTime = 3 * time.Minute

// StartPostgres starts a server with its data in a new folder.
func StartPostgres(ctx context.Context) (*Postgres, error) {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	bin, err := postgresPrograms()
	if err != nil {
		return nil, err
	}
	addr, err := FreeAddress(ctx)
	if err != nil {
		return nil, err
	}
	_, port, _ := net.SplitHostPort(addr)
	dir, err := os.MkdirTemp("", "postgres")
	if err != nil {
		return nil, err
	}
	p := &Postgres{URL: "postgres://postgres@" + addr + "/postgres?sslmode=disable", bin: bin, port: port, dir: dir}
	who, err := ownerOf(dir)
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	data := filepath.Join(dir, "data")
	initdb := exec.CommandContext(ctx, bin["initdb"], "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
	initdb.SysProcAttr, initdb.Dir = who, dir
	if out, err := initdb.CombinedOutput(); err != nil {
		return nil, errors.Join(fmt.Errorf("initdb: %w\n%s", err, out), os.RemoveAll(dir))
	}
	p.cmd = exec.CommandContext(context.WithoutCancel(ctx), bin["postgres"], "-D", data, "-p", port,
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
		"-c", "wal_level=logical", "-c", "fsync=off", "-c", "max_replication_slots=100", "-c", "max_wal_senders=100", "-c", "max_connections=400")
	p.cmd.SysProcAttr, p.cmd.Dir = who, dir
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	for {
		if _, err = p.Query(ctx, "SELECT 1"); err == nil {
			return p, nil
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(err, p.Close())
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// Query runs SQL and returns the output of psql, without alignment.
func (p *Postgres) Query(ctx context.Context, sql string) (string, error) {
	cmd := exec.CommandContext(ctx, p.bin["psql"], "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", p.URL)
	cmd.Stdin = strings.NewReader(sql)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("psql: %w: %s", err, out)
	}
	return strings.TrimSpace(string(out)), nil
}

// Close stops the server and removes its data.
func (p *Postgres) Close() error {
	err := p.cmd.Process.Signal(syscall.SIGQUIT) // at once
	p.cmd.Wait()                                 //nolint:errcheck // the signal has ended it
	return errors.Join(err, os.RemoveAll(p.dir))
}

// postgresPrograms finds the programs by name.
func postgresPrograms() (map[string]string, error) {
	bin := make(map[string]string)
	for _, name := range []string{"initdb", "postgres", "psql"} {
		path, err := exec.LookPath(name)
		if err != nil {
			// Debian keeps the server's programs off PATH.
			found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/" + name)
			if len(found) == 0 {
				return nil, fmt.Errorf("%w (%s is missing)", ErrNoPostgres, name)
			}
			slices.SortFunc(found, func(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) })
			path = found[len(found)-1]
		}
		bin[name] = path
	}
	return bin, nil
}
