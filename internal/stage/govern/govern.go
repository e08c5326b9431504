// Package govern is the one stage that writes: it judges what the others
// propose and applies what the judge permits.
//
// It talks to no model, runs no code of the repository, checks nothing out and
// trusts nothing it is handed. A change is applied to the tree of its base in a
// fresh bare clone, judged by the seed of that base, published through the
// forge's data interface, compared with what the forge then holds, and merged
// only at exactly the judged head. Who approved what is asked of the forge each
// time; labels, bodies and artifacts are hints.
//
// One run handles whatever it is given: proposals of plan (claims), a finished
// run directory (a change), or nothing, in which case it looks at every open
// pull request of ours once more. Every path can be run again: what is done is
// found, what is missing is completed.
package govern

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/seedbed-dev/seedbed/internal/change"
	"github.com/seedbed-dev/seedbed/internal/effect"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/policy"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/seed"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// Forge is what govern reads. Implementation: adapter/github; in tests the same
// adapter on internal/fakegithub.
type Forge interface {
	Repository(ctx context.Context) (forge.Repository, error)
	Viewer(ctx context.Context) (forge.User, error)
	Permission(ctx context.Context, login string) (forge.Permission, error)
	Issue(ctx context.Context, number int) (forge.Issue, error)
	IssuesWithLabel(ctx context.Context, label string) ([]forge.Issue, error)
	Timeline(ctx context.Context, number int) ([]forge.TimelineEvent, error)
	Edits(ctx context.Context, number int) (forge.Edits, error)
	Pull(ctx context.Context, number int) (forge.Pull, error)
	PullsByHead(ctx context.Context, branch string) ([]forge.Pull, error)
	OpenPulls(ctx context.Context) ([]forge.Pull, error)
	Reviews(ctx context.Context, number int) ([]forge.Review, error)
	Checks(ctx context.Context, sha string) ([]forge.Check, error)
	Ref(ctx context.Context, name string) (forge.Ref, error)
	RefsUnder(ctx context.Context, prefix string) ([]forge.Ref, error)
	Commit(ctx context.Context, sha string) (forge.Commit, error)
	File(ctx context.Context, path, ref string) (forge.File, error)
	WorkflowRun(ctx context.Context, id int64) (forge.Run, error)
}

// Clone is a fresh bare clone in which nothing is ever checked out or executed.
// Implementation: adapter/git, wrapped by the command.
type Clone interface {
	// Fetch makes the commits behind these full reference names available.
	Fetch(ctx context.Context, refs ...string) error
	// File gives a file of a commit and whether it is there.
	File(ctx context.Context, commit, path string) ([]byte, bool, error)
	// Apply applies a mailbox series to a commit's tree, each step in turn.
	Apply(ctx context.Context, base string, patch []byte) (change.Series, error)
	// Series gives the commits from base (exclusive) to head with their trees.
	Series(ctx context.Context, base, head string) (change.Series, error)
	// MergeBase gives the newest common ancestor.
	MergeBase(ctx context.Context, a, b string) (string, error)
	// Resolve gives the commit that a full reference name was fetched at. What
	// was not fetched is an error.
	Resolve(ctx context.Context, ref string) (string, error)
	// Changed lists the paths that differ between two commits.
	Changed(ctx context.Context, from, to string) ([]string, error)
}

// Ports is everything this stage may use.
type Ports struct {
	Forge   Forge
	Effects effect.Ports
	Clone   Clone
	Clean   effect.Cleaner
	Now     func() time.Time
	Kill    func() string        // value of the kill switch, read again before each batch
	Observe func(effect.Result)  // told of each effect as it happens; may be nil
	DryRun  func(effect.Effect)  // when set, effects are shown to it and not applied
	Judged  func(policy.Verdict) // told of each verdict; may be nil
}

// Input is what a run of govern is given.
type Input struct {
	Dirs     []*rundir.Dir // handed over by the jobs of Expect; may be empty
	Expect   []string      // jobs whose directories are handled here: quick, accept, build, review, deploy
	Verified []*rundir.Dir // of verify jobs, which hold no model key and start from a fresh clone
	Event    forge.Event
	Run      rundir.Run // this very job: id, attempt, link, base
	Binary   string     // version
	Deploy   string     // workflow file that is dispatched after a merge, or empty
	Dispose  bool       // false: only judge and say so, as for a person's pull request
}

// TaskReport is what became of one task.
type TaskReport struct {
	Issue   int             `json:"issue"`
	Pull    int             `json:"pull,omitempty"`
	URL     string          `json:"url,omitempty"`
	Title   string          `json:"title"`
	Outcome rundir.Outcome  `json:"outcome"`
	State   string          `json:"state"` // accepted | opened | merged | refused | waiting | taken | released
	Message string          `json:"message"`
	Merge   string          `json:"merge,omitempty"`
	Verdict *policy.Verdict `json:"verdict,omitempty"`
	task    task.Task
}

