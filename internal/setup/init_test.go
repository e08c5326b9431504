package setup

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/tools/txtar"
	"gopkg.in/yaml.v3"

	"github.com/seedbed-dev/seedbed/examples/workflows"
	"github.com/seedbed-dev/seedbed/internal/adapter/sandbox"
	"github.com/seedbed-dev/seedbed/internal/change"
	"github.com/seedbed-dev/seedbed/internal/command"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/seed"
	"github.com/seedbed-dev/seedbed/internal/task"
)

var update = flag.Bool("update", false, "write golden files anew")

// runnerFunc stands in for the sandbox.
type runnerFunc func(command.Command) (command.Result, error)

func (f runnerFunc) Run(_ context.Context, c command.Command) (command.Result, error) { return f(c) }

// redOn fails each command line that is listed and takes a second for the rest.
func redOn(lines ...string) runnerFunc {
	return func(c command.Command) (command.Result, error) {
		r := command.Result{Duration: time.Second}
		if slices.Contains(lines, strings.Replace(c.Shell, " -json", "", 1)) {
			r.Exit, r.Output = 1, []byte("first line\n--- FAIL: TestX\n")
		}
		return r, nil
	}
}

// testWorkflows stand for those of the build, so that golden files do not
// change with them.
var testWorkflows = map[string][]byte{
	"quickstart.yml": []byte("name: seedbed\n# quick\nuses: x/seedbed@v1\n"),
	"issue.yml":      []byte("# issue\nuses: x/seedbed@v1\n"),
	"deploy.yml":     []byte("# deploy\nuses: x/seedbed@v1\n"),
}

func gitRun(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_AUTHOR_NAME=t", "GIT_AUTHOR_EMAIL=t@example.org", "GIT_COMMITTER_NAME=t", "GIT_COMMITTER_EMAIL=t@example.org",
		"GIT_AUTHOR_DATE=2026-01-01T00:00:00Z", "GIT_COMMITTER_DATE=2026-01-01T00:00:00Z")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// repository makes a work tree called project with the files committed.
func repository(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "project")
	put(t, dir, files)
	gitRun(t, dir, "init", "-q", "-b", "main")
	gitRun(t, dir, "add", "-A")
	gitRun(t, dir, "commit", "-q", "--allow-empty", "-m", "first")
	return dir
}

