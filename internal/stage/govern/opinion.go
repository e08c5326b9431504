package govern

import (
	"context"
	"fmt"

	"github.com/seedbed-dev/seedbed/internal/effect"
	"github.com/seedbed-dev/seedbed/internal/policy"
	"github.com/seedbed-dev/seedbed/internal/rundir"
)

// opinion posts what a review job said about a person's pull request: one
// review, at the head it looked at, and nothing else that it may have asked for.
func (g *governor) opinion(ctx context.Context, d *rundir.Dir) ([]TaskReport, error) {
	var proposal effect.Proposal
	if _, err := d.ReadJSON(rundir.EffectsFile, &proposal); err != nil {
		return nil, err
	}
	var reports []TaskReport
	for _, e := range proposal.Effects {
		if err := effect.Allowed(e.Stage, e.Kind); err != nil {
			return reports, err
		}
		post, isReview := e.Payload.(effect.PostReview)
		if !isReview || e.Stage != effect.Review {
			return reports, fmt.Errorf("effect %s is not for a review job", e.Kind)
		}
		rep, err := g.postOpinion(ctx, e, post)
		if err != nil {
			return reports, err
		}
		reports = append(reports, rep)
	}
	return reports, nil
}

func (g *governor) postOpinion(ctx context.Context, e effect.Effect, post effect.PostReview) (TaskReport, error) {
	rep := TaskReport{Pull: post.Pull, State: "reviewed", Outcome: rundir.Succeeded}
	pull, err := g.Forge.Pull(ctx, post.Pull)
	if err != nil {
		return rep, fmt.Errorf("reading pull request #%d: %w", post.Pull, err)
	}
	rep.Title, rep.URL = pull.Title, pull.HTMLURL
	if pull.State != "open" || pull.Head.SHA != post.SHA {
		rep.Outcome, rep.Message = rundir.NothingToDo, fmt.Sprintf("stale: #%d is at %s, reviewed was %s", post.Pull, short(pull.Head.SHA), short(post.SHA))
		return rep, nil
	}
	rep.Message = fmt.Sprintf("review of #%d posted", post.Pull)
	_, err = g.apply(ctx, policy.Approved{}, []effect.Effect{e})
	return rep, err
}
