package fakegithub

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// api is the REST address of something in the repository at hand.
func (c *call) api(format string, args ...any) string {
	return c.base + "/repos/" + c.repo.full() + fmt.Sprintf(format, args...)
}

// html is the address a person would open.
func (c *call) html(format string, args ...any) string {
	return c.base + "/" + c.repo.full() + fmt.Sprintf(format, args...)
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// nodeID is a GraphQL id: a kind and a number, opaque to everyone else.
func nodeID(kind string, id int64) string { return fmt.Sprintf("%s_%d", kind, id) }

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func stampOrNil(t *time.Time) any {
	if t == nil {
		return nil
	}
	return stamp(*t)
}

// orNil makes an empty text null.
func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (c *call) login(login string) any {
	u := c.st.user(login)
	if u == nil {
		return nil
	}
	return c.user(u)
}

// user is the short form of an account that stands inside everything else.
func (c *call) user(u *user) obj {
	api, html := c.base+"/users/"+url.PathEscape(u.Login), c.base+"/"+u.Login
	if u.App != nil {
		html = c.base + "/apps/" + u.App.Slug
	}
	return obj{
		"login": u.Login, "id": u.ID, "node_id": nodeID("U", u.ID), "avatar_url": c.base + "/avatars/" + url.PathEscape(u.Login), "gravatar_id": "",
		"url": api, "html_url": html, "followers_url": api + "/followers", "following_url": api + "/following{/other_user}",
		"gists_url": api + "/gists{/gist_id}", "starred_url": api + "/starred{/owner}{/repo}", "subscriptions_url": api + "/subscriptions",
		"organizations_url": api + "/orgs", "repos_url": api + "/repos", "events_url": api + "/events{/privacy}",
		"received_events_url": api + "/received_events", "type": u.Type, "user_view_type": "public", "site_admin": false,
	}
}

// app is the integration behind an account, or nil.
func (c *call) app(u *user) any {
	if u == nil || u.App == nil {
		return nil
	}
	owner := c.st.user(webFlow)
	return obj{
		"id": u.App.ID, "slug": u.App.Slug, "node_id": nodeID("A", u.App.ID), "client_id": fmt.Sprintf("Iv1.%d", u.App.ID), "owner": c.user(owner), "name": u.App.Name, "description": "",
		"external_url": c.base + "/apps/" + u.App.Slug, "html_url": c.base + "/apps/" + u.App.Slug,
		"created_at": stamp(u.CreatedAt), "updated_at": stamp(u.CreatedAt), "permissions": appPermissions(), "events": []any{},
	}
}

// appPermissions are what an app could at most be given here; a token of it
// may hold less.
func appPermissions() obj {
	o := obj{"metadata": "read"}
	for _, name := range []string{"actions", "checks", "contents", "deployments", "issues", "pull_requests", "statuses"} {
		o[name] = "write"
	}
	return o
}

// via is the app something was done through, or nil for a person's own doing.
func (c *call) via(byApp bool, login string) any {
	if !byApp {
		return nil
	}
	return c.app(c.st.user(login))
}

// repository is the full form of the repository r.
func (c *call) repository(r *repository) obj {
	api, html := c.base+"/repos/"+r.full(), c.base+"/"+r.full()
	o := obj{
		"id": r.ID, "node_id": nodeID("R", r.ID), "name": r.Name, "full_name": r.full(), "owner": c.login(r.Owner), "private": r.Private,
		"html_url": html, "description": orNil(r.Description), "fork": r.ForkOf != "", "url": api,
		"git_url": "git:" + strings.TrimPrefix(html, "http:") + ".git", "ssh_url": "git@" + strings.TrimPrefix(c.base, "http://") + ":" + r.full() + ".git",
		"clone_url": html + ".git", "svn_url": html, "mirror_url": nil, "homepage": nil, "language": nil, "license": nil,
		"forks": 0, "forks_count": 0, "stargazers_count": 0, "watchers": 0, "watchers_count": 0, "network_count": 0, "subscribers_count": 0, "size": 1,
		"default_branch": r.DefaultBranch, "open_issues": c.openIssues(r), "open_issues_count": c.openIssues(r), "is_template": false, "topics": []any{},
		"has_issues": true, "has_projects": false, "has_wiki": false, "has_pages": false, "has_downloads": false, "has_discussions": false,
		"archived": false, "disabled": false, "visibility": "public", "allow_forking": true, "web_commit_signoff_required": false,
		"pushed_at": stamp(r.PushedAt), "created_at": stamp(r.CreatedAt), "updated_at": stamp(r.UpdatedAt),
		"allow_merge_commit": r.Settings.AllowMerge, "allow_squash_merge": r.Settings.AllowSquash, "allow_rebase_merge": r.Settings.AllowRebase,
		"allow_auto_merge": r.Settings.AllowAutoMerge, "delete_branch_on_merge": r.Settings.DeleteBranchOnMerge, "allow_update_branch": false,
		"use_squash_pr_title_as_default": false, "squash_merge_commit_title": "COMMIT_OR_PR_TITLE", "squash_merge_commit_message": "COMMIT_MESSAGES",
		"merge_commit_title": "MERGE_MESSAGE", "merge_commit_message": "PR_TITLE",
	}
	if r.Private {
		o["visibility"] = "private"
	}
	for name, tail := range repositoryURLs {
		o[name] = api + tail
	}
	if c.actor != nil {
		o["permissions"] = c.permissions(r)
	}
	return o
}

var repositoryURLs = map[string]string{
	"archive_url": "/{archive_format}{/ref}", "assignees_url": "/assignees{/user}", "blobs_url": "/git/blobs{/sha}", "branches_url": "/branches{/branch}",
	"collaborators_url": "/collaborators{/collaborator}", "comments_url": "/comments{/number}", "commits_url": "/commits{/sha}",
	"compare_url": "/compare/{base}...{head}", "contents_url": "/contents/{+path}", "contributors_url": "/contributors", "deployments_url": "/deployments",
	"downloads_url": "/downloads", "events_url": "/events", "forks_url": "/forks", "git_commits_url": "/git/commits{/sha}", "git_refs_url": "/git/refs{/sha}",
	"git_tags_url": "/git/tags{/sha}", "hooks_url": "/hooks", "issue_comment_url": "/issues/comments{/number}", "issue_events_url": "/issues/events{/number}",
	"issues_url": "/issues{/number}", "keys_url": "/keys{/key_id}", "labels_url": "/labels{/name}", "languages_url": "/languages", "merges_url": "/merges",
	"milestones_url": "/milestones{/number}", "notifications_url": "/notifications{?since,all,participating}", "pulls_url": "/pulls{/number}",
	"releases_url": "/releases{/id}", "stargazers_url": "/stargazers", "statuses_url": "/statuses/{sha}", "subscribers_url": "/subscribers",
	"subscription_url": "/subscription", "tags_url": "/tags", "teams_url": "/teams", "trees_url": "/git/trees{/sha}",
}

// minimal is the shorter form: without switches and counters that some places
// of GitHub's description forbid.
func (c *call) minimal(r *repository) obj {
	o := c.repository(r)
	for _, k := range []string{"use_squash_pr_title_as_default", "squash_merge_commit_title", "squash_merge_commit_message", "merge_commit_title", "merge_commit_message", "permissions"} {
		delete(o, k)
	}
	return o
}

func (c *call) openIssues(r *repository) int {
	n := 0
	for _, i := range r.Issues {
		if i.State == "open" {
			n++
		}
	}
	return n
}

// permissions are the five booleans of what the caller may do.
func (c *call) permissions(r *repository) obj {
	if c.byIntegration() {
		return obj{"admin": false, "maintain": false, "push": false, "triage": false, "pull": false}
	}
	return permissionBits(c.st.role(r, c.actor))
}

func permissionBits(role string) obj {
	n := rank[role]
	return obj{"admin": n >= 5, "maintain": n >= 4, "push": n >= 3, "triage": n >= 2, "pull": n >= 1}
}

func (c *call) label(l *label) obj {
	o := obj{"id": l.ID, "node_id": nodeID("LA", l.ID), "url": c.api("/labels/%s", url.PathEscape(l.Name)), "name": l.Name, "color": l.Color, "default": false, "description": orNil(l.Description)}
	for _, d := range defaultLabels {
		if strings.EqualFold(d.Name, l.Name) {
			o["default"] = true
		}
	}
	return o
}

// association is what the author is to the repository.
func (c *call) association(login string) string {
	switch {
	case strings.EqualFold(login, c.repo.Owner):
		return "OWNER"
	case c.repo.Collaborators[fold(login)] != "":
		return "COLLABORATOR"
	}
	return "NONE"
}

var reactionNames = []string{"+1", "-1", "laugh", "confused", "heart", "hooray", "rocket", "eyes"}

// rollup counts reactions by kind.
func rollup(url string, all []*reaction) obj {
	o := obj{"url": url, "total_count": len(all)}
	for _, name := range reactionNames {
		o[name] = len(filter(all, func(r *reaction) bool { return r.Content == name }))
	}
	return o
}

func (c *call) reaction(r *reaction) any {
	return obj{"id": r.ID, "node_id": nodeID("REA", r.ID), "user": c.login(r.User), "content": r.Content, "created_at": stamp(r.CreatedAt)}
}

// issue is an issue, or a pull request seen as one.
func (c *call) issue(i *issue) obj {
	api := c.api("/issues/%d", i.Number)
	html := c.html("/issues/%d", i.Number)
	kind := "I"
	if i.Pull != nil {
		html, kind = c.html("/pull/%d", i.Number), "PR"
	}
	o := obj{
		"id": i.ID, "node_id": nodeID(kind, i.ID), "number": i.Number, "title": i.Title, "body": i.Body, "state": i.State, "state_reason": orNil(i.StateReason),
		"user": c.login(i.User), "author_association": c.association(i.User), "labels": c.labels(i), "assignee": nil, "assignees": c.logins(i.Assignees),
		"milestone": c.milestoneOf(i), "locked": i.Locked, "active_lock_reason": nil, "comments": len(c.comments(i.Number)),
		"created_at": stamp(i.CreatedAt), "updated_at": stamp(i.UpdatedAt), "closed_at": stampOrNil(i.ClosedAt), "closed_by": nil,
		"url": api, "html_url": html, "repository_url": c.api(""), "labels_url": api + "/labels{/name}", "comments_url": api + "/comments", "events_url": api + "/events",
		"timeline_url": api + "/timeline", "reactions": rollup(api+"/reactions", i.Reactions), "performed_via_github_app": c.via(i.App, i.User),
	}
	if len(i.Assignees) > 0 {
		o["assignee"] = c.login(i.Assignees[0])
	}
	if i.ClosedBy != "" {
		o["closed_by"] = c.login(i.ClosedBy)
	}
	if i.Pull != nil {
		o["draft"] = i.Pull.Draft
		o["pull_request"] = obj{"url": c.api("/pulls/%d", i.Number), "html_url": html, "diff_url": html + ".diff", "patch_url": html + ".patch", "merged_at": stampOrNil(i.Pull.MergedAt)}
	}
	return o
}

func (c *call) labels(i *issue) []any {
	out := []any{}
	for _, id := range i.Labels {
		if l := c.repo.label(id); l != nil {
			out = append(out, c.label(l))
		}
	}
	return out
}

func (c *call) logins(all []string) []any {
	return render(all, func(l string) any { return c.login(l) })
}

func (c *call) milestoneOf(i *issue) any {
	for _, m := range c.repo.Milestones {
		if m.Number == i.Milestone {
			return c.milestone(m)
		}
	}
	return nil
}

func (c *call) milestone(m *milestone) any {
	api := c.api("/milestones/%d", m.Number)
	count := func(state string) int {
		n := 0
		for _, i := range c.repo.Issues {
			if i.Milestone == m.Number && i.State == state {
				n++
			}
		}
		return n
	}
	return obj{"id": m.ID, "node_id": nodeID("MI", m.ID), "number": m.Number, "title": m.Title, "description": orNil(m.Description), "state": m.State,
		"creator": c.login(m.Creator), "open_issues": count("open"), "closed_issues": count("closed"), "due_on": nil, "closed_at": nil,
		"created_at": stamp(m.CreatedAt), "updated_at": stamp(m.CreatedAt), "url": api, "labels_url": api + "/labels", "html_url": c.html("/milestone/%d", m.Number)}
}

func (c *call) commentShape(m *comment) any {
	api := c.api("/issues/comments/%d", m.ID)
	tail := "/issues/%d#issuecomment-%d"
	if i := c.repo.Issues[m.Number]; i != nil && i.Pull != nil {
		tail = "/pull/%d#issuecomment-%d"
	}
	return obj{"id": m.ID, "node_id": nodeID("IC", m.ID), "url": api, "html_url": c.html(tail, m.Number, m.ID), "issue_url": c.api("/issues/%d", m.Number),
		"body": m.Body, "user": c.login(m.User), "author_association": c.association(m.User), "created_at": stamp(m.CreatedAt), "updated_at": stamp(m.UpdatedAt),
		"reactions": rollup(api+"/reactions", m.Reactions), "performed_via_github_app": c.via(m.App, m.User)}
}

// gitCommit is a commit as the git data API shows it.
func (c *call) gitCommitShape(k *gitCommit) obj {
	return obj{
		"sha": k.SHA, "node_id": "C_" + k.SHA, "url": c.api("/git/commits/%s", k.SHA), "html_url": c.html("/commit/%s", k.SHA),
		"author": signatureShape(k.Author), "committer": signatureShape(k.Committer), "message": k.Message,
		"tree":    obj{"sha": k.Tree, "url": c.api("/git/trees/%s", k.Tree)},
		"parents": render(k.Parents, func(p string) any { return c.parent("/git/commits/", p) }), "verification": c.verification(k),
	}
}

func (c *call) parent(where, sha string) any {
	return obj{"sha": sha, "url": c.api("%s", where+sha), "html_url": c.html("/commit/%s", sha)}
}

func signatureShape(s signature) obj {
	return obj{"name": s.Name, "email": s.Email, "date": stamp(s.When)}
}

// verification says whether GitHub itself would have signed the commit: it
// does for those made through the API without an author of the caller's own.
func (c *call) verification(k *gitCommit) obj {
	if c.repo.Signed[k.SHA] {
		return obj{"verified": true, "reason": "valid", "signature": "-----BEGIN PGP SIGNATURE-----\n(fake)\n-----END PGP SIGNATURE-----", "payload": "tree " + k.Tree, "verified_at": stamp(k.Committer.When)}
	}
	return obj{"verified": false, "reason": "unsigned", "signature": nil, "payload": nil, "verified_at": nil}
}

// commitShape is a commit as the repository API shows it.
func (c *call) commitShape(k *gitCommit) obj {
	api := c.api("/commits/%s", k.SHA)
	return obj{
		"sha": k.SHA, "node_id": "C_" + k.SHA, "url": api, "html_url": c.html("/commit/%s", k.SHA), "comments_url": api + "/comments",
		"commit": obj{"author": signatureShape(k.Author), "committer": signatureShape(k.Committer), "message": k.Message,
			"tree": obj{"sha": k.Tree, "url": c.api("/git/trees/%s", k.Tree)}, "url": c.api("/git/commits/%s", k.SHA), "comment_count": 0, "verification": c.verification(k)},
		"author": c.accountOf(k.Author), "committer": c.accountOf(k.Committer),
		"parents": render(k.Parents, func(p string) any { return c.parent("/commits/", p) }),
	}
}

// accountOf finds the account an address belongs to, or nil.
func (c *call) accountOf(s signature) any {
	if u := c.userOfEmail(s.Email); u != nil {
		return c.user(u)
	}
	return nil
}

func (c *call) userOfEmail(email string) *user {
	name, isNoReply := strings.CutSuffix(email, "@users.noreply.github.com")
	if _, login, hasID := strings.Cut(name, "+"); hasID {
		name = login
	}
	for _, u := range c.st.Users {
		if u.Email != "" && strings.EqualFold(u.Email, email) || isNoReply && strings.EqualFold(u.Login, name) {
			return u
		}
	}
	return nil
}

func (c *call) fileShape(f fileDiff, head string) any {
	path := escapePath(f.Path)
	o := obj{"sha": f.SHA, "filename": f.Path, "status": f.Status, "additions": f.Added, "deletions": f.Removed, "changes": f.Added + f.Removed,
		"blob_url": c.html("/blob/%s/%s", head, path), "raw_url": c.html("/raw/%s/%s", head, path), "contents_url": c.api("/contents/%s?ref=%s", path, head)}
	if f.Patch != "" {
		o["patch"] = f.Patch
	}
	if f.Previous != "" {
		o["previous_filename"] = f.Previous
	}
	return o
}

func escapePath(p string) string {
	parts := strings.Split(p, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return strings.Join(parts, "/")
}

// base64Lines breaks content every 60 characters as GitHub does.
func base64Lines(data []byte) string {
	text := base64.StdEncoding.EncodeToString(data)
	var b strings.Builder
	for len(text) > 60 {
		b.WriteString(text[:60] + "\n")
		text = text[60:]
	}
	if text != "" {
		b.WriteString(text + "\n")
	}
	return b.String()
}
