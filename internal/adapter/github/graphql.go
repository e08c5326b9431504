package github

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/seedbed-dev/seedbed/internal/forge"
)

// The five operations that REST does not have. These are all: the fake GitHub
// answers exactly these, and a test checks them against GitHub's schema. The
// first serves two questions, of which one is about issues and pull requests
// and the other about pull requests only.
const (
	// https://docs.github.com/graphql/reference/interfaces#comment
	// https://docs.github.com/graphql/reference/objects#pullrequestreviewthread
	issueEdits = `query IssueEdits($owner: String!, $name: String!, $number: Int!, $after: String, $threads: Boolean!) {
  repository(owner: $owner, name: $name) {
    issueOrPullRequest(number: $number) {
      __typename
      ... on Issue {
        lastEditedAt
        timelineItems(first: 100, after: $after, itemTypes: [RENAMED_TITLE_EVENT]) @skip(if: $threads) {
          pageInfo { hasNextPage endCursor }
          nodes { ... on RenamedTitleEvent { createdAt } }
        }
      }
      ... on PullRequest {
        lastEditedAt
        timelineItems(first: 100, after: $after, itemTypes: [RENAMED_TITLE_EVENT]) @skip(if: $threads) {
          pageInfo { hasNextPage endCursor }
          nodes { ... on RenamedTitleEvent { createdAt } }
        }
        reviewThreads(first: 100, after: $after) @include(if: $threads) {
          pageInfo { hasNextPage endCursor }
          nodes { id isResolved path line comments(first: 1) { nodes { author { login } body } } }
        }
      }
    }
  }
}`
	// https://docs.github.com/graphql/reference/mutations#convertpullrequesttodraft
	pullDraft = `mutation PullDraft($id: ID!) {
  convertPullRequestToDraft(input: {pullRequestId: $id}) { pullRequest { isDraft } }
}`
	// https://docs.github.com/graphql/reference/mutations#markpullrequestreadyforreview
	pullReady = `mutation PullReady($id: ID!) {
  markPullRequestReadyForReview(input: {pullRequestId: $id}) { pullRequest { isDraft } }
}`
	// https://docs.github.com/graphql/reference/mutations#resolvereviewthread
	resolveThread = `mutation ResolveThread($id: ID!) {
  resolveReviewThread(input: {threadId: $id}) { thread { isResolved } }
}`
	// https://docs.github.com/graphql/reference/mutations#enqueuepullrequest
	enqueue = `mutation Enqueue($id: ID!, $head: GitObjectID!) {
  enqueuePullRequest(input: {pullRequestId: $id, expectedHeadOid: $head}) { mergeQueueEntry { id } }
}`
)

// Thread is a conversation on a line of a pull request. ID is what
// ResolveThread takes; Line is 0 when the line is gone.
type Thread struct {
	ID       string
	Resolved bool
	Path     string
	Line     int
	Author   string // login of who began it, for display only
	Body     string // of the first comment
}

type pageInfo struct {
	HasNextPage bool   `json:"hasNextPage"`
	EndCursor   string `json:"endCursor"`
}

// Edits tells when the body of an issue or pull request last changed and when
// it was renamed.
func (c *Client) Edits(ctx context.Context, n int) (forge.Edits, error) {
	var edits forge.Edits
	err := c.queryPages(ctx, fmt.Sprintf("reading edit times of #%d", n), n, false, func(q *queried) (*pageInfo, error) {
		if q.LastEditedAt != nil {
			edits.Body = *q.LastEditedAt
		}
		if q.TimelineItems == nil {
			return nil, errors.New("the answer has no timeline")
		}
		for _, e := range q.TimelineItems.Nodes {
			edits.Renamed = append(edits.Renamed, e.CreatedAt)
		}
		return &q.TimelineItems.PageInfo, nil
	})
	if err != nil {
		return forge.Edits{}, err
	}
	return edits, nil
}

// ReviewThreads lists the conversations on lines of a pull request.
func (c *Client) ReviewThreads(ctx context.Context, pull int) ([]Thread, error) {
	var threads []Thread
	err := c.queryPages(ctx, fmt.Sprintf("listing review threads of #%d", pull), pull, true, func(q *queried) (*pageInfo, error) {
		if q.ReviewThreads == nil {
			return nil, &forge.Error{Kind: forge.ErrInvalid, Message: "it is not a pull request"}
		}
		for _, t := range q.ReviewThreads.Nodes {
			threads = append(threads, t.thread())
		}
		return &q.ReviewThreads.PageInfo, nil
	})
	if err != nil {
		return nil, err
	}
	return threads, nil
}

// ResolveThread marks a conversation as resolved. GITHUB_TOKEN may be refused.
func (c *Client) ResolveThread(ctx context.Context, id string) error {
	return c.mutate(ctx, "resolving a review thread", resolveThread, map[string]any{"id": id})
}

// ConvertToDraft makes a pull request, named by its node id, a draft.
func (c *Client) ConvertToDraft(ctx context.Context, nodeID string) error {
	return c.mutate(ctx, "converting a pull request to a draft", pullDraft, map[string]any{"id": nodeID})
}

