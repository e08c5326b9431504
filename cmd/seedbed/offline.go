package main

import (
	"context"
	"fmt"

	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/stage/govern"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// offline gives govern what a dry run without a token can know: the run
// directory and the local repository. The forge is taken to hold nothing but
// the issue that was approved.
func (w *world) offline(ctx context.Context, in govern.Input, ports govern.Ports) (govern.Ports, error) {
	if len(in.Dirs) == 0 {
		return ports, usage("run seedbed plan and implement first, or set GITHUB_TOKEN", "a dry run without a token needs a run directory")
	}
	repo, err := w.localClone(ctx)
	if err != nil {
		return ports, err
	}
	run := in.Dirs[0].Run
	ports.Forge = assumed{branch: run.Base.Branch, base: run.Base.Commit, task: run.Task}
	ports.Clone = localOnly{clone{w.workspace(repo)}}
	return ports, nil
}

// localOnly is a clone that has everything already.
type localOnly struct{ clone }

// Fetch has nothing to fetch.
func (localOnly) Fetch(context.Context, ...string) error { return nil }

// assumed is a forge without a network: one repository, one issue, approved as
// the task says.
type assumed struct {
	branch string
	base   string
	task   *task.Task
}

func notHere(what string) error {
	return &forge.Error{Doing: "reading " + what + " without a token", Kind: forge.ErrNotFound}
}

// Repository is the one of the run.
func (a assumed) Repository(context.Context) (forge.Repository, error) {
	return forge.Repository{Owner: "local", Name: "repository", DefaultBranch: a.branch, AllowMerge: true}, nil
}

// Viewer is the account of GITHUB_TOKEN.
func (a assumed) Viewer(context.Context) (forge.User, error) { return forge.ActionsBot, nil }

// Permission believes the task's approver.
func (a assumed) Permission(context.Context, string) (forge.Permission, error) {
	return forge.Permission{Push: true}, nil
}

// Issue is the approved one; the words are not known, their digest is.
func (a assumed) Issue(_ context.Context, n int) (forge.Issue, error) {
	return forge.Issue{}, notHere(fmt.Sprintf("issue #%d", n))
}

// The lists of a forge that holds nothing.

// IssuesWithLabel is empty.
func (a assumed) IssuesWithLabel(context.Context, string) ([]forge.Issue, error) { return nil, nil }

// Timeline is empty.
func (a assumed) Timeline(context.Context, int) ([]forge.TimelineEvent, error) { return nil, nil }

// Edits are none.
func (a assumed) Edits(context.Context, int) (forge.Edits, error) { return forge.Edits{}, nil }

// Pull is not there.
func (a assumed) Pull(_ context.Context, n int) (forge.Pull, error) {
	return forge.Pull{}, notHere(fmt.Sprintf("pull request #%d", n))
}

// PullsByHead is empty.
func (a assumed) PullsByHead(context.Context, string) ([]forge.Pull, error) { return nil, nil }

// OpenPulls is empty.
func (a assumed) OpenPulls(context.Context) ([]forge.Pull, error) { return nil, nil }

// Reviews are none.
func (a assumed) Reviews(context.Context, int) ([]forge.Review, error) { return nil, nil }

// Checks are none.
func (a assumed) Checks(context.Context, string) ([]forge.Check, error) { return nil, nil }

// Ref is the base branch at the base commit.
func (a assumed) Ref(_ context.Context, name string) (forge.Ref, error) {
	if name == "refs/heads/"+a.branch {
		return forge.Ref{Name: name, SHA: a.base}, nil
	}
	return forge.Ref{}, notHere(name)
}

// RefsUnder is empty.
func (a assumed) RefsUnder(context.Context, string) ([]forge.Ref, error) { return nil, nil }

// Commit is not there.
func (a assumed) Commit(_ context.Context, sha string) (forge.Commit, error) {
	return forge.Commit{}, notHere("commit " + sha)
}

// File is not there.
func (a assumed) File(_ context.Context, path, _ string) (forge.File, error) {
	return forge.File{}, notHere(path)
}

// WorkflowRun is not there.
func (a assumed) WorkflowRun(_ context.Context, id int64) (forge.Run, error) {
	return forge.Run{}, notHere(fmt.Sprintf("run %d", id))
}
