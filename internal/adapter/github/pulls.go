package github

import (
	"context"
	"fmt"
	"net/url"
	"strconv"

	gh "github.com/google/go-github/v66/github"

	"github.com/seedbed-dev/seedbed/internal/forge"
)

// filesLimit is how many files GitHub lists of a pull request at most.
const filesLimit = 3000

// Pull reads one pull request.
// https://docs.github.com/rest/pulls/pulls#get-a-pull-request
func (c *Client) Pull(ctx context.Context, n int) (forge.Pull, error) {
	doing := fmt.Sprintf("reading pull request #%d", n)
	p, _, err := c.gh.PullRequests.Get(ctx, c.owner, c.repo, n)
	if err != nil {
		return forge.Pull{}, readFailed(doing, err)
	}
	return toPull(p), complete(doing, p.GetNumber() == n && p.GetHead().GetSHA() != "", "number and head")
}

// PullsByHead lists the pull requests, open or closed, from a branch of this
// repository.
// https://docs.github.com/rest/pulls/pulls#list-pull-requests
func (c *Client) PullsByHead(ctx context.Context, branch string) ([]forge.Pull, error) {
	query := url.Values{"head": {c.owner + ":" + branch}, "state": {"all"}}
	found, err := c.pulls(ctx, fmt.Sprintf("listing pull requests from %q", branch), query)
	if err != nil {
		return nil, err
	}
	var from []forge.Pull
	for _, p := range found {
		if p.Head.Ref == branch { // GitHub ignores a filter that it cannot read
			from = append(from, p)
		}
	}
	return from, nil
}

// OpenPulls lists open pull requests, oldest first.
func (c *Client) OpenPulls(ctx context.Context) ([]forge.Pull, error) {
	return c.pulls(ctx, "listing open pull requests", url.Values{"state": {"open"}})
}

func (c *Client) pulls(ctx context.Context, doing string, query url.Values) ([]forge.Pull, error) {
	query.Set("sort", "created")
	query.Set("direction", "asc")
	found, err := everyPage[*gh.PullRequest](ctx, c, doing, c.at("pulls"), query)
	if err != nil {
		return nil, err
	}
	var pulls []forge.Pull
	for _, p := range found {
		pulls = append(pulls, toPull(p))
	}
	return pulls, nil
}

// PullFiles lists the paths a pull request touches; a renamed file counts under
// both names. A pull request with more files than GitHub lists is an error.
// https://docs.github.com/rest/pulls/pulls#list-pull-requests-files
func (c *Client) PullFiles(ctx context.Context, n int) ([]string, error) {
	doing := fmt.Sprintf("listing files of #%d", n)
	found, err := everyPage[*gh.CommitFile](ctx, c, doing, c.at("pulls", strconv.Itoa(n), "files"), nil)
	if err != nil {
		return nil, err
	}
	if len(found) >= filesLimit {
		return nil, &forge.Error{Doing: doing, Kind: forge.ErrInvalid, Message: fmt.Sprintf("GitHub lists no more than %d files", filesLimit)}
	}
	var paths []string
	for _, f := range found {
		paths = append(paths, f.GetFilename())
		if old := f.GetPreviousFilename(); old != "" {
			paths = append(paths, old)
		}
	}
	return paths, nil
}

// Reviews lists a pull request's reviews, oldest first.
// https://docs.github.com/rest/pulls/reviews#list-reviews-for-a-pull-request
func (c *Client) Reviews(ctx context.Context, pull int) ([]forge.Review, error) {
	found, err := everyPage[*gh.PullRequestReview](ctx, c, fmt.Sprintf("listing reviews of #%d", pull), c.at("pulls", strconv.Itoa(pull), "reviews"), nil)
	if err != nil {
		return nil, err
	}
	var reviews []forge.Review
	for _, r := range found {
		reviews = append(reviews, toReview(r))
	}
	return reviews, nil
}

// CreatePull opens a pull request between two branches of this repository.
// https://docs.github.com/rest/pulls/pulls#create-a-pull-request
func (c *Client) CreatePull(ctx context.Context, title, head, base, body string, draft bool) (forge.Pull, error) {
	doing := fmt.Sprintf("opening a pull request from %q", head)
	p, _, err := c.gh.PullRequests.Create(ctx, c.owner, c.repo, &gh.NewPullRequest{
		Title: &title, Head: &head, Base: &base, Body: &body, Draft: &draft,
	})
	if err != nil {
		return forge.Pull{}, writeFailed(doing, err)
	}
	return toPull(p), done(doing, p.GetNumber() != 0, "number")
}

// EditPull changes what is not nil; state is "open" or "closed".
// https://docs.github.com/rest/pulls/pulls#update-a-pull-request
func (c *Client) EditPull(ctx context.Context, n int, title, body, state *string) (forge.Pull, error) {
	p, _, err := c.gh.PullRequests.Edit(ctx, c.owner, c.repo, n, &gh.PullRequest{Title: title, Body: body, State: state})
	if err != nil {
		return forge.Pull{}, writeFailed(fmt.Sprintf("editing pull request #%d", n), err)
	}
	return toPull(p), nil
}

// RequestReviewers asks accounts for their review.
// https://docs.github.com/rest/pulls/review-requests#request-reviewers-for-a-pull-request
func (c *Client) RequestReviewers(ctx context.Context, n int, logins ...string) error {
	_, _, err := c.gh.PullRequests.RequestReviewers(ctx, c.owner, c.repo, n, gh.ReviewersRequest{Reviewers: logins})
	return writeFailed(fmt.Sprintf("requesting review of #%d", n), err)
}

// CreateReview submits one review of a commit. Event is APPROVE,
// REQUEST_CHANGES or COMMENT; comments stand on the new side of the diff.
// https://docs.github.com/rest/pulls/reviews#create-a-review-for-a-pull-request
func (c *Client) CreateReview(ctx context.Context, pull int, sha, event, body string, comments []forge.LineComment) (forge.Review, error) {
	doing := fmt.Sprintf("reviewing #%d", pull)
	ask := &gh.PullRequestReviewRequest{CommitID: &sha, Event: &event, Body: &body}
	for _, l := range comments {
		ask.Comments = append(ask.Comments, &gh.DraftReviewComment{
			Path: gh.String(l.Path), Line: gh.Int(l.Line), Side: gh.String("RIGHT"), Body: gh.String(l.Body),
		})
	}
	r, _, err := c.gh.PullRequests.CreateReview(ctx, c.owner, c.repo, pull, ask)
	if err != nil {
		return forge.Review{}, writeFailed(doing, err)
	}
	return toReview(r), done(doing, r.GetID() != 0, "id")
}

// Merge merges a pull request if its head still is headSHA, and gives the
// commit on the base branch. Method is merge, squash or rebase; empty words
// leave GitHub's own. A head that moved is forge.ErrConflict.
// https://docs.github.com/rest/pulls/pulls#merge-a-pull-request
func (c *Client) Merge(ctx context.Context, pull int, headSHA, method, title, message string) (string, error) {
	doing := fmt.Sprintf("merging #%d", pull)
	if headSHA == "" {
		return "", invalid(doing, "no expected head was given")
	}
	r, _, err := c.gh.PullRequests.Merge(ctx, c.owner, c.repo, pull, message, &gh.PullRequestOptions{
		SHA: headSHA, MergeMethod: method, CommitTitle: title,
	})
	if err != nil {
		return "", writeFailed(doing, err)
	}
	return r.GetSHA(), done(doing, r.GetMerged() && r.GetSHA() != "", "merge commit")
}
