package github

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seedbed-dev/seedbed/internal/forge"
)

const sha40 = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// one makes a client of a server with one answer.
func one(t *testing.T, body string, headers ...string) *Client {
	t.Helper()
	return clientOf(t, script(t, say(200, body, headers...)).URL, newClock())
}

func TestPullOfDeletedForkIsForeign(t *testing.T) {
	have, err := one(t, `{"number":13,"head":{"sha":"a","ref":"x","repo":null},"base":{"sha":"b","ref":"main","repo":{"id":1}},"user":null}`).Pull(context.Background(), 13)
	ok(t, err)
	if !have.Fork() || have.Head.RepoID != 0 || have.Author != (forge.User{}) {
		t.Errorf("have %+v, want a fork by nobody known", have)
	}
}

func TestCommentsByApps(t *testing.T) {
	have, err := one(t, `[{"id":1,"user":{"id":2,"login":"maya","type":"User"},"body":"a","created_at":"2026-01-02T03:04:05Z","updated_at":"2026-01-02T03:04:06Z","performed_via_github_app":{"id":3}},
		{"id":2,"user":null,"body":"b","performed_via_github_app":null}]`).Comments(context.Background(), 12)
	ok(t, err)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	want := []forge.Comment{
		{ID: 1, Author: forge.User{ID: 2, Login: "maya"}, Body: "a", CreatedAt: at, UpdatedAt: at.Add(time.Second), ViaApp: true},
		{ID: 2, Body: "b"},
	}
	if d := cmp.Diff(want, have); d != "" {
		t.Errorf("comments (-want +have):\n%s", d)
	}
}

// Entries differ by kind: reviews have a user and another time, commits no
// account at all.
func TestTimelineOfEveryKind(t *testing.T) {
	have, err := one(t, `[{"event":"labeled","actor":{"id":1,"login":"a"},"label":{"name":"x"},"created_at":"2026-01-02T03:04:05Z","performed_via_github_app":{"id":9}},
		{"event":"reviewed","user":{"id":2,"login":"b"},"submitted_at":"2026-01-02T03:04:06Z"},
		{"event":"committed","author":{"name":"x","date":"2026-01-02T03:04:05Z"},"sha":"y"},
		{"event":"closed","actor":null,"created_at":null}]`).Timeline(context.Background(), 12)
	ok(t, err)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	want := []forge.TimelineEvent{
		{Kind: "labeled", Actor: forge.User{ID: 1, Login: "a"}, Label: "x", At: at, ViaApp: true},
		{Kind: "reviewed", Actor: forge.User{ID: 2, Login: "b"}, At: at.Add(time.Second)},
		{Kind: "committed"}, {Kind: "closed"},
	}
	if d := cmp.Diff(want, have); d != "" {
		t.Errorf("timeline (-want +have):\n%s", d)
	}
}

// Of a name and app the newest check counts; the same name by another app is
// another check, and a pending status has not ended.
func TestChecksAreTheNewest(t *testing.T) {
	s := script(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/status") {
			say(200, `{"state":"pending","statuses":[{"id":1,"context":"ci","state":"pending"},{"id":2,"context":"lint","state":"success"}]}`)(w, r)
			return
		}
		say(200, `{"total_count":4,"check_runs":[
			{"id":10,"name":"test","status":"completed","conclusion":"failure","app":{"id":7}},
			{"id":12,"name":"test","status":"in_progress","conclusion":null,"app":{"id":7}},
			{"id":11,"name":"test","status":"completed","conclusion":"success","app":{"id":8}},
			{"id":13,"name":"ci","status":"completed","conclusion":"success","app":{"id":7}}]}`)(w, r)
	})
	checks, err := clientOf(t, s.URL, newClock()).Checks(context.Background(), sha40)
	ok(t, err)
	var have []string
	for _, k := range checks {
		have = append(have, fmt.Sprintf("%s/%d %d %s %s", k.Name, k.AppID, k.ID, k.Status, k.Conclusion))
	}
	want := []string{"ci/0 1 in_progress pending", "ci/7 13 completed success", "lint/0 2 completed success", "test/7 12 in_progress ", "test/8 11 completed success"}
	if d := cmp.Diff(want, have); d != "" {
		t.Errorf("checks (-want +have):\n%s", d)
	}
}

