package realtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seedbed-dev/seedbed/internal/rundir"
)

// project is somebody's module at a fixed version, with a command that changes
// it. A change to test files is for a person to look at, so the one that is to
// be merged alone passes over them.
type project struct {
	module string
	worker string
	alone  string // the same for all but test files
}

var projects = []project{
	{module: "github.com/google/uuid@v1.6.0", worker: "gofmt -s -w .", alone: "ls *.go | grep -v _test.go | xargs gofmt -s -w"},
	{module: "github.com/go-chi/chi/v5@v5.2.3", worker: "go fix ./...",
		alone: "for f in $(find . -name '*_test.go'); do mv $f $f.kept; done; go fix ./...; for f in $(find . -name '*.kept'); do mv $f ${f%.kept}; done"},
}

// contract is the seed.yaml that is put into each project.
const contract = `version: 1
project: {name: real}
%s
commands: {test: ["go test ./..."]}
workers: {tidy: {command: %q}}
budgets: {change: {max_files: 60, max_lines: 2000}}
`

// alone sets every switch for merging without a person.
const alone = `mode: auto
phase: 4
growth: {preapproved_modules: ["**"]}
automation_contract: {merge_policy: {allow_auto_merge: true}}`

var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(withBinary(m))
}

// withBinary builds the program once for all tests.
func withBinary(m *testing.M) int {
	dir, err := os.MkdirTemp("", "realtest-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "seedbed")
	if out, err := exec.Command("go", "build", "-o", binary, "github.com/seedbed-dev/seedbed/cmd/seedbed").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "building seedbed: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// TestRehearse drives each project from a labelled issue to a merged pull
// request, in both ways there are: a second person approves, or every switch
// for merging without one is on.
func TestRehearse(t *testing.T) {
	if testing.Short() {
		t.Skip("not run: real modules take a while, and -short is set")
	}
	for _, p := range projects {
		source := fetch(t, p.module)
		if source == "" {
			continue
		}
		t.Run(p.module+"/approve", func(t *testing.T) {
			t.Parallel() // tests of others sleep a good deal
			r := newRepository(t, source, fmt.Sprintf(contract, "mode: propose", p.worker))
			r.grow("--approve")
			r.nothingMore()
		})
		t.Run(p.module+"/auto", func(t *testing.T) {
			t.Parallel() // tests of others sleep a good deal
			r := newRepository(t, source, fmt.Sprintf(contract, alone, p.alone))
			r.grow()
			r.nothingMore()
		})
	}
}

// fetch gives the module's files, or skips with the reason where the proxy
// cannot be reached.
func fetch(t *testing.T, module string) string {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "mod", "download", "-json", module)
	cmd.Dir = t.TempDir() // outside of any module
	out, err := cmd.Output()
	var got struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(out, &got); jsonErr != nil || err != nil || got.Dir == "" {
		t.Run(module, func(t *testing.T) {
			t.Skipf("not run: %s cannot be had from the module proxy: %s", module, firstLine(got.Error+fmt.Sprint(err)))
		})
		return ""
	}
	return got.Dir
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// environment is this process's without a network for the go command and
// without anything of the person's git.
//
// What the sandbox built is kept from run to run, beside what people's own
// rehearsals keep.
func environment(t *testing.T) []string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	return append(os.Environ(), "GOFLAGS=-mod=readonly", "GOPROXY=off", "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=ana", "GIT_AUTHOR_EMAIL=ana@example.com", "GIT_COMMITTER_NAME=ana", "GIT_COMMITTER_EMAIL=ana@example.com",
		"RUNNER_TEMP="+t.TempDir(), "SEEDBED_CACHE="+filepath.Join(cache, "seedbed", "sandbox"))
}

// repository is a project made a repository of its own, and what a rehearsal
// kept of it.
type repository struct {
	t         *testing.T
	dir, kept string
	env       []string
	before    string // commit the rehearsal began at
}

// newRepository copies a module, which lies in a read-only cache, and commits
// it with a contract.
func newRepository(t *testing.T, source, seed string) *repository {
	t.Helper()
	r := &repository{t: t, dir: filepath.Join(t.TempDir(), "project"), kept: filepath.Join(t.TempDir(), "kept"), env: environment(t)}
	err := filepath.WalkDir(source, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(source, path)
		if err != nil {
			return err
		}
		to := filepath.Join(r.dir, rel)
		if d.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		data, err := os.ReadFile(path)
		return errors.Join(err, os.WriteFile(to, data, 0o644))
	})
	if err := errors.Join(err, os.WriteFile(filepath.Join(r.dir, "seed.yaml"), []byte(seed), 0o644)); err != nil {
		r.t.Fatal(err)
	}
	r.run("git", "init", "-q", "-b", "main")
	r.run("git", "add", "-A", "-f")
	r.run("git", "commit", "-qm", "as released, with a contract")
	r.before = strings.TrimSpace(r.run("git", "rev-parse", "HEAD"))
	return r
}

