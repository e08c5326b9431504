package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/seedbed-dev/seedbed/internal/adapter/git"
	"github.com/seedbed-dev/seedbed/internal/adapter/github"
	"github.com/seedbed-dev/seedbed/internal/adapter/runner"
	"github.com/seedbed-dev/seedbed/internal/adapter/sandbox"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/llm"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/secret"
	"github.com/seedbed-dev/seedbed/internal/seed"
)

// world is what surrounds the process, read once, and the adapters built from
// it when a command first needs them.
type world struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
	values         map[string]string // environment
	now            func() time.Time
	sleep          func(context.Context, time.Duration) error
	flags          common
	runner         *runner.Runner
	context        runner.Context
	scratch        string // private folder, removed at the end
	client         *github.Client
	local          *git.Repo // copy of the work tree's objects, once made
	closers        []func()
}

func newWorld(stdin io.Reader, stdout, stderr io.Writer, environ []string) *world {
	w := &world{stdin: stdin, stdout: stdout, stderr: stderr, environ: environ, values: map[string]string{}, now: time.Now, sleep: sleep}
	for _, pair := range environ {
		if name, value, ok := strings.Cut(pair, "="); ok {
			w.values[name] = value
		}
	}
	w.runner = runner.New(runner.Options{Env: w.env, Out: stdout, Stderr: stderr})
	return w
}

func (w *world) env(name string) string { return w.values[name] }

func (w *world) close() {
	for i := len(w.closers) - 1; i >= 0; i-- {
		w.closers[i]()
	}
	if w.scratch != "" {
		os.RemoveAll(w.scratch)
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// tell writes talk for people, apart from results.
func (w *world) tell(format string, args ...any) {
	fmt.Fprintf(w.stderr, "seedbed: "+format+"\n", args...)
}

// tempDir makes a folder inside the process's private one.
func (w *world) tempDir(name string) (string, error) {
	if w.scratch == "" {
		dir, err := os.MkdirTemp(w.env("RUNNER_TEMP"), "seedbed-")
		if err != nil {
			return "", fmt.Errorf("making a scratch folder: %w", err)
		}
		w.scratch = dir
	}
	dir := filepath.Join(w.scratch, name)
	return dir, os.MkdirAll(dir, 0o700)
}

// redactor knows every secret this process holds.
func (w *world) redactor() *secret.Redactor {
	var known []secret.Known
	for name, key := range map[string]string{"token": w.token(), "model_key": w.modelKey()} {
		if key != "" {
			known = append(known, secret.Known{Name: name, Value: key})
		}
	}
	return secret.NewRedactor(known...)
}

func (w *world) token() string    { return w.first("INPUT_TOKEN", "GITHUB_TOKEN", "GH_TOKEN") }
func (w *world) modelKey() string { return w.first("INPUT_MODEL_KEY", "OPENAI_API_KEY") }

func (w *world) first(names ...string) string {
	for _, n := range names {
		if v := w.env(n); v != "" {
			return v
		}
	}
	return ""
}

// repository is OWNER and NAME, from the flag, the runner or the remote origin
// of the work tree.
func (w *world) repository(ctx context.Context) (owner, name string, err error) {
	full := w.flags.repository
	if full == "" && w.context.Owner != "" {
		full = w.context.Owner + "/" + w.context.Repo
	}
	if full == "" {
		full = originOf(ctx, w.flags.repo)
	}
	owner, name, ok := strings.Cut(full, "/")
	if !ok || owner == "" || name == "" || strings.Contains(name, "/") {
		return "", "", usage("pass --repository OWNER/NAME, or run where git has a remote named origin", "which repository? found %q", full)
	}
	return owner, name, nil
}

func originOf(_ context.Context, dir string) string {
	data, err := os.ReadFile(filepath.Join(dir, ".git", "config"))
	if err != nil {
		return ""
	}
	_, rest, ok := strings.Cut(string(data), `[remote "origin"]`)
	if !ok {
		return ""
	}
	for _, line := range strings.Split(rest, "\n")[1:] {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			return ""
		}
		if value, ok := strings.CutPrefix(line, "url"); ok {
			return fullName(strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(value), "=")))
		}
	}
	return ""
}

