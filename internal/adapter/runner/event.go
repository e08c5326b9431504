package runner

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/seedbed-dev/seedbed/internal/forge"
)

// EventLimit is the size of the largest payload GitHub delivers, in bytes
// (https://docs.github.com/webhooks/webhook-events-and-payloads#payload-cap).
const EventLimit = 25 << 20

// EventError tells that the event cannot be read: the workflow is wired wrongly
// or the file is damaged. Offset is the byte at fault, -1 if there is none.
type EventError struct {
	File   string
	Offset int64
	Reason string
	Err    error // may be nil
}

// Error names the file and, where known, the byte.
func (e *EventError) Error() string {
	at := ""
	if e.Offset >= 0 {
		at = fmt.Sprintf(" at byte %d", e.Offset)
	}
	return fmt.Sprintf("reading the event file %q%s: %s", e.File, at, e.Reason)
}

// Unwrap gives the cause.
func (e *EventError) Unwrap() error { return e.Err }

// ReadFile reads at most limit bytes of a file; a larger one is an error.
func ReadFile(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("larger than %d bytes", limit)
	}
	return data, err
}

// ReadEvent reads what started the run from GITHUB_EVENT_NAME and the file
// GITHUB_EVENT_PATH. An event that Seedbed does not route, or none at all, is
// forge.EventUnknown and no error; its file is not opened. Errors are
// *EventError. readFile is ReadFile but in tests.
func ReadEvent(env func(string) string, readFile func(name string, limit int64) ([]byte, error)) (forge.Event, error) {
	name, file := env("GITHUB_EVENT_NAME"), env("GITHUB_EVENT_PATH")
	fill, known := routes[forge.EventKind(name)]
	if !known {
		return forge.Event{Kind: forge.EventUnknown, Name: short(name)}, nil
	}
	if file == "" {
		return forge.Event{}, &EventError{Offset: -1, Reason: "GITHUB_EVENT_PATH is not set"}
	}
	data, err := readFile(file, EventLimit)
	if err != nil {
		return forge.Event{}, &EventError{File: file, Offset: -1, Reason: reason(err), Err: err}
	}
	var p payload
	if err := decode(file, data, &p); err != nil {
		return forge.Event{}, err
	}
	e := forge.Event{Kind: forge.EventKind(name), Name: name, Action: p.Action, Sender: p.Sender.noun()}
	if e.Sender.Login == "" {
		e.Sender = actor(env) // schedules have none, nor do hand-written events under act
	}
	fill(&e, &p, env)
	return e, nil
}

// reason leaves out the path, which EventError already says.
func reason(err error) string {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}

// short keeps a foreign event name fit for one line.
func short(name string) string {
	if len(name) > 100 {
		name = name[:100]
	}
	return strings.ToValidUTF8(name, "?")
}

func actor(env func(string) string) forge.User {
	id, _ := strconv.ParseInt(env("GITHUB_ACTOR_ID"), 10, 64)
	login := env("GITHUB_ACTOR")
	return forge.User{ID: id, Login: login, Bot: strings.HasSuffix(login, "[bot]")}
}

// decode tells where in the file an error is. The standard decoder stops at
// 10,000 levels of nesting by itself.
func decode(file string, data []byte, p *payload) error {
	err := json.Unmarshal(data, p)
	var syntax *json.SyntaxError
	var kind *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case len(data) == 0:
		return &EventError{File: file, Offset: 0, Reason: "the file is empty", Err: err}
	case errors.As(err, &syntax):
		return &EventError{File: file, Offset: syntax.Offset, Reason: syntax.Error(), Err: err}
	case errors.As(err, &kind):
		return &EventError{File: file, Offset: kind.Offset, Reason: fmt.Sprintf("%s is a %s", kind.Field, kind.Value), Err: err}
	}
	return &EventError{File: file, Offset: -1, Reason: err.Error(), Err: err}
}

// payload is the part of GitHub's webhook payloads that events are made of
// (https://docs.github.com/webhooks/webhook-events-and-payloads). Unknown
// fields are GitHub's right.
type payload struct {
	Action      string                 `json:"action"`
	Sender      *user                  `json:"sender"`
	Label       *struct{ Name string } `json:"label"`
	Issue       *issue                 `json:"issue"`
	PullRequest *pull                  `json:"pull_request"`
	Comment     *comment               `json:"comment"`
	Ref         string                 `json:"ref"`
	Before      string                 `json:"before"`
	After       string                 `json:"after"`
	SHA         string                 `json:"sha"`
	Inputs      map[string]any         `json:"inputs"`
	Review      *struct {
		CommitID string `json:"commit_id"`
	} `json:"review"`
	WorkflowRun *workflowRun `json:"workflow_run"`
	MergeGroup  *struct {
		HeadSHA string `json:"head_sha"`
		HeadRef string `json:"head_ref"`
		BaseSHA string `json:"base_sha"`
	} `json:"merge_group"`
	CheckSuite *struct {
		HeadSHA string `json:"head_sha"`
	} `json:"check_suite"`
	Deployment *struct {
		SHA string `json:"sha"`
		Ref string `json:"ref"`
	} `json:"deployment"`
}

type user struct {
	ID    int64  `json:"id"`
	Login string `json:"login"`
	Type  string `json:"type"`
}

func (u *user) noun() forge.User {
	if u == nil {
		return forge.User{}
	}
	return forge.User{ID: u.ID, Login: u.Login, Bot: u.Type == "Bot"}
}

