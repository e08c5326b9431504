package github

import (
	"encoding/json"
	"strings"
	"time"

	gh "github.com/google/go-github/v66/github"

	"github.com/seedbed-dev/seedbed/internal/forge"
)

// The functions here translate go-github's types. They take what may be nil and
// leave zero values for what GitHub left out; zero never means more rights.

func toUser(u *gh.User) forge.User {
	return forge.User{ID: u.GetID(), Login: u.GetLogin(), Bot: u.GetType() == "Bot"}
}

func toRepository(r *gh.Repository) forge.Repository {
	return forge.Repository{
		ID: r.GetID(), Owner: r.GetOwner().GetLogin(), Name: r.GetName(),
		DefaultBranch: r.GetDefaultBranch(), Private: r.GetPrivate(),
		HTMLURL: r.GetHTMLURL(), CloneURL: r.GetCloneURL(),
		AllowMerge: r.GetAllowMergeCommit(), AllowSquash: r.GetAllowSquashMerge(), AllowRebase: r.GetAllowRebaseMerge(),
	}
}

func toLabels(list []*gh.Label) []string {
	var names []string
	for _, l := range list {
		names = append(names, l.GetName())
	}
	return names
}

func toIssue(i *gh.Issue) forge.Issue {
	return forge.Issue{
		Number: i.GetNumber(), Title: i.GetTitle(), Body: i.GetBody(), State: i.GetState(),
		Author: toUser(i.GetUser()), Labels: toLabels(i.Labels),
		CreatedAt: i.GetCreatedAt().Time, UpdatedAt: i.GetUpdatedAt().Time,
		IsPull: i.IsPullRequest(), HTMLURL: i.GetHTMLURL(),
	}
}

// appMark is set on what an app did in a person's name. go-github v66 has no
// field for it.
type appMark struct {
	App json.RawMessage `json:"performed_via_github_app"`
}

func (m appMark) set() bool { return len(m.App) > 0 && string(m.App) != "null" }

type comment struct {
	gh.IssueComment
	appMark
}

func (c comment) noun() forge.Comment {
	return forge.Comment{
		ID: c.GetID(), Author: toUser(c.GetUser()), Body: c.GetBody(),
		CreatedAt: c.GetCreatedAt().Time, UpdatedAt: c.GetUpdatedAt().Time,
		ViaApp: c.set(), HTMLURL: c.GetHTMLURL(),
	}
}

// timelineEntry is own because entries differ by kind: commits have no actor, an
// author that is no account and a time of another name; reviews have a user.
type timelineEntry struct {
	Event       string     `json:"event"`
	Actor       *gh.User   `json:"actor"`
	User        *gh.User   `json:"user"`
	Label       *gh.Label  `json:"label"`
	CreatedAt   *time.Time `json:"created_at"`
	SubmittedAt *time.Time `json:"submitted_at"`
	appMark
}

func (t timelineEntry) noun() forge.TimelineEvent {
	e := forge.TimelineEvent{Kind: t.Event, Actor: toUser(t.Actor), Label: t.Label.GetName(), ViaApp: t.set()}
	if t.Actor == nil {
		e.Actor = toUser(t.User)
	}
	switch {
	case t.CreatedAt != nil:
		e.At = *t.CreatedAt
	case t.SubmittedAt != nil:
		e.At = *t.SubmittedAt
	}
	return e
}

func toPull(p *gh.PullRequest) forge.Pull {
	return forge.Pull{
		Number: p.GetNumber(), Title: p.GetTitle(), Body: p.GetBody(), State: p.GetState(), Draft: p.GetDraft(),
		Merged:         p.GetMerged() || !p.GetMergedAt().IsZero(), // lists have only the time
		MergeCommitSHA: p.GetMergeCommitSHA(), Author: toUser(p.GetUser()),
		Head: toBranch(p.GetHead()), Base: toBranch(p.GetBase()), Labels: toLabels(p.Labels),
		CreatedAt: p.GetCreatedAt().Time, HTMLURL: p.GetHTMLURL(), NodeID: p.GetNodeID(),
	}
}

func toBranch(b *gh.PullRequestBranch) forge.Branch {
	return forge.Branch{RepoID: b.GetRepo().GetID(), Ref: b.GetRef(), SHA: b.GetSHA()}
}

func toReview(r *gh.PullRequestReview) forge.Review {
	return forge.Review{
		ID: r.GetID(), Author: toUser(r.GetUser()), State: r.GetState(), CommitSHA: r.GetCommitID(),
		SubmittedAt: r.GetSubmittedAt().Time, Body: r.GetBody(),
	}
}

func toCheck(r *gh.CheckRun) forge.Check {
	return forge.Check{
		ID: r.GetID(), Name: r.GetName(), HeadSHA: r.GetHeadSHA(), Status: r.GetStatus(), Conclusion: r.GetConclusion(),
		AppID: r.GetApp().GetID(), AppSlug: r.GetApp().GetSlug(), ExternalID: r.GetExternalID(), Title: r.GetOutput().GetTitle(),
		StartedAt: r.GetStartedAt().Time, CompletedAt: r.GetCompletedAt().Time,
	}
}

// statusCheck shows a commit status as a check: one that is pending still runs.
func statusCheck(sha string, s *gh.RepoStatus) forge.Check {
	status := "completed"
	if s.GetState() == "pending" {
		status = "in_progress"
	}
	return forge.Check{
		ID: s.GetID(), Name: s.GetContext(), HeadSHA: sha, Status: status, Conclusion: s.GetState(),
		StartedAt: s.GetCreatedAt().Time, CompletedAt: s.GetUpdatedAt().Time,
	}
}

func toRef(r *gh.Reference) forge.Ref {
	return forge.Ref{Name: r.GetRef(), SHA: r.GetObject().GetSHA()}
}

func toCommit(c *gh.RepositoryCommit) forge.Commit {
	out := forge.Commit{
		SHA: c.GetSHA(), Tree: c.GetCommit().GetTree().GetSHA(), Message: c.GetCommit().GetMessage(),
		Author: toUser(c.GetAuthor()), Committer: toUser(c.GetCommitter()), Verified: c.GetCommit().GetVerification().GetVerified(),
	}
	for _, p := range c.Parents {
		out.Parents = append(out.Parents, p.GetSHA())
	}
	return out
}

// toRun drops the "@ref" that runs of reusable workflows have after the path.
func toRun(r *gh.WorkflowRun) forge.Run {
	path, _, _ := strings.Cut(r.GetPath(), "@")
	return forge.Run{
		ID: r.GetID(), Path: path, Event: r.GetEvent(), Status: r.GetStatus(), Conclusion: r.GetConclusion(),
		HeadSHA: r.GetHeadSHA(), Attempt: r.GetRunAttempt(), HTMLURL: r.GetHTMLURL(),
	}
}

func toDeployment(d *gh.Deployment, state string) forge.Deployment {
	return forge.Deployment{
		ID: d.GetID(), SHA: d.GetSHA(), Ref: d.GetRef(), Environment: d.GetEnvironment(), Task: d.GetTask(),
		State: state, Payload: payload(d.Payload), Description: d.GetDescription(),
	}
}

// payload gives our JSON back, which GitHub hands out as an object or, when it
// was sent as one, as a string.
func payload(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	return string(raw)
}
