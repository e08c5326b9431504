package fakegithub

import (
	"errors"
	"fmt"
	"regexp"
	"sort"
	"strconv"
	"strings"
)

func (c *call) pullAt() (*issue, error) {
	i, err := c.issueAt()
	if err != nil || i.Pull == nil {
		return nil, errNotFound
	}
	return i, nil
}

func (c *call) openPulls() []*issue {
	return filter(c.sortedIssues(), func(i *issue) bool { return i.Pull != nil && i.State == "open" })
}

func (c *call) listPulls() (reply, error) {
	q := c.query
	found := filter(c.sortedIssues(), func(i *issue) bool {
		if i.Pull == nil {
			return false
		}
		if state := q.Get("state"); state != "all" && i.State != orElse(state, "open") {
			return false
		}
		if base := q.Get("base"); base != "" && base != i.Pull.BaseRef {
			return false
		}
		head := q.Get("head")
		return head == "" || !strings.Contains(head, ":") || strings.EqualFold(head, ownerOf(i.Pull.HeadRepo)+":"+i.Pull.HeadRef)
	})
	c.order(found)
	return ok(page(c, found, func(i *issue) any { return c.pullSimple(i) }))
}

func ownerOf(full string) string {
	owner, _, _ := strings.Cut(full, "/")
	return owner
}

type pullInput struct {
	Title    *text
	Body     *string
	Head     string
	HeadRepo string `json:"head_repo"`
	Base     *string
	Draft    bool
	State    *string
	Issue    int
	Edits    *bool `json:"maintainer_can_modify"`
}

func (c *call) createPull() (reply, error) {
	var in pullInput
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if c.token.Kind == KindActions && !c.repo.Settings.ActionsCanOpenPulls {
		return reply{}, refuse(403, "GitHub Actions is not permitted to create or approve pull requests.")
	}
	if in.Title == nil || *in.Title == "" {
		return reply{}, invalid("PullRequest", "title", "missing_field", "")
	}
	if err := tooLong("PullRequest", in.Body); err != nil {
		return reply{}, err
	}
	p, err := c.newPull(in)
	if err != nil {
		return reply{}, err
	}
	i := c.newIssue(string(*in.Title), in.Body)
	i.Pull = p
	if err := c.keepHead(i); err != nil {
		delete(c.repo.Issues, i.Number)
		c.repo.LastNumber--
		return reply{}, err
	}
	c.pullEvent(i, "opened", nil)
	return createdAt(c.api("/pulls/%d", i.Number), c.pull(i))
}

// newPull checks head and base: both there, something between them, and no
// open pull request for the same pair.
func (c *call) newPull(in pullInput) (*pull, error) {
	base := strings.TrimPrefix(orEmpty(in.Base), "refs/heads/")
	baseSHA := c.git.resolve("refs/heads/" + base)
	if base == "" || baseSHA == "" {
		return nil, invalid("PullRequest", "base", "invalid", "")
	}
	from, ref := c.repo, strings.TrimPrefix(in.Head, "refs/heads/")
	if owner, name, cross := strings.Cut(in.Head, ":"); cross {
		ref = name
		if !strings.EqualFold(owner, c.repo.Owner) {
			from = c.forkOf(owner)
		}
	}
	if from == nil {
		return nil, invalid("PullRequest", "head", "invalid", "")
	}
	head := c.s.dir(from).resolve("refs/heads/" + ref)
	if ref == "" || head == "" {
		return nil, invalid("PullRequest", "head", "invalid", "")
	}
	if from != c.repo {
		if err := c.bring(from, "refs/heads/"+ref, ""); err != nil {
			return nil, fmt.Errorf("fetching the fork's branch: %w", err)
		}
	}
	for _, i := range c.openPulls() {
		if i.Pull.HeadRef == ref && i.Pull.BaseRef == base && strings.EqualFold(i.Pull.HeadRepo, from.full()) {
			return nil, &problem{status: 422, message: "Validation Failed", errors: []any{obj{"resource": "PullRequest", "code": "custom",
				"message": "A pull request already exists for " + from.Owner + ":" + ref + "."}}}
		}
	}
	if c.git.isAncestor(head, baseSHA) {
		return nil, &problem{status: 422, message: "Validation Failed", errors: []any{obj{"resource": "PullRequest", "code": "custom", "message": "No commits between " + base + " and " + ref}}}
	}
	return &pull{HeadRepo: from.full(), HeadRef: ref, HeadSHA: head, BaseRef: base, BaseSHA: baseSHA, Draft: in.Draft}, nil
}

