package fakegithub

import (
	"errors"
	"fmt"
	"strings"
)

func (c *call) isMerged() (reply, error) {
	i, err := c.pullAt()
	if err != nil {
		return reply{}, err
	}
	if !i.Pull.Merged {
		return reply{}, errNotFound
	}
	return noContent()
}

type mergeInput struct {
	Title   string  `json:"commit_title"`
	Message *string `json:"commit_message"`
	SHA     string
	Method  string `json:"merge_method"`
}

func (c *call) mergePull() (reply, error) {
	i, err := c.pullAt()
	if err != nil {
		return reply{}, err
	}
	var in mergeInput
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	in.Method = orElse(in.Method, "merge")
	if err := c.mayMerge(i, in); err != nil {
		return reply{}, err
	}
	base := c.git.resolve("refs/heads/" + i.Pull.BaseRef)
	sha, err := c.mergeCommit(i, in, base)
	if err != nil {
		return reply{}, err
	}
	if err := c.git.updateRef("refs/heads/"+i.Pull.BaseRef, sha, base); err != nil {
		var ge *gitError
		if errors.As(err, &ge) {
			return reply{}, refuse(405, "Base branch was modified. Review and try the merge again.")
		}
		return reply{}, err
	}
	i.Pull.BaseSHA = base
	c.markMerged(i, sha)
	c.moved("refs/heads/"+i.Pull.BaseRef, base, sha)
	c.tidyHead(i)
	return ok(obj{"sha": sha, "merged": true, "message": "Pull Request successfully merged"})
}

// mayMerge answers as GitHub does: 409 for a moved head, 405 for all that
// stands in the way.
func (c *call) mayMerge(i *issue, in mergeInput) error {
	s := c.repo.Settings
	allowed := map[string]bool{"merge": s.AllowMerge && !c.repo.Protections[i.Pull.BaseRef].Linear, "squash": s.AllowSquash, "rebase": s.AllowRebase}
	name := map[string]string{"merge": "Merge commits", "squash": "Squash merges", "rebase": "Rebase merges"}[in.Method]
	switch {
	case name == "":
		return invalid("PullRequest", "merge_method", "invalid", "")
	case i.State != "open":
		return refuse(405, "Pull Request is not mergeable")
	case in.SHA != "" && in.SHA != i.Pull.HeadSHA:
		return refuse(409, "Head branch was modified. Review and try the merge again.")
	case !allowed[in.Method]:
		return refuse(405, "%s are not allowed on this repository.", name)
	case i.Pull.Draft:
		return refuse(405, "Pull Request is still a draft")
	}
	if why := c.blockedBy(i); why != "" && !c.overrules(i) {
		return refuse(405, "%s", why)
	}
	if c.byIntegration() && c.touchesWorkflows(i.Pull.HeadSHA) {
		return c.lacks([]need{{"workflows", "write"}})
	}
	return nil
}

// overrules: admins pass a protection that does not hold for admins.
func (c *call) overrules(i *issue) bool {
	p := c.repo.Protections[i.Pull.BaseRef]
	return !p.Admins && !p.MergeQueue && !c.byIntegration() && c.st.role(c.repo, c.actor) == "admin"
}

// blockedBy says what the protection of the base branch still waits for, or "".
func (c *call) blockedBy(i *issue) string {
	p, guarded := c.repo.Protections[i.Pull.BaseRef]
	if !guarded {
		return ""
	}
	if p.MergeQueue {
		return "Changes must be made through the merge queue"
	}
	approved, objected := c.approvals(i)
	switch {
	case p.Reviews > 0 && objected:
		return "Changes have been requested by a reviewer with write access."
	case approved < p.Reviews:
		return fmt.Sprintf("At least %d approving review is required by reviewers with write access.", p.Reviews)
	}
	for _, name := range p.Checks {
		if !c.green(i.Pull.HeadSHA, name) {
			return `Required status check "` + name + `" is expected.`
		}
	}
	base := c.git.resolve("refs/heads/" + i.Pull.BaseRef)
	if p.Strict && !c.git.isAncestor(base, i.Pull.HeadSHA) {
		return "Head branch is out of date with the base branch."
	}
	return ""
}

