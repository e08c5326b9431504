package govern

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/seedbed-dev/seedbed/internal/change"
	"github.com/seedbed-dev/seedbed/internal/effect"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/journal"
	"github.com/seedbed-dev/seedbed/internal/policy"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/seed"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// sweep looks at everything of ours that is under way once more: somebody
// approved it, a check reported, or an earlier run died half-way. It is what
// makes no run depend on an event having arrived.
func (g *governor) sweep(ctx context.Context) ([]TaskReport, error) {
	pulls, err := g.underWay(ctx)
	if err != nil {
		return nil, err
	}
	var reports []TaskReport
	for _, pull := range pulls {
		rep, err := g.settle(ctx, pull, nil)
		if fatal(err) {
			return reports, fmt.Errorf("pull request #%d: %w", pull.Number, err)
		}
		reports = append(reports, failedAlone(rep, fmt.Sprintf("pull request #%d", pull.Number), err))
	}
	return reports, g.releaseStale(ctx)
}

// fatal says whether an error is the whole run's, and not that of the one pull
// request or task it came up with.
func fatal(err error) bool {
	return errors.Is(err, forge.ErrUnauthorized) || errors.Is(err, forge.ErrForbidden) || errors.Is(err, forge.ErrRateLimited) ||
		errors.Is(err, forge.ErrUnavailable) || errors.Is(err, forge.ErrUnclear) || errors.Is(err, errKilled) ||
		errors.Is(err, effect.ErrBudget) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// failedAlone makes a report of an error, so that one odd pull request or
// artifact does not keep the others waiting.
func failedAlone(rep TaskReport, what string, err error) TaskReport {
	if err == nil {
		return rep
	}
	rep.Outcome, rep.State, rep.Message = rundir.Infrastructure, "failed", fmt.Sprintf("%s: %v", what, err)
	return rep
}

// underWay lists our open pull requests, and the merged ones whose issue is
// still open: closing the issue is the last thing a merge does.
func (g *governor) underWay(ctx context.Context) ([]forge.Pull, error) {
	all, err := g.openPulls(ctx)
	if err != nil {
		return nil, err
	}
	pulls := slices.DeleteFunc(slices.Clone(all), func(p forge.Pull) bool { return !g.isOurs(p) })
	refs, err := g.Forge.RefsUnder(ctx, "refs/heads/seedbed/")
	if err != nil {
		return nil, fmt.Errorf("listing branches: %w", err)
	}
	for _, s := range []task.State{task.Working, task.InReview, task.Done} {
		issues, err := g.Forge.IssuesWithLabel(ctx, s.Label())
		if err != nil {
			return nil, fmt.Errorf("listing issues labelled %s: %w", s.Label(), err)
		}
		for _, issue := range issues {
			merged, err := g.mergedFor(ctx, issue.Number, refs)
			if err != nil {
				return nil, err
			}
			pulls = append(pulls, merged...)
		}
	}
	return pulls, nil
}

func (g *governor) mergedFor(ctx context.Context, issue int, refs []forge.Ref) ([]forge.Pull, error) {
	for _, ref := range refs {
		branch := strings.TrimPrefix(ref.Name, "refs/heads/")
		if issueOfBranch(branch) != issue {
			continue
		}
		pulls, err := g.Forge.PullsByHead(ctx, branch)
		if err != nil {
			return nil, fmt.Errorf("looking for the pull request of %s: %w", branch, err)
		}
		for _, p := range pulls {
			if p.Merged && g.isOurs(p) {
				return []forge.Pull{p}, nil
			}
		}
	}
	return nil, nil
}

// releaseStale gives back the leases of runs that ended without doing so.
func (g *governor) releaseStale(ctx context.Context) error {
	refs, err := g.Forge.RefsUnder(ctx, "refs/seedbed/leases/")
	if err != nil {
		return fmt.Errorf("listing leases: %w", err)
	}
	for _, ref := range refs {
		issue, err := strconv.Atoi(strings.TrimPrefix(ref.Name, "refs/seedbed/leases/"))
		if err != nil || g.DryRun != nil {
			continue
		}
		lease, err := effect.ReadLease(ctx, g.Effects.Refs, g.Effects.Files, issue)
		if err != nil {
			return fmt.Errorf("reading the lease of #%d: %w", issue, err)
		}
		stale, err := effect.Stale(ctx, g.Effects.Runs, lease, g.Now())
		if err != nil {
			return err
		}
		if !stale {
			continue
		}
		if _, err := g.apply(ctx, policy.Approved{}, []effect.Effect{effect.New(effect.Govern, fmt.Sprintf("release-%d", issue),
			fmt.Sprintf("run %d has ended", lease.Run), effect.ReleaseLease{Issue: issue, Run: lease.Run})}); err != nil {
			return err
		}
	}
	return nil
}

func (g *governor) isOurs(p forge.Pull) bool {
	return !p.Fork() && p.Author.ID == g.viewer.ID && issueOfBranch(p.Head.Ref) != 0
}

// issueOfBranch reads the issue number from seedbed/<issue>-<key8>, 0 if the
// name is not one of ours.
func issueOfBranch(branch string) int {
	rest, ok := strings.CutPrefix(branch, "seedbed/")
	if !ok {
		return 0
	}
	number, _, ok := strings.Cut(rest, "-")
	if !ok {
		return 0
	}
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 {
		return 0
	}
	return n
}

// standing is a pull request of ours with all that is known of it.
type standing struct {
	pull    forge.Pull
	block   task.Block
	rebuilt string   // why the hidden block was not believed
	logged  []string // trees of the commits that the log says we published
	task    task.Task
	seed    *seed.Seed
	main    string   // the default branch, for which we judge
	onto    string   // its head
	moved   []string // paths the base branch moved in since the change was made
	series  change.Series
	facts   policy.Facts
	made    *made // when this very run made it
}

// settle judges a pull request as the forge now holds it, says so, and merges
// it when nothing and nobody is missing. m is the change when this run made it.
func (g *governor) settle(ctx context.Context, pull forge.Pull, m *made) (TaskReport, error) {
	o, err := g.look(ctx, pull, m)
	rep := TaskReport{Issue: o.task.Issue, Pull: pull.Number, URL: pull.HTMLURL, Title: o.task.Title, task: o.task}
	if err != nil {
		return rep, err
	}
	if pull.Merged {
		return g.merged(ctx, o, policy.Verdict{Decision: policy.Allowed}, pull.MergeCommitSHA, rep)
	}
	approved, v := policy.Judge(o.seed, o.series, o.facts)
	g.tell(v)
	rep.Verdict = &v
	if err := g.postCheck(ctx, o, v); err != nil {
		return rep, err
	}
	if why := o.mayNotMerge(approved, v); why != "" {
		return g.wait(ctx, o, v, why, rep)
	}
	return g.merge(ctx, o, approved, v, rep)
}

// postCheck shows the verdict at the head, unless the check there says the same
// already: a later look knows less of how the change was made, and would only
// take away from what the check tells.
func (g *governor) postCheck(ctx context.Context, o *standing, v policy.Verdict) error {
	report := v.Check(o.pull.Head.SHA)
	for _, have := range o.facts.Checks {
		if have.Name == report.Name && have.ExternalID != "" && have.Status == report.Status && have.Conclusion == report.Conclusion &&
			words(have.Title) == words(report.Title) {
			return nil
		}
	}
	_, err := g.apply(ctx, policy.Approved{}, []effect.Effect{effect.New(effect.Govern, "check-"+o.pull.Head.SHA, "", effect.PostCheck{Report: report})})
	return err
}

// words keeps letters and digits: what cleaning does to an outgoing text leaves
// them alone.
func words(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return -1
	}, s)
}

