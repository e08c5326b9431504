package govern

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/budget"
	"github.com/seedbed-dev/seedbed/internal/change"
	"github.com/seedbed-dev/seedbed/internal/effect"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/journal"
	"github.com/seedbed-dev/seedbed/internal/policy"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/seed"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// made is a change as it was handed over, with everything that is known of it.
type made struct {
	dir    *rundir.Dir
	task   task.Task
	seed   *seed.Seed
	series change.Series
	checks *rundir.Checks // of verify when there was one, else of build
	proven bool           // checks come from verify
	facts  policy.Facts
}

// decide judges a change that build jobs made, publishes it if it may be, and
// goes on to merge it if that is allowed too.
func (g *governor) decide(ctx context.Context, d *rundir.Dir, verify *rundir.Dir) (TaskReport, error) {
	t := *d.Run.Task
	rep := TaskReport{Issue: t.Issue, Title: t.Title, task: t}
	m, err := g.take(ctx, d, verify)
	if err != nil {
		return rep, err
	}
	if why, err := g.unauthorised(ctx, m.seed, &m.task); err != nil || why != "" {
		rep.Outcome, rep.State, rep.Message = rundir.NeedsApproval, "waiting", why
		return rep, errors.Join(err, g.release(ctx, t))
	}
	if why, err := g.leaseLost(ctx, t); err != nil || why != "" {
		rep.Outcome, rep.State, rep.Message = rundir.NothingToDo, "taken", why
		return rep, err
	}
	end, ended := ending(d)
	if ended && !m.judgeable(end) {
		return g.stopped(ctx, m, rep, end)
	}
	approved, verdict := policy.Judge(m.seed, m.series, m.facts)
	g.tell(verdict)
	rep.Verdict = &verdict
	if err := keep(d, m.facts, verdict); err != nil {
		return rep, err
	}
	if !approved.MayPublish(m.series.Whole.Head.SHA) {
		return g.refuse(ctx, m, verdict, rep)
	}
	if ended {
		return g.stopped(ctx, m, rep, end)
	}
	if m.seed.Mode == "advise" {
		rep.Outcome, rep.State, rep.Message = rundir.Succeeded, "advised", "mode: advise writes nothing; the patch is in the run"
		return rep, g.release(ctx, t)
	}
	return g.publish(ctx, m, approved, verdict, rep)
}

func (g *governor) tell(v policy.Verdict) {
	if g.Judged != nil {
		g.Judged(v)
	}
}

// take applies what was handed over to the base in the fresh clone and gathers
// the facts. Nothing of the run directory is believed but the patch, and that
// only because it is judged as what it does to the tree. The limits are those
// of the default branch as it is now, whatever base a run directory names.
func (g *governor) take(ctx context.Context, d, verify *rundir.Dir) (*made, error) {
	m := &made{dir: d, task: *d.Run.Task}
	var err error
	if m.seed, err = g.limitsFor(ctx, m.task); err != nil {
		return nil, err
	}
	patch, err := d.Read(rundir.PatchFile)
	if err != nil || len(patch) == 0 {
		return m, err
	}
	if m.series, err = g.Clone.Apply(ctx, m.task.Base, patch); err != nil {
		return nil, fmt.Errorf("applying the change to %s: %w", short(m.task.Base), err)
	}
	if m.checks, m.proven, err = checksOf(d, verify, m.series.Whole.Head.SHA); err != nil {
		return nil, err
	}
	m.facts, err = g.facts(ctx, m.seed, m.series, subject{agent: true, issue: m.task.Issue, risk: m.task.Spec.Risk, run: d.Run,
		checks: m.checks, proven: m.proven})
	return m, err
}

