package test_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seedbed-dev/seedbed/internal/adapter/git"
	"github.com/seedbed-dev/seedbed/internal/change"
	"github.com/seedbed-dev/seedbed/internal/command"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/seed"
	stage "github.com/seedbed-dev/seedbed/internal/stage/test"
)

// repository is the stage's port over real git.
type repository struct{ *git.Repo }

func (r repository) Restore(ctx context.Context, base string, series []byte) (string, error) {
	steps, err := change.ParseSeries(series)
	head := base
	for _, s := range steps {
		if err != nil {
			return "", err
		}
		var tree string
		if tree, err = r.ApplyPatch(ctx, head, s.Patch); err != nil {
			return "", err
		}
		head, err = r.CommitTree(ctx, tree, []string{head}, s.Subject+"\n", git.Identity{Name: "seedbed", Email: "seedbed@localhost"}, s.Time)
	}
	return head, err
}

// shell runs commands as they are, for fixtures that are our own, and keeps
// which it ran.
type shell struct {
	ran     []string
	network []bool
	fail    error
}

func (s *shell) Run(ctx context.Context, c command.Command) (command.Result, error) {
	s.ran, s.network = append(s.ran, c.Shell), append(s.network, c.Network)
	if s.fail != nil {
		return command.Result{}, s.fail
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", c.Shell)
	cmd.Dir, cmd.WaitDelay = c.Dir, time.Second
	out, err := cmd.CombinedOutput()
	res := command.Result{Output: out, Stdout: out, TimedOut: ctx.Err() != nil, Layers: []command.Layer{{Name: "none"}}}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		res.Exit, err = exit.ExitCode(), nil
	}
	if res.TimedOut {
		res.Exit, err = 137, nil
	}
	return res, err
}

const tapSeed = `version: 1
project: {name: plain, owners: [{handle: ana}]}
commands:
  setup: ["true"]
  lint: ["sh lint.sh"]
  test: [{run: "sh check.sh", name: the tests, report: {format: tap}}]
`

// base is a repository whose lint and tests pass.
func base() map[string]string {
	return map[string]string{"lint.sh": "exit 0\n", "check.sh": "echo 'ok 1 - one'; echo 'ok 2 - two'\n", "data.txt": "a\n"}
}

type bench struct {
	t     *testing.T
	dir   *rundir.Dir
	seed  *seed.Seed
	shell *shell
	ports stage.Ports
}

// newBench makes a run directory whose change turns the files before into those
// after.
func newBench(t *testing.T, seedText string, before, after map[string]string) *bench {
	t.Helper()
	dir := t.TempDir()
	source := filepath.Join(dir, "source")
	commit := func(files map[string]string) {
		for name, text := range files {
			must(t, os.MkdirAll(filepath.Dir(filepath.Join(source, name)), 0o755))
			must(t, os.WriteFile(filepath.Join(source, name), []byte(text), 0o644))
		}
		for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "-A"}, {"-c", "user.name=a", "-c", "user.email=a@localhost", "commit", "-q", "--allow-empty", "-m", "x"}} {
			cmd := exec.Command("git", args...)
			cmd.Dir = source
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("git %v: %v\n%s", args, err, out)
			}
		}
	}
	commit(before)
	commit(after)
	repo, err := git.InitFrom(t.Context(), filepath.Join(dir, "ours.git"), source)
	must(t, err)
	first, err := repo.Resolve(t.Context(), "HEAD~1")
	must(t, err)
	d, err := rundir.Create(filepath.Join(dir, "run"), rundir.Run{Job: "build", Base: rundir.Snapshot{Commit: first}})
	must(t, err)
	if len(after) > 0 {
		head, err := repo.Resolve(t.Context(), "HEAD")
		must(t, err)
		patch, err := repo.FormatPatch(t.Context(), first, head)
		must(t, err)
		must(t, d.Write(rundir.PatchFile, patch))
	}
	s, err := seed.Parse("seed.yaml", []byte(seedText))
	must(t, err)
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	b := &bench{t: t, dir: d, seed: s, shell: &shell{}}
	b.ports = stage.Ports{Repo: repository{repo}, Sandbox: b.shell, Scratch: dir, Now: func() time.Time { at = at.Add(time.Millisecond); return at }}
	return b
}

func (b *bench) run() rundir.Stage {
	b.t.Helper()
	st, err := stage.Run(b.t.Context(), b.ports, b.seed, b.dir)
	must(b.t, err)
	b.dir.Run.Stages = append(b.dir.Run.Stages, st)
	return st
}

