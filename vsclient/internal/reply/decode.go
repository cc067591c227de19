// Package reply reads replies: within bounds, as texts of one line without secrets, and
// with a verdict on each that is no success. It makes no requests.
package reply

import (
	"encoding/json"
	"errors"
	"io"
)

const (
	maxTail = 4 << 10 // white space behind an object, in bytes
	// maxRows is how many objects one reply may list. OpenAI's pages have 10,000 at the
	// most; other servers may send a listing whole.
	maxRows = 200_000
)

var (
	errTooLong = errors.New("it is longer than any that was asked for")

	// ErrNoObject says that a reply holds no object.
	ErrNoObject = errors.New("it holds no object")
)

// Empty is implemented by an object that knows whether a reply held one.
type Empty interface{ Empty() bool }

// Shown is implemented by an object with texts that are shown. Show passes each of them
// through line, with the most bytes that it may have.
type Shown interface {
	Show(line func(text string, most int) string)
}

// fields is implemented by an object that is read field by field.
type fields interface{ Field(name string) any }

// Decode reads a reply into an object, and no more than so many bytes of it.
func Decode(r io.Reader, most int64, into any) error {
	body := &limited{r, most}
	d := json.NewDecoder(body)
	var err error
	if o, ok := into.(fields); ok {
		err = readFields(d, o.Field)
	} else {
		err = d.Decode(into)
	}
	if err != nil {
		return err
	}
	if o, ok := into.(Empty); ok && o.Empty() {
		return ErrNoObject
	}
	body.left = min(body.left, maxTail)
	switch _, err := d.Token(); {
	case err == nil:
		return errors.New("it goes on after the object")
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}

// limited fails after so many bytes.
type limited struct {
	r    io.Reader
	left int64
}

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errTooLong
	}
	n, err := l.r.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	return n, err
}

// readFields reads an object field by field: field returns where a value goes, nil for
// nowhere.
func readFields(d *json.Decoder, field func(name string) any) error {
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return noneOf(err)
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := t.(string)
		switch into := field(name).(type) {
		case nil:
			var skipped json.RawMessage
			err = d.Decode(&skipped)
		case interface{ readRows(*json.Decoder) error }:
			err = into.readRows(d)
		default:
			err = d.Decode(into)
		}
		if err != nil {
			return err
		}
	}
	_, err := d.Token()
	return err
}

func noneOf(err error) error {
	if err == nil {
		err = ErrNoObject
	}
	return err
}

// Rows reads an array one element at a time, so that neither the reply nor more elements
// than any listing has are ever held.
type Rows[T any] struct{ All *[]T }

func (r Rows[T]) readRows(d *json.Decoder) error {
	t, err := d.Token()
	if t == nil && err == nil {
		return nil // null
	}
	if err != nil || t != json.Delim('[') {
		return noneOf(err)
	}
	*r.All = []T{}
	for d.More() {
		var v T
		if err := d.Decode(&v); err != nil {
			return err
		}
		if o, ok := any(v).(Empty); ok && o.Empty() {
			return errors.New("it lists an object without an id")
		}
		if len(*r.All) == maxRows {
			return errTooLong
		}
		*r.All = append(*r.All, v)
	}
	_, err = d.Token()
	return err
}
