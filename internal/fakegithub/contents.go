package fakegithub

import (
	"errors"
	"strings"
)

// contentLimit is the size up to which GitHub sends a file's content inline.
const contentLimit = 1 << 20

func (c *call) contentRef() (*gitCommit, string, error) {
	ref := orElse(c.query.Get("ref"), c.repo.DefaultBranch)
	short := strings.TrimPrefix(strings.TrimPrefix(ref, "refs/heads/"), "refs/tags/")
	k := c.git.commitish(short)
	if k == nil {
		return nil, "", refuse(404, "No commit found for the ref %s", ref)
	}
	return k, ref, nil
}

func (c *call) getContents() (reply, error) {
	k, ref, err := c.contentRef()
	if err != nil {
		return reply{}, err
	}
	path := strings.Trim(c.params["path"], "/")
	if path == "" {
		return c.listDirectory(k.Tree, "", ref)
	}
	if !cleanPath(path) {
		return reply{}, errNotFound
	}
	e := c.git.entry(k.Tree, path)
	switch {
	case e == nil:
		return reply{}, errNotFound
	case e.Type == "tree":
		return c.listDirectory(e.SHA, path, ref)
	}
	return c.sendFile(e, ref)
}

func (c *call) listDirectory(tree, dir, ref string) (reply, error) {
	entries, err := c.git.tree(tree, false)
	if err != nil {
		return reply{}, err
	}
	return ok(render(entries, func(e treeEntry) any {
		if dir != "" {
			e.Path = dir + "/" + e.Path
		}
		return c.contentShape(&e, ref)
	}))
}

func (c *call) sendFile(e *treeEntry, ref string) (reply, error) {
	o := c.contentShape(e, ref)
	if e.Type == "commit" {
		o["submodule_git_url"] = nil
		return ok(o)
	}
	data, err := c.objectOf(e.SHA, "blob")
	if err != nil {
		return reply{}, err
	}
	if strings.Contains(c.r.Header.Get("Accept"), "raw") {
		return reply{status: 200, raw: data, header: map[string]string{"Content-Type": "application/vnd.github.raw; charset=utf-8"}}, nil
	}
	if e.Mode == "120000" {
		o["target"] = string(data)
		return ok(o)
	}
	o["content"], o["encoding"] = base64Lines(data), "base64"
	if len(data) > contentLimit {
		o["content"], o["encoding"] = "", "none"
	}
	return ok(o)
}

func (c *call) contentShape(e *treeEntry, ref string) obj {
	path := escapePath(e.Path)
	kind := map[string]string{"040000": "dir", "120000": "symlink", "160000": "submodule"}[e.Mode]
	at := c.api("/contents/%s?ref=%s", path, ref)
	git := c.api("/git/blobs/%s", e.SHA)
	html := c.html("/blob/%s/%s", ref, path)
	var download any = c.html("/raw/%s/%s", ref, path)
	if e.Type != "blob" {
		git, html, download = c.api("/git/trees/%s", e.SHA), c.html("/tree/%s/%s", ref, path), nil
	}
	return obj{"name": e.Path[strings.LastIndex(e.Path, "/")+1:], "path": e.Path, "sha": e.SHA, "size": e.Size, "type": orElse(kind, "file"),
		"url": at, "html_url": html, "git_url": git, "download_url": download, "_links": obj{"self": at, "git": git, "html": html}}
}

type contentInput struct {
	Message           string
	Content           *string
	SHA               string
	Branch            string
	Author, Committer *personInput
}

func (c *call) putContents() (reply, error) {
	var in contentInput
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if in.Content == nil {
		return reply{}, refuse(422, "Invalid request.\n\n\"content\" wasn't supplied.")
	}
	data, err := decode64(*in.Content)
	if err != nil {
		return reply{}, refuse(422, "content is not valid Base64")
	}
	return c.writeContents(in, func(at *treeEntry) (treeChange, int, error) {
		switch {
		case at == nil && in.SHA != "":
			return treeChange{}, 0, refuse(409, "%s does not match", c.params["path"])
		case at != nil && in.SHA == "":
			return treeChange{}, 0, refuse(422, "Invalid request.\n\n\"sha\" wasn't supplied.")
		case at != nil && at.SHA != in.SHA:
			return treeChange{}, 0, refuse(409, "%s does not match %s", c.params["path"], in.SHA)
		}
		sha, err := c.git.writeObject("blob", data)
		change := treeChange{"100644", sha, c.params["path"]}
		if at == nil {
			return change, 201, err
		}
		change.Mode = at.Mode
		return change, 200, err
	})
}