// limitsFor reads the contract at the head of the default branch, and makes
// sure that the task began somewhere on that branch.
func (g *governor) limitsFor(ctx context.Context, t task.Task) (*seed.Seed, error) {
	if !t.WellFormed() {
		return nil, fmt.Errorf("the run directory's task is not one that plan made: %w", rundir.ErrDigest)
	}
	if err := g.Clone.Fetch(ctx, "refs/heads/"+g.repo.DefaultBranch); err != nil {
		return nil, fmt.Errorf("fetching %s: %w", g.repo.DefaultBranch, err)
	}
	onto, err := g.headOf(ctx, g.repo.DefaultBranch)
	if err != nil {
		return nil, err
	}
	base, err := g.Clone.MergeBase(ctx, onto, t.Base)
	if err != nil || base != t.Base {
		return nil, errors.Join(fmt.Errorf("base %s is not on %s", short(t.Base), g.repo.DefaultBranch), err)
	}
	return g.seedAt(ctx, onto)
}

// checksOf gives what was measured of exactly this tree, by verify if it can be,
// and whether it was.
func checksOf(d, verify *rundir.Dir, tree string) (*rundir.Checks, bool, error) {
	for _, from := range []*rundir.Dir{verify, d} {
		if from == nil {
			continue
		}
		var c rundir.Checks
		found, err := from.ReadJSON(rundir.ChecksFile, &c)
		if err != nil {
			return nil, false, err
		}
		if found && c.HeadTree == tree {
			return &c, from == verify, nil
		}
	}
	return nil, false, nil
}

// ending says whether the stages before ended in something else than a change
// to be judged, and which record tells it.
func ending(d *rundir.Dir) (rundir.Stage, bool) {
	for _, name := range []string{"plan", "implement", "test", "review"} {
		rec, ok := d.Run.Last(name)
		if !ok || rec.Outcome == rundir.Succeeded || name == "test" && rec.Outcome == rundir.NothingToDo {
			continue // no command to run is no end: what was not measured asks a person
		}
		return rec, true
	}
	if _, has := d.Run.Files[rundir.PatchFile]; !has {
		return rundir.Stage{Stage: "implement", Outcome: rundir.NoChange, Message: "no change was made"}, true
	}
	return rundir.Stage{}, false
}

// judgeable says whether a run that ended badly left a change that the judge
// can tell people more about: one that broke a limit, rather than one that is
// unfinished.
func (m *made) judgeable(end rundir.Stage) bool {
	return len(m.series.Commits) > 0 && end.Outcome == rundir.QualityRejected
}

// leaseLost says whether the claim on the issue is somebody else's by now. In
// the quick start the claim is made right here.
func (g *governor) leaseLost(ctx context.Context, t task.Task) (string, error) {
	if g.DryRun != nil {
		return "", nil
	}
	have, err := effect.ReadLease(ctx, g.Effects.Refs, g.Effects.Files, t.Issue)
	if errors.Is(err, forge.ErrNotFound) {
		return fmt.Sprintf("#%d is no longer claimed by this run", t.Issue), nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the lease of #%d: %w", t.Issue, err)
	}
	if have.Run != g.in.Run.ID || have.Task != t.Key {
		return fmt.Sprintf("#%d is taken by run %d for task %.8s", t.Issue, have.Run, have.Task), nil
	}
	return "", nil
}

// stopped ends a task that made no judgeable change: one comment, one label,
// one log entry, the lease given back.
func (g *governor) stopped(ctx context.Context, m *made, rep TaskReport, rec rundir.Stage) (TaskReport, error) {
	rep.Outcome, rep.State, rep.Message = rec.Outcome, "stopped", rec.Message
	body := stoppedText(rec, g.in.Run, m.tokens(), m.seed)
	effects := []effect.Effect{
		g.label(m.task.Issue, task.NeedsYou),
		effect.New(effect.Govern, effect.StickyKey(m.task.Issue), string(rec.Outcome), effect.PutComment{Issue: m.task.Issue, Body: body}),
	}
	if _, err := g.apply(ctx, policy.Approved{}, effects); err != nil {
		return rep, err
	}
	line := m.line(string(rec.Outcome), "")
	return rep, g.finish(ctx, m.seed, m.task, fmt.Sprintf("%s %d-%s run %d", rec.Outcome, m.task.Issue, m.task.Key8(), g.in.Run.ID), line)
}

