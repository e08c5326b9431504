package runner

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seedbed-dev/seedbed/internal/forge"
)

// env makes an environment of name, value pairs.
func env(pairs ...string) func(string) string {
	m := map[string]string{}
	for i := 0; i+1 < len(pairs); i += 2 {
		m[pairs[i]] = pairs[i+1]
	}
	return func(name string) string { return m[name] }
}

func contents(text string) func(string, int64) ([]byte, error) {
	return func(string, int64) ([]byte, error) { return []byte(text), nil }
}

func TestReadEvent(t *testing.T) {
	maya := forge.User{ID: 7, Login: "maya"}
	const sender = `"sender":{"id":7,"login":"maya","type":"User"}`
	for _, tc := range []struct {
		name, event, payload string
		want                 forge.Event
	}{
		{"label on an issue", "issues", `{"action":"labeled",` + sender + `,"label":{"name":"ai-task"},"issue":{"number":12}}`,
			forge.Event{Action: "labeled", Sender: maya, Label: "ai-task", Issue: 12}},
		{"comment on an issue", "issue_comment", `{"action":"created",` + sender + `,"issue":{"number":12},
			"comment":{"id":5,"user":{"id":7,"login":"maya"},"body":"/seed hold","created_at":"2026-01-02T03:04:05Z","updated_at":"2026-01-02T03:04:05Z","performed_via_github_app":null}}`,
			forge.Event{Action: "created", Sender: maya, Issue: 12, Comment: &forge.Comment{
				ID: 5, Author: maya, Body: "/seed hold", CreatedAt: at("2026-01-02T03:04:05Z"), UpdatedAt: at("2026-01-02T03:04:05Z")}}},
		{"comment on a pull request, by an app", "issue_comment", `{"action":"created",` + sender + `,"issue":{"number":13,"pull_request":{"url":"x"}},
			"comment":{"id":5,"user":{"id":7,"login":"maya"},"body":"x","performed_via_github_app":{"id":1}}}`,
			forge.Event{Action: "created", Sender: maya, Pull: 13, Comment: &forge.Comment{ID: 5, Author: maya, Body: "x", ViaApp: true}}},
		{"review of an older commit", "pull_request_review", `{"action":"submitted",` + sender + `,"review":{"commit_id":"aaa"},"pull_request":{"number":13,"head":{"sha":"bbb"}}}`,
			forge.Event{Action: "submitted", Sender: maya, Pull: 13, SHA: "aaa"}},
		{"pull request of a deleted fork", "pull_request_target", `{"action":"opened",` + sender + `,"pull_request":{"number":13,"head":{"sha":"bbb","repo":null}}}`,
			forge.Event{Action: "opened", Sender: maya, Pull: 13, SHA: "bbb"}},
		{"push", "push", `{"ref":"refs/heads/main","before":"aaa","after":"bbb",` + sender + `}`,
			forge.Event{Sender: maya, Ref: "refs/heads/main", Before: "aaa", SHA: "bbb"}},
		{"dispatch with inputs of every type", "workflow_dispatch", `{"ref":"refs/heads/main",` + sender + `,"inputs":{"issue":"12","dry_run":true,"n":3,"none":null}}`,
			forge.Event{Sender: maya, Ref: "refs/heads/main", SHA: "ccc", Inputs: map[string]string{"issue": "12", "dry_run": "true", "n": "3", "none": ""}}},
		{"dispatch without inputs", "workflow_dispatch", `{"ref":"refs/heads/main",` + sender + `,"inputs":null}`,
			forge.Event{Sender: maya, Ref: "refs/heads/main", SHA: "ccc"}},
		{"schedule has no sender and no ref", "schedule", `{"schedule":"0 3 * * *"}`,
			forge.Event{Sender: forge.User{ID: 9, Login: "app[bot]", Bot: true}, Ref: "refs/heads/trunk", SHA: "ccc"}},
		{"workflow run", "workflow_run", `{"action":"completed",` + sender + `,"workflow_run":{"id":3,"path":".github/workflows/ci.yml@main","event":"push","status":"completed","conclusion":"success","head_sha":"bbb","run_attempt":2,"pull_requests":[{"number":13}]}}`,
			forge.Event{Action: "completed", Sender: maya, Pull: 13, SHA: "bbb", Run: &forge.Run{
				ID: 3, Path: ".github/workflows/ci.yml", Event: "push", Status: "completed", Conclusion: "success", HeadSHA: "bbb", Attempt: 2}}},
		{"merge group", "merge_group", `{"action":"checks_requested",` + sender + `,"merge_group":{"head_sha":"bbb","head_ref":"refs/heads/q","base_sha":"aaa"}}`,
			forge.Event{Action: "checks_requested", Sender: maya, SHA: "bbb", Ref: "refs/heads/q", Before: "aaa"}},
		{"check suite", "check_suite", `{"action":"completed",` + sender + `,"check_suite":{"head_sha":"bbb"}}`,
			forge.Event{Action: "completed", Sender: maya, SHA: "bbb"}},
		{"status", "status", `{"sha":"bbb",` + sender + `}`, forge.Event{Sender: maya, SHA: "bbb"}},
		{"deployment status", "deployment_status", `{"action":"created",` + sender + `,"deployment":{"sha":"bbb","ref":"main"}}`,
			forge.Event{Action: "created", Sender: maya, SHA: "bbb", Ref: "main"}},
		{"payload without its subject", "issues", `{}`, forge.Event{Sender: forge.User{ID: 9, Login: "app[bot]", Bot: true}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := env("GITHUB_EVENT_NAME", tc.event, "GITHUB_EVENT_PATH", "event.json", "GITHUB_ACTOR", "app[bot]",
				"GITHUB_ACTOR_ID", "9", "GITHUB_REF", "refs/heads/trunk", "GITHUB_SHA", "ccc")
			have, err := ReadEvent(e, contents(tc.payload))
			if err != nil {
				t.Fatal(err)
			}
			tc.want.Kind, tc.want.Name = forge.EventKind(tc.event), tc.event
			if d := cmp.Diff(tc.want, have); d != "" {
				t.Errorf("event (-want +have):\n%s", d)
			}
		})
	}
}

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}