// run gives what a command printed; it must succeed.
func (r *repository) run(name string, args ...string) string {
	r.t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = r.dir, r.env
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	if err := cmd.Run(); err != nil {
		r.t.Fatalf("%s %s: %v\n%s%s", filepath.Base(name), strings.Join(args, " "), err, out.String(), talk.String())
	}
	return out.String()
}

// bare runs git in the kept repository.
func (r *repository) bare(args ...string) string {
	r.t.Helper()
	return r.run("git", append([]string{"--git-dir", filepath.Join(r.kept, "you", "project-copy.git")}, args...)...)
}

// grow drives a labelled issue to a merged pull request and looks at what came
// of it.
func (r *repository) grow(flags ...string) {
	r.t.Helper()
	out := r.run(binary, append([]string{"rehearse", "--worker", "tidy", "--title", "Tidy up", "--dir", r.kept}, flags...)...)
	if !strings.Contains(out, "· merged") {
		r.t.Fatalf("not merged:\n%s", out)
	}
	r.t.Log(out)
	changed := strings.Fields(r.bare("diff", "--name-only", r.before, "main", "--", ".", ":!AUTOGEN_LOG.md"))
	if len(changed) == 0 {
		r.t.Error("nothing was changed")
	}
	for _, name := range changed {
		if !strings.HasSuffix(name, ".go") {
			r.t.Errorf("%s was changed; only Go files should be", name)
		}
	}
	r.sameBytes("go.mod")
	r.sameBytes("go.sum")
	r.measured()
	if log := r.bare("show", "main:AUTOGEN_LOG.md"); !strings.Contains(log, "merged #2") {
		r.t.Errorf("the log has no entry of the merge:\n%s", log)
	}
}

func (r *repository) sameBytes(name string) {
	r.t.Helper()
	if have, want := r.bare("ls-tree", "main", name), r.bare("ls-tree", r.before, name); have != want {
		r.t.Errorf("%s: have %q, want %q", name, have, want)
	}
}

// measured reads what the verify job saw: the project's own tests, green
// without the change and with it.
func (r *repository) measured() {
	r.t.Helper()
	found, err := filepath.Glob(filepath.Join(r.kept, "runs", "*", "*", "verify-*", rundir.ChecksFile))
	if err != nil || len(found) != 1 {
		r.t.Fatalf("have %d records of verify, want 1 (%v)", len(found), err)
	}
	data, err := os.ReadFile(found[0])
	if err != nil {
		r.t.Fatal(err)
	}
	var checks rundir.Checks
	if err := json.Unmarshal(data, &checks); err != nil {
		r.t.Fatal(err)
	}
	if len(checks.Commands) == 0 || checks.Where != "verify" {
		r.t.Errorf("have %d commands measured by %q, want some by verify", len(checks.Commands), checks.Where)
	}
	for _, c := range checks.Commands {
		if !c.Base.OK() || !c.Head.OK() || c.Head.Passed == 0 {
			r.t.Errorf("%s: have base %+v, head %+v, want both green with tests", c.Command, c.Base, c.Head)
		}
	}
}

// nothingMore runs another cycle: there is nothing left to do, no reference
// moves and nothing asks for a change.
func (r *repository) nothingMore() {
	r.t.Helper()
	refs, asked := r.bare("for-each-ref"), r.mutations()
	out := r.run(binary, "rehearse", "--dir", r.kept, "--again")
	if !strings.Contains(out, "nothing to do") {
		r.t.Errorf("the run after it did something:\n%s", out)
	}
	if have := r.bare("for-each-ref"); have != refs {
		r.t.Errorf("references moved:\nhave\n%s\nwant\n%s", have, refs)
	}
	if have := r.mutations(); have != asked {
		r.t.Errorf("have %d requests for a change, want %d", have, asked)
	}
}

// mutations counts the requests so far that asked for a change.
func (r *repository) mutations() (n int) {
	r.t.Helper()
	data, err := os.ReadFile(filepath.Join(r.kept, "requests.jsonl"))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, line := range bytes.Split(bytes.TrimSpace(data), []byte("\n")) {
		var request struct{ Mutation bool }
		if err := json.Unmarshal(line, &request); err != nil {
			r.t.Fatal(err)
		}
		if request.Mutation {
			n++
		}
	}
	return n
}
