package git

import (
	"context"
	"fmt"
	"strings"
)

// maxVersions bounds how far back Versions walks.
const maxVersions = 10000

// Versions gives the contents a file had, oldest first, along the first parents
// of a commit. Versions in which it did not exist are left out. Where history is
// cut off the oldest ones are unknown, which is ErrShallow.
func (r *Repo) Versions(ctx context.Context, head, path string) ([][]byte, error) {
	if r.Shallow() {
		return nil, fmt.Errorf("listing versions of %s: %w", path, ErrShallow)
	}
	head, err := r.Resolve(ctx, head) // an object id: no revision can pass for an option
	if err != nil {
		return nil, fmt.Errorf("listing versions of %s: %w", path, err)
	}
	out, err := r.git(ctx, "log", "--first-parent", "--diff-merges=first-parent", "--format=%H", fmt.Sprintf("--max-count=%d", maxVersions+1),
		"--reverse", head, "--", path)
	if err != nil {
		return nil, fmt.Errorf("listing versions of %s: %w", path, err)
	}
	commits := strings.Fields(string(out))
	if len(commits) > maxVersions {
		return nil, fmt.Errorf("listing versions of %s: more than %d", path, maxVersions)
	}
	blobs, err := r.Blobs(ctx)
	if err != nil {
		return nil, fmt.Errorf("listing versions of %s: %w", path, err)
	}
	defer blobs.Close()
	var versions [][]byte
	for _, c := range commits {
		sha, err := r.blobAt(ctx, c, path)
		if err != nil {
			return nil, err
		}
		if sha == "" {
			continue // deleted here
		}
		data, err := blobs.Read(sha)
		if err != nil {
			return nil, fmt.Errorf("reading %s at %.8s: %w", path, c, err)
		}
		versions = append(versions, data)
	}
	return versions, nil
}

// File gives the content of one file of a commit and whether it is there,
// without reading the rest of the tree.
func (r *Repo) File(ctx context.Context, rev, path string) ([]byte, bool, error) {
	commit, err := r.Resolve(ctx, rev)
	if err != nil {
		return nil, false, fmt.Errorf("reading %s: %w", path, err)
	}
	sha, err := r.blobAt(ctx, commit, path)
	if err != nil || sha == "" {
		return nil, false, err
	}
	data, err := r.Blob(ctx, sha)
	return data, err == nil, err
}

// blobAt is the object id of a file of a commit, empty when there is no file of
// that name.
func (r *Repo) blobAt(ctx context.Context, commit, path string) (string, error) {
	entry, err := r.git(ctx, "ls-tree", "-z", commit, "--", path)
	if err != nil {
		return "", fmt.Errorf("reading %s at %.8s: %w", path, commit, err)
	}
	fields := strings.Fields(string(entry))
	if len(fields) < 3 || fields[1] != "blob" {
		return "", nil
	}
	return fields[2], nil
}
