package tally_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seedbed-dev/seedbed/examples/tally"
	"github.com/seedbed-dev/seedbed/internal/adapter/git"
	"github.com/seedbed-dev/seedbed/internal/adapter/github"
	"github.com/seedbed-dev/seedbed/internal/change"
	"github.com/seedbed-dev/seedbed/internal/command"
	"github.com/seedbed-dev/seedbed/internal/effect"
	"github.com/seedbed-dev/seedbed/internal/fakegithub"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/llm"
	"github.com/seedbed-dev/seedbed/internal/policy"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/secret"
	"github.com/seedbed-dev/seedbed/internal/seed"
	"github.com/seedbed-dev/seedbed/internal/stage/deploy"
	"github.com/seedbed-dev/seedbed/internal/stage/implement"
	"github.com/seedbed-dev/seedbed/internal/stage/plan"
	"github.com/seedbed-dev/seedbed/internal/stage/review"
	stage "github.com/seedbed-dev/seedbed/internal/stage/test"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// TestProject checks what the demo says of the project: its size, that its
// tests are green, and that the bug is there all the same.
func TestProject(t *testing.T) {
	files := tally.Files()
	if len(files) != 14 {
		t.Errorf("have %d files, want 14", len(files))
	}
	for name, data := range files {
		formatted, err := format.Source(data)
		if strings.HasSuffix(name, ".go") && (err != nil || !bytes.Equal(formatted, data)) {
			t.Errorf("%s: not as gofmt writes it (%v)", name, err)
		}
	}
	dir := unpack(t)
	run(t, dir, "go", "vet", "./...")
	if have := passing(run(t, dir, "go", "test", "-json", "./...")); have != 31 {
		t.Errorf("have %d green tests, want 31", have)
	}
	bug := "package count\n\nimport \"testing\"\n\nfunc TestBug(t *testing.T) {\n\tif Words(\"\") != 1 {\n\t\tt.Error(\"the bug is gone\")\n\t}\n}\n"
	must(t, os.WriteFile(filepath.Join(dir, "internal/count/bug_test.go"), []byte(bug), 0o600))
	run(t, dir, "go", "test", "-run", "TestBug", "./internal/count")
}

func passing(events []byte) (n int) {
	for line := range bytes.Lines(events) {
		var e struct{ Action, Test string }
		if json.Unmarshal(line, &e) == nil && e.Action == "pass" && e.Test != "" {
			n++
		}
	}
	return n
}

// TestSeed checks that nothing in the seed is without effect or in the way of a
// merge that nobody has to press a button for.
func TestSeed(t *testing.T) {
	s := theSeed(t)
	for _, u := range s.ReservedInUse() {
		if u.Limit {
			t.Errorf("%s: holds every change for a person", u)
		}
	}
	if n := bytes.Count(tally.Files()["seed.yaml"], []byte("\n")); n > 20 {
		t.Errorf("have %d lines, want at most 20", n)
	}
}

func TestRecordingsHoldNoSecret(t *testing.T) {
	for _, scene := range tally.Scenes() {
		if hits := secret.Scan(scene.Recording); len(hits) > 0 {
			t.Errorf("%s: %v", scene.Title, hits)
		}
	}
	for name, data := range tally.Files() {
		if hits := secret.Scan(data); len(hits) > 0 {
			t.Errorf("%s: %v", name, hits)
		}
	}
}

// TestSceneOne plays the recording through the real stages: a test that fails
// first, an edit that breaks two others, a repair, a finding, rework, and a
// change that the judge lets merge without a person.
func TestSceneOne(t *testing.T) {
	p := newPlay(t, 0)
	p.plan()
	p.stage("implement", rundir.Succeeded, p.implement)
	p.note("implement", "new test TestCountEmpty fails first, as it should")
	p.note("implement", "edit → 2 red → edit → 32 of 32 green")
	p.stage("test", rundir.Succeeded, p.test)
	p.stage("review", rundir.QualityRejected, p.review)
	p.stage("implement", rundir.Succeeded, p.implement)
	p.stage("test", rundir.Succeeded, p.test)
	p.stage("review", rundir.Succeeded, p.review)
	must(t, p.model.Unused())

	series := p.change()
	diff := series.Whole.Unified()
	for _, want := range []string{"-\treturn strings.Count(s, \" \") + 1\n+\treturn len(strings.Fields(s))\n", "+func TestCountEmpty("} {
		if !strings.Contains(diff, want) {
			t.Errorf("have %s\nwant %q in it", diff, want)
		}
	}
	approved, verdict := p.judge(series)
	if verdict.Decision != policy.Allowed || !approved.MayMerge(series.Whole.Base.Commit, series.Whole.Head.SHA) {
		t.Errorf("have %s, want it to merge alone\n%s", verdict.Decision, verdict.Text())
	}
}

