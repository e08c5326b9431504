// Package cycletest runs whole growth cycles with the real binary on the fake
// GitHub and breaks them on purpose: the process is killed at each of its
// requests, answers are refused, cut and lost, two cycles work on one issue,
// the job is cancelled. Then the cycle is run again, as a person or the next
// schedule would, until it ends.
//
// What is compared is what people find in the end: it must be that of a cycle
// which nothing went wrong in, but for times, run links and attempts.
//
// By default a part of the points is tried; SEEDBED_ALL_FAULTS=1 tries all. The
// package holds tests only.
package cycletest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/seedbed-dev/seedbed/internal/adapter/github"
	"github.com/seedbed-dev/seedbed/internal/fakegithub"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/stage/govern"
)

var binary string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "seedbed-cycletest-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binary = filepath.Join(dir, "seedbed")
	build := exec.Command("go", "build", "-o", binary, "github.com/seedbed-dev/seedbed/cmd/seedbed")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building the binary: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// allFaults says whether every point is tried.
func allFaults() bool { return os.Getenv("SEEDBED_ALL_FAULTS") == "1" }

// permissions are the rows of the trust table that a cycle uses.
var permissions = map[string]map[string]string{
	"accept": {"contents": "write", "issues": "write", "pull_requests": "read", "actions": "read"},
	"build":  {"contents": "read", "issues": "read", "pull_requests": "read", "actions": "read"},
	"verify": {"contents": "read", "actions": "read"},
	"decide": {"contents": "write", "issues": "write", "pull_requests": "write", "checks": "write", "actions": "write", "statuses": "read"},
}

const (
	repoName = "ana/notes"
	seedText = `version: 1
project: {name: notes, description: "a few notes", owners: [{handle: ana}]}
mode: auto
phase: 4
commands: {test: ["sh check.sh"]}
automation_contract:
  ai_access: {write_paths: ["notes/**"]}
  merge_policy: {allow_auto_merge: true}
growth: {preapproved_modules: ["notes/**"]}
workers:
  fmt: {command: "sh -c 'sed s/teh/the/ notes/a.txt >notes/b.txt && mv notes/b.txt notes/a.txt'"}
deploy: {provider: none}
`
)

var project = map[string]string{"seed.yaml": seedText, "notes/a.txt": "teh first line\nanother line\n",
	"check.sh": "test -s notes/a.txt && echo ok\n", "README.md": "# notes\n"}

// world is one repository, reached by the test directly and by the jobs through
// a listener that can break what it is told to.
type world struct {
	*testing.T
	server *fakegithub.Server
	ana    *github.Client
	dir    string
	gate   *gate
	issue  int
	env    []string          // more for every job
	model  map[string]string // more for jobs with a model
	ahead  atomic.Int64      // how far the server's clock is ahead, in seconds
	talkMu sync.Mutex
	talk   bytes.Buffer // what jobs said
}

// gate stands between the jobs and the server. It counts requests and can kill
// the job that sends the n-th.
type gate struct {
	server  *fakegithub.Server
	address string

	mu       sync.Mutex
	requests []string // method and path
	killAt   int      // 0: never
	after    bool     // the request is handled first
	signal   syscall.Signal
	job      *exec.Cmd
	killed   bool
}

func (g *gate) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	g.requests = append(g.requests, r.Method+" "+r.URL.Path)
	hit := g.killAt != 0 && len(g.requests) == g.killAt
	if hit {
		g.killAt, g.killed = 0, true
	}
	job := g.job
	g.mu.Unlock()
	if !hit {
		g.server.ServeHTTP(w, r)
		return
	}
	if g.after {
		g.server.ServeHTTP(httptest.NewRecorder(), r)
	}
	syscall.Kill(-job.Process.Pid, g.signal)
	if g.signal == syscall.SIGKILL {
		panic(http.ErrAbortHandler)
	}
	if !g.after {
		g.server.ServeHTTP(w, r)
		return
	}
	panic(http.ErrAbortHandler)
}

// breakAt arms the gate anew; requests are counted from here.
func (g *gate) breakAt(n int, after bool, signal syscall.Signal) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.requests, g.killAt, g.after, g.signal, g.killed = nil, n, after, signal, false
}

func (g *gate) seen() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]string(nil), g.requests...)
}

func (g *gate) hasKilled() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.killed
}

