package effect

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/forge"
)

// keyMark is the invisible line by which we find our own issue, comment or
// review again. Anyone can write one, so a mark counts only under our own
// account.
func keyMark(key string) string { return "<!-- seedbed-key:" + key + " -->" }

func marked(body, key string) bool { return strings.Contains(body, keyMark(key)) }

func ours(author, viewer forge.User) bool { return author.ID != 0 && author.ID == viewer.ID }

func openIssue(ctx context.Context, i Issues, key string, p OpenIssue, viewer forge.User, res *Result) error {
	find := func() (forge.Issue, bool, error) {
		open, err := i.OpenIssues(ctx)
		if err != nil {
			return forge.Issue{}, false, err
		}
		for _, is := range open {
			if ours(is.Author, viewer) && marked(is.Body, key) {
				return is, true, nil
			}
		}
		return forge.Issue{}, false, nil
	}
	is, have, err := find()
	if err != nil {
		return err
	}
	if have {
		res.State = Already
	} else {
		err = again(func() (err error) {
			is, err = i.CreateIssue(ctx, p.Title, p.Body+"\n\n"+keyMark(key), p.Labels)
			return err
		}, func() (found bool, err error) {
			is, found, err = find()
			return found, err
		})
	}
	res.Number, res.URL = is.Number, is.HTMLURL
	return err
}

func editIssue(ctx context.Context, i Issues, p EditIssue, res *Result) error {
	is, err := i.Issue(ctx, p.Issue)
	if err != nil {
		return err
	}
	if same(p.Title, is.Title) && same(p.Body, is.Body) {
		res.State = Already
		return nil
	}
	return repeat(func() error { return only(i.EditIssue(ctx, p.Issue, p.Title, p.Body, nil)) })
}

func same(want *string, have string) bool { return want == nil || *want == have }

// repeat is for mutations that set a value: doing them twice does no harm.
func repeat(do func() error) error {
	return again(do, func() (bool, error) { return false, nil })
}

// only drops what a call gives beside its error.
func only[T any](_ T, err error) error { return err }

func closeIssue(ctx context.Context, i Issues, p CloseIssue, res *Result) error {
	is, err := i.Issue(ctx, p.Issue)
	if err != nil {
		return err
	}
	if is.State == "closed" {
		res.State = Already
		return nil
	}
	return repeat(func() error { return i.CloseIssue(ctx, p.Issue, p.Why) })
}

func setLabels(ctx context.Context, i Issues, p SetLabels, res *Result) error {
	is, err := i.Issue(ctx, p.Issue)
	if err != nil {
		return err
	}
	add := slices.DeleteFunc(slices.Clone(p.Add), is.HasLabel)
	remove := slices.DeleteFunc(slices.Clone(p.Remove), func(l string) bool { return !is.HasLabel(l) })
	if len(add) == 0 && len(remove) == 0 {
		res.State = Already
		return nil
	}
	if len(add) > 0 {
		if err := repeat(func() error { return i.AddLabels(ctx, p.Issue, add...) }); err != nil {
			return err
		}
	}
	for _, l := range remove {
		if err := repeat(func() error { return i.RemoveLabel(ctx, p.Issue, l) }); err != nil {
			return err
		}
	}
	return nil
}

func syncLabel(ctx context.Context, i Issues, p SyncLabel, res *Result) error {
	have, err := i.Labels(ctx)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(have, func(l string) bool { return strings.EqualFold(l, p.Name) }) {
		res.State = Already // a person's own colour or description is left alone
		return nil
	}
	return repeat(func() error { return i.EnsureLabel(ctx, p.Name, p.Color, p.Description) })
}

func putComment(ctx context.Context, c Comments, key string, p PutComment, viewer forge.User, res *Result) error {
	body := p.Body + "\n\n" + keyMark(key)
	find := func() (forge.Comment, bool, error) {
		all, err := c.Comments(ctx, p.Issue)
		if err != nil {
			return forge.Comment{}, false, err
		}
		for _, have := range all {
			if ours(have.Author, viewer) && marked(have.Body, key) {
				return have, true, nil
			}
		}
		return forge.Comment{}, false, nil
	}
	have, found, err := find()
	switch {
	case err != nil:
		return err
	case found && have.Body == body:
		res.State = Already
	case found:
		err = repeat(func() error { return only(c.EditComment(ctx, have.ID, body)) })
	default:
		err = again(func() (err error) {
			have, err = c.CreateComment(ctx, p.Issue, body)
			return err
		}, func() (ok bool, err error) {
			have, ok, err = find()
			return ok, err
		})
	}
	res.ID, res.URL, res.Number = have.ID, have.HTMLURL, p.Issue
	return err
}