func (b *bench) checks() rundir.Checks {
	b.t.Helper()
	var c rundir.Checks
	if ok, err := b.dir.ReadJSON(rundir.ChecksFile, &c); !ok || err != nil {
		b.t.Fatalf("checks.json: %v %v", ok, err)
	}
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func wants(t *testing.T, st rundir.Stage, outcome rundir.Outcome, reason string, parts ...string) {
	t.Helper()
	if st.Outcome != outcome || st.Reason != reason {
		t.Fatalf("outcome %s/%s: %s, want %s/%s", st.Outcome, st.Reason, st.Message, outcome, reason)
	}
	for _, p := range parts {
		if !strings.Contains(st.Message+"\n"+st.Question, p) {
			t.Errorf("record lacks %q: %s / %s", p, st.Message, st.Question)
		}
	}
}

func with(path, text string) map[string]string {
	files := base()
	files[path] = text
	return files
}

func TestBothSides(t *testing.T) {
	bad := "echo 'not ok 1 - one'; echo 'ok 2 - two'; exit 1\n"
	both := "echo 'not ok 1 - one'; echo 'not ok 2 - two'; exit 1\n"
	for name, c := range map[string]struct {
		before, after map[string]string
		outcome       rundir.Outcome
		reason        string
		parts         []string
	}{
		"green":                    {base(), map[string]string{"data.txt": "b\n"}, rundir.Succeeded, "", []string{"2 of 2 tests green, 2 of 2 commands green"}},
		"the change breaks a test": {base(), map[string]string{"check.sh": bad}, rundir.ValidationBlocked, "red", []string{"the tests: one fails"}},
		"the change mends a test":  {with("check.sh", bad), map[string]string{"check.sh": "echo 'ok 1 - one'\n"}, rundir.Succeeded, "", nil},
		"red before and after":     {with("check.sh", bad), map[string]string{"data.txt": "b\n"}, rundir.NeedsHuman, "baseline_red", []string{"one fails", "Who puts that right first?"}},
		"red before, worse after":  {with("check.sh", bad), map[string]string{"check.sh": both}, rundir.ValidationBlocked, "red", []string{"the tests: two fails (others failed before)"}},
		"lint":                     {base(), map[string]string{"lint.sh": "echo long line; exit 3\n"}, rundir.ValidationBlocked, "red", []string{"sh lint.sh: exit code 3"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, tapSeed, c.before, c.after)
			wants(t, b.run(), c.outcome, c.reason, c.parts...)
			checks := b.checks()
			if checks.Where != "build" || len(checks.HeadTree) != 40 || len(checks.Commands) != 2 {
				t.Errorf("checks.json %+v", checks)
			}
			for _, c := range checks.Commands {
				if c.Base == nil || c.Head == nil {
					t.Errorf("%s was not measured at both sides", c.Command)
				}
			}
		})
	}
}

func TestSetupAloneHasNetwork(t *testing.T) {
	b := newBench(t, tapSeed, base(), map[string]string{"data.txt": "b\n"})
	wants(t, b.run(), rundir.Succeeded, "")
	for i, line := range b.shell.ran {
		if b.shell.network[i] != (line == "true") {
			t.Errorf("%q: network %v", line, b.shell.network[i])
		}
	}
	if len(b.dir.Run.Sandbox) != 1 {
		t.Errorf("layers %v, want those of the runner", b.dir.Run.Sandbox)
	}
}

func TestHangingTestIsAResult(t *testing.T) {
	b := newBench(t, tapSeed, base(), map[string]string{"check.sh": "echo 'ok 1 - one'; echo 'not ok 2 - two'; sleep 60\n"})
	b.seed.Commands.Test[0].Timeout = 300 * time.Millisecond
	wants(t, b.run(), rundir.ValidationBlocked, "red", "the tests: did not end within")
	head := b.checks().Commands[1].Head
	if !head.TimedOut || !slices.Equal(head.Failed, []string{"two"}) {
		t.Errorf("head %+v", head)
	}
}

