package setup

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/seedbed-dev/seedbed/internal/adapter/github"
	"github.com/seedbed-dev/seedbed/internal/command"
	"github.com/seedbed-dev/seedbed/internal/fakegithub"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// programs stand in for those of the machine.
func programs(found map[string]string) func(context.Context, string, ...string) (string, error) {
	return func(_ context.Context, name string, _ ...string) (string, error) {
		if out, ok := found[name]; ok {
			return out, nil
		}
		return "", &exec.Error{Name: name, Err: exec.ErrNotFound}
	}
}

func twoLayers(bool) ([]command.Layer, error) {
	return []command.Layer{{Name: "files", InForce: true, Detail: "Landlock"}, {Name: "network", Detail: "no namespaces"}}, nil
}

func doctorOptions(dir string) DoctorOptions {
	return DoctorOptions{Dir: dir, Sandbox: twoLayers, Program: programs(map[string]string{"git": "git version 2.39.5\n", "go": "go version go1.26 linux/amd64\n"}),
		Now: func() time.Time { return time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC) }}
}

func diagnose(t *testing.T, o DoctorOptions) Diagnosis {
	t.Helper()
	d, err := Doctor(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(d.Text(), "\n") {
		if n := len([]rune(line)); n > 100 {
			t.Errorf("a line of %d columns: %s", n, line)
		}
	}
	return d
}

// named gives the lines of one name.
func (d Diagnosis) named(name string) (list []Checkup) {
	for _, c := range d.Checks {
		if c.Name == name {
			list = append(list, c)
		}
	}
	return list
}

func (d Diagnosis) only(t *testing.T, name string) Checkup {
	t.Helper()
	list := d.named(name)
	if len(list) != 1 {
		t.Fatalf("%s: have %d lines, want 1\n%s", name, len(list), d.Text())
	}
	return list[0]
}

const goodSeed = `version: 1
project: {name: project}
phase: 1
model: {name: seed-model}
commands:
  setup: ["go mod download"]
  lint: ["golangci-lint run && CGO_ENABLED=0 go vet ./... | tee lint.txt"]
  test: ["go test ./..."]
domains: [{id: x, paths: ["a/**"]}]
`

// Everything that can be seen without a forge, as people see it.
func TestDoctorOffline(t *testing.T) {
	dir := repository(t, map[string]string{"seed.yaml": goodSeed,
		".github/workflows/seedbed.yml": "on: issues\njobs: {a: {steps: [{uses: acme/seedbed@v1}]}}\n",
		".github/workflows/ci.yml":      "on: [push]\n", ".github/workflows/main.yml": "on: {push: {branches: [main]}}\n"})
	o := doctorOptions(dir)
	o.Env = func(name string) string { return map[string]string{"SEEDBED_MODEL": "env-model"}[name] }
	o.Model = ""
	d := diagnose(t, o)
	golden(t, "testdata/doctor-offline.txt", []byte(d.Text()))
	if d.Healthy() {
		t.Error("golangci-lint is missing and nobody says so")
	}
}

func golden(t *testing.T, name string, have []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(name, have, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, want) {
		t.Errorf("%s: have:\n%s\nwant:\n%s", name, have, want)
	}
}

func TestDoctorLocalProblems(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		with  func(*DoctorOptions)
		line  string // of the report
		has   []string
	}{
		{"no seed", nil, nil, "seed.yaml", []string{"there is none", "seedbed init"}},
		{"seed is a link", map[string]string{"seed.yaml": "-> /etc/passwd"}, nil, "seed.yaml", []string{"no plain file"}},
		{"old git", nil, func(o *DoctorOptions) { o.Program = programs(map[string]string{"git": "git version 2.37.9"}) }, "git", []string{"2.37", "2.38"}},
		{"no git", nil, func(o *DoctorOptions) { o.Program = programs(nil) }, "git", []string{"not to be had"}},
		{"odd git", nil, func(o *DoctorOptions) { o.Program = programs(map[string]string{"git": "fatal\nx"}) }, "git", []string{`"fatal"`}},
		{"no sandbox", nil, func(o *DoctorOptions) {
			o.Sandbox = func(bool) ([]command.Layer, error) { return nil, fmt.Errorf("no Landlock") }
		}, "sandbox", []string{"no Landlock", "apparmor_restrict"}},
		{"no tests", map[string]string{"seed.yaml": "version: 1\nproject: {name: x}\n"}, nil, "commands.test", []string{"nothing proves"}},
		{"placeholder", map[string]string{"seed.yaml": goodSeed, ".github/workflows/s.yml": "uses: OWNER/seedbed@v1"}, nil, "workflows", []string{"OWNER"}},
		{"many tasks", map[string]string{"seed.yaml": goodSeed + "budgets: {cycle: {tasks: 26}}\n"}, nil, "calls", []string{"takes 26 (seed.yaml:10)", "25 or less"}},
		{"bad flag", map[string]string{"seed.yaml": goodSeed}, func(o *DoctorOptions) { o.ModelURL = "ftp://x" }, "setting", []string{"model.base_url from the flag"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := doctorOptions(repository(t, c.files))
			if c.with != nil {
				c.with(&o)
			}
			d := diagnose(t, o)
			if d.Healthy() {
				t.Error("no problem was found")
			}
			for _, line := range d.named(c.line) {
				text := line.Detail + " / " + line.Change
				if line.State == StateProblem && !slices.ContainsFunc(c.has, func(h string) bool { return !strings.Contains(text, h) }) {
					return
				}
			}
			t.Errorf("want a problem %s with %q in\n%s", c.line, c.has, d.Text())
		})
	}
}