// PutCheck sends 50 annotations at a time, and only the last request completes
// the check.
func TestAnnotationsInPages(t *testing.T) {
	type sent struct {
		Status, Conclusion string
		Output             struct{ Annotations []any }
	}
	var have []string
	s := script(t, func(w http.ResponseWriter, r *http.Request) {
		var in sent
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		have = append(have, fmt.Sprintf("%s %d %s/%s", r.Method, len(in.Output.Annotations), in.Status, in.Conclusion))
		say(201, `{"id":5}`)(w, r)
	})
	report := forge.CheckReport{Name: "seedbed", HeadSHA: sha40, Status: "completed", Conclusion: "success", Title: "t", Annotations: make([]forge.Annotation, 101)}
	id, err := clientOf(t, s.URL, newClock()).PutCheck(context.Background(), report, 0)
	ok(t, err)
	same(t, "id", id, 5)
	same(t, "requests", strings.Join(have, ", "), "POST 50 in_progress/, PATCH 50 in_progress/, PATCH 1 completed/success")
}

// A check whose later pages fail is known by its id.
func TestAnnotationsHalfSent(t *testing.T) {
	s := script(t, say(201, `{"id":5}`), say(502, `{}`))
	id, err := clientOf(t, s.URL, newClock()).PutCheck(context.Background(), forge.CheckReport{Annotations: make([]forge.Annotation, 60)}, 0)
	refusedAs(t, forge.ErrUnclear, err)
	same(t, "id", id, 5)
}

// The contents API leaves out files above 1 MB, which are read as blobs.
func TestLargeFile(t *testing.T) {
	s := script(t, say(200, `{"type":"file","encoding":"none","size":3,"content":"","sha":"`+sha40+`"}`),
		say(200, `{"encoding":"base64","size":3,"content":"`+base64.StdEncoding.EncodeToString([]byte("big"))+`"}`))
	have, err := clientOf(t, s.URL, newClock()).File(context.Background(), "big.bin", "main")
	ok(t, err)
	same(t, "content", string(have.Content), "big")
}

func TestFilesThatAreNone(t *testing.T) {
	for what, body := range map[string]string{
		"directory":    `[{"type":"file","name":"x"}]`,
		"submodule":    `{"type":"submodule","sha":"x"}`,
		"symlink":      `{"type":"symlink","target":"/etc/passwd","sha":"x"}`,
		"object alone": `{}`,
	} {
		_, err := one(t, body).File(context.Background(), "x", "")
		if err == nil {
			t.Errorf("%s: have no error", what)
		}
	}
	_, err := one(t, `{"type":"file","encoding":"base64","size":5,"content":"eA==","sha":"x"}`).File(context.Background(), "x", "")
	refusedAs(t, forge.ErrUnavailable, err) // shorter than it says
}

func TestPullFilesBothNames(t *testing.T) {
	have, err := one(t, `[{"filename":"new.go","previous_filename":"old.go","status":"renamed"},{"filename":"a b.go"}]`).PullFiles(context.Background(), 13)
	ok(t, err)
	same(t, "files", strings.Join(have, "|"), "new.go|old.go|a b.go")
}

func TestPullFilesTooMany(t *testing.T) {
	page := "[" + strings.TrimSuffix(strings.Repeat(`{"filename":"x"},`, 100), ",") + "]"
	n := 0
	s := script(t, func(w http.ResponseWriter, r *http.Request) {
		if n++; n < 30 {
			w.Header().Set("Link", fmt.Sprintf(`<http://x/?page=%d>; rel="next"`, n+1))
		}
		say(200, page)(w, r)
	})
	_, err := clientOf(t, s.URL, newClock()).PullFiles(context.Background(), 13)
	if want := "listing files of #13: refused as invalid: GitHub lists no more than 3000 files"; err == nil || err.Error() != want {
		t.Errorf("have %v\nwant %s", err, want)
	}
}

// Account booleans are what counts: a role's name alone grants nothing.
func TestPermissionByBooleans(t *testing.T) {
	have, err := one(t, `{"permission":"admin","role_name":"admin","user":{"id":1,"permissions":{"pull":true,"triage":true,"push":false,"maintain":false,"admin":false}}}`).Permission(context.Background(), "dependabot[bot]")
	ok(t, err)
	same(t, "permission", have, forge.Permission{Pull: true, Triage: true})
	have, err = one(t, `{"permission":"admin","role_name":"admin","user":null}`).Permission(context.Background(), "maya")
	ok(t, err)
	same(t, "permission", have, forge.Permission{})
}

func TestDeploymentPayloads(t *testing.T) {
	for raw, want := range map[string]string{`{"a":1}`: `{"a":1}`, `"{\"a\":1}"`: `{"a":1}`, `""`: ``, `null`: ``} {
		s := script(t, say(200, `[{"id":1,"payload":`+raw+`}]`), say(200, `[]`))
		have, err := clientOf(t, s.URL, newClock()).Deployments(context.Background(), "x")
		ok(t, err)
		same(t, raw, have[0].Payload, want)
	}
}

