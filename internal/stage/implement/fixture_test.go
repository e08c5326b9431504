package implement_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seedbed-dev/seedbed/internal/adapter/git"
	"github.com/seedbed-dev/seedbed/internal/change"
	"github.com/seedbed-dev/seedbed/internal/command"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/llm"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/seed"
	"github.com/seedbed-dev/seedbed/internal/stage/implement"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// repository is the stage's port over real git.
type repository struct{ *git.Repo }

var us = git.Identity{Name: "seedbed", Email: "seedbed@localhost"}

func (r repository) Commit(ctx context.Context, tree, parent, message string, at time.Time) (string, error) {
	return r.CommitTree(ctx, tree, []string{parent}, message, us, at)
}

func (r repository) Restore(ctx context.Context, base string, series []byte) (string, error) {
	steps, err := change.ParseSeries(series)
	if err != nil {
		return "", err
	}
	head, err := r.Resolve(ctx, base)
	for _, s := range steps {
		if err != nil {
			return "", err
		}
		var tree string
		if tree, err = r.ApplyPatch(ctx, head, s.Patch); err != nil {
			return "", err
		}
		message := strings.TrimRight(s.Subject+"\n\n"+s.Body, "\n") + "\n"
		head, err = r.CommitTree(ctx, tree, []string{head}, message, us, s.Time)
	}
	return head, err
}

// shell runs commands as they are, for fixtures that are our own.
type shell struct {
	ran  []string
	fail error
}

func (s *shell) Run(ctx context.Context, c command.Command) (command.Result, error) {
	s.ran = append(s.ran, c.Shell)
	if s.fail != nil {
		return command.Result{}, s.fail
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", c.Shell)
	cmd.Dir, cmd.Env = c.Dir, append(os.Environ(), "GOFLAGS=-mod=readonly", "GOPROXY=off", "GOWORK=off")
	cmd.WaitDelay = time.Second
	out := command.NewCapture(c.MaxOutput)
	stdout := command.NewCapture(c.MaxOutput)
	cmd.Stdout, cmd.Stderr = both{out, stdout}, out
	err := cmd.Run()
	res := command.Result{Output: out.Bytes(), Stdout: stdout.Bytes(), TimedOut: ctx.Err() != nil}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		res.Exit, err = exit.ExitCode(), nil
	}
	if res.TimedOut {
		res.Exit, err = 137, nil
	}
	return res, err
}

type both struct{ a, b *command.Capture }

func (w both) Write(p []byte) (int, error) {
	_, _ = w.a.Write(p)
	return w.b.Write(p)
}

// bench is one prepared run of the stage.
type bench struct {
	t     *testing.T
	repo  repository
	seed  *seed.Seed
	dir   *rundir.Dir
	ports implement.Ports
	shell *shell
}

const goodSeed = `version: 1
project: {name: tally, description: Counts words., owners: [{handle: ana}]}
commands:
  format: ["gofmt -w {files}"]
  test: ["go test ./..."]
automation_contract:
  ai_access: {write_paths: ["internal/**"]}
workers:
  tidy: {command: "gofmt -s -w ."}
`

var words = map[string]string{
	"go.mod":                   "module example.com/tally\n\ngo 1.24\n",
	"README.md":                "# tally\n\nCounts words.\n",
	".github/workflows/ci.yml": "on: push\n",
	"internal/count/count.go": `// Package count counts words.
package count

import "strings"

// Words counts the words of a text.
func Words(s string) int {
	return strings.Count(s, " ") + 1
}
`,
	"internal/count/count_test.go": `package count

import "testing"

func TestCountTwo(t *testing.T) {
	if have := Words("a b"); have != 2 {
		t.Errorf("have %d, want 2", have)
	}
}
`,
	"internal/report/report.go": "// Package report prints.\npackage report\n\n// Line is a line.\nfunc Line() string { return \"\" }\n",
}