// newWorld begins with one labelled issue and nothing done.
func newWorld(t *testing.T, files map[string]string, title string, labels ...string) *world {
	t.Helper()
	w := &world{T: t, dir: t.TempDir()}
	var err error
	w.server, err = fakegithub.Open(fakegithub.Options{Root: filepath.Join(w.dir, "hub"), Now: func() time.Time {
		return time.Now().Add(time.Duration(w.ahead.Load()) * time.Second)
	}})
	w.ok(err)
	t.Cleanup(func() { w.server.Close() })
	address, err := w.server.Start("127.0.0.1:0")
	w.ok(err)
	w.gate = &gate{server: w.server}
	w.ok(w.gate.listen(t))
	from := filepath.Join(w.dir, "project")
	for name, text := range files {
		w.ok(os.MkdirAll(filepath.Dir(filepath.Join(from, name)), 0o755))
		w.ok(os.WriteFile(filepath.Join(from, name), []byte(text), 0o644))
	}
	w.ok(w.server.AddRepository(fakegithub.Repository{Owner: "ana", Name: "notes", DefaultBranch: "main", From: from}))
	token, err := w.server.MintToken(fakegithub.Token{Name: "ana", Kind: fakegithub.KindUser, Login: "ana"})
	w.ok(err)
	w.ana, err = github.New(github.Options{BaseURL: address, Token: token, Owner: "ana", Repo: "notes"})
	w.ok(err)
	issue, err := w.ana.CreateIssue(t.Context(), title, "Please.\n", nil)
	w.ok(err)
	w.issue = issue.Number
	w.ok(w.ana.AddLabels(t.Context(), w.issue, append([]string{"ai-task"}, labels...)...))
	return w
}

// newNotes is the cheap repository: text files, a command worker, no model.
func newNotes(t *testing.T) *world {
	return newWorld(t, project, "Typing error in the notes", "worker:fmt")
}

func (g *gate) listen(t *testing.T) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	g.address = "http://" + ln.Addr().String()
	srv := &http.Server{Handler: g}
	go srv.Serve(ln)
	t.Cleanup(func() { srv.Close() })
	return nil
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatalf("%v\n%s", err, w.talk.String())
	}
}

// run is one workflow run with its attempts.
type run struct {
	*world
	id       int64
	attempt  int
	artifact string // folder of what jobs uploaded
	event    string
	head     string
	accepted []string // keys of accepted tasks
	outcomes []string // job: exit code
}

func (w *world) newRun() *run {
	w.Helper()
	main, err := w.ana.Ref(w.Context(), "refs/heads/main")
	w.ok(err)
	id, err := w.server.SetRun(repoName, fakegithub.Run{Path: ".github/workflows/cycle.yml", Name: "seedbed", Event: "schedule", Status: "in_progress", HeadSHA: main.SHA})
	w.ok(err)
	r := &run{world: w, id: id, attempt: 1, head: main.SHA, artifact: filepath.Join(w.dir, "runs", fmt.Sprint(id))}
	w.ok(os.MkdirAll(r.artifact, 0o755))
	r.event = filepath.Join(r.artifact, "event.json")
	w.ok(os.WriteFile(r.event, []byte(`{"schedule":"0 * * * *"}`), 0o600))
	return r
}

// end marks the run as completed.
func (r *run) end(conclusion string) {
	r.Helper()
	_, err := r.server.SetRun(repoName, fakegithub.Run{ID: r.id, Path: ".github/workflows/cycle.yml", Name: "seedbed", Event: "schedule",
		Status: "completed", Conclusion: conclusion, HeadSHA: r.head})
	r.ok(err)
}

// step starts the binary as a job would and waits for its end. killed says that
// the gate killed it.
func (r *run) step(job string, model bool, in map[string]string, args ...string) (code int, out []byte) {
	r.Helper()
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = r.artifact
	cmd.Env = r.environment(job, model, in)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	r.gate.mu.Lock()
	err := cmd.Start()
	r.gate.job = cmd
	r.gate.mu.Unlock()
	r.ok(err)
	err = cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		r.Fatalf("running %v: %v", args, err)
	}
	code = cmd.ProcessState.ExitCode()
	r.talkMu.Lock()
	defer r.talkMu.Unlock()
	fmt.Fprintf(&r.talk, "--- run %d.%d %s %v: exit %d\n%s%s", r.id, r.attempt, job, args, code, stderr.String(), messages(stdout.String()))
	r.outcomes = append(r.outcomes, fmt.Sprintf("%s %d", job, code))
	return code, stdout.Bytes()
}