// Report is what a run of govern did.
type Report struct {
	Outcome  rundir.Outcome  `json:"outcome"`
	Message  string          `json:"message"`
	Tasks    []TaskReport    `json:"tasks,omitempty"`
	Effects  []effect.Result `json:"effects,omitempty"`
	Accepted []task.Task     `json:"accepted,omitempty"` // tasks whose lease this run holds
}

// governor carries what every path of one run needs.
type governor struct {
	Ports
	in     Input
	repo   forge.Repository
	viewer forge.User
	pulls  []forge.Pull                // the open ones, while no merge of ours changed them; nil: not read
	trees  map[string]string           // commit -> tree
	perms  map[string]forge.Permission // login -> permission
	done   []effect.Result
	// what the log and this run have used of limits that go over several tasks
	hour, perHour int64
	files, lines  int64
	watched       int // see watch
	triggers      []string
}

// Run does whatever there is to do and reports it. The error is for what no
// outcome describes: the forge or git could not be read.
func Run(ctx context.Context, p Ports, in Input) (Report, error) {
	g := &governor{Ports: p, in: in, trees: map[string]string{}, perms: map[string]forge.Permission{}}
	var err error
	if g.repo, err = p.Forge.Repository(ctx); err != nil {
		return Report{}, fmt.Errorf("reading the repository: %w", err)
	}
	if g.viewer, err = p.Forge.Viewer(ctx); err != nil {
		return Report{}, fmt.Errorf("asking who we are: %w", err)
	}
	tasks, err := g.route(ctx)
	rep := Report{Tasks: tasks, Effects: g.done}
	for _, t := range tasks {
		if t.State == "accepted" {
			rep.Accepted = append(rep.Accepted, t.task)
		}
	}
	rep.Outcome, rep.Message = g.outcome(tasks)
	return rep, err
}

func (g *governor) route(ctx context.Context) ([]TaskReport, error) {
	if n := g.in.Event.Pull; n != 0 && !g.in.Dispose {
		t, err := g.judgePerson(ctx, n)
		return []TaskReport{t}, err
	}
	if len(g.in.Dirs) > 0 {
		return g.handed(ctx)
	}
	return g.sweep(ctx)
}

// handed goes through the run directories: claims first, then changes. What a
// directory says it is never chooses how far it is believed: the workflow says
// which jobs it expects here, and hands over measurements apart.
func (g *governor) handed(ctx context.Context) ([]TaskReport, error) {
	var reports []TaskReport
	verify := map[string]*rundir.Dir{}
	for _, d := range newest(g.in.Verified) {
		if d.Run.Job == "verify" && d.Run.Task != nil {
			verify[d.Run.Task.Key] = d
		}
	}
	for _, d := range newest(g.in.Dirs) {
		if !slices.Contains(g.in.Expect, d.Run.Job) {
			reports = append(reports, TaskReport{State: "refused", Outcome: rundir.ValidationBlocked,
				Message: fmt.Sprintf("a run directory says it is of job %q, expected was %s [integrity]", d.Run.Job, strings.Join(g.in.Expect, " or "))})
			continue
		}
		done, err := g.oneDir(ctx, d, verify)
		reports = append(reports, done...)
		if fatal(err) || err != nil && len(g.in.Dirs) == 1 {
			return reports, err
		}
		if err != nil {
			reports = append(reports, failedAlone(TaskReport{}, d.Run.Job, err))
		}
	}
	return reports, nil
}

func (g *governor) oneDir(ctx context.Context, d *rundir.Dir, verify map[string]*rundir.Dir) ([]TaskReport, error) {
	switch d.Run.Job {
	case "review":
		return g.opinion(ctx, d)
	case "deploy":
		return g.record(ctx, d)
	}
	claims, err := g.claims(ctx, d)
	if err != nil || d.Run.Job == "accept" {
		return claims, err
	}
	if d.Run.Task == nil {
		return append(claims, g.idle(d)...), nil
	}
	for _, c := range claims {
		if c.Issue == d.Run.Task.Issue && c.State == "taken" {
			return claims, nil
		}
	}
	t, err := g.decide(ctx, d, verify[d.Run.Task.Key])
	return []TaskReport{t}, err
}

// idle reports a run that ended before it had a task.
func (g *governor) idle(d *rundir.Dir) []TaskReport {
	if rec, ok := d.Run.Last("plan"); ok && rec.Outcome != rundir.Succeeded {
		return []TaskReport{{Outcome: rec.Outcome, State: "waiting", Message: rec.Message}}
	}
	return nil
}

