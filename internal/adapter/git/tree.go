package git

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/change"
)

// Bounds of one tree. A few small objects that name each other can stand for
// billions of paths.
const (
	maxEntries   = 1_000_000
	maxTreeDepth = 4096
	maxPathBytes = 256 << 20 // all paths together
)

// Tree reads all leaves below a commit or tree. Modes are those of the tree
// objects to the byte: git ls-tree shows 100664 and 104755 as if they were
// ordinary, so the objects are read here. A directory entry whose mode is not the
// one git writes is given as an entry of its own, besides the leaves below it.
func (r *Repo) Tree(ctx context.Context, rev string) (change.Tree, error) {
	tree, err := r.treeOf(ctx, rev)
	if err != nil {
		return change.Tree{}, err
	}
	b, err := r.Blobs(ctx)
	if err != nil {
		return change.Tree{}, err
	}
	defer b.Close()
	w := walker{blobs: b, trees: map[string][]byte{}}
	if err := w.walk(tree.SHA); err != nil {
		return change.Tree{}, fmt.Errorf("reading tree %.8s: %w", tree.SHA, err)
	}
	if err := r.sizes(ctx, w.entries); err != nil {
		return change.Tree{}, fmt.Errorf("reading tree %.8s: %w", tree.SHA, err)
	}
	tree.Entries = w.entries
	return tree, nil
}

func (r *Repo) treeOf(ctx context.Context, rev string) (change.Tree, error) {
	out, err := r.git(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", rev+"^{tree}")
	var f *Failure
	if errors.As(err, &f) {
		return change.Tree{}, fmt.Errorf("reading tree of %q: %w", rev, ErrNotFound)
	}
	if err != nil {
		return change.Tree{}, fmt.Errorf("reading tree of %q: %w", rev, err)
	}
	tree := change.Tree{SHA: strings.TrimSpace(string(out))}
	if !isSHA(tree.SHA) {
		return change.Tree{}, ErrSHA256
	}
	if tree.SHA == rev {
		return tree, nil
	}
	if commit, err := r.git(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", rev+"^{commit}"); err == nil {
		tree.Commit = strings.TrimSpace(string(commit))
	}
	return tree, nil
}

// walker lists a tree depth first, in git's order, without recursion: the depth
// is the stranger's choice.
type walker struct {
	blobs   *Blobs
	trees   map[string][]byte // raw objects read so far
	entries []change.Entry
	seen    int // entries of any kind
	bytes   int // of paths
}

// level is a tree on the way down: what is left of it, and its path with a slash.
type level struct {
	rest   []byte
	prefix string
}

func (w *walker) walk(root string) error {
	raw, err := w.read(root)
	if err != nil {
		return err
	}
	stack := []level{{raw, ""}}
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		if len(top.rest) == 0 {
			stack = stack[:len(stack)-1]
			continue
		}
		e, rest, err := nextEntry(top.rest)
		if err != nil {
			return fmt.Errorf("%q: %w", top.prefix, err)
		}
		top.rest = rest
		e.Path = top.prefix + e.Path
		w.seen++
		if w.bytes += len(e.Path); w.seen > maxEntries || w.bytes > maxPathBytes || len(stack) > maxTreeDepth {
			return fmt.Errorf("%w: more than %d entries, %d levels or %d bytes of paths", ErrTooLarge, maxEntries, maxTreeDepth, maxPathBytes)
		}
		directory := isDirectory(e.Mode)
		if !directory || e.Mode != "40000" {
			w.entries = append(w.entries, e)
		}
		if directory {
			raw, err := w.read(e.SHA)
			if err != nil {
				return err
			}
			stack = append(stack, level{raw, e.Path + "/"})
		}
	}
	return nil
}

func (w *walker) read(sha string) ([]byte, error) {
	if raw, ok := w.trees[sha]; ok {
		return raw, nil
	}
	raw, kind, err := w.blobs.object(sha)
	if err != nil {
		return nil, fmt.Errorf("object %.8s: %w", sha, err)
	}
	if kind != "tree" {
		return nil, fmt.Errorf("object %.8s is a %s where a tree was named: %w", sha, kind, ErrFsck)
	}
	w.trees[sha] = raw
	return raw, nil
}

// nextEntry reads "mode SP name NUL" and the 20 bytes of an object id.
func nextEntry(raw []byte) (change.Entry, []byte, error) {
	head, rest, ok := bytes.Cut(raw, []byte{0})
	mode, name, blank := strings.Cut(string(head), " ")
	if !ok || !blank || len(rest) < 20 {
		return change.Entry{}, nil, fmt.Errorf("%w: tree entry is cut short", ErrFsck)
	}
	if strings.Trim(mode, "01234567") != "" || mode == "" {
		return change.Entry{}, nil, fmt.Errorf("%w: tree entry with mode %q", ErrFsck, mode)
	}
	return change.Entry{Path: name, Mode: mode, SHA: hex.EncodeToString(rest[:20]), Size: -1}, rest[20:], nil
}

// isDirectory looks at the type bits, as git does; see inode(7).
func isDirectory(mode string) bool {
	bits, err := strconv.ParseUint(mode, 8, 32)
	return err == nil && bits&0o170000 == 0o040000
}

// sizes asks for all objects at once. What is not in the repository, as a
// submodule's commit, keeps -1.
func (r *Repo) sizes(ctx context.Context, entries []change.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	var ask bytes.Buffer
	size := map[string]int64{}
	for _, e := range entries {
		if _, asked := size[e.SHA]; !asked {
			size[e.SHA] = -1
			ask.WriteString(e.SHA + "\n")
		}
	}
	out, err := command{args: []string{"cat-file", "--batch-check", "--buffer"}, dir: r.dir, stdin: &ask}.run(ctx)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(bytes.NewReader(out))
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) != 3 || fields[1] != "blob" {
			continue
		}
		n, err := strconv.ParseInt(fields[2], 10, 64)
		if err != nil {
			return fmt.Errorf("size %q: %w", fields[2], err)
		}
		size[fields[0]] = n
	}
	for i, e := range entries {
		entries[i].Size = size[e.SHA]
	}
	return lines.Err()
}