// look gathers everything about a pull request anew from git and the forge.
func (g *governor) look(ctx context.Context, pull forge.Pull, m *made) (*standing, error) {
	o := &standing{pull: pull, made: m, main: g.repo.DefaultBranch}
	o.block, o.rebuilt = g.blockOf(pull)
	if err := g.nameTask(ctx, o); err != nil {
		return o, err
	}
	if err := g.Clone.Fetch(ctx, "refs/heads/"+g.repo.DefaultBranch, "refs/heads/"+pull.Head.Ref); err != nil {
		return o, fmt.Errorf("fetching #%d: %w", pull.Number, err)
	}
	var err error
	if o.onto, err = g.headOf(ctx, g.repo.DefaultBranch); err != nil {
		return o, err
	}
	if o.seed, err = g.seedAt(ctx, o.onto); err != nil {
		return o, err
	}
	began, err := g.ontoWhat(ctx, o)
	if err != nil {
		return o, err
	}
	base, err := g.Clone.MergeBase(ctx, began, pull.Head.SHA)
	if err != nil {
		return o, fmt.Errorf("finding where #%d began: %w", pull.Number, err)
	}
	if o.series, err = g.Clone.Series(ctx, base, pull.Head.SHA); err != nil {
		return o, fmt.Errorf("reading the commits of #%d: %w", pull.Number, err)
	}
	if pull.Merged {
		return o, nil // nothing is left to judge
	}
	if o.moved, err = g.movedSince(ctx, base, o.onto); err != nil {
		return o, err
	}
	if m == nil {
		if o.logged, err = g.loggedSteps(ctx, o.seed, pull.Number); err != nil {
			return o, err
		}
	}
	o.facts, err = g.facts(ctx, o.seed, o.series, o.subject())
	return o, err
}

