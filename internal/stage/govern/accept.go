package govern

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/effect"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/policy"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/seed"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// claims applies what plan proposed, issue by issue. A task counts as accepted
// only when this run holds its lease; one that somebody else took is dropped
// without a trace.
func (g *governor) claims(ctx context.Context, d *rundir.Dir) ([]TaskReport, error) {
	var proposal effect.Proposal
	if _, err := d.ReadJSON(rundir.EffectsFile, &proposal); err != nil {
		return nil, err
	}
	var tasks []task.Task
	if _, err := d.ReadJSON(rundir.TasksFile, &tasks); err != nil {
		return nil, err
	}
	for _, e := range proposal.Effects {
		if err := effect.Allowed(e.Stage, e.Kind); err != nil {
			return nil, err
		}
	}
	var reports []TaskReport
	for _, issue := range issuesOf(proposal.Effects) {
		rep, err := g.claim(ctx, issue, proposal.Effects, tasks, d)
		if err != nil {
			return reports, err
		}
		reports = append(reports, rep)
	}
	return reports, nil
}

func (g *governor) claim(ctx context.Context, issue int, all []effect.Effect, tasks []task.Task, d *rundir.Dir) (TaskReport, error) {
	rep := TaskReport{Issue: issue, State: "released", Outcome: rundir.NothingToDo}
	t, isTask := find(tasks, issue)
	if isTask {
		rep.Title, rep.task = t.Title, t
	}
	s, err := g.claimSeed(ctx, t, isTask, d)
	if err != nil {
		return rep, err
	}
	mine := of(issue, all)
	for _, e := range mine {
		if err := g.claimable(e, s); err != nil {
			return rep, err
		}
	}
	why, err := g.mayClaim(ctx, s, &t, isTask, issue)
	if err != nil || why != "" {
		rep.State, rep.Message = "waiting", why
		return rep, err
	}
	_, err = g.apply(ctx, policy.Approved{}, mine)
	switch {
	case errors.Is(err, effect.ErrTaken):
		rep.State, rep.Message = "taken", err.Error()
		return rep, nil
	case err != nil:
		return rep, err
	case isTask:
		rep.State, rep.Outcome, rep.Message = "accepted", rundir.Succeeded, fmt.Sprintf("#%d accepted · lease taken · comment on #%d", issue, issue)
	default:
		rep.Outcome, rep.Message = rundir.NeedsApproval, fmt.Sprintf("#%d is not started; the comment on it says why", issue)
	}
	return rep, nil
}

// claimSeed is the contract a claim is made under.
func (g *governor) claimSeed(ctx context.Context, t task.Task, isTask bool, d *rundir.Dir) (*seed.Seed, error) {
	if !isTask {
		t = task.Task{Key: task.Key("", nil, "", ""), Base: d.Run.Base.Commit}
	}
	return g.limitsFor(ctx, t)
}

// mayClaim says why the effects of a claim are not applied. A label is taken
// off only where the forge's records, asked again, say that it does not count.
func (g *governor) mayClaim(ctx context.Context, s *seed.Seed, t *task.Task, isTask bool, number int) (string, error) {
	if isTask {
		return g.unauthorised(ctx, s, t)
	}
	issue, err := g.Forge.Issue(ctx, number)
	if err != nil {
		return "", fmt.Errorf("reading issue #%d: %w", number, err)
	}
	grant, err := g.grant(ctx, s, issue)
	if err == nil && grant.Refusal == "" {
		return fmt.Sprintf("#%d is approved; its label stays", number), nil
	}
	return "", err
}

// claimable refuses what a claim is not made of. In the quick start the claim
// comes from the job that also runs the repository's code.
func (g *governor) claimable(e effect.Effect, s *seed.Seed) error {
	ok := false
	switch p := e.Payload.(type) {
	case effect.TakeLease:
		ok = p.Lease.Run == g.in.Run.ID && p.Lease.Tokens == int64(s.Budgets.Task.Tokens)
	case effect.SetLabels:
		ok = ourLabels(append(slices.Clone(p.Add), p.Remove...), s)
	case effect.PutComment:
		ok = e.Key == effect.StickyKey(p.Issue)
	case effect.PutReaction:
		ok = p.Content == "eyes" && p.Comment == 0
	}
	if !ok {
		return fmt.Errorf("effect %s is not for a claim: %s", e.Kind, e)
	}
	return nil
}