// messages keeps of a JSON report what a person would read.
func messages(out string) string {
	var b strings.Builder
	for _, line := range strings.Split(out, "\n") {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, `"message"`) || strings.HasPrefix(line, `"outcome"`) || !strings.HasPrefix(line, `"`) && len(line) > 3 {
			b.WriteString("  " + line + "\n")
		}
	}
	return b.String()
}

func (r *run) environment(job string, model bool, in map[string]string) []string {
	r.Helper()
	token, err := r.server.MintToken(fakegithub.Token{Name: "job-" + job, Kind: fakegithub.KindActions, Repo: repoName, Permissions: permissions[job]})
	r.ok(err)
	env := []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "TMPDIR=" + os.Getenv("TMPDIR"), "GOFLAGS=" + os.Getenv("GOFLAGS"),
		"GITHUB_ACTIONS=false", "GITHUB_API_URL=" + r.gate.address, "GITHUB_SERVER_URL=" + r.gate.address, "GITHUB_GRAPHQL_URL=" + r.gate.address + "/graphql",
		"GITHUB_REPOSITORY=" + repoName, fmt.Sprint("GITHUB_RUN_ID=", r.id), fmt.Sprint("GITHUB_RUN_ATTEMPT=", r.attempt), "GITHUB_EVENT_NAME=schedule",
		"GITHUB_EVENT_PATH=" + r.event, "GITHUB_TOKEN=" + token, "INPUT_FORMAT=json"}
	for name, value := range in {
		env = append(env, "INPUT_"+name+"="+value)
	}
	if model {
		for name, value := range r.model {
			env = append(env, name+"="+value)
		}
	}
	return append(env, r.env...)
}

// workspace is a folder of a fresh runner.
func (r *run) workspace(name string) string {
	return filepath.Join(r.artifact, fmt.Sprintf("%s-%d", name, r.attempt))
}

// died is why a job did not come to its end.
type died struct {
	job  string
	code int
}

func (d *died) Error() string { return fmt.Sprintf("%s ended with exit code %d", d.job, d.code) }

// cannot says that a job could not finish: the jobs after it are not started.
func cannot(job string, code int) error {
	if code == 2 || code == 3 || code < 0 {
		return &died{job, code}
	}
	return nil
}

// accept selects and claims.
func (r *run) accept() error {
	if err := r.choose(); err != nil {
		return err
	}
	return r.claim()
}

func (r *run) choose() error {
	code, _ := r.step("accept", false, map[string]string{"RUN_DIR": r.workspace("accept")}, "plan", "--select")
	return cannot("accept", code)
}

func (r *run) claim() error {
	dir := r.workspace("accept")
	in := map[string]string{"RUN_DIR": dir, "EXPECT": "accept"}
	code, out := r.step("accept", false, in, "govern")
	if err := cannot("accept", code); err != nil {
		return err
	}
	var rep govern.Report
	r.ok(json.Unmarshal(out, &rep))
	r.accepted = nil
	for _, t := range rep.Accepted {
		r.accepted = append(r.accepted, t.Key8())
	}
	if len(r.accepted) > 0 {
		r.keep(dir, "accept")
	}
	return nil
}

// keep uploads a folder; fetch downloads it to a fresh one.
func (r *run) keep(from, name string) {
	r.Helper()
	r.ok(os.RemoveAll(filepath.Join(r.artifact, "kept", name)))
	r.ok(os.CopyFS(filepath.Join(r.artifact, "kept", name), os.DirFS(from)))
}

func (r *run) fetch(name, to string) string {
	r.Helper()
	r.ok(os.CopyFS(to, os.DirFS(filepath.Join(r.artifact, "kept", name))))
	return to
}

func (r *run) clone(name string) string {
	r.Helper()
	to := r.workspace("clone-" + name)
	out, err := exec.Command("git", "clone", "-q", filepath.Join(r.dir, "hub", "ana", "notes.git"), to).CombinedOutput()
	if err != nil {
		r.Fatalf("cloning: %v\n%s", err, out)
	}
	return to
}

