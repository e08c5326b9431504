package fakegithub

import (
	"encoding/json"
	"sort"
	"strconv"
	"strings"
	"time"
)

// bodyLimit is how many characters an issue, comment or review body may have.
const bodyLimit = 65536

func (c *call) issueAt() (*issue, error) {
	n, err := strconv.Atoi(c.params["number"])
	if err != nil || c.repo.Issues[n] == nil {
		return nil, errNotFound
	}
	return c.repo.Issues[n], nil
}

// sortedIssues lists issues and pull requests, newest first.
func (c *call) sortedIssues() []*issue {
	out := make([]*issue, 0, len(c.repo.Issues))
	for _, i := range c.repo.Issues {
		out = append(out, i)
	}
	sort.Slice(out, func(a, b int) bool { return out[a].Number > out[b].Number })
	return out
}

func (c *call) hasLabel(i *issue, name string) bool {
	l := c.repo.labelNamed(name)
	if l == nil {
		return false
	}
	for _, id := range i.Labels {
		if id == l.ID {
			return true
		}
	}
	return false
}

func (c *call) listIssues() (reply, error) {
	since, err := c.since()
	if err != nil {
		return reply{}, err
	}
	found := filter(c.sortedIssues(), func(i *issue) bool { return c.issueWanted(i, since) })
	c.order(found)
	return ok(page(c, found, func(i *issue) any { return c.issue(i) }))
}

func (c *call) since() (time.Time, error) {
	text := c.query.Get("since")
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, refuse(422, "Invalid request.\n\n'since' is not a valid timestamp.")
	}
	return t, nil
}

func (c *call) issueWanted(i *issue, since time.Time) bool {
	q := c.query
	if state := q.Get("state"); state != "all" && i.State != orElse(state, "open") {
		return false
	}
	for _, name := range strings.Split(q.Get("labels"), ",") {
		if name = strings.TrimSpace(name); name != "" && !c.hasLabel(i, name) {
			return false
		}
	}
	if creator := q.Get("creator"); creator != "" && !strings.EqualFold(creator, i.User) {
		return false
	}
	switch who := q.Get("assignee"); {
	case who == "" || who == "*" && len(i.Assignees) > 0:
	case who == "none":
		if len(i.Assignees) > 0 {
			return false
		}
	case !containsFold(i.Assignees, who):
		return false
	}
	return !i.UpdatedAt.Before(since)
}

func orElse(s, missing string) string {
	if s == "" {
		return missing
	}
	return s
}

func containsFold(list []string, s string) bool {
	for _, v := range list {
		if strings.EqualFold(v, s) {
			return true
		}
	}
	return false
}

// order sorts by ?sort= and ?direction=; numbers break ties, so that pages
// stay apart even when everything happened in one second.
func (c *call) order(found []*issue) {
	key := func(i *issue) int64 {
		switch c.query.Get("sort") {
		case "updated", "long-running":
			return i.UpdatedAt.Unix()
		case "comments", "popularity":
			return int64(len(c.comments(i.Number)))
		}
		return i.CreatedAt.Unix()
	}
	sort.SliceStable(found, func(a, b int) bool {
		x, y := found[a], found[b]
		if c.query.Get("direction") == "asc" {
			x, y = y, x
		}
		if key(x) != key(y) {
			return key(x) > key(y)
		}
		return x.Number > y.Number
	})
}

func (c *call) getIssue() (reply, error) {
	i, err := c.issueAt()
	if err != nil {
		return reply{}, err
	}
	return ok(c.issue(i))
}

// labelNames reads labels given as texts or as objects with a name.
type labelNames []string

func (l *labelNames) UnmarshalJSON(data []byte) error {
	var raw []json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		return err
	}
	*l = labelNames{}
	for _, r := range raw {
		var name string
		if json.Unmarshal(r, &name) != nil {
			var o struct{ Name string }
			if err := json.Unmarshal(r, &o); err != nil {
				return err
			}
			name = o.Name
		}
		*l = append(*l, name)
	}
	return nil
}

type issueInput struct {
	Title       *text       `json:"title"`
	Body        *string     `json:"body"`
	State       *string     `json:"state"`
	StateReason *string     `json:"state_reason"`
	Labels      *labelNames `json:"labels"`
	Assignee    *string     `json:"assignee"`
	Assignees   *[]string   `json:"assignees"`
	Milestone   *text       `json:"milestone"`
}

// text takes a JSON text or number, as titles and milestones do.
type text string