// ontoWhat is the commit that a pull request is, or was, merged onto.
func (g *governor) ontoWhat(ctx context.Context, o *standing) (string, error) {
	if !o.pull.Merged || o.pull.MergeCommitSHA == "" {
		return o.onto, nil
	}
	merge, err := g.Forge.Commit(ctx, o.pull.MergeCommitSHA)
	if err != nil {
		return "", fmt.Errorf("reading the merge %s: %w", short(o.pull.MergeCommitSHA), err)
	}
	if len(merge.Parents) == 0 {
		return o.onto, nil
	}
	return merge.Parents[0], nil
}

// blockOf reads the hidden block as the hint it is: of our own account, about
// this head. Otherwise it says why it is rebuilt.
func (g *governor) blockOf(pull forge.Pull) (task.Block, string) {
	b, err := task.ReadBlock(pull.Body)
	switch {
	case err != nil:
		return task.Block{}, err.Error()
	case pull.Author.ID != g.viewer.ID:
		return task.Block{}, fmt.Sprintf("hidden block: written by user %d, not by us", pull.Author.ID)
	case b.Issue != issueOfBranch(pull.Head.Ref):
		return task.Block{}, "hidden block: of another issue"
	}
	return b, ""
}

func (g *governor) nameTask(ctx context.Context, o *standing) error {
	if o.made != nil {
		o.task = o.made.task
		return nil
	}
	n := issueOfBranch(o.pull.Head.Ref)
	issue, err := g.Forge.Issue(ctx, n)
	if err != nil {
		return fmt.Errorf("reading issue #%d: %w", n, err)
	}
	key := o.block.Task
	if key == "" {
		_, key, _ = strings.Cut(strings.TrimPrefix(o.pull.Head.Ref, "seedbed/"), "-")
	}
	o.task = task.Task{Version: task.Version, Key: key, Issue: n, Type: o.block.Type, Title: issue.Title,
		Spec: task.Spec{Risk: o.block.Risk}}
	return nil
}

func (g *governor) movedSince(ctx context.Context, base, onto string) ([]string, error) {
	if base == onto {
		return nil, nil
	}
	paths, err := g.Clone.Changed(ctx, base, onto)
	if err != nil {
		return nil, fmt.Errorf("comparing %s with %s: %w", short(base), short(onto), err)
	}
	return slices.DeleteFunc(paths, inLog), nil
}

// mayNotMerge says why a pull request is not merged now, or nothing. A base
// that moved elsewhere is for a person's approval to cover, never for an
// unattended merge; one that moved in the same files is for nobody.
func (o *standing) mayNotMerge(approved policy.Approved, v policy.Verdict) string {
	head := o.series.Whole.Head.SHA
	switch {
	case !approved.MayMerge(o.series.Whole.Base.Commit, head):
		return waitText(v)
	case o.pull.Base.Ref != o.main:
		return fmt.Sprintf("it now goes to %s and was judged for %s; a person sets it back, or merges it", o.pull.Base.Ref, o.main)
	case o.pull.Draft:
		return "it is a draft"
	case !o.seed.AutomationContract.MergePolicy.MergeOnApproval && o.approvals() > 0:
		return "approved; a person presses the button [" + o.seed.At("automation_contract.merge_policy.merge_on_approval").String() + "]"
	}
	own := touched(o.series.Whole)
	for _, p := range o.moved {
		if slices.Contains(own, p) {
			return fmt.Sprintf("%s changed on %s meanwhile: update the branch", p, o.pull.Base.Ref)
		}
	}
	if len(o.moved) > 0 && o.approvals() == 0 {
		return fmt.Sprintf("%s moved in %d files since this was tested; one approval, or a new run", o.pull.Base.Ref, len(o.moved))
	}
	return ""
}

