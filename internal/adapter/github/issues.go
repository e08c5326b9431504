package github

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	gh "github.com/google/go-github/v66/github"

	"github.com/seedbed-dev/seedbed/internal/forge"
)

// Issue reads one issue (or pull request, see forge.Issue.IsPull).
// https://docs.github.com/rest/issues/issues#get-an-issue
func (c *Client) Issue(ctx context.Context, n int) (forge.Issue, error) {
	doing := fmt.Sprintf("reading issue #%d", n)
	i, _, err := c.gh.Issues.Get(ctx, c.owner, c.repo, n)
	if err != nil {
		return forge.Issue{}, readFailed(doing, err)
	}
	return toIssue(i), complete(doing, i.GetNumber() == n, "such number")
}

// OpenIssues lists open issues without pull requests, oldest first.
// https://docs.github.com/rest/issues/issues#list-repository-issues
func (c *Client) OpenIssues(ctx context.Context) ([]forge.Issue, error) {
	return c.issues(ctx, "listing open issues", url.Values{})
}

// IssuesWithLabel lists open issues that carry a label, oldest first, without
// pull requests. GitHub compares labels without regard to case, and so does
// this list.
func (c *Client) IssuesWithLabel(ctx context.Context, label string) ([]forge.Issue, error) {
	query := url.Values{}
	if !strings.Contains(label, ",") { // the query would split it
		query.Set("labels", label)
	}
	open, err := c.issues(ctx, fmt.Sprintf("listing issues labelled %q", label), query)
	if err != nil {
		return nil, err
	}
	var with []forge.Issue
	for _, i := range open {
		if carries(i, label) {
			with = append(with, i)
		}
	}
	return with, nil
}

func carries(i forge.Issue, label string) bool {
	for _, l := range i.Labels {
		if strings.EqualFold(l, label) {
			return true
		}
	}
	return false
}

func (c *Client) issues(ctx context.Context, doing string, query url.Values) ([]forge.Issue, error) {
	query.Set("state", "open")
	query.Set("sort", "created")
	query.Set("direction", "asc")
	found, err := everyPage[*gh.Issue](ctx, c, doing, c.at("issues"), query)
	if err != nil {
		return nil, err
	}
	var issues []forge.Issue
	for _, i := range found {
		if !i.IsPullRequest() {
			issues = append(issues, toIssue(i))
		}
	}
	return issues, nil
}

// Comments lists the comments of an issue or pull request, oldest first.
// https://docs.github.com/rest/issues/comments#list-issue-comments
func (c *Client) Comments(ctx context.Context, n int) ([]forge.Comment, error) {
	found, err := everyPage[comment](ctx, c, fmt.Sprintf("listing comments of #%d", n), c.at("issues", strconv.Itoa(n), "comments"), nil)
	if err != nil {
		return nil, err
	}
	var comments []forge.Comment
	for _, f := range found {
		comments = append(comments, f.noun())
	}
	return comments, nil
}

// Timeline lists what happened to an issue, oldest first.
// https://docs.github.com/rest/issues/timeline#list-timeline-events-for-an-issue
func (c *Client) Timeline(ctx context.Context, n int) ([]forge.TimelineEvent, error) {
	found, err := everyPage[timelineEntry](ctx, c, fmt.Sprintf("reading the timeline of #%d", n), c.at("issues", strconv.Itoa(n), "timeline"), nil)
	if err != nil {
		return nil, err
	}
	var events []forge.TimelineEvent
	for _, f := range found {
		events = append(events, f.noun())
	}
	return events, nil
}

// CreateIssue opens an issue.
// https://docs.github.com/rest/issues/issues#create-an-issue
func (c *Client) CreateIssue(ctx context.Context, title, body string, labels []string) (forge.Issue, error) {
	const doing = "opening an issue"
	ask := &gh.IssueRequest{Title: &title, Body: &body}
	if len(labels) > 0 {
		ask.Labels = &labels
	}
	i, _, err := c.gh.Issues.Create(ctx, c.owner, c.repo, ask)
	if err != nil {
		return forge.Issue{}, writeFailed(doing, err)
	}
	return toIssue(i), done(doing, i.GetNumber() != 0, "number")
}