func (t *text) UnmarshalJSON(data []byte) error {
	var s string
	if json.Unmarshal(data, &s) == nil {
		*t = text(s)
		return nil
	}
	var n json.Number
	if err := json.Unmarshal(data, &n); err != nil {
		return err
	}
	*t = text(n.String())
	return nil
}

func tooLong(resource string, body *string) error {
	if body != nil && len([]rune(*body)) > bodyLimit {
		return invalid(resource, "body", "custom", "body is too long (maximum is 65536 characters)")
	}
	return nil
}

func (c *call) createIssue() (reply, error) {
	var in issueInput
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if in.Title == nil || strings.TrimSpace(string(*in.Title)) == "" {
		return reply{}, invalid("Issue", "title", "missing_field", "")
	}
	if err := tooLong("Issue", in.Body); err != nil {
		return reply{}, err
	}
	i := c.newIssue(string(*in.Title), in.Body)
	c.issueEvent(i, "issues", "opened", nil)
	if c.mayTriage() {
		if in.Labels != nil {
			if err := c.addLabelNames(i, *in.Labels); err != nil {
				return reply{}, err
			}
		}
		if in.Assignees != nil {
			c.assign(i, *in.Assignees)
		}
		if in.Milestone != nil {
			i.Milestone, _ = strconv.Atoi(string(*in.Milestone))
		}
	}
	return createdAt(c.api("/issues/%d", i.Number), c.issue(i))
}

// newIssue takes the next number; pull requests use it too.
func (c *call) newIssue(title string, body *string) *issue {
	c.repo.LastNumber++
	i := &issue{ID: c.st.nextID(), Number: c.repo.LastNumber, Title: title, Body: body, User: c.actor.Login, App: c.byIntegration(), State: "open", CreatedAt: c.now, UpdatedAt: c.now}
	c.repo.Issues[i.Number] = i
	return i
}

// mayTriage tells whether labels and assignees given by the caller count;
// GitHub drops them in silence otherwise.
func (c *call) mayTriage() bool {
	return c.byIntegration() || rank[c.st.role(c.repo, c.actor)] >= rank["triage"]
}

func (c *call) editIssue() (reply, error) {
	i, err := c.issueAt()
	if err != nil {
		return reply{}, err
	}
	var in issueInput
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if !c.mayTriage() && !c.owns(i.User) {
		return reply{}, c.lacks(parseNeeds(issueWrite))
	}
	if err := c.editText(i, in.Title, in.Body); err != nil {
		return reply{}, err
	}
	if in.Labels != nil && c.mayTriage() {
		if err := c.replaceLabels(i, *in.Labels); err != nil {
			return reply{}, err
		}
	}
	if in.Assignees != nil && c.mayTriage() {
		c.unassign(i, append([]string{}, i.Assignees...))
		c.assign(i, *in.Assignees)
	}
	if in.Milestone != nil {
		i.Milestone, _ = strconv.Atoi(string(*in.Milestone))
	}
	if in.State != nil {
		if err := c.setState(i, *in.State, in.StateReason); err != nil {
			return reply{}, err
		}
	}
	return ok(c.issue(i))
}

func (c *call) owns(login string) bool {
	return c.actor != nil && strings.EqualFold(c.actor.Login, login)
}

// editText changes title and body, keeping what GitHub keeps: a rename in the
// history, the time of the last edit of the body, and who made it.
func (c *call) editText(i *issue, title *text, body *string) error {
	if err := tooLong("Issue", body); err != nil {
		return err
	}
	changes := obj{}
	if title != nil && string(*title) != i.Title {
		if strings.TrimSpace(string(*title)) == "" {
			return invalid("Issue", "title", "missing_field", "")
		}
		c.record(i, &issueEvent{Event: "renamed", From: i.Title, To: string(*title)})
		changes["title"] = obj{"from": i.Title}
		i.Title = string(*title)
	}
	if body != nil && (i.Body == nil || *body != *i.Body) {
		changes["body"] = obj{"from": orEmpty(i.Body)}
		i.Body = body
		if len(i.Edits) == 0 {
			i.Edits = append(i.Edits, edit{ID: c.st.nextID(), At: i.CreatedAt, Editor: i.User})
		}
		at := c.now
		i.LastEditedAt = &at
		i.Edits = append(i.Edits, edit{ID: c.st.nextID(), At: at, Editor: c.actor.Login})
	}
	if len(changes) == 0 {
		return nil
	}
	i.UpdatedAt = c.now
	c.issueEvent(i, kindOf(i), "edited", obj{"changes": changes})
	return nil
}

