package fakegithub

import (
	"sort"
	"strconv"
	"strings"
)

func (c *call) comments(number int) []*comment {
	return filter(c.repo.Comments, func(m *comment) bool { return m.Number == number })
}

func (c *call) comment(id int64) *comment {
	for _, m := range c.repo.Comments {
		if m.ID == id {
			return m
		}
	}
	return nil
}

// idOf reads a numeric path parameter; the route's pattern took digits only.
func (c *call) idOf(name string) int64 {
	id, _ := strconv.ParseInt(c.params[name], 10, 64)
	return id
}

func (c *call) commentAt() (*comment, error) {
	m := c.comment(c.idOf("comment_id"))
	if m == nil {
		return nil, errNotFound
	}
	return m, nil
}

func (c *call) listComments() (reply, error) {
	i, err := c.issueAt()
	if err != nil {
		return reply{}, err
	}
	return c.commentPage(c.comments(i.Number))
}

func (c *call) listRepoComments() (reply, error) {
	all := append([]*comment{}, c.repo.Comments...)
	if c.query.Get("direction") == "desc" {
		sort.SliceStable(all, func(a, b int) bool { return all[a].ID > all[b].ID })
	}
	return c.commentPage(all)
}

func (c *call) commentPage(all []*comment) (reply, error) {
	since, err := c.since()
	if err != nil {
		return reply{}, err
	}
	all = filter(all, func(m *comment) bool { return !m.UpdatedAt.Before(since) })
	return ok(page(c, all, c.commentShape))
}

func (c *call) getComment() (reply, error) {
	m, err := c.commentAt()
	if err != nil {
		return reply{}, err
	}
	return ok(c.commentShape(m))
}

// bodyText reads {"body": ...}, which must not be blank or too long.
func (c *call) bodyText(resource string) (string, error) {
	var in struct{ Body *string }
	if err := c.decode(&in); err != nil {
		return "", err
	}
	if strings.TrimSpace(orEmpty(in.Body)) == "" {
		return "", invalid(resource, "body", "missing_field", "")
	}
	return *in.Body, tooLong(resource, in.Body)
}

func (c *call) createComment() (reply, error) {
	i, err := c.issueAt()
	if err != nil {
		return reply{}, err
	}
	body, err := c.bodyText("IssueComment")
	if err != nil {
		return reply{}, err
	}
	if i.Locked && !c.byIntegration() && !c.st.canWrite(c.repo, c.actor.Login) {
		return reply{}, refuse(403, "Unable to create comment because issue is locked.")
	}
	m := &comment{ID: c.st.nextID(), Number: i.Number, User: c.actor.Login, App: c.byIntegration(), Body: body, CreatedAt: c.now, UpdatedAt: c.now}
	c.repo.Comments = append(c.repo.Comments, m)
	i.UpdatedAt = c.now
	c.commentEvent(i, m, "created", nil)
	return createdAt(c.api("/issues/comments/%d", m.ID), c.commentShape(m))
}

func (c *call) editComment() (reply, error) {
	m, err := c.commentAt()
	if err != nil {
		return reply{}, err
	}
	if !c.owns(m.User) && !c.mayModerate() {
		return reply{}, c.lacks(parseNeeds(issueWrite))
	}
	body, err := c.bodyText("IssueComment")
	if err != nil {
		return reply{}, err
	}
	from := m.Body
	m.Body, m.UpdatedAt = body, c.now
	c.commentEvent(c.repo.Issues[m.Number], m, "edited", obj{"changes": obj{"body": obj{"from": from}}})
	return ok(c.commentShape(m))
}

// mayModerate: people who can write, and any integration with the permission.
func (c *call) mayModerate() bool {
	return c.byIntegration() || c.st.canWrite(c.repo, c.actor.Login)
}

func (c *call) deleteComment() (reply, error) {
	m, err := c.commentAt()
	if err != nil {
		return reply{}, err
	}
	if !c.owns(m.User) && !c.mayModerate() {
		return reply{}, c.lacks(parseNeeds(issueWrite))
	}
	c.repo.Comments = filter(c.repo.Comments, func(o *comment) bool { return o != m })
	c.commentEvent(c.repo.Issues[m.Number], m, "deleted", nil)
	return noContent()
}

func (c *call) listIssueReactions() (reply, error) {
	i, err := c.issueAt()
	if err != nil {
		return reply{}, err
	}
	return c.reactionPage(i.Reactions)
}

func (c *call) reactToIssue() (reply, error) {
	i, err := c.issueAt()
	if err != nil {
		return reply{}, err
	}
	return c.react(&i.Reactions)
}

func (c *call) unreactToIssue() (reply, error) {
	i, err := c.issueAt()
	if err != nil {
		return reply{}, err
	}
	return c.unreact(&i.Reactions)
}

func (c *call) listCommentReactions() (reply, error) {
	m, err := c.commentAt()
	if err != nil {
		return reply{}, err
	}
	return c.reactionPage(m.Reactions)
}

func (c *call) reactToComment() (reply, error) {
	m, err := c.commentAt()
	if err != nil {
		return reply{}, err
	}
	return c.react(&m.Reactions)
}

func (c *call) unreactToComment() (reply, error) {
	m, err := c.commentAt()
	if err != nil {
		return reply{}, err
	}
	return c.unreact(&m.Reactions)
}

func (c *call) reactionPage(all []*reaction) (reply, error) {
	if want := c.query.Get("content"); want != "" {
		all = filter(all, func(r *reaction) bool { return r.Content == want })
	}
	return ok(page(c, all, c.reaction))
}

// react adds a reaction: 201 the first time, 200 with the same one afterwards.
func (c *call) react(on *[]*reaction) (reply, error) {
	var in struct{ Content string }
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if !containsFold(reactionNames, in.Content) {
		return reply{}, invalid("Reaction", "content", "invalid", "")
	}
	for _, r := range *on {
		if r.Content == in.Content && c.owns(r.User) {
			return ok(c.reaction(r))
		}
	}
	r := &reaction{ID: c.st.nextID(), User: c.actor.Login, Content: in.Content, CreatedAt: c.now}
	*on = append(*on, r)
	return created(c.reaction(r))
}

func (c *call) unreact(on *[]*reaction) (reply, error) {
	id := c.idOf("reaction_id")
	left := filter(*on, func(r *reaction) bool { return r.ID != id || !c.owns(r.User) })
	if len(left) == len(*on) {
		return reply{}, errNotFound
	}
	*on = left
	return noContent()
}
