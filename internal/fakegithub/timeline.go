package fakegithub

import (
	"sort"
	"time"
)

// record adds to an issue's history.
func (c *call) record(i *issue, e *issueEvent) {
	e.ID, e.Number, e.Actor, e.App, e.CreatedAt = c.st.nextID(), i.Number, c.actor.Login, c.byIntegration(), c.now
	c.repo.Events = append(c.repo.Events, e)
}

func (c *call) eventShape(e *issueEvent) obj {
	o := obj{"id": e.ID, "node_id": nodeID("EV", e.ID), "url": c.api("/issues/events/%d", e.ID), "actor": c.login(e.Actor), "event": e.Event, "commit_id": orNil(e.CommitID),
		"commit_url": nil, "created_at": stamp(e.CreatedAt), "performed_via_github_app": c.via(e.App, e.Actor)}
	if e.CommitID != "" {
		o["commit_url"] = c.api("/commits/%s", e.CommitID)
	}
	switch e.Event {
	case "labeled", "unlabeled":
		o["label"] = obj{"name": e.Label.Name, "color": e.Label.Color}
	case "renamed":
		o["rename"] = obj{"from": e.From, "to": e.To}
	case "assigned", "unassigned":
		o["assignee"], o["assigner"] = c.login(e.Subject), c.login(e.Actor)
	case "review_requested", "review_request_removed":
		o["review_requester"], o["requested_reviewer"] = c.login(e.Actor), c.login(e.Subject)
	case "review_dismissed":
		o["dismissed_review"] = obj{"state": fold(e.From), "review_id": e.Review, "dismissal_message": orNil(e.To)}
	}
	return o
}

func (c *call) eventsOf(number int) []*issueEvent {
	return filter(c.repo.Events, func(e *issueEvent) bool { return e.Number == number })
}

func (c *call) listEvents() (reply, error) {
	i, err := c.issueAt()
	if err != nil {
		return reply{}, err
	}
	return ok(page(c, c.eventsOf(i.Number), func(e *issueEvent) any { return c.eventShape(e) }))
}

func (c *call) listRepoEvents() (reply, error) {
	all := append([]*issueEvent{}, c.repo.Events...)
	sort.SliceStable(all, func(a, b int) bool { return all[a].ID > all[b].ID })
	return ok(page(c, all, func(e *issueEvent) any {
		o := c.eventShape(e)
		o["issue"] = c.issue(c.repo.Issues[e.Number])
		return o
	}))
}

// moment is one timeline entry with what it is sorted by.
type moment struct {
	at   time.Time
	id   int64
	body obj
}

// listTimeline weaves history, comments, reviews and commits together, oldest first.
func (c *call) listTimeline() (reply, error) {
	i, err := c.issueAt()
	if err != nil {
		return reply{}, err
	}
	var all []moment
	for _, e := range c.eventsOf(i.Number) {
		all = append(all, moment{e.CreatedAt, e.ID, c.eventShape(e)})
	}
	for _, m := range c.comments(i.Number) {
		o := c.commentShape(m).(obj)
		o["event"], o["actor"] = "commented", c.login(m.User)
		all = append(all, moment{m.CreatedAt, m.ID, o})
	}
	if i.Pull != nil {
		all = append(all, c.pullMoments(i)...)
	}
	sort.SliceStable(all, func(a, b int) bool {
		if !all[a].at.Equal(all[b].at) {
			return all[a].at.Before(all[b].at)
		}
		return all[a].id < all[b].id
	})
	return ok(page(c, all, func(m moment) any { return m.body }))
}

func (c *call) pullMoments(i *issue) []moment {
	var all []moment
	for _, r := range c.reviewsOf(i.Number) {
		if r.SubmittedAt == nil {
			continue
		}
		o := c.reviewShape(i, r)
		o["event"], o["state"] = "reviewed", fold(r.State)
		all = append(all, moment{*r.SubmittedAt, r.ID, o})
	}
	commits, err := c.pullCommitList(i)
	if err != nil {
		return all
	}
	for _, k := range commits {
		o := c.gitCommitShape(k)
		o["event"] = "committed"
		all = append(all, moment{i.CreatedAt, 0, o})
	}
	return all
}