// keepHead keeps refs/pull/N/head, by which anyone can fetch the proposal.
func (c *call) keepHead(i *issue) error {
	return c.git.updateRef(fmt.Sprintf("refs/pull/%d/head", i.Number), i.Pull.HeadSHA, "")
}

func (c *call) getPull() (reply, error) {
	i, err := c.pullAt()
	if err != nil {
		return reply{}, err
	}
	if c.wantsDiff() {
		base, head := c.span(i)
		return c.rawDiff(base, head)
	}
	return ok(c.pull(i))
}

func (c *call) editPull() (reply, error) {
	i, err := c.pullAt()
	if err != nil {
		return reply{}, err
	}
	var in pullInput
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if !c.mayTriage() && !c.owns(i.User) {
		return reply{}, c.lacks(parseNeeds("pull_requests=write"))
	}
	if in.Base != nil && *in.Base != i.Pull.BaseRef {
		sha := c.git.resolve("refs/heads/" + *in.Base)
		if sha == "" {
			return reply{}, invalid("PullRequest", "base", "invalid", "")
		}
		from := i.Pull.BaseRef
		i.Pull.BaseRef, i.Pull.BaseSHA = *in.Base, sha
		c.record(i, &issueEvent{Event: "base_ref_changed"})
		c.pullEvent(i, "edited", obj{"changes": obj{"base": obj{"ref": obj{"from": from}}}})
	}
	if err := c.editText(i, in.Title, in.Body); err != nil {
		return reply{}, err
	}
	if in.State != nil {
		if *in.State == "open" && i.State == "closed" && c.s.dir(c.headRepo(i)).resolve("refs/heads/"+i.Pull.HeadRef) == "" {
			return reply{}, invalid("PullRequest", "state", "custom", "state cannot be changed. The "+i.Pull.HeadRef+" branch has been deleted.")
		}
		if err := c.setState(i, *in.State, nil); err != nil {
			return reply{}, err
		}
	}
	return ok(c.pull(i))
}

func (c *call) headRepo(i *issue) *repository {
	if r := c.st.Repos[fold(i.Pull.HeadRepo)]; r != nil {
		return r
	}
	return c.repo
}

// span gives the two ends of a pull request's diff: where head left base, and head.
func (c *call) span(i *issue) (from, head string) {
	base := i.Pull.BaseSHA
	if i.State == "open" {
		base = orElse(c.git.resolve("refs/heads/"+i.Pull.BaseRef), base)
	}
	return orElse(c.git.mergeBase(base, i.Pull.HeadSHA), emptyTree), i.Pull.HeadSHA
}

func (c *call) pullDiff(i *issue) ([]fileDiff, error) {
	from, head := c.span(i)
	return c.git.diff(from, head)
}

// pullCommitList lists a pull request's commits, oldest first.
func (c *call) pullCommitList(i *issue) ([]*gitCommit, error) {
	from, head := c.span(i)
	if from == emptyTree {
		from = ""
	}
	base := i.Pull.BaseSHA
	shas, err := c.git.revList(head, from, base)
	if err != nil {
		return nil, err
	}
	reverse(shas)
	var out []*gitCommit
	for _, sha := range shas {
		k, err := c.git.commit(sha)
		if err != nil {
			return nil, err
		}
		out = append(out, k)
	}
	return out, nil
}

func (c *call) pullCommits() (reply, error) {
	i, err := c.pullAt()
	if err != nil {
		return reply{}, err
	}
	commits, err := c.pullCommitList(i)
	if err != nil {
		return reply{}, err
	}
	return ok(page(c, commits[:min(len(commits), 250)], func(k *gitCommit) any { return c.commitShape(k) }))
}