// mergeCommit writes what the merge method makes of the pull request.
func (c *call) mergeCommit(i *issue, in mergeInput, base string) (string, error) {
	tree, clean, err := c.git.mergeTree(base, i.Pull.HeadSHA)
	if err != nil {
		return "", err
	}
	if !clean {
		return "", refuse(405, "Pull Request is not mergeable")
	}
	switch in.Method {
	case "squash":
		return c.squash(i, in, tree, base)
	case "rebase":
		return c.rebase(i, base)
	}
	title := orElse(in.Title, fmt.Sprintf("Merge pull request #%d from %s/%s", i.Number, ownerOf(i.Pull.HeadRepo), i.Pull.HeadRef))
	body := i.Title
	set(&body, in.Message)
	return c.landCommit(tree, []string{base, i.Pull.HeadSHA}, title, body)
}

func (c *call) squash(i *issue, in mergeInput, tree, base string) (string, error) {
	commits, err := c.pullCommitList(i)
	if err != nil {
		return "", err
	}
	title, body := fmt.Sprintf("%s (#%d)", i.Title, i.Number), ""
	if len(commits) == 1 {
		first, rest, _ := strings.Cut(commits[0].Message, "\n")
		title, body = fmt.Sprintf("%s (#%d)", first, i.Number), strings.TrimSpace(rest)
	} else {
		var lines []string
		for _, k := range commits {
			lines = append(lines, "* "+strings.TrimSpace(k.Message))
		}
		body = strings.Join(lines, "\n\n")
	}
	title = orElse(in.Title, title)
	set(&body, in.Message)
	return c.landCommit(tree, []string{base}, title, body)
}

// rebase replays linear history. Only a head that already stands on base is
// served: git 2.38 cannot replay onto another base without a work tree.
func (c *call) rebase(i *issue, base string) (string, error) {
	if !c.git.isAncestor(base, i.Pull.HeadSHA) {
		return "", refuse(405, "This branch can't be rebased")
	}
	commits, err := c.pullCommitList(i)
	if err != nil {
		return "", err
	}
	at := base
	for _, k := range commits {
		if len(k.Parents) != 1 {
			return "", refuse(405, "This branch can't be rebased")
		}
		next := gitCommit{Tree: k.Tree, Parents: []string{at}, Author: k.Author, Committer: c.s.signature(c.actor, c.now), Message: k.Message}
		if at, err = c.git.writeCommit(next); err != nil {
			return "", err
		}
	}
	return at, nil
}

// landCommit is authored by who pressed the button and signed by GitHub.
func (c *call) landCommit(tree string, parents []string, title, body string) (string, error) {
	message := title
	if body != "" {
		message += "\n\n" + body
	}
	sha, err := c.git.writeCommit(gitCommit{Tree: tree, Parents: parents, Author: c.s.signature(c.actor, c.now), Committer: signature{webFlowName, webFlowEmail, c.now}, Message: message})
	if err != nil {
		return "", fmt.Errorf("writing the merge commit: %w", err)
	}
	c.repo.Signed[sha] = true
	return sha, nil
}

// markMerged closes the pull request as merged, and the issues its body closes.
func (c *call) markMerged(i *issue, sha string) {
	at := c.now
	p := i.Pull
	p.Merged, p.MergedAt, p.MergedBy, p.MergeCommit = true, &at, c.actor.Login, sha
	i.State, i.ClosedAt, i.ClosedBy, i.UpdatedAt = "closed", &at, c.actor.Login, c.now
	c.record(i, &issueEvent{Event: "merged", CommitID: sha})
	c.record(i, &issueEvent{Event: "closed", CommitID: ""})
	c.pullEvent(i, "closed", nil)
	if p.BaseRef == c.repo.DefaultBranch {
		c.closeNumbers(closingNumbers(orEmpty(i.Body), c.repo.full()), sha)
	}
}

// tidyHead deletes the merged branch where the repository is set so.
func (c *call) tidyHead(i *issue) {
	if !c.repo.Settings.DeleteBranchOnMerge || !strings.EqualFold(i.Pull.HeadRepo, c.repo.full()) {
		return
	}
	ref := "refs/heads/" + i.Pull.HeadRef
	if c.git.resolve(ref) == i.Pull.HeadSHA && c.guardRef(ref, i.Pull.HeadSHA, zeroSHA) == nil {
		_ = c.move(ref, i.Pull.HeadSHA, zeroSHA) // best effort, as on GitHub
	}
}