// refuse says no on the issue: every rule at once, and what to do about each.
func (g *governor) refuse(ctx context.Context, m *made, v policy.Verdict, rep TaskReport) (TaskReport, error) {
	rep.Outcome, rep.State = refusalOutcome(v), "refused"
	rep.Message = fmt.Sprintf("%s, nothing pushed · #%d needs you", strings.ToUpper(verb(v)), m.task.Issue)
	effects := []effect.Effect{
		g.label(m.task.Issue, task.NeedsYou),
		effect.New(effect.Govern, effect.StickyKey(m.task.Issue), "refused", effect.PutComment{Issue: m.task.Issue,
			Body: refusalText(v, g.in.Run, m.tokens(), m.seed)}),
	}
	if _, err := g.apply(ctx, policy.Approved{}, effects); err != nil {
		return rep, err
	}
	line := m.line("refused", string(v.Decision))
	line.Rules = failedRules(v)
	return rep, g.finish(ctx, m.seed, m.task, fmt.Sprintf("refused %d-%s run %d", m.task.Issue, m.task.Key8(), g.in.Run.ID), line)
}

func refusalOutcome(v policy.Verdict) rundir.Outcome {
	if v.Decision == policy.CouldNotJudge {
		return rundir.Infrastructure
	}
	return rundir.ValidationBlocked
}

func verb(v policy.Verdict) string {
	if v.Decision == policy.CouldNotJudge {
		return "not judged"
	}
	return "refused"
}

func failedRules(v policy.Verdict) []string {
	var names []string
	for _, r := range v.Results {
		if r.Outcome == policy.Fail || r.Outcome == policy.Error {
			names = append(names, r.Rule)
		}
	}
	return names
}

// publish opens the pull request and settles it: judged again as the forge now
// holds it, and merged if nobody has to be asked.
func (g *governor) publish(ctx context.Context, m *made, approved policy.Approved, v policy.Verdict, rep TaskReport) (TaskReport, error) {
	steps, err := publishSteps(m.series)
	if err != nil {
		return rep, err
	}
	body, err := pullBody(m, v, g.in)
	if err != nil {
		return rep, err
	}
	g.watch(m.task.Issue, m.seed)
	results, err := g.apply(ctx, approved, []effect.Effect{
		effect.New(effect.Govern, "publish-"+m.task.Key+"-"+m.series.Whole.Head.SHA, "", effect.PublishChange{
			Issue: m.task.Issue, Branch: m.task.Branch(), Onto: g.repo.DefaultBranch, Base: m.series.Whole.Base.Commit,
			Tree: m.series.Whole.Head.SHA, Steps: steps, Title: pullTitle(m), Body: body}),
	})
	g.watch(0, m.seed)
	if mayNotOpen(err) && len(results) > 0 && results[0].SHA != "" {
		return g.cannotOpen(ctx, m, rep, err)
	}
	if errors.Is(err, errHeld) {
		rep.Outcome, rep.State, rep.Message = rundir.NeedsHuman, "waiting", err.Error()
		return rep, g.release(ctx, m.task)
	}
	if err != nil || g.DryRun != nil {
		return rep, err
	}
	pull, err := g.Forge.Pull(ctx, results[0].Number)
	if err != nil {
		return rep, fmt.Errorf("reading pull request #%d: %w", results[0].Number, err)
	}
	return g.settle(ctx, pull, m)
}

// mayNotOpen tells the repository's setting from a permission that the job
// lacks: of that the forge says which it is.
func mayNotOpen(err error) bool {
	var refused *forge.Error
	return errors.As(err, &refused) && errors.Is(err, forge.ErrForbidden) && refused.Needs == ""
}