// put writes files; a content "-> x" is a symbolic link.
func put(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		to := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		if target, link := strings.CutPrefix(content, "-> "); link {
			err = os.Symlink(strings.TrimSpace(target), to)
		} else {
			err = os.WriteFile(to, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// contents reads every file outside .git.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			if e != nil && e.Name() == ".git" {
				return fs.SkipDir
			}
			return err
		}
		rel, _ := filepath.Rel(dir, p)
		if e.Type()&fs.ModeSymlink != 0 {
			target, err := os.Readlink(p)
			all[rel] = "-> " + target
			return err
		}
		data, err := os.ReadFile(p)
		all[rel] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func runInit(t *testing.T, o InitOptions) (string, error) {
	t.Helper()
	var out bytes.Buffer
	o.Out = &out
	if o.Workflows == nil {
		o.Workflows = testWorkflows
	}
	if o.Runner == nil && o.NoRunner == "" {
		o.Runner = redOn()
	}
	err := Init(t.Context(), o)
	for _, line := range strings.Split(out.String(), "\n") {
		if n := len([]rune(line)); n > 100 && !o.DryRun {
			t.Errorf("a line of %d columns: %s", n, line)
		}
	}
	return out.String(), err
}

// TestInitFinds runs the cases of testdata/init: what is found where, what is
// chosen when something is red, what seed.yaml becomes.
func TestInitFinds(t *testing.T) {
	cases, err := filepath.Glob("testdata/init/*.txtar")
	if err != nil || len(cases) == 0 {
		t.Fatal("no cases", err)
	}
	for _, name := range cases {
		t.Run(strings.TrimSuffix(filepath.Base(name), ".txtar"), func(t *testing.T) { initCase(t, name) })
	}
}

func initCase(t *testing.T, name string) {
	a, err := txtar.ParseFile(name)
	if err != nil {
		t.Fatal(err)
	}
	files, later, red, unborn := map[string]string{}, map[string]string{}, []string{}, false
	var keep []txtar.File
	for _, f := range a.Files {
		switch {
		case f.Name == "want.out" || f.Name == "want.seed":
			continue
		case f.Name == "red":
			red = strings.Split(strings.TrimSpace(string(f.Data)), "\n")
		case f.Name == "unborn":
			unborn = true
		case strings.HasPrefix(f.Name, "later/"):
			later[strings.TrimPrefix(f.Name, "later/")] = string(f.Data)
		default:
			files[f.Name] = string(f.Data)
		}
		keep = append(keep, f)
	}
	dir := repository(t, map[string]string{})
	if unborn {
		dir = filepath.Join(t.TempDir(), "project")
		put(t, dir, nil)
		gitRun(t, dir, "init", "-q", "-b", "main")
		put(t, dir, files)
	} else {
		put(t, dir, files)
		gitRun(t, dir, "add", "-A")
		gitRun(t, dir, "commit", "-q", "--allow-empty", "-m", "second")
	}
	put(t, dir, later)
	out, err := runInit(t, InitOptions{Dir: dir, Runner: redOn(red...), Repository: "ana/project"})
	if err != nil {
		out += "error: " + err.Error() + "\n"
	}
	out, _, _ = strings.Cut(commitID.ReplaceAllString(out, "HEAD is XXXXXXXX"), "\nNext\n")
	written, _ := os.ReadFile(filepath.Join(dir, "seed.yaml"))
	keep = append(keep, txtar.File{Name: "want.out", Data: []byte(out)}, txtar.File{Name: "want.seed", Data: written})
	have := txtar.Format(&txtar.Archive{Comment: a.Comment, Files: keep})
	if *update {
		if err := os.WriteFile(name, have, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if want := txtar.Format(a); !bytes.Equal(have, want) {
		t.Errorf("have:\n%s\nwant:\n%s", have, want)
	}
	if n := bytes.Count(written, []byte("\n")); n > 20 {
		t.Errorf("seed.yaml has %d lines, want 20 at most", n)
	}
}

var commitID = regexp.MustCompile(`HEAD is [0-9a-f]{8}`)

const goMod = "module example.org/project\n\ngo 1.25\n"

// A second run, and one after a person changed every file, writes nothing.
func TestInitTwiceChangesNothing(t *testing.T) {
	dir := repository(t, map[string]string{"go.mod": goMod, "a.go": "package a\n"})
	if out, err := runInit(t, InitOptions{Dir: dir}); err != nil {
		t.Fatal(err, out)
	}
	want := contents(t, dir)
	for _, o := range []InitOptions{{Dir: dir}, {Dir: dir, Runner: redOn("go test ./...")}, {Dir: filepath.Join(dir, ".github")}} {
		if out, err := runInit(t, o); err != nil || !strings.Contains(out, "Nothing to do") {
			t.Errorf("second run: %v\n%s", err, out)
		}
		if have := contents(t, dir); !maps.Equal(have, want) {
			t.Errorf("have %v, want %v", slices.Sorted(maps.Keys(have)), slices.Sorted(maps.Keys(want)))
		}
	}
	for _, name := range []string{seedFile, formFile, quickFile} {
		put(t, dir, map[string]string{name: want[name] + "# mine\n"})
	}
	mine := contents(t, dir)
	out, err := runInit(t, InitOptions{Dir: dir})
	if err != nil || strings.Count(out, "kept: it is yours") != 3 {
		t.Errorf("after a change: %v\n%s", err, out)
	}
	if have := contents(t, dir); !maps.Equal(have, mine) {
		t.Error("a person's change was overwritten")
	}
}

// Whatever is in the way and not init's stops it before anything is written.
func TestInitOverwritesNothing(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"seed":               {"seed.yaml": "version: 1\n"},
		"workflow":           {".github/workflows/seedbed.yml": "on: push\n"},
		"form":               {formFile: "name: mine\n"},
		"link":               {"seed.yaml": "-> /etc/hostname"},
		"dangling link":      {"seed.yaml": "-> nowhere"},
		"folder is a link":   {".github": "-> ../outside"},
		"folder is a file":   {".github": "file\n"},
		"seed is a folder":   {"seed.yaml/x": "x\n"},
		"workflows is a lnk": {".github/workflows": "-> ..", ".github/x": "x\n"},
	} {
		t.Run(name, func(t *testing.T) {
			all := map[string]string{"go.mod": goMod}
			maps.Copy(all, files)
			dir := repository(t, all)
			put(t, filepath.Join(filepath.Dir(dir), "outside"), nil)
			before := contents(t, filepath.Dir(dir))
			out, err := runInit(t, InitOptions{Dir: dir})
			if !errors.Is(err, ErrInTheWay) {
				t.Errorf("have error %v, want ErrInTheWay\n%s", err, out)
			}
			if have := contents(t, filepath.Dir(dir)); !maps.Equal(have, before) {
				t.Errorf("something was written:\n%v\nbefore\n%v", slices.Sorted(maps.Keys(have)), slices.Sorted(maps.Keys(before)))
			}
		})
	}
}

// --remove leaves the tree as it was before init.
func TestInitRemove(t *testing.T) {
	for _, full := range []bool{false, true} {
		dir := repository(t, map[string]string{"go.mod": goMod, "docs/x.md": "x\n"})
		before := contents(t, dir)
		if out, err := runInit(t, InitOptions{Dir: dir, Full: full}); err != nil {
			t.Fatal(err, out)
		}
		if out, err := runInit(t, InitOptions{Dir: dir, Remove: true, DryRun: true}); err != nil || !strings.Contains(out, "Would remove") {
			t.Error(err, out)
		}
		if len(contents(t, dir)) == len(before) {
			t.Error("--dry-run removed something")
		}
		if out, err := runInit(t, InitOptions{Dir: dir, Remove: true}); err != nil {
			t.Error(err, out)
		}
		if have := contents(t, dir); !maps.Equal(have, before) {
			t.Errorf("full %v: have %v, want %v", full, slices.Sorted(maps.Keys(have)), slices.Sorted(maps.Keys(before)))
		}
		if _, err := os.Stat(filepath.Join(dir, ".github")); !errors.Is(err, fs.ErrNotExist) {
			t.Error("an empty .github was left")
		}
		if out, err := runInit(t, InitOptions{Dir: dir, Remove: true}); err != nil || !strings.Contains(out, "nothing") {
			t.Error("removing twice:", err, out)
		}
	}
}

func TestInitRemoveLeavesWhatChanged(t *testing.T) {
	dir := repository(t, map[string]string{"go.mod": goMod})
	if out, err := runInit(t, InitOptions{Dir: dir}); err != nil {
		t.Fatal(err, out)
	}
	mine := contents(t, dir)[seedFile] + "x-note: mine\n"
	put(t, dir, map[string]string{seedFile: mine})
	out, err := runInit(t, InitOptions{Dir: dir, Remove: true})
	if !errors.Is(err, ErrKept) || !strings.Contains(out, "left: changed since") {
		t.Errorf("have %v, want ErrKept\n%s", err, out)
	}
	have := contents(t, dir)
	if have[seedFile] != mine || len(have) != 2 {
		t.Errorf("have %v", slices.Sorted(maps.Keys(have)))
	}
}

// The full set takes the place of the quick start and stays when init runs
// plain later; both together would start every cycle twice.
func TestInitFull(t *testing.T) {
	dir := repository(t, map[string]string{"go.mod": goMod})
	for _, full := range []bool{false, true, false} {
		if out, err := runInit(t, InitOptions{Dir: dir, Full: full}); err != nil {
			t.Fatal(err, out)
		}
	}
	have := contents(t, dir)
	if _, both := have[quickFile]; both {
		t.Error("quick start and full set stand side by side")
	}
	for _, name := range []string{"issue.yml", "deploy.yml"} {
		if have[workflowDir+name] != string(testWorkflows[name]) {
			t.Errorf("%s: have %q", name, have[workflowDir+name])
		}
	}
}

func TestInitDryRunWritesNothing(t *testing.T) {
	dir := repository(t, map[string]string{"go.mod": goMod})
	before := contents(t, dir)
	out, err := runInit(t, InitOptions{Dir: dir, DryRun: true})
	if err != nil || !strings.Contains(out, "      version: 1\n") || !strings.Contains(out, "Nothing was written") {
		t.Error(err, out)
	}
	if have := contents(t, dir); !maps.Equal(have, before) {
		t.Error("--dry-run wrote something")
	}
}

func TestInitOutsideOfARepository(t *testing.T) {
	dir := t.TempDir()
	if _, err := runInit(t, InitOptions{Dir: dir}); !errors.Is(err, ErrNoRepository) {
		t.Errorf("have %v, want ErrNoRepository", err)
	}
	if len(contents(t, dir)) != 0 {
		t.Error("something was written")
	}
}

// What is written is what the build ships, to the byte.
func TestInitWritesTheExamples(t *testing.T) {
	dir := repository(t, map[string]string{"go.mod": goMod})
	if out, err := runInit(t, InitOptions{Dir: dir, Workflows: workflows.Files()}); err != nil {
		t.Fatal(err, out)
	}
	want, err := os.ReadFile("../../examples/workflows/quickstart.yml")
	if err != nil {
		t.Fatal(err)
	}
	if have := contents(t, dir)[quickFile]; have != string(want) {
		t.Errorf("have:\n%s\nwant:\n%s", have, want)
	}
}

// The form's labels are the headings a task is read by, and it sets no label.
func TestInitForm(t *testing.T) {
	var form struct {
		Labels []string
		Body   []struct {
			Type       string
			Attributes struct{ Label string }
		}
	}
	if err := yaml.Unmarshal([]byte(taskForm), &form); err != nil {
		t.Fatal(err)
	}
	if len(form.Labels) != 0 {
		t.Error("the form sets labels:", form.Labels)
	}
	var body strings.Builder
	for _, b := range form.Body {
		fmt.Fprintf(&body, "### %s\n\nlow %s\n\n", b.Attributes.Label, b.Attributes.Label)
	}
	have := task.ParseSpec("title", body.String())
	want := task.Spec{Goal: "low Goal", Constraints: "low Constraints", Risk: "low", ReviewGoal: "low Definition of done",
		ProgramGoal: "low Automated test", Notes: "low Notes"}
	if fmt.Sprint(have) != fmt.Sprint(want) {
		t.Errorf("have %+v, want %+v", have, want)
	}
}

// guardedForge is a forge whose default branch is protected.
type guardedForge struct{ err error }

func (guardedForge) Repository(context.Context) (forge.Repository, error) {
	return forge.Repository{ID: 1, Owner: "acme", Name: "app", DefaultBranch: "trunk"}, nil
}
func (guardedForge) Viewer(context.Context) (forge.User, error) {
	return forge.User{ID: 7, Login: "bea"}, nil
}
func (g guardedForge) Protection(context.Context, string) (bool, []string, error) {
	return true, []string{"test"}, g.err
}
func (guardedForge) ActionsMayOpenPulls(context.Context) (bool, error) { return true, nil }

func TestInitLogBranch(t *testing.T) {
	for _, c := range []struct {
		forge InitForge
		line  string
		say   string
	}{
		{nil, "", "without a token"},
		{guardedForge{}, `log: {branch: "seedbed/log"}`, "because trunk is protected; it requires test"},
		{guardedForge{err: &forge.Error{Doing: "reading", Kind: forge.ErrForbidden}}, "", "is unknown here"},
	} {
		dir := repository(t, map[string]string{"go.mod": goMod})
		out, err := runInit(t, InitOptions{Dir: dir, Forge: c.forge, Repository: "acme/app"})
		if err != nil {
			t.Fatal(err)
		}
		text := contents(t, dir)[seedFile]
		if strings.Contains(text, "log:") != (c.line != "") || !strings.Contains(text, c.line) || !strings.Contains(out, c.say) {
			t.Errorf("want line %q and %q, have\n%s\n%s", c.line, c.say, text, out)
		}
		if c.forge != nil && !strings.Contains(text, `handle: "bea"`) {
			t.Errorf("the token's account is not the owner:\n%s", text)
		}
	}
}

// Interrupted half-way, init leaves nothing behind.
func TestInitInterrupted(t *testing.T) {
	dir := repository(t, map[string]string{"go.mod": goMod})
	before := contents(t, dir)
	ctx, cancel := context.WithCancel(t.Context())
	var out bytes.Buffer
	scratch := t.TempDir()
	err := Init(ctx, InitOptions{Dir: dir, Out: &out, Workflows: testWorkflows, Scratch: scratch,
		Runner: runnerFunc(func(command.Command) (command.Result, error) { cancel(); return command.Result{}, ctx.Err() })})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("have %v, want context.Canceled", err)
	}
	if have := contents(t, dir); !maps.Equal(have, before) {
		t.Error("something was written")
	}
	if left := contents(t, scratch); len(left) != 0 {
		t.Error("scratch was left:", slices.Sorted(maps.Keys(left)))
	}
}

// A folder that cannot be written to: what was written before is taken back.
func TestInitWritesAllOrNothing(t *testing.T) {
	dir := repository(t, map[string]string{"go.mod": goMod, ".github/workflows/seedbed.yml.seedbed-new": "in the way\n"})
	before := contents(t, dir)
	out, err := runInit(t, InitOptions{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "nothing was written") {
		t.Errorf("have %v\n%s", err, out)
	}
	if have := contents(t, dir); !maps.Equal(have, before) {
		t.Errorf("have %v, want %v", slices.Sorted(maps.Keys(have)), slices.Sorted(maps.Keys(before)))
	}
}

func realSandbox(t *testing.T) *sandbox.Sandbox {
	t.Helper()
	box, err := sandbox.New(sandbox.Options{HostEnv: os.Environ(), ReadGoCache: true})
	if err != nil {
		t.Skipf("not run: init's commands in the sandbox: %v", err)
	}
	return box
}

// The real toolchain in the real sandbox: a green and a red module.
func TestInitRunsGo(t *testing.T) {
	box := realSandbox(t)
	dir := repository(t, map[string]string{"go.mod": goMod, "a_test.go": "package a\n\nimport \"testing\"\n\nfunc TestA(*testing.T) {}\n",
		"sub/go.mod":    "module example.org/sub\n\ngo 1.25\n",
		"sub/b_test.go": "package b\n\nimport (\n\t\"os\"\n\t\"testing\"\n)\n\nfunc TestB(t *testing.T) {\n\tos.WriteFile(\"left.txt\", nil, 0o644)\n\tt.Fatal(\"red\")\n}\n"})
	before := contents(t, dir)
	out, err := runInit(t, InitOptions{Dir: dir, Runner: box})
	if err != nil {
		t.Fatal(err, out)
	}
	have := contents(t, dir)
	for name := range have {
		if _, had := before[name]; !had && name != seedFile && !strings.HasPrefix(name, ".github/") {
			t.Errorf("the tests wrote %s into the work tree", name)
		}
	}
	for _, want := range []string{"go test ./... (1 of 1)", "left out: go -C sub test ./... is red today"} {
		if !strings.Contains(out, want) {
			t.Errorf("want %q in\n%s", want, out)
		}
	}
	if text := have[seedFile]; !strings.Contains(text, `test: ["go test ./..."]`) || !strings.Contains(text, "green when init ran it") {
		t.Errorf("seed.yaml:\n%s", text)
	}
}

func TestInitRunsNpm(t *testing.T) {
	for _, program := range []string{"node", "npm"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("not run: init on an npm repository: %v", err)
		}
	}
	box := realSandbox(t)
	dir := repository(t, map[string]string{"package.json": "{\n  \"name\": \"x\",\n  \"scripts\": {\n    \"test\": \"node --test\"\n  }\n}\n",
		"a.test.js": "require('node:test')('adds', () => {})\n"})
	out, err := runInit(t, InitOptions{Dir: dir, Runner: box})
	if err != nil || !strings.Contains(out, "green") || !strings.Contains(contents(t, dir)[seedFile], `test: ["npm test"]`) {
		t.Errorf("%v\n%s\n%s", err, out, contents(t, dir)[seedFile])
	}
	if !strings.Contains(contents(t, dir)[seedFile], "package.json:4; green") {
		t.Errorf("want the line of the script:\n%s", contents(t, dir)[seedFile])
	}
}

// Whatever stands in the files, finding ends, and the contract it leads to is
// one that Seedbed reads, in 20 lines.
func FuzzFind(f *testing.F) {
	cases, _ := filepath.Glob("testdata/init/*.txtar")
	for _, name := range cases {
		if data, err := os.ReadFile(name); err == nil {
			f.Add(data)
		}
	}
	f.Add([]byte("-- package.json --\n{\"scripts\": {\"test\": 1}}\n-- a\u202eb/go.mod --\nmodule \"x\n-- .github/workflows/x.yml --\na: &a [*a]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		files := map[string]string{}
		for _, file := range txtar.Parse(data).Files {
			files[file.Name] = string(file.Data)
		}
		found := find(sourceOf(files))
		in := &initRun{InitOptions: InitOptions{Repository: "a/b"}, top: "/x/project", found: found, setup: nil, owner: found.owner, log: "seedbed/log"}
		for _, u := range found.units {
			in.chosen = append(in.chosen, choice{unit: u, ran: []ran{{try: u.tests[0]}}})
		}
		for _, s := range found.setup {
			in.setup = append(in.setup, ran{try: s})
		}
		text, err := in.seedText()
		if err != nil {
			t.Fatalf("%v\n%s", err, strings.Join(in.seedLines(), "\n"))
		}
		if n := bytes.Count(text, []byte("\n")); n > 20 {
			t.Fatalf("%d lines:\n%s", n, text)
		}
		s, err := seed.Parse("seed.yaml", text)
		if err != nil || s.Mode != "propose" {
			t.Fatal(err)
		}
	})
}

func sourceOf(files map[string]string) *source {
	var tree change.Tree
	for name, content := range files {
		tree.Entries = append(tree.Entries, change.Entry{Path: name, Mode: change.ModeFile, SHA: name, Size: int64(len(content))})
	}
	return newSource(tree, func(sha string) ([]byte, error) { return []byte(files[sha]), nil })
}

// With --full a workflow of the owner's own that has a name of ours stops init.
func TestInitFullOverwritesNothing(t *testing.T) {
	dir := repository(t, map[string]string{"go.mod": goMod, ".github/workflows/deploy.yml": "name: mine\n"})
	before := contents(t, dir)
	if out, err := runInit(t, InitOptions{Dir: dir, Full: true}); !errors.Is(err, ErrInTheWay) || !strings.Contains(out, "deploy.yml is there") {
		t.Errorf("have %v\n%s", err, out)
	}
	if have := contents(t, dir); !maps.Equal(have, before) {
		t.Error("something was written")
	}
	if out, err := runInit(t, InitOptions{Dir: dir}); err != nil {
		t.Errorf("the quick start does not need that name: %v\n%s", err, out)
	}
}

// Without a sandbox nothing is run; the commands are written as found, and the
// file says that nobody tried them.
func TestInitWithoutSandbox(t *testing.T) {
	dir := repository(t, map[string]string{"go.mod": goMod})
	out, err := runInit(t, InitOptions{Dir: dir, NoRunner: "no sandbox available: no Landlock"})
	if err != nil || !strings.Contains(out, "Not run: no sandbox available: no Landlock") {
		t.Errorf("%v\n%s", err, out)
	}
	if text := contents(t, dir)[seedFile]; !strings.Contains(text, `test: ["go test ./..."]`) || !strings.Contains(text, "go.mod:1; not run by init") {
		t.Errorf("seed.yaml:\n%s", text)
	}
}

// How a command can end: red, hanging, impossible, saying too much. None of it
// stops init, and nothing it prints is alive.
func TestInitCommandsThatEndBadly(t *testing.T) {
	token := "ghp_" + "q7Zk3VtX9bLw2RfN" + "8sYhC4mJ6dPa1GeU0oTi" // of no account
	for _, c := range []struct {
		name   string
		result command.Result
		err    error
		has    string
		seed   string
	}{
		{"red", command.Result{Exit: 1, Output: []byte("boom")}, nil, "red", "RED when init ran it"},
		{"hangs", command.Result{Exit: 124, TimedOut: true}, nil, "hangs", "RED when init ran it"},
		{"killed", command.Result{Exit: 137, Signal: "killed"}, nil, "(exit 137)", "RED when init ran it"},
		{"impossible", command.Result{}, errors.New("no room\nat all"), "not run", "not run by init"},
		{"secret", command.Result{Exit: 1, Output: []byte("token " + token + "\n\x1b[2J::error::x\n")}, nil, "red", "RED when init ran it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := repository(t, map[string]string{"go.mod": goMod})
			out, err := runInit(t, InitOptions{Dir: dir, Runner: runnerFunc(func(command.Command) (command.Result, error) { return c.result, c.err })})
			if err != nil || !strings.Contains(out, c.has) || strings.Contains(out, token) || strings.Contains(out, "\x1b") || strings.Contains(out, "\n::error") {
				t.Errorf("%v\n%s", err, out)
			}
			if text := contents(t, dir)[seedFile]; !strings.Contains(text, c.seed) {
				t.Errorf("want %q in\n%s", c.seed, text)
			}
		})
	}
}

