package effect

import (
	"context"

	"github.com/seedbed-dev/seedbed/internal/forge"
)

// The write ports. They exist only here; what a step may do is exactly which of
// them its command fills in. Every method is one HTTP mutation or one read.
// Implementation: adapter/github. In tests the same adapter talks to
// internal/fakegithub, which is real enough to need no second double.

// Issues reads and writes issues.
type Issues interface {
	Issue(ctx context.Context, number int) (forge.Issue, error)
	OpenIssues(ctx context.Context) ([]forge.Issue, error)
	CreateIssue(ctx context.Context, title, body string, labels []string) (forge.Issue, error)
	EditIssue(ctx context.Context, number int, title, body, state *string) (forge.Issue, error)
	CloseIssue(ctx context.Context, number int, why string) error
	AddLabels(ctx context.Context, number int, labels ...string) error
	RemoveLabel(ctx context.Context, number int, label string) error
	Labels(ctx context.Context) ([]string, error)
	EnsureLabel(ctx context.Context, name, color, description string) error
}

// Comments reads and writes comments and reactions.
type Comments interface {
	Comments(ctx context.Context, number int) ([]forge.Comment, error)
	CreateComment(ctx context.Context, number int, body string) (forge.Comment, error)
	EditComment(ctx context.Context, id int64, body string) (forge.Comment, error)
	React(ctx context.Context, number int, comment int64, content string) error
}

// Refs reads and writes references and the objects below them. Creating a
// reference that exists is forge.ErrExists; moving one is fast-forward only.
type Refs interface {
	Ref(ctx context.Context, name string) (forge.Ref, error)
	CreateRef(ctx context.Context, name, sha string) error
	UpdateRef(ctx context.Context, name, sha string) error
	DeleteRef(ctx context.Context, name string) error
	Commit(ctx context.Context, sha string) (forge.Commit, error)
	CreateTree(ctx context.Context, base string, edits []forge.TreeEdit) (string, error)
	CreateCommit(ctx context.Context, message, tree string, parents []string) (string, error)
}

// Files reads and writes single files on a branch. PutFile with an old blob
// that is no longer the file's is forge.ErrConflict; an empty one creates.
type Files interface {
	File(ctx context.Context, path, ref string) (forge.File, error)
	PutFile(ctx context.Context, path, branch, message string, content []byte, oldBlob string) (blob, commit string, err error)
}

// Pulls reads and writes pull requests.
type Pulls interface {
	Pull(ctx context.Context, number int) (forge.Pull, error)
	PullsByHead(ctx context.Context, branch string) ([]forge.Pull, error)
	CreatePull(ctx context.Context, title, head, base, body string, draft bool) (forge.Pull, error)
	EditPull(ctx context.Context, number int, title, body, state *string) (forge.Pull, error)
	RequestReviewers(ctx context.Context, number int, logins ...string) error
	AddAssignees(ctx context.Context, number int, logins ...string) error
	Reviews(ctx context.Context, number int) ([]forge.Review, error)
	CreateReview(ctx context.Context, number int, sha, event, body string, comments []forge.LineComment) (forge.Review, error)
	Merge(ctx context.Context, number int, head, method, title, message string) (string, error)
}

// Checks reads and writes check runs.
type Checks interface {
	Checks(ctx context.Context, sha string) ([]forge.Check, error)
	PutCheck(ctx context.Context, report forge.CheckReport, id int64) (int64, error)
}

// Workflows starts workflows.
type Workflows interface {
	Dispatch(ctx context.Context, file, ref string, inputs map[string]string) error
	Rerun(ctx context.Context, run int64) error
}

// Runs tells whether a workflow run has ended.
type Runs interface {
	WorkflowRun(ctx context.Context, id int64) (forge.Run, error)
}

// Deployments records what goes out.
type Deployments interface {
	Deployments(ctx context.Context, environment string) ([]forge.Deployment, error)
	CreateDeployment(ctx context.Context, d forge.Deployment) (forge.Deployment, error)
	SetDeploymentStatus(ctx context.Context, id int64, state, description, logURL, environmentURL string) error
}

// Ports is what Apply may touch. A nil port means that this step does not hold
// it, and an effect that needs it is refused by name.
type Ports struct {
	Issues      Issues
	Comments    Comments
	Refs        Refs
	Files       Files
	Pulls       Pulls
	Checks      Checks
	Workflows   Workflows
	Runs        Runs
	Deployments Deployments
}
