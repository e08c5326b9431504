package shipped

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"

	"github.com/seedbed-dev/seedbed/internal/setup"
)

// workflow is the part of a workflow file that the trust table is about.
type workflow struct {
	file        string
	On          yaml.Node         `yaml:"on"`
	Permissions map[string]string `yaml:"permissions"`
	Jobs        map[string]job    `yaml:"jobs"`
}

type job struct {
	Name        string            `yaml:"name"`
	If          string            `yaml:"if"`
	Needs       yaml.Node         `yaml:"needs"`
	Uses        string            `yaml:"uses"`
	Timeout     int               `yaml:"timeout-minutes"`
	Permissions map[string]string `yaml:"permissions"`
	Concurrency string            `yaml:"concurrency"`
	Environment yaml.Node         `yaml:"environment"`
	Secrets     yaml.Node         `yaml:"secrets"`
	Strategy    struct {
		Matrix map[string]string `yaml:"matrix"`
	} `yaml:"strategy"`
	Steps []step `yaml:"steps"`
}

type step struct {
	If   string            `yaml:"if"`
	Uses string            `yaml:"uses"`
	Run  string            `yaml:"run"`
	With map[string]string `yaml:"with"`
	Env  map[string]string `yaml:"env"`
}

// ours says whether the step runs Seedbed.
func (s step) ours() bool { return s.Uses == "./" || strings.HasPrefix(s.Uses, "OWNER/seedbed@") }

func (s step) action() string { name, _, _ := strings.Cut(s.Uses, "@"); return name }

func workflows(t *testing.T) map[string]workflow {
	t.Helper()
	all := map[string]workflow{}
	for _, path := range workflowFiles(t) {
		w := workflow{file: strings.TrimPrefix(path, abs(t)+"/")}
		if err := yaml.Unmarshal([]byte(read(t, path)), &w); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all[w.file] = w
	}
	return all
}

// row is a line of the trust table: what a job's token may do, which secrets it
// may see, which steps it runs, and whether it may check the repository out.
type row struct {
	file, job   string
	permissions string // as in the workflow: "contents: read, issues: write", sorted
	secrets     []string
	runs        []string
	checkout    bool
	key         string // row of setup.Permissions, if it has one
}

const (
	cycle   = ".github/workflows/cycle.yml"
	deploys = ".github/workflows/deploy.yml"
	quick   = "examples/workflows/quickstart.yml"
	self    = ".github/workflows/self.yml"

	decides  = "actions: write, checks: write, contents: write, issues: write, pull-requests: write, statuses: read"
	proposer = "actions: read, checks: read, contents: read, issues: read, pull-requests: read"
	governor = "actions: read, checks: write, contents: write, issues: write, pull-requests: write"
)

// trust is the whole table. What stands here and in no workflow, or the other
// way round, fails. Never widen a row to make a step work.
var trust = slices.Concat([]row{
	{cycle, "accept", "actions: read, contents: write, issues: write, pull-requests: read", nil, []string{"plan --select", "govern"}, false, "accept"},
	{cycle, "sense", proposer, []string{"model_key"}, []string{"plan"}, true, ""},
	{cycle, "build", "actions: read, contents: read, issues: read, pull-requests: read", []string{"model_key"}, []string{"plan implement test review"}, true, "build"},
	{cycle, "verify", "actions: read, contents: read", nil, []string{"test"}, true, "verify"},
	{cycle, "decide", decides, nil, []string{"govern"}, false, "decide"},
	{".github/workflows/decide.yml", "decide", decides, nil, []string{"govern"}, false, "decide"},
	{deploys, "deploy", "contents: read, deployments: write, issues: read, pull-requests: read", []string{"deploy_token", "heroku_api_key", "rollbar_token"}, []string{"deploy"}, false, "deploy"},
	{deploys, "record", "contents: write, deployments: read, issues: write", nil, []string{"govern"}, false, "record"},
	{quick, "propose", proposer, []string{"OPENAI_API_KEY"}, []string{"plan implement test review"}, true, ""},
	{quick, "govern", governor, nil, []string{"govern"}, false, ""},
	{self, "propose", proposer, []string{"OPENAI_API_KEY"}, []string{"plan implement test review"}, true, ""},
	{self, "govern", governor, nil, []string{"govern"}, true, ""}, // the checkout is the action itself
	{".github/workflows/ci.yml", "ci", "contents: read", nil, nil, true, ""},
}, judges(".github/workflows/pull-request.yml"), judges("examples/workflows/pull-request.yml"))