// All errors of a seed at once, each with its place.
func TestDoctorTellsAllSeedErrors(t *testing.T) {
	d := diagnose(t, doctorOptions(repository(t, map[string]string{"seed.yaml": "version: 2\nprojekt: {name: x}\nphase: nine\n"})))
	var places []string
	for _, c := range d.named(seedFile) {
		places = append(places, c.Detail[:min(len(c.Detail), 12)])
	}
	if len(places) < 3 {
		t.Errorf("have %q, want a line for each of 3 errors", places)
	}
}

func TestDoctorOutsideOfARepository(t *testing.T) {
	d := diagnose(t, doctorOptions(t.TempDir()))
	if c := d.only(t, "git"); c.State != StateOK {
		t.Error(c)
	}
	if list := d.named("repository"); len(list) != 2 || list[0].State != StateProblem {
		t.Error(list)
	}
}

// lab is a fake GitHub with one repository and a way to get tokens.
type lab struct {
	t      *testing.T
	server *fakegithub.Server
	url    string
}

const labRepo = "acme/project"

func newLab(t *testing.T, files map[string]string) *lab {
	t.Helper()
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	server, err := fakegithub.Open(fakegithub.Options{Root: t.TempDir(), Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	url, err := server.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := server.AddRepository(fakegithub.Repository{Owner: "acme", Name: "project", From: repository(t, files)}); err != nil {
		t.Fatal(err)
	}
	return &lab{t, server, url}
}

// settingsClient adds what doctor asks about settings to the client, over the
// wire, until adapter/github has it.
type settingsClient struct {
	*github.Client
	url, token string
}

func (c settingsClient) get(path string, into any) error {
	req, err := http.NewRequest(http.MethodGet, c.url+"/repos/"+labRepo+path, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return &forge.Error{Doing: "reading " + path, Status: res.StatusCode, Kind: forge.ErrForbidden}
	}
	return json.NewDecoder(res.Body).Decode(into)
}

func (c settingsClient) Protection(_ context.Context, branch string) (bool, []string, error) {
	var b struct {
		Protected  bool
		Protection struct {
			Checks struct{ Contexts []string } `json:"required_status_checks"`
		}
	}
	err := c.get("/branches/"+branch, &b)
	return b.Protected, b.Protection.Checks.Contexts, err
}

func (c settingsClient) ActionsMayOpenPulls(context.Context) (bool, error) {
	var s struct {
		May bool `json:"can_approve_pull_request_reviews"`
	}
	err := c.get("/actions/permissions/workflow", &s)
	return s.May, err
}

func (l *lab) client(tok fakegithub.Token) settingsClient {
	l.t.Helper()
	token, err := l.server.MintToken(tok)
	if err != nil {
		l.t.Fatal(err)
	}
	return l.with(token)
}

func (l *lab) with(token string) settingsClient {
	l.t.Helper()
	c, err := github.New(github.Options{BaseURL: l.url, Token: token, Owner: "acme", Repo: "project", UserAgent: "test"})
	if err != nil {
		l.t.Fatal(err)
	}
	return settingsClient{c, l.url, token}
}

func (l *lab) person() settingsClient {
	return l.client(fakegithub.Token{Name: "acme", Kind: fakegithub.KindUser, Login: "acme"})
}

const smallSeed = "version: 1\nproject: {name: project}\ncommands: {test: [\"go test ./...\"]}\n"

// A healthy repository, seen by its administrator: nothing is unknown but what
// only a write would show.
func TestDoctorOnTheForge(t *testing.T) {
	l := newLab(t, map[string]string{"seed.yaml": smallSeed, ".github/workflows/s.yml": "uses: x/seedbed@v1\n"})
	admin := l.person()
	if err := admin.EnsureLabel(t.Context(), "ai-task", "ffffff", "x"); err != nil {
		t.Fatal(err)
	}
	o := doctorOptions(repository(t, map[string]string{"seed.yaml": smallSeed, ".github/workflows/s.yml": "uses: x/seedbed@v1\n"}))
	o.Forge = admin
	d := diagnose(t, o)
	golden(t, "testdata/doctor-forge.txt", []byte(portNumber.ReplaceAllString(d.Text(), "127.0.0.1:PORT")))
	if !d.Healthy() {
		t.Error("not healthy")
	}
	before, _ := admin.RefsUnder(t.Context(), "refs/")
	o.Write = true
	if c := diagnose(t, o).only(t, "lease refs"); c.State != StateOK {
		t.Error(c)
	}
	if after, _ := admin.RefsUnder(t.Context(), "refs/"); !slices.Equal(before, after) {
		t.Errorf("--write left references: %v", after)
	}
}

var portNumber = regexp.MustCompile(`127\.0\.0\.1:\d+`)

// Those whose yes is needed and who cannot give it.
func TestDoctorPeople(t *testing.T) {
	l := newLab(t, map[string]string{"seed.yaml": smallSeed})
	must(t, l.server.AddUser(fakegithub.User{Login: "guest", ID: 500}))
	must(t, l.server.SetPermission(labRepo, "guest", "read"))
	for _, c := range []struct {
		seed, owners string
		line         string
		state        State
		has          string
	}{
		{"", "* @acme # all\n", "CODEOWNERS", StateOK, "CODEOWNERS:1: @acme may write"},
		{"", "# nobody\n*.md\n", "CODEOWNERS", StateProblem, "CODEOWNERS names nobody"},
		{"", "\n* @guest\n", "CODEOWNERS", StateProblem, "CODEOWNERS:2 names @guest, who may not write here"},
		{"", "* @nosuch", "CODEOWNERS", StateProblem, "@nosuch, who may not write"},
		{"", "* @acme/core", "CODEOWNERS", StateUnknown, "a team"},
		{"approvals: {merge: [guest, acme]}\n", "", "approvers", StateOK, "approvals.merge (seed.yaml:4): acme may approve"},
		{"approvals: {merge: [guest, nosuch]}\n", "", "approvers", StateProblem, "nobody can approve: none of guest, nosuch"},
		{"approvals: {merge: [acme/core]}\n", "", "approvers", StateUnknown, "a team"},
	} {
		files := map[string]string{"seed.yaml": smallSeed + c.seed}
		if c.owners != "" {
			files["CODEOWNERS"] = c.owners
		}
		o := doctorOptions(repository(t, files))
		o.Forge = l.person()
		if line := diagnose(t, o).only(t, c.line); line.State != c.state || !strings.Contains(line.Detail, c.has) {
			t.Errorf("%q %q: have %s %q, want %s %q", c.seed, c.owners, line.State, line.Detail, c.state, c.has)
		}
	}
}

// Patterns that name nothing: a mistake where they never can, a remark where
// they do not yet.
func TestDoctorPatterns(t *testing.T) {
	d := diagnose(t, doctorOptions(repository(t, map[string]string{"internal/a.go": "package a\n",
		"seed.yaml": smallSeed + "automation_contract: {ai_access: {write_paths: [\"internal/**\", \"later/**\", \"./cmd/**\"]}}\n"})))
	var have []string
	for _, c := range d.named("pattern") {
		have = append(have, string(c.State)+" "+c.Detail)
	}
	text := strings.Join(have, "\n")
	if len(have) != 2 || !strings.Contains(text, "ok automation_contract.ai_access.write_paths[1]: later/** names no file at HEAD") {
		t.Errorf("have:\n%s\n%s", text, d.Text())
	}
}

// What is set wrongly on the forge is found, with the setting to change.
func TestDoctorForgeProblems(t *testing.T) {
	for _, c := range []struct {
		name  string
		spoil func(l *lab)
		line  string
		has   []string
	}{
		{"no label", func(*lab) {}, "labels", []string{"no label ai-task", "make the label ai-task"}},
		{"actions may not open", func(l *lab) {
			s := fakegithub.DefaultSettings()
			s.ActionsCanOpenPulls = false
			must(l.t, l.server.Configure(labRepo, s))
		}, "pull requests", []string{"Settings > Actions > General"}},
		{"protected", func(l *lab) {
			must(l.t, l.server.Protect(labRepo, "main", fakegithub.Protection{Checks: []string{"ci"}}))
		},
			"default branch", []string{"main is protected", "log: {branch: seedbed/log}"}},
		{"without the judge", func(l *lab) {
			must(l.t, l.server.Protect(labRepo, "main", fakegithub.Protection{Checks: []string{"ci"}}))
		},
			"default branch", []string{"without the judge", "make seedbed a required check"}},
		{"custom refs", func(l *lab) {
			s := fakegithub.DefaultSettings()
			s.RefuseCustomRefs = true
			must(l.t, l.server.Configure(labRepo, s))
		}, "lease refs", []string{"refs/seedbed/**"}},
		{"odd lease", func(l *lab) {
			head, err := l.person().Ref(l.t.Context(), "refs/heads/main")
			must(l.t, err)
			must(l.t, l.person().CreateRef(l.t.Context(), "refs/seedbed/leases/7", head.SHA))
		}, "leases", []string{"#7 cannot be read", "delete refs/seedbed/leases/7"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, map[string]string{"seed.yaml": smallSeed})
			l.t = t
			c.spoil(l)
			files := map[string]string{"seed.yaml": smallSeed}
			if c.name == "without the judge" {
				files["seed.yaml"] += "log: {branch: seedbed/log}\n"
				files[".github/workflows/pull-request.yml"] = "on: pull_request_target\nuses: x/seedbed@v1\n"
			}
			o := doctorOptions(repository(t, files))
			o.Forge, o.Write = l.person(), true
			d := diagnose(t, o)
			line := d.only(t, c.line)
			text := line.Detail + " / " + line.Change
			for _, want := range c.has {
				if line.State != StateProblem || !strings.Contains(text, want) {
					t.Errorf("have %s: %s, want a problem with %q", line.State, text, want)
				}
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A job's token with one permission less: the line says which one is missing
// and to which jobs; with the whole row nothing is missing.
func TestDoctorNamesTheMissingPermission(t *testing.T) {
	l := newLab(t, map[string]string{"seed.yaml": smallSeed})
	dir := repository(t, map[string]string{"seed.yaml": smallSeed})
	for _, job := range []string{"accept", "build", "verify", "decide", "deploy", "record"} {
		row := Permissions[job]
		for _, without := range append([]string{""}, withLevelKeys(row)...) {
			limited := map[string]string{}
			for p, level := range row {
				if p != without {
					limited[p] = level
				}
			}
			o := doctorOptions(dir)
			o.Job = job
			o.Forge = l.client(fakegithub.Token{Name: job + "-" + without, Kind: fakegithub.KindActions, Repo: labRepo, Permissions: limited})
			d := diagnose(t, o)
			var missing []string
			for _, c := range d.Checks {
				if c.State == StateProblem && strings.Contains(c.Detail, "needed by "+job) {
					missing = append(missing, c.Change)
				}
			}
			if without == "" {
				if len(missing) > 0 {
					t.Errorf("%s with its whole row: %q", job, missing)
				}
				continue
			}
			if row["issues"] != "" && row["pull_requests"] != "" && without == "issues" {
				continue // GitHub lets either of the two read issues
			}
			if len(missing) != 1 || !strings.Contains(missing[0], without+": read") {
				t.Errorf("%s without %s: have %q\n%s", job, without, missing, d.Text())
			}
		}
	}
}

func withLevelKeys(row map[string]string) []string {
	return strings.Fields(withLevel(row, "read") + " " + withLevel(row, "write"))
}

func TestDoctorTokens(t *testing.T) {
	l := newLab(t, map[string]string{"seed.yaml": smallSeed})
	must(t, l.server.AddUser(fakegithub.User{Login: "guest", ID: 500}))
	must(t, l.server.SetPermission(labRepo, "guest", "read"))
	o := doctorOptions(repository(t, map[string]string{"seed.yaml": smallSeed}))
	for _, c := range []struct {
		name  string
		forge DoctorForge
		state State
		has   string
	}{
		{"reader", l.client(fakegithub.Token{Name: "guest", Kind: fakegithub.KindUser, Login: "guest"}), StateProblem, "may not write here"},
		{"job", l.client(fakegithub.Token{Name: "job", Kind: fakegithub.KindActions, Repo: labRepo}), StateOK, "github-actions[bot]"},
		{"expired", l.with("ghp_nosuchtoken"), StateProblem, "not accepted"},
		{"none", nil, StateUnknown, "no token"},
	} {
		o.Forge = c.forge
		d := diagnose(t, o)
		if line := d.only(t, "token"); line.State != c.state || !strings.Contains(line.Detail, c.has) {
			t.Errorf("%s: have %s %q, want %s %q", c.name, line.State, line.Detail, c.state, c.has)
		}
		if strings.Contains(d.Text(), "nosuchtoken") {
			t.Errorf("%s: the token was printed", c.name)
		}
	}
}

// Leases: one held, one whose run has ended.
func TestDoctorLeases(t *testing.T) {
	l := newLab(t, map[string]string{"seed.yaml": smallSeed})
	c := l.person()
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	head, err := c.Ref(t.Context(), "refs/heads/main")
	must(t, err)
	for issue, status := range map[int]string{3: "in_progress", 4: "completed"} {
		conclusion := map[string]string{"completed": "failure"}[status]
		run, err := l.server.SetRun(labRepo, fakegithub.Run{Path: ".github/workflows/s.yml", HeadSHA: head.SHA, Status: status, Conclusion: conclusion})
		must(t, err)
		data, err := json.Marshal(task.Lease{Version: 1, Issue: issue, Run: run, Expires: now.Add(time.Hour)})
		must(t, err)
		tree, err := c.CreateTree(t.Context(), "", []forge.TreeEdit{{Path: "lease.json", Mode: "100644", Content: data}})
		must(t, err)
		commit, err := c.CreateCommit(t.Context(), "lease", tree, nil)
		must(t, err)
		must(t, c.CreateRef(t.Context(), task.LeaseRef(issue), commit))
	}
	o := doctorOptions(repository(t, map[string]string{"seed.yaml": smallSeed}))
	o.Forge = c
	d := diagnose(t, o)
	var text []string
	for _, line := range d.named("leases") {
		text = append(text, line.Detail)
	}
	have := strings.Join(text, "\n")
	if len(text) != 2 || !strings.Contains(have, "#3 is held by run") || !strings.Contains(have, "#4: run") {
		t.Errorf("have:\n%s", have)
	}
}

// The forge in trouble: unknown, with its reason, and never a panic or a hang.
func TestDoctorForgeFaults(t *testing.T) {
	for _, kind := range []fakegithub.Fault{
		{Kind: fakegithub.FaultStatus, Status: 404}, {Kind: fakegithub.FaultStatus, Status: 403}, {Kind: fakegithub.FaultStatus, Status: 401},
		{Kind: fakegithub.FaultStatus, Status: 200, Body: "<html>"}, {Kind: fakegithub.FaultCut},
	} {
		l := newLab(t, map[string]string{"seed.yaml": smallSeed})
		c := l.person()
		fast, err := github.New(github.Options{BaseURL: l.url, Token: c.token, Owner: "acme", Repo: "project", UserAgent: "t", MaxAttempts: 1})
		must(t, err)
		for nth := range 8 {
			kind.Nth = nth + 1
			l.server.SetFaults(kind)
			o := doctorOptions(repository(t, nil))
			o.Forge = fast
			if d := diagnose(t, o); d.Count(StateProblem)+d.Count(StateUnknown) == 0 {
				t.Errorf("%s %d at request %d: nothing was said", kind.Kind, kind.Status, nth)
			}
		}
	}
}

// The model's endpoint is asked for a list and nothing else; the key goes there
// alone and is never printed.
func TestDoctorModel(t *testing.T) {
	const key = "sk-verysecretkey"
	var stolen []string
	thief := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		stolen = append(stolen, r.Header.Get("Authorization"))
	}))
	defer thief.Close()
	for _, c := range []struct {
		name, key string
		answer    func(w http.ResponseWriter, r *http.Request)
		state     State
		has       string
	}{
		{"listed", key, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"data":[{"id":"m1"}]}`) }, StateOK, "has m1"},
		{"no key on loopback", "", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"data":[{"id":"m1"}]}`) }, StateOK, "has m1"},
		{"not listed", key, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, `{"data":[]}`) }, StateUnknown, "m1 is not in its list"},
		{"refused", key, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401); io.WriteString(w, key) }, StateProblem, "does not accept the key"},
		{"html", key, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>"+key) }, StateUnknown, "no list of models"},
		{"no list", key, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(404) }, StateUnknown, "lists no models"},
		{"broken", key, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, StateProblem, "answers 500"},
		{"redirect", key, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, thief.URL, http.StatusFound) }, StateProblem, "answers 302"},
		{"cut", key, func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }, StateProblem, "EOF"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var asked []string
			var mu sync.Mutex
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				mu.Lock()
				asked = append(asked, r.Method+" "+r.URL.Path)
				mu.Unlock()
				c.answer(w, r)
			}))
			o := doctorOptions(t.TempDir())
			o.ModelURL, o.Model, o.Key = s.URL+"/v1", "m1", c.key
			d := diagnose(t, o)
			s.Close() // waits for every request
			if line := d.only(t, "model"); line.State != c.state || !strings.Contains(line.Detail, c.has) {
				t.Errorf("have %s %q, want %s %q", line.State, line.Detail, c.state, c.has)
			}
			if slices.ContainsFunc(asked, func(a string) bool { return a != "GET /v1/models" }) || len(asked) == 0 {
				t.Errorf("asked %q", asked)
			}
			if strings.Contains(fmt.Sprint(d), key) {
				t.Error("the key was printed")
			}
		})
	}
	if len(stolen) > 0 {
		t.Errorf("a redirect was followed with %q", stolen)
	}
}

