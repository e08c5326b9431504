package git

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"time"

	"github.com/seedbed-dev/seedbed/internal/change"
)

// index is a temporary index file with the entries of one tree.
type index struct {
	repo *Repo
	dir  string
}

func (r *Repo) index(ctx context.Context, tree string) (*index, error) {
	dir, err := os.MkdirTemp("", "seedbed-index-")
	if err != nil {
		return nil, fmt.Errorf("making temporary index: %w", err)
	}
	x := &index{repo: r, dir: dir}
	args := []string{"read-tree", tree}
	if tree == "" {
		args = []string{"read-tree", "--empty"}
	}
	if _, err := x.git(ctx, nil, args...); err != nil {
		x.close()
		return nil, fmt.Errorf("reading tree %.8s into an index: %w", tree, err)
	}
	return x, nil
}

func (x *index) close() { os.RemoveAll(x.dir) }

func (x *index) git(ctx context.Context, stdin []byte, args ...string) ([]byte, error) {
	c := command{args: args, dir: x.repo.dir, env: []string{"GIT_INDEX_FILE=" + filepath.Join(x.dir, "index")}}
	if stdin != nil {
		c.stdin = bytes.NewReader(stdin)
	}
	return c.run(ctx)
}

func (x *index) writeTree(ctx context.Context) (string, error) {
	out, err := x.git(ctx, nil, "write-tree")
	if err != nil {
		return "", fmt.Errorf("writing tree: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// ApplyPatch gives the tree that a patch makes of a base tree or commit. It
// works in a temporary index: no work tree is looked at or written. A patch
// that does not fit exactly is ErrDoesNotApply.
func (r *Repo) ApplyPatch(ctx context.Context, base string, patch []byte) (string, error) {
	tree, err := r.treeOf(ctx, base)
	if err != nil {
		return "", err
	}
	if len(bytes.TrimSpace(patch)) == 0 {
		return tree.SHA, nil
	}
	x, err := r.index(ctx, tree.SHA)
	if err != nil {
		return "", err
	}
	defer x.close()
	_, err = x.git(ctx, patch, "apply", "--cached", "--binary", "--whitespace=nowarn", "-")
	var f *Failure
	if errors.As(err, &f) {
		return "", fmt.Errorf("applying patch to %.8s: %w: %s", tree.SHA, ErrDoesNotApply, strings.TrimSpace(f.Stderr))
	}
	if err != nil {
		return "", fmt.Errorf("applying patch to %.8s: %w", tree.SHA, err)
	}
	return x.writeTree(ctx)
}

// Edit gives the tree that applied edits make of a base tree or commit. A file
// keeps its mode; a new one is ModeFile. Contents marked Unchanged are skipped. A
// path that is not canonical, or has a link, submodule or file in its way, is an
// error; see change.CheckPath and change.Tree.Obstacles.
func (r *Repo) Edit(ctx context.Context, base string, edits map[string]change.Content) (string, error) {
	tree, err := r.Tree(ctx, base)
	if err != nil {
		return "", err
	}
	modes := map[string]string{}
	for _, e := range tree.Entries {
		modes[e.Path] = e.Mode
	}
	paths := sortedKeys(edits)
	obstacles := tree.Obstacles(paths) // git would take the obstacle away without a word
	x, err := r.index(ctx, tree.SHA)
	if err != nil {
		return "", err
	}
	defer x.close()
	var info bytes.Buffer
	for _, path := range paths {
		if err := cmp.Or(change.CheckPath(path), obstacles[path]); err != nil {
			return "", fmt.Errorf("editing %q: %w", path, err)
		}
		c := edits[path]
		mode, had := modes[path]
		switch {
		case c.Unchanged:
			continue
		case c.Deleted:
			fmt.Fprintf(&info, "0 %s\t%s\x00", strings.Repeat("0", 40), path)
			continue
		case !had:
			mode = change.ModeFile
		}
		sha, err := r.WriteBlob(ctx, c.Data)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&info, "%s %s\t%s\x00", mode, sha, path)
	}
	if _, err := x.git(ctx, info.Bytes(), "update-index", "-z", "--index-info"); err != nil {
		return "", fmt.Errorf("editing tree %.8s: %w", tree.SHA, err)
	}
	return x.writeTree(ctx)
}

func sortedKeys(m map[string]change.Content) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// WriteBlob stores a content and gives its object id.
func (r *Repo) WriteBlob(ctx context.Context, data []byte) (string, error) {
	c := command{args: []string{"hash-object", "-w", "-t", "blob", "--no-filters", "--stdin"}, dir: r.dir, stdin: bytes.NewReader(data)}
	out, err := c.run(ctx)
	if err != nil {
		return "", fmt.Errorf("storing blob: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// CommitTree stores a commit and gives its object id. The same arguments give
// the same id; author and committer are the same identity.
func (r *Repo) CommitTree(ctx context.Context, tree string, parents []string, message string, who Identity, when time.Time) (string, error) {
	if !isSHA(tree) {
		return "", fmt.Errorf("committing: tree %q is not an object id", tree)
	}
	args := []string{"commit-tree", "--no-gpg-sign"}
	for _, p := range parents {
		if !isSHA(p) {
			return "", fmt.Errorf("committing: parent %q is not an object id", p)
		}
		args = append(args, "-p", p)
	}
	stamp := fmt.Sprintf("%d +0000", when.Unix())
	c := command{args: append(args, "-F", "-", tree), dir: r.dir, stdin: strings.NewReader(message), env: []string{
		"GIT_AUTHOR_NAME=" + who.Name, "GIT_AUTHOR_EMAIL=" + who.Email, "GIT_AUTHOR_DATE=" + stamp,
		"GIT_COMMITTER_NAME=" + who.Name, "GIT_COMMITTER_EMAIL=" + who.Email, "GIT_COMMITTER_DATE=" + stamp,
	}}
	out, err := c.run(ctx)
	if err != nil {
		return "", fmt.Errorf("committing: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Diff gives the patch between two commits or trees in the form that
// ApplyPatch takes: binary content included, full object ids, no renames, no
// attributes consulted but the repository's neutral ones.
func (r *Repo) Diff(ctx context.Context, base, head string) ([]byte, error) {
	from, err := r.treeOf(ctx, base)
	if err != nil {
		return nil, err
	}
	to, err := r.treeOf(ctx, head)
	if err != nil {
		return nil, err
	}
	out, err := r.git(ctx, "diff-tree", "-r", "-p", "--binary", "--full-index", "--no-renames", "--no-ext-diff", "--no-textconv",
		"--no-color", "--src-prefix=a/", "--dst-prefix=b/", from.SHA, to.SHA)
	if err != nil {
		return nil, fmt.Errorf("diffing %.8s and %.8s: %w", from.SHA, to.SHA, err)
	}
	return out, nil
}

// FormatPatch gives the commits after base up to head as a mailbox series, the
// stored form of a change; change.ParseSeries takes it apart again.
func (r *Repo) FormatPatch(ctx context.Context, base, head string) ([]byte, error) {
	chain, err := r.Chain(ctx, base, head)
	if err != nil {
		return nil, err
	}
	var steps []change.Step
	for _, info := range chain {
		patch, err := r.Diff(ctx, info.Parents[0], info.SHA)
		if err != nil {
			return nil, err
		}
		subject, body := splitMessage(info.Message)
		steps = append(steps, change.Step{SHA: info.SHA, Author: info.Author.Name, Email: info.Author.Email, Time: info.Authored,
			Subject: subject, Body: body, Patch: patch})
	}
	return change.FormatSeries(steps), nil
}

// splitMessage takes the first paragraph as the subject, as git does.
func splitMessage(message string) (subject, body string) {
	subject, body, _ = strings.Cut(strings.TrimLeft(message, "\n"), "\n\n")
	return strings.Join(strings.Fields(subject), " "), strings.Trim(body, "\n")
}