// TestSceneTwo plays the overstepping model: the stage says so early and keeps
// the change, and the judge refuses it by every rule it breaks.
func TestSceneTwo(t *testing.T) {
	p := newPlay(t, 1)
	p.plan()
	p.stage("implement", rundir.QualityRejected, p.implement)
	must(t, p.model.Unused())
	series := p.change()
	_, verdict := p.judge(series)
	if verdict.Decision != policy.Reject {
		t.Errorf("have %s, want %s\n%s", verdict.Decision, policy.Reject, verdict.Text())
	}
	for rule, want := range map[string]string{"protected": ".github/workflows/ci.yml:", "budget": "limit 400"} {
		res, _ := verdict.Result(rule)
		if res.Outcome != policy.Fail || len(res.Findings) == 0 || !strings.Contains(res.Findings[0].String(), want) {
			t.Errorf("%s: have %+v, want %q", rule, res, want)
		}
	}
	if res, _ := verdict.Result("budget"); len(res.Findings) > 0 && !strings.HasPrefix(res.Findings[0].Hint, "internal/report alone is ") {
		t.Errorf("have hint %q, want one that names internal/report", res.Findings[0].Hint)
	}
	if t.Failed() || testing.Verbose() {
		t.Log(verdict.Text())
	}
}

// TestDeployScripts runs the scripts as the owner's server would see them.
func TestDeployScripts(t *testing.T) {
	dir, root := unpack(t), t.TempDir()
	script := func(name, env string) string {
		t.Helper()
		cmd := exec.Command("sh", "deploy/"+name)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "DEPLOY_ROOT="+root, env)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return string(out)
	}
	for _, step := range []struct{ script, env, want string }{
		{"release.sh", "SEEDBED_SHA=a1", `{"release": "a1", "url": "file://` + root + `/staging/current"}`},
		{"promote.sh", "SEEDBED_RELEASE=a1", `{"release": "a1", "url": "file://` + root + `/production/current"}`},
		{"release.sh", "SEEDBED_SHA=b2", `{"release": "b2", "url": "file://` + root + `/staging/current"}`},
	} {
		if have := script(step.script, step.env); strings.TrimSpace(have) != step.want {
			t.Errorf("%s: have %s, want %s", step.script, have, step.want)
		}
	}
	if _, err := os.Stat(filepath.Join(root, "production/current/healthz")); err != nil {
		t.Error(err)
	}
	if link, _ := os.Readlink(filepath.Join(root, "production/current")); link != "../releases/a1" {
		t.Errorf("have production at %s, want ../releases/a1", link)
	}
}

// TestDeploy brings the project out by the seed's own scripts and probes, and
// once more with a commit that does not build.
func TestDeploy(t *testing.T) {
	server, err := fakegithub.Open(fakegithub.Options{Root: t.TempDir()})
	must(t, err)
	t.Cleanup(func() { server.Close() })
	base, err := server.Start("127.0.0.1:0")
	must(t, err)
	must(t, server.AddUser(fakegithub.User{Login: "ana"}))
	must(t, server.AddRepository(fakegithub.Repository{Owner: "ana", Name: tally.Name, From: unpack(t)}))
	client := func(token fakegithub.Token) *github.Client {
		value, err := server.MintToken(token)
		must(t, err)
		c, err := github.New(github.Options{BaseURL: base, Token: value, Owner: "ana", Repo: tally.Name})
		must(t, err)
		return c
	}
	ana := client(fakegithub.Token{Kind: fakegithub.KindUser, Login: "ana"})
	robot := client(fakegithub.Token{Kind: fakegithub.KindActions, Repo: "ana/" + tally.Name})
	root, now := t.TempDir(), time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	out := func(file, content string) rundir.Stage {
		t.Helper()
		have, err := ana.File(t.Context(), file, "main")
		must(t, err)
		_, sha, err := ana.PutFile(t.Context(), file, "main", "a change", []byte(content), have.SHA)
		must(t, err)
		repo, err := git.Clone(t.Context(), git.Options{URL: base + "/ana/tally.git", Dir: filepath.Join(t.TempDir(), "clone.git"), Token: server.TokenNamed("ana")})
		must(t, err)
		must(t, repo.Fetch(t.Context(), "refs/heads/main"))
		rep, err := deploy.Run(t.Context(), deploy.Ports{Forge: robot, Deployments: robot, Repo: repository{repo}, Scripts: deploy.Shell{}, Probe: deploy.NewWeb(0),
			Clean: effect.NewCleaner(nil), Now: func() time.Time { return now }, Scratch: t.TempDir(), Environ: append(os.Environ(), "DEPLOY_ROOT="+root),
			Sleep: func(_ context.Context, d time.Duration) error { now = now.Add(d); return nil }}, theSeed(t), deploy.Input{SHA: sha})
		must(t, err)
		return rep.Record
	}
	if have := out("README.md", "one two\n"); have.Message != "staging 2/2 healthy → production 2/2 healthy" {
		t.Errorf("have %s: %s", have.Outcome, have.Message)
	}
	if have, _ := os.ReadFile(filepath.Join(root, "production/current/healthz")); string(have) != "2 words, 1 line, 8 bytes\n" {
		t.Errorf("have production answering %q", have)
	}
	if have := out("main.go", "package main\n"); have.Outcome != rundir.ValidationBlocked || !strings.Contains(have.Message, "deploy.staging.deploy `sh deploy/release.sh` ended with exit code 1") {
		t.Errorf("have %s: %s", have.Outcome, have.Message)
	}
}

