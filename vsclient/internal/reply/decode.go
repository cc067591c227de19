// Package reply reads replies: within bounds, as texts of one line without secrets, and
// with a verdict on each that is no success. It makes no requests.
package reply

import (
	"encoding/json"
	"errors"
	"io"
)

const (
	maxTail   = 4 << 10   // white space behind an object, in bytes
	maxField  = 256 << 10 // a field that is no list, in bytes
	maxFields = 100       // of an object that is read field by field
)

var (
	errTooLong = errors.New("it is longer than the longest reply to such a request")

	// ErrNoObject says that a reply has no object.
	ErrNoObject = errors.New("it has no object")

	// ErrOther says that a reply describes another object than the one that was asked for.
	ErrOther = errors.New("it describes another object")
)

// Empty is implemented by an object that knows whether a reply held one.
type Empty interface{ Empty() bool }

// Shown is implemented by an object with texts that are shown. Show passes each of them
// through line, with the most bytes that it may have.
type Shown interface {
	Show(line func(text string, most int) string)
}

// WithID is implemented by an object with an id, which errors and logs show as it is.
type WithID interface{ ObjectID() string }

// errSecretID keeps an id out of errors, logs and paths.
var errSecretID = errors.New("it gives an object an id that holds the API key or the password of the base URL")

// trimmed is implemented by an object that, once it is read, drops the parts of it that nobody needs.
type trimmed interface{ Trim() }

// Element is an object of a listing. Limits returns how many a reply may list, and how
// many bytes each may have: JSON takes a few bytes for a value that takes dozens in memory.
type Element interface {
	Limits() (rows int, bytes int64)
}

// fields is implemented by an object that is read field by field.
type fields interface{ Field(name string) any }

// Decode reads a reply into an object. It fails behind the first most bytes of it, and refuses
// ids that hold a secret.
func (j Judge) Decode(r io.Reader, most int64, into any) error {
	body := &limited{r: r, left: most, piece: most, holds: j.holds}
	d := json.NewDecoder(body)
	var err error
	if o, ok := into.(fields); ok {
		err = readFields(d, body, o.Field)
	} else {
		err = d.Decode(into)
	}
	if err != nil {
		return err
	}
	if o, ok := into.(Empty); ok && o.Empty() {
		return ErrNoObject
	}
	if o, ok := into.(WithID); ok && j.holds(o.ObjectID()) {
		return errSecretID
	}
	if o, ok := into.(trimmed); ok {
		o.Trim()
	}
	body.piece = maxTail
	switch _, err := d.Token(); {
	case err == nil:
		return errors.New("the reply has more text after the object")
	case !errors.Is(err, io.EOF):
		return err
	}
	return nil
}

// limited fails when it has read left more bytes in all, or piece more bytes of the present
// piece. The decoder keeps each piece in memory.
type limited struct {
	r           io.Reader
	left, piece int64
	holds       func(string) bool
}

func (l *limited) Read(p []byte) (int, error) {
	most := min(l.left, l.piece)
	if most <= 0 {
		return 0, errTooLong
	}
	n, err := l.r.Read(p[:min(int64(len(p)), most)])
	l.left -= int64(n)
	l.piece -= int64(n)
	return n, err
}

// readFields reads an object field by field: field returns where a value goes, nil for
// nowhere.
func readFields(d *json.Decoder, body *limited, field func(name string) any) error {
	body.piece = maxField
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return noneOf(err)
	}
	for n := 0; d.More(); n++ {
		if n == maxFields {
			return errTooLong
		}
		t, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := t.(string)
		switch into := field(name).(type) {
		case nil:
			var skipped json.RawMessage
			err = d.Decode(&skipped)
		case interface {
			readRows(*json.Decoder, *limited) error
		}:
			err = into.readRows(d, body)
		default:
			err = d.Decode(into)
		}
		if err != nil {
			return err
		}
		body.piece = maxField
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
type Rows[T Element] struct{ All *[]T }

func (r Rows[T]) readRows(d *json.Decoder, body *limited) error {
	t, err := d.Token()
	if t == nil && err == nil {
		return nil // null
	}
	if err != nil || t != json.Delim('[') {
		return noneOf(err)
	}
	*r.All = []T{}
	most, each := (*new(T)).Limits()
	for {
		body.piece = each
		if !d.More() {
			break
		}
		var v T
		if err := d.Decode(&v); err != nil {
			return err
		}
		if o, ok := any(v).(Empty); ok && o.Empty() {
			return errors.New("it lists an object without an id")
		}
		if o, ok := any(v).(WithID); ok && body.holds(o.ObjectID()) {
			return errSecretID
		}
		if len(*r.All) == most {
			return errTooLong
		}
		if o, ok := any(&v).(trimmed); ok {
			o.Trim()
		}
		*r.All = append(*r.All, v)
	}
	_, err = d.Token()
	return err
}
