package openaitest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/matryer/is"

	"github.com/conduitio-labs/conduit-connector-openai-vectorstore/vsclient/openaitest"
)

func TestThePageKeepsTheTextThatAPersonTypes(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	is := is.New(t)
	s, page, vs := listening(t)
	plant := func(name, key, text string) {
		s.AddStoreFile(vs, s.AddFile(openaitest.NewFile{Name: name, Content: []byte(text)}), map[string]any{"vs_key": key})
	}
	plant("cats.md", "animals/cats?", "Cats sleep.")

	b.open(page + "/stores/" + vs)
	b.eval(`document.querySelector("input[name=q]").focus()`)
	b.typeText("sleeping ca")
	plant("dogs.md", "animals/dogs?", "Dogs bark.")
	b.eval(`update()`)
	is.True(strings.Contains(b.text("#entries"), "dogs.md"))                         // the state is followed
	is.Equal(b.eval(`document.querySelector("input[name=q]").value`), "sleeping ca") // the typed text is still there
	is.Equal(b.eval(`document.activeElement.name`), "q")                             // and more can be typed
	b.typeText("ts")
	b.await(func() { b.press("Enter", 13) })

	found := b.text("#results")
	for _, want := range []string{"animals/cats?", "cats.md", "%", "Cats sleep."} { // key, name, score and text
		is.True(strings.Contains(found, want))
	}
	is.True(!strings.Contains(found, "dogs.md"))
	is.Equal(b.eval(`document.querySelector("input[name=q]").value`), "sleeping cats")
}

func TestThePageStaysPausedAfterAClick(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	is := is.New(t)
	s, page, vs := listening(t)

	b.open(page + "/")
	is.Equal(b.text("#pause"), "pause")
	b.eval(`document.querySelector("#pause").click()`)
	b.await(func() { b.eval(`document.querySelector("a[href='/stores/` + vs + `']").click()`) })
	is.Equal(b.text("#pause"), "resume")
	s.AddStoreFile(vs, s.AddFile(openaitest.NewFile{Name: "cats.md", Content: []byte("Cats sleep.")}), nil)
	b.eval(`update()`)
	is.True(!strings.Contains(b.text("body"), "cats.md"))
	b.eval(`document.querySelector("#pause").click()`)
	b.eval(`update()`)
	is.True(strings.Contains(b.text("#entries"), "cats.md"))
}

func TestAPauseHoldsForARefreshUnderWay(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	is := is.New(t)
	s, page, vs := listening(t)
	b.open(page + "/stores/" + vs)
	s.AddStoreFile(vs, s.AddFile(openaitest.NewFile{Name: "cats.md", Content: []byte("Cats sleep.")}), nil)
	b.eval(`(async () => { const refresh = update(); document.querySelector("#pause").click(); await refresh; })()`)
	is.Equal(b.text("#pause"), "resume")
	is.True(!strings.Contains(b.text("#entries"), "cats.md"))
}

func TestARefreshKeepsFocusAndSelection(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	is := is.New(t)
	s, page, vs := listening(t)
	plant := func(name, attribute string) (id string) {
		id = s.AddFile(openaitest.NewFile{Name: name, Content: []byte("x")})
		s.AddStoreFile(vs, id, map[string]any{"about": attribute})
		return id
	}
	var gone string
	for i := range 60 {
		gone = plant(fmt.Sprintf("%02d.md", i), "cats")
	}
	older := `[...document.querySelectorAll(".pages a")].find(a => a.textContent === "older")`
	for i, tt := range []struct{ path, focused string }{
		{"/", `document.querySelector("a[href='/stores/` + vs + `']")`},
		{"/stores/" + vs, older},
	} {
		b.open(page + tt.path)
		b.eval(tt.focused + `.focus()`)
		b.eval(`for (const cell of document.querySelectorAll("td")) if (cell.textContent.startsWith("50.md")) getSelection().selectAllChildren(cell)`)
		selected := b.eval(`getSelection().toString()`)
		is.True(strings.HasPrefix(fmt.Sprint(selected), "50.md"))
		plant(fmt.Sprintf("new%d.md", i), "dogs") // rows come, go and change
		s.DetachStoreFile(vs, gone)
		b.eval(`update()`)
		is.True(b.eval(`document.activeElement === `+tt.focused) == true)
		is.Equal(b.eval(`getSelection().toString()`), selected)

		// The page is the one that the server sends.
		live := `(page => [...page.querySelectorAll("[data-live]:not(header *):not(#requests)")].map(part => part.innerHTML).join())`
		is.Equal(b.eval(live+`(document)`), b.eval(`(async () => `+live+`(new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html")))()`))
	}
}