func ourLabels(labels []string, s *seed.Seed) bool {
	for _, l := range labels {
		if !strings.HasPrefix(l, "seed:") && !slices.Contains(s.AutomationContract.TaskLabels.Triggers, l) {
			return false
		}
	}
	return true
}

// unauthorised asks the forge anew whether a task may be worked on, and says
// why not. What people will read of the task comes from the forge, too.
func (g *governor) unauthorised(ctx context.Context, s *seed.Seed, t *task.Task) (string, error) {
	if g.DryRun != nil {
		return "", nil // nothing will be written, so nobody's leave is needed
	}
	issue, err := g.Forge.Issue(ctx, t.Issue)
	if err != nil {
		return "", fmt.Errorf("reading issue #%d: %w", t.Issue, err)
	}
	if issue.State != "open" {
		return fmt.Sprintf("#%d is closed", t.Issue), nil
	}
	if issue.HasLabel(task.PauseLabel) {
		return fmt.Sprintf("#%d is held (%s)", t.Issue, task.PauseLabel), nil
	}
	if task.Words(issue.Title, issue.Body) != t.WordsDigest {
		return fmt.Sprintf("#%d was edited after it was approved; put the label on again", t.Issue), nil
	}
	grant, err := g.grant(ctx, s, issue)
	if err != nil {
		return "", err
	}
	if grant.Refusal != "" {
		return fmt.Sprintf("#%d %s; %s", t.Issue, grant.Refusal, grant.Hint), nil
	}
	t.Title, t.ApprovedBy, t.ApprovedAt = issue.Title, grant.By, grant.At
	return "", nil
}

func (g *governor) grant(ctx context.Context, s *seed.Seed, issue forge.Issue) (task.Grant, error) {
	events, err := g.Forge.Timeline(ctx, issue.Number)
	if err != nil {
		return task.Grant{}, fmt.Errorf("reading the timeline of #%d: %w", issue.Number, err)
	}
	grant := task.LastGrant(events, s.AutomationContract.TaskLabels.Triggers, issue)
	if grant.Refusal != "" {
		return grant, nil
	}
	perm, err := g.permission(ctx, grant.By.Login)
	if err != nil {
		return grant, err
	}
	edits, err := g.Forge.Edits(ctx, issue.Number)
	if err != nil {
		return grant, fmt.Errorf("reading when #%d was edited: %w", issue.Number, err)
	}
	return grant.Checked(perm, edits), nil
}

func (g *governor) permission(ctx context.Context, login string) (forge.Permission, error) {
	if p, ok := g.perms[login]; ok {
		return p, nil
	}
	p, err := g.Forge.Permission(ctx, login)
	if err != nil && !errors.Is(err, forge.ErrNotFound) {
		return p, fmt.Errorf("reading what %s may do: %w", login, err)
	}
	g.perms[login] = p
	return p, nil
}

func find(tasks []task.Task, issue int) (task.Task, bool) {
	for _, t := range tasks {
		if t.Issue == issue {
			return t, true
		}
	}
	return task.Task{}, false
}

// issuesOf lists the issues that plan's effects are about, in their order.
func issuesOf(list []effect.Effect) []int {
	seen := map[int]bool{}
	var issues []int
	for _, e := range list {
		if n := effect.IssueOf(e); n != 0 && e.Stage == effect.Plan && !seen[n] {
			seen[n] = true
			issues = append(issues, n)
		}
	}
	return issues
}

func of(issue int, list []effect.Effect) []effect.Effect {
	var mine []effect.Effect
	for _, e := range list {
		if e.Stage == effect.Plan && effect.IssueOf(e) == issue {
			mine = append(mine, e)
		}
	}
	return mine
}
