package implement_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/seedbed-dev/seedbed/internal/rundir"
)

const newTest = `A test for the empty text.

internal/count/count_test.go
<<<<<<< SEARCH
func TestCountTwo(t *testing.T) {
=======
func TestCountEmpty(t *testing.T) {
	if have := Words(""); have != 0 {
		t.Errorf("have %d, want 0", have)
	}
}

func TestCountTwo(t *testing.T) {
>>>>>>> REPLACE
`

const wrongEdit = `Count spaces only.

internal/count/count.go
<<<<<<< SEARCH
	return strings.Count(s, " ") + 1
=======
	return strings.Count(s, " ")  +  2
>>>>>>> REPLACE
`

const debugEdit = `Fields does it.

internal/count/count.go
<<<<<<< SEARCH
	return strings.Count(s, " ") + 2
=======
	return len(strings.Fields(s))
>>>>>>> REPLACE
`

func TestBugIsShownThenMended(t *testing.T) {
	model := newScript(t, map[string][]string{"test-first": {newTest}, "edit": {wrongEdit}, "debug": {debugEdit}})
	b := newBench(t, words, goodSeed, model)
	st := b.run()
	if st.Outcome != rundir.Succeeded {
		t.Fatalf("outcome %s (%s), want succeeded\n%s", st.Outcome, st.Message, notes(st))
	}
	have := notes(st)
	for _, want := range []string{"baseline: 1 of 1 green", "test-first: new test TestCountEmpty fails first, as it should",
		"edit: edit → 2 red → edit → 2 of 2 green", "files shown to the model"} {
		if !strings.Contains(have, want) {
			t.Errorf("phases lack %q:\n%s", want, have)
		}
	}
	subjects, diff := b.subjects()
	if want := []string{"Show it by a test: Empty input counts as one word", "Empty input counts as one word"}; !slices.Equal(subjects, want) {
		t.Errorf("commits %q, want %q", subjects, want)
	}
	if !strings.Contains(diff, "+\treturn len(strings.Fields(s))") || strings.Contains(diff, "+  2") {
		t.Errorf("diff:\n%s", diff)
	}
	if st.Tokens == 0 {
		t.Error("no tokens counted")
	}
}
