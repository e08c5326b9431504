package shipped

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seedbed-dev/seedbed/internal/adapter/github"
	"github.com/seedbed-dev/seedbed/internal/fakegithub"
)

// site is a fake GitHub with one repository, whose workflows are the examples,
// and what is needed to run them with act.
type site struct {
	t      *testing.T
	act    string
	dir    string // everything is below it
	server *fakegithub.Server
	url    string
	token  string // of the jobs
	ana    *github.Client
	run    int64
	env    []string // further --env of act
	vars   []string // repository variables
}

const siteRepo = "ana/site"

// jobPermissions are what a caller of cycle.yml has to grant; act cannot limit
// a token job by job.
var jobPermissions = map[string]string{"contents": "write", "issues": "write", "pull_requests": "write", "checks": "write",
	"actions": "write", "statuses": "read", "deployments": "write"}

// newSite makes the repository of files and the named examples.
func newSite(t *testing.T, files map[string]string, examples ...string) *site {
	t.Helper()
	s := &site{t: t, act: tool(t, "act", "github.com/nektos/act v0.2.89"), dir: t.TempDir()}
	from := filepath.Join(s.dir, "source")
	write(t, from, files)
	for _, name := range examples {
		write(t, from, map[string]string{".github/workflows/" + name: read(t, abs(t, "examples", "workflows", name))})
	}
	s.serve()
	for _, u := range []string{"ana", "ben"} {
		s.must(s.server.AddUser(fakegithub.User{Login: u}))
	}
	s.must(s.server.AddRepository(fakegithub.Repository{Owner: "ana", Name: "site", DefaultBranch: "main", From: from}))
	s.must(s.server.SetPermission(siteRepo, "ben", "write"))
	var err error
	s.token, err = s.server.MintToken(fakegithub.Token{Name: "jobs", Kind: fakegithub.KindActions, Repo: siteRepo, Permissions: jobPermissions})
	s.must(err)
	s.ana = s.person("ana")
	return s
}

