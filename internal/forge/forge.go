// Package forge holds the nouns of a code host: repositories, users, issues,
// pull requests, reviews, checks and the events that tell of them.
//
// The shapes follow GitHub's REST API (https://docs.github.com/rest) but keep
// only what Seedbed decides by. They are values: nothing here talks to a
// network. Logins are for display; authority always goes by the numeric id,
// since an account can be renamed and its old name registered by a stranger.
package forge

import "time"

// ActionsBot is the account that GITHUB_TOKEN acts as on github.com. Every
// workflow of a repository shares it, so it never proves who wrote something.
var ActionsBot = User{ID: 41898282, Login: "github-actions[bot]", Bot: true}

// User is an account. ID 0 means the account is gone or was never known.
type User struct {
	ID    int64  `json:"id"`
	Login string `json:"login"`
	Bot   bool   `json:"bot,omitempty"`
}

// Permission is what an account may do in a repository at the moment it was
// asked, from the permission booleans and not from a role's name.
type Permission struct {
	Admin    bool `json:"admin,omitempty"`
	Maintain bool `json:"maintain,omitempty"`
	Push     bool `json:"push,omitempty"`
	Triage   bool `json:"triage,omitempty"`
	Pull     bool `json:"pull,omitempty"`
}

// Repository is one repository and the settings that a merge depends on.
type Repository struct {
	ID            int64  `json:"id"`
	Owner         string `json:"owner"`
	Name          string `json:"name"`
	DefaultBranch string `json:"default_branch"`
	Private       bool   `json:"private,omitempty"`
	HTMLURL       string `json:"html_url,omitempty"`
	CloneURL      string `json:"clone_url,omitempty"`
	AllowMerge    bool   `json:"allow_merge,omitempty"`
	AllowSquash   bool   `json:"allow_squash,omitempty"`
	AllowRebase   bool   `json:"allow_rebase,omitempty"`
}

// FullName is OWNER/NAME.
func (r Repository) FullName() string { return r.Owner + "/" + r.Name }

// Issue is an issue; IsPull tells the issues that are pull requests, which
// the issue endpoints list as well.
type Issue struct {
	Number    int       `json:"number"`
	Title     string    `json:"title"`
	Body      string    `json:"body"`
	State     string    `json:"state"` // open | closed
	Author    User      `json:"author"`
	Labels    []string  `json:"labels,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	IsPull    bool      `json:"is_pull,omitempty"`
	HTMLURL   string    `json:"html_url,omitempty"`
}

// HasLabel says whether the issue carries exactly this label. Labels are
// compared whole, never split.
func (i Issue) HasLabel(name string) bool {
	for _, l := range i.Labels {
		if l == name {
			return true
		}
	}
	return false
}

// Comment is an issue or pull-request comment.
type Comment struct {
	ID        int64     `json:"id"`
	Author    User      `json:"author"`
	Body      string    `json:"body"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
	ViaApp    bool      `json:"via_app,omitempty"` // performed_via_github_app was set
	HTMLURL   string    `json:"html_url,omitempty"`
}

// Edited says whether the body changed after it was written.
func (c Comment) Edited() bool { return c.UpdatedAt.After(c.CreatedAt) }

// TimelineEvent is one entry of an issue's timeline: who did what and when.
// Kind is GitHub's name: labeled, unlabeled, renamed, closed, reopened, ...
type TimelineEvent struct {
	Kind   string    `json:"kind"`
	Actor  User      `json:"actor"`
	Label  string    `json:"label,omitempty"`
	At     time.Time `json:"at"`
	ViaApp bool      `json:"via_app,omitempty"`
}

// Edits tells when an issue's words last changed. REST has no such time; it
// comes from GraphQL (lastEditedAt and the renamed events).
type Edits struct {
	Body    time.Time   `json:"body,omitempty"` // zero: never edited
	Renamed []time.Time `json:"renamed,omitempty"`
}

// After gives the first edit at or after t, and whether there was one. GitHub's
// times have whole seconds, so an edit in the same second counts.
func (e Edits) After(t time.Time) (time.Time, bool) {
	t = t.Truncate(time.Second)
	for _, at := range append([]time.Time{e.Body}, e.Renamed...) {
		if !at.IsZero() && !at.Before(t) {
			return at, true
		}
	}
	return time.Time{}, false
}

// Branch is one end of a pull request.
type Branch struct {
	RepoID int64  `json:"repo_id"` // 0: the head repository was deleted
	Ref    string `json:"ref"`     // short name, without refs/heads/
	SHA    string `json:"sha"`
}

