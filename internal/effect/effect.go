// Package effect holds changes to the outside world as values, and the one
// place where they happen.
//
// A stage proposes: it returns effects, or writes them into effects.json.
// Apply checks that the proposing stage may propose that kind, cleans every
// text, blocks secrets, looks the effect up by its key, and only then acts,
// one mutation at a time, with the forge's own compare-and-swap. Doing the same
// list twice does each thing once.
//
// What publishes or merges code needs a policy.Approved for exactly that tree;
// only a judge can make one.
package effect

import (
	"encoding/json"
	"fmt"
	"sort"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// Version is the version of effects.json.
const Version = 1

// Stage names who proposes.
type Stage string

// The proposing stages.
const (
	Plan      Stage = "plan"
	Implement Stage = "implement"
	Test      Stage = "test"
	Review    Stage = "review"
	Govern    Stage = "govern"
	Deploy    Stage = "deploy"
)

// Kind names an effect.
type Kind string

// All kinds this version knows.
const (
	IssueOpen        Kind = "issue.open"
	IssueEdit        Kind = "issue.edit"
	IssueClose       Kind = "issue.close"
	LabelsSet        Kind = "labels.set"
	LabelSync        Kind = "label.sync"
	CommentPut       Kind = "comment.put"
	ReactionPut      Kind = "reaction.put"
	TaskLease        Kind = "task.lease"
	TaskRelease      Kind = "task.release"
	ChangePublish    Kind = "change.publish"
	PullEdit         Kind = "pull.edit"
	ReviewPost       Kind = "review.post"
	CheckPost        Kind = "check.post"
	PullMerge        Kind = "pull.merge"
	PullClose        Kind = "pull.close"
	WorkflowDispatch Kind = "workflow.dispatch"
	WorkflowRerun    Kind = "workflow.rerun"
	FreezeSet        Kind = "freeze.set"
	FreezeClear      Kind = "freeze.clear"
	LogAppend        Kind = "log.append"
	DeploymentCreate Kind = "deployment.create"
	DeploymentStatus Kind = "deployment.status"
)

// Effect is one change to be made. Key is its idempotency key: two effects of
// the same kind and key are the same effect.
type Effect struct {
	Kind    Kind
	Stage   Stage
	Key     string
	Reason  string
	Payload Payload
}

// Payload is what an effect carries; each kind has one type.
type Payload interface {
	kind() Kind
	line() string // for people, one line, no trailing text of strangers
}

// New makes an effect of the payload's kind.
func New(by Stage, key, reason string, p Payload) Effect {
	return Effect{Kind: p.kind(), Stage: by, Key: key, Reason: reason, Payload: p}
}

// String is the one line that --dry-run prints.
func (e Effect) String() string {
	s := fmt.Sprintf("%-17s", e.Kind)
	if e.Payload != nil {
		s += " " + e.Payload.line()
	}
	if e.Reason != "" {
		s += "  (" + e.Reason + ")"
	}
	// The line goes to a terminal and to a job's log: nothing in it may act there.
	return strings.NewReplacer("\n", " ", "\t", " ", "##[", "## [").Replace(visible(s))
}

// OpenIssue files an issue.
type OpenIssue struct {
	Title  string   `json:"title"`
	Body   string   `json:"body"`
	Labels []string `json:"labels,omitempty"`
}

func (OpenIssue) kind() Kind     { return IssueOpen }
func (p OpenIssue) line() string { return fmt.Sprintf("%q %s", p.Title, list(p.Labels)) }

// EditIssue replaces an issue's title or body; nil leaves it.
type EditIssue struct {
	Issue int     `json:"issue"`
	Title *string `json:"title,omitempty"`
	Body  *string `json:"body,omitempty"`
}

func (EditIssue) kind() Kind     { return IssueEdit }
func (p EditIssue) line() string { return number(p.Issue) }

// CloseIssue closes an issue. Why is completed or not_planned.
type CloseIssue struct {
	Issue int    `json:"issue"`
	Why   string `json:"why"`
}

func (CloseIssue) kind() Kind     { return IssueClose }
func (p CloseIssue) line() string { return number(p.Issue) + " " + p.Why }

// SetLabels puts labels on an issue or pull request and takes others off.
type SetLabels struct {
	Issue  int      `json:"issue"`
	Add    []string `json:"add,omitempty"`
	Remove []string `json:"remove,omitempty"`
}

func (SetLabels) kind() Kind { return LabelsSet }
func (p SetLabels) line() string {
	return strings.TrimSpace(number(p.Issue) + signed("+", p.Add) + signed("-", p.Remove))
}

// SyncLabel makes a label exist with its colour and description.
type SyncLabel struct {
	Name        string `json:"name"`
	Color       string `json:"color"`
	Description string `json:"description"`
}

func (SyncLabel) kind() Kind     { return LabelSync }
func (p SyncLabel) line() string { return p.Name }

// PutComment writes the one comment with this effect's key on an issue or pull
// request, or edits it.
type PutComment struct {
	Issue int    `json:"issue"`
	Body  string `json:"body"`
}

func (PutComment) kind() Kind     { return CommentPut }
func (p PutComment) line() string { return number(p.Issue) + " " + firstLine(p.Body) }

// PutReaction answers an issue (Comment 0) or a comment with a reaction.
type PutReaction struct {
	Issue   int    `json:"issue"`
	Comment int64  `json:"comment,omitempty"`
	Content string `json:"content"` // eyes | rocket | confused | ...
}

func (PutReaction) kind() Kind     { return ReactionPut }
func (p PutReaction) line() string { return number(p.Issue) + " " + p.Content }

// TakeLease claims an issue by creating its lease reference.
type TakeLease struct {
	Lease task.Lease `json:"lease"`
}

func (TakeLease) kind() Kind { return TaskLease }
func (p TakeLease) line() string {
	return fmt.Sprintf("%s %d tokens reserved", number(p.Lease.Issue), p.Lease.Tokens)
}

// ReleaseLease deletes an issue's lease, if it is still the one of this run.
type ReleaseLease struct {
	Issue int   `json:"issue"`
	Run   int64 `json:"run"`
}

func (ReleaseLease) kind() Kind     { return TaskRelease }
func (p ReleaseLease) line() string { return number(p.Issue) }

// PublishStep is one commit: the tree it must arrive at and how to get there.
type PublishStep struct {
	Tree    string           `json:"tree"`
	Message string           `json:"message"`
	Edits   []forge.TreeEdit `json:"edits"`
}

// PublishChange puts a judged change on a branch, a commit per step, and opens
// its pull request. Tree is the judged tree, which the last step arrives at.
type PublishChange struct {
	Issue  int           `json:"issue"`
	Branch string        `json:"branch"`
	Onto   string        `json:"onto"` // base branch
	Base   string        `json:"base"` // commit
	Tree   string        `json:"tree"`
	Steps  []PublishStep `json:"steps"`
	Title  string        `json:"title"`
	Body   string        `json:"body"`
	Draft  bool          `json:"draft,omitempty"`
}

func (PublishChange) kind() Kind { return ChangePublish }
func (p PublishChange) line() string {
	return fmt.Sprintf("%s %s onto %s, %d commits", number(p.Issue), p.Branch, p.Onto, len(p.Steps))
}

// EditPull changes what a pull request says.
type EditPull struct {
	Pull      int      `json:"pull"`
	Title     *string  `json:"title,omitempty"`
	Body      *string  `json:"body,omitempty"`
	Reviewers []string `json:"reviewers,omitempty"`
	Assignees []string `json:"assignees,omitempty"`
}

func (EditPull) kind() Kind     { return PullEdit }
func (p EditPull) line() string { return number(p.Pull) }

// PostReview submits one review with its line comments. Event is COMMENT or
// REQUEST_CHANGES; Seedbed never approves.
type PostReview struct {
	Pull     int                 `json:"pull"`
	SHA      string              `json:"sha"`
	Event    string              `json:"event"`
	Body     string              `json:"body"`
	Comments []forge.LineComment `json:"comments,omitempty"`
}

func (PostReview) kind() Kind { return ReviewPost }
func (p PostReview) line() string {
	return fmt.Sprintf("%s %s, %d line comments", number(p.Pull), p.Event, len(p.Comments))
}

// PostCheck posts or updates the check run with this effect's key.
type PostCheck struct {
	Report forge.CheckReport `json:"report"`
}

func (PostCheck) kind() Kind { return CheckPost }
func (p PostCheck) line() string {
	state := p.Report.Conclusion
	if state == "" {
		state = p.Report.Status
	}
	return fmt.Sprintf("%s %s at %s", p.Report.Name, state, short(p.Report.HeadSHA))
}

// MergePull merges a pull request whose head has the judged tree.
type MergePull struct {
	Pull    int    `json:"pull"`
	Issue   int    `json:"issue,omitempty"`
	Head    string `json:"head"` // commit
	Onto    string `json:"onto"` // branch that was judged
	Base    string `json:"base"` // commit that was judged
	Tree    string `json:"tree"` // judged tree
	Method  string `json:"method"`
	Title   string `json:"title"`
	Message string `json:"message,omitempty"`
}

func (MergePull) kind() Kind     { return PullMerge }
func (p MergePull) line() string { return number(p.Pull) + " at " + short(p.Head) + " by " + p.Method }

// ClosePull closes a pull request without merging it.
type ClosePull struct {
	Pull int `json:"pull"`
}

func (ClosePull) kind() Kind     { return PullClose }
func (p ClosePull) line() string { return number(p.Pull) }

// DispatchWorkflow starts a workflow that listens to workflow_dispatch.
type DispatchWorkflow struct {
	File   string            `json:"file"` // deploy.yml
	Ref    string            `json:"ref"`
	Inputs map[string]string `json:"inputs,omitempty"`
}

func (DispatchWorkflow) kind() Kind     { return WorkflowDispatch }
func (p DispatchWorkflow) line() string { return p.File + " on " + p.Ref }

// RerunWorkflow runs a workflow run's jobs again.
type RerunWorkflow struct {
	Run int64 `json:"run"`
}

func (RerunWorkflow) kind() Kind     { return WorkflowRerun }
func (p RerunWorkflow) line() string { return fmt.Sprintf("run %d", p.Run) }

// SetFreeze stops something until a person clears it, by creating
// refs/seedbed/freeze/<What>.
type SetFreeze struct {
	What string `json:"what"`
	SHA  string `json:"sha"`
}

func (SetFreeze) kind() Kind     { return FreezeSet }
func (p SetFreeze) line() string { return p.What }

// ClearFreeze lifts it.
type ClearFreeze struct {
	What string `json:"what"`
}

func (ClearFreeze) kind() Kind     { return FreezeClear }
func (p ClearFreeze) line() string { return p.What }

// AppendLog adds one entry to AUTOGEN_LOG.md. Entry is a journal entry without
// its chain, which is filled in when it is written.
type AppendLog struct {
	Branch string          `json:"branch"`
	Entry  json.RawMessage `json:"entry"`
}

func (AppendLog) kind() Kind     { return LogAppend }
func (p AppendLog) line() string { return "AUTOGEN_LOG.md on " + p.Branch }

// CreateDeployment records that a commit goes out. Payload is our JSON.
type CreateDeployment struct {
	SHA         string `json:"sha"`
	Environment string `json:"environment"`
	Task        string `json:"task"`
	Payload     string `json:"payload,omitempty"`
	Description string `json:"description,omitempty"`
}

func (CreateDeployment) kind() Kind     { return DeploymentCreate }
func (p CreateDeployment) line() string { return short(p.SHA) + " to " + p.Environment }

// SetDeployment adds a status to a deployment.
//
// With Environment the deployment is looked up first, and a state that it has
// already is not set again.
type SetDeployment struct {
	Deployment  int64  `json:"deployment"`
	Environment string `json:"environment,omitempty"`
	State       string `json:"state"` // in_progress | success | failure | inactive
	Description string `json:"description,omitempty"`
	URL         string `json:"url,omitempty"`
}

func (SetDeployment) kind() Kind     { return DeploymentStatus }
func (p SetDeployment) line() string { return fmt.Sprintf("deployment %d %s", p.Deployment, p.State) }

func number(n int) string { return fmt.Sprintf("#%d", n) }

func short(sha string) string {
	if len(sha) > 8 {
		return sha[:8]
	}
	return sha
}

func list(items []string) string { return "[" + strings.Join(items, " ") + "]" }

func signed(sign string, items []string) string {
	sorted := append([]string(nil), items...)
	sort.Strings(sorted)
	s := ""
	for _, i := range sorted {
		s += " " + sign + i
	}
	return s
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	if len(line) > 80 {
		cut := 77
		for cut > 0 && line[cut]&0xc0 == 0x80 {
			cut--
		}
		line = line[:cut] + "..."
	}
	return line
}

// StickyKey is the key of the one comment that Seedbed keeps on an issue or
// pull request and edits from then on.
func StickyKey(number int) string { return fmt.Sprintf("sticky-%d", number) }

// IssueOf is the issue or pull request an effect is about, 0 if none.
func IssueOf(e Effect) int {
	switch p := e.Payload.(type) {
	case EditIssue:
		return p.Issue
	case CloseIssue:
		return p.Issue
	case SetLabels:
		return p.Issue
	case PutComment:
		return p.Issue
	case PutReaction:
		return p.Issue
	case TakeLease:
		return p.Lease.Issue
	case ReleaseLease:
		return p.Issue
	case PublishChange:
		return p.Issue
	}
	return 0
}