// newest keeps, of run directories of the same job and task, the last attempt.
func newest(dirs []*rundir.Dir) []*rundir.Dir {
	key := func(d *rundir.Dir) string {
		if d.Run.Task == nil {
			return d.Run.Job
		}
		return d.Run.Job + d.Run.Task.Key
	}
	best := map[string]*rundir.Dir{}
	for _, d := range dirs {
		if have := best[key(d)]; have == nil || d.Run.Attempt > have.Run.Attempt {
			best[key(d)] = d
		}
	}
	var kept []*rundir.Dir
	for _, d := range dirs {
		if best[key(d)] == d {
			kept = append(kept, d)
		}
	}
	return kept
}

// apply applies effects under what the judge permits, or shows them.
func (g *governor) apply(ctx context.Context, approved policy.Approved, list []effect.Effect) ([]effect.Result, error) {
	if g.DryRun != nil {
		for _, e := range effect.InOrder(list) {
			g.DryRun(e)
		}
		return nil, nil
	}
	a := &effect.Applier{Ports: g.Effects, Approved: approved, Viewer: g.viewer, Clean: g.Clean, Now: g.Now,
		Left: g.left(), Stop: g.stop, Observe: g.Observe}
	results, err := a.Apply(ctx, list)
	g.done = append(g.done, results...)
	return results, err
}

// left is how many effects may still be made: the seed's number for an hour,
// less what the log says was done in the last one and what this run has done.
// Before a seed was read the default stands.
func (g *governor) left() int64 {
	limit := g.perHour
	if limit == 0 {
		limit = 120
	}
	for _, r := range g.done {
		if r.State == effect.Done {
			limit--
		}
	}
	return limit - g.hour
}

var (
	errKilled = errors.New("the kill switch is set")
	errHeld   = errors.New("a person stopped it")
)

// stop is asked right before a batch and again before each publishing effect.
// The issue is read anew: whoever takes the label off, closes it or holds it has
// stopped what is under way.
func (g *governor) stop(ctx context.Context) error {
	if g.Kill != nil && task.Killed(g.Kill()) {
		return errKilled
	}
	if g.watched == 0 {
		return nil
	}
	issue, err := g.Forge.Issue(ctx, g.watched)
	if err != nil {
		return fmt.Errorf("reading issue #%d: %w", g.watched, err)
	}
	switch {
	case issue.State != "open":
		return fmt.Errorf("#%d is closed: %w", g.watched, errHeld)
	case issue.HasLabel(task.PauseLabel):
		return fmt.Errorf("#%d carries %s: %w", g.watched, task.PauseLabel, errHeld)
	case !slices.ContainsFunc(g.triggers, issue.HasLabel):
		return fmt.Errorf("#%d no longer carries %s: %w", g.watched, strings.Join(g.triggers, " or "), errHeld)
	}
	return nil
}

// watch names the issue whose people may stop what is done next; 0 is nobody's.
func (g *governor) watch(issue int, s *seed.Seed) {
	g.watched, g.triggers = issue, s.AutomationContract.TaskLabels.Triggers
}

// seedAt reads and parses the contract as it is at a commit.
func (g *governor) seedAt(ctx context.Context, commit string) (*seed.Seed, error) {
	data, found, err := g.Clone.File(ctx, commit, "seed.yaml")
	if err != nil {
		return nil, fmt.Errorf("reading seed.yaml at %s: %w", short(commit), err)
	}
	if !found {
		return nil, fmt.Errorf("no seed.yaml at %s", short(commit))
	}
	return seed.Parse("seed.yaml", data)
}

func short(sha string) string {
	if len(sha) > 8 {
		return sha[:8]
	}
	return sha
}

// outcome folds the tasks into one: the gravest first, since a run that did
// one thing and failed at another has failed at it.
func (g *governor) outcome(tasks []TaskReport) (rundir.Outcome, string) {
	worst, message := rundir.NothingToDo, "nothing to do"
	for _, t := range tasks {
		if grave(t.Outcome) > grave(worst) {
			worst, message = t.Outcome, t.Message
		}
	}
	return worst, message
}

func grave(o rundir.Outcome) int {
	switch o {
	case rundir.NothingToDo:
		return 0
	case rundir.Succeeded, rundir.Advisory:
		return 1
	case rundir.NeedsApproval, rundir.Pending:
		return 2
	case rundir.NoChange, rundir.BudgetExhausted:
		return 3
	case rundir.NeedsHuman:
		return 4
	case rundir.QualityRejected, rundir.ValidationBlocked:
		return 5
	}
	return 6
}