func (c *call) pullFiles() (reply, error) {
	i, err := c.pullAt()
	if err != nil {
		return reply{}, err
	}
	files, err := c.pullDiff(i)
	if err != nil {
		return reply{}, err
	}
	return ok(page(c, files[:min(len(files), 3000)], func(f fileDiff) any { return c.fileShape(f, i.Pull.HeadSHA) }))
}

func (c *call) endShape(r *repository, ref, sha string) obj {
	o := obj{"label": ref, "ref": ref, "sha": sha, "user": nil, "repo": nil}
	if r != nil {
		o["label"], o["user"], o["repo"] = r.Owner+":"+ref, c.login(r.Owner), c.minimal(r)
	}
	return o
}

// pullSimple is a pull request as lists show it.
func (c *call) pullSimple(i *issue) obj {
	p := i.Pull
	api, html, asIssue := c.api("/pulls/%d", i.Number), c.html("/pull/%d", i.Number), c.api("/issues/%d", i.Number)
	statuses := c.api("/statuses/%s", p.HeadSHA)
	o := obj{
		"id": i.ID, "node_id": nodeID("PR", i.ID), "number": i.Number, "title": i.Title, "body": i.Body, "state": i.State, "locked": i.Locked, "draft": p.Draft,
		"user": c.login(i.User), "author_association": c.association(i.User), "labels": c.labels(i), "assignee": nil, "assignees": c.logins(i.Assignees),
		"requested_reviewers": c.logins(p.Requested), "requested_teams": []any{}, "milestone": c.milestoneOf(i), "active_lock_reason": nil, "auto_merge": nil,
		"created_at": stamp(i.CreatedAt), "updated_at": stamp(i.UpdatedAt), "closed_at": stampOrNil(i.ClosedAt), "merged_at": stampOrNil(p.MergedAt), "merge_commit_sha": orNil(p.MergeCommit),
		"head": c.endShape(c.st.Repos[fold(p.HeadRepo)], p.HeadRef, p.HeadSHA), "base": c.endShape(c.repo, p.BaseRef, p.BaseSHA),
		"url": api, "html_url": html, "diff_url": html + ".diff", "patch_url": html + ".patch", "issue_url": asIssue, "commits_url": api + "/commits",
		"review_comments_url": api + "/comments", "review_comment_url": c.api("/pulls/comments{/number}"), "comments_url": asIssue + "/comments", "statuses_url": statuses,
		"_links": obj{"self": obj{"href": api}, "html": obj{"href": html}, "issue": obj{"href": asIssue}, "comments": obj{"href": asIssue + "/comments"},
			"review_comments": obj{"href": api + "/comments"}, "review_comment": obj{"href": c.api("/pulls/comments{/number}")}, "commits": obj{"href": api + "/commits"}, "statuses": obj{"href": statuses}},
	}
	if len(i.Assignees) > 0 {
		o["assignee"] = c.login(i.Assignees[0])
	}
	return o
}

// pull is a pull request in full, with what git has to say about it.
func (c *call) pull(i *issue) obj {
	o := c.pullSimple(i)
	files, _ := c.pullDiff(i)
	commits, _ := c.pullCommitList(i)
	added, removed := lineCounts(files)
	mergeable, state := c.mergeState(i)
	var mergedBy any
	if i.Pull.MergedBy != "" {
		mergedBy = c.login(i.Pull.MergedBy)
	}
	for k, v := range (obj{"merged": i.Pull.Merged, "merged_by": mergedBy, "mergeable": mergeable, "rebaseable": mergeable, "mergeable_state": state,
		"comments": len(c.comments(i.Number)), "review_comments": len(c.lineComments(i.Number)), "maintainer_can_modify": false,
		"commits": len(commits), "additions": added, "deletions": removed, "changed_files": len(files)}) {
		o[k] = v
	}
	return o
}

