package view

import (
	"context"
	"errors"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/ledger"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/naming"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/pace"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/reply"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/wire"
)

// ErrMoved says that the store does not hold the version any more: look again.
var ErrMoved = errors.New("the version is not there any more")

// errUnseen says that a GET does not show a store file that was seen searchable.
var errUnseen = errors.New("the store file cannot be seen")

// Update gives a store file other attributes, which a reply has to show. It may also show that
// the file is not searchable yet.
func (v *View) Update(ctx context.Context, id string, next naming.Identity) error {
	var s wire.StoreFile
	attributes := next.Encode()
	err := v.shows(ctx, id, func() (err error) {
		s, err = v.cfg.Wire.UpdateStoreFile(ctx, id, attributes)
		return err
	})
	if err == nil && (!v.KeepsAttributes() || naming.Lost(attributes, s.Attributes, false)) {
		err = v.updated(ctx, id, attributes) // the reply may be an echo, or of before
	}
	switch f, known := errors.AsType[*reply.Failure](err); {
	case err == nil:
		v.ledger.Updated(id, v.Marks(next), s.Status == wire.InProgress, v.Tick())
		return nil
	case errors.Is(err, fail.NotFound):
		v.ledger.Absent(id, v.Tick())
		return ErrMoved
	case !known || f.Unknown || f.Retry || f.Kind == nil:
		// It may be carried out yet: the attributes that are asked for next are set anew.
		v.ledger.DoubtAttributes(id, next.Version)
	}
	return err
}

// updated returns when a GET shows the attributes that an update has set.
func (v *View) updated(ctx context.Context, id string, attributes map[string]any) error {
	shown, err := pace.Poll(ctx, Patience, func() (bool, error) {
		s, err := v.Shown(ctx, id)
		if err == nil {
			v.Read(s)
		}
		return err == nil && !naming.Lost(attributes, s.Attributes, false), err
	})
	switch {
	case err != nil || shown:
		return err
	case v.KeepsAttributes():
		return fail.New(fail.Unavailable, "the attributes of File %s were set, and cannot be seen %v later", id, Patience)
	}
	return fail.New(fail.Incompatible, "the server does not keep the attributes of store files; nothing was set")
}

// shows makes a request about a store file again as long as the answer is 404 and
// the File exists: just after an attach that is normal. It gives up after a while.
func (v *View) shows(ctx context.Context, id string, ask func() error) error {
	var last error
	_, err := pace.Poll(ctx, Patience, func() (bool, error) {
		last = ask()
		if !errors.Is(last, fail.NotFound) && !errors.Is(last, errUnseen) {
			return true, nil
		}
		file, known := v.ledger.Find(id)
		if !known || file.Status <= ledger.Absent || !v.Young(file.Created) {
			return true, nil
		}
		_, there, err := File(ctx, v.cfg.Wire, id)
		if err == nil && !there {
			v.ledger.Gone(id, v.Tick())
			return true, nil
		}
		return false, err
	})
	if err != nil {
		return err
	}
	return last
}

// Shown asks for a store file, as [View.shows] does. One whose File is gone is not found.
func (v *View) Shown(ctx context.Context, id string) (s wire.StoreFile, err error) {
	err = v.shows(ctx, id, func() (err error) {
		s, _, err = v.cfg.Wire.StoreFile(ctx, id)
		return err
	})
	if err != nil {
		return s, err
	}
	there, err := v.fileThere(ctx, v.cfg.Wire, id)
	if err == nil && !there {
		err = fail.New(fail.NotFound, "File %s is gone", id)
	}
	return s, err
}
