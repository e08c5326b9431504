package forge

// EventKind is GitHub's name of what started a run.
type EventKind string

// The events that Seedbed routes; any other kind is known as Unknown and does
// nothing.
const (
	EventIssues       EventKind = "issues"
	EventIssueComment EventKind = "issue_comment"
	EventPullRequest  EventKind = "pull_request"
	EventPullTarget   EventKind = "pull_request_target"
	EventReview       EventKind = "pull_request_review"
	EventPush         EventKind = "push"
	EventSchedule     EventKind = "schedule"
	EventDispatch     EventKind = "workflow_dispatch"
	EventWorkflowRun  EventKind = "workflow_run"
	EventMergeGroup   EventKind = "merge_group"
	EventCheckSuite   EventKind = "check_suite"
	EventStatus       EventKind = "status"
	EventDeployment   EventKind = "deployment_status"
	EventUnknown      EventKind = "unknown"
)

// Event is what started this run, cut down to what the stages decide by. It is
// a hint: whatever matters is asked of the forge again.
type Event struct {
	Kind    EventKind         `json:"kind"`
	Name    string            `json:"name"` // as given by the runner, also when unknown
	Action  string            `json:"action,omitempty"`
	Sender  User              `json:"sender"`
	Label   string            `json:"label,omitempty"`  // the label put on or taken off
	Issue   int               `json:"issue,omitempty"`  // number of the issue, 0 if none
	Pull    int               `json:"pull,omitempty"`   // number of the pull request, 0 if none
	Ref     string            `json:"ref,omitempty"`    // full ref of a push or dispatch
	SHA     string            `json:"sha,omitempty"`    // after a push; head of a review, check or deployment
	Before  string            `json:"before,omitempty"` // before a push
	Comment *Comment          `json:"comment,omitempty"`
	Inputs  map[string]string `json:"inputs,omitempty"` // of a dispatch
	Run     *Run              `json:"run,omitempty"`    // of workflow_run
}
