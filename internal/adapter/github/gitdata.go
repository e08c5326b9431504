package github

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"

	gh "github.com/google/go-github/v66/github"

	"github.com/seedbed-dev/seedbed/internal/forge"
)

var shaRE = regexp.MustCompile(`^([0-9a-f]{40}|[0-9a-f]{64})$`)

// fullRef accepts full names only: "main" could be a branch or a tag.
func fullRef(doing, name string) error {
	if !strings.HasPrefix(name, "refs/") || strings.Contains(name, "..") || strings.Contains(name, "//") || strings.HasSuffix(name, "/") {
		return invalid(doing, "want a full name such as refs/heads/main")
	}
	return nil
}

// Ref reads one reference by its full name.
// https://docs.github.com/rest/git/refs#get-a-reference
func (c *Client) Ref(ctx context.Context, name string) (forge.Ref, error) {
	doing := fmt.Sprintf("reading %q", name)
	if err := fullRef(doing, name); err != nil {
		return forge.Ref{}, err
	}
	r, _, err := c.gh.Git.GetRef(ctx, c.owner, c.repo, name)
	if err != nil {
		return forge.Ref{}, readFailed(doing, err)
	}
	return toRef(r), complete(doing, r.GetRef() == name && r.GetObject().GetSHA() != "", "such reference")
}

// RefsUnder lists the references whose full names begin with a prefix.
// https://docs.github.com/rest/git/refs#list-matching-references
func (c *Client) RefsUnder(ctx context.Context, prefix string) ([]forge.Ref, error) {
	doing := fmt.Sprintf("listing references under %q", prefix)
	if err := fullRef(doing, strings.TrimSuffix(prefix, "/")); err != nil {
		return nil, err
	}
	path := c.at("git", "matching-refs") + (&url.URL{Path: strings.TrimPrefix(prefix, "refs")}).EscapedPath()
	found, err := everyPage[*gh.Reference](ctx, c, doing, path, nil)
	if err != nil {
		return nil, err
	}
	var refs []forge.Ref
	for _, r := range found {
		if strings.HasPrefix(r.GetRef(), prefix) {
			refs = append(refs, toRef(r))
		}
	}
	return refs, nil
}

// CreateRef makes a reference; one that is there is forge.ErrExists, which
// makes this the compare-and-swap of leases.
// https://docs.github.com/rest/git/refs#create-a-reference
func (c *Client) CreateRef(ctx context.Context, name, sha string) error {
	doing := fmt.Sprintf("creating %q", name)
	if err := fullRef(doing, name); err != nil {
		return err
	}
	_, _, err := c.gh.Git.CreateRef(ctx, c.owner, c.repo, &gh.Reference{Ref: &name, Object: &gh.GitObject{SHA: &sha}})
	return writeFailed(doing, err)
}

// UpdateRef moves a reference forward, never by force: another history is
// forge.ErrConflict.
// https://docs.github.com/rest/git/refs#update-a-reference
func (c *Client) UpdateRef(ctx context.Context, name, sha string) error {
	doing := fmt.Sprintf("moving %q", name)
	if err := fullRef(doing, name); err != nil {
		return err
	}
	_, _, err := c.gh.Git.UpdateRef(ctx, c.owner, c.repo, &gh.Reference{Ref: &name, Object: &gh.GitObject{SHA: &sha}}, false)
	return writeFailed(doing, err)
}

// DeleteRef deletes a reference; one that is not there is forge.ErrNotFound.
// https://docs.github.com/rest/git/refs#delete-a-reference
func (c *Client) DeleteRef(ctx context.Context, name string) error {
	doing := fmt.Sprintf("deleting %q", name)
	if err := fullRef(doing, name); err != nil {
		return err
	}
	_, err := c.gh.Git.DeleteRef(ctx, c.owner, c.repo, name)
	return writeFailed(doing, err)
}

// Commit reads a commit by its full object name.
// https://docs.github.com/rest/commits/commits#get-a-commit
func (c *Client) Commit(ctx context.Context, sha string) (forge.Commit, error) {
	doing := fmt.Sprintf("reading commit %.40q", sha)
	if !shaRE.MatchString(sha) {
		return forge.Commit{}, invalid(doing, "want a full object name")
	}
	// One file a page: what changed is not asked here.
	found, _, err := c.gh.Repositories.GetCommit(ctx, c.owner, c.repo, sha, &gh.ListOptions{PerPage: 1})
	if err != nil {
		return forge.Commit{}, readFailed(doing, err)
	}
	commit := toCommit(found)
	return commit, complete(doing, commit.SHA == sha && commit.Tree != "", "such commit and tree")
}

