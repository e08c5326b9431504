package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seedbed-dev/seedbed/internal/adapter/github"
	"github.com/seedbed-dev/seedbed/internal/fakegithub"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/journal"
	"github.com/seedbed-dev/seedbed/internal/task"
)

var update = flag.Bool("update", false, "write golden files anew")

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const seedText = `version: 1
project: {name: app}
automation_contract:
  task_labels: {triggers: [ai-task, auto-task]}
  ai_access: {write_paths: ["internal/**"]}
budgets:
  day: {tokens: 500000, cycles: 4}
task_types: [{id: docs, label: "type:docs", scope: ["docs/**"]}]
`

// yard is a fake GitHub with a repository, its owner and a job's token.
type yard struct {
	t      *testing.T
	server *fakegithub.Server
	owner  *github.Client
	judge  *github.Client // only an App may post checks
	reader *github.Client
}

func newYard(t *testing.T, files map[string]string) *yard {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		must(t, os.WriteFile(dir+"/"+name, []byte(content), 0o644))
	}
	server, err := fakegithub.Open(fakegithub.Options{Root: t.TempDir(), Now: func() time.Time { return noon }})
	must(t, err)
	t.Cleanup(func() { server.Close() })
	url, err := server.Start("127.0.0.1:0")
	must(t, err)
	must(t, server.AddRepository(fakegithub.Repository{Owner: "acme", Name: "app", From: dir}))
	client := func(tok fakegithub.Token) *github.Client {
		token, err := server.MintToken(tok)
		must(t, err)
		c, err := github.New(github.Options{BaseURL: url, Token: token, Owner: "acme", Repo: "app", UserAgent: "t", MaxAttempts: 1})
		must(t, err)
		return c
	}
	return &yard{t, server, client(fakegithub.Token{Kind: fakegithub.KindUser, Login: "acme"}),
		client(fakegithub.Token{Name: "judge", Kind: fakegithub.KindActions, Repo: "acme/app", Permissions: map[string]string{"checks": "write"}}),
		client(fakegithub.Token{Name: "reader", Kind: fakegithub.KindActions, Repo: "acme/app", Permissions: map[string]string{"contents": "read", "issues": "read",
			"pull_requests": "read", "checks": "read", "statuses": "read"}})}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (y *yard) issue(title, body string, labels ...string) {
	y.t.Helper()
	_, err := y.owner.CreateIssue(y.t.Context(), title, body, labels)
	must(y.t, err)
}

// pull opens a pull request from a branch, with the judge's check unless the
// conclusion is empty.
func (y *yard) pull(branch, title, conclusion string) {
	y.t.Helper()
	ctx := y.t.Context()
	head, err := y.owner.Ref(ctx, "refs/heads/main")
	must(y.t, err)
	base, err := y.owner.Commit(ctx, head.SHA)
	must(y.t, err)
	tree, err := y.owner.CreateTree(ctx, base.Tree, []forge.TreeEdit{{Path: "x.txt", Mode: "100644", Content: []byte(branch)}})
	must(y.t, err)
	sha, err := y.owner.CreateCommit(ctx, title, tree, []string{head.SHA})
	must(y.t, err)
	must(y.t, y.owner.CreateRef(ctx, "refs/heads/"+branch, sha))
	_, err = y.owner.CreatePull(ctx, title, branch, "main", "body", false)
	must(y.t, err)
	if conclusion != "" {
		_, err = y.judge.PutCheck(ctx, forge.CheckReport{Name: "seedbed", HeadSHA: sha, Status: "completed", Conclusion: conclusion, Title: "t", Summary: "s"}, 0)
		must(y.t, err)
	}
}

func logOf(t *testing.T, entries ...journal.Entry) string {
	t.Helper()
	var log []byte
	for _, e := range entries {
		var err error
		log, err = journal.Append(log, e)
		must(t, err)
	}
	return string(log)
}

func day(key string, at time.Time, tokens int64) journal.Entry {
	return journal.Entry{Key: key, At: at, Run: 9, Binary: "test", Tokens: tokens, Effects: []journal.Count{{Kind: "comment.put", N: 3}},
		Tasks: []journal.Line{{Issue: 7, Pull: 8, Title: "Fix | the <table>", Outcome: "merged", Decision: "allowed", Added: 14, Deleted: 1, Tokens: tokens}}}
}

