package implement

import (
	"context"

	"github.com/seedbed-dev/seedbed/internal/change"
)

// objects reads trees and contents once, since they never change under their
// ids: a step looks at the same ones many times, and each look is a process.
type objects struct {
	repo  Repository
	trees map[string]change.Tree // by the revision asked for
	blobs map[string][]byte      // by object id
	kept  int                    // bytes in blobs
}

// maxKept bounds the contents kept in memory.
const maxKept = 32 << 20

func newObjects(repo Repository) *objects {
	return &objects{repo: repo, trees: map[string]change.Tree{}, blobs: map[string][]byte{}}
}

// tree gives the files of a commit or tree, by object id.
func (o *objects) tree(ctx context.Context, id string) (change.Tree, error) {
	if t, ok := o.trees[id]; ok {
		return t, nil
	}
	t, err := o.repo.Tree(ctx, id)
	if err == nil {
		o.trees[id] = t
	}
	return t, err
}

func (o *objects) blob(ctx context.Context, sha string) ([]byte, error) {
	if data, ok := o.blobs[sha]; ok {
		return data, nil
	}
	data, err := o.repo.Blob(ctx, sha)
	if err == nil && len(data) <= maxRead && o.kept+len(data) <= maxKept {
		o.blobs[sha] = data
		o.kept += len(data)
	}
	return data, err
}

// compare gives what differs between two commits or trees.
func (o *objects) compare(ctx context.Context, from, to string) (change.Set, error) {
	base, err := o.tree(ctx, from)
	if err != nil {
		return change.Set{}, err
	}
	head, err := o.tree(ctx, to)
	if err != nil {
		return change.Set{}, err
	}
	return change.Compare(base, head, func(sha string) ([]byte, error) { return o.blob(ctx, sha) })
}
