package view

import (
	"context"
	"errors"
	"time"

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

// Update gives a store file other attributes. The reply may show that it is not searchable yet.
func (v *View) Update(ctx context.Context, d Doc, id string, next naming.Identity) error {
	var s wire.StoreFile
	err := v.Shows(ctx, id, func() (err error) {
		s, err = v.cfg.Wire.UpdateStoreFile(ctx, id, next.Encode())
		return err
	})
	switch f, known := errors.AsType[*reply.Failure](err); {
	case err == nil:
		v.ledger.Marked(id, v.Marks(next), s.Status == wire.InProgress, v.Tick())
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

// Shows makes a request about a store file again as long as the answer is 404 and
// the File exists: just after an attach that is normal. It gives up after a while.
func (v *View) Shows(ctx context.Context, id string, ask func() error) error {
	var last error
	_, err := Poll(ctx, Patience, func() (bool, error) {
		last = ask()
		if !errors.Is(last, fail.NotFound) && !errors.Is(last, errUnseen) {
			return true, nil
		}
		file, known := v.ledger.Find(id)
		if !known || file.Status <= ledger.Absent || !v.young(file.Created) {
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

// Shown asks for a store file, as [View.Shows] does. One whose File is gone is not found.
func (v *View) Shown(ctx context.Context, id string) (s wire.StoreFile, err error) {
	err = v.Shows(ctx, id, func() (err error) {
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

// Poll calls try with growing pauses until it reports true or an error, and for at
// most limit. It reports whether try has reported true.
func Poll(ctx context.Context, limit time.Duration, try func() (bool, error)) (bool, error) {
	began := time.Now()
	for wait := 250 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		if done, err := try(); done || err != nil {
			return done, err
		}
		if time.Since(began)+wait > limit {
			return false, nil
		}
		if err := pace.Pause(ctx, wait, nil); err != nil {
			return false, err
		}
	}
}