func fullName(remote string) string {
	remote = strings.TrimSuffix(strings.ReplaceAll(remote, ":", "/"), ".git")
	parts := strings.Split(remote, "/")
	if len(parts) < 2 {
		return ""
	}
	return parts[len(parts)-2] + "/" + parts[len(parts)-1]
}

// forge builds the GitHub client. Mutations are paced by one a second, as
// GitHub asks; only a server on loopback may be spoken to faster.
// It is made once, so that whoever asks again shares its pace and what it has
// read.
func (w *world) forge(ctx context.Context) (*github.Client, error) {
	if w.client != nil {
		return w.client, nil
	}
	owner, name, err := w.repository(ctx)
	if err != nil {
		return nil, err
	}
	if w.token() == "" {
		return nil, &failure{outcome: rundir.Environment, err: errors.New("no token for GitHub"),
			hint: "set GITHUB_TOKEN; in Actions the input token has it by default"}
	}
	w.client, err = github.New(github.Options{BaseURL: w.apiURL(), GraphQLURL: w.flags.graphqlURL, Token: w.token(), Owner: owner, Repo: name,
		UserAgent: "seedbed/" + binaryVersion(), Pace: w.pace(), Sleep: w.sleep, Now: w.now})
	return w.client, err
}

func (w *world) apiURL() string {
	if w.flags.githubURL != "" {
		return w.flags.githubURL
	}
	if w.context.APIURL != "" {
		return w.context.APIURL
	}
	return "https://api.github.com"
}

func (w *world) serverURL() string {
	if u := w.env("GITHUB_SERVER_URL"); u != "" {
		return u
	}
	return "https://github.com"
}

// pace is the wait before each mutation.
func (w *world) pace() func(context.Context) error {
	if isLoopback(w.apiURL()) {
		return nil
	}
	return pacer(time.Second, w.now, w.sleep)
}

// pacer keeps mutations at least gap apart.
func pacer(gap time.Duration, now func() time.Time, wait func(context.Context, time.Duration) error) func(context.Context) error {
	var last time.Time
	return func(ctx context.Context) error {
		if since := now().Sub(last); !last.IsZero() && since < gap {
			if err := wait(ctx, gap-since); err != nil {
				return err
			}
		}
		last = now()
		return nil
	}
}

func isLoopback(raw string) bool {
	u, err := url.Parse(raw)
	if err != nil {
		return false
	}
	return github.Loopback(u.Hostname())
}

// localClone copies the work tree's objects into a fresh bare repository, whose
// configuration is ours.
func (w *world) localClone(ctx context.Context) (*git.Repo, error) {
	if w.local != nil {
		return w.local, nil
	}
	dir, err := w.tempDir("local.git")
	if err != nil {
		return nil, err
	}
	repo, err := git.InitFrom(ctx, dir, w.flags.repo)
	if err != nil {
		return nil, &failure{outcome: rundir.Infrastructure, err: err, hint: "run this inside a git repository, or pass --repo DIR"}
	}
	w.local = repo
	return repo, nil
}

// remoteClone is a fresh bare clone of the repository on the forge. It holds
// what is fetched into it and nothing else.
func (w *world) remoteClone(ctx context.Context) (*git.Repo, error) {
	owner, name, err := w.repository(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := w.tempDir("remote.git")
	if err != nil {
		return nil, err
	}
	address := strings.TrimSuffix(w.serverURL(), "/") + "/" + owner + "/" + name + ".git"
	repo, err := git.Clone(ctx, git.Options{URL: address, Token: w.token(), Dir: dir})
	if err != nil {
		return nil, &failure{outcome: rundir.Infrastructure, err: err, hint: "is it reachable, and has the job permission contents: read?"}
	}
	return repo, nil
}

// readSeed reads the contract as it is at a commit.
func readSeed(ctx context.Context, repo *git.Repo, commit string) (*seed.Seed, error) {
	data, found, err := repo.File(ctx, commit, "seed.yaml")
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, usage("run seedbed init", "no seed.yaml at %.8s", commit)
	}
	return seed.Parse("seed.yaml", data)
}