// transcripts lists those of earlier attempts at a task, of any run, as the
// workflow downloads them.
func (r *run) transcripts(key string) string {
	files, err := filepath.Glob(filepath.Join(r.dir, "runs", "*", "build-"+key+"-*", rundir.TranscriptFile))
	r.ok(err)
	return strings.Join(files, ",")
}

func (r *run) build(key string) error {
	dir := r.workspace("build-" + key)
	in := map[string]string{"RUN_DIR": dir, "TASK": key, "ACCEPTED": r.fetch("accept", r.workspace("accepted")), "REPO": r.clone("build")}
	if old := r.transcripts(key); old != "" {
		in["REPLAY"] = old
	}
	code, _ := r.step("build", true, in, "run", "plan", "implement", "test", "review")
	if err := cannot("build", code); err != nil {
		return err
	}
	r.keep(dir, "build-"+key)
	return nil
}

func (r *run) verify(key string) error {
	dir := r.workspace("verify-" + key)
	in := map[string]string{"RUN_DIR": dir, "FROM": r.fetch("build-"+key, r.workspace("built")), "REPO": r.clone("verify"),
		"ACCEPTED": r.fetch("accept", r.workspace("accepted-verify")), "TASK": key}
	code, _ := r.step("verify", false, in, "test")
	if err := cannot("verify", code); err != nil {
		return err
	}
	r.keep(dir, "verify-"+key)
	return nil
}

func (r *run) decide() error {
	handed, verified := r.workspace("handed"), r.workspace("verified")
	for _, key := range r.accepted {
		r.fetch("build-"+key, filepath.Join(handed, "build-"+key))
		r.fetch("verify-"+key, filepath.Join(verified, "verify-"+key))
	}
	code, _ := r.step("decide", false, map[string]string{"RUN_DIR": handed, "EXPECT": "build", "VERIFY": verified}, "govern")
	return cannot("decide", code)
}

// jobs runs the jobs from one on, in the order of the workflow, and gives the
// one that died.
func (r *run) jobs(from string) (string, error) {
	r.Helper()
	list := []struct {
		name string
		do   func() error
	}{
		{"accept", r.accept},
		{"build", func() error { return r.each(r.build) }},
		{"verify", func() error { return r.each(r.verify) }},
		{"decide", r.decide},
	}
	begun := false
	for _, j := range list {
		begun = begun || j.name == from
		if !begun {
			continue
		}
		if err := j.do(); err != nil {
			return j.name, err
		}
	}
	return "", nil
}

func (r *run) each(do func(string) error) error {
	for _, key := range r.accepted {
		if err := do(key); err != nil {
			return err
		}
	}
	return nil
}

// untilDone goes on after a break until nothing is left to do. rerun: the job
// that died is run again, as "Re-run failed jobs" does; otherwise the next
// schedule starts a new run.
func (w *world) untilDone(r *run, from string, rerun bool) {
	w.Helper()
	for range 5 {
		if rerun && from != "" {
			r.attempt++
		} else {
			r.end("failure")
			r, from = w.newRun(), "accept"
		}
		next, err := r.jobs(from)
		if from = next; err == nil {
			if w.merged() || !rerun && w.waits() {
				r.end("success")
				return
			}
		}
	}
	w.Fatalf("not done after five more tries:\n%s\n%s", w.state(), w.talk.String())
}

// waits says whether everything is in place and a person is asked: what another
// run measured is no proof to the one that goes on, so that an unattended merge
// that was cut short becomes one that somebody approves.
func (w *world) waits() bool {
	w.Helper()
	i, err := w.ana.Issue(w.Context(), w.issue)
	w.ok(err)
	leases, err := w.ana.RefsUnder(w.Context(), "refs/seedbed/")
	w.ok(err)
	pulls, err := w.ana.OpenPulls(w.Context())
	w.ok(err)
	return i.HasLabel("seed:in-review") && !i.HasLabel("seed:working") && len(leases) == 0 && len(pulls) == 1
}

func (w *world) merged() bool {
	w.Helper()
	i, err := w.ana.Issue(w.Context(), w.issue)
	w.ok(err)
	leases, err := w.ana.RefsUnder(w.Context(), "refs/seedbed/")
	w.ok(err)
	return i.State == "closed" && len(leases) == 0
}
