package setup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/seedbed-dev/seedbed/internal/check"
	"github.com/seedbed-dev/seedbed/internal/command"
	"github.com/seedbed-dev/seedbed/internal/seed"
)

// State is how one check of doctor ended.
type State string

// The states. Unknown is not a fault: the answer is not to be had from here.
const (
	StateOK      State = "ok"
	StateProblem State = "problem"
	StateUnknown State = "unknown here"
)

// Checkup is one line of doctor's report.
type Checkup struct {
	Name   string `json:"name"`
	State  State  `json:"state"`
	Detail string `json:"detail"`
	Change string `json:"change,omitempty"` // the one setting that mends a problem
}

// Diagnosis is everything doctor looked at, in the order in which it matters.
type Diagnosis struct {
	Checks []Checkup `json:"checks"`
}

// Healthy says whether no check is a problem.
func (d Diagnosis) Healthy() bool {
	return !slices.ContainsFunc(d.Checks, func(c Checkup) bool { return c.State == StateProblem })
}

// Count is the number of checks in a state.
func (d Diagnosis) Count(s State) (n int) {
	for _, c := range d.Checks {
		if c.State == s {
			n++
		}
	}
	return n
}

// Text is the report for a terminal, at most 100 columns wide.
func (d Diagnosis) Text() string {
	var b strings.Builder
	for _, c := range d.Checks {
		for i, line := range wrapped(c.Detail, 100-33) {
			state, name := string(c.State), c.Name
			if i > 0 {
				state, name = "", ""
			}
			b.WriteString(strings.TrimRight(fmt.Sprintf("%-12s  %-17s  %s", state, name, line), " ") + "\n")
		}
		if c.Change != "" {
			for i, line := range wrapped("change: "+c.Change, 100-35) {
				fmt.Fprintf(&b, "%-33s%s%s\n", "", map[bool]string{false: "  "}[i == 0], line)
			}
		}
	}
	fmt.Fprintf(&b, "\n%d ok · %d problem · %d unknown here\n", d.Count(StateOK), d.Count(StateProblem), d.Count(StateUnknown))
	return b.String()
}

