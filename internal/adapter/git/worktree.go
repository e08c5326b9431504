package git

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Checkout writes the work tree of a commit into dir, which must be empty or
// absent. Files hold the bytes of their blobs: no line end is converted, no
// filter run, no LFS pointer resolved. Executable bits are set, symbolic links
// are made as links and never followed, a submodule becomes an empty directory.
//
// dir/.git is a repository of its own with the commit and its history copied,
// HEAD detached there, the index filled and a plain configuration, because test
// suites call git. It shares no file with r: whatever runs in dir can spoil only
// its own copy. Read results back with Snapshot, never from dir/.git.
func (r *Repo) Checkout(ctx context.Context, commit, dir string) error {
	sha, err := r.Resolve(ctx, commit)
	if err != nil {
		return fmt.Errorf("checking out: %w", err)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("checking out %.8s: %w", sha, err)
	}
	if entries, err := os.ReadDir(abs); err == nil && len(entries) > 0 {
		return fmt.Errorf("checking out %.8s: directory is not empty", sha)
	}
	if err := os.MkdirAll(abs, 0o755); err != nil {
		return fmt.Errorf("checking out %.8s: %w", sha, err)
	}
	if err := r.plant(ctx, sha, abs); err != nil {
		return fmt.Errorf("checking out %.8s: %w", sha, err)
	}
	return nil
}

func (r *Repo) plant(ctx context.Context, sha, dir string) error {
	gitdir := filepath.Join(dir, ".git")
	c := command{args: []string{"init", "--quiet", "--object-format=sha1", "--", dir}}
	if _, err := c.run(ctx); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Join(gitdir, "info"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(gitdir, "info", "attributes"), []byte(attributes), 0o644); err != nil {
		return err
	}
	copied := &Repo{dir: gitdir, url: r.dir}
	if err := copied.fetch(ctx, []string{sha}, 0); err != nil {
		return err
	}
	if _, err := copied.git(ctx, "update-ref", "--no-deref", "HEAD", sha); err != nil {
		return err
	}
	work := command{args: []string{"read-tree", "--reset", "-u", sha}, dir: gitdir, env: []string{"GIT_WORK_TREE=" + dir}}
	_, err := work.run(ctx)
	return err
}

// Snapshot gives the tree of the work tree at dir as it is now: what base (a
// commit or tree of r) has, changed, added and deleted as found on disk. Files
// that .gitignore names stay out unless base has them. dir/.git is not read:
// its configuration, index and hooks have no effect. A repository nested in dir
// becomes a submodule entry, which judges see by its mode.
func (r *Repo) Snapshot(ctx context.Context, dir, base string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("reading work tree %s: %w", dir, err)
	}
	tree := ""
	if base != "" {
		t, err := r.treeOf(ctx, base)
		if err != nil {
			return "", err
		}
		tree = t.SHA
	}
	x, err := r.index(ctx, tree)
	if err != nil {
		return "", err
	}
	defer x.close()
	c := command{args: []string{"add", "--all", "--no-warn-embedded-repo", "--", abs}, dir: r.dir,
		env: []string{"GIT_INDEX_FILE=" + filepath.Join(x.dir, "index"), "GIT_WORK_TREE=" + abs}}
	if _, err := c.run(ctx); err != nil {
		return "", fmt.Errorf("reading work tree %s: %w", dir, err)
	}
	return x.writeTree(ctx)
}

// FsckRange checks every object that head has and base has not by git's
// strictest rules: warnings count as errors, and so do modes that no git
// writes, which git itself only mentions. The error is ErrFsck with git's words.
func (r *Repo) FsckRange(ctx context.Context, base, head string) error {
	if !isSHA(base) || !isSHA(head) {
		return fmt.Errorf("checking objects: not object ids")
	}
	scratch, err := os.MkdirTemp("", "seedbed-fsck-")
	if err != nil {
		return fmt.Errorf("checking objects: %w", err)
	}
	defer os.RemoveAll(scratch)
	pack := command{args: []string{"pack-objects", "--revs", "--quiet", "--no-reuse-delta", filepath.Join(scratch, "range")}, dir: r.dir,
		stdin: strings.NewReader(head + "\n^" + base + "\n")}
	out, err := pack.run(ctx)
	if err != nil {
		return fmt.Errorf("checking objects of %.8s..%.8s: %w", base, head, missing(err))
	}
	name := strings.TrimSpace(string(out))
	if !isSHA(name) {
		return fmt.Errorf("checking objects of %.8s..%.8s: unexpected answer of pack-objects", base, head)
	}
	check := command{args: []string{"index-pack", "--strict=badFilemode=error", "-o", filepath.Join(scratch, "checked.idx"),
		filepath.Join(scratch, "range-"+name+".pack")}, dir: r.dir}
	if _, err := check.run(ctx); err != nil {
		return fmt.Errorf("checking objects of %.8s..%.8s: %w", base, head, fsckError(err))
	}
	return nil
}
