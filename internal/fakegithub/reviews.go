package fakegithub

import (
	"strings"
)

func (c *call) reviewsOf(number int) []*review {
	return filter(c.repo.Reviews, func(r *review) bool { return r.Number == number })
}

func (c *call) lineComments(number int) []*lineComment {
	return filter(c.repo.LineComments, func(m *lineComment) bool { return m.Number == number && !c.pendingFor(m) })
}

// pendingFor: comments of a review not yet submitted are seen by nobody else.
func (c *call) pendingFor(m *lineComment) bool {
	for _, r := range c.repo.Reviews {
		if r.ID == m.Review {
			return r.State == "PENDING" && !c.owns(r.User)
		}
	}
	return false
}

func (c *call) reviewShape(i *issue, r *review) obj {
	html := c.html("/pull/%d#pullrequestreview-%d", i.Number, r.ID)
	o := obj{"id": r.ID, "node_id": nodeID("PRR", r.ID), "user": c.login(r.User), "body": r.Body, "state": r.State, "html_url": html, "pull_request_url": c.api("/pulls/%d", i.Number),
		"author_association": c.association(r.User), "commit_id": r.CommitID, "_links": obj{"html": obj{"href": html}, "pull_request": obj{"href": c.api("/pulls/%d", i.Number)}}}
	if r.SubmittedAt != nil {
		o["submitted_at"] = stamp(*r.SubmittedAt)
	}
	return o
}

func (c *call) listReviews() (reply, error) {
	i, err := c.pullAt()
	if err != nil {
		return reply{}, err
	}
	seen := filter(c.reviewsOf(i.Number), func(r *review) bool { return r.State != "PENDING" || c.owns(r.User) })
	return ok(page(c, seen, func(r *review) any { return c.reviewShape(i, r) }))
}

func (c *call) reviewAt() (*issue, *review, error) {
	i, err := c.pullAt()
	if err != nil {
		return nil, nil, err
	}
	for _, r := range c.reviewsOf(i.Number) {
		if r.ID == c.idOf("review_id") && (r.State != "PENDING" || c.owns(r.User)) {
			return i, r, nil
		}
	}
	return nil, nil, errNotFound
}

func (c *call) getReview() (reply, error) {
	i, r, err := c.reviewAt()
	if err != nil {
		return reply{}, err
	}
	return ok(c.reviewShape(i, r))
}

type lineInput struct {
	Path        string
	Body        string
	Position    *int
	Line        *int
	Side        string
	StartLine   *int   `json:"start_line"`
	StartSide   string `json:"start_side"`
	SubjectType string `json:"subject_type"`
	CommitID    string `json:"commit_id"`
	InReplyTo   int64  `json:"in_reply_to"`
}

type reviewInput struct {
	Body     string
	Event    string
	CommitID string `json:"commit_id"`
	Comments []lineInput
}

func (c *call) createReview() (reply, error) {
	i, err := c.pullAt()
	if err != nil {
		return reply{}, err
	}
	var in reviewInput
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	state, err := c.reviewState(i, in)
	if err != nil {
		return reply{}, err
	}
	for _, r := range c.reviewsOf(i.Number) {
		if r.State == "PENDING" && c.owns(r.User) {
			return reply{}, &problem{status: 422, message: "Unprocessable Entity", errors: []any{"User can only have one pending review per pull request"}}
		}
	}
	commit := orElse(in.CommitID, i.Pull.HeadSHA)
	if !isSHA(commit) || !c.git.isAncestor(commit, i.Pull.HeadSHA) {
		return reply{}, &problem{status: 422, message: "Unprocessable Entity", errors: []any{"The commit_id is not part of the pull request"}}
	}
	var lines []*lineComment
	for _, one := range in.Comments {
		m, why, err := c.anchor(i, one, commit)
		if err != nil {
			return reply{}, err
		}
		if why != "" {
			return reply{}, &problem{status: 422, message: "Unprocessable Entity", errors: []any{why}}
		}
		lines = append(lines, m)
	}
	r := &review{ID: c.st.nextID(), Number: i.Number, User: c.actor.Login, Body: in.Body, State: "PENDING", CommitID: commit}
	c.repo.Reviews = append(c.repo.Reviews, r)
	for _, m := range lines {
		c.addLine(i, r, m)
	}
	if state != "PENDING" {
		c.submit(i, r, state)
	}
	return ok(c.reviewShape(i, r))
}

