package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/seedbed-dev/seedbed/internal/adapter/git"
	"github.com/seedbed-dev/seedbed/internal/adapter/github"
	"github.com/seedbed-dev/seedbed/internal/fakegithub"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/stage/govern"
)

// RehearseOptions says what is rehearsed on which repository.
type RehearseOptions struct {
	Repo    string   // work tree whose committed branches are copied
	Branch  string   // default branch of the copy; empty: the one checked out
	Title   string   // of the issue
	Body    string   // of the issue
	Labels  []string // besides the trigger, such as worker:fmt
	Trigger string   // the trigger label
	Approve bool     // a second person approves what needs approval, and the sweep goes on
	Dir     string   // kept when given
	Again   bool     // another cycle on a kept Dir: the queue as the last one left it
	Binary  string
	Env     []string
	Model   map[string]string // what jobs with a model get: key, endpoint, name
	Out     io.Writer
	Now     func() time.Time
}

// Rehearse copies a repository to a fake GitHub and runs one growth cycle on
// the copy. Nothing outside the folder is touched; a model is asked only when
// the person's own environment names one.
func Rehearse(ctx context.Context, o RehearseOptions) (rundir.Outcome, error) {
	r, done, err := openRehearsal(ctx, o)
	if err != nil {
		return rundir.Infrastructure, err
	}
	defer done()
	r.say("seedbed rehearse · a copy of %s on a fake GitHub at %s", r.repo, strings.TrimPrefix(r.address, "http://"))
	if !o.Again {
		if err := r.file(ctx); err != nil {
			return rundir.Infrastructure, err
		}
	}
	outcome, err := r.cycle(ctx)
	if err != nil {
		return rundir.Infrastructure, err
	}
	if outcome == rundir.NeedsApproval && o.Approve {
		outcome, err = r.approve(ctx)
	}
	return outcome, errors.Join(err, r.finish())
}

type rehearsal struct {
	play
	o    RehearseOptions
	pull int
}

func openRehearsal(ctx context.Context, o RehearseOptions) (*rehearsal, func(), error) {
	dir, err := rehearsalDir(o.Dir)
	if err != nil {
		return nil, nil, err
	}
	w, stop, err := startWorld(dir, o.Binary, o.Env, o.Now)
	if err != nil {
		return nil, nil, err
	}
	w.modelIn = o.Model
	r := &rehearsal{play: play{world: w, out: o.Out}, o: o}
	done := func() {
		stop()
		if o.Dir == "" {
			os.RemoveAll(dir)
		}
	}
	if err := r.populate(ctx); err != nil {
		done()
		return nil, nil, err
	}
	return r, done, nil
}

func rehearsalDir(dir string) (string, error) {
	if dir == "" {
		return os.MkdirTemp("", "seedbed-rehearse-")
	}
	return filepath.Abs(dir)
}

// populate copies the committed state of the repository. The owner of the copy
// is "you"; "reviewer" may write and approve.
func (r *rehearsal) populate(ctx context.Context) error {
	r.branch = r.o.Branch
	if r.branch == "" {
		var err error
		if r.branch, err = checkedOut(r.o.Repo); err != nil {
			return err
		}
	}
	name := safeName(filepath.Base(r.o.Repo))
	r.repo = "you/" + name
	if err := r.server.AddRepository(fakegithub.Repository{Owner: "you", Name: name, DefaultBranch: r.branch, From: r.o.Repo}); err != nil {
		return err
	}
	if err := r.server.AddUser(fakegithub.User{Login: "reviewer"}); err != nil {
		return err
	}
	if err := r.server.SetPermission(r.repo, "reviewer", "write"); err != nil {
		return err
	}
	var err error
	r.person, err = r.as("you")
	return err
}

// as gives a client that acts as a person.
func (r *rehearsal) as(login string) (*github.Client, error) {
	token, err := r.server.MintToken(fakegithub.Token{Name: login, Kind: fakegithub.KindUser, Login: login})
	if err != nil {
		return nil, err
	}
	owner, name, _ := strings.Cut(r.repo, "/")
	return github.New(github.Options{BaseURL: r.address, Token: token, Owner: owner, Repo: name, UserAgent: login, Now: r.now})
}

