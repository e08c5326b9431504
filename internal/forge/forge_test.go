package forge

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

// GitHub's times have whole seconds: an edit in the second of the moment asked
// about counts, one before it does not, and no time at all is no edit.
func TestEditsAfter(t *testing.T) {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name  string
		edits Edits
		want  bool
	}{
		{"never", Edits{}, false},
		{"body before", Edits{Body: noon.Add(-time.Second)}, false},
		{"body in the same second", Edits{Body: noon}, true},
		{"renamed before and after", Edits{Renamed: []time.Time{noon.Add(-time.Hour), noon.Add(time.Hour)}}, true},
		{"renamed before", Edits{Body: noon.Add(-time.Hour), Renamed: []time.Time{noon.Add(-time.Second)}}, false},
	} {
		at, have := c.edits.After(noon.Add(900 * time.Millisecond))
		if have != c.want || have == at.IsZero() {
			t.Errorf("%s: have %v at %s, want %v", c.name, have, at, c.want)
		}
	}
	e := Edits{Renamed: make([]time.Time, 1, 4)}
	e.After(noon)
	if !e.Renamed[0].IsZero() {
		t.Error("the list that was asked about was changed")
	}
}

// A label is compared whole: neither its parts nor its look-alikes count.
func TestHasLabel(t *testing.T) {
	i := Issue{Labels: []string{"bug,ai-task", "AI-TASK", "ai-task "}}
	if i.HasLabel("ai-task") || !i.HasLabel("bug,ai-task") {
		t.Errorf("have %v for ai-task of %q", i.HasLabel("ai-task"), i.Labels)
	}
}

// A pull request whose head repository is gone counts as foreign.
func TestFork(t *testing.T) {
	for head, want := range map[int64]bool{0: true, 1: false, 2: true} {
		if have := (Pull{Head: Branch{RepoID: head}, Base: Branch{RepoID: 1}}).Fork(); have != want {
			t.Errorf("head repository %d: have %v, want %v", head, have, want)
		}
	}
}

// An error names what was done, what came back and what is missing, and can be
// told by its kind through any wrapping.
func TestError(t *testing.T) {
	err := fmt.Errorf("effect comment.put: %w", &Error{Doing: "commenting on #1", Status: 403, Message: "no", Needs: "issues: write", Kind: ErrForbidden})
	want := "effect comment.put: commenting on #1: not permitted (403): no; the token needs issues: write"
	if err.Error() != want || !errors.Is(err, ErrForbidden) || errors.Is(err, ErrNotFound) {
		t.Errorf("have %q\nwant %q", err, want)
	}
	if have, want := (&Error{Doing: "listing", Kind: ErrUnclear}).Error(), "listing: answer lost after sending"; have != want {
		t.Errorf("have %q, want %q", have, want)
	}
}
