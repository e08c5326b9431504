package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/seedbed-dev/seedbed/internal/fakegithub"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/setup"
)

// stations is a growth cycle stopped before each job of the trust table, so
// that every job can be run again and again from where it begins.
type stations struct {
	t    *testing.T
	at   map[string]string // row -> folder with everything
	runs int64             // workflow run of the cycle
	sha  string            // merged commit
	key  string            // of the task
}

var stationFiles = map[string]string{
	"notes.txt": "plain words\n",
	"ship.sh":   "mkdir -p $DEPLOY_ROOT && echo ok >$DEPLOY_ROOT/healthz\nprintf '{\"release\": \"r1\", \"url\": \"file://%s\"}\\n' $DEPLOY_ROOT\n",
	"seed.yaml": `version: 1
project: {name: notes}
mode: auto
phase: 4
commands: {test: ["test -s notes.txt"]}
workers: {shout: {command: "tr a-z A-Z <notes.txt >n && mv n notes.txt"}}
automation_contract: {merge_policy: {allow_auto_merge: true}}
growth: {preapproved_modules: ["**"]}
deploy:
  provider: command
  staging: {deploy: sh ship.sh, rollback: sh ship.sh}
  production: {promote: sh ship.sh, rollback: sh ship.sh}
  watch: {settle: 0s, window: 1s, interval: 1s, min_samples: 1}
  promotion: auto
`,
	".github/workflows/deploy.yml": "on: {workflow_dispatch: {inputs: {sha: {}}}}\n",
}

// jobs are the commands of each row, as the shipped workflows run them.
func (s *stations) jobs(row, dir string) [][]string {
	in := func(parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) }
	build, verify := in("handed", "build"), in("verified", "verify")
	return map[string][][]string{
		"accept": {{"plan", "--select", "--run-dir", in("accept")}, {"govern", "--expect", "accept", "--run-dir", in("accept")}},
		"build": {{"plan", "--task", s.key, "--accepted", in("accept"), "--run-dir", build},
			{"implement", "--run-dir", build}, {"test", "--run-dir", build}, {"review", "--run-dir", build}},
		"verify": {{"test", "--from", build, "--task", s.key, "--accepted", in("accept"), "--run-dir", verify}},
		"decide": {{"govern", "--expect", "build", "--run-dir", in("handed"), "--verify", in("verified"), "--deploy-workflow", "deploy.yml"}},
		"deploy": {{"deploy", "--sha", s.sha, "--run-dir", in("deploy")}},
		"record": {{"govern", "--expect", "deploy", "--run-dir", in("deploy")}},
	}[row]
}

// do runs the commands of a row from its station, with these permissions, in a
// copy that keep names or a temporary one. It gives the last command's exit code
// and what was said.
func (s *stations) do(t *testing.T, row string, may map[string]string, keep string) (code int, said string) {
	t.Helper()
	dir := keep
	if dir == "" {
		dir = filepath.Join(t.TempDir(), "w")
	}
	if out, err := exec.Command("cp", "-r", s.at[row], dir).CombinedOutput(); err != nil {
		t.Fatalf("copying: %v\n%s", err, out)
	}
	server, base := openHub(t, dir)
	defer server.Close()
	token, err := server.MintToken(fakegithub.Token{Name: "job", Kind: fakegithub.KindActions, Repo: hubRepo, Permissions: may})
	if err != nil {
		t.Fatal(err)
	}
	env := s.environment(t, dir, base, token)
	var told bytes.Buffer
	for _, args := range s.jobs(row, dir) {
		var out, talk bytes.Buffer
		code = run(t.Context(), args, strings.NewReader(""), &out, &talk, env)
		fmt.Fprintf(&told, "> seedbed %s\n%s%s[exit code %d]\n", strings.Join(args, " "), &out, &talk, code)
		if code != 0 {
			break
		}
	}
	return code, told.String()
}