func (c *call) deleteContents() (reply, error) {
	in := contentInput{Message: c.query.Get("message"), SHA: c.query.Get("sha"), Branch: c.query.Get("branch")}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	return c.writeContents(in, func(at *treeEntry) (treeChange, int, error) {
		switch {
		case at == nil:
			return treeChange{}, 0, errNotFound
		case in.SHA == "":
			return treeChange{}, 0, refuse(422, "Invalid request.\n\n\"sha\" wasn't supplied.")
		case at.SHA != in.SHA:
			return treeChange{}, 0, refuse(409, "%s does not match %s", c.params["path"], in.SHA)
		}
		return treeChange{Path: c.params["path"]}, 200, nil
	})
}

// writeContents makes one commit that changes one file on a branch. The blob's
// name is the compare-and-swap: 409 when the file has moved on.
func (c *call) writeContents(in contentInput, decide func(at *treeEntry) (treeChange, int, error)) (reply, error) {
	path := c.params["path"]
	if !cleanPath(path) {
		return reply{}, refuse(422, "path contains a malformed path component")
	}
	if in.Message == "" {
		return reply{}, refuse(422, "Invalid request.\n\n\"message\" wasn't supplied.")
	}
	branch := strings.TrimPrefix(orElse(in.Branch, c.repo.DefaultBranch), "refs/heads/")
	tip, tree, old := (*gitCommit)(nil), "", zeroSHA
	if sha := c.git.resolve("refs/heads/" + branch); sha != "" {
		k, err := c.git.commit(sha)
		if err != nil {
			return reply{}, err
		}
		tip, tree, old = k, k.Tree, k.SHA
	} else if refs, err := c.git.refs("refs/heads/"); err != nil || len(refs) > 0 {
		return reply{}, refuse(404, "Branch %s not found", branch)
	}
	var at *treeEntry
	if tree != "" {
		at = c.git.entry(tree, path)
	}
	change, status, err := decide(at)
	if err != nil {
		return reply{}, err
	}
	if why := c.protected(branch); why != "" {
		return reply{}, refuse(409, "Could not change file: %s", why)
	}
	sha, err := c.commitChange(tip, tree, change, in)
	if err != nil {
		return reply{}, err
	}
	if c.touchesWorkflows(sha) {
		return reply{}, c.lacks([]need{{"workflows", "write"}})
	}
	if err := c.move("refs/heads/"+branch, old, sha); err != nil {
		var p *problem
		if errors.As(err, &p) {
			return reply{}, refuse(409, "%s", p.message)
		}
		return reply{}, err
	}
	return c.fileCommit(status, sha, path, branch)
}

func (c *call) commitChange(tip *gitCommit, tree string, change treeChange, in contentInput) (string, error) {
	next, err := c.git.writeTree(tree, []treeChange{change})
	var ge *gitError
	if errors.As(err, &ge) {
		return "", refuse(422, "path cannot be written: %s", strings.TrimSpace(ge.stderr))
	}
	if err != nil {
		return "", err
	}
	var parents []string
	if tip != nil {
		parents = []string{tip.SHA}
	}
	return c.newCommit(next, parents, in.Message, in.Author, in.Committer)
}

func (c *call) fileCommit(status int, sha, path, branch string) (reply, error) {
	k, err := c.git.commit(sha)
	if err != nil {
		return reply{}, err
	}
	body := obj{"content": nil, "commit": c.gitCommitShape(k)}
	if e := c.git.entry(k.Tree, path); e != nil {
		body["content"] = c.contentShape(e, branch)
	}
	return reply{status: status, body: body}, nil
}