func kindOf(i *issue) string {
	if i.Pull != nil {
		return "pull_request"
	}
	return "issues"
}

func orEmpty(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (c *call) setState(i *issue, state string, reason *string) error {
	switch {
	case state != "open" && state != "closed":
		return invalid("Issue", "state", "invalid", "")
	case state == "open" && i.Pull != nil && i.Pull.Merged:
		return invalid("PullRequest", "state", "invalid", "state cannot be changed. The pull request has been merged.")
	case state == i.State:
		if reason != nil && state == "closed" {
			i.StateReason = *reason
		}
		return nil
	case state == "closed":
		c.close(i, orElse(orEmpty(reason), "completed"), "")
	default:
		i.State, i.StateReason, i.ClosedAt, i.ClosedBy, i.UpdatedAt = "open", "reopened", nil, "", c.now
		c.record(i, &issueEvent{Event: "reopened"})
		c.issueEvent(i, kindOf(i), "reopened", nil)
	}
	return nil
}

// close closes an issue or pull request; commit is what closed it, if any.
func (c *call) close(i *issue, reason, commit string) {
	at := c.now
	i.State, i.ClosedAt, i.ClosedBy, i.UpdatedAt = "closed", &at, c.actor.Login, c.now
	if i.Pull == nil {
		i.StateReason = reason
	}
	c.record(i, &issueEvent{Event: "closed", CommitID: commit})
	c.issueEvent(i, kindOf(i), "closed", nil)
}

func (c *call) lockIssue() (reply, error)   { return c.setLock(true) }
func (c *call) unlockIssue() (reply, error) { return c.setLock(false) }

func (c *call) setLock(locked bool) (reply, error) {
	i, err := c.issueAt()
	if err != nil {
		return reply{}, err
	}
	i.Locked, i.UpdatedAt = locked, c.now
	return noContent()
}

func (c *call) addAssignees() (reply, error) {
	return c.withAssignees(func(i *issue, logins []string) (reply, error) {
		c.assign(i, logins)
		return created(c.issue(i))
	})
}

func (c *call) removeAssignees() (reply, error) {
	return c.withAssignees(func(i *issue, logins []string) (reply, error) {
		c.unassign(i, logins)
		return ok(c.issue(i))
	})
}

func (c *call) withAssignees(do func(*issue, []string) (reply, error)) (reply, error) {
	i, err := c.issueAt()
	if err != nil {
		return reply{}, err
	}
	var in struct{ Assignees []string }
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	return do(i, in.Assignees)
}

// assign adds those who may be assigned; GitHub ignores the others.
func (c *call) assign(i *issue, logins []string) {
	for _, login := range logins {
		u := c.st.user(login)
		if u == nil || containsFold(i.Assignees, login) || rank[c.st.role(c.repo, u)] < rank["triage"] {
			continue
		}
		i.Assignees, i.UpdatedAt = append(i.Assignees, u.Login), c.now
		c.record(i, &issueEvent{Event: "assigned", Subject: u.Login})
		c.issueEvent(i, kindOf(i), "assigned", obj{"assignee": c.user(u)})
	}
}

func (c *call) unassign(i *issue, logins []string) {
	for _, login := range logins {
		if !containsFold(i.Assignees, login) {
			continue
		}
		i.Assignees = filter(i.Assignees, func(l string) bool { return !strings.EqualFold(l, login) })
		i.UpdatedAt = c.now
		c.record(i, &issueEvent{Event: "unassigned", Subject: login})
		c.issueEvent(i, kindOf(i), "unassigned", obj{"assignee": c.login(login)})
	}
}

func (c *call) listMilestones() (reply, error) {
	return ok(page(c, c.repo.Milestones, c.milestone))
}

func (c *call) createMilestone() (reply, error) {
	var in struct{ Title, Description, State string }
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if in.Title == "" {
		return reply{}, invalid("Milestone", "title", "missing_field", "")
	}
	m := &milestone{ID: c.st.nextID(), Number: len(c.repo.Milestones) + 1, Title: in.Title, Description: in.Description, State: orElse(in.State, "open"), Creator: c.actor.Login, CreatedAt: c.now}
	c.repo.Milestones = append(c.repo.Milestones, m)
	return createdAt(c.api("/milestones/%d", m.Number), c.milestone(m))
}
