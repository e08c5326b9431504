package govern

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/seedbed-dev/seedbed/internal/change"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/journal"
	"github.com/seedbed-dev/seedbed/internal/policy"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/seed"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// subject is whose change facts are about, with what was handed over or stands
// in the hidden block.
type subject struct {
	agent    bool
	issue    int
	risk     string
	run      rundir.Run
	checks   *rundir.Checks
	proven   bool // checks were measured in a fresh clone without a model key
	pull     *forge.Pull
	recorded []string // trees of our commits, in order
	unlogged bool     // no entry of the log tells them: a publishing run was cut short
	reported []policy.Reported
	review   *policy.ReviewOpinion
}

// subject tells what is known of a standing pull request. What this run made
// it knows itself. Which commits are ours stands in the log, whose entries are
// chained. The block can be written by anybody who may edit the body, so it can
// only make things worse: what it reports as green counts for nothing.
func (o *standing) subject() subject {
	sub := subject{agent: true, issue: o.task.Issue, risk: o.task.Spec.Risk, pull: &o.pull}
	if o.made != nil {
		sub.run, sub.checks, sub.proven = o.made.dir.Run, o.made.checks, o.made.proven
		for _, c := range o.made.series.Commits {
			sub.recorded = append(sub.recorded, c.Set.Head.SHA)
		}
		return sub
	}
	sub.recorded, sub.unlogged = o.logged, o.logged == nil
	sub.run.Sandbox = o.block.Sandbox
	if o.block.Review == "rework" {
		sub.review = &policy.ReviewOpinion{Tree: o.block.Tree, Verdict: o.block.Review}
	}
	for _, r := range o.block.Reported {
		if r.Head == "fail" {
			sub.reported = append(sub.reported, policy.Reported{Command: r.Command, Base: r.Base, Head: r.Head, Passed: r.Passed, Total: r.Total})
		}
	}
	return sub
}

// facts gathers what the judge needs beside the bytes. What cannot be read is
// an error, never an empty list.
func (g *governor) facts(ctx context.Context, s *seed.Seed, c change.Series, sub subject) (policy.Facts, error) {
	f := policy.Facts{Version: policy.FactsVersion, Binary: g.in.Binary, Repository: g.repo, Agent: sub.agent, Author: g.viewer,
		Viewer: g.viewer, Issue: sub.issue, BaseBranch: g.repo.DefaultBranch, HeadCommit: c.Whole.Head.Commit,
		Sandbox: sub.run.Sandbox, Reported: sub.reported, TaskRisk: tier(sub.risk), Unreadable: map[string]string{}}
	if g.Kill != nil {
		f.Loop.Kill = g.Kill()
	}
	f.Commits = commitFacts(c, sub)
	if sub.proven {
		f.Reported = reported(sub.checks)
	}
	f.Review = sub.review
	if r := sub.run.Review; r != nil {
		f.Review = &policy.ReviewOpinion{Tree: r.Tree, Verdict: r.Verdict}
	}
	for _, gather := range []func(context.Context, *policy.Facts, *seed.Seed, subject) error{g.issueFacts, g.pullFacts, g.openFacts, g.spentFacts} {
		if err := gather(ctx, &f, s, sub); err != nil {
			return f, err
		}
	}
	return f, nil
}

func tier(risk string) policy.Tier {
	switch risk {
	case "low", "medium", "high":
		return policy.Tier(risk)
	}
	return ""
}

// commitFacts says of each commit whether we recorded its tree at its place. A
// change that is only handed over is all ours; it has no commits on the forge.
func commitFacts(c change.Series, sub subject) []policy.CommitFact {
	var facts []policy.CommitFact
	for i, commit := range c.Commits {
		recorded := sub.pull == nil && sub.agent
		if i < len(sub.recorded) {
			recorded = sub.recorded[i] == commit.Set.Head.SHA
		}
		facts = append(facts, policy.CommitFact{SHA: commit.SHA, Tree: commit.Set.Head.SHA, Parents: commit.Parents, Recorded: recorded})
	}
	return facts
}

func reported(c *rundir.Checks) []policy.Reported {
	if c == nil {
		return nil
	}
	var list []policy.Reported
	for _, cmd := range c.Commands {
		r := policy.Reported{Command: cmd.Command, Base: said(cmd.Base), Head: said(cmd.Head)}
		if cmd.Head != nil {
			r.Passed, r.Total = cmd.Head.Passed, cmd.Head.Total
		}
		list = append(list, r)
	}
	return list
}

func said(s *rundir.Side) string {
	switch {
	case s == nil:
		return "not run"
	case s.OK():
		return "pass"
	}
	return "fail"
}

func (g *governor) issueFacts(ctx context.Context, f *policy.Facts, _ *seed.Seed, sub subject) error {
	if sub.issue == 0 || g.DryRun != nil {
		return nil
	}
	issue, err := g.Forge.Issue(ctx, sub.issue)
	if err != nil {
		return fmt.Errorf("reading issue #%d: %w", sub.issue, err)
	}
	f.Loop.Paused = issue.HasLabel(task.PauseLabel)
	return nil
}

// pullFacts reads what stands on the forge about the pull request: who made
// each commit, reviews with the tree they were given at, checks at the head.
func (g *governor) pullFacts(ctx context.Context, f *policy.Facts, _ *seed.Seed, sub subject) error {
	if sub.pull == nil {
		return nil
	}
	p := sub.pull
	f.Pull, f.Author, f.Labels, f.HeadCommit, f.BaseBranch = p.Number, p.Author, p.Labels, p.Head.SHA, p.Base.Ref
	for _, l := range p.Labels {
		f.Loop.Paused = f.Loop.Paused || l == task.PauseLabel
	}
	if err := g.committers(ctx, f, sub.unlogged); err != nil {
		return err
	}
	if err := g.reviews(ctx, f, p.Number); err != nil {
		return err
	}
	checks, err := g.Forge.Checks(ctx, p.Head.SHA)
	if err != nil {
		return fmt.Errorf("reading the checks at %s: %w", short(p.Head.SHA), err)
	}
	f.Checks, f.ChecksRead = checks, true
	return nil
}

