package git

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/change"
)

// maxChain bounds how many commits Chain walks. A change has a handful; whoever
// pushes more wants the walk to be slow.
const maxChain = 10_000

// Chain gives the commits after base up to head, oldest first, when head
// descends from base by single parents alone; none when the two are equal.
// Otherwise the error is ErrNotLinear and says which commit breaks the chain, or
// ErrShallow when history ends before base.
func (r *Repo) Chain(ctx context.Context, base, head string) ([]Info, error) {
	b, err := r.Blobs(ctx)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	var chain []Info
	for sha := head; sha != base; {
		if len(chain) == maxChain {
			return nil, fmt.Errorf("%w: base %.8s is not within %d commits of %.8s", ErrNotLinear, base, maxChain, head)
		}
		info, err := b.commit(sha)
		if errors.Is(err, ErrNotFound) && r.Shallow() && len(chain) > 0 {
			return nil, fmt.Errorf("%w: %.8s is the last commit here, base is %.8s", ErrShallow, chain[len(chain)-1].SHA, base)
		}
		if err != nil {
			return nil, err
		}
		if len(info.Parents) == 0 {
			return nil, fmt.Errorf("%w: %.8s has no parent, base is %.8s", ErrNotLinear, sha, base)
		}
		if len(info.Parents) > 1 {
			return nil, fmt.Errorf("%w: %.8s is a merge commit with parents %s", ErrNotLinear, sha, short(info.Parents))
		}
		chain = append(chain, info)
		sha = info.Parents[0]
	}
	slices.Reverse(chain)
	return chain, nil
}

func short(shas []string) string {
	out := make([]string, len(shas))
	for i, s := range shas {
		out[i] = s[:min(8, len(s))]
	}
	return strings.Join(out, ", ")
}

func (b *Blobs) commit(sha string) (Info, error) {
	raw, kind, err := b.object(sha)
	if err != nil {
		return Info{}, fmt.Errorf("reading commit %.8s: %w", sha, err)
	}
	if kind != "commit" {
		return Info{}, fmt.Errorf("reading commit %.8s: is a %s", sha, kind)
	}
	info, err := parseCommit(sha, raw)
	if err != nil {
		return Info{}, fmt.Errorf("reading commit %.8s: %w", sha, err)
	}
	return info, nil
}

// MergeBase gives the best common ancestor of two commits. It is ErrNotFound
// when there is none and ErrShallow when the history at hand cannot say.
func (r *Repo) MergeBase(ctx context.Context, a, b string) (string, error) {
	if !isSHA(a) || !isSHA(b) {
		return "", errors.New("finding merge base: not object ids")
	}
	if r.Shallow() {
		return "", fmt.Errorf("finding merge base of %.8s and %.8s: %w", a, b, ErrShallow)
	}
	out, err := r.git(ctx, "merge-base", a, b)
	var f *Failure
	if errors.As(err, &f) && f.Code == 1 {
		return "", fmt.Errorf("finding merge base of %.8s and %.8s: %w", a, b, ErrNotFound)
	}
	if err != nil {
		return "", fmt.Errorf("finding merge base of %.8s and %.8s: %w", a, b, missing(err))
	}
	return strings.TrimSpace(string(out)), nil
}

// IsAncestor says whether a is b or one of its ancestors. In a shallow
// repository "yes" is certain and "no" is ErrShallow.
func (r *Repo) IsAncestor(ctx context.Context, a, b string) (bool, error) {
	if !isSHA(a) || !isSHA(b) {
		return false, errors.New("comparing ancestry: not object ids")
	}
	_, err := r.git(ctx, "merge-base", "--is-ancestor", a, b)
	var f *Failure
	switch {
	case err == nil:
		return true, nil
	case errors.As(err, &f) && f.Code == 1 && r.Shallow():
		return false, fmt.Errorf("comparing %.8s with %.8s: %w", a, b, ErrShallow)
	case errors.As(err, &f) && f.Code == 1:
		return false, nil
	}
	return false, fmt.Errorf("comparing %.8s with %.8s: %w", a, b, missing(err))
}

// Compare gives what differs between two commits or trees.
func (r *Repo) Compare(ctx context.Context, base, head string) (change.Set, error) {
	b, err := r.Blobs(ctx)
	if err != nil {
		return change.Set{}, err
	}
	defer b.Close()
	from, err := r.Tree(ctx, base)
	if err != nil {
		return change.Set{}, err
	}
	to, err := r.Tree(ctx, head)
	if err != nil {
		return change.Set{}, err
	}
	return change.Compare(from, to, b.Read)
}

// Series gives the change from base to head with each commit between them
// compared against base. The chain must be linear; see Chain.
func (r *Repo) Series(ctx context.Context, base, head string) (change.Series, error) {
	chain, err := r.Chain(ctx, base, head)
	if err != nil {
		return change.Series{}, err
	}
	b, err := r.Blobs(ctx)
	if err != nil {
		return change.Series{}, err
	}
	defer b.Close()
	from, err := r.Tree(ctx, base)
	if err != nil {
		return change.Series{}, err
	}
	series := change.Series{Whole: change.Set{Base: from, Head: from}}
	for _, info := range chain {
		to, err := r.Tree(ctx, info.SHA)
		if err != nil {
			return change.Series{}, err
		}
		set, err := change.Compare(from, to, b.Read)
		if err != nil {
			return change.Series{}, err
		}
		series.Commits = append(series.Commits, change.Commit{SHA: info.SHA, Parents: info.Parents, Message: info.Message, Set: set})
		series.Whole = set
	}
	return series, nil
}

func fsckError(err error) error {
	var f *Failure
	if errors.As(err, &f) && f.Code > 0 {
		return fmt.Errorf("%w: %w", ErrFsck, err)
	}
	return err
}