func (s *stations) environment(t *testing.T, dir, base, token string) []string {
	temp := filepath.Join(dir, "tmp")
	if err := os.MkdirAll(temp, 0o755); err != nil {
		t.Fatal(err)
	}
	events, err := filepath.Glob(filepath.Join(dir, "hub", "events", "*-issues-labeled.json"))
	if err != nil || len(events) == 0 {
		t.Fatalf("no label event: %v", err)
	}
	return []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "RUNNER_TEMP=" + temp, "GITHUB_WORKSPACE=" + filepath.Join(dir, "clone"),
		"GITHUB_API_URL=" + base, "GITHUB_SERVER_URL=" + base, "GITHUB_GRAPHQL_URL=" + base + "/graphql", "GITHUB_REPOSITORY=" + hubRepo,
		"GITHUB_RUN_ID=" + fmt.Sprint(s.runs), "GITHUB_RUN_ATTEMPT=1", "GITHUB_EVENT_NAME=issues", "GITHUB_EVENT_PATH=" + events[len(events)-1],
		"GITHUB_TOKEN=" + token, "DEPLOY_ROOT=" + filepath.Join(dir, "released")}
}

func openHub(t *testing.T, dir string) (*fakegithub.Server, string) {
	t.Helper()
	server, err := fakegithub.Open(fakegithub.Options{Root: filepath.Join(dir, "hub")})
	if err != nil {
		t.Fatal(err)
	}
	base, err := server.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return server, base
}

