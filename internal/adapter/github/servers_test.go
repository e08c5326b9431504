package github

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seedbed-dev/seedbed/internal/fakegithub"
	"github.com/seedbed-dev/seedbed/internal/forge"
)

// fake is our own fake GitHub.
type fake struct {
	s      *fakegithub.Server
	base   string
	tokens map[string]string
}

func newFake(t *testing.T) *fake {
	t.Helper()
	s, err := fakegithub.Open(fakegithub.Options{Root: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{s: s, tokens: map[string]string{}}
	t.Cleanup(func() { s.Close() })
	if f.base, err = s.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.AddUser(fakegithub.User{Login: "acme", Type: "Organization"}))
	must(s.AddRepository(fakegithub.Repository{Owner: "acme", Name: "site", From: project(t)}))
	for login, role := range map[string]string{"maya": "admin", "noor": "write"} {
		must(s.AddUser(fakegithub.User{Login: login}))
		must(s.SetPermission("acme/site", login, role))
		f.tokens[login], err = s.MintToken(fakegithub.Token{Kind: fakegithub.KindUser, Login: login})
		must(err)
	}
	f.tokens["robot"], err = s.MintToken(fakegithub.Token{Kind: fakegithub.KindActions, Repo: "acme/site"})
	must(err)
	return f
}

// project is what the fake's repository begins with.
func project(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"README.md":                "# site\n",
		".github/workflows/ci.yml": "name: CI\non:\n  workflow_dispatch:\n    inputs:\n      issue:\n        type: string\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func (f *fake) name() string                { return "fake" }
func (f *fake) url() (base, graphql string) { return f.base, f.base + "/graphql" }
func (f *fake) token(who string) string     { return f.tokens[who] }
func (f *fake) lacks(string) string         { return "" }

func (f *fake) workflowRun(t *testing.T, sha string) int64 {
	id, err := f.s.SetRun("acme/site", fakegithub.Run{Path: ".github/workflows/ci.yml", Name: "CI", Event: "push", Status: "completed", Conclusion: "success", HeadBranch: "main", HeadSHA: sha, Actor: "maya"})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func (f *fake) queue(t *testing.T, on bool) {
	if err := f.s.Protect("acme/site", "main", fakegithub.Protection{MergeQueue: on}); err != nil {
		t.Fatal(err)
	}
}

func TestSuiteAgainstFake(t *testing.T) { runSuite(t, newFake(t)) }

// An unchanged read comes back as an empty 304, and says the same.
func TestFakeKnowsETags(t *testing.T) {
	f := newFake(t)
	seen := map[int]int{}
	count := roundTrip(func(req *http.Request) (*http.Response, error) {
		res, err := http.DefaultTransport.RoundTrip(req)
		if err == nil {
			seen[res.StatusCode]++
		}
		return res, err
	})
	c, err := New(Options{BaseURL: f.base, Token: f.tokens["maya"], Owner: "acme", Repo: "site", HTTPClient: &http.Client{Transport: count}})
	ok(t, err)
	one, err := c.Repository(t.Context())
	ok(t, err)
	two, err := c.Repository(t.Context())
	ok(t, err)
	same(t, "second answer", two, one)
	same(t, "answers", fmt.Sprint(seen), "map[200:1 304:1]")
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

// The server did it, its answer got lost: the error says unclear, nothing is
// sent twice, and a look-up finds the one comment.
func TestFakeLosesAnswer(t *testing.T) {
	for _, drop := range []struct {
		name  string
		fault fakegithub.Fault
		want  int // comments in the end
	}{
		{"before handling", fakegithub.Fault{Method: "POST", Path: "/repos/acme/site/issues/*/comments", Kind: fakegithub.FaultDropBefore}, 0},
		{"after handling", fakegithub.Fault{Method: "POST", Path: "/repos/acme/site/issues/*/comments", Kind: fakegithub.FaultDropAfter}, 1},
	} {
		t.Run(drop.name, func(t *testing.T) {
			f := newFake(t)
			c, err := New(Options{BaseURL: f.base, Token: f.tokens["maya"], Owner: "acme", Repo: "site"})
			ok(t, err)
			issue, err := c.CreateIssue(t.Context(), "t", "b", nil)
			ok(t, err)
			f.s.SetFaults(drop.fault)
			_, err = c.CreateComment(t.Context(), issue.Number, "once")
			refusedAs(t, forge.ErrUnclear, err)
			f.s.SetFaults()
			have, err := c.Comments(t.Context(), issue.Number)
			ok(t, err)
			same(t, "comments", len(have), drop.want)
		})
	}
}

// The permission that is missing is named by the error.
func TestFakeNamesMissingPermission(t *testing.T) {
	f := newFake(t)
	token, err := f.s.MintToken(fakegithub.Token{Name: "read", Kind: fakegithub.KindActions, Repo: "acme/site", Permissions: map[string]string{"contents": "read", "issues": "read"}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := New(Options{BaseURL: f.base, Token: token, Owner: "acme", Repo: "site"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.CreateIssue(t.Context(), "t", "b", nil)
	if err == nil || !strings.HasSuffix(err.Error(), "; the token needs issues: write") {
		t.Errorf("have %v, want it to name issues: write", err)
	}
}

// emulate is npm emulate, an independent server: a second opinion, no reference.
type emulate struct{ base string }

// emulateLacks lists what emulate@0.11.2 cannot do, with what it does instead.
var emulateLacks = map[string]string{
	"viewer of an Actions token":      "it has no Actions tokens; every token is a user's",
	"permission":                      "it answers with a role's name and no permission booleans, which alone count here",
	"reactions":                       "404: it has no reactions",
	"timeline":                        "its labelled events have no entry for labels given when an issue is opened",
	"edit times":                      "404: it has no GraphQL",
	"lease":                           "422: it wants an empty list of parents where GitHub, and go-github, leave it out",
	"second pull request of a branch": "it opens a second one",
	"pull request as an issue":        "404: its issues do not include pull requests",
	"pull request files":              "its list is empty: it computes no diffs",
	"review on a line":                "422: it knows positions only, not lines",
	"own approval":                    "it accepts an author's own approval",
	"threads":                         "404: it has no GraphQL",
	"draft and ready":                 "404: it has no GraphQL",
	"statuses among checks":           "404: it has no commit statuses",
	"merge queue":                     "404: it has no GraphQL",
	"merge of a moved head":           "422 where GitHub answers 409",
	"workflows":                       "its runs are made by dispatches only and have no files behind them",
	"deployments":                     "404: it has no deployments",
}

const emulateSeed = `tokens:
  token_maya: {login: maya, scopes: [repo, user, workflow]}
  token_noor: {login: noor, scopes: [repo, user]}
  token_robot: {login: robot, scopes: [repo, user]}
github:
  users: [{login: maya}, {login: noor}, {login: robot}]
  orgs:
    - login: acme
      name: Acme
      members: [{login: maya, role: admin}]
  repos:
    - {owner: acme, name: site, auto_init: true}
`

func newEmulate(t *testing.T) *emulate {
	t.Helper()
	modules := os.Getenv("SEEDBED_NODE_MODULES")
	if modules == "" {
		modules = "../../../.cache/node_modules"
	}
	program := filepath.Join(modules, "emulate", "dist", "index.js")
	if _, err := os.Stat(program); err != nil {
		t.Skipf("not run: no emulate in %s (npm emulate@0.11.2); set SEEDBED_NODE_MODULES", modules)
	}
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("not run: no node on PATH, which emulate needs")
	}
	dir := t.TempDir()
	seed := filepath.Join(dir, "seed.yaml")
	if err := os.WriteFile(seed, []byte(emulateSeed), 0o600); err != nil {
		t.Fatal(err)
	}
	port := freePort(t)
	absolute, err := filepath.Abs(program)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(node, absolute, "--service", "github", "--port", port, "--seed", seed)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	e := &emulate{base: "http://localhost:" + port}
	if err := e.await(20 * time.Second); err != nil {
		t.Fatalf("emulate did not start: %v\n%s", err, said.String())
	}
	for _, who := range []string{"noor", "robot"} {
		e.collaborator(t, who)
	}
	return e
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
}

// await asks until the server answers or the time is over.
func (e *emulate) await(limit time.Duration) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	end := time.After(limit)
	for {
		select {
		case <-end:
			return errors.New("no answer in time")
		case <-tick.C:
			res, err := http.Get(e.base + "/repos/acme/site")
			if err == nil {
				res.Body.Close()
				return nil
			}
		}
	}
}

func (e *emulate) collaborator(t *testing.T, login string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPut, e.base+"/repos/acme/site/collaborators/"+login, strings.NewReader(`{"permission":"push"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer token_maya")
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode > 299 {
		t.Fatalf("making %s a collaborator: %s", login, res.Status)
	}
}

func (e *emulate) name() string                { return "emulate" }
func (e *emulate) url() (base, graphql string) { return e.base, e.base + "/graphql" }
func (e *emulate) token(who string) string     { return "token_" + who }
func (e *emulate) lacks(step string) string    { return emulateLacks[step] }
func (e *emulate) workflowRun(t *testing.T, sha string) int64 {
	t.Fatal("unreachable: emulate lacks this")
	return 0
}
func (e *emulate) queue(t *testing.T, _ bool) { t.Fatal("unreachable: emulate lacks this") }

func TestSuiteAgainstEmulate(t *testing.T) { runSuite(t, newEmulate(t)) }

// Every entry of the list is a step of the suite: no reason outlives its step.
func TestEmulateListIsOfSteps(t *testing.T) {
	known := map[string]bool{}
	for _, s := range steps {
		known[s.name] = true
	}
	for name := range emulateLacks {
		if !known[name] {
			t.Errorf("%q is no step of the suite", name)
		}
	}
}