// judges are the rows of pull-request.yml, which users copy whole: a required
// check must have its own name, which a called workflow's job has not.
func judges(file string) []row {
	return []row{
		{file, "judge", "actions: read, checks: read, contents: read, issues: read, pull-requests: write, statuses: read", nil, []string{"govern"}, false, ""},
		{file, "review", "actions: read, contents: read, issues: read, pull-requests: read", []string{"OPENAI_API_KEY"}, []string{"review"}, false, ""},
		{file, "post", "actions: read, pull-requests: write", nil, []string{"govern"}, false, ""},
	}
}

func permissions(p map[string]string) string {
	var list []string
	for _, k := range slices.Sorted(maps.Keys(p)) {
		list = append(list, k+": "+p[k])
	}
	return strings.Join(list, ", ")
}

var secretUse = regexp.MustCompile(`secrets\s*(\.\s*([A-Za-z0-9_]+)|\[)`)

// secretsOf lists the secrets a job's steps name, sorted.
func secretsOf(j job) []string {
	var found []string
	for _, s := range j.Steps {
		for _, values := range []map[string]string{s.With, s.Env, {"run": s.Run, "if": s.If}} {
			for _, v := range values {
				for _, m := range secretUse.FindAllStringSubmatch(v, -1) {
					found = append(found, m[2])
				}
			}
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// Each job of each workflow is a row of the table and the other way round: the
// same permissions, secrets, steps, and a checkout only where it is allowed.
func TestTrustTable(t *testing.T) {
	all := workflows(t)
	rows := map[string]bool{}
	for _, r := range trust {
		name := r.file + " " + r.job
		rows[name] = true
		j, ok := all[r.file].Jobs[r.job]
		if !ok {
			t.Errorf("%s: in the table and in no workflow", name)
			continue
		}
		if have := permissions(j.Permissions); have != r.permissions {
			t.Errorf("%s: have permissions %q, want %q", name, have, r.permissions)
		}
		if have := secretsOf(j); !slices.Equal(have, r.secrets) {
			t.Errorf("%s: have secrets %q, want %q", name, have, r.secrets)
		}
		var runs []string
		checkout := false
		for _, s := range j.Steps {
			if s.ours() {
				runs = append(runs, s.With["run"])
			}
			checkout = checkout || s.action() == "actions/checkout"
		}
		if !slices.Equal(runs, r.runs) {
			t.Errorf("%s: runs %q, want %q", name, runs, r.runs)
		}
		if checkout != r.checkout {
			t.Errorf("%s: checks the repository out: %v, want %v", name, checkout, r.checkout)
		}
	}
	for file, w := range all {
		for name, j := range w.Jobs {
			if j.Uses == "" && !rows[file+" "+name] {
				t.Errorf("%s %s: in no row of the table", file, name)
			}
		}
	}
}

// What rehearsals give each job's token is what the workflows give it.
func TestRehearsalHasTheSamePermissions(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range trust {
		if r.key == "" {
			continue
		}
		seen[r.key] = true
		have := map[string]string{}
		for k, v := range setup.Permissions[r.key] {
			have[strings.ReplaceAll(k, "_", "-")] = v
		}
		if permissions(have) != r.permissions {
			t.Errorf("setup.Permissions[%q] is %q, want %q as in %s", r.key, permissions(have), r.permissions, r.file)
		}
	}
	for key := range setup.Permissions {
		if !seen[key] {
			t.Errorf("setup.Permissions has %q, which is no row of the table", key)
		}
	}
}

// No job that sees a model or runs the repository's code can write anything,
// and the model's key is nowhere else.
func TestModelAndWriteNeverMeet(t *testing.T) {
	for _, r := range trust {
		model := slices.Contains(r.secrets, "model_key") || slices.Contains(r.secrets, "OPENAI_API_KEY")
		code := slices.ContainsFunc(r.runs, func(s string) bool { return strings.Contains(s, "implement") || strings.HasPrefix(s, "test") })
		if (model || code) && strings.Contains(r.permissions, "write") {
			t.Errorf("%s %s: sees a model or repository code and may write: %s", r.file, r.job, r.permissions)
		}
		if model != slices.ContainsFunc(r.runs, asksModel) {
			t.Errorf("%s %s: model key %v, but it runs %q", r.file, r.job, model, r.runs)
		}
	}
}

// asksModel says whether an input run has a step that may call a model.
func asksModel(run string) bool {
	first, rest, _ := strings.Cut(run, " ")
	return rest != "--select" && (first == "plan" || first == "review")
}

// A caller grants exactly what the jobs of the called workflow ask for.
func TestCallersGrantTheUnion(t *testing.T) {
	all := workflows(t)
	for file, w := range all {
		for name, j := range w.Jobs {
			if j.Uses == "" {
				continue
			}
			path, ref, _ := strings.Cut(strings.TrimPrefix(j.Uses, "OWNER/seedbed/"), "@")
			called, ok := all[path]
			if !ok || ref != "v1" {
				t.Errorf("%s %s calls %s, which is not shipped", file, name, j.Uses)
				continue
			}
			union := map[string]string{}
			for _, c := range called.Jobs {
				for k, v := range c.Permissions {
					if union[k] != "write" {
						union[k] = v
					}
				}
			}
			if have, want := permissions(j.Permissions), permissions(union); have != want {
				t.Errorf("%s %s: grants %q, %s needs %q", file, name, have, path, want)
			}
			if j.Secrets.Kind == yaml.ScalarNode {
				t.Errorf("%s %s: secrets are passed by name, not %q", file, name, j.Secrets.Value)
			}
		}
	}
}

var (
	digest = regexp.MustCompile(`^[a-z-]+/[a-z-]+@[0-9a-f]{40}$`)
	tag    = regexp.MustCompile(`^[a-z-]+/[a-z-]+@v[0-9]+$`)
)

// What holds for every workflow, one by one.
func TestEveryWorkflow(t *testing.T) {
	for file, w := range workflows(t) {
		if w.Permissions == nil || len(w.Permissions) != 0 {
			t.Errorf("%s: top-level permissions are %v, want {}", file, w.Permissions)
		}
		for name, j := range w.Jobs {
			if j.Permissions == nil {
				t.Errorf("%s %s: no permissions of its own", file, name)
			}
			if j.Uses == "" && j.Timeout == 0 {
				t.Errorf("%s %s: no timeout-minutes", file, name)
			}
			if j.Environment.Kind != 0 {
				t.Errorf("%s %s: has an environment", file, name)
			}
			for _, s := range j.Steps {
				checkStep(t, file, name, s)
			}
		}
	}
}

func checkStep(t *testing.T, file, name string, s step) {
	t.Helper()
	where := file + " " + name + " " + s.Uses
	if strings.Contains(s.Run, "${{") {
		t.Errorf("%s: an expression inside run text: %s", where, s.Run)
	}
	if strings.Contains(s.Uses, "cache") || s.With["cache"] != "" && s.With["cache"] != "false" ||
		strings.HasPrefix(s.Uses, "actions/setup-go@") && s.With["cache"] != "false" {
		t.Errorf("%s: restores or saves a cache", where)
	}
	switch {
	case s.ours():
		if s.With["kill"] != "${{ vars.SEEDBED_KILL }}" {
			t.Errorf("%s: is not passed the kill switch", where)
		}
		if s.Uses == "./" && file != self {
			t.Errorf("%s: ./ is the caller's checkout there", where)
		}
	case s.Uses != "" && strings.HasPrefix(file, ".github/"):
		if !digest.MatchString(s.Uses) {
			t.Errorf("%s: not pinned by digest", where)
		}
	case s.Uses != "":
		if !tag.MatchString(s.Uses) {
			t.Errorf("%s: examples use major tags", where)
		}
	}
	switch s.action() {
	case "actions/checkout":
		if s.With["persist-credentials"] != "false" {
			t.Errorf("%s: leaves its token in the work tree", where)
		}
	case "actions/upload-artifact":
		if s.With["retention-days"] != "3" || !strings.Contains(s.With["name"], "github.run_attempt") {
			t.Errorf("%s: keep artifacts 3 days, under a name with the attempt; have %v", where, s.With)
		}
	}
}

// pull_request_target runs with the repository's own secrets next to a
// stranger's change: nothing is checked out and no shell is run.
func TestPullRequestTarget(t *testing.T) {
	found := 0
	for file, w := range workflows(t) {
		if _, ok := triggers(w)["pull_request_target"]; !ok {
			continue
		}
		found++
		for name, j := range w.Jobs {
			for _, s := range j.Steps {
				if s.Run != "" || s.Uses == "./" || strings.Contains(s.Uses, "checkout") {
					t.Errorf("%s %s: checks out or runs something: %+v", file, name, s)
				}
			}
		}
	}
	if found != 2 {
		t.Errorf("have %d workflows on pull_request_target, want the shipped one and its example", found)
	}
}

func triggers(w workflow) map[string]yaml.Node {
	all := map[string]yaml.Node{}
	if w.On.Decode(&all) != nil {
		all[w.On.Value] = yaml.Node{}
	}
	return all
}

// A skipped job satisfies a required check, so a job that may be required has
// no condition, no needs and no path filter, and turns red for everything that
// is not a yes.
func TestRequiredChecksAreNeverSkipped(t *testing.T) {
	all := workflows(t)
	for file, name := range map[string]string{".github/workflows/pull-request.yml": "judge", "examples/workflows/pull-request.yml": "judge", ".github/workflows/ci.yml": "ci"} {
		j := all[file].Jobs[name]
		if j.If != "" || j.Needs.Kind != 0 || j.Strategy.Matrix != nil || strings.Contains(read(t, abs(t, file)), "paths") {
			t.Errorf("%s %s: may be skipped", file, name)
		}
		if name == "judge" && (j.Name != "seedbed" || j.Steps[0].With["fail_on"] != "1,2,3,4,5") {
			t.Errorf("%s %s: is named %q and fails on %q", file, name, j.Name, j.Steps[0].With["fail_on"])
		}
	}
}

// Claims are made one at a time, and everything that appends to the log is one
// at a time; whoever waits is not evicted, since its artifacts would be lost.
func TestConcurrency(t *testing.T) {
	want := map[string]string{
		cycle + " accept": "seedbed-accept", cycle + " decide": "seedbed-log", ".github/workflows/decide.yml decide": "seedbed-log",
		deploys + " record": "seedbed-log", deploys + " deploy": "seedbed-deploy",
	}
	for file, w := range workflows(t) {
		for name, j := range w.Jobs {
			if have := groupOf(t, j.Concurrency); have != want[file+" "+name] {
				t.Errorf("%s %s: concurrency group %q, want %q", file, name, have, want[file+" "+name])
			}
		}
	}
}

func groupOf(t *testing.T, expression string) string {
	t.Helper()
	if expression == "" {
		return ""
	}
	text := strings.TrimSuffix(strings.TrimPrefix(expression, "${{ fromJSON(true && '"), "') }}")
	var c struct {
		Group  string `json:"group"`
		Cancel *bool  `json:"cancel-in-progress"`
		Queue  string `json:"queue"`
	}
	if err := json.Unmarshal([]byte(text), &c); err != nil || c.Cancel == nil || *c.Cancel || c.Queue != "max" {
		t.Errorf("concurrency %q: want a queue of any length that cancels nothing (%v)", expression, err)
	}
	return c.Group
}

// An empty matrix is an error on GitHub, and a failed leg skips what depends on
// it: matrix jobs are guarded, and those after them say when they run.
func TestMatrixJobsAreGuarded(t *testing.T) {
	jobs := workflows(t)[cycle].Jobs
	for _, name := range []string{"build", "verify"} {
		j := jobs[name]
		if !strings.Contains(j.If, "(needs.accept.outputs.count || '0') != '0'") || !strings.Contains(j.Strategy.Matrix["task"], "|| '[]'") {
			t.Errorf("%s: if %q, matrix %q", name, j.If, j.Strategy.Matrix)
		}
	}
	for _, name := range []string{"verify", "decide"} {
		if !strings.Contains(jobs[name].If, "!cancelled()") {
			t.Errorf("%s: if %q lacks !cancelled()", name, jobs[name].If)
		}
	}
}

// The two copies of pull-request.yml differ in how they pin, and in nothing else.
func TestPullRequestExampleIsTheShippedOne(t *testing.T) {
	pins := regexp.MustCompile(`(actions/[a-z-]+)@\S+(  # v\S+)?`)
	have := pins.ReplaceAllString(read(t, abs(t, "examples/workflows/pull-request.yml")), "$1")
	want := pins.ReplaceAllString(read(t, abs(t, ".github/workflows/pull-request.yml")), "$1")
	if have != want {
		t.Errorf("have\n%s\nwant\n%s", have, want)
	}
}

// A digest without its version in words is a riddle to whoever updates it.
func TestPinsNameTheirVersion(t *testing.T) {
	pin := regexp.MustCompile(`@[0-9a-f]{40}(.*)`)
	for _, path := range workflowFiles(t) {
		for _, m := range pin.FindAllStringSubmatch(read(t, path), -1) {
			if !regexp.MustCompile(`^  # v\d+\.\d+\.\d+$`).MatchString(m[1]) {
				t.Errorf("%s: %s: want a comment with the version", filepath.Base(path), m[0])
			}
		}
	}
}
