package fakegithub

import (
	"errors"
	"strings"
)

func (c *call) refShape(r gitRef) any {
	kinds := map[string]string{"commit": "commits", "tag": "tags", "tree": "trees", "blob": "blobs"}
	return obj{"ref": r.Name, "node_id": "REF_" + r.Name, "url": c.api("/git/%s", escapePath(r.Name)),
		"object": obj{"sha": r.SHA, "type": r.Type, "url": c.api("/git/%s/%s", kinds[r.Type], r.SHA)}}
}

// refAt reads a ref by full name.
func (c *call) refAt(name string) (gitRef, bool) {
	if !plainRef(name) {
		return gitRef{}, false
	}
	sha, kind, _, err := c.git.object(name)
	return gitRef{name, sha, kind}, err == nil
}

func (c *call) getRef() (reply, error) {
	r, found := c.refAt("refs/" + c.params["ref"])
	if !found {
		return reply{}, errNotFound
	}
	return ok(c.refShape(r))
}

func (c *call) matchingRefs() (reply, error) {
	refs, err := c.git.refs("refs/" + c.params["ref"])
	if err != nil {
		return reply{}, err
	}
	return ok(page(c, refs, c.refShape))
}

func (c *call) createRef() (reply, error) {
	var in struct{ Ref, SHA string }
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if in.Ref == "" || in.SHA == "" {
		return reply{}, invalid("Reference", "ref", "missing_field", "")
	}
	if p := c.refName(in.Ref); p != nil {
		return reply{}, p
	}
	if _, exists := c.refAt(in.Ref); exists {
		return reply{}, refuse(422, "Reference already exists")
	}
	if err := c.refTarget(in.Ref, in.SHA); err != nil {
		return reply{}, err
	}
	if p := c.guardRef(in.Ref, zeroSHA, in.SHA); p != nil {
		return reply{}, p
	}
	if err := c.move(in.Ref, zeroSHA, in.SHA); err != nil {
		return reply{}, err
	}
	r, _ := c.refAt(in.Ref)
	return createdAt(c.api("/git/%s", escapePath(in.Ref)), c.refShape(r))
}

// refName refuses what GitHub refuses: no refs/, one level only, bad characters.
func (c *call) refName(ref string) *problem {
	if !strings.HasPrefix(ref, "refs/") || strings.Count(ref, "/") < 2 {
		return refuse(422, "Reference name must start with 'refs/' and contain at least one other slash.")
	}
	if !plainRef(ref) || strings.HasPrefix(ref, "refs/pull/") || queueRef(ref) {
		return refuse(422, "%s is not a valid ref name.", ref)
	}
	if c.repo.Settings.RefuseCustomRefs && !strings.HasPrefix(ref, "refs/heads/") && !strings.HasPrefix(ref, "refs/tags/") {
		return refuse(422, "Reference could not be written: custom refs are refused here")
	}
	return nil
}

// refTarget checks that the object is there; branches hold commits only.
func (c *call) refTarget(ref, sha string) error {
	if !isSHA(sha) {
		return refuse(422, "The sha parameter must be exactly 40 characters and contain only [0-9a-f].")
	}
	_, kind, _, err := c.git.object(sha)
	if errors.Is(err, errNoObject) {
		return refuse(422, "Object does not exist")
	}
	if err != nil {
		return err
	}
	if kind != "commit" && strings.HasPrefix(ref, "refs/heads/") {
		return refuse(422, "Object is not a commit")
	}
	return nil
}

