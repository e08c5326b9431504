package effect_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seedbed-dev/seedbed/internal/adapter/git"
	"github.com/seedbed-dev/seedbed/internal/adapter/github"
	"github.com/seedbed-dev/seedbed/internal/change"
	"github.com/seedbed-dev/seedbed/internal/effect"
	"github.com/seedbed-dev/seedbed/internal/fakegithub"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/policy"
	"github.com/seedbed-dev/seedbed/internal/secret"
	"github.com/seedbed-dev/seedbed/internal/seed"
	"github.com/seedbed-dev/seedbed/internal/task"
)

const repoName = "acme/site"

const seedText = `version: 1
project: {name: site, description: "a site", owners: [{handle: maya}]}
mode: auto
phase: 4
automation_contract:
  ai_access: {write_paths: ["docs/**"]}
  merge_policy: {allow_auto_merge: true}
growth: {preapproved_modules: ["docs/**"]}
`

// world is one repository on the fake GitHub, spoken to by the real adapter
// with the token that a govern job has.
type world struct {
	*testing.T
	server *fakegithub.Server
	root   string
	client *github.Client
	maya   *github.Client
	viewer forge.User
	main   string // commit
	run    int64  // a workflow run that is under way
	ended  int64  // one that has ended
	clock  time.Time
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{T: t, root: t.TempDir(), clock: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	var err error
	w.server, err = fakegithub.Open(fakegithub.Options{Root: w.root, Now: func() time.Time { return w.clock }})
	w.ok(err)
	t.Cleanup(func() { w.server.Close() })
	base, err := w.server.Start("127.0.0.1:0")
	w.ok(err)
	w.ok(w.server.AddUser(fakegithub.User{Login: "maya"}))
	w.ok(w.server.AddRepository(fakegithub.Repository{Owner: "acme", Name: "site", DefaultBranch: "main", From: w.project()}))
	w.ok(w.server.SetPermission(repoName, "maya", "admin"))
	w.maya = w.speak(base, fakegithub.Token{Kind: fakegithub.KindUser, Login: "maya"})
	w.client = w.speak(base, fakegithub.Token{Kind: fakegithub.KindActions, Repo: repoName, Permissions: map[string]string{
		"contents": "write", "issues": "write", "pull_requests": "write", "checks": "write", "actions": "write", "statuses": "read", "deployments": "write"}})
	w.viewer, err = w.client.Viewer(t.Context())
	w.ok(err)
	w.main = w.refSHA("refs/heads/main")
	w.run, w.ended = w.workflowRun("in_progress"), w.workflowRun("completed")
	return w
}

func (w *world) project() string {
	dir := w.TempDir()
	for name, text := range map[string]string{
		"seed.yaml": seedText, "docs/a.md": "one\n",
		".github/workflows/deploy.yml": "on:\n  workflow_dispatch:\n    inputs:\n      sha: {type: string}\n",
	} {
		path := filepath.Join(dir, name)
		w.ok(os.MkdirAll(filepath.Dir(path), 0o755))
		w.ok(os.WriteFile(path, []byte(text), 0o644))
	}
	return dir
}

func (w *world) speak(base string, token fakegithub.Token) *github.Client {
	w.Helper()
	value, err := w.server.MintToken(token)
	w.ok(err)
	quick := func(context.Context, time.Duration) error { return nil }
	c, err := github.New(github.Options{BaseURL: base, Token: value, Owner: "acme", Repo: "site", Sleep: quick, Now: func() time.Time { return w.clock }})
	w.ok(err)
	return c
}

func (w *world) workflowRun(status string) int64 {
	w.Helper()
	run := fakegithub.Run{Path: ".github/workflows/cycle.yml", Name: "seedbed", Event: "issues", Status: status, HeadSHA: w.main}
	if status == "completed" {
		run.Conclusion = "success"
	}
	id, err := w.server.SetRun(repoName, run)
	w.ok(err)
	return id
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) refSHA(name string) string {
	w.Helper()
	ref, err := w.maya.Ref(w.Context(), name)
	w.ok(err)
	return ref.SHA
}

func (w *world) issue() int {
	w.Helper()
	i, err := w.maya.CreateIssue(w.Context(), "a wish", "words", nil)
	w.ok(err)
	return i.Number
}

// applier is what a govern job has, with no leave to publish.
func (w *world) applier() *effect.Applier {
	c := w.client
	return &effect.Applier{
		Ports: effect.Ports{Issues: c, Comments: c, Refs: c, Files: c, Pulls: c, Checks: c, Workflows: c, Runs: c, Deployments: c},
		Clean: effect.NewCleaner(secret.NewRedactor(secret.Known{Name: "model_key", Value: modelKey})),
		Left:  1000, Viewer: w.viewer, Now: func() time.Time { return w.clock },
	}
}

const modelKey = "zq8RkT3vWn5XpYc7LmB2sDfG9hJ4"

// apply applies effects of govern and fails unless every one of them ends so.
func (w *world) apply(a *effect.Applier, want effect.State, list ...effect.Effect) []effect.Result {
	w.Helper()
	results, err := a.Apply(w.Context(), list)
	if err != nil {
		w.Fatalf("applying %v: %v", list, err)
	}
	for _, r := range results {
		if r.State != want {
			w.Errorf("%s: have %s, want %s", r.Line, r.State, want)
		}
	}
	return results
}

// judged makes the change docs/a.md on top of a commit, in the server's own
// repository without a branch, and lets the real judge look at it.
func (w *world) judged(base, text string) (effect.PublishChange, policy.Approved) {
	w.Helper()
	repo, err := git.Open(filepath.Join(w.root, "acme", "site.git"))
	w.ok(err)
	edits := []forge.TreeEdit{{Path: "docs/a.md", Mode: "100644", Content: []byte(text)}}
	tree, err := repo.Edit(w.Context(), base, map[string]change.Content{"docs/a.md": {Data: []byte(text)}})
	w.ok(err)
	head, err := repo.CommitTree(w.Context(), tree, []string{base}, "docs: say more", git.Identity{Name: "x", Email: "x@example.com"}, w.clock)
	w.ok(err)
	series, err := repo.Series(w.Context(), base, head)
	w.ok(err)
	s, err := seed.Parse("seed.yaml", []byte(seedText))
	w.ok(err)
	facts := policy.Facts{Version: policy.FactsVersion, Binary: "test", Agent: true, Author: w.viewer, Viewer: w.viewer, Issue: 1,
		BaseBranch: "main", HeadCommit: head, ChecksRead: true, TaskRisk: policy.Tier("low"), Eligible: []forge.User{},
		Commits:  []policy.CommitFact{{SHA: head, Tree: tree, Parents: []string{base}, Recorded: true}},
		Reported: []policy.Reported{{Command: "true", Base: "pass", Head: "pass"}}, Unreadable: map[string]string{}}
	approved, v := policy.Judge(s, series, facts)
	if !approved.MayMerge(base, tree) {
		w.Fatalf("the judge does not allow the test's change:\n%s", v.Text())
	}
	return effect.PublishChange{Issue: 1, Branch: "seedbed/1-abcdef12", Onto: "main", Base: base, Tree: tree, Title: "Say more",
		Body: "why", Steps: []effect.PublishStep{{Tree: tree, Message: "docs: say more", Edits: edits}}}, approved
}

// open publishes a judged change and gives the effect that would merge it.
func (w *world) open(text string) (effect.MergePull, policy.Approved) {
	w.Helper()
	p, approved := w.judged(w.main, text)
	a := w.applier()
	a.Approved = approved
	res := w.apply(a, effect.Done, govern("publish-1", p))
	return effect.MergePull{Pull: res[0].Number, Head: res[0].SHA, Onto: "main", Base: p.Base, Tree: p.Tree, Method: "merge", Title: "Say more"}, approved
}

func govern(key string, p effect.Payload) effect.Effect { return effect.New(effect.Govern, key, "", p) }

func (w *world) lease(issue int, run int64) effect.TakeLease {
	return effect.TakeLease{Lease: task.Lease{Version: 1, Issue: issue, Task: "k", Run: run, Attempt: 1, Taken: w.clock, Expires: w.clock.Add(time.Hour)}}
}

// request is one line of the fake's log.
type request struct {
	Method, Path, Body string
	Status             int
	Mutation           bool
}

func (w *world) requests() []request {
	w.Helper()
	f, err := os.Open(filepath.Join(w.root, "requests.jsonl"))
	w.ok(err)
	defer f.Close()
	var all []request
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var r request
		w.ok(json.Unmarshal(lines.Bytes(), &r))
		all = append(all, r)
	}
	w.ok(lines.Err())
	return all
}

// mutations counts what asked for a change since the n-th request.
func (w *world) mutations(since int) (n int, what []string) {
	w.Helper()
	for _, r := range w.requests()[since:] {
		if r.Mutation {
			n++
			what = append(what, r.Method+" "+r.Path)
		}
	}
	return n, what
}

func wantIs(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("have error %v, want %v", err, want)
	}
}

func wantText(t *testing.T, have, want string) {
	t.Helper()
	if !strings.Contains(have, want) {
		t.Errorf("have %q, want it to hold %q", have, want)
	}
}