// approvals counts as rule approval does: people who may, at exactly this tree.
func (o *standing) approvals() int { return policy.Approvals(o.seed, o.series, o.facts) }

// notices is how people are told of a pull request that waits: the label and
// the one comment on the issue. What is merged in the same breath says so itself.
func (g *governor) notices(o *standing, v policy.Verdict) []effect.Effect {
	state := task.InReview
	if v.Decision == policy.Reject || v.Decision == policy.Rework || v.Decision == policy.CouldNotJudge {
		state = task.NeedsYou
	}
	return []effect.Effect{
		g.label(o.task.Issue, state),
		effect.New(effect.Govern, effect.StickyKey(o.task.Issue), "", effect.PutComment{Issue: o.task.Issue,
			Body: openText(o, v)}),
	}
}

// wait ends a settled pull request that is not merged now.
func (g *governor) wait(ctx context.Context, o *standing, v policy.Verdict, why string, rep TaskReport) (TaskReport, error) {
	rep.State, rep.Outcome = "opened", outcomeOf(v)
	rep.Message = fmt.Sprintf("pull request #%d: %s", o.pull.Number, why)
	if _, err := g.apply(ctx, policy.Approved{}, g.notices(o, v)); err != nil {
		return rep, err
	}
	line := o.line("opened", string(v.Decision))
	line.Rules = failedRules(v)
	key := fmt.Sprintf("opened %d-%s %s", o.task.Issue, o.task.Key8(), short(o.series.Whole.Head.SHA))
	return rep, g.finish(ctx, o.seed, o.task, key, line)
}

func outcomeOf(v policy.Verdict) rundir.Outcome {
	switch v.Decision {
	case policy.Allowed, policy.NeedsApproval, policy.NeedsRFC:
		return rundir.NeedsApproval
	case policy.Waiting:
		return rundir.Pending
	case policy.CouldNotJudge:
		return rundir.Infrastructure
	}
	return rundir.ValidationBlocked
}

// merge merges at exactly the judged head, and looks afterwards at what it was
// merged onto: the forge compares the head alone.
func (g *governor) merge(ctx context.Context, o *standing, approved policy.Approved, v policy.Verdict, rep TaskReport) (TaskReport, error) {
	g.watch(o.task.Issue, o.seed)
	results, err := g.apply(ctx, approved, []effect.Effect{
		effect.New(effect.Govern, "merge-"+o.pull.Head.SHA, "", effect.MergePull{Pull: o.pull.Number, Issue: o.task.Issue,
			Head: o.pull.Head.SHA, Base: o.series.Whole.Base.Commit, Tree: o.series.Whole.Head.SHA, Onto: o.main, Method: g.method(),
			Title: fmt.Sprintf("%s (#%d)", o.pull.Title, o.pull.Number)}),
	})
	g.pulls = nil
	g.watch(0, o.seed)
	switch {
	case errors.Is(err, errHeld), errors.Is(err, effect.ErrMoved), errors.Is(err, forge.ErrConflict), errors.Is(err, forge.ErrInvalid):
		return g.wait(ctx, o, v, err.Error(), rep)
	case err != nil || g.DryRun != nil:
		return rep, err
	}
	return g.merged(ctx, o, v, results[0].SHA, rep)
}

func (g *governor) method() string {
	switch {
	case g.repo.AllowMerge:
		return "merge"
	case g.repo.AllowSquash:
		return "squash"
	}
	return "rebase"
}

