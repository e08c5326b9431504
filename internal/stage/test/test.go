// Package test runs the declared commands before and after a change and writes
// down what they said.
//
// Both sides run in fresh work trees of their own, in the sandbox, so that what
// one leaves behind cannot help or hurt the other. A failure that was there
// before is told apart from one the change brought. A command that hangs is a
// failure like any other and not an error of the stage.
//
// Started with job verify the same stage is the measurement that counts: no
// model is near, nothing measured earlier is believed. The stage writes
// checks.json and proposes no effect.
package test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/seedbed-dev/seedbed/internal/budget"
	"github.com/seedbed-dev/seedbed/internal/change"
	"github.com/seedbed-dev/seedbed/internal/check"
	"github.com/seedbed-dev/seedbed/internal/command"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/secret"
	"github.com/seedbed-dev/seedbed/internal/seed"
)

// Stage is the stage's name in run.json.
const Stage = "test"

// Where a measurement was made, as checks.json says it.
const (
	WhereBuild  = "build"
	WhereVerify = "verify"
)

// Ports is all the stage may use of the world.
type Ports struct {
	// Repo holds the base commit and takes new objects.
	Repo Repository
	// Sandbox runs commands; nil when there is none to be had.
	Sandbox check.Runner
	// NoSandbox says why Sandbox is nil, such as the missing kernel features.
	NoSandbox string
	// Now is the clock.
	Now func() time.Time
	// Scratch is the folder in which work trees are made; empty is the system's.
	Scratch string
	// Redactor knows the secrets that no output may hold; nil knows token
	// formats alone.
	Redactor *secret.Redactor
	// Ledger counts the commands of the task over all its stages; nil starts a
	// new count at the seed's limit.
	Ledger *budget.Ledger
}

// Repository is a git repository that shares no file with the work trees made
// from it. adapter/git.Repo has all methods but Restore; tests use it over real
// git.
type Repository interface {
	// Tree lists a commit's or tree's files.
	Tree(ctx context.Context, rev string) (change.Tree, error)
	// Checkout writes a commit's files into an empty directory.
	Checkout(ctx context.Context, commit, dir string) error
	// Restore makes the commits of a mailbox series again, on top of base, and
	// gives the last of them.
	Restore(ctx context.Context, base string, series []byte) (string, error)
}

// Run measures the change of the run directory. The record says how it ended;
// an error is only what no outcome describes.
func Run(ctx context.Context, p Ports, s *seed.Seed, d *rundir.Dir) (rundir.Stage, error) {
	if d.Run.Base.Commit == "" {
		return rundir.Stage{}, errors.New("test: the run directory names no base commit")
	}
	temp, err := os.MkdirTemp(p.Scratch, "seedbed-test-")
	if err != nil {
		return rundir.Stage{}, fmt.Errorf("making work trees: %w", err)
	}
	defer os.RemoveAll(temp)
	t := newTester(p, s, d, temp)
	return t.record(t.work(ctx))
}

// work is the story: what was measured before is remembered, both sides are
// measured, the difference is the answer.
func (t *tester) work(ctx context.Context) error {
	head, err := t.change(ctx)
	if err != nil {
		return err
	}
	t.recall()
	if err := t.measure(ctx, "base", t.dir.Run.Base.Commit); err != nil {
		return err
	}
	if err := t.measure(ctx, "head", head); err != nil {
		return err
	}
	if err := t.dir.WriteJSON(rundir.ChecksFile, t.checks); err != nil {
		return err
	}
	return t.compare()
}

type tester struct {
	Ports
	seed    *seed.Seed
	dir     *rundir.Dir
	temp    string
	started time.Time
	list    []check.Declared
	checks  rundir.Checks
	memo    map[string]rundir.Side // tree and command line -> what it said
	phases  []rundir.Phase
	skipped string // what was left to the owner's own workflows
}

func newTester(p Ports, s *seed.Seed, d *rundir.Dir, temp string) *tester {
	t := &tester{Ports: p, seed: s, dir: d, temp: temp, started: p.Now(), memo: map[string]rundir.Side{}}
	if t.Ledger == nil {
		t.Ledger = budget.New("task", budget.Limits{budget.Commands: int64(s.Budgets.Task.Commands)})
	}
	t.list = check.Commands(s, check.Lint, check.Typecheck, check.Test)
	if s.Commands.Services == "ci" {
		t.list = check.Commands(s, check.Lint, check.Typecheck)
		t.skipped = count(len(s.Commands.Test), "test command") + " left to your own workflows: commands.services is ci"
	}
	t.checks = rundir.Checks{Version: rundir.Version, Where: WhereBuild}
	if d.Run.Job == WhereVerify {
		t.checks.Where = WhereVerify
	}
	for _, c := range t.list {
		t.checks.Commands = append(t.checks.Commands, rundir.Command{Command: c.Name, Kind: c.Kind})
	}
	return t
}