func TestDoctorModelAddresses(t *testing.T) {
	for _, c := range []struct {
		url, key string
		actions  bool
		state    State
		has      string
	}{
		{"http://model.example.org/v1", "k", false, StateProblem, "in the clear"},
		{"https://user:pw@example.org/v1", "k", false, StateProblem, "no plain http(s) URL"},
		{"file:///etc/passwd", "k", false, StateProblem, "no plain http(s) URL"},
		{"https://model.example.org/v1", "", false, StateUnknown, "not set here"},
		{"", "", true, StateProblem, "no key"},
	} {
		o := doctorOptions(t.TempDir())
		o.ModelURL, o.Key, o.Actions = c.url, c.key, c.actions
		o.HTTP = refusing{t}
		if line := diagnose(t, o).only(t, "model"); line.State != c.state || !strings.Contains(line.Detail, c.has) {
			t.Errorf("%q: have %s %q, want %s %q", c.url, line.State, line.Detail, c.state, c.has)
		}
	}
}

type refusing struct{ t *testing.T }

func (r refusing) RoundTrip(q *http.Request) (*http.Response, error) {
	r.t.Errorf("asked %s", q.URL.Host)
	return nil, io.EOF
}

func TestDoctorProgramsOf(t *testing.T) {
	have := programsOf([]string{"A=1 go test ./...", "cd x && npm ci; make test || ./run.sh", "echo $(id)", "\"quoted tool\" x", "", "tee <x|sort"})
	if want := []string{"go", "make", "npm", "sort", "tee"}; !slices.Equal(have, want) {
		t.Errorf("have %q, want %q", have, want)
	}
}

// The table that doctor prints, and the quick start's rows against the workflow.
func TestDoctorPermissionsTable(t *testing.T) {
	text := PermissionsText()
	golden(t, "testdata/doctor-permissions.txt", []byte(text))
	for _, line := range strings.Split(text, "\n") {
		if n := len([]rune(line)); n > 100 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	for job := range Permissions {
		if !slices.ContainsFunc(cycleRows, func(r jobRow) bool { return r.name == job }) {
			t.Errorf("job %s is not in the table", job)
		}
	}
	data, err := os.ReadFile(filepath.Join("..", "..", "examples", "workflows", "quickstart.yml"))
	must(t, err)
	var w struct {
		Jobs map[string]struct{ Permissions map[string]string }
	}
	must(t, yaml.Unmarshal(data, &w))
	for job, row := range quickStart {
		have := map[string]string{}
		for p, level := range w.Jobs[job].Permissions {
			have[strings.ReplaceAll(p, "-", "_")] = level
		}
		if fmt.Sprint(have) != fmt.Sprint(row) {
			t.Errorf("%s: the workflow has %v, the table %v", job, have, row)
		}
	}
}