// merged completes a merge: deployment asked for, log entry, then the issue is
// closed and the lease given back. The open issue is the sign that something
// is still missing, so it comes last.
func (g *governor) merged(ctx context.Context, o *standing, v policy.Verdict, merge string, rep TaskReport) (TaskReport, error) {
	rep.State, rep.Outcome, rep.Merge = "merged", rundir.Succeeded, merge
	rep.Message = fmt.Sprintf("pull request #%d · merged", o.pull.Number)
	odd, err := g.mergedOntoOther(ctx, o, merge)
	if err != nil {
		return rep, err
	}
	if odd != "" {
		rep.Outcome, rep.Message = rundir.NeedsHuman, odd
	}
	if err := g.dispatchDeploy(ctx, o, merge); err != nil {
		return rep, err
	}
	line := o.line("merged", string(v.Decision))
	line.Merge = merge
	closing := []effect.Effect{
		g.label(o.task.Issue, task.Done),
		effect.New(effect.Govern, effect.StickyKey(o.task.Issue), "", effect.PutComment{Issue: o.task.Issue, Body: mergedText(o, merge, odd)}),
		effect.New(effect.Govern, fmt.Sprintf("close-%d", o.task.Issue), "", effect.CloseIssue{Issue: o.task.Issue, Why: "completed"}),
	}
	return rep, g.finish(ctx, o.seed, o.task, fmt.Sprintf("merged #%d", o.pull.Number), line, closing...)
}

// dispatchDeploy starts the deployment of a merged commit, since a merge by a
// workflow's token starts no push run. A repository without that workflow
// deploys by other means.
func (g *governor) dispatchDeploy(ctx context.Context, o *standing, merge string) error {
	if g.in.Deploy == "" || o.seed.Deploy.Provider == "none" {
		return nil
	}
	_, err := g.apply(ctx, policy.Approved{}, []effect.Effect{effect.New(effect.Govern, "deploy-"+merge, "",
		effect.DispatchWorkflow{File: g.in.Deploy, Ref: g.repo.DefaultBranch, Inputs: map[string]string{"sha": merge}})})
	if errors.Is(err, forge.ErrNotFound) || errors.Is(err, forge.ErrForbidden) {
		return nil // the result says why; the merge stands all the same
	}
	return err
}

// mergedOntoOther compares the first parent of the merge with the head of the
// base as it was judged, the log aside.
func (g *governor) mergedOntoOther(ctx context.Context, o *standing, merge string) (string, error) {
	if merge == "" || o.onto == "" || o.pull.Merged {
		return "", nil
	}
	commit, err := g.Forge.Commit(ctx, merge)
	if err != nil {
		return "", fmt.Errorf("reading the merge %s: %w", short(merge), err)
	}
	if len(commit.Parents) == 0 || commit.Parents[0] == o.onto {
		return "", nil
	}
	if err := g.Clone.Fetch(ctx, "refs/heads/"+g.repo.DefaultBranch); err != nil {
		return "", fmt.Errorf("fetching %s: %w", g.repo.DefaultBranch, err)
	}
	moved, err := g.movedSince(ctx, o.onto, commit.Parents[0])
	if err != nil || len(moved) == 0 {
		return "", err
	}
	return fmt.Sprintf("merged onto %s, but %s was judged: look at %s", short(commit.Parents[0]), short(o.onto), strings.Join(moved, ", ")), nil
}

// loggedSteps gives the trees that the log says were published for a pull
// request, by its opened entry.
func (g *governor) loggedSteps(ctx context.Context, s *seed.Seed, pull int) ([]string, error) {
	entries, err := g.log(ctx, s)
	var broken *journal.Broken
	if errors.As(err, &broken) {
		return []string{}, nil // rule integrity says so; nothing is ours then
	}
	for _, e := range entries {
		for _, l := range e.Tasks {
			if l.Pull == pull && l.Outcome == "opened" {
				return l.Steps, nil
			}
		}
	}
	return nil, err
}

func (o *standing) line(outcome, decision string) journal.Line {
	files, added, deleted := o.series.Whole.Counts()
	l := journal.Line{Issue: o.task.Issue, Pull: o.pull.Number, Task: o.task.Key8(), Type: o.task.Type, Title: o.task.Title,
		Outcome: outcome, Decision: decision, Files: files, Added: added, Deleted: deleted, Tree: o.series.Whole.Head.SHA}
	if o.made != nil {
		l.Tokens = o.made.tokens()
		for _, c := range o.made.series.Commits {
			l.Steps = append(l.Steps, c.Set.Head.SHA)
		}
	}
	return l
}