// reviewState reads the event of a review and refuses judging one's own work.
func (c *call) reviewState(i *issue, in reviewInput) (string, error) {
	if err := tooLong("PullRequestReview", &in.Body); err != nil {
		return "", err
	}
	state := map[string]string{"": "PENDING", "PENDING": "PENDING", "APPROVE": "APPROVED", "REQUEST_CHANGES": "CHANGES_REQUESTED", "COMMENT": "COMMENTED"}[in.Event]
	unprocessable := func(why string) error {
		return &problem{status: 422, message: "Unprocessable Entity", errors: []any{why}}
	}
	switch {
	case state == "":
		return "", unprocessable("Variable $event of type PullRequestReviewEvent was provided invalid value")
	case state == "APPROVED" && c.owns(i.User):
		return "", unprocessable("Can not approve your own pull request")
	case state == "CHANGES_REQUESTED" && c.owns(i.User):
		return "", unprocessable("Can not request changes on your own pull request")
	case state == "APPROVED" && c.token.Kind == KindActions && !c.repo.Settings.ActionsCanOpenPulls:
		return "", refuse(403, "GitHub Actions is not permitted to create or approve pull requests.")
	case (state == "CHANGES_REQUESTED" || state == "COMMENTED") && in.Body == "" && len(in.Comments) == 0:
		return "", unprocessable("Body can't be blank")
	}
	return state, nil
}

// anchor finds the place of a line comment in the pull request's diff. why is
// GitHub's reason when there is none.
func (c *call) anchor(i *issue, in lineInput, commit string) (m *lineComment, why string, err error) {
	if strings.TrimSpace(in.Body) == "" {
		return nil, "Body can't be blank", nil
	}
	files, err := c.pullDiff(i)
	if err != nil {
		return nil, "", err
	}
	var file *fileDiff
	for n := range files {
		if files[n].Path == in.Path {
			file = &files[n]
		}
	}
	if file == nil {
		return nil, "Path could not be resolved", nil
	}
	m = &lineComment{User: c.actor.Login, Body: in.Body, Path: in.Path, CommitID: commit, Original: commit, SubjectType: orElse(in.SubjectType, "line"), CreatedAt: c.now, UpdatedAt: c.now}
	switch {
	case in.SubjectType == "file":
		return m, "", nil
	case in.Line != nil:
		return m, m.atLine(file.Patch, in), nil
	case in.Position != nil:
		return m, m.atPosition(file.Patch, *in.Position), nil
	}
	return nil, "Line could not be resolved", nil
}

func (m *lineComment) atLine(patch string, in lineInput) string {
	m.Line, m.Side = *in.Line, orElse(in.Side, "RIGHT")
	at, found := locate(patch, m.Side, m.Line)
	if !found {
		return "Line could not be resolved"
	}
	m.Position, m.DiffHunk = at.Position, at.Hunk
	if in.StartLine == nil {
		return ""
	}
	m.StartLine, m.StartSide = *in.StartLine, orElse(in.StartSide, m.Side)
	from, found := locate(patch, m.StartSide, m.StartLine)
	if !found || from.Position >= at.Position {
		return "Start line could not be resolved"
	}
	return ""
}

func (m *lineComment) atPosition(patch string, position int) string {
	at, found := locatePosition(patch, position)
	if !found {
		return "Position could not be resolved"
	}
	m.Position, m.DiffHunk = at.Position, at.Hunk
	m.Side, m.Line = "RIGHT", at.NewLine
	if at.NewLine == 0 {
		m.Side, m.Line = "LEFT", at.OldLine
	}
	return ""
}

// addLine puts a comment into a review, in a thread of its own or of the
// comment it answers.
func (c *call) addLine(i *issue, r *review, m *lineComment) {
	m.ID, m.Number, m.Review = c.st.nextID(), i.Number, r.ID
	if m.Thread == 0 {
		t := &thread{ID: c.st.nextID(), Number: i.Number}
		c.repo.Threads = append(c.repo.Threads, t)
		m.Thread = t.ID
	}
	c.repo.LineComments = append(c.repo.LineComments, m)
}

// submit makes a review seen: it has a time, its author is no longer asked
// for, and the events go out.
func (c *call) submit(i *issue, r *review, state string) {
	at := c.now
	r.State, r.SubmittedAt, i.UpdatedAt = state, &at, c.now
	i.Pull.Requested = filter(i.Pull.Requested, func(l string) bool { return !strings.EqualFold(l, r.User) })
	c.reviewEvent(i, r, "submitted")
	for _, m := range c.repo.LineComments {
		if m.Review == r.ID {
			c.lineEvent(i, m, "created")
		}
	}
}

func (c *call) submitReview() (reply, error) {
	i, r, err := c.reviewAt()
	if err != nil {
		return reply{}, err
	}
	in := reviewInput{Body: r.Body}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if r.State != "PENDING" {
		return reply{}, refuse(422, "Could not submit review: it is not pending")
	}
	state, err := c.reviewState(i, in)
	if err != nil {
		return reply{}, err
	}
	r.Body = in.Body
	c.submit(i, r, state)
	return ok(c.reviewShape(i, r))
}