// wrapped breaks text at spaces so that no line is longer than width, where
// that can be done.
func wrapped(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(shownText(text)) {
		for len([]rune(word)) > width {
			r := []rune(word)
			lines, line, word = append(lines, strings.TrimSpace(line+" "+string(r[:max(1, width-len([]rune(line))-1)]))), "", string(r[max(1, width-len([]rune(line))-1):])
		}
		if len([]rune(line))+1+len([]rune(word)) > width && line != "" {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimSpace(line + " " + word)
	}
	return append(lines, line)
}

func shownText(s string) string { return command.Clean([]byte(s), 1<<16) }

// DoctorOptions say what doctor looks at and by which means. It writes nothing
// unless Write is set.
type DoctorOptions struct {
	Dir string // a folder of the work tree
	Job string // a row of Permissions that the token is compared with; empty: all

	Forge   DoctorForge // nil: no token
	NoForge string      // why

	// Sandbox gives the layers that guard a command here; none says that the
	// seed asks for no isolation.
	Sandbox func(none bool) ([]command.Layer, error)
	// Program runs a program found on PATH and gives what it prints; nil runs it.
	Program func(ctx context.Context, name string, args ...string) (string, error)
	HTTP    http.RoundTripper // to the model's endpoint; nil: the default

	Env      func(string) string
	Key      string // of the model; never printed
	ModelURL string // flag
	Model    string // flag
	Actions  bool   // in a workflow run, where secrets should be there

	Write bool // try to create and delete a reference
	Now   func() time.Time
}

// doctor is one examination.
type doctor struct {
	DoctorOptions
	Diagnosis
	root   *os.Root // of the work tree; nil when there is none
	seed   *seed.Seed
	judges bool // a workflow judges people's pull requests
}

// Doctor examines a repository, the machine it stands on, the forge and the
// model's endpoint. What cannot be seen from here is told as such. The error is
// only that the examination was interrupted.
func Doctor(ctx context.Context, o DoctorOptions) (Diagnosis, error) {
	d := &doctor{DoctorOptions: o}
	if d.Program == nil {
		d.Program = runProgram
	}
	if d.Env == nil {
		d.Env = func(string) string { return "" }
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	defer d.close()
	d.git(ctx)
	d.readSeed()
	if d.seed != nil {
		d.settings()
		d.reserved()
		d.patterns(ctx)
		d.programs(ctx)
	}
	d.sandbox()
	d.workflows()
	d.forge(ctx)
	d.model(ctx)
	if d.seed != nil {
		d.rate()
	}
	return d.Diagnosis, ctx.Err()
}

func (d *doctor) close() {
	if d.root != nil {
		d.root.Close()
	}
}

func (d *doctor) ok(name, format string, args ...any) {
	d.Checks = append(d.Checks, Checkup{Name: name, State: StateOK, Detail: fmt.Sprintf(format, args...)})
}

func (d *doctor) problem(name, change, format string, args ...any) {
	d.Checks = append(d.Checks, Checkup{Name: name, State: StateProblem, Detail: fmt.Sprintf(format, args...), Change: change})
}

func (d *doctor) unknown(name, format string, args ...any) {
	d.Checks = append(d.Checks, Checkup{Name: name, State: StateUnknown, Detail: fmt.Sprintf(format, args...)})
}

var gitVersion = regexp.MustCompile(`^git version (\d+)\.(\d+)[^ \n]*`)

// git 2.38 is the first with merge-tree --write-tree.
func (d *doctor) git(ctx context.Context) {
	out, err := d.Program(ctx, "git", "--version")
	if err != nil {
		d.problem("git", "install git 2.38 or newer", "not to be had: %v", err)
		return
	}
	m := gitVersion.FindStringSubmatch(out)
	if m == nil {
		d.problem("git", "install git 2.38 or newer", "it says %q", firstLineOf([]byte(out)))
		return
	}
	major, _ := strconv.Atoi(m[1])
	minor, _ := strconv.Atoi(m[2])
	if major < 2 || major == 2 && minor < 38 {
		d.problem("git", "install git 2.38 or newer", "version %s.%s", m[1], m[2])
		return
	}
	d.ok("git", "%s", strings.TrimPrefix(m[0], "git version "))
}

const maxSeed = 1 << 20

// readSeed reads the contract as it stands in the work tree. The judge reads it
// at the base commit.
func (d *doctor) readSeed() {
	top, err := workTree(d.Dir)
	if err != nil {
		d.problem("repository", "run it where git init was run, or pass --repo DIR", "%v", err)
		return
	}
	if d.root, err = os.OpenRoot(top); err != nil {
		d.problem("repository", "make the folder readable", "%v", err)
		return
	}
	data, err := d.file(seedFile, maxSeed)
	if errors.Is(err, fs.ErrNotExist) {
		d.problem(seedFile, "seedbed init", "there is none in %s", top)
		return
	}
	if err != nil {
		d.problem(seedFile, "make it a plain, readable file", "%v", err)
		return
	}
	s, err := seed.Parse(seedFile, data)
	var all seed.Errors
	switch {
	case errors.As(err, &all):
		for _, e := range all {
			d.problem(seedFile, e.Hint, "%s", e.Error())
		}
	case err != nil:
		d.problem(seedFile, "", "%v", err)
	default:
		d.seed = s
		d.ok(seedFile, "valid; policy %.12s", s.Digest())
	}
}

// file reads a plain file of the work tree.
func (d *doctor) file(name string, limit int64) ([]byte, error) {
	info, err := d.root.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > limit {
		return nil, fmt.Errorf("%s is no plain file of at most %d bytes", name, limit)
	}
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, limit))
}