// Set-up alone gets the network, and comes first.
func TestInitGivesTheNetworkToSetupAlone(t *testing.T) {
	dir := repository(t, map[string]string{"go.mod": goMod + "\nrequire example.org/x v1.0.0\n"})
	var have []string
	runner := runnerFunc(func(c command.Command) (command.Result, error) {
		have = append(have, fmt.Sprintf("%s network=%v", c.Shell, c.Network))
		return command.Result{}, nil
	})
	if out, err := runInit(t, InitOptions{Dir: dir, Runner: runner}); err != nil {
		t.Fatal(err, out)
	}
	if want := []string{"go mod download network=true", "go test -json ./... network=false"}; !slices.Equal(have, want) {
		t.Errorf("have %q, want %q", have, want)
	}
}

// Files too large to be manifests, too many workflows, names that would leave
// their line or their quotes.
func TestInitHostileTrees(t *testing.T) {
	huge := strings.Repeat("# x\n", maxManifest/4+1)
	files := map[string]string{"go.mod": huge, "package.json": "{" + strings.Repeat(" ", maxManifest) + "}", "Makefile": huge, "CODEOWNERS": huge,
		"new\nline/package.json": `{"scripts": {"test": "x"}}`, "quo\"te/go.mod": goMod, "\x1b[31m/go.mod": goMod, "sp ace/a.go": "x"}
	for i := range maxWorkflows + 5 {
		files[fmt.Sprintf(".github/workflows/w%02d.yml", i)] = "on: push\njobs: {a: {steps: [{run: go test ./...}]}}\n"
	}
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 [x]\n")
	for i := range 30 {
		fmt.Fprintf(&bomb, "a%d: &a%d [*a%d, *a%d, *a%d]\n", i+1, i+1, i, i, i)
	}
	files[".github/workflows/bomb.yml"] = bomb.String() + "jobs: *a30\n"
	var tree change.Tree
	for name, content := range files {
		tree.Entries = append(tree.Entries, change.Entry{Path: name, Mode: change.ModeFile, SHA: name, Size: int64(len(content))})
	}
	slices.SortFunc(tree.Entries, func(a, b change.Entry) int { return strings.Compare(a.Path, b.Path) })
	tree.Entries = append(tree.Entries, change.Entry{Path: "sub/go.mod", Mode: change.ModeSubmodule, Size: -1}, change.Entry{Path: "odd/go.mod", Mode: "040000"})
	read := 0
	found := find(newSource(tree, func(sha string) ([]byte, error) { read += len(files[sha]); return []byte(files[sha]), nil }))
	if read > maxManifest {
		t.Errorf("%d bytes were read", read)
	}
	said := strings.Join(found.notes, "\n")
	for _, want := range []string{"go.mod has 1048580 bytes, not read", "package.json has", "only the first 50", "mode 160000", "mode 040000", `new\nline/package.json": the folder's name`} {
		if !strings.Contains(said, want) {
			t.Errorf("want %q in\n%s", want, said)
		}
	}
	if strings.ContainsAny(said, "\x1b") || len(found.units) != 0 {
		t.Errorf("notes %q, units %v", said, found.units)
	}
}

