package seed

import (
	"fmt"
	"sort"
	"strings"
)

// Error is one problem of one file. Its text begins with the place, so that
// editors and runners can jump there.
type Error struct {
	// File as the caller named it.
	File string `json:"file"`
	// Line counts from 1; 0 when the file as a whole is meant.
	Line int `json:"line,omitempty"`
	// Column counts characters from 1; 0 when unknown.
	Column int `json:"column,omitempty"`
	// Path of the key with dots, such as budgets.change.max_files; empty for problems of the text itself.
	Path string `json:"path,omitempty"`
	// Found is what stands there: the value where Want is set, else the whole fact.
	Found string `json:"found,omitempty"`
	// Want is what is allowed there.
	Want string `json:"want,omitempty"`
	// Nearest is the known key or word that was probably meant.
	Nearest string `json:"nearest,omitempty"`
	// Hint is the next thing to do, for a line of its own; often empty.
	Hint string `json:"hint,omitempty"`
}

// Error prints place, key, what was found and what is allowed, in one line
// without control characters.
func (e Error) Error() string {
	var b strings.Builder
	b.WriteString(e.File)
	if e.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", e.Line, max(e.Column, 1))
	}
	if e.Line > 0 || e.Want != "" {
		b.WriteString(":")
	}
	if e.Path != "" {
		fmt.Fprintf(&b, " %s:", e.Path)
	}
	if e.Want == "" {
		b.WriteString(" " + e.Found)
	} else {
		fmt.Fprintf(&b, " found %s, want %s", e.Found, e.Want)
	}
	if e.Nearest != "" {
		fmt.Fprintf(&b, ", nearest is %q", e.Nearest)
	}
	return b.String()
}

// Errors are all problems of one file, sorted by place; never empty when
// returned as an error.
type Errors []Error

// Error prints one problem a line.
func (es Errors) Error() string {
	lines := make([]string, len(es))
	for i, e := range es {
		lines[i] = e.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the single problems to errors.Is and errors.As.
func (es Errors) Unwrap() []error {
	out := make([]error, len(es))
	for i, e := range es {
		out[i] = e
	}
	return out
}

// Hint is the first hint among the problems, or empty.
func (es Errors) Hint() string {
	for _, e := range es {
		if e.Hint != "" {
			return e.Hint
		}
	}
	return ""
}

func (es Errors) sort() {
	sort.SliceStable(es, func(i, j int) bool {
		if es[i].Line != es[j].Line {
			return es[i].Line < es[j].Line
		}
		return es[i].Column < es[j].Column
	})
}