// settings tells the values in force that people ask about, and where each came
// from. Only the first group can be set from outside the file.
func (d *doctor) settings() {
	flags := map[string]string{"model.base_url": d.ModelURL, "model.name": d.Model}
	env := map[string]string{"model.base_url": d.Env("OPENAI_BASE_URL"), "model.name": d.Env("SEEDBED_MODEL")}
	for _, key := range seed.Overridable() {
		choice, err := seed.Pick(flags[key], env[key], d.seed.Setting(key))
		if err != nil {
			d.problem("setting", "mend that flag or variable", "%v", err)
			continue
		}
		if choice.Value == "" {
			choice.Value = "not set"
		}
		d.ok("setting", "%s", choice)
	}
	for _, key := range []string{"mode", "phase", "enforce", "automation_contract.merge_policy.allow_auto_merge",
		"automation_contract.task_labels.triggers", "automation_contract.ai_access.write_paths", "budgets.day.tokens"} {
		s := d.seed.Setting(key)
		if s.Value == "" || s.Value == "[]" {
			s.Value = "not set"
		}
		d.ok("setting", "%s", s)
	}
}

func (d *doctor) reserved() {
	uses := d.seed.ReservedInUse()
	if len(uses) == 0 {
		d.ok("reserved keys", "none in use")
	}
	for _, u := range uses {
		effect := ""
		if u.Limit {
			effect = "; it is a limit, so nothing merges alone"
		}
		d.ok("reserved keys", "%s%s", u, effect)
	}
}

// shellWords need no program of their own.
var shellWords = []string{"cd", "echo", "exit", "export", "false", "printf", "set", "sh", "test", "true", "unset"}

var (
	assignment  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*=`)
	programName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.+-]*$`)
	between     = regexp.MustCompile(`&&|\|\||;|\||\n`)
)

// programsOf lists the programs that lines for a shell begin with.
func programsOf(lines []string) []string {
	var list []string
	for _, line := range lines {
		for _, part := range between.Split(line, -1) {
			fields := strings.Fields(part)
			for len(fields) > 0 && assignment.MatchString(fields[0]) {
				fields = fields[1:]
			}
			if len(fields) > 0 && programName.MatchString(fields[0]) && !slices.Contains(shellWords, fields[0]) && !slices.Contains(list, fields[0]) {
				list = append(list, fields[0])
			}
		}
	}
	slices.Sort(list)
	return list
}

// programs looks for what the seed's commands start with.
func (d *doctor) programs(ctx context.Context) {
	var lines []string
	for _, c := range check.Commands(d.seed, check.Setup, check.Format, check.Lint, check.Typecheck, check.Test) {
		lines = append(lines, c.Run)
	}
	for _, w := range d.seed.Workers {
		lines = append(lines, w.Command)
	}
	needed := programsOf(lines)
	if len(d.seed.Commands.Test) == 0 {
		d.problem("commands.test", "commands.test in seed.yaml", "no test command: nothing proves a change")
	}
	for _, name := range needed {
		version := []string{"--version"}
		if name == "go" {
			version = []string{"version"}
		}
		out, err := d.Program(ctx, name, version...)
		switch {
		case errors.Is(err, exec.ErrNotFound):
			d.problem(name, "install "+name+", or change the command", "seed.yaml's commands start it and it is not on PATH")
		case err != nil:
			d.ok(name, "found")
		default:
			d.ok(name, "%s", clipped(firstLineOf([]byte(out)), 60))
		}
	}
}

// runProgram asks a program for its version, in a neutral folder: a repository
// may hold configuration that makes tools start others.
func runProgram(ctx context.Context, name string, args ...string) (string, error) {
	at, err := exec.LookPath(name)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, at, args...)
	cmd.Dir = os.TempDir()
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "LC_ALL=C", "GOTOOLCHAIN=local", "GIT_CONFIG_NOSYSTEM=1"}
	cmd.WaitDelay = time.Second
	out := command.NewCapture(4 << 10)
	cmd.Stdout = out
	err = cmd.Run()
	return string(out.Bytes()), err
}