func TestRunOfReusableWorkflow(t *testing.T) {
	have, err := one(t, `{"id":5,"path":".github/workflows/ci.yml@refs/heads/main","conclusion":null}`).WorkflowRun(context.Background(), 5)
	ok(t, err)
	same(t, "path", have.Path, ".github/workflows/ci.yml")
}

// Only a refusal that GitHub gives integrations makes the viewer the shared
// account; any other is an error.
func TestViewerRefused(t *testing.T) {
	for _, tc := range []struct {
		answer http.HandlerFunc
		want   error
	}{
		{say(403, `{"message":"Resource not accessible by integration"}`), nil},
		{say(403, `{"message":"Resource protected by organization SAML enforcement"}`, "X-GitHub-SSO: required; url=x"), forge.ErrForbidden},
		{say(401, `{"message":"Bad credentials"}`), forge.ErrUnauthorized},
	} {
		u, err := clientOf(t, script(t, tc.answer).URL, newClock()).Viewer(context.Background())
		if tc.want == nil {
			ok(t, err)
			same(t, "viewer", u, forge.ActionsBot)
			continue
		}
		refusedAs(t, tc.want, err)
	}
}

// Every response body that GitHub publishes for our reads is understood.
func TestPublishedResponses(t *testing.T) {
	data := fixture(t, "response-examples.json.gz")
	if data == nil {
		t.Skip("not run: no github/response-examples.json.gz in SEEDBED_FIXTURES or ../shared/fixtures")
	}
	var examples []struct {
		Path, Method string
		Status       int
		Value        json.RawMessage
	}
	if err := json.Unmarshal(data, &examples); err != nil {
		t.Fatal(err)
	}
	read := 0
	for _, x := range examples {
		call, ours := publishedReads[strings.TrimPrefix(x.Path, "/repos/{owner}/{repo}")]
		if !ours || x.Method != "GET" || x.Status != 200 {
			continue
		}
		read++
		// Some examples are of another number or id than any call asks for; what
		// counts is that the body is understood.
		if err := call(one(t, string(x.Value))); err != nil && !strings.Contains(err.Error(), "the answer has no ") {
			t.Errorf("%s: %v", x.Path, err)
		}
	}
	t.Logf("%d published responses read", read)
	if read < 15 {
		t.Errorf("only %d examples were read: is the fixture whole?", read)
	}
}

var publishedReads = map[string]func(*Client) error{
	"":                                     func(c *Client) error { _, err := c.Repository(context.Background()); return err },
	"/labels":                              func(c *Client) error { _, err := c.Labels(context.Background()); return err },
	"/issues":                              func(c *Client) error { _, err := c.OpenIssues(context.Background()); return err },
	"/issues/{issue_number}":               func(c *Client) error { _, err := c.Issue(context.Background(), 1347); return err },
	"/issues/{issue_number}/comments":      func(c *Client) error { _, err := c.Comments(context.Background(), 1); return err },
	"/issues/{issue_number}/timeline":      func(c *Client) error { _, err := c.Timeline(context.Background(), 1); return err },
	"/pulls":                               func(c *Client) error { _, err := c.OpenPulls(context.Background()); return err },
	"/pulls/{pull_number}":                 func(c *Client) error { _, err := c.Pull(context.Background(), 1347); return err },
	"/pulls/{pull_number}/reviews":         func(c *Client) error { _, err := c.Reviews(context.Background(), 1); return err },
	"/pulls/{pull_number}/files":           func(c *Client) error { _, err := c.PullFiles(context.Background(), 1); return err },
	"/git/ref/{ref}":                       func(c *Client) error { _, err := c.Ref(context.Background(), "refs/heads/featureA"); return err },
	"/git/matching-refs/{ref}":             func(c *Client) error { _, err := c.RefsUnder(context.Background(), "refs/heads/feature"); return err },
	"/git/blobs/{file_sha}":                func(c *Client) error { _, err := c.Blob(context.Background(), sha40); return err },
	"/commits/{ref}":                       func(c *Client) error { _, err := c.Commit(context.Background(), sha40); return err },
	"/commits/{ref}/check-runs":            func(c *Client) error { _, err := c.Checks(context.Background(), sha40); return err },
	"/commits/{ref}/status":                func(c *Client) error { _, err := c.Checks(context.Background(), sha40); return err },
	"/actions/runs/{run_id}":               func(c *Client) error { _, err := c.WorkflowRun(context.Background(), 30433642); return err },
	"/collaborators/{username}/permission": func(c *Client) error { _, err := c.Permission(context.Background(), "monalisa"); return err },
}
