package github

import (
	"context"
	"errors"
	"fmt"

	gh "github.com/google/go-github/v66/github"

	"github.com/seedbed-dev/seedbed/internal/forge"
)

// File reads a file at a ref (branch, tag or commit; the default branch when
// empty). The contents API stops at 1 MB; larger files are read as blobs.
// GitHub follows a symbolic link to a file, so this is no way to learn a mode.
// https://docs.github.com/rest/repos/contents#get-repository-content
func (c *Client) File(ctx context.Context, path, ref string) (forge.File, error) {
	doing := fmt.Sprintf("reading %q at %q", path, ref)
	found, _, _, err := c.gh.Repositories.GetContents(ctx, c.owner, c.repo, path, &gh.RepositoryContentGetOptions{Ref: ref})
	if errors.Is(err, gh.ErrPathForbidden) {
		return forge.File{}, invalid(doing, "paths with .. are not asked for")
	}
	if err != nil {
		return forge.File{}, readFailed(doing, err)
	}
	if found == nil || found.GetType() != "file" {
		return forge.File{}, invalid(doing, "it is not a file")
	}
	file := forge.File{Path: path, SHA: found.GetSHA()}
	if found.GetEncoding() == "none" || found.Content == nil {
		file.Content, err = c.Blob(ctx, file.SHA)
		return file, err
	}
	file.Content, err = decode(*found.Content, found.GetEncoding())
	if err != nil {
		return forge.File{}, complete(doing, false, "content that can be decoded")
	}
	return file, complete(doing, len(file.Content) == found.GetSize(), "content of the size it states")
}

// PutFile commits one file to a branch if its blob still is oldBlobSHA (empty:
// if there is none) and gives the new blob and commit. A file that changed
// meanwhile is forge.ErrConflict.
// https://docs.github.com/rest/repos/contents#create-or-update-file-contents
func (c *Client) PutFile(ctx context.Context, path, branch, message string, content []byte, oldBlobSHA string) (blob, commit string, err error) {
	doing := fmt.Sprintf("writing %q to %q", path, branch)
	ask := &gh.RepositoryContentFileOptions{Message: &message, Content: content}
	if content == nil {
		ask.Content = []byte{}
	}
	if branch != "" {
		ask.Branch = &branch
	}
	put := c.gh.Repositories.CreateFile
	if oldBlobSHA != "" {
		ask.SHA = &oldBlobSHA
		put = c.gh.Repositories.UpdateFile
	}
	made, _, err := put(ctx, c.owner, c.repo, path, ask)
	if err != nil {
		return "", "", writeFailed(doing, err)
	}
	blob, commit = made.Content.GetSHA(), made.Commit.GetSHA()
	return blob, commit, done(doing, blob != "" && commit != "", "blob and commit")
}