func (c *call) updateRef() (reply, error) {
	ref := "refs/" + c.params["ref"]
	var in struct {
		SHA   string
		Force bool
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	old, exists := c.refAt(ref)
	if !exists {
		return reply{}, refuse(422, "Reference does not exist")
	}
	if p := c.refName(ref); p != nil {
		return reply{}, p
	}
	if err := c.refTarget(ref, in.SHA); err != nil {
		return reply{}, err
	}
	if !in.Force && !c.git.isAncestor(old.SHA, in.SHA) {
		return reply{}, refuse(422, "Update is not a fast forward")
	}
	if p := c.guardRef(ref, old.SHA, in.SHA); p != nil {
		return reply{}, p
	}
	if err := c.move(ref, old.SHA, in.SHA); err != nil {
		return reply{}, err
	}
	r, _ := c.refAt(ref)
	return ok(c.refShape(r))
}

func (c *call) deleteRef() (reply, error) {
	ref := "refs/" + c.params["ref"]
	old, exists := c.refAt(ref)
	if !exists {
		return reply{}, refuse(422, "Reference does not exist")
	}
	if p := c.refName(ref); p != nil {
		return reply{}, p
	}
	if p := c.guardRef(ref, old.SHA, zeroSHA); p != nil {
		return reply{}, p
	}
	if err := c.move(ref, old.SHA, zeroSHA); err != nil {
		return reply{}, err
	}
	return noContent()
}

// guardRef holds protected branches against direct writes, and workflow files
// against integrations without the workflows permission.
func (c *call) guardRef(ref, old, sha string) *problem {
	branch, isBranch := strings.CutPrefix(ref, "refs/heads/")
	if !isBranch {
		return nil
	}
	if sha == zeroSHA && branch == c.repo.DefaultBranch {
		return refuse(422, "Cannot delete the default branch")
	}
	if why := c.protected(branch); why != "" && old != zeroSHA {
		return refuse(422, "%s", why)
	}
	if sha != zeroSHA && c.touchesWorkflows(sha) {
		p := c.lacks([]need{{"workflows", "write"}})
		return p
	}
	return nil
}

// protected says why the caller may not write to the branch directly, or "".
func (c *call) protected(branch string) string {
	p, guarded := c.repo.Protections[branch]
	if !guarded {
		return ""
	}
	if !p.Admins && !c.byIntegration() && c.st.role(c.repo, c.actor) == "admin" {
		return ""
	}
	switch {
	case p.MergeQueue:
		return "Changes must be made through the merge queue"
	case p.Reviews > 0:
		return "Changes must be made through a pull request."
	case len(p.Checks) > 0:
		return `Required status check "` + p.Checks[0] + `" is expected.`
	}
	return ""
}

// touchesWorkflows tells whether a commit brings workflow files that the
// default branch does not have in that form.
func (c *call) touchesWorkflows(sha string) bool {
	if !c.byIntegration() || c.token.allows([]need{{"workflows", "write"}}) {
		return false
	}
	base := c.git.resolve("refs/heads/" + c.repo.DefaultBranch)
	if base == "" {
		return false
	}
	from := c.git.mergeBase(base, sha)
	if from == "" {
		from = emptyTree
	}
	files, err := c.git.diff(from, sha)
	if err != nil {
		return false
	}
	for _, f := range files {
		if !strings.HasPrefix(f.Path, ".github/workflows/") {
			continue
		}
		if e := c.git.entry(base, f.Path); e == nil || e.SHA != f.SHA {
			return true
		}
	}
	return false
}

// move updates a ref by compare-and-swap and tells everyone concerned. Losing
// a race to another writer of the same directory gives GitHub's own answers.
func (c *call) move(ref, old, sha string) error {
	if err := c.git.updateRef(ref, sha, old); err != nil {
		var ge *gitError
		if !errors.As(err, &ge) {
			return err
		}
		if now, exists := c.refAt(ref); exists && now.SHA != old {
			if old == zeroSHA {
				return refuse(422, "Reference already exists")
			}
			return refuse(422, "Update is not a fast forward")
		}
		return refuse(422, "Reference could not be updated: %s", strings.TrimSpace(ge.stderr))
	}
	c.moved(ref, old, sha)
	return nil
}

// moved is what follows a ref's change: the push event, pull requests brought
// up to date, issues closed by what landed on the default branch.
func (c *call) moved(ref, old, sha string) {
	branch, isBranch := strings.CutPrefix(ref, "refs/heads/")
	if isBranch || strings.HasPrefix(ref, "refs/tags/") {
		c.repo.PushedAt = c.now
		c.pushEvent(ref, old, sha)
	}
	if !isBranch {
		return
	}
	if sha == zeroSHA {
		c.headGone(branch)
		return
	}
	c.synchronize(branch, old, sha)
	c.landed(branch)
	if branch == c.repo.DefaultBranch && old != zeroSHA {
		c.closeFromCommits(old, sha)
	}
}