func (c *call) editReview() (reply, error) {
	i, r, err := c.reviewAt()
	if err != nil {
		return reply{}, err
	}
	body, err := c.bodyText("PullRequestReview")
	if err != nil {
		return reply{}, err
	}
	if !c.owns(r.User) {
		return reply{}, c.lacks(parseNeeds("pull_requests=write"))
	}
	r.Body = body
	return ok(c.reviewShape(i, r))
}

func (c *call) deleteReview() (reply, error) {
	i, r, err := c.reviewAt()
	if err != nil {
		return reply{}, err
	}
	if r.State != "PENDING" {
		return reply{}, &problem{status: 422, message: "Unprocessable Entity", errors: []any{"Can not delete a non-pending pull request review"}}
	}
	c.repo.Reviews = filter(c.repo.Reviews, func(o *review) bool { return o != r })
	c.repo.LineComments = filter(c.repo.LineComments, func(m *lineComment) bool { return m.Review != r.ID })
	return ok(c.reviewShape(i, r))
}

func (c *call) dismissReview() (reply, error) {
	i, r, err := c.reviewAt()
	if err != nil {
		return reply{}, err
	}
	var in struct{ Message string }
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if in.Message == "" {
		return reply{}, refuse(422, "Invalid request.\n\n\"message\" wasn't supplied.")
	}
	if r.State != "APPROVED" && r.State != "CHANGES_REQUESTED" {
		return reply{}, &problem{status: 422, message: "Unprocessable Entity", errors: []any{"Can not dismiss a " + fold(r.State) + " pull request review"}}
	}
	c.dismiss(i, r, in.Message)
	return ok(c.reviewShape(i, r))
}

func (c *call) dismiss(i *issue, r *review, message string) {
	c.record(i, &issueEvent{Event: "review_dismissed", From: r.State, To: message, Review: r.ID})
	r.State = "DISMISSED"
	c.reviewEvent(i, r, "dismissed")
}

func (c *call) reviewComments() (reply, error) {
	i, r, err := c.reviewAt()
	if err != nil {
		return reply{}, err
	}
	mine := filter(c.lineComments(i.Number), func(m *lineComment) bool { return m.Review == r.ID })
	return ok(page(c, mine, func(m *lineComment) any { return c.lineShape(m) }))
}

func (c *call) lineShape(m *lineComment) obj {
	api, html, pull := c.api("/pulls/comments/%d", m.ID), c.html("/pull/%d#discussion_r%d", m.Number, m.ID), c.api("/pulls/%d", m.Number)
	o := obj{"id": m.ID, "node_id": nodeID("PRRC", m.ID), "url": api, "html_url": html, "pull_request_url": pull, "pull_request_review_id": m.Review,
		"diff_hunk": m.DiffHunk, "path": m.Path, "commit_id": m.CommitID, "original_commit_id": m.Original, "user": c.login(m.User), "body": m.Body,
		"created_at": stamp(m.CreatedAt), "updated_at": stamp(m.UpdatedAt), "author_association": c.association(m.User), "subject_type": m.SubjectType,
		"_links":    obj{"self": obj{"href": api}, "html": obj{"href": html}, "pull_request": obj{"href": pull}},
		"reactions": rollup(api+"/reactions", m.Reactions), "start_line": nil, "original_start_line": nil, "start_side": nil}
	if m.SubjectType == "line" {
		o["line"], o["original_line"], o["side"], o["position"], o["original_position"] = m.Line, m.Line, m.Side, m.Position, m.Position
	}
	if m.StartLine != 0 {
		o["start_line"], o["original_start_line"], o["start_side"] = m.StartLine, m.StartLine, m.StartSide
	}
	if m.InReplyTo != 0 {
		o["in_reply_to_id"] = m.InReplyTo
	}
	return o
}

func (c *call) listLineComments() (reply, error) {
	i, err := c.pullAt()
	if err != nil {
		return reply{}, err
	}
	return ok(page(c, c.lineComments(i.Number), func(m *lineComment) any { return c.lineShape(m) }))
}

func (c *call) listRepoLineComments() (reply, error) {
	all := filter(c.repo.LineComments, func(m *lineComment) bool { return !c.pendingFor(m) })
	return ok(page(c, all, func(m *lineComment) any { return c.lineShape(m) }))
}

func (c *call) lineAt() (*lineComment, error) {
	for _, m := range c.repo.LineComments {
		if m.ID == c.idOf("line_comment_id") && !c.pendingFor(m) {
			return m, nil
		}
	}
	return nil, errNotFound
}

