// Package finding holds what a rule or a reviewer says about a change: where,
// what was found, the smallest thing that would make it pass, the line of
// seed.yaml behind it and who unblocks it.
//
// A finding is not an error: errors mean that Seedbed could not look, findings
// are what it saw. The same words go to the terminal, the check run, the
// comment and SARIF; this package renders them and decides nothing.
package finding

import (
	"fmt"
	"sort"
	"strings"
)

// Severity orders findings; only Error blocks.
type Severity string

// The three severities.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
	Note    Severity = "note"
)

// Rank orders severities, what blocks first; an unknown one blocks.
func (s Severity) Rank() int {
	switch s {
	case Warning:
		return 1
	case Note:
		return 2
	}
	return 0
}

// Finding is one remark. Path is relative to the repository root and empty for
// remarks about the whole change; Line is 1-based and 0 when the remark is
// about the whole file.
type Finding struct {
	Path     string   `json:"path,omitempty"`
	Line     int      `json:"line,omitempty"`
	Rule     string   `json:"rule"`
	Severity Severity `json:"severity"`
	Message  string   `json:"message"`
	Hint     string   `json:"hint,omitempty"` // smallest thing that would make it pass
	Seed     string   `json:"seed,omitempty"` // seed.yaml:10, or "default", or "built in"
	Who      string   `json:"who,omitempty"`  // who or what unblocks it
}

// String is the one-line form: PATH:LINE: MESSAGE [RULE].
func (f Finding) String() string {
	return f.Place() + f.Message + " [" + f.Rule + "]"
}

// Place is "PATH:LINE: ", "PATH: " or nothing, with odd names quoted so that a
// path can never break a line.
func (f Finding) Place() string {
	switch {
	case f.Path == "":
		return ""
	case f.Line == 0:
		return Quote(f.Path) + ": "
	default:
		return fmt.Sprintf("%s:%d: ", Quote(f.Path), f.Line)
	}
}

// Text is the form people read in a terminal: the line, then hint, seed line
// and who, each indented.
func (f Finding) Text() string {
	var b strings.Builder
	b.WriteString(oneLine(f.String()))
	for _, part := range []struct{ name, text string }{
		{"hint", f.Hint}, {"limit", f.Seed}, {"unblocks", f.Who},
	} {
		if part.text != "" {
			fmt.Fprintf(&b, "\n    %s: %s", part.name, oneLine(part.text))
		}
	}
	return b.String()
}

// oneLine keeps foreign text from writing lines or moving a cursor.
func oneLine(s string) string { return strings.ReplaceAll(clean(s), "\n", " ") }

// Quote shows a path as it is when it is plain and as a Go string literal when
// it holds control, bidirectional or otherwise invisible characters.
func Quote(path string) string {
	for _, r := range path {
		if r < 0x20 || r == 0x7f || r == '\ufffd' || !isPlain(r) {
			return fmt.Sprintf("%+q", path)
		}
	}
	return path
}

func isPlain(r rune) bool {
	switch {
	case r >= 0x80 && r < 0xa0, r == 0xad:
		return false
	case r >= 0x200b && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2060 && r <= 0x206f:
		return false
	case r >= 0xfe00 && r <= 0xfe0f, r == 0xfeff, r >= 0xe0000 && r <= 0xe0fff:
		return false
	}
	return true
}

// Sort puts findings in the order people read them: by path, line, rule and
// message. It does not depend on the order in which rules ran.
func Sort(list []Finding) {
	sort.SliceStable(list, func(i, j int) bool {
		a, b := list[i], list[j]
		if a.Path != b.Path {
			return a.Path < b.Path
		}
		if a.Line != b.Line {
			return a.Line < b.Line
		}
		if a.Rule != b.Rule {
			return a.Rule < b.Rule
		}
		if a.Message != b.Message {
			return a.Message < b.Message
		}
		return a.Hint+a.Seed+a.Who < b.Hint+b.Seed+b.Who
	})
}