// cannotOpen is for repositories that do not let workflows open pull requests:
// the branch stays, and a person is one click away.
func (g *governor) cannotOpen(ctx context.Context, m *made, rep TaskReport, why error) (TaskReport, error) {
	link := fmt.Sprintf("%s/compare/%s...%s?expand=1", g.repo.HTMLURL, g.repo.DefaultBranch, m.task.Branch())
	rep.Outcome, rep.State = rundir.NeedsHuman, "waiting"
	rep.Message = "the branch is pushed; workflows may not open pull requests here: " + why.Error()
	body := fmt.Sprintf("**The change is ready on branch `%s`, but this workflow may not open pull requests.**\n\n"+
		"Next: [open it yourself](%s), or turn on Settings → Actions → General → Workflow permissions → "+
		"*Allow GitHub Actions to create and approve pull requests* and run again.", m.task.Branch(), link)
	_, err := g.apply(ctx, policy.Approved{}, []effect.Effect{
		g.label(m.task.Issue, task.NeedsYou),
		effect.New(effect.Govern, effect.StickyKey(m.task.Issue), "cannot open", effect.PutComment{Issue: m.task.Issue, Body: body}),
	})
	if err != nil {
		return rep, err
	}
	return rep, g.finish(ctx, m.seed, m.task, fmt.Sprintf("branch %d-%s %s", m.task.Issue, m.task.Key8(), short(m.series.Whole.Head.SHA)),
		m.line("branch only", string(policy.NeedsApproval)))
}

// publishSteps gives, for each commit, the tree edits against the commit before.
func publishSteps(s change.Series) ([]effect.PublishStep, error) {
	var steps []effect.PublishStep
	before := change.Set{Base: s.Whole.Base, Head: s.Whole.Base}
	for _, c := range s.Commits {
		edits, err := editsBetween(before, c.Set)
		if err != nil {
			return nil, err
		}
		steps = append(steps, effect.PublishStep{Tree: c.Set.Head.SHA, Message: c.Message, Edits: edits})
		before = c.Set
	}
	return steps, nil
}

// editsBetween compares two states that are both told as sets against the same
// base: a path touched by either may differ, no other can.
func editsBetween(before, after change.Set) ([]forge.TreeEdit, error) {
	was, is := leaves(before.Head), leaves(after.Head)
	var edits []forge.TreeEdit
	for _, p := range touched(before, after) {
		o, had := was[p]
		n, has := is[p]
		switch {
		case had && !has:
			edits = append(edits, forge.TreeEdit{Path: p, Mode: o.Mode, Delete: true})
		case has && (!had || o.SHA != n.SHA || o.Mode != n.Mode):
			content, ok := contentOf(p, before, after)
			if !ok {
				return nil, fmt.Errorf("content of %q was not read", p)
			}
			edits = append(edits, forge.TreeEdit{Path: p, Mode: n.Mode, Content: content})
		}
	}
	return edits, nil
}

func leaves(t change.Tree) map[string]change.Entry {
	m := make(map[string]change.Entry, len(t.Entries))
	for _, e := range t.Entries {
		m[e.Path] = e
	}
	return m
}

func touched(sets ...change.Set) []string {
	seen := map[string]bool{}
	var paths []string
	for _, s := range sets {
		for _, f := range s.Files {
			for _, p := range []string{f.OldPath, f.Path} {
				if p != "" && !seen[p] {
					seen[p] = true
					paths = append(paths, p)
				}
			}
		}
	}
	return paths
}

// contentOf finds what a path holds after: changed against the base, or back
// as it was at the base.
func contentOf(p string, before, after change.Set) ([]byte, bool) {
	for _, f := range after.Files {
		if f.Path == p && f.Status != change.Deleted {
			return f.New, f.Loaded
		}
	}
	for _, f := range before.Files {
		if f.OldPath == p {
			return f.Old, f.Loaded
		}
	}
	return nil, false
}

func keep(d *rundir.Dir, f policy.Facts, v policy.Verdict) error {
	if err := d.WriteJSON(rundir.FactsFile, f); err != nil {
		return err
	}
	return d.WriteJSON(rundir.VerdictFile, v)
}