// putReaction relies on the forge: the same reaction by the same account is one
// reaction, however often it is sent.
func putReaction(ctx context.Context, c Comments, p PutReaction, _ *Result) error {
	return repeat(func() error { return c.React(ctx, p.Issue, p.Comment, p.Content) })
}

func editPull(ctx context.Context, q Pulls, p EditPull, res *Result) error {
	have, err := q.Pull(ctx, p.Pull)
	if err != nil {
		return err
	}
	acted := false
	if !same(p.Title, have.Title) || !same(p.Body, have.Body) {
		acted = true
		if err := repeat(func() error { return only(q.EditPull(ctx, p.Pull, p.Title, p.Body, nil)) }); err != nil {
			return err
		}
	}
	if len(p.Reviewers) > 0 {
		acted = true
		if err := repeat(func() error { return q.RequestReviewers(ctx, p.Pull, p.Reviewers...) }); err != nil {
			return err
		}
	}
	if len(p.Assignees) > 0 {
		acted = true
		if err := repeat(func() error { return q.AddAssignees(ctx, p.Pull, p.Assignees...) }); err != nil {
			return err
		}
	}
	if !acted {
		res.State = Already
	}
	return nil
}

func closePull(ctx context.Context, q Pulls, p ClosePull, res *Result) error {
	have, err := q.Pull(ctx, p.Pull)
	if err != nil {
		return err
	}
	if have.State == "closed" {
		res.State = Already
		return nil
	}
	closed := "closed"
	return repeat(func() error { return only(q.EditPull(ctx, p.Pull, nil, nil, &closed)) })
}

func postReview(ctx context.Context, q Pulls, key string, p PostReview, viewer forge.User, res *Result) error {
	if p.Event != "COMMENT" && p.Event != "REQUEST_CHANGES" {
		return fmt.Errorf("review event %q: Seedbed comments or asks for changes, it never approves", p.Event)
	}
	find := func() (bool, error) {
		all, err := q.Reviews(ctx, p.Pull)
		return slices.ContainsFunc(all, func(r forge.Review) bool { return ours(r.Author, viewer) && marked(r.Body, key) }), err
	}
	found, err := find()
	if err != nil {
		return err
	}
	if found {
		res.State = Already
		return nil
	}
	return again(func() error {
		return only(q.CreateReview(ctx, p.Pull, p.SHA, p.Event, p.Body+"\n\n"+keyMark(key), p.Comments))
	}, find)
}

// postCheck finds our check by the key that begins its external id; a digest of
// what it says follows, so that a check which says the same is left alone and
// one which says something else is not.
func postCheck(ctx context.Context, c Checks, key string, p PostCheck, res *Result) error {
	said, err := json.Marshal(p.Report)
	if err != nil {
		return fmt.Errorf("writing the check: %w", err)
	}
	p.Report.ExternalID = fmt.Sprintf("%s %.12x", key, sha256.Sum256(said))
	find := func() (forge.Check, bool, error) {
		all, err := c.Checks(ctx, p.Report.HeadSHA)
		for _, have := range all {
			if strings.HasPrefix(have.ExternalID, key+" ") && have.Name == p.Report.Name {
				return have, true, err
			}
		}
		return forge.Check{}, false, err
	}
	have, found, err := find()
	if err != nil {
		return err
	}
	if found && says(have, p.Report) {
		res.State, res.ID = Already, have.ID
		return nil
	}
	return again(func() (err error) {
		res.ID, err = c.PutCheck(ctx, p.Report, have.ID)
		return err
	}, func() (bool, error) {
		var err error
		have, _, err = find()
		res.ID = have.ID
		return says(have, p.Report), err
	})
}

// says tells whether a check holds all of a report: one whose annotations did
// not all arrive is still in progress.
func says(have forge.Check, want forge.CheckReport) bool {
	return have.ExternalID == want.ExternalID && have.Status == want.Status && have.Conclusion == want.Conclusion
}