// EditIssue changes what is not nil; state is "open" or "closed".
// https://docs.github.com/rest/issues/issues#update-an-issue
func (c *Client) EditIssue(ctx context.Context, n int, title, body, state *string) (forge.Issue, error) {
	i, _, err := c.gh.Issues.Edit(ctx, c.owner, c.repo, n, &gh.IssueRequest{Title: title, Body: body, State: state})
	if err != nil {
		return forge.Issue{}, writeFailed(fmt.Sprintf("editing issue #%d", n), err)
	}
	return toIssue(i), nil
}

// CloseIssue closes an issue as "completed" or "not_planned".
func (c *Client) CloseIssue(ctx context.Context, n int, reason string) error {
	closed := "closed"
	_, _, err := c.gh.Issues.Edit(ctx, c.owner, c.repo, n, &gh.IssueRequest{State: &closed, StateReason: &reason})
	return writeFailed(fmt.Sprintf("closing issue #%d", n), err)
}

// AddLabels puts labels on an issue or pull request; those it has stay.
// https://docs.github.com/rest/issues/labels#add-labels-to-an-issue
func (c *Client) AddLabels(ctx context.Context, n int, labels ...string) error {
	_, _, err := c.gh.Issues.AddLabelsToIssue(ctx, c.owner, c.repo, n, labels)
	return writeFailed(fmt.Sprintf("putting labels %q on #%d", labels, n), err)
}

// RemoveLabel takes a label off; one that is not there is fine.
// https://docs.github.com/rest/issues/labels#remove-a-label-from-an-issue
func (c *Client) RemoveLabel(ctx context.Context, n int, label string) error {
	doing := fmt.Sprintf("taking label %q off #%d", label, n)
	if err := labelName(doing, label); err != nil {
		return err
	}
	_, err := c.gh.Issues.RemoveLabelForIssue(ctx, c.owner, c.repo, n, url.PathEscape(label))
	if errors.Is(err, forge.ErrNotFound) {
		return nil
	}
	return writeFailed(doing, err)
}

// AddAssignees assigns accounts; GitHub leaves out those it may not assign
// without a word. https://docs.github.com/rest/issues/assignees
func (c *Client) AddAssignees(ctx context.Context, n int, logins ...string) error {
	_, _, err := c.gh.Issues.AddAssignees(ctx, c.owner, c.repo, n, logins)
	return writeFailed(fmt.Sprintf("assigning #%d", n), err)
}

// CreateComment comments on an issue or pull request.
// https://docs.github.com/rest/issues/comments#create-an-issue-comment
func (c *Client) CreateComment(ctx context.Context, n int, body string) (forge.Comment, error) {
	doing := fmt.Sprintf("commenting on #%d", n)
	made, _, err := c.gh.Issues.CreateComment(ctx, c.owner, c.repo, n, &gh.IssueComment{Body: &body})
	if err != nil {
		return forge.Comment{}, writeFailed(doing, err)
	}
	return comment{IssueComment: *made}.noun(), done(doing, made.GetID() != 0, "id")
}

// EditComment replaces a comment's text.
// https://docs.github.com/rest/issues/comments#update-an-issue-comment
func (c *Client) EditComment(ctx context.Context, id int64, body string) (forge.Comment, error) {
	made, _, err := c.gh.Issues.EditComment(ctx, c.owner, c.repo, id, &gh.IssueComment{Body: &body})
	if err != nil {
		return forge.Comment{}, writeFailed(fmt.Sprintf("editing comment %d", id), err)
	}
	return comment{IssueComment: *made}.noun(), nil
}

// React reacts to a comment, or to issue n itself when comment is 0. Reacting
// twice is once. Content is +1, -1, laugh, confused, heart, hooray, rocket or
// eyes. https://docs.github.com/rest/reactions/reactions
func (c *Client) React(ctx context.Context, n int, comment int64, content string) error {
	if comment != 0 {
		_, _, err := c.gh.Reactions.CreateIssueCommentReaction(ctx, c.owner, c.repo, comment, content)
		return writeFailed(fmt.Sprintf("reacting to comment %d", comment), err)
	}
	_, _, err := c.gh.Reactions.CreateIssueReaction(ctx, c.owner, c.repo, n, content)
	return writeFailed(fmt.Sprintf("reacting to #%d", n), err)
}
