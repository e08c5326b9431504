package github

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/forge"
)

// everyPage reads a list to its end. A list that has no end within pageLimit pages
// is an error, never a short list.
func everyPage[T any](ctx context.Context, c *Client, doing, path string, query url.Values) ([]T, error) {
	return everyPageIn(ctx, c, doing, path, query, func(page []T) []T { return page })
}

// everyPageIn reads a list whose pages wrap their entries in an object.
//
// Of GitHub's next link only the query is taken: pages may be numbered or have
// cursors, while host and path stay our own.
func everyPageIn[P, T any](ctx context.Context, c *Client, doing, path string, query url.Values, entries func(P) []T) ([]T, error) {
	q := url.Values{"per_page": {strconv.Itoa(pageSize)}}
	for k, v := range query {
		q[k] = v
	}
	next, seen, all := q.Encode(), map[string]bool{}, []T{}
	for n := 0; n < pageLimit; n++ {
		if seen[next] {
			return nil, &forge.Error{Doing: doing, Message: "the list's next page is one that was read before", Kind: forge.ErrUnavailable}
		}
		seen[next] = true
		var page P
		header, err := c.get(ctx, doing, path+"?"+next, &page)
		if err != nil {
			return nil, err
		}
		all = append(all, entries(page)...)
		if next = nextQuery(header.Values("Link")); next == "" {
			return all, nil
		}
	}
	return nil, &forge.Error{Doing: doing, Message: fmt.Sprintf("the list has more than %d pages of %d and was not read to its end", pageLimit, pageSize), Kind: forge.ErrUnavailable}
}

// nextQuery finds the query of the link with rel="next" (RFC 8288).
func nextQuery(links []string) string {
	for _, link := range strings.Split(strings.Join(links, ","), ",") {
		target, params, ok := strings.Cut(link, ";")
		if !ok || !strings.Contains(params, `rel="next"`) {
			continue
		}
		u, err := url.Parse(strings.Trim(strings.TrimSpace(target), "<>"))
		if err == nil {
			return u.RawQuery
		}
	}
	return ""
}

// get reads one address below the API's root into v and gives the headers.
func (c *Client) get(ctx context.Context, doing, path string, v any) (http.Header, error) {
	req, err := c.gh.NewRequest(http.MethodGet, path, nil)
	if err != nil {
		return nil, invalid(doing, "the address cannot be written")
	}
	res, err := c.gh.Do(ctx, req, v)
	if err != nil {
		return nil, readFailed(doing, err)
	}
	return res.Header, nil
}

// at is a path below the configured repository; each part is escaped.
func (c *Client) at(parts ...string) string {
	path := "repos/" + c.owner + "/" + c.repo
	for _, p := range parts {
		path += "/" + url.PathEscape(p)
	}
	return path
}

// readFailed gives a failed read its name.
func readFailed(doing string, err error) error { return failed(doing, err, forge.ErrUnavailable) }

// writeFailed gives a failed mutation its name. An answer that go-github could
// not make sense of leaves open what happened.
func writeFailed(doing string, err error) error { return failed(doing, err, forge.ErrUnclear) }

func failed(doing string, err error, otherwise error) error {
	if err == nil {
		return nil
	}
	var e *forge.Error
	if errors.As(err, &e) {
		named := *e
		named.Doing = doing
		return &named
	}
	named := &forge.Error{Doing: doing, Kind: otherwise, Message: quotable(err.Error(), messageLimit)}
	var field *json.UnmarshalTypeError
	if errors.As(err, &field) {
		named.Message = fmt.Sprintf("the answer's %q is a %s", field.Field, field.Value)
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		named.Kind, named.Message = fmt.Errorf("%w: %w", otherwise, err), ""
	}
	return named
}

// invalid refuses what would not make a sensible request, before sending it.
func invalid(doing, why string) error {
	return &forge.Error{Doing: doing, Message: why, Kind: forge.ErrInvalid}
}