// mergeState is GitHub's verdict: mergeable speaks of conflicts only, the
// state also of what the base branch asks for.
func (c *call) mergeState(i *issue) (mergeable any, state string) {
	if i.State != "open" {
		return nil, "unknown"
	}
	base := c.git.resolve("refs/heads/" + i.Pull.BaseRef)
	_, clean, err := c.git.mergeTree(base, i.Pull.HeadSHA)
	switch {
	case err != nil:
		return nil, "unknown"
	case !clean:
		return false, "dirty"
	case i.Pull.Draft:
		return true, "draft"
	case c.blockedBy(i) != "":
		return true, "blocked"
	case c.repo.Protections[i.Pull.BaseRef].Strict && !c.git.isAncestor(base, i.Pull.HeadSHA):
		return true, "behind"
	case c.redAt(i.Pull.HeadSHA):
		return true, "unstable"
	}
	return true, "clean"
}

// synchronize moves open pull requests along with their head branch, here and
// in the repositories this one is a fork of.
func (c *call) synchronize(branch, old, sha string) {
	from := c.repo
	for _, target := range c.reposByKey() {
		in := c
		if target != c.repo {
			in = c.s.inside(target, c.actor)
			in.token, in.base, in.now, in.r = c.token, c.base, c.now, c.r
		}
		for _, i := range in.openPulls() {
			if i.Pull.HeadRef != branch || !strings.EqualFold(i.Pull.HeadRepo, from.full()) || i.Pull.HeadSHA == sha {
				continue
			}
			if target != from && in.bring(from, "refs/heads/"+branch, "") != nil {
				continue
			}
			in.newHead(i, old, sha)
		}
	}
}

