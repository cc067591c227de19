//go:build unix

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

func step(text string) { fmt.Printf("\n==> %s\n", text) }

func say(format string, args ...any) { fmt.Printf("    "+format+"\n", args...) }

// table prints the documents of the store, and the number of the plugin's requests since the
// last table.
func (t *target) table(ctx context.Context) error {
	docs, err := t.documents(ctx)
	if err != nil {
		return err
	}
	fmt.Println()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KEY\tFILE ID\tSTATUS\tBYTES\tATTRIBUTES")
	for _, d := range docs {
		var attrs []string
		for _, name := range slices.Sorted(maps.Keys(d.Attributes)) {
			attrs = append(attrs, fmt.Sprintf("%s=%v", name, d.Attributes[name]))
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\n", d.Key, d.FileID, d.Status, d.Size, strings.Join(attrs, " "))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	total := 0
	var parts []string
	for _, name := range []string{"uploads", "attaches", "updates", "removals", "reads"} {
		if n := t.requests[name]; n > 0 {
			total += n
			parts = append(parts, fmt.Sprintf("%s %d", name, n))
		}
	}
	fmt.Printf("\n%d documents; the plugin made %d requests: %s\n", len(docs), total, strings.Join(parts, ", "))
	clear(t.requests)
	return nil
}

// show runs vsctl over the store. vsctl doctor may fail: a real store may not be healthy.
func (t *target) show(ctx context.Context, vsctl string, args ...string) error {
	args = slices.DeleteFunc(args, func(a string) bool { return a == "" })
	shown := slices.Clone(args)
	for i, a := range shown {
		if strings.Contains(a, " ") {
			shown[i] = strconv.Quote(a)
		}
	}
	fmt.Printf("\n$ vsctl %s\n", strings.Join(shown, " "))
	cmd := exec.CommandContext(ctx, vsctl, args...)
	cmd.Env = append(os.Environ(), "OPENAI_API_KEY="+t.direct.APIKey, "OPENAI_VECTOR_STORE_ID="+t.direct.VectorStoreID, "OPENAI_BASE_URL="+t.direct.BaseURL)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stdout
	err := cmd.Run()
	if _, ended := errors.AsType[*exec.ExitError](err); ended && args[0] == "doctor" {
		return nil
	}
	return err
}

// showLog prints the plugin's lines of Conduit's log, and the errors.
func showLog(line string) {
	var entry map[string]any
	if json.Unmarshal([]byte(line), &entry) != nil {
		return
	}
	message, _ := entry["message"].(string)
	switch level, _ := entry["level"].(string); {
	case message == "write done":
		var parts []string
		for _, name := range []string{"created", "replaced", "attributes updated", "unchanged", "deleted", "absent", "refused"} {
			if n, ok := entry[name].(float64); ok {
				parts = append(parts, fmt.Sprintf("%.0f %s", n, name))
			}
		}
		ms, _ := entry["took_ms"].(float64)
		say("plugin: wrote %s in %.1f s: %s", records(entry["records"]), ms/1000, strings.Join(parts, ", "))
	case message == "vector store found":
		say("plugin: found the vector store %v", entry["vector_store_id"])
	case level == "error" && strings.Contains(fmt.Sprint(entry["error"], message), "graceful shutdown"):
		// Conduit logs a stop so.
	case level == "error", level == "fatal":
		say("conduit: %s: %v", message, entry["error"])
	}
}

func records(n any) string {
	if n == 1.0 {
		return "1 record"
	}
	return fmt.Sprintf("%v records", n)
}

// problems returns the warnings and errors of a log.
func problems(log string) string {
	var bad []string
	for line := range strings.Lines(log) {
		if strings.Contains(line, `"level":"error"`) || strings.Contains(line, `"level":"warn"`) {
			bad = append(bad, line)
		}
	}
	return strings.Join(bad, "")
}
