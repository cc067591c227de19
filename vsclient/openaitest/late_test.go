package openaitest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

func TestEveryKindOfRequestCanTakeEffectLate(t *testing.T) {
	for _, fault := range []openaitest.Fault{
		{Kind: openaitest.FaultCut},
		{Kind: openaitest.FaultHang},
		{Kind: openaitest.FaultStatus, Status: 504},
	} {
		fault.EffectAfter = openaitest.Duration(90 * time.Second)
		for _, tt := range []struct {
			name string
			send func(ctx context.Context, s *openaitest.Server, vs, id string) (answer, error)
			done func(snap openaitest.Snapshot, vs, id string) bool
		}{
			{"an upload", func(ctx context.Context, s *openaitest.Server, _, _ string) (answer, error) {
				return upload(ctx, s, "late.md", strings.NewReader("hello"))
			}, func(snap openaitest.Snapshot, _, _ string) bool {
				return snap.Files[len(snap.Files)-1].Name == "late.md"
			}},
			{"an attach", func(ctx context.Context, s *openaitest.Server, vs, _ string) (answer, error) {
				return do(ctx, s, "POST", "/vector_stores/"+vs+"/files", strings.NewReader(`{"file_id":"`+s.Snapshot().Files[1].ID+`"}`), "application/json")
			}, func(snap openaitest.Snapshot, vs, _ string) bool {
				return len(snap.Store(vs).Files) == 2
			}},
			{"a batch", func(ctx context.Context, s *openaitest.Server, vs, _ string) (answer, error) {
				return do(ctx, s, "POST", "/vector_stores/"+vs+"/file_batches", strings.NewReader(`{"file_ids":["`+s.Snapshot().Files[1].ID+`"]}`), "application/json")
			}, func(snap openaitest.Snapshot, vs, _ string) bool {
				return len(snap.Store(vs).Files) == 2
			}},
			{"an update of attributes", func(ctx context.Context, s *openaitest.Server, vs, id string) (answer, error) {
				return do(ctx, s, "POST", "/vector_stores/"+vs+"/files/"+id, strings.NewReader(`{"attributes":{"key":"late"}}`), "application/json")
			}, func(snap openaitest.Snapshot, vs, _ string) bool {
				return snap.Store(vs).Files[0].Attributes["key"] == "late"
			}},
			{"a detach", func(ctx context.Context, s *openaitest.Server, vs, id string) (answer, error) {
				return do(ctx, s, "DELETE", "/vector_stores/"+vs+"/files/"+id, nil, "")
			}, func(snap openaitest.Snapshot, vs, _ string) bool {
				return len(snap.Store(vs).Files) == 0
			}},
			{"a deletion", func(ctx context.Context, s *openaitest.Server, _, id string) (answer, error) {
				return do(ctx, s, "DELETE", "/files/"+id, nil, "")
			}, func(snap openaitest.Snapshot, _, id string) bool {
				return snap.Files[0].ID != id
			}},
		} {
			t.Run(fmt.Sprintf("%s, %s", fault, tt.name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					is := is.New(t)
					s := openaitest.New(openaitest.Config{})
					defer s.Close()
					vs, id := planted(s, "a.md")
					s.AddFile(openaitest.NewFile{Name: "b.md", Content: []byte("x")})
					s.Inject(fault)
					ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
					defer cancel()
					got, err := tt.send(ctx, s, vs, id)
					switch fault.Kind {
					case openaitest.FaultStatus:
						is.NoErr(err)
						is.Equal(got.status, 504)
					case openaitest.FaultHang:
						is.True(errors.Is(err, context.DeadlineExceeded))
					default:
						is.True(err != nil)
					}
					over := time.Now()
					synctest.Wait()
					is.Equal(s.Snapshot().Late, 1)
					time.Sleep(90*time.Second - 1)
					is.True(!tt.done(s.Snapshot(), vs, id))
					time.Sleep(time.Nanosecond)
					synctest.Wait()
					is.True(tt.done(s.Snapshot(), vs, id))
					is.Equal(s.Snapshot().Late, 0)
					is.Equal(s.Requests()[0].LateEffect, over.Add(90*time.Second))
				})
			})
		}
	}
}

func TestARequestThatNeverArrivedWholeTakesNoLateEffect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		s := openaitest.New(openaitest.Config{Faults: []openaitest.Fault{{Kind: openaitest.FaultHang, EffectAfter: openaitest.Duration(time.Second)}}})
		defer s.Close()
		_, err := upload(t.Context(), s, "a.md", io.MultiReader(strings.NewReader("half"), failing{errors.New("disk on fire")}))
		is.True(err != nil)
		time.Sleep(time.Minute)
		is.Equal(len(s.Snapshot().Files), 0)
		is.Equal(s.Snapshot().Late, 0)
	})
}

func TestALateEffectMeetsTheStateOfItsMoment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		s := openaitest.New(openaitest.Config{Faults: []openaitest.Fault{{Method: "POST", Kind: openaitest.FaultCut, EffectAfter: openaitest.Duration(time.Minute)}}})
		defer s.Close()
		vs, id := planted(s, "a.md")
		_, err := do(t.Context(), s, "POST", "/vector_stores/"+vs+"/files/"+id, strings.NewReader(`{"attributes":{"key":"late"}}`), "application/json")
		is.True(err != nil)
		_, err = do(t.Context(), s, "DELETE", "/files/"+id, nil, "")
		is.NoErr(err)
		time.Sleep(2 * time.Minute)
		is.Equal(len(s.Snapshot().Files), 0) // the update arrived after the file was gone
	})
}

func TestCloseEndsLateEffects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		is := is.New(t)
		s := openaitest.New(openaitest.Config{Faults: []openaitest.Fault{{Kind: openaitest.FaultStatus, EffectAfter: openaitest.Duration(time.Minute)}}})
		_, err := upload(t.Context(), s, "a.md", strings.NewReader("x"))
		is.NoErr(err)
		s.Close()
		time.Sleep(time.Hour)
		is.Equal(len(s.Snapshot().Files), 0)
		is.Equal(s.Snapshot().Late, 0)
	})
}

func TestTheListenerTakesLateEffectsToo(t *testing.T) {
	is := is.New(t)
	s := openaitest.New(openaitest.Config{Faults: []openaitest.Fault{{Kind: openaitest.FaultCut, EffectAfter: openaitest.Duration(time.Millisecond)}}})
	url, err := s.Listen("127.0.0.1:0")
	is.NoErr(err)
	t.Cleanup(s.Close)
	body := "--b\r\nContent-Disposition: form-data; name=\"purpose\"\r\n\r\nassistants\r\n" +
		"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.md\"\r\n\r\nhello\r\n--b--\r\n"
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/files", strings.NewReader(body))
	is.NoErr(err)
	r.Header.Set("Authorization", "Bearer sk-test")
	r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
	_, err = http.DefaultClient.Do(r) //nolint:bodyclose // no reply comes
	is.True(err != nil)
	for len(s.Snapshot().Files) == 0 && t.Context().Err() == nil {
		time.Sleep(time.Millisecond)
	}
	is.Equal(s.Snapshot().Files[0].Name, "a.md")
}