// label moves the issue's one state label.
func (g *governor) label(issue int, to task.State) effect.Effect {
	var remove []string
	for _, s := range task.States {
		if s != to && s != task.Held {
			remove = append(remove, s.Label())
		}
	}
	return effect.New(effect.Govern, fmt.Sprintf("labels-%d-%s", issue, to), "", effect.SetLabels{Issue: issue,
		Add: []string{to.Label()}, Remove: remove})
}

// finish enters the cycle in the log, does what comes after, and gives the
// lease back, in this order: a lease that is gone says that the log is written.
func (g *governor) finish(ctx context.Context, s *seed.Seed, t task.Task, key string, line journal.Line, after ...effect.Effect) error {
	if err := g.enter(ctx, s, t, key, line); err != nil {
		return err
	}
	if _, err := g.apply(ctx, policy.Approved{}, after); err != nil {
		return err
	}
	return g.release(ctx, t)
}

// enter adds one entry to the log, once for each key.
func (g *governor) enter(ctx context.Context, s *seed.Seed, t task.Task, key string, line journal.Line) error {
	entry, err := g.entry(t, key, line)
	if err != nil {
		return err
	}
	_, err = g.apply(ctx, policy.Approved{}, []effect.Effect{
		effect.New(effect.Govern, "log "+key, "", effect.AppendLog{Branch: g.logBranch(s), Entry: entry}),
	})
	return err
}

// entry is the log entry of a cycle, without its chain.
func (g *governor) entry(t task.Task, key string, line journal.Line) (json.RawMessage, error) {
	counts := map[effect.Kind]int{}
	for _, r := range g.done {
		if r.State == effect.Done {
			counts[r.Kind]++
		}
	}
	e := journal.Entry{Key: key, Run: g.in.Run.ID, RunURL: g.in.Run.URL, Binary: g.in.Binary, Base: t.Base,
		Tasks: []journal.Line{line}, Tokens: line.Tokens}
	for _, kind := range effect.Kinds() {
		if n := counts[effect.Kind(kind)]; n > 0 {
			e.Effects = append(e.Effects, journal.Count{Kind: kind, N: n})
		}
	}
	data, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("writing the log entry: %w", err)
	}
	return data, nil
}

func (g *governor) release(ctx context.Context, t task.Task) error {
	_, err := g.apply(ctx, policy.Approved{}, []effect.Effect{
		effect.New(effect.Govern, fmt.Sprintf("release-%d", t.Issue), "", effect.ReleaseLease{Issue: t.Issue, Run: g.in.Run.ID}),
	})
	return err
}

// tokens is what the model calls of the run were charged: as its stages say, or
// its ledger, which also has those of an attempt that was killed. A number that
// cannot be is charged at what was reserved.
func (m *made) tokens() int64 {
	var sum int64
	reserved := int64(m.seed.Budgets.Task.Tokens)
	for _, s := range m.dir.Run.Stages {
		if s.Tokens < 0 || s.Tokens > 1<<40 {
			return reserved
		}
		sum += s.Tokens
	}
	data, err := m.dir.Read(rundir.LedgerFile)
	if err != nil || data == nil {
		return sum
	}
	ledger, err := budget.Load("task", nil, data)
	if err != nil {
		return reserved
	}
	return max(sum, ledger.Used(budget.Tokens))
}

func (m *made) line(outcome, decision string) journal.Line {
	files, added, deleted := m.series.Whole.Counts()
	return journal.Line{Issue: m.task.Issue, Task: m.task.Key8(), Type: m.task.Type, Title: m.task.Title, Outcome: outcome,
		Decision: decision, Files: files, Added: added, Deleted: deleted, Tokens: m.tokens(), Tree: m.series.Whole.Head.SHA}
}

// inLog says whether a path is part of the log, which moves without the base
// having moved.
func inLog(p string) bool {
	return p == journal.Path || path.Dir(p) == "docs/autogen-log"
}