// An event that is not ours is no error, whatever its file holds.
func TestUnknownEventDoesNothing(t *testing.T) {
	for _, name := range []string{"", "watch", "unknown", "Issues", strings.Repeat("x", 500), "a\xffb"} {
		have, err := ReadEvent(env("GITHUB_EVENT_NAME", name, "GITHUB_EVENT_PATH", "none"), func(string, int64) ([]byte, error) {
			t.Error("the file was opened")
			return nil, fs.ErrNotExist
		})
		if err != nil || have.Kind != forge.EventUnknown || len(have.Name) > 100 {
			t.Errorf("%.20q: have %+v, %v; want unknown, no error", name, have, err)
		}
	}
}

func TestDamagedEvents(t *testing.T) {
	for _, tc := range []struct{ name, text, want string }{
		{"cut", `{"action":"labeled","issue":{"num`, `reading the event file "event.json" at byte 33: unexpected end of JSON input`},
		{"empty", ``, `reading the event file "event.json" at byte 0: the file is empty`},
		{"not JSON", `<html>`, `reading the event file "event.json" at byte 1: invalid character '<' looking for beginning of value`},
		{"number is text", `{"issue":{"number":"12"}}`, `reading the event file "event.json" at byte 23: issue.number is a string`},
		{"number too large", `{"issue":{"number":1e99}}`, `reading the event file "event.json" at byte 23: issue.number is a number 1e99`},
		{"time is none", `{"comment":{"created_at":"yesterday"}}`, `reading the event file "event.json": parsing time`},
		{"too deep", strings.Repeat(`{"sender":`, 200000), `reading the event file "event.json" at byte`},
		{"two documents", `{} {}`, `reading the event file "event.json" at byte 4: invalid character '{' after top-level value`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := ReadEvent(env("GITHUB_EVENT_NAME", "issues", "GITHUB_EVENT_PATH", "event.json"), contents(tc.text))
			var e *EventError
			if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("have %v\nwant %s", err, tc.want)
			}
		})
	}
}