// The whole picture of a busy repository, as people see it, and the same as
// JSON.
func TestStatus(t *testing.T) {
	y := newYard(t, map[string]string{"seed.yaml": seedText, journal.Path: logOf(t, day("a", noon.Add(-48*time.Hour), 1000), day("b", noon.Add(-2*time.Hour), 41000),
		day("c", noon.Add(-10*time.Minute), 5412))})
	y.issue("Later", "", "ai-task")
	y.issue("Urgent", "### Goal\n\nStop the crash\n", "auto-task", "priority:p0")
	y.issue("Write it down", "", "type:docs", "ai-task", "seed:working")
	y.issue("Unlabelled", "")
	y.issue("Hostile \x1b[31mred\u202e\n"+strings.Repeat("wide ", 40), "", "seed:needs-you")
	y.pull("seedbed/3-0123abcd", "Count once", "action_required")
	y.pull("seedbed/12-0123abcd", "No verdict", "")
	y.pull("feature", "A person's", "")
	st, err := Read(t.Context(), y.reader, noon)
	must(t, err)
	text := st.Text()
	for _, line := range strings.Split(text, "\n") {
		if n := len([]rune(line)); n > 100 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if strings.ContainsAny(text, "\x1b\u202e") {
		t.Error("a title could paint on the terminal")
	}
	golden(t, "testdata/status.txt", []byte(sha8.ReplaceAllString(text, "at SHA")))
	data, err := json.MarshalIndent(st, "", " ")
	must(t, err)
	data = regexp.MustCompile(st.Commit).ReplaceAll(data, []byte("COMMIT"))
	data = regexp.MustCompile(`"head": "[0-9a-f]{40}"`).ReplaceAll(data, []byte(`"head": "SHA"`))
	data = regexp.MustCompile(`"(prev|hash)": "[0-9a-f]{64}"`).ReplaceAll(data, []byte(`"$1": "SHA256"`))
	data = regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAll(data, []byte("HOST"))
	golden(t, "testdata/status.json", append(data, '\n'))
}

var sha8 = regexp.MustCompile(`at [0-9a-f]{8}`)

func golden(t *testing.T, name string, have []byte) {
	t.Helper()
	if *update {
		must(t, os.MkdirAll("testdata", 0o755))
		must(t, os.WriteFile(name, have, 0o644))
	}
	want, err := os.ReadFile(name)
	must(t, err)
	if !bytes.Equal(have, want) {
		t.Errorf("%s: have:\n%s\nwant:\n%s", name, have, want)
	}
}

func TestStatusOfAQuietRepository(t *testing.T) {
	y := newYard(t, map[string]string{"seed.yaml": seedText})
	st, err := Read(t.Context(), y.reader, noon)
	must(t, err)
	for _, want := range []string{"Queue: empty", "of agents: none", "no entry yet", "budgets.day.tokens                     0 of 500,000"} {
		if !strings.Contains(st.Text(), want) {
			t.Errorf("want %q in\n%s", want, st.Text())
		}
	}
	if data, _ := json.Marshal(st); !strings.Contains(string(data), `"queue":[],"pulls":[]`) {
		t.Errorf("empty lists are not lists: %s", data)
	}
}

// A log that was changed is told, and nothing is counted from it.
func TestStatusOfABrokenLog(t *testing.T) {
	log := logOf(t, day("a", noon.Add(-time.Hour), 5412))
	y := newYard(t, map[string]string{"seed.yaml": seedText, journal.Path: strings.Replace(log, "5412", "5413", 1)})
	st, err := Read(t.Context(), y.reader, noon)
	must(t, err)
	if st.Log.Fault == "" || st.Log.Last != nil || st.Budgets[0].Used != 0 || !strings.Contains(st.Text(), "BROKEN") {
		t.Errorf("have %+v\n%s", st.Log, st.Text())
	}
}

func TestStatusWithoutSeed(t *testing.T) {
	y := newYard(t, map[string]string{"a": "x"})
	if _, err := Read(t.Context(), y.reader, noon); !errors.Is(err, ErrNoSeed) {
		t.Errorf("have %v, want ErrNoSeed", err)
	}
}

// Each read that is refused ends status with an error that says what it was.
func TestStatusForgeFaults(t *testing.T) {
	y := newYard(t, map[string]string{"seed.yaml": seedText, journal.Path: logOf(t, day("a", noon, 1))})
	y.issue("One", "", "ai-task")
	y.pull("seedbed/1-0123abcd", "Two", "success")
	for n := 1; ; n++ {
		y.server.SetFaults(fakegithub.Fault{Request: n, Kind: fakegithub.FaultStatus, Status: 503})
		_, err := Read(t.Context(), y.reader, noon)
		if err == nil {
			if n < 8 {
				t.Errorf("request %d failed and nobody said so", n)
			}
			return
		}
		if !errors.Is(err, forge.ErrUnavailable) || !strings.Contains(err.Error(), "ing ") {
			t.Errorf("request %d: %v", n, err)
		}
	}
}

// A token that may not read checks sees the rest, and which permission is
// missing for the verdict.
func TestStatusWithoutChecks(t *testing.T) {
	y := newYard(t, map[string]string{"seed.yaml": seedText})
	y.pull("seedbed/1-0123abcd", "One", "success")
	token, err := y.server.MintToken(fakegithub.Token{Name: "less", Kind: fakegithub.KindActions, Repo: "acme/app",
		Permissions: map[string]string{"contents": "read", "issues": "read", "pull_requests": "read"}})
	must(t, err)
	c, err := github.New(github.Options{BaseURL: y.server.URL(), Token: token, Owner: "acme", Repo: "app", UserAgent: "t"})
	must(t, err)
	st, err := Read(t.Context(), c, noon)
	must(t, err)
	if have, want := st.Pulls[0].Verdict, "unknown: the token lacks checks: read"; have != want {
		t.Errorf("have %q, want %q", have, want)
	}
}

func TestStatusOf(t *testing.T) {
	want := map[task.State]string{"": "pending", task.Proposed: "pending", task.Approved: "pending", task.Working: "in_progress", task.InReview: "in_progress",
		task.NeedsYou: "in_progress", task.Blocked: "in_progress", task.Held: "in_progress", task.Done: "completed", task.Failed: "failed"}
	for _, s := range append([]task.State{""}, task.States...) {
		if have := StatusOf(s); have != want[s] {
			t.Errorf("%s: have %s, want %s", s, have, want[s])
		}
	}
}

func TestVerdict(t *testing.T) {
	run := func(id int64, name, status, conclusion string) forge.Check {
		return forge.Check{ID: id, Name: name, Status: status, Conclusion: conclusion}
	}
	for _, c := range []struct {
		checks []forge.Check
		want   string
	}{
		{nil, "not judged yet"},
		{[]forge.Check{run(1, "ci", "completed", "failure")}, "not judged yet"},
		{[]forge.Check{run(1, "seedbed", "completed", "success"), run(2, "seedbed", "completed", "failure")}, "refused"},
		{[]forge.Check{run(2, "seedbed", "completed", "action_required"), run(1, "seedbed", "completed", "success")}, "needs approval"},
		{[]forge.Check{run(1, "seedbed", "in_progress", "")}, "waiting for a check"},
		{[]forge.Check{run(1, "seedbed", "completed", "success")}, "allowed"},
		{[]forge.Check{run(1, "seedbed", "completed", "timed_out")}, "timed_out"},
	} {
		if have := verdict(c.checks); have != c.want {
			t.Errorf("%v: have %q, want %q", c.checks, have, c.want)
		}
	}
}

func TestIssueOf(t *testing.T) {
	for branch, want := range map[string]int{"seedbed/12-abcdef12": 12, "seedbed/x-1": 0, "seedbed/-1": 0, "seedbed/99999999999999999999-a": 0, "seedbed/7": 7} {
		if have := issueOf(branch); have != want {
			t.Errorf("%s: have %d, want %d", branch, have, want)
		}
	}
}
