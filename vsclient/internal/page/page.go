// Package page writes measured tables into pages of the documentation.
package page

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// Write puts a table into a page, between the comment lines of that name.
func Write(path, name, table string) error {
	text, err := os.ReadFile(path) //nolint:gosec // the caller names the page
	if err != nil {
		return err
	}
	begin, end := "<!-- "+name+" -->\n", "<!-- end of "+name+" -->"
	head, rest, ok := strings.Cut(string(text), begin)
	_, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return fmt.Errorf("%s has no comment lines for the table of the %s", path, name)
	}
	return os.WriteFile(path, []byte(head+begin+table+end+tail), 0o644) //nolint:gosec // likewise
}

// Publish writes a table into a page, between the comment lines of that name, below the line
// that measured makes.
func Publish(ctx context.Context, path, name, command, table string) error {
	stamp, err := measured(ctx, command)
	if err != nil {
		return err
	}
	return Write(path, name, stamp+".\n\n"+table)
}

// measured returns the line that stands above figures: the command that made them, the day and
// the commit of the checkout.
func measured(ctx context.Context, command string) (string, error) {
	commit, err := Commit(ctx, ".")
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("Measured with `%s` on %s at commit %s", command, time.Now().Format(time.DateOnly), commit), nil
}

// Commit returns the short hash of the commit that a folder's checkout is at.
func Commit(ctx context.Context, folder string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", "rev-parse", "--short", "HEAD")
	cmd.Dir = folder
	commit, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("asking git for the commit: %w", err)
	}
	return strings.TrimSpace(string(commit)), nil
}