func TestEventFileMissingOrTooLarge(t *testing.T) {
	dir := t.TempDir()
	large := filepath.Join(dir, "large.json")
	if err := os.WriteFile(large, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(large, EventLimit+1); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct{ name, file, want string }{
		{"not set", "", `GITHUB_EVENT_PATH is not set`},
		{"missing", filepath.Join(dir, "none.json"), `none.json": no such file or directory`},
		{"directory", dir, `is a directory`},
		{"too large", large, `large.json": larger than 26214400 bytes`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := ReadEvent(env("GITHUB_EVENT_NAME", "issues", "GITHUB_EVENT_PATH", tc.file), ReadFile)
			var e *EventError
			if !errors.As(err, &e) || !strings.HasSuffix(err.Error(), tc.want) {
				t.Errorf("have %v, want ...%s", err, tc.want)
			}
		})
	}
}

// GitHub's own published payloads all parse, and those with a subject say which.
func TestPublishedPayloads(t *testing.T) {
	parsed, unknown := 0, 0
	for _, event := range published(t) {
		for i, example := range event.Examples {
			name := fmt.Sprintf("%s/%d", event.Name, i)
			have, err := ReadEvent(env("GITHUB_EVENT_NAME", event.Name, "GITHUB_EVENT_PATH", name), contents(string(example)))
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if have.Kind == forge.EventUnknown {
				unknown++
				continue
			}
			parsed++
			if why := lacks(have); why != "" {
				t.Errorf("%s: %s: %+v", name, why, have)
			}
		}
	}
	t.Logf("%d payloads parsed, %d of events that are not routed", parsed, unknown)
	if parsed < 80 {
		t.Errorf("have %d payloads, want at least 80: is the fixture whole?", parsed)
	}
}

func lacks(e forge.Event) string {
	switch e.Kind {
	case forge.EventIssues:
		if e.Issue+e.Pull == 0 { // an old payload says that a pull request got a milestone
			return "no issue"
		}
	case forge.EventIssueComment:
		if e.Issue+e.Pull == 0 || e.Comment == nil || e.Comment.ID == 0 {
			return "no issue or comment"
		}
	case forge.EventPullRequest, forge.EventReview:
		if e.Pull == 0 || e.SHA == "" {
			return "no pull request or commit"
		}
	case forge.EventPush:
		if e.Ref == "" || e.SHA == "" {
			return "no ref or commit"
		}
	case forge.EventWorkflowRun:
		if e.Run == nil || e.Run.ID == 0 {
			return "no run"
		}
	case forge.EventCheckSuite, forge.EventStatus, forge.EventDeployment, forge.EventMergeGroup:
		if e.SHA == "" {
			return "no commit"
		}
	}
	if (e.Action == "labeled" || e.Action == "unlabeled") && e.Label == "" {
		return "no label"
	}
	return ""
}

type webhook struct {
	Name     string
	Examples []json.RawMessage
}

// published reads GitHub's webhook examples, which are kept beside the
// repository and not in it.
func published(t *testing.T) []webhook {
	t.Helper()
	dir := os.Getenv("SEEDBED_FIXTURES")
	if dir == "" {
		dir = "../../../../shared/fixtures"
	}
	data, err := os.ReadFile(filepath.Join(dir, "github", "webhook-examples.json.gz"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skipf("not run: no github/webhook-examples.json.gz in %s; set SEEDBED_FIXTURES", dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var all []webhook
	if err := json.NewDecoder(z).Decode(&all); err != nil {
		t.Fatal(err)
	}
	return all
}

// Whatever the file holds, reading it ends with an event or an EventError.
func FuzzReadEvent(f *testing.F) {
	for kind := range routes {
		f.Add(string(kind), []byte(`{"action":"x","issue":{"number":1,"pull_request":{}},"pull_request":{"head":{}},"workflow_run":{"pull_requests":[{}]},"comment":{},"inputs":{"a":[1]}}`))
	}
	f.Add("issues", []byte(`{"issue":null,"sender":null,"label":null}`))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		e, err := ReadEvent(env("GITHUB_EVENT_NAME", name, "GITHUB_EVENT_PATH", "f"), contents(string(data)))
		var damaged *EventError
		if err != nil && !errors.As(err, &damaged) {
			t.Errorf("have %T, want *EventError", err)
		}
		if err == nil && e.Kind == "" {
			t.Error("an event without a kind")
		}
	})
}
