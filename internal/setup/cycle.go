// Package setup holds what a person does around the cycle: try it (demo,
// rehearse), put Seedbed into a repository (init), see what is missing (doctor).
//
// It is one of the two places where stages and adapters meet. The cycle it runs
// is the one of the shipped workflows: each job is processes of this very
// binary, with the permissions, secrets and hand-over of its row in the trust
// table, and nothing else.
package setup

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/seedbed-dev/seedbed/internal/fakegithub"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/stage/govern"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// Permissions are what each job's token may do: the rows of the trust table.
// A test compares them with the shipped workflows.
var Permissions = map[string]map[string]string{
	"accept": {"contents": "write", "issues": "write", "pull_requests": "read", "actions": "read"},
	"build":  {"contents": "read", "issues": "read", "pull_requests": "read", "actions": "read"},
	"verify": {"contents": "read", "actions": "read"},
	"decide": {"contents": "write", "issues": "write", "pull_requests": "write", "checks": "write", "actions": "write", "statuses": "read"},
	"deploy": {"contents": "read", "issues": "read", "pull_requests": "read", "deployments": "write"},
	"record": {"contents": "write", "issues": "write", "deployments": "read"},
}

// world is a fake GitHub with one repository, and what is needed to run jobs
// against it.
type world struct {
	server  *fakegithub.Server
	address string
	dir     string // everything is below it
	repo    string // OWNER/NAME
	branch  string // its default branch
	binary  string
	env     []string // of the person, without secrets of a forge
	now     func() time.Time
	modelIn map[string]string // inputs and secrets that only jobs with a model get
}

// cycle is one run of the workflow.
type cycle struct {
	*world
	id    int64
	dir   string
	event string // event file
	name  string // of the event
	sha   string // head it began at
}

// newCycle registers a workflow run and makes its folder.
func (w *world) newCycle(name, event, sha string) (*cycle, error) {
	id, err := w.server.SetRun(w.repo, fakegithub.Run{Path: ".github/workflows/cycle.yml", Name: "seedbed", Event: name, Status: "in_progress", HeadSHA: sha})
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(w.dir, "runs", fmt.Sprint(id))
	return &cycle{world: w, id: id, dir: dir, event: event, name: name, sha: sha}, os.MkdirAll(dir, 0o755)
}

// end marks the workflow run as completed.
func (c *cycle) end() error {
	_, err := c.server.SetRun(c.repo, fakegithub.Run{ID: c.id, Path: ".github/workflows/cycle.yml", Name: "seedbed", Event: c.name,
		Status: "completed", Conclusion: "success", HeadSHA: c.sha})
	return err
}

// job says how one process is started.
type job struct {
	name    string // row of Permissions
	args    []string
	inputs  map[string]string
	model   bool
	workdir string
}

// run starts a step and gives its exit code and what it printed.
func (c *cycle) run(ctx context.Context, j job) (int, []byte, error) {
	token, err := c.server.MintToken(fakegithub.Token{Name: "job-" + j.name, Kind: fakegithub.KindActions, Repo: c.repo, Permissions: Permissions[j.name]})
	if err != nil {
		return 0, nil, err
	}
	cmd := exec.CommandContext(ctx, c.binary, j.args...)
	cmd.Env = c.environment(j, token)
	cmd.Dir = orElse(j.workdir, c.dir)
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return 0, nil, fmt.Errorf("starting %s: %w", strings.Join(j.args, " "), err)
	}
	code := cmd.ProcessState.ExitCode()
	if code == 2 || code == 3 && !told(j) {
		return code, out.Bytes(), fmt.Errorf("%s ended with exit code %d: %s", strings.Join(j.args, " "), code, strings.TrimSpace(talk.String()+out.String()))
	}
	return code, out.Bytes(), nil
}

// told says whether a job that could not finish left the reason in its run
// directory, as govern will read it: that is an end like any other.
func told(j job) bool {
	d, err := rundir.Open(j.inputs["RUN_DIR"])
	if err != nil || len(d.Run.Stages) == 0 {
		return false
	}
	return d.Run.Stages[len(d.Run.Stages)-1].Outcome.ExitCode() == 3
}