type issue struct {
	Number      int             `json:"number"`
	PullRequest json.RawMessage `json:"pull_request"`
}

func (i *issue) isPull() bool { return len(i.PullRequest) > 0 && string(i.PullRequest) != "null" }

type pull struct {
	Number int `json:"number"`
	Head   struct {
		SHA string `json:"sha"`
		Ref string `json:"ref"`
	} `json:"head"`
}

type comment struct {
	ID        int64           `json:"id"`
	User      *user           `json:"user"`
	Body      string          `json:"body"`
	CreatedAt time.Time       `json:"created_at"`
	UpdatedAt time.Time       `json:"updated_at"`
	HTMLURL   string          `json:"html_url"`
	App       json.RawMessage `json:"performed_via_github_app"`
}

func (c *comment) noun() *forge.Comment {
	if c == nil {
		return nil
	}
	return &forge.Comment{
		ID: c.ID, Author: c.User.noun(), Body: c.Body, CreatedAt: c.CreatedAt, UpdatedAt: c.UpdatedAt,
		ViaApp: len(c.App) > 0 && string(c.App) != "null", HTMLURL: c.HTMLURL,
	}
}

type workflowRun struct {
	ID           int64  `json:"id"`
	Path         string `json:"path"`
	Event        string `json:"event"`
	Status       string `json:"status"`
	Conclusion   string `json:"conclusion"`
	HeadSHA      string `json:"head_sha"`
	RunAttempt   int    `json:"run_attempt"`
	HTMLURL      string `json:"html_url"`
	PullRequests []pull `json:"pull_requests"`
}

func (w *workflowRun) noun() *forge.Run {
	path, _, _ := strings.Cut(w.Path, "@")
	return &forge.Run{
		ID: w.ID, Path: path, Event: w.Event, Status: w.Status, Conclusion: w.Conclusion,
		HeadSHA: w.HeadSHA, Attempt: w.RunAttempt, HTMLURL: w.HTMLURL,
	}
}

// routes has a row for each kind of event: what of its payload counts.
var routes = map[forge.EventKind]func(e *forge.Event, p *payload, env func(string) string){
	forge.EventIssues:       onIssue,
	forge.EventIssueComment: onIssue,
	forge.EventPullRequest:  onPull,
	forge.EventPullTarget:   onPull,
	forge.EventReview:       onPull,
	forge.EventPush: func(e *forge.Event, p *payload, _ func(string) string) {
		e.Ref, e.Before, e.SHA = p.Ref, p.Before, p.After
	},
	forge.EventSchedule: onBranch,
	forge.EventDispatch: onBranch,
	forge.EventWorkflowRun: func(e *forge.Event, p *payload, _ func(string) string) {
		if p.WorkflowRun == nil {
			return
		}
		e.Run, e.SHA = p.WorkflowRun.noun(), p.WorkflowRun.HeadSHA
		if len(p.WorkflowRun.PullRequests) == 1 {
			e.Pull = p.WorkflowRun.PullRequests[0].Number
		}
	},
	forge.EventMergeGroup: func(e *forge.Event, p *payload, _ func(string) string) {
		if p.MergeGroup != nil {
			e.SHA, e.Ref, e.Before = p.MergeGroup.HeadSHA, p.MergeGroup.HeadRef, p.MergeGroup.BaseSHA
		}
	},
	forge.EventCheckSuite: func(e *forge.Event, p *payload, _ func(string) string) {
		if p.CheckSuite != nil {
			e.SHA = p.CheckSuite.HeadSHA
		}
	},
	forge.EventStatus: func(e *forge.Event, p *payload, _ func(string) string) { e.SHA = p.SHA },
	forge.EventDeployment: func(e *forge.Event, p *payload, _ func(string) string) {
		if p.Deployment != nil {
			e.SHA, e.Ref = p.Deployment.SHA, p.Deployment.Ref
		}
	},
}

// onIssue tells issues from pull requests, whose comments come as the same event.
func onIssue(e *forge.Event, p *payload, _ func(string) string) {
	e.Comment = p.Comment.noun()
	if p.Label != nil {
		e.Label = p.Label.Name
	}
	switch {
	case p.Issue == nil:
	case p.Issue.isPull():
		e.Pull = p.Issue.Number
	default:
		e.Issue = p.Issue.Number
	}
}

func onPull(e *forge.Event, p *payload, _ func(string) string) {
	if p.Label != nil {
		e.Label = p.Label.Name
	}
	if p.PullRequest == nil {
		return
	}
	e.Pull, e.SHA = p.PullRequest.Number, p.PullRequest.Head.SHA
	if p.Review != nil && p.Review.CommitID != "" {
		e.SHA = p.Review.CommitID
	}
}

// onBranch reads events that are about a branch and not about something that
// happened; the commit stands in the environment only.
func onBranch(e *forge.Event, p *payload, env func(string) string) {
	e.Ref, e.SHA = p.Ref, env("GITHUB_SHA")
	if e.Ref == "" {
		e.Ref = env("GITHUB_REF")
	}
	for k, v := range p.Inputs {
		if e.Inputs == nil {
			e.Inputs = map[string]string{}
		}
		e.Inputs[k] = inputText(v)
	}
}

// inputText writes an input the way an expression would; null is empty.
func inputText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case string:
		return v
	}
	text, _ := json.Marshal(v) // unreachable error: v came from JSON
	return string(text)
}