func (s *site) serve() {
	s.t.Helper()
	var err error
	s.server, err = fakegithub.Open(fakegithub.Options{Root: filepath.Join(s.dir, "github")})
	s.must(err)
	s.url, err = s.server.Start("127.0.0.1:0")
	s.must(err)
	s.t.Cleanup(func() { s.server.Close() })
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// person is the forge as somebody sees it.
func (s *site) person(login string) *github.Client {
	s.t.Helper()
	token, err := s.server.MintToken(fakegithub.Token{Name: login, Kind: fakegithub.KindUser, Login: login})
	s.must(err)
	c, err := github.New(github.Options{BaseURL: s.url, Token: token, Owner: "ana", Repo: "site", UserAgent: login, Now: time.Now})
	s.must(err)
	return c
}

// label files an issue as ana and puts labels on it.
func (s *site) label(title string, labels ...string) int {
	s.t.Helper()
	issue, err := s.ana.CreateIssue(context.Background(), title, "", nil)
	s.must(err)
	for _, l := range labels {
		s.must(s.ana.AddLabels(context.Background(), issue.Number, l))
	}
	return issue.Number
}

// event is the newest payload whose file name has the given part.
func (s *site) event(part string) string {
	s.t.Helper()
	names, err := filepath.Glob(filepath.Join(s.dir, "github", "events", "*"+part+"*.json"))
	s.must(err)
	if len(names) == 0 {
		s.t.Fatalf("no event %s happened", part)
	}
	return names[len(names)-1]
}

// payload writes an event that nothing on the forge makes, such as a schedule.
func (s *site) payload(text string) string {
	path := filepath.Join(s.dir, "event.json")
	s.must(os.WriteFile(path, []byte(text), 0o600))
	return path
}

// actLine is one line of act's --json log.
type actLine struct {
	Job     string `json:"job"`
	Step    string `json:"step"`
	Level   string `json:"level"`
	Msg     string `json:"msg"`
	Raw     bool   `json:"raw_output"`
	Command string `json:"command"`
	Result  string `json:"jobResult"`
}

// ran is what one run of a workflow did.
type ran struct {
	failed bool
	lines  []actLine
	errors string            // what act itself said
	jobs   map[string]string // job -> success, failure; jobs not run are missing
	writes []string          // requests of the jobs that asked for a change
	bodies []string          // of these requests
}

func (r ran) text() string {
	var b strings.Builder
	b.WriteString(r.errors)
	for _, l := range r.lines {
		fmt.Fprintf(&b, "%s | %s\n", l.Job, strings.TrimRight(l.Msg, "\n"))
	}
	return b.String()
}

// names lists the jobs that ran, sorted, without act's matrix numbers.
func (r ran) names() []string {
	var names []string
	for n := range r.jobs {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// start runs a workflow of the repository for an event, as GitHub would: a new
// run, the default branch checked out.
func (s *site) start(event, payload, workflow, actor string) ran {
	s.t.Helper()
	tree := s.workTree()
	main := git(s.t, tree, "rev-parse", "HEAD")
	s.run++
	id, err := s.server.SetRun(siteRepo, fakegithub.Run{Path: ".github/workflows/" + workflow, Event: event, Status: "in_progress", HeadSHA: main})
	s.must(err)
	before := s.requests()
	out, said, failed := s.runAct(tree, id, event, payload, workflow, actor)
	conclusion := map[bool]string{true: "failure", false: "success"}[failed]
	_, err = s.server.SetRun(siteRepo, fakegithub.Run{ID: id, Path: ".github/workflows/" + workflow, Event: event, Status: "completed", Conclusion: conclusion, HeadSHA: main})
	s.must(err)
	r := ran{failed: failed, errors: said, jobs: map[string]string{}}
	for sc := bufio.NewScanner(bytes.NewReader(out)); sc.Scan(); {
		var l actLine
		if json.Unmarshal(sc.Bytes(), &l) != nil {
			continue
		}
		r.lines = append(r.lines, l)
		if l.Result != "" {
			r.jobs[jobName(l.Job)] = l.Result
		}
	}
	for _, q := range s.requests()[len(before):] {
		if q.Mutation {
			r.writes = append(r.writes, q.Method+" "+q.Path)
			r.bodies = append(r.bodies, q.Body)
		}
	}
	return r
}

var matrixNumber = regexp.MustCompile(`-\d+$`)

func jobName(job string) string {
	if i := strings.LastIndex(job, "/"); i >= 0 {
		job = job[i+1:]
	}
	return matrixNumber.ReplaceAllString(strings.TrimSpace(job), "")
}

// workTree clones the default branch, as a job's checkout would.
func (s *site) workTree() string {
	dir := filepath.Join(s.dir, fmt.Sprintf("tree-%d", s.run))
	s.must(os.RemoveAll(dir))
	git(s.t, s.dir, "clone", "-q", filepath.Join(s.dir, "github", siteRepo+".git"), dir)
	git(s.t, dir, "remote", "set-url", "origin", "https://github.com/"+siteRepo)
	return dir
}

func (s *site) runAct(tree string, id int64, event, payload, workflow, actor string) (out []byte, said string, failed bool) {
	s.t.Helper()
	home := filepath.Join(s.dir, "home")
	s.must(os.MkdirAll(filepath.Join(home, ".cache"), 0o755))
	if err := os.Symlink(goEnv(s.t, "GOCACHE"), filepath.Join(home, ".cache", "go-build")); err != nil && !os.IsExist(err) {
		s.t.Fatal(err) // scripts that build with go would start cold each time
	}
	args := []string{event, "-W", ".github/workflows/" + workflow, "-e", payload, "-a", actor, "--json", "--action-offline-mode",
		"-P", "ubuntu-24.04=-self-hosted", "-s", "GITHUB_TOKEN=" + s.token,
		"--env", "GITHUB_API_URL=" + s.url, "--env", "GITHUB_SERVER_URL=" + s.url, "--env", "GITHUB_GRAPHQL_URL=" + s.url + "/graphql",
		"--env", fmt.Sprintf("GITHUB_RUN_ID=%d", id), "--env", "ARTIFACTS=" + filepath.Join(s.dir, "artifacts", fmt.Sprint(id)),
		"--local-repository", "OWNER/seedbed@v1=" + s.action()}
	for _, v := range s.vars {
		args = append(args, "--var", v)
	}
	for _, e := range s.env {
		args = append(args, "--env", e)
	}
	for _, use := range githubActions(s.t) {
		name, _, _ := strings.Cut(strings.TrimPrefix(use, "actions/"), "@")
		args = append(args, "--local-repository", use+"="+abs(s.t, "internal/shipped/testdata/actions", name))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.act, args...)
	cmd.Dir = tree
	cmd.Env = []string{"PATH=" + filepath.Dir(binary(s.t)) + ":" + os.Getenv("PATH"), "HOME=" + home, "XDG_CACHE_HOME=" + home + "/cache",
		"XDG_CONFIG_HOME=" + home + "/config", "GOFLAGS=-mod=mod", "GOCACHE=" + goEnv(s.t, "GOCACHE"), "GOMODCACHE=" + goEnv(s.t, "GOMODCACHE")}
	cmd.WaitDelay = 5 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	if ctx.Err() != nil {
		s.t.Fatalf("act did not end:\n%s\n%s", stdout.String(), stderr.String())
	}
	if err != nil && stdout.Len() == 0 {
		s.t.Fatalf("act: %v\n%s", err, stderr.String())
	}
	return stdout.Bytes(), stderr.String(), err != nil
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	out, err := exec.Command("go", "env", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(out))
}

// action is a folder with what a consumer gets of this repository, without its
// caches: the program comes from PATH.
func (s *site) action() string {
	s.t.Helper()
	dir := filepath.Join(s.dir, "action")
	if isFile(filepath.Join(dir, "action.yml")) {
		return dir
	}
	copyAction(s.t, dir)
	return dir
}

func copyAction(t *testing.T, dir string) {
	t.Helper()
	write(t, dir, map[string]string{"action.yml": read(t, abs(t, "action.yml"))})
	s := os.DirFS(abs(t, ".github"))
	if err := os.CopyFS(filepath.Join(dir, ".github"), s); err != nil {
		t.Fatal(err)
	}
}

var actionUse = regexp.MustCompile(`uses: (actions/[a-z-]+@\S+)`)

// githubActions lists the actions of GitHub's own that the workflows use, each
// with its version, but for checkout, which act does itself.
func githubActions(t *testing.T) []string {
	t.Helper()
	var found []string
	for _, name := range workflowFiles(t) {
		for _, m := range actionUse.FindAllStringSubmatch(read(t, name), -1) {
			if !strings.HasPrefix(m[1], "actions/checkout@") && !slices.Contains(found, m[1]) {
				found = append(found, m[1])
			}
		}
	}
	return found
}

func workflowFiles(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, dir := range []string{".github/workflows", "examples/workflows"} {
		names, err := filepath.Glob(filepath.Join(abs(t, dir), "*.yml"))
		if err != nil || len(names) == 0 {
			t.Fatalf("no workflows in %s: %v", dir, err)
		}
		all = append(all, names...)
	}
	return all
}

// request is a line of the fake's log.
type request struct {
	Method   string `json:"method"`
	Path     string `json:"path"`
	Status   int    `json:"status"`
	Mutation bool   `json:"mutation"`
	Body     string `json:"body"`
}

func (s *site) requests() []request {
	s.t.Helper()
	data, err := os.ReadFile(filepath.Join(s.dir, "github", "requests.jsonl"))
	if os.IsNotExist(err) {
		return nil
	}
	s.must(err)
	var all []request
	for _, line := range bytes.Split(bytes.TrimSpace(data), []byte("\n")) {
		var r request
		s.must(json.Unmarshal(line, &r))
		all = append(all, r)
	}
	return all
}

// refs lists every ref of the repository with what it points at.
func (s *site) refs() string {
	return git(s.t, filepath.Join(s.dir, "github", siteRepo+".git"), "for-each-ref", "--format=%(refname) %(objectname)")
}