func TestBaseIsMeasuredOnceInABuild(t *testing.T) {
	b := newBench(t, tapSeed, base(), map[string]string{"data.txt": "b\n"})
	wants(t, b.run(), rundir.Succeeded, "")
	once := len(b.shell.ran)
	wants(t, b.run(), rundir.Succeeded, "")
	if again := len(b.shell.ran) - once; again != once/2 {
		t.Errorf("first round ran %d commands, second %d, want half", once, again)
	}
	b.dir.Run.Job = "verify"
	before := len(b.shell.ran)
	wants(t, b.run(), rundir.Succeeded, "")
	if again := len(b.shell.ran) - before; again != once {
		t.Errorf("verify ran %d commands, want all %d: it believes nobody", again, once)
	}
	if where := b.checks().Where; where != "verify" {
		t.Errorf("where %q, want verify", where)
	}
}

func TestSameCommandOnSameTreeRunsOnce(t *testing.T) {
	twice := strings.Replace(tapSeed, `lint: ["sh lint.sh"]`, `lint: ["sh lint.sh", "sh lint.sh"]`, 1)
	b := newBench(t, twice, base(), map[string]string{"data.txt": "b\n"})
	wants(t, b.run(), rundir.Succeeded, "")
	n := 0
	for _, line := range b.shell.ran {
		if line == "sh lint.sh" {
			n++
		}
	}
	if n != 2 || len(b.checks().Commands) != 3 {
		t.Errorf("lint ran %d times, %d entries; want 2 and 3", n, len(b.checks().Commands))
	}
}

func TestSidesDoNotTouchEachOther(t *testing.T) {
	before := with("check.sh", "test ! -e left && touch left && echo 'ok 1 - alone'\n")
	b := newBench(t, tapSeed, before, map[string]string{"data.txt": "b\n"})
	wants(t, b.run(), rundir.Succeeded, "")
}

func TestServicesAreLeftToTheOwner(t *testing.T) {
	b := newBench(t, tapSeed+"  services: ci\n", base(), map[string]string{"check.sh": "exit 1\n"})
	wants(t, b.run(), rundir.Succeeded, "", "1 test command left to your own workflows: commands.services is ci")
}

func TestNothingToRun(t *testing.T) {
	bare := "version: 1\nproject: {name: plain, owners: [{handle: ana}]}\n"
	wants(t, newBench(t, bare, base(), map[string]string{"data.txt": "b\n"}).run(), rundir.NothingToDo, "no_command", "declares no command")
	wants(t, newBench(t, tapSeed, base(), nil).run(), rundir.NothingToDo, "no_change")
}

func TestEnvironment(t *testing.T) {
	b := newBench(t, tapSeed, base(), map[string]string{"data.txt": "b\n"})
	b.ports.Sandbox = nil
	wants(t, b.run(), rundir.Environment, "no_sandbox")
	b = newBench(t, tapSeed, base(), map[string]string{"data.txt": "b\n"})
	b.shell.fail = errors.New("no namespaces")
	wants(t, b.run(), rundir.Environment, "sandbox", "no namespaces")
	b = newBench(t, strings.Replace(tapSeed, `["true"]`, `["false"]`, 1), base(), map[string]string{"data.txt": "b\n"})
	wants(t, b.run(), rundir.Environment, "setup_failed", "at base")
	b = newBench(t, strings.Replace(tapSeed, `["true"]`, `["test -e data.txt"]`, 1), base(), map[string]string{"data.txt": "b\n"})
	wants(t, b.run(), rundir.Succeeded, "")
}

func TestBudget(t *testing.T) {
	b := newBench(t, tapSeed, base(), map[string]string{"data.txt": "b\n"})
	b.seed.Budgets.Task.Commands = 2
	wants(t, b.run(), rundir.BudgetExhausted, "commands")
	b = newBench(t, tapSeed, base(), map[string]string{"data.txt": "b\n"})
	b.seed.Budgets.Task.Minutes = 0
	wants(t, b.run(), rundir.BudgetExhausted, "minutes")
}

func TestPatchThatDoesNotFitIsAnError(t *testing.T) {
	b := newBench(t, tapSeed, base(), map[string]string{"data.txt": "b\n"})
	patch, err := b.dir.Read(rundir.PatchFile)
	must(t, err)
	must(t, b.dir.Write(rundir.PatchFile, []byte(strings.Replace(string(patch), "\n-a\n", "\n-z\n", 1))))
	st, err := stage.Run(t.Context(), b.ports, b.seed, b.dir)
	if !errors.Is(err, git.ErrDoesNotApply) || st.Outcome != rundir.Infrastructure || len(b.shell.ran) > 0 {
		t.Errorf("have %v, outcome %s after %d commands", err, st.Outcome, len(b.shell.ran))
	}
}