// Blob reads a blob by its full object name, up to about 12 MB.
// https://docs.github.com/rest/git/blobs#get-a-blob
func (c *Client) Blob(ctx context.Context, sha string) ([]byte, error) {
	doing := fmt.Sprintf("reading blob %.40q", sha)
	if !shaRE.MatchString(sha) {
		return nil, invalid(doing, "want a full object name")
	}
	b, _, err := c.gh.Git.GetBlob(ctx, c.owner, c.repo, sha)
	if err != nil {
		return nil, readFailed(doing, err)
	}
	content, err := decode(b.GetContent(), b.GetEncoding())
	if err != nil {
		return nil, complete(doing, false, "content that can be decoded")
	}
	return content, complete(doing, b.Size == nil || len(content) == b.GetSize(), "content of the size it states")
}

// decode reads content as GitHub sends it, base64 with line ends or plain.
func decode(content, encoding string) ([]byte, error) {
	switch encoding {
	case "base64":
		return base64.StdEncoding.DecodeString(strings.Map(func(r rune) rune {
			if r == '\n' || r == '\r' {
				return -1
			}
			return r
		}, content))
	case "utf-8", "":
		return []byte(content), nil
	}
	return nil, fmt.Errorf("unknown encoding %q", encoding)
}

// CreateBlob stores content and gives its object name.
// https://docs.github.com/rest/git/blobs#create-a-blob
func (c *Client) CreateBlob(ctx context.Context, content []byte) (string, error) {
	const doing = "storing a blob"
	b, _, err := c.gh.Git.CreateBlob(ctx, c.owner, c.repo, &gh.Blob{
		Content: gh.String(base64.StdEncoding.EncodeToString(content)), Encoding: gh.String("base64"),
	})
	if err != nil {
		return "", writeFailed(doing, err)
	}
	return b.GetSHA(), done(doing, b.GetSHA() != "", "object name")
}

// CreateTree stores a tree made of a base tree (none when empty) with edits on
// top, and gives its object name. Text goes inline, one call for all of it;
// each binary file is a blob of its own first.
// https://docs.github.com/rest/git/trees#create-a-tree
func (c *Client) CreateTree(ctx context.Context, base string, edits []forge.TreeEdit) (string, error) {
	const doing = "storing a tree"
	var entries []*gh.TreeEntry
	for _, e := range edits {
		entry := &gh.TreeEntry{Path: gh.String(e.Path), Mode: gh.String(modeOf(e)), Type: gh.String("blob")}
		switch {
		case e.Delete: // neither content nor object: go-github sends "sha": null
		case inline(e.Content):
			entry.Content = gh.String(string(e.Content))
		default:
			sha, err := c.CreateBlob(ctx, e.Content)
			if err != nil {
				return "", err
			}
			entry.SHA = &sha
		}
		entries = append(entries, entry)
	}
	t, _, err := c.gh.Git.CreateTree(ctx, c.owner, c.repo, base, entries)
	if err != nil {
		return "", writeFailed(doing, err)
	}
	return t.GetSHA(), done(doing, t.GetSHA() != "", "object name")
}

// inline says whether content survives a trip through a JSON string.
func inline(content []byte) bool {
	return utf8.Valid(content) && bytes.IndexByte(content, 0) < 0
}

func modeOf(e forge.TreeEdit) string {
	if e.Mode == "" {
		return "100644"
	}
	return e.Mode
}

// CreateCommit stores a commit without author, committer or date, so that
// GitHub fills them in and signs it, and gives its object name.
// https://docs.github.com/rest/git/commits#create-a-commit
func (c *Client) CreateCommit(ctx context.Context, message, tree string, parents []string) (string, error) {
	const doing = "storing a commit"
	ask := &gh.Commit{Message: &message, Tree: &gh.Tree{SHA: &tree}}
	for _, p := range parents {
		ask.Parents = append(ask.Parents, &gh.Commit{SHA: gh.String(p)})
	}
	made, _, err := c.gh.Git.CreateCommit(ctx, c.owner, c.repo, ask, nil)
	if err != nil {
		return "", writeFailed(doing, err)
	}
	return made.GetSHA(), done(doing, made.GetSHA() != "", "object name")
}
