package wire

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"

	"github.com/openai/openai-go/v3/option"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/exchange"
	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/internal/fail"
)

// Upload is a File to be made.
type Upload struct {
	Name        string // holds nothing that a multipart header has to escape
	ContentType string
	Size        int64
	Open        func(context.Context) (io.ReadCloser, error) // opens the content at its beginning, for each attempt anew
}

// Upload makes a File. POST /files knows no idempotency key: each attempt whose reply
// was lost may have made a File as well.
func (c *Client) Upload(ctx context.Context, u Upload) (File, error) {
	var body multipartBody
	f, _, err := send[File](ctx, c, request{Request: exchange.Request{
		Method: http.MethodPost, Path: "files", Gate: c.cfg.Pacer.Uploads, Size: max(u.Size, 1), Words: func() []string { return []string{u.Name} },
		Opts: func(ctx context.Context, read func(io.Reader, []byte) (int, error)) (_ []option.RequestOption, err error) {
			if body, err = u.body(ctx, c.cfg.Purpose, read); err != nil {
				return nil, err
			}
			return []option.RequestOption{
				option.WithRequestBody(body.contentType, body.Body),
				option.WithMiddleware(body.sized),
			}, nil
		},
		Landed: func(context.Context) (bool, error) { return false, body.End() }, // content that cannot be read is not read again
	}})
	if unread := body.End(); err != nil && unread != nil {
		err = unread
	}
	if err == nil && f.Bytes != nil && *f.Bytes > 0 && *f.Bytes != u.Size { // a cache or a proxy may answer with another File
		err = fail.New(fail.Incompatible, "the server answers an upload of %d bytes with File %s, which has %d", u.Size, f.ID, *f.Bytes)
	}
	return f, err
}

// multipartBody streams the form: the SDK's own upload would hold it whole in memory.
type multipartBody struct {
	*exchange.Body
	contentType string
	size        int64
}

func (u *Upload) body(ctx context.Context, purpose string, read func(io.Reader, []byte) (int, error)) (b multipartBody, err error) {
	var frame bytes.Buffer
	form := multipart.NewWriter(&frame)
	if err = form.WriteField("purpose", purpose); err != nil {
		return b, err
	}
	if _, err = form.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {fmt.Sprintf(`form-data; name="file"; filename="%s"`, u.Name)},
		"Content-Type":        {u.ContentType},
	}); err != nil {
		return b, err
	}
	head := bytes.Clone(frame.Bytes())
	frame.Reset()
	if err = form.Close(); err != nil {
		return b, err
	}
	content, err := u.Open(ctx)
	if err != nil {
		return b, err
	}
	b.contentType, b.size = form.FormDataContentType(), int64(len(head))+u.Size+int64(frame.Len())
	b.Body = exchange.NewBody(io.MultiReader(bytes.NewReader(head), content, &frame), content, read)
	return b, nil
}

// sized announces the length of the body, which a plain reader does not announce.
// Whether OpenAI takes a body of unknown length is not documented.
func (b multipartBody) sized(req *http.Request, next option.MiddlewareNext) (*http.Response, error) {
	req.ContentLength = b.size
	return next(req)
}