// change makes the commits of the run directory's change.
func (t *tester) change(ctx context.Context) (head string, err error) {
	patch, err := t.dir.Read(rundir.PatchFile)
	if err != nil {
		return "", err
	}
	if len(patch) == 0 {
		return "", &stop{outcome: rundir.NothingToDo, reason: "no_change", message: "there is no change to test"}
	}
	if len(t.list) == 0 {
		return "", &stop{outcome: rundir.NothingToDo, reason: "no_command", message: t.summary()}
	}
	if t.Sandbox == nil {
		return "", noSandbox(t.NoSandbox)
	}
	head, err = t.Repo.Restore(ctx, t.dir.Run.Base.Commit, patch)
	if err != nil {
		return "", err
	}
	tree, err := t.Repo.Tree(ctx, head)
	t.checks.HeadTree = tree.SHA
	return head, err
}

// recall takes over what an earlier round measured at base. verify believes
// nothing.
func (t *tester) recall() {
	var old rundir.Checks
	if ok, err := t.dir.ReadJSON(rundir.ChecksFile, &old); !ok || err != nil || t.checks.Where == WhereVerify || old.Where != WhereBuild {
		return
	}
	for i := range t.checks.Commands {
		for _, c := range old.Commands {
			if c.Command == t.checks.Commands[i].Command && c.Kind == t.checks.Commands[i].Kind {
				t.checks.Commands[i].Base = c.Base
			}
		}
	}
}

// measure runs, in a fresh work tree of a commit, every command that this side
// lacks.
func (t *tester) measure(ctx context.Context, side, commit string) error {
	if !t.lacks(side) {
		return nil
	}
	since := t.Now()
	tree, err := t.Repo.Tree(ctx, commit)
	if err != nil {
		return err
	}
	bench, err := t.open(ctx, side, commit)
	if err != nil {
		return err
	}
	for i, d := range t.list {
		if t.side(i, side) != nil {
			continue
		}
		result, err := t.once(ctx, bench, tree.SHA, d)
		if err != nil {
			return err
		}
		t.set(i, side, &result)
	}
	t.phases = append(t.phases, rundir.Phase{Name: side, Millis: t.Now().Sub(since).Milliseconds(), Note: t.tally(side)})
	return nil
}

func (t *tester) lacks(side string) bool {
	for i := range t.list {
		if t.side(i, side) == nil {
			return true
		}
	}
	return false
}

func (t *tester) side(i int, side string) *rundir.Side {
	if side == "base" {
		return t.checks.Commands[i].Base
	}
	return t.checks.Commands[i].Head
}

func (t *tester) set(i int, side string, result *rundir.Side) {
	if side == "base" {
		t.checks.Commands[i].Base = result
	} else {
		t.checks.Commands[i].Head = result
	}
}

// once runs a command unless it ran on this very tree before.
func (t *tester) once(ctx context.Context, b check.Bench, tree string, d check.Declared) (rundir.Side, error) {
	key := tree + " " + d.Kind + " " + d.Run
	if known, ok := t.memo[key]; ok {
		return known, nil
	}
	side, err := t.do(ctx, b, d)
	if err == nil {
		t.memo[key] = side
	}
	return side, err
}

// open makes the work tree and prepares it.
func (t *tester) open(ctx context.Context, side, commit string) (check.Bench, error) {
	b := check.Bench{Runner: t.Sandbox, Redactor: t.Redactor, Dir: filepath.Join(t.temp, side), Spend: t.spend, Left: t.left,
		Layers: func(l []command.Layer) { t.dir.Run.Sandbox = l }}
	if err := t.Repo.Checkout(ctx, commit, b.Dir); err != nil {
		return b, err
	}
	for _, d := range check.Commands(t.seed, check.Setup) {
		result, err := t.do(ctx, b, d)
		if err != nil {
			return b, err
		}
		if !result.OK() {
			return b, setupFailed(side, d, result)
		}
	}
	return b, nil
}

// do runs a command; a sandbox that fails is an outcome of its own.
func (t *tester) do(ctx context.Context, b check.Bench, d check.Declared) (rundir.Side, error) {
	side, err := b.Do(ctx, d)
	var over *budget.Exceeded
	var end *stop
	if err == nil || ctx.Err() != nil || errors.As(err, &over) || errors.As(err, &end) {
		return side, err
	}
	return side, &stop{outcome: rundir.Environment, reason: "sandbox", message: "the sandbox could not run a command: " + err.Error()}
}

func (t *tester) spend() error {
	if t.left() <= 0 {
		return &stop{outcome: rundir.BudgetExhausted, reason: "minutes",
			message: fmt.Sprintf("the task's %d minutes are used up (budgets.task.minutes, %s)", t.seed.Budgets.Task.Minutes, t.seed.At("budgets.task.minutes"))}
	}
	r, err := t.Ledger.Reserve(budget.Commands, 1)
	if err != nil {
		return err
	}
	return t.Ledger.Settle(r, 1)
}

func (t *tester) left() time.Duration {
	return time.Duration(t.seed.Budgets.Task.Minutes)*time.Minute - t.Now().Sub(t.started)
}