func checkedOut(dir string) (string, error) {
	if _, err := git.Open(dir); err != nil {
		return "", err
	}
	data, err := os.ReadFile(filepath.Join(dir, ".git", "HEAD"))
	if err != nil {
		return "", fmt.Errorf("reading which branch is checked out: %w", err)
	}
	branch, ok := strings.CutPrefix(strings.TrimSpace(string(data)), "ref: refs/heads/")
	if !ok {
		return "", errors.New("no branch is checked out; pass --branch")
	}
	return branch, nil
}

func safeName(s string) string {
	name := strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '-'
	}, s)
	return strings.Trim(name, "-") + "-copy"
}

func (r *rehearsal) file(ctx context.Context) error {
	issue, err := r.person.CreateIssue(ctx, r.o.Title, r.o.Body, nil)
	if err != nil {
		return err
	}
	if err := r.person.AddLabels(ctx, issue.Number, append(r.o.Labels, r.o.Trigger)...); err != nil {
		return err
	}
	r.say("\n#%d %q, labelled %s by you", issue.Number, issue.Title, r.o.Trigger)
	return nil
}

// cycle runs the jobs of one workflow run.
func (r *rehearsal) cycle(ctx context.Context) (rundir.Outcome, error) {
	c, err := r.labelled(ctx)
	if err != nil {
		return "", err
	}
	run, rep, err := c.accept(ctx)
	if err != nil {
		return "", err
	}
	if rec, ok := run.Last("plan"); ok {
		r.step("plan", time.Duration(rec.Millis)*time.Millisecond, "%s", plainly(rec))
	}
	if len(rep.Accepted) == 0 {
		r.step("govern", 0, "%s", strings.ReplaceAll(string(rep.Outcome), "_", " "))
		return rep.Outcome, c.end()
	}
	if err := r.buildScene(ctx, c, rep.Accepted[0]); err != nil {
		return "", err
	}
	rep, err = c.decide(ctx)
	if err != nil {
		return "", err
	}
	for _, t := range rep.Tasks {
		r.tell(t)
	}
	return rep.Outcome, c.end()
}

func plainly(rec rundir.Stage) string {
	if rec.Outcome == rundir.Succeeded {
		return rec.Message
	}
	return strings.ReplaceAll(string(rec.Outcome), "_", " ") + ": " + rec.Message
}

func (r *rehearsal) tell(t govern.TaskReport) {
	r.step("govern", 0, "%s", t.Message)
	if t.State == "refused" {
		r.refusal(t.Verdict)
	}
	if t.Pull != 0 {
		r.pull = t.Pull
	}
}

// approve lets the reviewer approve the head, and runs the sweep that the
// review event would start.
func (r *rehearsal) approve(ctx context.Context) (rundir.Outcome, error) {
	reviewer, err := r.as("reviewer")
	if err != nil {
		return "", err
	}
	pull, err := reviewer.Pull(ctx, r.pull)
	if err != nil {
		return "", err
	}
	if _, err := reviewer.CreateReview(ctx, r.pull, pull.Head.SHA, "APPROVE", "", nil); err != nil {
		return "", err
	}
	r.step("reviewer", 0, "approves pull request #%d", r.pull)
	event, err := r.newestEvent("pull_request_review")
	if err != nil {
		return "", err
	}
	c, err := r.newCycle("pull_request_review", event, pull.Head.SHA)
	if err != nil {
		return "", err
	}
	rep, err := c.govern(ctx, "decide", filepath.Join(c.dir, "none"), nil)
	if err != nil {
		return "", err
	}
	for _, t := range rep.Tasks {
		r.tell(t)
	}
	return rep.Outcome, c.end()
}

func (r *rehearsal) finish() error {
	calls, mutations, err := r.calls()
	if err != nil {
		return err
	}
	r.say("\n%d GitHub calls, %d of them writes; on GitHub they take at least %d s at one write a second", calls, mutations, mutations)
	if r.o.Dir != "" {
		r.say("Kept in %s: %s.git, requests.jsonl, runs/", r.o.Dir, r.repo)
	}
	r.say("Nothing outside that folder was touched.")
	return nil
}