// Pull is a pull request.
type Pull struct {
	Number         int       `json:"number"`
	Title          string    `json:"title"`
	Body           string    `json:"body"`
	State          string    `json:"state"` // open | closed
	Draft          bool      `json:"draft,omitempty"`
	Merged         bool      `json:"merged,omitempty"`
	MergeCommitSHA string    `json:"merge_commit_sha,omitempty"`
	Author         User      `json:"author"`
	Head           Branch    `json:"head"`
	Base           Branch    `json:"base"`
	Labels         []string  `json:"labels,omitempty"`
	CreatedAt      time.Time `json:"created_at"`
	HTMLURL        string    `json:"html_url,omitempty"`
	NodeID         string    `json:"node_id,omitempty"`
}

// Fork says whether the head lives in another repository than the base. A
// deleted head repository counts as foreign.
func (p Pull) Fork() bool { return p.Head.RepoID == 0 || p.Head.RepoID != p.Base.RepoID }

// Review is one submitted review. State is GitHub's: APPROVED,
// CHANGES_REQUESTED, COMMENTED, DISMISSED or PENDING.
type Review struct {
	ID          int64     `json:"id"`
	Author      User      `json:"author"`
	State       string    `json:"state"`
	CommitSHA   string    `json:"commit_sha"`
	SubmittedAt time.Time `json:"submitted_at"`
	Body        string    `json:"body,omitempty"`
}

// LineComment is a review comment anchored to a line of the new side of a diff.
type LineComment struct {
	Path string `json:"path"`
	Line int    `json:"line"`
	Body string `json:"body"`
}

// Check is one check run or commit status at a commit. For a status AppID is 0
// and Conclusion is its state.
type Check struct {
	ID          int64  `json:"id"`
	Name        string `json:"name"`
	HeadSHA     string `json:"head_sha"`
	Status      string `json:"status"`     // queued | in_progress | completed
	Conclusion  string `json:"conclusion"` // success | failure | neutral | skipped | ...
	AppID       int64  `json:"app_id,omitempty"`
	AppSlug     string `json:"app_slug,omitempty"`
	ExternalID  string `json:"external_id,omitempty"`
	Title       string `json:"title,omitempty"` // of its output
	StartedAt   time.Time
	CompletedAt time.Time
}

// CheckReport is what a check run is made of when Seedbed posts one.
type CheckReport struct {
	Name        string       `json:"name"`
	HeadSHA     string       `json:"head_sha"`
	Status      string       `json:"status"`
	Conclusion  string       `json:"conclusion,omitempty"`
	ExternalID  string       `json:"external_id,omitempty"`
	Title       string       `json:"title"`
	Summary     string       `json:"summary"`
	Annotations []Annotation `json:"annotations,omitempty"`
}

// Annotation is one note on a line in a check run. Level is notice, warning or
// failure.
type Annotation struct {
	Path    string `json:"path"`
	Line    int    `json:"line"`
	Level   string `json:"level"`
	Title   string `json:"title,omitempty"`
	Message string `json:"message"`
}

// Commit is a git commit as the forge tells it. Author and Committer are the
// accounts the forge associates by e-mail address, which anybody can set: they
// prove nothing.
type Commit struct {
	SHA       string   `json:"sha"`
	Tree      string   `json:"tree"`
	Parents   []string `json:"parents"`
	Message   string   `json:"message"`
	Author    User     `json:"author"`
	Committer User     `json:"committer"`
	Verified  bool     `json:"verified,omitempty"` // the forge vouches for the signature
}

// Ref is a git reference and the object it points at.
type Ref struct {
	Name string `json:"name"` // full: refs/heads/main
	SHA  string `json:"sha"`
}

// TreeEdit is one entry of a tree to be created on top of another. Delete
// removes the path. Content goes inline; when it is not valid UTF-8 the adapter
// makes a blob first.
type TreeEdit struct {
	Path    string `json:"path"`
	Mode    string `json:"mode"` // 100644 | 100755
	Content []byte `json:"content,omitempty"`
	Delete  bool   `json:"delete,omitempty"`
}

// File is a file read through the contents API; SHA is its blob, the token of
// a compare-and-swap write.
type File struct {
	Path    string
	SHA     string
	Content []byte
}

// Run is a workflow run. Status is queued, in_progress or completed.
type Run struct {
	ID         int64  `json:"id"`
	Path       string `json:"path"` // .github/workflows/cycle.yml
	Event      string `json:"event"`
	Status     string `json:"status"`
	Conclusion string `json:"conclusion,omitempty"`
	HeadSHA    string `json:"head_sha,omitempty"`
	Attempt    int    `json:"attempt,omitempty"`
	HTMLURL    string `json:"html_url,omitempty"`
}

// Deployment is a GitHub deployment with its newest status.
type Deployment struct {
	ID          int64  `json:"id"`
	SHA         string `json:"sha"`
	Ref         string `json:"ref"`
	Environment string `json:"environment"`
	Task        string `json:"task,omitempty"`
	State       string `json:"state,omitempty"`   // newest status: pending, in_progress, success, failure, ...
	Payload     string `json:"payload,omitempty"` // JSON, ours
	Description string `json:"description,omitempty"`
}