// committers asks the forge who made each commit. Where a run died before it
// could write the log, commits that the forge itself signed for our account are
// taken as ours: nobody else's token can make them so.
func (g *governor) committers(ctx context.Context, f *policy.Facts, unlogged bool) error {
	for i := range f.Commits {
		c, err := g.Forge.Commit(ctx, f.Commits[i].SHA)
		if err != nil {
			return fmt.Errorf("reading commit %s: %w", short(f.Commits[i].SHA), err)
		}
		f.Commits[i].Author, f.Commits[i].Committer = c.Author, c.Committer
		f.Commits[i].Recorded = f.Commits[i].Recorded || unlogged && c.Verified && c.Author.ID == g.viewer.ID
	}
	return nil
}

func (g *governor) reviews(ctx context.Context, f *policy.Facts, pull int) error {
	reviews, err := g.Forge.Reviews(ctx, pull)
	if err != nil {
		return fmt.Errorf("reading the reviews of #%d: %w", pull, err)
	}
	for _, r := range reviews {
		fact := policy.ReviewFact{Review: r}
		if fact.Tree, err = g.treeOf(ctx, r.CommitSHA); err != nil {
			return err
		}
		if r.Author.ID != 0 && !r.Author.Bot {
			if fact.Permission, err = g.permission(ctx, r.Author.Login); err != nil {
				return err
			}
		}
		f.Reviews = append(f.Reviews, fact)
	}
	return nil
}

// treeOf gives a commit's tree; a commit that is gone has none, so that a
// review of it counts for nothing.
func (g *governor) treeOf(ctx context.Context, sha string) (string, error) {
	if t, ok := g.trees[sha]; ok || sha == "" {
		return t, nil
	}
	c, err := g.Forge.Commit(ctx, sha)
	if err != nil && !errors.Is(err, forge.ErrNotFound) {
		return "", fmt.Errorf("reading commit %s: %w", short(sha), err)
	}
	g.trees[sha] = c.Tree
	return c.Tree, nil
}

// openFacts lists the other open pull requests of ours.
func (g *governor) openFacts(ctx context.Context, f *policy.Facts, _ *seed.Seed, sub subject) error {
	if !sub.agent {
		return nil
	}
	pulls, err := g.openPulls(ctx)
	if err != nil {
		return err
	}
	for _, p := range pulls {
		if g.isOurs(p) && issueOfBranch(p.Head.Ref) != sub.issue {
			f.Open = append(f.Open, p.Number)
		}
	}
	return nil
}

// openPulls lists the open pull requests, once as long as this run merges none:
// one that it opens is the subject's own and not counted among the others.
func (g *governor) openPulls(ctx context.Context) ([]forge.Pull, error) {
	if g.pulls != nil {
		return g.pulls, nil
	}
	pulls, err := g.Forge.OpenPulls(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing pull requests: %w", err)
	}
	g.pulls = append([]forge.Pull{}, pulls...)
	return pulls, nil
}

// spentFacts counts the day from the log. A log that does not verify is a fact
// for rule integrity.
func (g *governor) spentFacts(ctx context.Context, f *policy.Facts, s *seed.Seed, sub subject) error {
	if !sub.agent {
		return nil
	}
	entries, err := g.log(ctx, s)
	var broken *journal.Broken
	if errors.As(err, &broken) {
		f.LogBroken = err.Error()
		return nil
	}
	if err != nil {
		return err
	}
	f.Spent.DayTokens, f.Spent.DayCycles, _ = journal.Totals(entries, g.Now().Add(-24*time.Hour))
	_, _, g.hour = journal.Totals(entries, g.Now().Add(-time.Hour))
	g.perHour = int64(s.Budgets.EffectsPerHour)
	f.Spent.Files, f.Spent.Lines = g.files, g.lines
	return nil
}

// log reads and checks the log; a *journal.Broken says what is wrong with it.
func (g *governor) log(ctx context.Context, s *seed.Seed) ([]journal.Entry, error) {
	data, err := g.readLog(ctx, g.logBranch(s))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", journal.Path, err)
	}
	return journal.Parse(data)
}

// headOf gives the commit that a branch was fetched at by this run. Where
// nothing had to be fetched, the forge says it.
func (g *governor) headOf(ctx context.Context, branch string) (string, error) {
	if sha, err := g.Clone.Resolve(ctx, "refs/heads/"+branch); err == nil {
		return sha, nil
	}
	ref, err := g.Forge.Ref(ctx, "refs/heads/"+branch)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", branch, err)
	}
	return ref.SHA, nil
}

// readLog reads the log from the branch as it was fetched; one on a branch of
// its own is asked for. No log yet is an empty one.
func (g *governor) readLog(ctx context.Context, branch string) ([]byte, error) {
	if head, err := g.Clone.Resolve(ctx, "refs/heads/"+branch); err == nil {
		log, _, err := g.Clone.File(ctx, head, journal.Path)
		return log, err
	}
	file, err := g.Forge.File(ctx, journal.Path, branch)
	if errors.Is(err, forge.ErrNotFound) {
		return nil, nil
	}
	return file.Content, err
}

func (g *governor) logBranch(s *seed.Seed) string {
	if s.Log.Branch != "" {
		return s.Log.Branch
	}
	return g.repo.DefaultBranch
}

// names joins logins for a sentence.
func names(list []string) string { return strings.Join(list, ", ") }