func TestALateReplyDoesNotReplaceANewerOne(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	is := is.New(t)
	s, page, vs := listening(t)
	b.open(page + "/stores/" + vs)

	// The reply to the older refresh was made before the file came, and is read after.
	b.eval(`(async () => {
		const send = window.fetch;
		await new Promise(made => {
			const held = new Promise(release => { window.release = release; });
			window.fetch = async (...request) => {
				window.fetch = send;
				const reply = await send(...request);
				made();
				await held;
				return reply;
			};
			window.older = update();
		});
	})()`)
	s.AddStoreFile(vs, s.AddFile(openaitest.NewFile{Name: "cats.md", Content: []byte("Cats sleep.")}), nil)
	b.eval(`update()`)
	b.eval(`(async () => { release(); await older; })()`)
	is.True(strings.Contains(b.text("#entries"), "cats.md"))
}

func TestThePageSaysThatItIsStale(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	is := is.New(t)
	s, page, _ := listening(t)
	b.open(page + "/")
	b.eval(`update()`)
	is.True(!strings.Contains(b.text("header"), "refresh failed"))
	s.Close()
	b.eval(`update()`)
	is.True(strings.Contains(b.text("header"), "refresh failed"))
}

func TestThePageLeadsToEveryFile(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	is := is.New(t)
	s, page, vs := listening(t)
	for i := range 120 {
		s.AddStoreFile(vs, s.AddFile(openaitest.NewFile{Name: fmt.Sprintf("%03d.md", i), Content: []byte("x")}), nil)
	}
	for _, path := range []string{"/", "/stores/" + vs} {
		b.open(page + path)
		seen := ""
		for range 3 {
			seen += b.text("main")
			if b.eval(`[...document.querySelectorAll(".pages a")].some(a => a.textContent === "older")`) == true {
				b.await(func() {
					b.eval(`[...document.querySelectorAll(".pages a")].find(a => a.textContent === "older").click()`)
				})
			}
		}
		for i := range 120 {
			is.Equal(strings.Count(seen, fmt.Sprintf("%03d.md", i)), 1)
		}
		is.True(strings.Contains(seen, "page 3 of 3"))
	}
}

// listening returns a server that listens, the base URL of its page, and its only store.
func listening(t *testing.T) (s *openaitest.Server, page, store string) {
	t.Helper()
	s = openaitest.New(openaitest.Config{})
	t.Cleanup(s.Close)
	url, err := s.Listen("127.0.0.1:0")
	is.New(t).NoErr(err)
	return s, strings.TrimSuffix(url, "/v1"), s.NewVectorStore("docs")
}

// browser is a headless Chromium, driven over a pipe in its DevTools protocol.
type browser struct {
	t       *testing.T
	to      *os.File
	from    *bufio.Reader
	session string
	calls   int
	loads   int // load events that have come
}

