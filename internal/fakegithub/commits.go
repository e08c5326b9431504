package fakegithub

import (
	"strings"
)

func (c *call) commitAt() (*gitCommit, error) {
	ref := c.params["ref"]
	if ref == "" {
		ref = c.params["sha"]
	}
	k := c.git.commitish(strings.TrimPrefix(ref, "refs/heads/"))
	if k == nil {
		return nil, refuse(422, "No commit found for SHA: %s", ref)
	}
	return k, nil
}

// wantsDiff tells whether the caller asked for a plain diff instead of JSON.
func (c *call) wantsDiff() bool {
	return c.r != nil && strings.Contains(c.r.Header.Get("Accept"), ".diff")
}

func (c *call) rawDiff(a, b string) (reply, error) {
	out, err := c.git.fixed("diff-tree", "-r", "-p", "-M", "--no-ext-diff", "--no-textconv", a, b)
	if err != nil {
		return reply{}, err
	}
	return reply{status: 200, raw: out, header: map[string]string{"Content-Type": "application/vnd.github.diff; charset=utf-8"}}, nil
}

func (c *call) getCommit() (reply, error) {
	k, err := c.commitAt()
	if err != nil {
		return reply{}, err
	}
	parent := emptyTree
	if len(k.Parents) > 0 {
		parent = k.Parents[0]
	}
	if c.wantsDiff() {
		return c.rawDiff(parent, k.SHA)
	}
	files, err := c.git.diff(parent, k.SHA)
	if err != nil {
		return reply{}, err
	}
	o := c.commitShape(k)
	added, removed := lineCounts(files)
	o["stats"] = obj{"additions": added, "deletions": removed, "total": added + removed}
	o["files"] = page(c, files, func(f fileDiff) any { return c.fileShape(f, k.SHA) })
	return ok(o)
}

func lineCounts(files []fileDiff) (added, removed int) {
	for _, f := range files {
		added, removed = added+f.Added, removed+f.Removed
	}
	return added, removed
}

func (c *call) listCommits() (reply, error) {
	from := orElse(c.query.Get("sha"), c.repo.DefaultBranch)
	head := c.git.commitish(from)
	if head == nil {
		if c.git.resolve("refs/heads/"+c.repo.DefaultBranch) == "" {
			return reply{}, refuse(409, "Git Repository is empty.")
		}
		return reply{}, errNotFound
	}
	args := []string{"rev-list", head.SHA}
	if since := c.query.Get("since"); since != "" {
		args = append(args, "--since="+since)
	}
	if until := c.query.Get("until"); until != "" {
		args = append(args, "--until="+until)
	}
	if path := c.query.Get("path"); path != "" {
		if !cleanPath(path) {
			return reply{}, errNotFound
		}
		args = append(args, "--", path)
	}
	out, err := c.git.fixed(args...)
	if err != nil {
		return reply{}, err
	}
	return ok(page(c, strings.Fields(string(out)), c.commitNamed))
}

func (c *call) commitNamed(sha string) any {
	k, err := c.git.commit(sha)
	if err != nil {
		return nil
	}
	return c.commitShape(k)
}

// compare answers BASE...HEAD with three-dot meaning: what head brings since
// the two parted.
func (c *call) compare() (reply, error) {
	left, right, found := strings.Cut(c.params["basehead"], "...")
	if !found {
		return reply{}, errNotFound
	}
	base, head := c.side(left), c.side(right)
	if base == nil || head == nil {
		return reply{}, errNotFound
	}
	merge := c.git.mergeBase(base.SHA, head.SHA)
	if merge == "" {
		return reply{}, refuse(404, "No common ancestor between %s and %s.", left, right)
	}
	if c.wantsDiff() {
		return c.rawDiff(merge, head.SHA)
	}
	ahead, err := c.git.revList(head.SHA, base.SHA)
	if err != nil {
		return reply{}, err
	}
	behind, err := c.git.revList(base.SHA, head.SHA)
	if err != nil {
		return reply{}, err
	}
	files, err := c.git.diff(merge, head.SHA)
	if err != nil {
		return reply{}, err
	}
	mergeBase, err := c.git.commit(merge)
	if err != nil {
		return reply{}, err
	}
	reverse(ahead)
	url, html := c.api("/compare/%s", escapePath(c.params["basehead"])), c.html("/compare/%s", escapePath(c.params["basehead"]))
	return ok(obj{
		"url": url, "html_url": html, "permalink_url": html, "diff_url": html + ".diff", "patch_url": html + ".patch",
		"base_commit": c.commitShape(base), "merge_base_commit": c.commitShape(mergeBase), "status": compareStatus(len(ahead), len(behind)),
		"ahead_by": len(ahead), "behind_by": len(behind), "total_commits": len(ahead), "commits": page(c, ahead, c.commitNamed),
		"files": render(files[:min(len(files), 300)], func(f fileDiff) any { return c.fileShape(f, head.SHA) }),
	})
}

// side reads one side of a comparison: REF, or USER:REF for a fork.
func (c *call) side(name string) *gitCommit {
	owner, ref, cross := strings.Cut(name, ":")
	if !cross {
		return c.git.commitish(name)
	}
	if strings.EqualFold(owner, c.repo.Owner) {
		return c.git.commitish(ref)
	}
	fork := c.forkOf(owner)
	if fork == nil {
		return nil
	}
	sha := c.s.dir(fork).resolve("refs/heads/" + ref)
	if sha == "" || c.bring(fork, "refs/heads/"+ref, "") != nil {
		return nil
	}
	k, err := c.git.commit(sha)
	if err != nil {
		return nil
	}
	return k
}

// forkOf finds the fork of this repository that a user owns.
func (c *call) forkOf(owner string) *repository {
	for _, r := range c.st.Repos {
		if strings.EqualFold(r.Owner, owner) && r.ForkOf == repoKey(c.repo.Owner, c.repo.Name) {
			return r
		}
	}
	return nil
}

// bring fetches a ref's objects from another repository of this server; with
// to set it is kept under that name.
func (c *call) bring(from *repository, ref, to string) error {
	spec := ref
	if to != "" {
		spec = "+" + ref + ":" + to
	}
	_, err := c.git.run(nil, "fetch", "-q", "--no-write-fetch-head", c.s.repoPath(from.Owner, from.Name), spec)
	return err
}

func compareStatus(ahead, behind int) string {
	switch {
	case ahead == 0 && behind == 0:
		return "identical"
	case behind == 0:
		return "ahead"
	case ahead == 0:
		return "behind"
	}
	return "diverged"
}

func reverse[T any](list []T) {
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
}

// commitPulls lists the pull requests a commit is in: open ones that contain
// it and merged ones it came by.
func (c *call) commitPulls() (reply, error) {
	k, err := c.commitAt()
	if err != nil {
		return reply{}, err
	}
	found := filter(c.sortedIssues(), func(i *issue) bool {
		if i.Pull == nil {
			return false
		}
		if i.Pull.MergeCommit == k.SHA {
			return true
		}
		commits, err := c.pullCommitList(i)
		if err != nil {
			return false
		}
		for _, one := range commits {
			if one.SHA == k.SHA {
				return true
			}
		}
		return false
	})
	return ok(page(c, found, func(i *issue) any { return c.pullSimple(i) }))
}
