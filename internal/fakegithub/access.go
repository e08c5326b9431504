package fakegithub

import (
	"encoding/base64"
	"sort"
	"strconv"
	"strings"
	"time"
)

// TokenKind says whose token it is; GitHub treats the three differently.
type TokenKind string

// The kinds of token.
const (
	// KindUser is a person's token: it may do what the person may, within the
	// permissions given.
	KindUser TokenKind = "user"
	// KindActions is a job's GITHUB_TOKEN. It acts as github-actions[bot], and
	// what it does starts no workflow, dispatches excepted.
	KindActions TokenKind = "actions"
	// KindApp is an installation token of another GitHub App.
	KindApp TokenKind = "app"
)

// GitHub's own numbers for its bots.
const (
	actionsBotID  = 41898282
	actionsAppID  = 15368
	webFlowID     = 19864447
	actionsBot    = "github-actions[bot]"
	webFlow       = "web-flow"
	webFlowName   = "GitHub"
	webFlowEmail  = "noreply@github.com"
	notByActor    = "Resource not accessible by integration"
	notByPerson   = "Resource not accessible by personal access token"
	needsAdmin    = "Must have admin rights to Repository."
	rateWindow    = time.Hour
	actionsHourly = 1000
	otherHourly   = 5000
)

// tokenPrefixes begin the tokens minted here, as they do GitHub's.
var tokenPrefixes = []string{"ghp_", "ghs_"}

// rank orders repository roles and permission levels.
var rank = map[string]int{"": 0, "none": 0, "read": 1, "triage": 2, "write": 3, "maintain": 4, "admin": 5}

// permissionName accepts a workflow's spelling (pull-requests) too.
func permissionName(s string) string { return strings.ReplaceAll(s, "-", "_") }

// authenticate finds out who asks. No credentials at all means anonymous.
func (c *call) authenticate() *problem {
	value := credentials(c.r.Header.Get("Authorization"))
	if value == "" {
		return nil
	}
	c.token = c.st.Tokens[value]
	if c.token == nil {
		return refuse(401, "Bad credentials")
	}
	c.actor = c.st.user(c.token.Login)
	return nil
}

// credentials reads "Bearer T", "token T" and Basic with the token as password.
func credentials(header string) string {
	scheme, rest, ok := strings.Cut(header, " ")
	if !ok {
		return ""
	}
	rest = strings.TrimSpace(rest)
	switch strings.ToLower(scheme) {
	case "bearer", "token":
		return rest
	case "basic":
		plain, err := base64.StdEncoding.DecodeString(rest)
		if err != nil {
			return "(unreadable)"
		}
		name, secret, _ := strings.Cut(string(plain), ":")
		if secret == "" || secret == "x-oauth-basic" {
			return name
		}
		return secret
	}
	return "(unknown scheme)"
}

// byIntegration is true for GITHUB_TOKEN and App tokens.
func (c *call) byIntegration() bool {
	return c.token != nil && c.token.Kind != KindUser
}

// need is one permission a route asks for, such as issues=write.
type need struct{ name, level string }

// parseNeeds reads "issues=write; pull_requests=write": any of them is enough.
func parseNeeds(s string) []need {
	var out []need
	for _, one := range strings.Split(s, ";") {
		name, level, ok := strings.Cut(strings.TrimSpace(one), "=")
		if ok {
			out = append(out, need{name, level})
		}
	}
	return out
}

func needsString(ns []need) string {
	var out []string
	for _, n := range ns {
		out = append(out, n.name+"="+n.level)
	}
	sort.Strings(out)
	return strings.Join(out, "; ")
}

// authorize finds the repository and decides whether the caller may use the
// route on it. What may not be seen does not exist: 404, not 403.
func (c *call) authorize(rt *route) *problem {
	if c.params["owner"] == "" {
		if rt.user && c.actor == nil {
			return refuse(401, "Requires authentication")
		}
		return nil
	}
	c.repo = c.st.Repos[repoKey(c.params["owner"], c.params["repo"])]
	if c.repo == nil || !c.mayRead(c.repo) {
		return errNotFound
	}
	c.git = c.s.dir(c.repo)
	needs := c.narrow(parseNeeds(rt.needs))
	writing := len(needs) > 0 && needs[0].level == "write"
	if c.actor == nil {
		if writing {
			return refuse(401, "Requires authentication")
		}
		return nil
	}
	if c.byIntegration() && rt.people {
		return c.lacks(needs)
	}
	if !c.tokenAllows(needs) {
		return c.lacks(needs)
	}
	return c.roleAllows(rt, writing, needs)
}