// play is one scene on its way through the stages.
type play struct {
	t     *testing.T
	scene tally.Scene
	repo  repository
	dir   *rundir.Dir
	seed  *seed.Seed
	model *llm.Recorded
	tmp   string
	now   func() time.Time
}

func newPlay(t *testing.T, scene int) *play {
	source := unpack(t)
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "-A"},
		{"-c", "user.name=ana", "-c", "user.email=ana@localhost", "commit", "-q", "-m", "start"}} {
		run(t, source, "git", args...)
	}
	p := &play{t: t, scene: tally.Scenes()[scene], seed: theSeed(t), tmp: t.TempDir(), now: clock()}
	repo, err := git.InitFrom(t.Context(), filepath.Join(p.tmp, "ours.git"), source)
	must(t, err)
	p.repo = repository{repo}
	base, err := repo.Resolve(t.Context(), "HEAD")
	must(t, err)
	written, err := llm.ReadTranscript("scene", bytes.NewReader(p.scene.Recording))
	must(t, err)
	p.model, err = llm.NewRecorded("scene", written)
	must(t, err)
	p.dir, err = rundir.Create(filepath.Join(p.tmp, "run"), rundir.Run{ID: 1, Job: "quick",
		Base: rundir.Snapshot{Repository: "ana/tally", Branch: "main", Commit: base}})
	must(t, err)
	return p
}

func (p *play) plan() {
	spec := task.ParseSpec(p.scene.Title, p.scene.Body)
	p.stage("plan", rundir.Succeeded, func(ctx context.Context) (rundir.Stage, error) {
		return plan.Run(ctx, plan.Ports{Source: p.repo, Model: p.model, Now: p.now}, p.seed, p.dir,
			plan.Options{Spec: &spec, Title: p.scene.Title})
	})
}

func (p *play) implement(ctx context.Context) (rundir.Stage, error) {
	return implement.Run(ctx, implement.Ports{Model: p.model, Repo: p.repo, Sandbox: shell{}, Now: p.now, Scratch: p.tmp}, p.seed, p.dir)
}

func (p *play) test(ctx context.Context) (rundir.Stage, error) {
	return stage.Run(ctx, stage.Ports{Repo: p.repo, Sandbox: shell{}, Now: p.now, Scratch: p.tmp}, p.seed, p.dir)
}

func (p *play) review(ctx context.Context) (rundir.Stage, error) {
	return review.Run(ctx, review.Ports{Model: p.model, Repo: p.repo, Now: p.now}, p.seed, p.dir)
}

func (p *play) stage(name string, want rundir.Outcome, do func(context.Context) (rundir.Stage, error)) {
	p.t.Helper()
	rec, err := do(p.t.Context())
	must(p.t, err)
	p.dir.Run.Stages = append(p.dir.Run.Stages, rec)
	must(p.t, p.dir.Save())
	if rec.Outcome != want {
		p.t.Fatalf("%s: have %s (%s %s), want %s", name, rec.Outcome, rec.Reason, rec.Message, want)
	}
}

