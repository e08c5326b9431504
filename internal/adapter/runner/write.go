package runner

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	actions "github.com/sethvargo/go-githubactions"

	"github.com/seedbed-dev/seedbed/internal/finding"
)

// Sizes in bytes. GitHub counts outputs in UTF-16, of which half a MiB of UTF-8
// never makes more than one.
const (
	OutputLimit     = 512 << 10
	SummaryLimit    = 1 << 20
	annotationLimit = 4 << 10
)

// OutputKeys are all step outputs there are. A key that is not here is a bug of
// the caller, or somebody's attempt at another output.
var OutputKeys = []string{
	"artifact", "count", "deployment", "environment", "exit_code", "issue", "matrix", "outcome",
	"pull", "reason", "run_dir", "sha", "state", "url", "verdict", "version",
}

// Output sets a step output. The value stays one value whatever it holds: it
// stands between delimiters drawn anew for each write
// (https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands#multiline-strings).
// The library's own delimiter is fixed and can be guessed, so this is ours.
// Outside Actions there are no outputs and nothing happens.
func (r *Runner) Output(key, value string) error {
	switch {
	case !slices.Contains(OutputKeys, key):
		return fmt.Errorf("setting output %.100q: not one of %s", key, strings.Join(OutputKeys, ", "))
	case len(value) > OutputLimit:
		return fmt.Errorf("setting output %s: %d bytes, at most %d", key, len(value), OutputLimit)
	case !utf8.ValidString(value) || strings.ContainsRune(value, 0):
		return fmt.Errorf("setting output %s: the value is not text", key)
	case !r.inside:
		return nil
	}
	token, err := r.token()
	if err != nil {
		return fmt.Errorf("setting output %s: %w", key, err)
	}
	if strings.Contains(value, token) {
		return fmt.Errorf("setting output %s: the value holds the delimiter", key)
	}
	text := fmt.Sprintf("%s<<seedbed_%s\n%s\nseedbed_%s\n", key, token, value, token)
	if err := r.appendTo("GITHUB_OUTPUT", text); err != nil {
		return fmt.Errorf("setting output %s: %w", key, err)
	}
	return nil
}

// Summary appends Markdown to the job summary. All summaries of a step share
// SummaryLimit; what does not fit is cut and the last line says so. Code fences
// left open are closed. Outside Actions nothing happens.
func (r *Runner) Summary(markdown string) error {
	if !r.inside {
		return nil
	}
	file := r.env("GITHUB_STEP_SUMMARY")
	room := SummaryLimit
	if info, err := os.Stat(file); err == nil {
		room -= int(min(info.Size(), SummaryLimit))
	}
	text := fit(closeFence(strings.ToValidUTF8(markdown, "\ufffd")), room)
	if text == "" {
		return nil
	}
	if err := r.appendTo("GITHUB_STEP_SUMMARY", text); err != nil {
		return fmt.Errorf("writing the job summary: %w", err)
	}
	return nil
}

// tailRoom is what the closing fence and the note of a cut take at most.
const tailRoom = 256

// fit cuts text at a line's end so that it is at most room bytes, note included.
func fit(text string, room int) string {
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	if len(text) <= room {
		return text
	}
	keep := room - tailRoom
	if keep <= 0 {
		return ""
	}
	kept := text[:keep]
	if i := strings.LastIndexByte(kept, '\n'); i > 0 {
		kept = kept[:i+1]
	}
	kept = strings.ToValidUTF8(kept, "") // a rune cut in two
	return closeFence(kept) + fmt.Sprintf("\ntruncated: kept %d of %d bytes\n", len(kept), len(text))
}

// maxFence is the longest fence that is closed; a longer one is left alone.
const maxFence = 100

// closeFence ends a code fence that text leaves open, so that what follows is
// not swallowed (https://spec.commonmark.org/0.31.2/#fenced-code-blocks).
func closeFence(text string) string {
	open := ""
	for line := range strings.Lines(text) {
		f := fence(line)
		switch {
		case f == "":
		case open == "":
			open = f
		case f[0] == open[0] && len(f) >= len(open) && strings.TrimSpace(line) == f:
			open = ""
		}
	}
	if open == "" || len(open) > maxFence {
		return text
	}
	return strings.TrimSuffix(text, "\n") + "\n" + open + "\n"
}

// fence gives the run of at least three backticks or tildes a line begins with.
func fence(line string) string {
	line = strings.TrimLeft(line, " ")
	for _, mark := range []string{"`", "~"} {
		if n := len(line) - len(strings.TrimLeft(line, mark)); n >= 3 {
			return line[:n]
		}
	}
	return ""
}

// appendTo adds to a file the runner made for the step. It is not created here:
// a file that is not there is one the runner will not read.
func (r *Runner) appendTo(variable, text string) error {
	name := r.env(variable)
	if name == "" {
		return fmt.Errorf("%s is not set", variable)
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return fmt.Errorf("opening the file of %s: %w", variable, err)
	}
	_, err = io.WriteString(f, text)
	return errors.Join(err, f.Close())
}

// Annotate puts a remark on a line of the run's files view. Path and line may be
// empty and 0. Long messages are cut. Outside Actions the remark is one line on
// stderr.
func (r *Runner) Annotate(level finding.Severity, path string, line int, message string) error {
	if !r.inside {
		f := finding.Finding{Path: path, Line: line}
		_, err := fmt.Fprintf(r.stderr, "seedbed: %s%s\n", f.Place(), oneLine(message))
		return err
	}
	fields := map[string]string{}
	if path != "" {
		fields["file"] = path
		if line > 0 {
			fields["line"] = fmt.Sprint(line)
		}
	}
	return r.issue(commandOf(level), fields, cut(message, annotationLimit))
}

func commandOf(level finding.Severity) string {
	switch level {
	case finding.Error:
		return "error"
	case finding.Warning:
		return "warning"
	}
	return "notice"
}

// Group folds what is written until the returned function is called.
func (r *Runner) Group(title string) (end func() error, err error) {
	if !r.inside {
		_, err := fmt.Fprintf(r.stderr, "seedbed: %s\n", oneLine(title))
		return func() error { return nil }, err
	}
	return func() error { return r.issue("endgroup", nil, "") }, r.issue("group", nil, oneLine(title))
}

// shortestMask keeps common letters from being starred all over the log.
const shortestMask = 8

// Mask has the runner star a secret in everything it logs from now on, each
// line of it as well. Secrets under 8 bytes are refused: masking them would
// hide parts of words and show where they stand.
func (r *Runner) Mask(secret string) error {
	if len(secret) < shortestMask {
		return fmt.Errorf("masking a secret: shorter than %d bytes", shortestMask)
	}
	if !r.inside {
		return nil
	}
	lines := strings.Split(secret, "\n")
	if len(lines) > 1 {
		lines = append(lines, secret)
	}
	for _, line := range lines {
		if line = strings.TrimSpace(line); len(line) < shortestMask {
			continue
		}
		if err := r.issue("add-mask", nil, line); err != nil {
			return err
		}
	}
	return nil
}

// issue writes one command by the library, which escapes it. The library panics
// when it cannot write; here that is an error.
func (r *Runner) issue(name string, fields map[string]string, message string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("writing the runner command %s: %v", name, p)
		}
	}()
	r.actions.IssueCommand(&actions.Command{Name: name, Message: message, Properties: fields})
	return nil
}

// oneLine shows control characters, line ends among them, as blanks.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\ufffd"))
	return cut(s, annotationLimit)
}

// cut keeps at most limit bytes, the word truncated included.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	const note = " (truncated)"
	return strings.ToValidUTF8(s[:limit-len(note)], "") + note
}