func (d *doctor) sandbox() {
	if d.Sandbox == nil {
		d.unknown("sandbox", "not looked at")
		return
	}
	none := d.seed != nil && d.seed.Sandbox == "none"
	layers, err := d.Sandbox(none)
	if err != nil {
		d.problem("sandbox", "a kernel with user namespaces or Landlock (on Ubuntu 24.04: sysctl kernel.apparmor_restrict_unprivileged_userns=0)", "%v", err)
		return
	}
	missing := command.Missing(layers)
	var held []string
	for _, l := range layers {
		if l.InForce {
			held = append(held, l.Name)
		}
	}
	words := ""
	if none {
		words = "sandbox: none in seed.yaml, every verdict will say so; "
	}
	d.ok("sandbox", "%s%d of %d layers in force: %s", words, len(held), len(layers), strings.Join(held, ", "))
	for _, l := range missing {
		d.ok("sandbox", "without %s: %s", l.Name, l.Detail)
	}
}

// workflows looks at what init writes, and at the owner's workflows that run on
// agents' branches with the owner's secrets.
func (d *doctor) workflows() {
	if d.root == nil {
		return
	}
	dir, err := d.root.Open(strings.TrimSuffix(workflowDir, "/"))
	if err != nil {
		d.problem("workflows", "seedbed init", "no .github/workflows here: nothing starts a cycle")
		return
	}
	entries, err := dir.ReadDir(1000)
	dir.Close()
	if err != nil && !errors.Is(err, io.EOF) {
		d.unknown("workflows", "%v", err)
		return
	}
	slices.SortFunc(entries, func(a, b os.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	var ours, theirs []string
	for _, e := range entries {
		name := workflowDir + e.Name()
		if path.Ext(name) != ".yml" && path.Ext(name) != ".yaml" {
			continue
		}
		data, err := d.file(name, maxManifest)
		if err != nil {
			d.unknown("workflows", "%v", err)
			continue
		}
		if calls := callsSeedbed(data); calls {
			ours = append(ours, e.Name())
			d.judges = d.judges || strings.Contains(string(data), "pull_request_target")
			if strings.Contains(string(data), "OWNER/seedbed") {
				d.problem("workflows", "write the account that publishes Seedbed for OWNER", "%s uses OWNER/seedbed", shown(name))
			}
		} else if onEveryBranch(data) {
			theirs = append(theirs, shown(e.Name()))
		}
	}
	if len(ours) == 0 {
		d.problem("workflows", "seedbed init", "none of them uses Seedbed: nothing starts a cycle")
	} else {
		d.ok("workflows", "%s", shown(strings.Join(ours, ", ")))
	}
	if len(theirs) > 0 {
		d.ok("your workflows", "run on agents' branches too, with their secrets: %s (on.push.branches-ignore: ['seedbed/**'] stops it)",
			strings.Join(theirs[:min(len(theirs), 5)], ", "))
	}
}

// callsSeedbed says whether a workflow uses Seedbed's action or workflows.
func callsSeedbed(data []byte) bool {
	return strings.Contains(string(data), "/seedbed@") || strings.Contains(string(data), "/seedbed/.github/workflows/")
}

// onEveryBranch says whether a workflow runs on a push to any branch.
func onEveryBranch(data []byte) bool {
	var doc yaml.Node
	if yaml.Unmarshal(data, &doc) != nil || len(doc.Content) == 0 {
		return false
	}
	on := value(doc.Content[0], "on")
	if !triggers(on, "push") {
		return false
	}
	push := value(on, "push")
	for _, filter := range []string{"branches", "branches-ignore", "tags"} {
		if value(push, filter) != nil {
			return false
		}
	}
	return true
}

// Calls to GitHub that one task costs from label to merge, and what a job's
// token has in an hour (https://docs.github.com/rest/using-the-rest-api/rate-limits-for-the-rest-api).
const (
	callsPerTask = 40
	callsPerHour = 1000
)

func (d *doctor) rate() {
	tasks := d.seed.Budgets.Cycle.Tasks
	words := fmt.Sprintf("GITHUB_TOKEN has %d an hour, about %d tasks at %d calls; a cycle takes %d (%s)", callsPerHour,
		callsPerHour/callsPerTask, callsPerTask, tasks, d.seed.At("budgets.cycle.tasks"))
	if tasks*callsPerTask > callsPerHour {
		d.problem("calls", "budgets.cycle.tasks to 25 or less, or an App token", "%s", words)
		return
	}
	d.ok("calls", "%s", words)
}
