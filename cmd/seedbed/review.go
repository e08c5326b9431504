package main

import (
	"context"
	"fmt"

	"github.com/seedbed-dev/seedbed/internal/adapter/git"
	"github.com/seedbed-dev/seedbed/internal/adapter/github"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/stage/review"
)

// reviewPull reviews anybody's pull request. Its commits are fetched as objects
// into a bare clone: nothing of it is checked out and nothing is executed.
func (w *world) reviewPull(ctx context.Context, m *modelFlags, number int) error {
	gh, err := w.forge(ctx)
	if err != nil {
		return err
	}
	pull, err := gh.Pull(ctx, number)
	if err != nil {
		return fmt.Errorf("reading pull request #%d: %w", number, err)
	}
	bare, base, err := w.fetchPull(ctx, pull)
	if err != nil {
		return err
	}
	j, err := w.reviewJob(ctx, gh, bare, base, pull)
	if err != nil {
		return err
	}
	set, err := j.repo.Compare(ctx, base, pull.Head.SHA)
	if err != nil {
		return err
	}
	model, err := w.model(j, m)
	if err != nil {
		return err
	}
	rec, err := review.RunPull(ctx, review.Ports{Model: model, Repo: j.repo, Now: w.now, Redactor: w.redactor()}, j.seed, j.dir,
		review.Pull{Number: number, SHA: pull.Head.SHA, Title: pull.Title, Body: pull.Body, Change: set})
	if err != nil {
		return err
	}
	return w.record(j.dir, rec, true)
}

// fetchPull brings both ends of a pull request and gives where it began.
func (w *world) fetchPull(ctx context.Context, pull forge.Pull) (*git.Repo, string, error) {
	bare, err := w.remoteClone(ctx)
	if err != nil {
		return nil, "", err
	}
	onto := "refs/heads/" + pull.Base.Ref
	if err := bare.Fetch(ctx, onto, fmt.Sprintf("refs/pull/%d/head", pull.Number)); err != nil {
		return nil, "", err
	}
	head, err := bare.Resolve(ctx, onto)
	if err != nil {
		return nil, "", err
	}
	base, err := bare.MergeBase(ctx, head, pull.Head.SHA)
	if err != nil {
		return nil, "", fmt.Errorf("finding where #%d began: %w", pull.Number, err)
	}
	return bare, base, nil
}

func (w *world) reviewJob(ctx context.Context, gh *github.Client, bare *git.Repo, base string, pull forge.Pull) (job, error) {
	event, err := w.event()
	if err != nil {
		return job{}, err
	}
	r, err := gh.Repository(ctx)
	if err != nil {
		return job{}, fmt.Errorf("reading the repository: %w", err)
	}
	// not of the merge base: its author chose that, and it names the endpoint
	main, err := bare.Resolve(ctx, "refs/heads/"+r.DefaultBranch)
	if err != nil {
		return job{}, err
	}
	s, err := readSeed(ctx, bare, main)
	if err != nil {
		return job{}, err
	}
	run := w.newRun("review", event)
	run.Base = rundir.Snapshot{Repository: r.FullName(), Branch: pull.Base.Ref, Commit: base, At: w.now().UTC()}
	dir, err := rundir.Create(w.flags.runDir, run)
	if err != nil {
		return job{}, err
	}
	ledger, err := taskLedger(s, dir)
	return job{dir: dir, seed: s, repo: w.workspace(bare), ledger: ledger}, err
}