// newBrowser starts Chromium with an empty tab; without one the test is skipped.
func newBrowser(t *testing.T) *browser {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		t.Skip("chromium is not on PATH: the page is not tested in a browser")
	}
	theirIn, ourOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	ourIn, theirOut, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	// Not t.TempDir, which fails the test when a process of the browser still writes there.
	profile, err := os.MkdirTemp("", "openaitest-") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	// Without the test's context, which ends before the browser is closed.
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), path, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
		"--remote-debugging-pipe", "--user-data-dir="+profile)
	cmd.ExtraFiles = []*os.File{theirIn, theirOut} // 3 and 4, as --remote-debugging-pipe wants
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	theirIn.Close()
	theirOut.Close()
	b := &browser{t: t, to: ourOut, from: bufio.NewReader(ourIn)}
	t.Cleanup(func() {
		b.session = ""
		b.send("Browser.close", nil)
		_, _ = io.Copy(io.Discard, b.from)
		_ = cmd.Wait()
		ourOut.Close()
		ourIn.Close()
		for range 100 { // a process of the browser may still write there
			if os.RemoveAll(profile) == nil {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
	var target struct{ TargetID string }
	b.call("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.call("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	b.call("Page.enable", nil, nil)
	return b
}

type browserMessage struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Result json.RawMessage `json:"result"`
	Error  json.RawMessage `json:"error"`
}

// receive returns the next message, and counts load events.
func (b *browser) receive() browserMessage {
	b.t.Helper()
	line, err := b.from.ReadBytes(0)
	if err != nil {
		b.t.Fatal("the browser is gone: ", err)
	}
	var m browserMessage
	if err := json.Unmarshal(line[:len(line)-1], &m); err != nil {
		b.t.Fatal(err)
	}
	if m.Method == "Page.loadEventFired" {
		b.loads++
	}
	return m
}

// send sends a command and returns its number.
func (b *browser) send(method string, params map[string]any) int {
	b.t.Helper()
	b.calls++
	m := map[string]any{"id": b.calls, "method": method}
	if params != nil {
		m["params"] = params
	}
	if b.session != "" {
		m["sessionId"] = b.session
	}
	data, err := json.Marshal(m)
	if err != nil {
		b.t.Fatal(err)
	}
	if _, err := b.to.Write(append(data, 0)); err != nil {
		b.t.Error(err)
	}
	return b.calls
}

// call sends a command and waits for its result.
func (b *browser) call(method string, params map[string]any, result any) {
	b.t.Helper()
	id := b.send(method, params)
	for {
		m := b.receive()
		if m.ID != id {
			continue
		}
		if m.Error != nil {
			b.t.Fatalf("%s: %s", method, m.Error)
		}
		if result != nil {
			if err := json.Unmarshal(m.Result, result); err != nil {
				b.t.Fatal(err)
			}
		}
		return
	}
}

// await calls a function that opens another page, and waits until the page is loaded.
func (b *browser) await(navigate func()) {
	b.t.Helper()
	before := b.loads
	navigate()
	for b.loads == before {
		b.receive()
	}
}

func (b *browser) open(url string) {
	b.t.Helper()
	b.await(func() { b.call("Page.navigate", map[string]any{"url": url}, nil) })
}

// eval returns the value of an expression. It waits for the value of a promise.
func (b *browser) eval(expression string) any {
	b.t.Helper()
	var got struct {
		Result           struct{ Value any }
		ExceptionDetails any
	}
	b.call("Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}, &got)
	if got.ExceptionDetails != nil {
		b.t.Fatalf("%s: %v", expression, got.ExceptionDetails)
	}
	return got.Result.Value
}

// text returns the text of an element, as shown.
func (b *browser) text(selector string) string {
	b.t.Helper()
	text, _ := b.eval(fmt.Sprintf("document.querySelector(%q).innerText", selector)).(string)
	return text
}

// typeText types key by key into the element that has the focus.
func (b *browser) typeText(text string) {
	b.t.Helper()
	for _, r := range text {
		b.call("Input.dispatchKeyEvent", map[string]any{"type": "char", "text": string(r)}, nil)
	}
}

func (b *browser) press(key string, code int) {
	b.t.Helper()
	for _, kind := range []string{"keyDown", "keyUp"} {
		event := map[string]any{"type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code}
		if kind == "keyDown" {
			event["text"] = string(rune(code))
		}
		b.call("Input.dispatchKeyEvent", event, nil)
	}
}