func (p *play) note(name, want string) {
	p.t.Helper()
	rec, _ := p.dir.Run.Last(name)
	if !slices.ContainsFunc(rec.Phases, func(x rundir.Phase) bool { return x.Note == want }) {
		p.t.Errorf("%s: have %+v, want %q", name, rec.Phases, want)
	}
}

func (p *play) change() change.Series {
	p.t.Helper()
	patch, err := p.dir.Read(rundir.PatchFile)
	must(p.t, err)
	head, err := p.repo.Restore(p.t.Context(), p.dir.Run.Base.Commit, patch)
	must(p.t, err)
	series, err := p.repo.Series(p.t.Context(), p.dir.Run.Base.Commit, head)
	must(p.t, err)
	return series
}

// judge judges as govern does, with facts as they are right after the push.
func (p *play) judge(series change.Series) (policy.Approved, policy.Verdict) {
	facts := policy.Facts{Version: policy.FactsVersion, Agent: true, Author: forge.User{ID: 9, Login: "seedbed", Bot: true},
		Viewer: forge.User{ID: 9, Login: "seedbed", Bot: true}, BaseBranch: "main", ChecksRead: true,
		Reported: []policy.Reported{{Command: "go test ./...", Base: "pass", Head: "pass", Passed: 32, Total: 32}}}
	if r := p.dir.Run.Review; r != nil {
		facts.Review = &policy.ReviewOpinion{Tree: r.Tree, Verdict: r.Verdict}
	}
	for _, c := range series.Commits {
		facts.Commits = append(facts.Commits, policy.CommitFact{SHA: c.SHA, Tree: c.Set.Head.SHA, Parents: c.Parents, Recorded: true})
		facts.HeadCommit = c.SHA
	}
	return policy.Judge(p.seed, series, facts)
}

// repository is the stages' port over real git.
type repository struct{ *git.Repo }

var us = git.Identity{Name: "seedbed", Email: "seedbed@localhost"}

func (r repository) Commit(ctx context.Context, tree, parent, message string, at time.Time) (string, error) {
	return r.CommitTree(ctx, tree, []string{parent}, message, us, at)
}

func (r repository) Restore(ctx context.Context, base string, series []byte) (string, error) {
	steps, err := change.ParseSeries(series)
	head := base
	for _, s := range steps {
		var tree string
		if tree, err = r.ApplyPatch(ctx, head, s.Patch); err != nil {
			return "", err
		}
		if head, err = r.CommitTree(ctx, tree, []string{head}, s.Subject+"\n", us, s.Time); err != nil {
			return "", err
		}
	}
	return head, err
}

func (r repository) Parents(ctx context.Context, sha string) ([]string, error) {
	info, err := r.CommitInfo(ctx, sha)
	return info.Parents, err
}

func (r repository) Paths(ctx context.Context, commit string) (paths []string, err error) {
	tree, err := r.Tree(ctx, commit)
	for _, e := range tree.Entries {
		paths = append(paths, e.Path)
	}
	return paths, err
}

func (r repository) Read(ctx context.Context, commit, path string) ([]byte, bool, error) {
	tree, err := r.Tree(ctx, commit)
	for _, e := range tree.Entries {
		if e.Path == path {
			data, err := r.Blob(ctx, e.SHA)
			return data, err == nil, err
		}
	}
	return nil, false, err
}

// shell runs the example's own commands as they are.
type shell struct{}

func (shell) Run(ctx context.Context, c command.Command) (command.Result, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	var all, stdout bytes.Buffer
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", c.Shell)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = c.Dir, append(os.Environ(), "GOWORK=off", "GOPROXY=off"), &stdout, &all
	err := cmd.Run()
	res := command.Result{Output: append(all.Bytes(), stdout.Bytes()...), Stdout: stdout.Bytes(), TimedOut: ctx.Err() != nil}
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		res.Exit, err = exit.ExitCode(), nil
	}
	return res, err
}

// clock goes on a second each time it is asked.
func clock() func() time.Time {
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	return func() time.Time {
		at = at.Add(time.Second)
		return at
	}
}

func theSeed(t *testing.T) *seed.Seed {
	t.Helper()
	s, err := seed.Parse("seed.yaml", tally.Files()["seed.yaml"])
	must(t, err)
	return s
}

// unpack writes the project into a folder of the test.
func unpack(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range tally.Files() {
		path := filepath.Join(dir, name)
		must(t, os.MkdirAll(filepath.Dir(path), 0o755))
		must(t, os.WriteFile(path, data, 0o644))
	}
	return dir
}

func run(t *testing.T, dir, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOPROXY=off", "GOFLAGS=-mod=mod")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
