package deploy

import (
	"context"
	"errors"
	"fmt"

	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/journal"
	"github.com/seedbed-dev/seedbed/internal/policy"
	"github.com/seedbed-dev/seedbed/internal/rundir"
)

// freezeRef stops all deploys while it exists; a person deletes it.
const freezeRef = "refs/seedbed/freeze/deploy"

// maxLine bounds the walk along the default branch: a commit further back is
// not what anybody means to release.
const maxLine = 5000

// judge gathers the facts and asks the judge; what it refuses ends the run.
func (d *deployer) judge(ctx context.Context) error {
	f, err := d.facts(ctx)
	if err != nil {
		return err
	}
	d.released, d.rep.Verdict = policy.JudgeRelease(d.seed, d.in.SHA, f)
	worst, bad := d.rep.Verdict.Worst()
	switch {
	case !bad:
		return nil
	case worst.Outcome == policy.Error:
		return &end{outcome: rundir.Infrastructure, reason: worst.Rule, message: fmt.Sprintf("could not judge %s: %s [%s]", short(d.in.SHA), worst.Reason, worst.Rule)}
	case worst.Rule == "freeze":
		return &end{outcome: rundir.NeedsHuman, reason: "frozen", message: worst.Reason, question: "Is it safe to deploy again? Then delete " + freezeRef + "."}
	}
	return &end{outcome: rundir.ValidationBlocked, reason: worst.Rule, message: fmt.Sprintf("%s does not go out: %s [%s]", short(d.in.SHA), worst.Reason, worst.Rule)}
}

func (d *deployer) facts(ctx context.Context) (policy.ReleaseFacts, error) {
	f := policy.ReleaseFacts{Pusher: d.in.Pusher, Unreadable: map[string]string{}}
	repo, err := d.Forge.Repository(ctx)
	if err != nil {
		return f, fmt.Errorf("reading the repository: %w", err)
	}
	if d.viewer, err = d.Forge.Viewer(ctx); err != nil {
		return f, fmt.Errorf("asking who we are: %w", err)
	}
	f.Viewer = d.viewer
	if f.Frozen, err = d.frozen(ctx); err != nil {
		f.Unreadable["freeze"] = err.Error()
	}
	head, err := d.Forge.Ref(ctx, "refs/heads/"+repo.DefaultBranch)
	if err != nil {
		return f, fmt.Errorf("reading %s: %w", repo.DefaultBranch, err)
	}
	if f.OnBranch, err = d.onLine(ctx, head.SHA); err != nil {
		f.Unreadable["branch"] = err.Error()
	}
	if !f.OnBranch {
		return f, nil // who made it does not matter any more
	}
	commit, err := d.Forge.Commit(ctx, d.in.SHA)
	if err != nil {
		return f, fmt.Errorf("reading commit %s: %w", short(d.in.SHA), err)
	}
	f.Author = commit.Author
	if f.Logged, err = d.logged(ctx, repo.DefaultBranch); err != nil {
		f.Unreadable["merge"] = err.Error()
	}
	return f, nil
}

func (d *deployer) frozen(ctx context.Context) (bool, error) {
	_, err := d.Forge.Ref(ctx, freezeRef)
	if errors.Is(err, forge.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// onLine walks the first parents: a commit that came in on the side of a merge
// was never the state of the default branch.
func (d *deployer) onLine(ctx context.Context, from string) (bool, error) {
	for n := 0; n < maxLine; n++ {
		if from == d.in.SHA {
			return true, nil
		}
		parents, err := d.Repo.Parents(ctx, from)
		if err != nil {
			return false, err
		}
		if len(parents) == 0 {
			return false, nil
		}
		from = parents[0]
	}
	return false, nil
}

// logged is what the log says the judge decided about the merge that made the
// commit. A log whose chain is broken says nothing.
func (d *deployer) logged(ctx context.Context, branch string) (policy.Decision, error) {
	if d.seed.Log.Branch != "" {
		branch = d.seed.Log.Branch
	}
	file, err := d.Forge.File(ctx, journal.Path, branch)
	if errors.Is(err, forge.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("the log: %w", err)
	}
	entries, err := journal.Parse(file.Content)
	if err != nil {
		return "", fmt.Errorf("the log: %w", err)
	}
	for _, e := range entries {
		for _, line := range e.Tasks {
			if line.Merge == d.in.SHA {
				return policy.Decision(line.Decision), nil
			}
		}
	}
	return "", nil
}