func (c *call) getLineComment() (reply, error) {
	m, err := c.lineAt()
	if err != nil {
		return reply{}, err
	}
	return ok(c.lineShape(m))
}

func (c *call) createLineComment() (reply, error) {
	i, err := c.pullAt()
	if err != nil {
		return reply{}, err
	}
	var in lineInput
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if in.InReplyTo != 0 {
		c.params["line_comment_id"] = itoa(in.InReplyTo)
		return c.replyToLine()
	}
	if in.CommitID == "" {
		return reply{}, invalid("PullRequestReviewComment", "commit_id", "missing_field", "")
	}
	if !isSHA(in.CommitID) || !c.git.isAncestor(in.CommitID, i.Pull.HeadSHA) {
		return reply{}, invalid("PullRequestReviewComment", "commit_id", "invalid", "commit_id is not part of the pull request")
	}
	m, why, err := c.anchor(i, in, in.CommitID)
	if err != nil {
		return reply{}, err
	}
	switch {
	case strings.HasPrefix(why, "Path"):
		return reply{}, invalid("PullRequestReviewComment", "pull_request_review_thread.path", "invalid", "")
	case why != "":
		return reply{}, invalid("PullRequestReviewComment", "pull_request_review_thread.line", "custom", "pull_request_review_thread.line must be part of the diff")
	}
	return c.singleLine(i, m)
}

// singleLine publishes one comment: GitHub wraps it in a review of its own.
func (c *call) singleLine(i *issue, m *lineComment) (reply, error) {
	at := c.now
	r := &review{ID: c.st.nextID(), Number: i.Number, User: c.actor.Login, State: "COMMENTED", CommitID: m.CommitID, SubmittedAt: &at}
	c.repo.Reviews = append(c.repo.Reviews, r)
	c.addLine(i, r, m)
	i.UpdatedAt = c.now
	c.lineEvent(i, m, "created")
	return createdAt(c.api("/pulls/comments/%d", m.ID), c.lineShape(m))
}

func (c *call) replyToLine() (reply, error) {
	i, err := c.pullAt()
	if err != nil {
		return reply{}, err
	}
	to, err := c.lineAt()
	if err != nil || to.Number != i.Number {
		return reply{}, errNotFound
	}
	body, err := c.bodyText("PullRequestReviewComment")
	if err != nil {
		return reply{}, err
	}
	m := *to
	m.User, m.Body, m.InReplyTo, m.Reactions, m.CreatedAt, m.UpdatedAt = c.actor.Login, body, to.ID, nil, c.now, c.now
	if to.InReplyTo != 0 {
		m.InReplyTo = to.InReplyTo
	}
	return c.singleLine(i, &m)
}

func (c *call) editLineComment() (reply, error) {
	m, err := c.lineAt()
	if err != nil {
		return reply{}, err
	}
	if !c.owns(m.User) && !c.mayModerate() {
		return reply{}, c.lacks(parseNeeds("pull_requests=write"))
	}
	body, err := c.bodyText("PullRequestReviewComment")
	if err != nil {
		return reply{}, err
	}
	m.Body, m.UpdatedAt = body, c.now
	return ok(c.lineShape(m))
}

func (c *call) deleteLineComment() (reply, error) {
	m, err := c.lineAt()
	if err != nil {
		return reply{}, err
	}
	if !c.owns(m.User) && !c.mayModerate() {
		return reply{}, c.lacks(parseNeeds("pull_requests=write"))
	}
	c.repo.LineComments = filter(c.repo.LineComments, func(o *lineComment) bool { return o != m })
	return noContent()
}

func (c *call) listLineReactions() (reply, error) {
	m, err := c.lineAt()
	if err != nil {
		return reply{}, err
	}
	return c.reactionPage(m.Reactions)
}

func (c *call) reactToLine() (reply, error) {
	m, err := c.lineAt()
	if err != nil {
		return reply{}, err
	}
	return c.react(&m.Reactions)
}

// approvals counts the people with write permission whose last word on the
// pull request is an approval, and says whether one of them asks for changes.
func (c *call) approvals(i *issue) (count int, objected bool) {
	last := map[string]string{}
	for _, r := range c.reviewsOf(i.Number) {
		if r.State == "APPROVED" || r.State == "CHANGES_REQUESTED" || r.State == "DISMISSED" {
			last[fold(r.User)] = r.State
		}
	}
	for login, state := range last {
		if !c.st.canWrite(c.repo, login) {
			continue
		}
		switch state {
		case "APPROVED":
			count++
		case "CHANGES_REQUESTED":
			objected = true
		}
	}
	return count, objected
}
