package govern

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/effect"
	"github.com/seedbed-dev/seedbed/internal/journal"
	"github.com/seedbed-dev/seedbed/internal/policy"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// record does what a deployment left for the one that may write: a freeze, an
// incident, and the log entry. The deployment itself is over.
func (g *governor) record(ctx context.Context, d *rundir.Dir) ([]TaskReport, error) {
	rec, ok := d.Run.Last("deploy")
	if !ok || rec.Outcome == rundir.NothingToDo {
		return nil, nil
	}
	var proposal effect.Proposal
	if _, err := d.ReadJSON(rundir.EffectsFile, &proposal); err != nil {
		return nil, err
	}
	for _, e := range proposal.Effects {
		if e.Stage != effect.Deploy || !recordable(e) {
			return nil, fmt.Errorf("effect %s is not for a deployment's record: %s", e.Kind, e)
		}
	}
	var applied []effect.Result
	if _, err := d.ReadJSON(rundir.AppliedFile, &applied); err != nil {
		return nil, err
	}
	if len(proposal.Effects) == 0 && !slices.ContainsFunc(applied, func(r effect.Result) bool { return r.State == effect.Done }) {
		return nil, nil // it did nothing, so there is nothing to enter
	}
	sha := d.Run.Base.Commit
	rep := TaskReport{Title: "deploy " + short(sha), State: "recorded", Outcome: rundir.Succeeded,
		Message: fmt.Sprintf("deployment of %s recorded: %s", short(sha), rec.Message)}
	if err := g.Clone.Fetch(ctx, "refs/heads/"+g.repo.DefaultBranch); err != nil {
		return nil, fmt.Errorf("fetching %s: %w", g.repo.DefaultBranch, err)
	}
	s, err := g.seedAt(ctx, sha)
	if err != nil {
		return nil, err
	}
	if _, err := g.apply(ctx, policy.Approved{}, proposal.Effects); err != nil {
		return nil, err
	}
	line := journal.Line{Title: rep.Title, Outcome: string(rec.Outcome), Merge: sha}
	key := fmt.Sprintf("deploy %s %s", sha, rec.Outcome)
	return []TaskReport{rep}, g.enter(ctx, s, task.Task{Base: sha}, key, line)
}

// recordable says whether an effect is one of the two that a deployment may ask
// for: a freeze of deployments, and an incident.
func recordable(e effect.Effect) bool {
	switch p := e.Payload.(type) {
	case effect.SetFreeze:
		return p.What == "deploy"
	case effect.OpenIssue:
		return slices.Contains(p.Labels, "incident") && !slices.ContainsFunc(p.Labels, func(l string) bool {
			return l != "incident" && l != "page" && l != task.Proposed.Label() && !strings.HasPrefix(l, "priority:")
		})
	}
	return false
}