func (c *call) reposByKey() []*repository {
	var keys []string
	for k := range c.st.Repos {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	var out []*repository
	for _, k := range keys {
		out = append(out, c.st.Repos[k])
	}
	return out
}

func (c *call) newHead(i *issue, old, sha string) {
	i.Pull.HeadSHA, i.UpdatedAt = sha, c.now
	i.Pull.BaseSHA = orElse(c.git.resolve("refs/heads/"+i.Pull.BaseRef), i.Pull.BaseSHA)
	if err := c.keepHead(i); err != nil {
		return
	}
	if !c.git.isAncestor(old, sha) {
		c.record(i, &issueEvent{Event: "head_ref_force_pushed"})
	}
	if c.repo.Protections[i.Pull.BaseRef].DismissStale {
		for _, r := range c.reviewsOf(i.Number) {
			if r.State == "APPROVED" {
				c.dismiss(i, r, "")
			}
		}
	}
	c.pullEvent(i, "synchronize", obj{"before": old, "after": sha})
}

// landed marks pull requests as merged whose head reached the base by a push.
func (c *call) landed(branch string) {
	tip := c.git.resolve("refs/heads/" + branch)
	for _, i := range c.openPulls() {
		if i.Pull.BaseRef == branch && i.Pull.HeadSHA != tip && c.git.isAncestor(i.Pull.HeadSHA, tip) || i.Pull.BaseRef == branch && i.Pull.HeadSHA == tip {
			c.markMerged(i, tip)
		}
	}
}

// headGone closes the pull requests whose branch was deleted.
func (c *call) headGone(branch string) {
	for _, i := range c.openPulls() {
		if i.Pull.HeadRef == branch && strings.EqualFold(i.Pull.HeadRepo, c.repo.full()) {
			c.close(i, "", "")
		}
	}
	for _, i := range c.repo.Issues {
		if i.Pull != nil && i.Pull.HeadRef == branch && strings.EqualFold(i.Pull.HeadRepo, c.repo.full()) {
			c.record(i, &issueEvent{Event: "head_ref_deleted"})
		}
	}
}

func (c *call) listRequested() (reply, error) {
	i, err := c.pullAt()
	if err != nil {
		return reply{}, err
	}
	return ok(obj{"users": c.logins(i.Pull.Requested), "teams": []any{}})
}

func (c *call) requestReviewers() (reply, error) {
	i, err := c.pullAt()
	if err != nil {
		return reply{}, err
	}
	var in struct{ Reviewers []string }
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	for _, login := range in.Reviewers {
		if strings.EqualFold(login, i.User) {
			return reply{}, refuse(422, "Review cannot be requested from pull request author.")
		}
		if c.st.user(login) == nil || rank[c.st.role(c.repo, c.st.user(login))] < rank["read"] || !containsFold(c.collaboratorLogins(), login) {
			return reply{}, refuse(422, "Reviews may only be requested from collaborators. One or more of the users or teams you specified is not a collaborator of the %s repository.", c.repo.full())
		}
	}
	for _, login := range in.Reviewers {
		if containsFold(i.Pull.Requested, login) {
			continue
		}
		u := c.st.user(login)
		i.Pull.Requested = append(i.Pull.Requested, u.Login)
		c.record(i, &issueEvent{Event: "review_requested", Subject: u.Login})
		c.pullEvent(i, "review_requested", obj{"requested_reviewer": c.user(u)})
	}
	i.UpdatedAt = c.now
	return created(c.pullSimple(i))
}

func (c *call) unrequestReviewers() (reply, error) {
	i, err := c.pullAt()
	if err != nil {
		return reply{}, err
	}
	var in struct{ Reviewers []string }
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	for _, login := range in.Reviewers {
		if containsFold(i.Pull.Requested, login) {
			i.Pull.Requested = filter(i.Pull.Requested, func(l string) bool { return !strings.EqualFold(l, login) })
			c.record(i, &issueEvent{Event: "review_request_removed", Subject: login})
			c.pullEvent(i, "review_request_removed", obj{"requested_reviewer": c.login(login)})
		}
	}
	return ok(c.pullSimple(i))
}

// updateBranch merges base into head.
func (c *call) updateBranch() (reply, error) {
	i, err := c.pullAt()
	if err != nil {
		return reply{}, err
	}
	var in struct {
		Expected string `json:"expected_head_sha"`
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if in.Expected != "" && in.Expected != i.Pull.HeadSHA {
		return reply{}, refuse(422, "expected_head_sha is not the head of the pull request")
	}
	base := c.git.resolve("refs/heads/" + i.Pull.BaseRef)
	tree, clean, err := c.git.mergeTree(i.Pull.HeadSHA, base)
	if err != nil {
		return reply{}, err
	}
	if !clean {
		return reply{}, refuse(422, "merge conflict between base and head")
	}
	sha, err := c.newCommit(tree, []string{i.Pull.HeadSHA, base}, "Merge branch '"+i.Pull.BaseRef+"' into "+i.Pull.HeadRef, nil, nil)
	if err != nil {
		return reply{}, err
	}
	if err := c.move("refs/heads/"+i.Pull.HeadRef, i.Pull.HeadSHA, sha); err != nil {
		return reply{}, err
	}
	return reply{status: 202, body: obj{"message": "Updating pull request branch.", "url": c.html("/pull/%d", i.Number)}}, nil
}

// closingPattern is GitHub's: a keyword, then #N or OWNER/NAME#N.
var closingPattern = regexp.MustCompile(`(?i)\b(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?)[:\s]+(?:([a-z0-9-]+/[a-z0-9._-]+))?#([0-9]+)\b`)

var codePattern = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`|<!--.*?-->")

// closingNumbers finds the issues a text closes; code and comments do not count.
func closingNumbers(text, repo string) []int {
	var out []int
	for _, m := range closingPattern.FindAllStringSubmatch(codePattern.ReplaceAllString(text, " "), -1) {
		if m[1] != "" && !strings.EqualFold(m[1], repo) {
			continue
		}
		if n, err := strconv.Atoi(m[2]); err == nil {
			out = append(out, n)
		}
	}
	return out
}

func (c *call) closeNumbers(numbers []int, commit string) {
	for _, n := range numbers {
		if i := c.repo.Issues[n]; i != nil && i.Pull == nil && i.State == "open" {
			c.close(i, "completed", commit)
		}
	}
}

// closeFromCommits closes what messages landing on the default branch name.
func (c *call) closeFromCommits(old, sha string) {
	shas, err := c.git.revList(sha, old)
	if err != nil {
		return
	}
	for _, one := range shas {
		k, err := c.git.commit(one)
		if errors.Is(err, errNoObject) {
			continue
		}
		if err != nil {
			return
		}
		c.closeNumbers(closingNumbers(k.Message, c.repo.full()), one)
	}
}