func newBench(t *testing.T, files map[string]string, seedText string, model llm.Completer) *bench {
	t.Helper()
	dir := t.TempDir()
	source := filepath.Join(dir, "source")
	for name, text := range files {
		path := filepath.Join(source, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, []byte(text), 0o644))
	}
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "-A"}, {"-c", "user.name=ana", "-c", "user.email=ana@localhost", "commit", "-q", "-m", "start"}} {
		cmd := exec.Command("git", args...)
		cmd.Dir = source
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %v: %v\n%s", args, err, out)
		}
	}
	repo, err := git.InitFrom(t.Context(), filepath.Join(dir, "ours.git"), source)
	must(t, err)
	base, err := repo.Resolve(t.Context(), "HEAD")
	must(t, err)
	s, err := seed.Parse("seed.yaml", []byte(seedText))
	must(t, err)
	job := task.Task{Version: 1, Key: strings.Repeat("a", 64), Issue: 1, Type: "bug", Title: "Empty input counts as one word",
		Spec: task.Spec{Goal: "Words(\"\") is 0"}, Base: base}
	d, err := rundir.Create(filepath.Join(dir, "run"), rundir.Run{ID: 1, Job: "build",
		Base: rundir.Snapshot{Repository: "ana/tally", Branch: "main", Commit: base}, Event: forge.Event{}, Task: &job})
	must(t, err)
	b := &bench{t: t, repo: repository{repo}, seed: s, dir: d, shell: &shell{}}
	b.ports = implement.Ports{Model: model, Repo: b.repo, Sandbox: b.shell, Now: clock(), Scratch: dir}
	return b
}

// clock goes on a second each time it is asked.
func clock() func() time.Time {
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	return func() time.Time {
		at = at.Add(time.Second)
		return at
	}
}

// run runs the stage and records it as the command line does.
func (b *bench) run() rundir.Stage {
	b.t.Helper()
	st, err := implement.Run(b.t.Context(), b.ports, b.seed, b.dir)
	must(b.t, err)
	b.dir.Run.Stages = append(b.dir.Run.Stages, st)
	must(b.t, b.dir.Save())
	return st
}

func implementRun(ctx context.Context, b *bench) (rundir.Stage, error) {
	return implement.Run(ctx, b.ports, b.seed, b.dir)
}

// subjects are the commits of the change in the run directory, and its diff.
func (b *bench) subjects() (subjects []string, diff string) {
	b.t.Helper()
	patch, err := b.dir.Read(rundir.PatchFile)
	must(b.t, err)
	steps, err := change.ParseSeries(patch)
	must(b.t, err)
	for _, s := range steps {
		subjects = append(subjects, s.Subject)
	}
	head, err := b.repo.Restore(b.t.Context(), b.dir.Run.Base.Commit, patch)
	must(b.t, err)
	set, err := b.repo.Compare(b.t.Context(), b.dir.Run.Base.Commit, head)
	must(b.t, err)
	if len(steps) > 0 && b.dir.Run.HeadTree != set.Head.SHA {
		b.t.Errorf("run.json names tree %s, the series gives %s", b.dir.Run.HeadTree, set.Head.SHA)
	}
	return subjects, set.Unified()
}

// script answers each step of the implementer with its replies in turn and
// keeps the prompts. A call too many fails, as does a reply left over.
type script struct {
	t       *testing.T
	replies map[string][]string
	prompts []llm.Request
}

func newScript(t *testing.T, replies map[string][]string) *script {
	s := &script{t: t, replies: replies}
	t.Cleanup(func() {
		for step, left := range s.replies {
			if len(left) > 0 && !t.Failed() {
				t.Errorf("%d replies for %s were never asked for", len(left), step)
			}
		}
	})
	return s
}

func (s *script) Complete(_ context.Context, req llm.Request) (llm.Reply, error) {
	s.prompts = append(s.prompts, req)
	left := s.replies[req.Step]
	if len(left) == 0 {
		return llm.Reply{}, &llm.Error{Kind: llm.Unknown, Message: "unexpected call " + req.Role + "/" + req.Step}
	}
	s.replies[req.Step] = left[1:]
	return llm.Say(left[0])(req)
}

// last is the text of the newest prompt's last message.
func (s *script) last() string {
	m := s.prompts[len(s.prompts)-1].Messages
	return m[len(m)-1].Content
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func notes(st rundir.Stage) string {
	var lines []string
	for _, p := range st.Phases {
		lines = append(lines, p.Name+": "+p.Note)
	}
	return strings.Join(lines, "\n")
}
