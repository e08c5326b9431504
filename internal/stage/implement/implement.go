// Package implement makes the change a task asks for, step by step, and leaves
// it in the run directory as a series of commits.
//
// A worker with a command runs it and keeps what it did; any other task asks a
// model for edits, applies all of them or none, runs the declared tests in the
// sandbox and commits a step when they pass. A bug is first shown by a test that
// fails. What was made is kept whatever the outcome is, so that a person can
// look at it and a later round can go on from it.
//
// The stage writes change.patch and nothing else: it proposes no effect, and
// govern judges the change anew. Its own test runs only steer the model.
package implement

import (
	"context"
	"time"

	"github.com/seedbed-dev/seedbed/internal/budget"
	"github.com/seedbed-dev/seedbed/internal/change"
	"github.com/seedbed-dev/seedbed/internal/check"
	"github.com/seedbed-dev/seedbed/internal/llm"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/secret"
	"github.com/seedbed-dev/seedbed/internal/seed"
)

// Stage is the stage's name in run.json.
const Stage = "implement"

// Ports is all the stage may use of the world.
type Ports struct {
	// Model answers prompts; nil when none is configured. It meters and records
	// by itself.
	Model llm.Completer
	// Repo holds the base commit and takes new objects.
	Repo Repository
	// Sandbox runs commands; nil when there is none to be had.
	Sandbox check.Runner
	// NoSandbox says why Sandbox is nil, such as the missing kernel features.
	NoSandbox string
	// Choose picks the files a prompt quotes; nil is ByWords.
	Choose Chooser
	// Now is the clock.
	Now func() time.Time
	// Scratch is the folder in which work trees are made; empty is the
	// system's.
	Scratch string
	// Redactor knows the secrets that no output may hold; nil knows token
	// formats alone.
	Redactor *secret.Redactor
	// Ledger counts the commands of the task over all its stages; nil starts a
	// new count at the seed's limit.
	Ledger *budget.Ledger
}

// Repository is a git repository that shares no file with the work trees made
// from it. adapter/git.Repo has all methods but Commit and Restore; tests use it
// over real git.
type Repository interface {
	// Tree lists a commit's or tree's files.
	Tree(ctx context.Context, rev string) (change.Tree, error)
	// Blob is a file's content by its object id.
	Blob(ctx context.Context, sha string) ([]byte, error)
	// Checkout writes a commit's files into an empty directory.
	Checkout(ctx context.Context, commit, dir string) error
	// Snapshot gives the tree that a directory holds now; see base for what is
	// tracked.
	Snapshot(ctx context.Context, dir, base string) (string, error)
	// Edit gives the tree that contents make of a commit or tree.
	Edit(ctx context.Context, base string, edits map[string]change.Content) (string, error)
	// Commit stores a commit of a tree on top of a parent.
	Commit(ctx context.Context, tree, parent, message string, at time.Time) (string, error)
	// FormatPatch gives the commits after base up to head as a mailbox series.
	FormatPatch(ctx context.Context, base, head string) ([]byte, error)
	// Restore makes the commits of a mailbox series again, on top of base, and
	// gives the last of them.
	Restore(ctx context.Context, base string, series []byte) (string, error)
}

// Run works on the task of the run directory. The record says how it ended; an
// error is only what no outcome describes, such as an unreadable repository.
func Run(ctx context.Context, p Ports, s *seed.Seed, d *rundir.Dir) (rundir.Stage, error) {
	w, err := newWorker(p, s, d)
	if err != nil {
		return rundir.Stage{}, err
	}
	defer w.close()
	ended := w.work(ctx)
	if err := w.keep(context.WithoutCancel(ctx)); err != nil {
		return w.record(err)
	}
	return w.record(ended)
}

// work is the story: one of three ways to a change, then a look at the whole.
func (w *worker) work(ctx context.Context) error {
	if w.Sandbox == nil {
		return noSandbox(w.NoSandbox)
	}
	if line := w.commandLine(); line != "" {
		return w.byCommand(ctx, line)
	}
	if w.Model == nil {
		return noModel(w.task)
	}
	if again, ok := w.sentBack(); ok {
		return w.again(ctx, again)
	}
	if w.answered() {
		return nil
	}
	return w.bySteps(ctx)
}

// answered says that a run which died after its work is being run again: the
// change was sent back and differs by now from what was sent back.
func (w *worker) answered() bool {
	r := w.dir.Run.Review
	if w.dir.Run.Files[rundir.PatchFile] == "" || r == nil || r.Verdict != "rework" || r.Tree == w.dir.Run.HeadTree {
		return false
	}
	w.phase("rework", w.Now(), "the findings were answered by an earlier run")
	return true
}

func (w *worker) bySteps(ctx context.Context) error {
	if err := w.open(ctx, w.base); err != nil {
		return err
	}
	if err := w.baseline(ctx); err != nil {
		return err
	}
	for i, step := range w.steps() {
		if err := w.step(ctx, i, step); err != nil {
			return err
		}
	}
	if w.head == w.base {
		return noChange(w.nothing)
	}
	return w.wholeTask(ctx)
}
