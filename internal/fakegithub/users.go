package fakegithub

import (
	"sort"
	"strings"
)

func (c *call) getMe() (reply, error) {
	if c.byIntegration() {
		return reply{}, c.lacks(nil)
	}
	o := c.publicUser(c.actor)
	for k, v := range (obj{"collaborators": 0, "disk_usage": 0, "owned_private_repos": 0, "private_gists": 0, "total_private_repos": 0, "two_factor_authentication": true, "user_view_type": "private"}) {
		o[k] = v
	}
	return ok(o)
}

func (c *call) getUser() (reply, error) {
	u := c.st.user(c.params["username"])
	if u == nil {
		return reply{}, errNotFound
	}
	return ok(c.publicUser(u))
}

func (c *call) publicUser(u *user) obj {
	o := c.user(u)
	for k, v := range (obj{"name": orNil(u.Name), "company": nil, "blog": "", "location": nil, "email": orNil(u.Email), "hireable": nil, "bio": nil, "public_repos": 0,
		"public_gists": 0, "followers": 0, "following": 0, "created_at": stamp(u.CreatedAt), "updated_at": stamp(u.CreatedAt)}) {
		o[k] = v
	}
	return o
}

func (c *call) getRateLimit() (reply, error) {
	c.unmeter() // asking is free
	r, limit := c.rate(), c.rateLimit()
	core := obj{"limit": limit, "used": r.used, "remaining": max(limit-r.used, 0), "reset": r.since.Add(rateWindow).Unix()}
	search := obj{"limit": 30, "used": 0, "remaining": 30, "reset": r.since.Add(rateWindow).Unix()}
	return ok(obj{"resources": obj{"core": core, "search": search, "graphql": core}, "rate": core})
}

func (c *call) getRepo() (reply, error) { return ok(c.repository(c.repo)) }

func (c *call) patchRepo() (reply, error) {
	var in struct {
		Description         *string `json:"description"`
		DefaultBranch       *string `json:"default_branch"`
		Private             *bool   `json:"private"`
		AllowMerge          *bool   `json:"allow_merge_commit"`
		AllowSquash         *bool   `json:"allow_squash_merge"`
		AllowRebase         *bool   `json:"allow_rebase_merge"`
		AllowAutoMerge      *bool   `json:"allow_auto_merge"`
		DeleteBranchOnMerge *bool   `json:"delete_branch_on_merge"`
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	r := c.repo
	if in.DefaultBranch != nil {
		if c.git.resolve("refs/heads/"+*in.DefaultBranch) == "" {
			return reply{}, invalid("Repository", "default_branch", "invalid", "The branch "+*in.DefaultBranch+" was not found.")
		}
		r.DefaultBranch = *in.DefaultBranch
	}
	set(&r.Description, in.Description)
	set(&r.Private, in.Private)
	set(&r.Settings.AllowMerge, in.AllowMerge)
	set(&r.Settings.AllowSquash, in.AllowSquash)
	set(&r.Settings.AllowRebase, in.AllowRebase)
	set(&r.Settings.AllowAutoMerge, in.AllowAutoMerge)
	set(&r.Settings.DeleteBranchOnMerge, in.DeleteBranchOnMerge)
	r.UpdatedAt = c.now
	return ok(c.repository(r))
}

// set takes over a field that was given.
func set[T any](to *T, from *T) {
	if from != nil {
		*to = *from
	}
}

func (c *call) collaboratorLogins() []string {
	logins := []string{fold(c.repo.Owner)}
	for login := range c.repo.Collaborators {
		logins = append(logins, login)
	}
	sort.Strings(logins)
	return logins
}

func (c *call) listCollaborators() (reply, error) {
	return ok(page(c, c.collaboratorLogins(), func(login string) any {
		role := c.st.role(c.repo, c.st.user(login))
		o := c.user(c.st.user(login))
		o["role_name"], o["permissions"] = role, permissionBits(role)
		return o
	}))
}

func (c *call) isCollaborator() (reply, error) {
	name := fold(c.params["username"])
	if name == fold(c.repo.Owner) || c.repo.Collaborators[name] != "" {
		return noContent()
	}
	return reply{}, errNotFound
}

// legacyRole is the older four-level name that `permission` still uses.
func legacyRole(role string) string {
	switch role {
	case "maintain":
		return "write"
	case "triage":
		return "read"
	case "":
		return "none"
	}
	return role
}

func (c *call) getPermission() (reply, error) {
	u := c.st.user(c.params["username"])
	if u == nil {
		return reply{}, &problem{status: 404, message: c.params["username"] + " is not a user"}
	}
	role := c.st.role(c.repo, u)
	o := c.user(u)
	o["role_name"], o["permissions"] = role, permissionBits(role)
	if role == "" {
		o["role_name"] = "none"
	}
	return ok(obj{"permission": legacyRole(role), "role_name": o["role_name"], "user": o})
}

func (c *call) listAssignees() (reply, error) {
	return ok(page(c, c.collaboratorLogins(), func(login string) any { return c.login(login) }))
}

// searchIssues answers the qualifiers repo:, is:, state:, label:, author:,
// type: and head:, and looks for the other words in title and body.
func (c *call) searchIssues() (reply, error) {
	q := c.query.Get("q")
	if strings.TrimSpace(q) == "" {
		return reply{}, invalid("Search", "q", "missing", "")
	}
	terms := searchTerms(q)
	var repo string
	for _, t := range terms {
		if name, isRepo := strings.CutPrefix(t, "repo:"); isRepo {
			repo = fold(name)
		}
	}
	r := c.st.Repos[repo]
	if r == nil || !c.mayRead(r) {
		return reply{}, invalid("Search", "q", "invalid", "The listed repositories cannot be searched; the fake GitHub needs one repo: qualifier")
	}
	c.repo, c.git = r, c.s.dir(r)
	found := filter(c.sortedIssues(), func(i *issue) bool {
		for _, t := range terms {
			if !c.termMatches(i, t) {
				return false
			}
		}
		return true
	})
	items := page(c, found, func(i *issue) any {
		o := c.issue(i)
		o["score"] = 1
		return o
	})
	return ok(obj{"total_count": len(found), "incomplete_results": false, "search_type": "lexical", "items": items})
}

// searchTerms splits at spaces outside quotes and drops the quotes.
func searchTerms(q string) []string {
	var terms []string
	var b strings.Builder
	quoted := false
	for _, r := range q + " " {
		switch {
		case r == '"':
			quoted = !quoted
		case r == ' ' && !quoted:
			if b.Len() > 0 {
				terms = append(terms, b.String())
			}
			b.Reset()
		default:
			b.WriteRune(r)
		}
	}
	return terms
}

func (c *call) termMatches(i *issue, term string) bool {
	key, value, qualified := strings.Cut(term, ":")
	if !qualified {
		text := i.Title
		if i.Body != nil {
			text += "\n" + *i.Body
		}
		return strings.Contains(fold(text), fold(term))
	}
	switch key {
	case "is", "state", "type":
		switch value {
		case "issue":
			return i.Pull == nil
		case "pr", "pull-request":
			return i.Pull != nil
		case "merged":
			return i.Pull != nil && i.Pull.Merged
		case "draft":
			return i.Pull != nil && i.Pull.Draft
		}
		return i.State == value
	case "label":
		return c.hasLabel(i, value)
	case "author":
		return strings.EqualFold(strings.TrimPrefix(value, "app/"), strings.TrimSuffix(i.User, "[bot]")) || strings.EqualFold(value, i.User)
	case "head":
		return i.Pull != nil && i.Pull.HeadRef == value
	}
	return true
}
