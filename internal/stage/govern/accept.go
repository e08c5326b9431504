package govern

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/seedbed-dev/seedbed/internal/claim"
	"github.com/seedbed-dev/seedbed/internal/effect"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/policy"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/seed"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// claims takes the issues that plan selected, and turns away those whose label
// does not count. Of what was handed over it believes the numbers alone: the
// effects are made anew, from the forge's records. A task counts as accepted
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
		rep, err := g.oneClaim(ctx, issue, tasks, d.Run.Base.Commit)
		if err != nil {
			return reports, err
		}
		reports = append(reports, rep)
	}
	return reports, nil
}

func (g *governor) oneClaim(ctx context.Context, issue int, tasks []task.Task, base string) (TaskReport, error) {
	t, isTask := find(tasks, issue)
	if !isTask {
		return g.turnAway(ctx, issue, base)
	}
	rep := TaskReport{Issue: issue, Title: t.Title, State: "waiting", Outcome: rundir.NothingToDo}
	s, err := g.limitsFor(ctx, t)
	if err != nil {
		return rep, err
	}
	if rep.Message, err = g.unauthorised(ctx, s, &t); err != nil || rep.Message != "" {
		return rep, err
	}
	err = g.takeLease(ctx, claim.Take(effect.Govern, s, g.in.Run, t, g.Now()))
	if errors.Is(err, effect.ErrTaken) {
		rep.State, rep.Message = "taken", err.Error()
		return rep, nil
	}
	rep.State, rep.Outcome, rep.task = "accepted", rundir.Succeeded, t
	rep.Message = fmt.Sprintf("#%d accepted · lease taken · comment on #%d", issue, issue)
	return rep, err
}

// takeLease applies a claim. A lease that an earlier attempt took was answered
// with a reaction then.
func (g *governor) takeLease(ctx context.Context, effects []effect.Effect) error {
	results, err := g.apply(ctx, policy.Approved{}, effects[:1])
	if err != nil {
		return err
	}
	rest := effects[1:]
	if len(results) == 1 && results[0].State == effect.Already {
		rest = slices.DeleteFunc(slices.Clone(rest), func(e effect.Effect) bool { return e.Kind == effect.ReactionPut })
	}
	_, err = g.apply(ctx, policy.Approved{}, rest)
	return err
}

// turnAway asks the forge itself whether a label counts.
func (g *governor) turnAway(ctx context.Context, number int, base string) (TaskReport, error) {
	rep := TaskReport{Issue: number, State: "released", Outcome: rundir.NothingToDo}
	s, err := g.limitsFor(ctx, task.Task{Key: task.Key("", nil, "", ""), Base: base})
	if err != nil {
		return rep, err
	}
	issue, err := g.Forge.Issue(ctx, number)
	if err != nil {
		return rep, fmt.Errorf("reading issue #%d: %w", number, err)
	}
	grant, err := g.grant(ctx, s, issue)
	if err != nil {
		return rep, err
	}
	effects := claim.TurnAway(effect.Govern, grant, issue)
	if len(effects) == 0 {
		rep.Message = fmt.Sprintf("#%d is left as it is", number)
		return rep, nil
	}
	rep.Outcome, rep.Message = rundir.NeedsApproval, fmt.Sprintf("#%d %s; %s", number, grant.Refusal, grant.Hint)
	_, err = g.apply(ctx, policy.Approved{}, effects)
	return rep, err
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