// A name of a folder or an account that is no plain text never gets out of its
// place in seed.yaml.
func TestInitOddProjectNames(t *testing.T) {
	for _, name := range []string{"", "  ", "a\nmode: auto", `x"}, mode: auto #`, "\u202eevil", strings.Repeat("long", 100), "日本", "\xff\xfe", "{}", "- a: b"} {
		in := &initRun{InitOptions: InitOptions{Repository: "o/" + name}, top: "/w", found: &found{}, owner: guess{"owner", "ana", place{"x\ny", 1}}}
		text, err := in.seedText()
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		if s, err := seed.Parse("seed.yaml", text); err != nil || s.Mode != "propose" || s.Project.Owners[0].Handle != "ana" {
			t.Errorf("%q: %v\n%s", name, err, text)
		}
	}
}

// Long names are broken over lines, not cut: a person needs the end of a path.
func TestInitLongNames(t *testing.T) {
	deep := strings.Repeat("folder-with-a-long-name/", 6)
	dir := repository(t, map[string]string{"go.mod": goMod, deep + "go.mod": goMod, deep + "x/package.json": "{"})
	out, err := runInit(t, InitOptions{Dir: dir})
	if err != nil || !strings.Contains(out, "go.mod:3") || !strings.Contains(strings.ReplaceAll(out, "\n", ""), "package.json") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestLineOf(t *testing.T) {
	for _, c := range []struct {
		text string
		want int
	}{
		{"{\n\"a\": {\"test\": 1},\n\"scripts\":\n{\"x\": [{}],\n\"test\": 2}}", 5}, {"{}", 0}, {"[1]", 0}, {"{\"scripts\": 1}", 0}, {"{\"scripts\": {", 0}, {"", 0},
	} {
		if have := lineOf([]byte(c.text), "scripts", "test"); have != c.want {
			t.Errorf("%q: have %d, want %d", c.text, have, c.want)
		}
	}
}

// A work tree made by git worktree has a file for .git; a folder inside of a
// repository stands for the whole of it.
func TestInitInWorktreesAndSubfolders(t *testing.T) {
	dir := repository(t, map[string]string{"go.mod": goMod, "deep/er/x.go": "package x\n"})
	other := filepath.Join(t.TempDir(), "other")
	gitRun(t, dir, "worktree", "add", "-q", other)
	for _, at := range []string{other, filepath.Join(dir, "deep", "er")} {
		if out, err := runInit(t, InitOptions{Dir: at}); err != nil {
			t.Errorf("%s: %v\n%s", at, err, out)
		}
	}
	for _, top := range []string{dir, other} {
		if contents(t, top)[seedFile] == "" || contents(t, top)["deep/er/seed.yaml"] != "" {
			t.Errorf("%s: seed.yaml is not in the root", top)
		}
	}
}