// ReadyForReview ends a pull request's being a draft.
func (c *Client) ReadyForReview(ctx context.Context, nodeID string) error {
	return c.mutate(ctx, "marking a pull request ready for review", pullReady, map[string]any{"id": nodeID})
}

// Enqueue puts a pull request in its branch's merge queue if its head still is
// headSHA.
func (c *Client) Enqueue(ctx context.Context, nodeID, headSHA string) error {
	return c.mutate(ctx, "enqueueing a pull request", enqueue, map[string]any{"id": nodeID, "head": headSHA})
}

// queried is what IssueEdits gives of an issue or pull request.
type queried struct {
	Typename      string     `json:"__typename"`
	LastEditedAt  *time.Time `json:"lastEditedAt"`
	TimelineItems *struct {
		PageInfo pageInfo `json:"pageInfo"`
		Nodes    []struct {
			CreatedAt time.Time `json:"createdAt"`
		} `json:"nodes"`
	} `json:"timelineItems"`
	ReviewThreads *struct {
		PageInfo pageInfo     `json:"pageInfo"`
		Nodes    []threadNode `json:"nodes"`
	} `json:"reviewThreads"`
}

type threadNode struct {
	ID         string `json:"id"`
	IsResolved bool   `json:"isResolved"`
	Path       string `json:"path"`
	Line       int    `json:"line"`
	Comments   struct {
		Nodes []struct {
			Author struct {
				Login string `json:"login"`
			} `json:"author"`
			Body string `json:"body"`
		} `json:"nodes"`
	} `json:"comments"`
}

func (t threadNode) thread() Thread {
	out := Thread{ID: t.ID, Resolved: t.IsResolved, Path: t.Path, Line: t.Line}
	if len(t.Comments.Nodes) > 0 {
		out.Author, out.Body = t.Comments.Nodes[0].Author.Login, t.Comments.Nodes[0].Body
	}
	return out
}

// queryPages repeats the query with the cursor of the page before until there
// is no further page.
func (c *Client) queryPages(ctx context.Context, doing string, n int, threads bool, take func(*queried) (*pageInfo, error)) error {
	vars := map[string]any{"owner": c.owner, "name": c.repo, "number": n, "after": nil, "threads": threads}
	for range pageLimit {
		var data struct {
			Repository struct {
				Node *queried `json:"issueOrPullRequest"`
			} `json:"repository"`
		}
		if err := c.operation(asQuery(ctx), issueEdits, vars, &data); err != nil {
			return readFailed(doing, err)
		}
		if data.Repository.Node == nil {
			return &forge.Error{Doing: doing, Kind: forge.ErrNotFound}
		}
		page, err := take(data.Repository.Node)
		if err != nil || !page.HasNextPage {
			return readFailed(doing, err)
		}
		if page.EndCursor == "" || page.EndCursor == vars["after"] {
			return readFailed(doing, errors.New("the list's next page is one that was read before"))
		}
		vars["after"] = page.EndCursor
	}
	return readFailed(doing, fmt.Errorf("the list has more than %d pages of %d and was not read to its end", pageLimit, pageSize))
}

func (c *Client) mutate(ctx context.Context, doing, mutation string, vars map[string]any) error {
	var ignored map[string]any
	return writeFailed(doing, c.operation(ctx, mutation, vars, &ignored))
}

// operation posts one operation. GraphQL says no with status 200 and errors.
func (c *Client) operation(ctx context.Context, text string, vars map[string]any, data any) error {
	req, err := c.gh.NewRequest(http.MethodPost, c.graphql, map[string]any{"query": text, "variables": vars})
	if err != nil {
		return &forge.Error{Kind: forge.ErrInvalid, Message: "the request cannot be written"}
	}
	var answer struct {
		Data   json.RawMessage `json:"data"`
		Errors []graphQLError  `json:"errors"`
	}
	if _, err := c.gh.Do(ctx, req, &answer); err != nil {
		return err
	}
	if len(answer.Errors) > 0 {
		return c.operationRefused(answer.Errors[0])
	}
	if len(answer.Data) == 0 || string(answer.Data) == "null" {
		return errors.New("the answer has no data")
	}
	return json.Unmarshal(answer.Data, data)
}

type graphQLError struct {
	Type    string `json:"type"`
	Message string `json:"message"`
}

// operationRefused maps GraphQL's error types. Without a type GitHub itself
// failed somewhere on the way, so that a mutation may have been done.
func (c *Client) operationRefused(first graphQLError) error {
	e := &forge.Error{Status: http.StatusOK, Message: c.wire.clean(first.Message), Kind: forge.ErrInvalid}
	switch first.Type {
	case "", "INTERNAL", "SERVICE_UNAVAILABLE":
		return errors.New(e.Message)
	case "NOT_FOUND":
		e.Kind = forge.ErrNotFound
	case "FORBIDDEN", "INSUFFICIENT_SCOPES":
		e.Kind = forge.ErrForbidden
	case "RATE_LIMITED":
		e.Kind, e.RetryAfter = forge.ErrRateLimited, secondaryWait
	}
	return e
}
