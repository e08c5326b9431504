package github

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	gh "github.com/google/go-github/v66/github"

	"github.com/seedbed-dev/seedbed/internal/forge"
)

// Repository reads the repository and its merge settings.
// https://docs.github.com/rest/repos/repos#get-a-repository
func (c *Client) Repository(ctx context.Context) (forge.Repository, error) {
	doing := "reading repository " + c.owner + "/" + c.repo
	r, _, err := c.gh.Repositories.Get(ctx, c.owner, c.repo)
	if err != nil {
		return forge.Repository{}, readFailed(doing, err)
	}
	return toRepository(r), complete(doing, r.GetID() != 0 && r.GetName() != "", "id and name")
}

// installation begins the tokens of GitHub Apps, of which GITHUB_TOKEN is one.
// https://github.blog/engineering/behind-githubs-new-authentication-token-formats
const installation = "ghs_"

// Viewer is the account that the token acts as. An App's token may not ask:
// one that is known by its form is not sent, another finds out by the refusal.
// Both mean the account that all workflows share.
// https://docs.github.com/rest/users/users#get-the-authenticated-user
func (c *Client) Viewer(ctx context.Context) (forge.User, error) {
	const doing = "reading the token's account"
	if strings.HasPrefix(c.wire.token, installation) {
		return forge.ActionsBot, nil
	}
	u, _, err := c.gh.Users.Get(ctx, "")
	if err == nil {
		return toUser(u), complete(doing, u.GetID() != 0, "an id")
	}
	err = readFailed(doing, err)
	var e *forge.Error
	if errors.As(err, &e) && errors.Is(err, forge.ErrForbidden) && strings.Contains(e.Message, "not accessible by integration") {
		return forge.ActionsBot, nil
	}
	return forge.User{}, err
}

// loginRE is wider than GitHub's own rule, narrow enough for a path segment.
var loginRE = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}(\[bot\])?$`)

// Permission asks what an account may do now. Rights that GitHub does not spell
// out as booleans are not granted.
// https://docs.github.com/rest/collaborators/collaborators#get-repository-permissions-for-a-user
func (c *Client) Permission(ctx context.Context, login string) (forge.Permission, error) {
	doing := fmt.Sprintf("reading the permission of %q", login)
	if !loginRE.MatchString(login) {
		return forge.Permission{}, invalid(doing, "no account has such a login")
	}
	level, _, err := c.gh.Repositories.GetPermissionLevel(ctx, c.owner, c.repo, url.PathEscape(login))
	if err != nil {
		return forge.Permission{}, readFailed(doing, err)
	}
	may := level.GetUser().GetPermissions()
	return forge.Permission{
		Admin: may["admin"], Maintain: may["maintain"], Push: may["push"], Triage: may["triage"], Pull: may["pull"],
	}, nil
}

// Labels lists the names of the repository's labels.
// https://docs.github.com/rest/issues/labels#list-labels-for-a-repository
func (c *Client) Labels(ctx context.Context) ([]string, error) {
	labels, err := everyPage[*gh.Label](ctx, c, "listing labels", c.at("labels"), nil)
	return toLabels(labels), err
}

// EnsureLabel makes a label unless there is one of that name; it never repaints
// what people chose. The color is six hex digits without #.
// https://docs.github.com/rest/issues/labels#create-a-label
func (c *Client) EnsureLabel(ctx context.Context, name, color, description string) error {
	doing := fmt.Sprintf("making label %q", name)
	if err := labelName(doing, name); err != nil {
		return err
	}
	_, _, err := c.gh.Issues.GetLabel(ctx, c.owner, c.repo, url.PathEscape(name))
	if err == nil || !errors.Is(err, forge.ErrNotFound) {
		return readFailed(doing, err)
	}
	label := &gh.Label{Name: &name, Color: &color, Description: &description}
	_, _, err = c.gh.Issues.CreateLabel(ctx, c.owner, c.repo, label)
	if errors.Is(err, forge.ErrExists) {
		return nil // someone else made it meanwhile
	}
	return writeFailed(doing, err)
}

// labelName refuses names that cannot stand in an address; GitHub's own limit
// is 50 characters.
func labelName(doing, name string) error {
	if name == "" || dots(name) || len([]rune(name)) > 50 {
		return invalid(doing, "a label has 1 to 50 characters and is not a dot")
	}
	return nil
}

// complete refuses an answer that lacks what everything else hangs on.
func complete(doing string, ok bool, what string) error {
	if ok {
		return nil
	}
	return &forge.Error{Doing: doing, Kind: forge.ErrUnavailable, Message: "the answer has no " + what}
}

// done is complete for mutations: something was done, what is not known.
func done(doing string, ok bool, what string) error {
	if ok {
		return nil
	}
	return &forge.Error{Doing: doing, Kind: forge.ErrUnclear, Message: "the answer has no " + what}
}