// sandboxFor builds the sandbox the seed asks for. A machine that has none is
// told as such by the stage, which gets nil. Jobs that must not trust one another
// keep apart what they build.
func (w *world) sandboxFor(s *seed.Seed, job string) (*sandbox.Sandbox, error) {
	mode := sandbox.Required
	if s.Sandbox == "none" {
		mode = sandbox.None
	}
	return sandbox.New(sandbox.Options{Mode: mode, HostEnv: w.environ, ScratchDir: w.env("RUNNER_TEMP"), CacheDir: w.cacheDir(job), ReadGoCache: true})
}

// cacheDir is where sandboxed builds keep what they may keep: never a cache
// that a trusted build reads. In Actions it lives and dies with the job.
func (w *world) cacheDir(job string) string {
	base := w.env("SEEDBED_CACHE")
	if base == "" {
		if dir := w.env("RUNNER_TEMP"); dir != "" {
			base = filepath.Join(dir, "seedbed-cache")
		} else if dir, err := os.UserCacheDir(); err == nil {
			base = filepath.Join(dir, "seedbed", "sandbox")
		}
	}
	if base == "" {
		return ""
	}
	return filepath.Join(base, orDefault(job, "quick"))
}

// event reads what started this run.
func (w *world) event() (forge.Event, error) {
	return runner.ReadEvent(w.eventEnv, runner.ReadFile)
}

func (w *world) eventEnv(name string) string {
	switch {
	case name == "GITHUB_EVENT_NAME" && w.flags.eventName != "":
		return w.flags.eventName
	case name == "GITHUB_EVENT_PATH" && w.flags.event != "":
		return w.flags.event
	}
	return w.env(name)
}

// classify gives the outcome an error means, and a hint.
func classify(err error) (rundir.Outcome, string) {
	var f *failure
	var bad seed.Errors
	var event *runner.EventError
	var call *llm.Error
	var answer *forge.Error
	switch {
	case errors.As(err, &f):
		return f.outcome, f.hint
	case errors.As(err, &bad):
		return rundir.Usage, bad.Hint()
	case errors.As(err, &event):
		return rundir.Usage, "the event file is written by the runner; run again, or pass --event FILE"
	case errors.Is(err, sandbox.ErrUnavailable):
		return rundir.Environment, "run seedbed doctor for what is missing, or set sandbox: none in seed.yaml"
	case errors.As(err, &call):
		return rundir.Infrastructure, call.Next()
	case errors.As(err, &answer):
		return forgeOutcome(answer)
	case errors.Is(err, rundir.ErrDigest):
		return rundir.ValidationBlocked, "the run directory was changed after it was written: start the run again"
	case errors.Is(err, context.Canceled):
		return rundir.Infrastructure, "it was interrupted; run it again"
	}
	return rundir.Infrastructure, ""
}

func forgeOutcome(e *forge.Error) (rundir.Outcome, string) {
	switch {
	case errors.Is(e, forge.ErrUnauthorized):
		return rundir.Environment, "the token is not accepted: check that it has not expired"
	case errors.Is(e, forge.ErrForbidden):
		if e.Needs != "" {
			return rundir.Environment, "give the job permission " + e.Needs
		}
		return rundir.Environment, "give the job the permissions that seedbed doctor --permissions lists"
	case errors.Is(e, forge.ErrRateLimited):
		return rundir.Infrastructure, "run again later: what was done is found and not repeated"
	case errors.Is(e, forge.ErrNotFound):
		return rundir.Infrastructure, "does it exist, and may the token see it?"
	}
	return rundir.Infrastructure, "run again: what was done is found and not repeated"
}
