package implement_test

import (
	"os"
	"strings"
	"testing"

	"github.com/seedbed-dev/seedbed/internal/adapter/sandbox"
	"github.com/seedbed-dev/seedbed/internal/llm"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/stage/review"
	"github.com/seedbed-dev/seedbed/internal/stage/test"
)

func TestMain(m *testing.M) {
	sandbox.MaybeChild()
	os.Exit(m.Run())
}

const reworkEdit = `Say what is counted.

internal/count/count.go
<<<<<<< SEARCH
// Words counts the words of a text.
=======
// Words counts the words of a text: runs of characters that are no white space.
>>>>>>> REPLACE
`

// TestBuildJob is what the build job does with a bug, in the real sandbox and
// over real git: a test that fails, a wrong edit, a right one, both sides
// measured, a finding, rework, both sides measured, approval.
func TestBuildJob(t *testing.T) {
	box, err := sandbox.New(sandbox.Options{HostEnv: os.Environ(), CacheDir: t.TempDir(), ReadGoCache: true})
	if err != nil {
		t.Skipf("not run: %v", err)
	}
	model := newScript(t, map[string][]string{"test-first": {newTest}, "edit": {wrongEdit}, "debug": {debugEdit}, "rework": {reworkEdit}, "review": {
		`{"findings":[{"path":"internal/count/count.go","line":7,"severity":"error","message":"The comment does not say what a word is.","suggestion":"say it"}],"verdict":"rework","summary":"Counts fields."}`,
		`{"findings":[],"verdict":"approve","summary":"Counts fields."}`}})
	b := newBench(t, words, goodSeed, model)
	b.ports.Sandbox = box
	measure := func() rundir.Stage {
		return b.record(test.Run(t.Context(), test.Ports{Repo: b.repo, Sandbox: box, Now: b.ports.Now, Scratch: b.ports.Scratch}, b.seed, b.dir))
	}
	look := func() rundir.Stage {
		return b.record(review.Run(t.Context(), review.Ports{Model: model, Repo: b.repo, Now: b.ports.Now}, b.seed, b.dir))
	}
	wants(t, b.run(), rundir.Succeeded, "", "new test TestCountEmpty fails first, as it should", "edit → 2 red → edit → 2 of 2 green")
	wants(t, measure(), rundir.Succeeded, "", "2 of 2 tests green")
	wants(t, look(), rundir.QualityRejected, "rework", "2 of 2 files reviewed, 1 finding")
	wants(t, b.run(), rundir.Succeeded, "", "rework → 2 of 2 green")
	again := measure()
	wants(t, again, rundir.Succeeded, "", "2 of 2 tests green")
	if len(again.Phases) != 1 || again.Phases[0].Name != "head" {
		t.Errorf("the second round measured %v, want the head alone", again.Phases)
	}
	wants(t, look(), rundir.Succeeded, "", "verdict approve")

	subjects, diff := b.subjects()
	if want := "Show it by a test: Empty input counts as one word|Empty input counts as one word|Put right what the review found"; strings.Join(subjects, "|") != want {
		t.Errorf("commits %q", subjects)
	}
	if !strings.Contains(diff, "no white space") || b.dir.Run.Review.Tree != b.dir.Run.HeadTree {
		t.Errorf("reviewed %s of %s\n%s", b.dir.Run.Review.Tree, b.dir.Run.HeadTree, diff)
	}
	if len(b.dir.Run.Sandbox) == 0 {
		t.Error("no layers recorded")
	}
	b.verify(box)
}

// verify measures in a run directory and a repository of its own, as the job
// without a model key does.
func (b *bench) verify(box *sandbox.Sandbox) {
	b.t.Helper()
	b.dir.Run.Job = "verify"
	st := b.record(test.Run(b.t.Context(), test.Ports{Repo: b.repo, Sandbox: box, Now: b.ports.Now, Scratch: b.ports.Scratch}, b.seed, b.dir))
	wants(b.t, st, rundir.Succeeded, "", "2 of 2 tests green")
	var c rundir.Checks
	if ok, err := b.dir.ReadJSON(rundir.ChecksFile, &c); !ok || err != nil || c.Where != "verify" || c.HeadTree != b.dir.Run.HeadTree {
		b.t.Errorf("checks.json %+v %v", c, err)
	}
	if base, head := c.Commands[0].Base, c.Commands[0].Head; base.Passed != 1 || head.Passed != 2 || strings.Join(head.Tests, " ") != "internal/count.TestCountEmpty internal/count.TestCountTwo" {
		b.t.Errorf("base %+v, head %+v", base, head)
	}
}

// record keeps a stage's entry as the command line does.
func (b *bench) record(st rundir.Stage, err error) rundir.Stage {
	b.t.Helper()
	must(b.t, err)
	b.dir.Run.Stages = append(b.dir.Run.Stages, st)
	return st
}

var _ llm.Completer = (*script)(nil)
