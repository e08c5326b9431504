package main

import (
	"context"
	"fmt"
	"time"

	"github.com/seedbed-dev/seedbed/internal/adapter/git"
	"github.com/seedbed-dev/seedbed/internal/change"
)

// workspace is a bare repository as the stages see it: what adapter/git has,
// and the few things that put its parts together.
type workspace struct {
	*git.Repo
	blobs *blobs
}

// workspace opens a repository; its reader of contents is closed with the
// process.
func (w *world) workspace(repo *git.Repo) workspace {
	b := &blobs{repo: repo}
	w.closers = append(w.closers, b.close)
	return workspace{repo, b}
}

// blobs reads contents through one git process, started when first needed.
type blobs struct {
	repo *git.Repo
	open *git.Blobs
}

func (b *blobs) read(ctx context.Context, sha string) ([]byte, error) {
	if b.open == nil {
		var err error
		if b.open, err = b.repo.Blobs(context.WithoutCancel(ctx)); err != nil {
			return nil, err
		}
	}
	data, err := b.open.Read(sha)
	if err != nil {
		b.close()
		return b.repo.Blob(ctx, sha) // made after the reader had started
	}
	return data, nil
}

func (b *blobs) close() {
	if b.open != nil {
		b.open.Close()
		b.open = nil
	}
}

// Blob is a file's content by its object id.
func (w workspace) Blob(ctx context.Context, sha string) ([]byte, error) {
	return w.blobs.read(ctx, sha)
}

// localIdentity is who commits in a scratch repository. The forge signs what is
// published under its own name.
var localIdentity = git.Identity{Name: "Seedbed", Email: "seedbed@users.noreply.github.com"}

// Commit stores a commit of a tree on top of a parent.
func (w workspace) Commit(ctx context.Context, tree, parent, message string, at time.Time) (string, error) {
	return w.CommitTree(ctx, tree, []string{parent}, message, localIdentity, at)
}

// Restore makes the commits of a mailbox series on top of base and gives the
// last. Each patch is applied to the tree before it, without a work tree. The
// same series gives the same commits.
func (w workspace) Restore(ctx context.Context, base string, series []byte) (string, error) {
	steps, err := change.ParseSeries(series)
	if err != nil {
		return "", err
	}
	info, err := w.CommitInfo(ctx, base)
	if err != nil {
		return "", err
	}
	head := base
	for i, s := range steps {
		tree, err := w.ApplyPatch(ctx, head, s.Patch)
		if err != nil {
			return "", fmt.Errorf("step %d of %d: %w", i+1, len(steps), err)
		}
		if head, err = w.Commit(ctx, tree, head, message(s), info.Committed); err != nil {
			return "", err
		}
	}
	return head, nil
}

func message(s change.Step) string {
	if s.Body == "" {
		return s.Subject
	}
	return s.Subject + "\n\n" + s.Body
}

// Paths lists the files of a commit.
func (w workspace) Paths(ctx context.Context, commit string) ([]string, error) {
	tree, err := w.Tree(ctx, commit)
	if err != nil {
		return nil, err
	}
	paths := make([]string, 0, len(tree.Entries))
	for _, e := range tree.Entries {
		paths = append(paths, e.Path)
	}
	return paths, nil
}

// Read gives a file of a commit and whether it is there.
func (w workspace) Read(ctx context.Context, commit, path string) ([]byte, bool, error) {
	return w.Repo.File(ctx, commit, path)
}

// clone is the workspace as govern sees it: it reads and applies, and nothing
// of it is ever checked out.
type clone struct{ workspace }

// Apply applies a series to a commit and gives it as a change.
func (c clone) Apply(ctx context.Context, base string, patch []byte) (change.Series, error) {
	head, err := c.Restore(ctx, base, patch)
	if err != nil {
		return change.Series{}, err
	}
	return c.Repo.Series(ctx, base, head)
}

// Changed lists the paths that differ between two commits.
func (c clone) Changed(ctx context.Context, from, to string) ([]string, error) {
	set, err := c.Compare(ctx, from, to)
	if err != nil {
		return nil, err
	}
	paths := make([]string, 0, len(set.Files))
	for _, f := range set.Files {
		paths = append(paths, f.Path)
	}
	return paths, nil
}