// narrow drops the pull-request alternative of issue routes when the number
// belongs to an issue.
func (c *call) narrow(needs []need) []need {
	if len(needs) < 2 {
		return needs
	}
	n, _ := strconv.Atoi(c.params["number"])
	if id, err := strconv.ParseInt(c.params["comment_id"], 10, 64); err == nil {
		if found := c.comment(id); found != nil {
			n = found.Number
		}
	}
	if i := c.repo.Issues[n]; i == nil || i.Pull != nil {
		return needs
	}
	return filter(needs, func(n need) bool { return n.name != "pull_requests" })
}

func (c *call) mayRead(r *repository) bool {
	if !r.Private {
		return true
	}
	if c.token == nil || c.token.Repo != "" && c.token.Repo != repoKey(r.Owner, r.Name) {
		return false
	}
	return c.byIntegration() || rank[c.st.role(r, c.actor)] >= rank["read"]
}

// tokenAllows checks what the token was minted for. Outside of its repository
// a token can only read what is public.
func (c *call) tokenAllows(needs []need) bool {
	t := c.token
	foreign := t.Repo != "" && t.Repo != repoKey(c.repo.Owner, c.repo.Name)
	if foreign {
		return len(needs) == 0 || needs[0].level == "read"
	}
	return t.allows(needs)
}

func (t *token) allows(needs []need) bool {
	if t.Permissions == nil || len(needs) == 0 {
		return true
	}
	for _, n := range needs {
		if n.name == "metadata" || rank[t.Permissions[n.name]] >= rank[n.level] {
			return true
		}
	}
	return false
}

// roleAllows checks what the person may do. Integrations have no role: their
// token's permissions are the whole truth.
func (c *call) roleAllows(rt *route, writing bool, needs []need) *problem {
	if c.byIntegration() {
		return nil
	}
	want := rt.role
	if want == "" {
		want = "read"
		if writing {
			want = "write"
		}
	}
	if rank[c.st.role(c.repo, c.actor)] >= rank[want] {
		return nil
	}
	if want == "admin" {
		return refuse(403, needsAdmin)
	}
	return c.lacks(needs)
}

func (c *call) lacks(needs []need) *problem {
	message := notByPerson
	if c.byIntegration() {
		message = notByActor
	}
	p := refuse(403, "%s", message)
	p.header = map[string]string{"X-Accepted-GitHub-Permissions": needsString(needs)}
	return p
}

// role is what a user is on a repository: admin, maintain, write, triage, read or "".
func (st *state) role(r *repository, u *user) string {
	switch {
	case u == nil:
	case strings.EqualFold(u.Login, r.Owner):
		return "admin"
	case r.Collaborators[fold(u.Login)] != "":
		return r.Collaborators[fold(u.Login)]
	}
	if r.Private {
		return ""
	}
	return "read"
}

// canWrite tells whether the caller's approvals, commands and labels count.
func (st *state) canWrite(r *repository, login string) bool {
	return rank[st.role(r, st.user(login))] >= rank["write"]
}

// rate counts one token's requests in the current window.
type rate struct {
	used  int
	since time.Time
}

func (c *call) rate() *rate {
	key := ""
	if c.token != nil {
		key = c.token.Name
	}
	r := c.s.rates[key]
	if r == nil || c.now.Sub(r.since) >= rateWindow {
		r = &rate{since: c.now}
		c.s.rates[key] = r
	}
	return r
}

func (c *call) rateLimit() int {
	switch {
	case c.s.opt.RateLimit > 0:
		return c.s.opt.RateLimit
	case c.token != nil && c.token.Kind == KindActions:
		return actionsHourly
	}
	return otherHourly
}

// meter counts the request and refuses it when a limit was asked for and is used up.
func (c *call) meter() *problem {
	r := c.rate()
	if c.s.opt.RateLimit > 0 && r.used >= c.s.opt.RateLimit {
		return refuse(403, "API rate limit exceeded for this token.")
	}
	r.used++
	return nil
}

// unmeter gives a request back: a 304 costs nothing.
func (c *call) unmeter() { c.rate().used-- }

func (c *call) rateHeaders() map[string]string {
	r, limit := c.rate(), c.rateLimit()
	return map[string]string{
		"X-RateLimit-Limit":     strconv.Itoa(limit),
		"X-RateLimit-Remaining": strconv.Itoa(max(limit-r.used, 0)),
		"X-RateLimit-Used":      strconv.Itoa(r.used),
		"X-RateLimit-Reset":     strconv.FormatInt(r.since.Add(rateWindow).Unix(), 10),
		"X-RateLimit-Resource":  "core",
	}
}