// ask makes one request as ana.
func ask(t *testing.T, server *fakegithub.Server, base, method, path, body string) {
	t.Helper()
	token, err := server.MintToken(fakegithub.Token{Name: "ana", Kind: fakegithub.KindUser, Login: "ana"})
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(method, base+"/repos/"+hubRepo+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode >= 300 {
		t.Fatalf("%s %s: %s", method, path, res.Status)
	}
}

// newStations drives one cycle with all the permissions of the table and keeps
// the world as it was before each job. The issue was claimed before by a run
// that is over, so that the claim's run has to be asked for.
func newStations(t *testing.T) *stations {
	t.Helper()
	s := &stations{t: t, at: map[string]string{}}
	root := t.TempDir()
	first := filepath.Join(root, "first")
	files := filepath.Join(root, "files")
	for name, text := range stationFiles {
		to := filepath.Join(files, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	server, base := openHub(t, first)
	if err := server.AddRepository(fakegithub.Repository{Owner: "ana", Name: "notes", DefaultBranch: "main", From: files}); err != nil {
		t.Fatal(err)
	}
	bare := filepath.Join(first, "hub", hubRepo+".git")
	head := gitIn(t, bare, "rev-parse", "main")
	ask(t, server, base, "POST", "/issues", `{"title":"Shout"}`)
	ask(t, server, base, "POST", "/issues/1/labels", `{"labels":["worker:shout","ai-task"]}`)
	cycle := func(status string, id int64) int64 {
		r := fakegithub.Run{ID: id, Path: ".github/workflows/cycle.yml", Name: "seedbed", Event: "issues", Status: status, HeadSHA: head}
		if status == "completed" {
			r.Conclusion = "cancelled"
		}
		id, err := server.SetRun(hubRepo, r)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	if out, err := exec.Command("git", "clone", "-q", bare, filepath.Join(first, "clone")).CombinedOutput(); err != nil {
		t.Fatalf("cloning: %v\n%s", err, out)
	}
	over, now := cycle("in_progress", 0), cycle("in_progress", 0)
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	s.at["accept"], s.runs = first, over
	second := filepath.Join(root, "second")
	s.must("accept", second)
	if err := os.RemoveAll(filepath.Join(second, "accept")); err != nil {
		t.Fatal(err)
	}
	server, _ = openHub(t, second)
	cycle("completed", over)
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	s.at["accept"], s.runs = second, now
	for i, row := range rows[:len(rows)-1] {
		next := filepath.Join(root, "before-"+rows[i+1])
		s.must(row, next)
		s.at[rows[i+1]] = next
		s.learn(row, next)
	}
	return s
}

var rows = []string{"accept", "build", "verify", "decide", "deploy", "record"}

// must runs a row with its own permissions and keeps what came of it.
func (s *stations) must(row, keep string) {
	s.t.Helper()
	if code, said := s.do(s.t, row, setup.Permissions[row], keep); code != 0 {
		s.t.Fatalf("%s: have exit code %d with its own permissions\n%s", row, code, said)
	}
}

// learn takes from a job what the next ones are told by the workflow.
func (s *stations) learn(row, dir string) {
	s.t.Helper()
	switch row {
	case "accept":
		data, err := os.ReadFile(filepath.Join(dir, "accept", rundir.TasksFile))
		if err != nil {
			s.t.Fatal(err)
		}
		var tasks []struct{ Key string }
		if err := json.Unmarshal(data, &tasks); err != nil || len(tasks) != 1 {
			s.t.Fatalf("have %d tasks (%v)", len(tasks), err)
		}
		s.key = tasks[0].Key[:8]
	case "decide":
		s.sha = gitIn(s.t, filepath.Join(dir, "hub", hubRepo+".git"), "log", "--merges", "-1", "--format=%H", "main")
	}
}

func gitIn(t *testing.T, bare string, args ...string) string {
	t.Helper()
	out, err := exec.Command("git", append([]string{"--git-dir", bare}, args...)...).Output()
	if err != nil {
		t.Fatalf("git %s: %v", args[0], err)
	}
	return strings.TrimSpace(string(out))
}

// unmissed are permissions that a row has and that this cycle does without,
// each with its reason.
var unmissed = map[string]string{
	"build/contents":       "the checkout uses it; the command works on that",
	"build/issues":         "the task came with the accept job's run directory",
	"build/pull_requests":  "only a rework of a standing pull request reads it",
	"build/actions":        "downloading what other jobs handed over uses it",
	"verify/contents":      "the checkout uses it; the command works on that",
	"verify/actions":       "downloading what other jobs handed over uses it",
	"decide/actions":       "a deployment that cannot be dispatched is told; the merge stands",
	"deploy/issues":        "only an incident of an earlier run is read",
	"deploy/pull_requests": "only a change of cost is looked up",
	"record/deployments":   "only an incident is looked up",
	"record/issues":        "nothing to report after a good deployment",
}

// TestPermissions runs each job with exactly its row of the trust table, which
// is enough, and with one permission less, which is told by its name.
func TestPermissions(t *testing.T) {
	if testing.Short() {
		t.Skip("not run: a growth cycle for each permission takes a while, and -short is set")
	}
	s := newStations(t)
	for _, row := range rows {
		all := setup.Permissions[row]
		spare := maps.Clone(all)
		for _, name := range slices.Sorted(maps.Keys(all)) {
			if _, ok := unmissed[row+"/"+name]; ok {
				delete(spare, name)
				continue
			}
			t.Run(row+"/"+name, func(t *testing.T) {
				may := maps.Clone(all)
				may[name] = map[string]string{"write": "read", "read": "none"}[all[name]]
				code, said := s.do(t, row, may, "")
				if code != 3 || !strings.Contains(said, name+": "+all[name]) {
					t.Errorf("have exit code %d, want 3 and the permission %s: %s named\n%s", code, name, all[name], said)
				}
			})
		}
		t.Run(row, func(t *testing.T) {
			if code, said := s.do(t, row, spare, ""); code != 0 {
				t.Errorf("have exit code %d with %v, want 0\n%s", code, spare, said)
			}
		})
	}
}

func TestUnmissedPermissionsExist(t *testing.T) {
	for place := range unmissed {
		row, name, _ := strings.Cut(place, "/")
		if setup.Permissions[row][name] == "" {
			t.Errorf("%s: the trust table has no such permission", place)
		}
	}
}
