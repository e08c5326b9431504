package govern

import (
	"context"
	"fmt"

	"github.com/seedbed-dev/seedbed/internal/effect"
	"github.com/seedbed-dev/seedbed/internal/policy"
	"github.com/seedbed-dev/seedbed/internal/rundir"
)

// judgePerson judges a pull request that people made, forks included. Commits
// are fetched as objects; nothing of them is checked out or executed. The job
// itself is the required check, so this posts one comment and no check run.
func (g *governor) judgePerson(ctx context.Context, number int) (TaskReport, error) {
	rep := TaskReport{Pull: number, State: "judged"}
	pull, err := g.Forge.Pull(ctx, number)
	if err != nil {
		return rep, fmt.Errorf("reading pull request #%d: %w", number, err)
	}
	rep.Title, rep.URL = pull.Title, pull.HTMLURL
	if pull.State != "open" {
		rep.Outcome, rep.Message = rundir.NothingToDo, fmt.Sprintf("#%d is %s", number, pull.State)
		return rep, nil
	}
	if err := g.Clone.Fetch(ctx, "refs/heads/"+pull.Base.Ref, fmt.Sprintf("refs/pull/%d/head", number)); err != nil {
		return rep, fmt.Errorf("fetching #%d: %w", number, err)
	}
	onto, err := g.headOf(ctx, pull.Base.Ref)
	if err != nil {
		return rep, err
	}
	s, err := g.seedAt(ctx, onto)
	if err != nil {
		return rep, err
	}
	base, err := g.Clone.MergeBase(ctx, onto, pull.Head.SHA)
	if err != nil {
		return rep, fmt.Errorf("finding where #%d began: %w", number, err)
	}
	series, err := g.Clone.Series(ctx, base, pull.Head.SHA)
	if err != nil {
		return rep, fmt.Errorf("reading the commits of #%d: %w", number, err)
	}
	f, err := g.facts(ctx, s, series, subject{agent: g.isOurs(pull), issue: issueOfBranch(pull.Head.Ref), pull: &pull})
	if err != nil {
		return rep, err
	}
	_, v := policy.Judge(s, series, f)
	g.tell(v)
	rep.Verdict, rep.Outcome, rep.Message = &v, personOutcome(v), string(v.Decision)
	_, err = g.apply(ctx, policy.Approved{}, []effect.Effect{
		effect.New(effect.Govern, effect.StickyKey(number), "", effect.PutComment{Issue: number, Body: executed(pull.Fork()) + v.Markdown(commentSize)}),
	})
	return rep, err
}

func personOutcome(v policy.Verdict) rundir.Outcome {
	if v.Advisory && v.Decision != policy.CouldNotJudge {
		return rundir.Advisory
	}
	if v.Decision == policy.Allowed {
		return rundir.Succeeded
	}
	return outcomeOf(v)
}

// commentSize bounds a comment in bytes, below what GitHub takes.
const commentSize = 60 << 10

// executed tells a contributor from elsewhere what was done with their code.
func executed(fork bool) string {
	if fork {
		return "fork: nothing executed; judged from its diff alone.\n\n"
	}
	return ""
}