func (c *cycle) environment(j job, token string) []string {
	vars := map[string]string{
		"GITHUB_ACTIONS": "false", "GITHUB_API_URL": c.address, "GITHUB_SERVER_URL": c.address, "GITHUB_GRAPHQL_URL": c.address + "/graphql",
		"GITHUB_REPOSITORY": c.repo, "GITHUB_RUN_ID": fmt.Sprint(c.id), "GITHUB_RUN_ATTEMPT": "1", "GITHUB_EVENT_NAME": c.name,
		"GITHUB_EVENT_PATH": c.event, "GITHUB_TOKEN": token, "INPUT_FORMAT": "json",
	}
	for name, value := range j.inputs {
		vars["INPUT_"+name] = value
	}
	if j.model {
		for name, value := range c.modelIn {
			vars[name] = value
		}
	}
	env := append([]string(nil), c.env...)
	for name, value := range vars {
		env = append(env, name+"="+value)
	}
	return env
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// accept selects and claims, and gives the tasks whose lease the run holds.
func (c *cycle) accept(ctx context.Context) (rundir.Run, govern.Report, error) {
	dir := filepath.Join(c.dir, "accept")
	in := map[string]string{"RUN_DIR": dir}
	if _, _, err := c.run(ctx, job{name: "accept", args: []string{"plan", "--select"}, inputs: in}); err != nil {
		return rundir.Run{}, govern.Report{}, err
	}
	rep, err := c.govern(ctx, "accept", dir, map[string]string{"EXPECT": "accept"})
	if err != nil {
		return rundir.Run{}, rep, err
	}
	d, err := rundir.Open(dir)
	if err != nil {
		return rundir.Run{}, rep, err
	}
	return d.Run, rep, nil
}

// govern runs the one step that writes.
func (c *cycle) govern(ctx context.Context, row, dir string, more map[string]string) (govern.Report, error) {
	in := map[string]string{"RUN_DIR": dir}
	for k, v := range more {
		in[k] = v
	}
	_, out, err := c.run(ctx, job{name: row, args: []string{"govern"}, inputs: in})
	var rep govern.Report
	if readErr := json.Unmarshal(out, &rep); readErr != nil || rep.Outcome == "" {
		return rep, errors.Join(err, readErr)
	}
	return rep, nil // whatever its exit code, it told what it did
}

// build works on one accepted task in a clone of the repository, as a build job
// does: plan its steps, then implement, test and review until clean.
func (c *cycle) build(ctx context.Context, t task.Task, clone string) (*rundir.Dir, error) {
	dir := filepath.Join(c.dir, "handed", "build-"+t.Key8())
	in := map[string]string{"RUN_DIR": dir, "TASK": t.Key8(), "ACCEPTED": filepath.Join(c.dir, "accept"), "REPO": clone}
	if _, _, err := c.run(ctx, job{name: "build", args: []string{"run", "plan", "implement", "test", "review"}, inputs: in, model: true}); err != nil {
		return nil, err
	}
	return rundir.Open(dir)
}

// verify measures the change anew in a fresh clone, without a model key.
func (c *cycle) verify(ctx context.Context, t task.Task, clone string) (*rundir.Dir, error) {
	dir := filepath.Join(c.dir, "verified", "verify-"+t.Key8())
	in := map[string]string{"RUN_DIR": dir, "FROM": filepath.Join(c.dir, "handed", "build-"+t.Key8()), "REPO": clone,
		"ACCEPTED": filepath.Join(c.dir, "accept"), "TASK": t.Key8()}
	if _, _, err := c.run(ctx, job{name: "verify", args: []string{"test"}, inputs: in}); err != nil {
		return nil, err
	}
	return rundir.Open(dir)
}

// decide publishes, judges and, where nobody has to be asked, merges.
func (c *cycle) decide(ctx context.Context) (govern.Report, error) {
	return c.govern(ctx, "decide", filepath.Join(c.dir, "handed"), map[string]string{"EXPECT": "build", "DEPLOY_WORKFLOW": "deploy.yml",
		"VERIFY": filepath.Join(c.dir, "verified")})
}

// events gives the newest event file of a kind, as act and the jobs read it.
func (w *world) newestEvent(kind forge.EventKind) (string, error) {
	names, err := filepath.Glob(filepath.Join(w.dir, "events", "*"+string(kind)+"*.json"))
	if err != nil || len(names) == 0 {
		return "", fmt.Errorf("no %s event was recorded", kind)
	}
	return names[len(names)-1], nil
}
