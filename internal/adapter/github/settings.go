package github

import (
	"context"
	"fmt"
)

// Protection says whether a branch is guarded, by protection or by a ruleset,
// and which checks it requires.
// https://docs.github.com/rest/branches/branches#get-a-branch
func (c *Client) Protection(ctx context.Context, branch string) (guarded bool, checks []string, err error) {
	var b struct {
		Name       string `json:"name"`
		Protected  bool   `json:"protected"`
		Protection struct {
			Checks struct {
				Contexts []string `json:"contexts"`
			} `json:"required_status_checks"`
		} `json:"protection"`
	}
	doing := fmt.Sprintf("reading branch %q", branch)
	if _, err := c.get(ctx, doing, c.at("branches", branch), &b); err != nil {
		return false, nil, err
	}
	return b.Protected, b.Protection.Checks.Contexts, complete(doing, b.Name != "", "name")
}

// ActionsMayOpenPulls is the setting "Allow GitHub Actions to create and approve
// pull requests". Only an administrator's token may ask.
// https://docs.github.com/rest/actions/permissions#get-default-workflow-permissions-for-a-repository
func (c *Client) ActionsMayOpenPulls(ctx context.Context) (bool, error) {
	var s struct {
		May *bool `json:"can_approve_pull_request_reviews"`
	}
	const doing = "reading what workflows may do"
	if _, err := c.get(ctx, doing, c.at("actions", "permissions", "workflow"), &s); err != nil {
		return false, err
	}
	return s.May != nil && *s.May, complete(doing, s.May != nil, "can_approve_pull_request_reviews")
}
