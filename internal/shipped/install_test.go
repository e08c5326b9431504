package shipped

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// runnerBox is a job's machine as the action's scripts see it.
type runnerBox struct {
	t       *testing.T
	dir     string // RUNNER_TEMP
	action  string // the action's folder
	path    []string
	out     string
	paths   string
	summary string
}

// newRunner copies the action, with a table of digests of its own, to a machine
// that has the usual programs and neither go nor seedbed.
func newRunner(t *testing.T, table string) *runnerBox {
	t.Helper()
	dir := t.TempDir()
	b := &runnerBox{t: t, dir: filepath.Join(dir, "temp"), action: filepath.Join(dir, "action"), out: filepath.Join(dir, "output"),
		paths: filepath.Join(dir, "path"), summary: filepath.Join(dir, "summary")}
	copyAction(t, b.action)
	write(t, dir, map[string]string{"action/.github/checksums.txt": "# test\n" + table, "output": "", "path": "", "summary": ""})
	bin := filepath.Join(dir, "bin")
	for _, p := range []string{b.dir, bin} {
		if err := os.MkdirAll(p, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"sh", "curl", "grep", "sed", "sha256sum", "cut", "od", "tr", "mktemp", "mkdir", "chmod", "mv", "rm", "uname", "wc", "dirname", "awk", "sleep", "cat"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Skipf("not run: no %s on PATH", name)
		}
		if err := os.Symlink(path, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	b.path = []string{bin}
	return b
}

// script runs one of the action's scripts and gives its exit code and what it said.
func (b *runnerBox) script(name string, env ...string) (int, string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", filepath.Join(b.action, ".github", name))
	cmd.WaitDelay = time.Second
	cmd.Env = append([]string{"PATH=" + strings.Join(b.path, ":"), "HOME=" + b.dir, "RUNNER_TEMP=" + b.dir, "GITHUB_OUTPUT=" + b.out,
		"GITHUB_PATH=" + b.paths, "GITHUB_STEP_SUMMARY=" + b.summary, "GITHUB_ACTION_PATH=" + b.action, "GOFLAGS=-mod=mod",
		"GOCACHE=" + goEnv(b.t, "GOCACHE"), "GOMODCACHE=" + goEnv(b.t, "GOMODCACHE")}, env...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	err := cmd.Run()
	var exit *exec.ExitError
	if ctx.Err() != nil {
		b.t.Fatalf("%s did not end: %s", name, said.String())
	}
	if err != nil && !errors.As(err, &exit) {
		b.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), said.String()
}

// clean checks that nothing was left that a later step could run.
func (b *runnerBox) clean() {
	b.t.Helper()
	if have := read(b.t, b.paths) + read(b.t, b.out); have != "" {
		b.t.Errorf("PATH or outputs hold %q, want nothing", have)
	}
	names, err := filepath.Glob(filepath.Join(b.dir, "*", "*"))
	hidden, _ := filepath.Glob(filepath.Join(b.dir, "*", ".*"))
	if err != nil || len(names)+len(hidden) > 0 {
		b.t.Errorf("left behind: %q %q", names, hidden)
	}
}

// installed gives the program the script put in place, and checks it is found
// by later steps.
func (b *runnerBox) installed() string {
	b.t.Helper()
	path, ok := strings.CutPrefix(strings.TrimSpace(read(b.t, b.out)), "binary=")
	if !ok || !isFile(path) {
		b.t.Fatalf("output is %q, want the program's path", read(b.t, b.out))
	}
	if have := strings.TrimSpace(read(b.t, b.paths)); have != filepath.Dir(path) {
		b.t.Errorf("PATH got %q, want %q", have, filepath.Dir(path))
	}
	return path
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// releaseName is the file for this machine, or for the other one.
func releaseName(arch string) string { return "seedbed_v0.1.0_linux_" + arch }

func otherArch() string {
	if runtime.GOARCH == "amd64" {
		return "arm64"
	}
	return "amd64"
}

// released serves a release folder; answer replaces what is given for the file.
// Asked lists the paths that were asked for.
func released(t *testing.T, file []byte, answer http.HandlerFunc) (url string, asked func() []string) {
	t.Helper()
	var mu sync.Mutex
	var paths []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		paths = append(paths, r.URL.Path)
		mu.Unlock()
		if answer != nil {
			answer(w, r)
			return
		}
		w.Write(file)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/releases/download", func() []string {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(paths)
	}
}

func TestInstallPinnedRelease(t *testing.T) {
	file, err := os.ReadFile(binary(t))
	if err != nil {
		t.Fatal(err)
	}
	name := releaseName(runtime.GOARCH)
	table := sum(file) + "  " + name + "\n" + strings.Repeat("0", 64) + "  " + releaseName(otherArch()) + "\n"
	url, asked := released(t, file, nil)
	b := newRunner(t, table)
	code, said := b.script("install.sh", "INPUT_RELEASE_URL="+url)
	if code != 0 || !slices.Equal(asked(), []string{"/releases/download/v0.1.0/" + name}) {
		t.Fatalf("exit %d after asking for %q: %s", code, asked(), said)
	}
	out, err := exec.Command(b.installed(), "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "seedbed ") {
		t.Errorf("seedbed version: %v: %s", err, out)
	}
}

// A redirect within the host is followed; the digest still decides.
func TestInstallRedirectWithinTheHost(t *testing.T) {
	file, err := os.ReadFile(binary(t))
	if err != nil {
		t.Fatal(err)
	}
	url, _ := released(t, nil, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/releases/") {
			http.Redirect(w, r, "/store/1", http.StatusFound)
			return
		}
		w.Write(file)
	})
	b := newRunner(t, sum(file)+"  "+releaseName(runtime.GOARCH)+"\n")
	if code, said := b.script("install.sh", "INPUT_RELEASE_URL="+url); code != 0 {
		t.Fatalf("exit %d: %s", code, said)
	}
	b.installed()
}

// A download that is not what the commit pins is not run and not kept, and the
// log says what was expected, what was found and where.
func TestInstallRefuses(t *testing.T) {
	good, err := os.ReadFile(binary(t))
	if err != nil {
		t.Fatal(err)
	}
	html := []byte("<!doctype html><title>Sign in</title>")
	foreign := bytes.Clone(good)
	copy(foreign[18:20], map[string]string{"amd64": "\xb7\x00", "arm64": "\x3e\x00"}[runtime.GOARCH])
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		t.Error("the other host was asked")
		w.Write(good)
	}))
	defer elsewhere.Close()
	to := func(location string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, location, http.StatusFound) }
	}
	for name, c := range map[string]struct {
		file   []byte // served
		pinned []byte // whose digest is in the table
		answer http.HandlerFunc
		want   []string
	}{
		"wrong digest":                {file: append(bytes.Clone(good), 0), pinned: good, want: []string{sum(good), sum(append(bytes.Clone(good), 0)), "URL"}},
		"HTML with status 200":        {file: html, pinned: good, want: []string{sum(good), sum(html), "URL"}},
		"HTML that was pinned":        {file: html, pinned: html, want: []string{"no program for linux", sum(html), "URL"}},
		"wrong architecture":          {file: foreign, pinned: foreign, want: []string{"no program for linux " + runtime.GOARCH, sum(foreign), "URL"}},
		"redirect to another host":    {pinned: good, answer: to(elsewhere.URL + "/x"), want: []string{"another host, " + elsewhere.URL, sum(good), "URL"}},
		"redirect to a look-alike":    {pinned: good, answer: to("http://127.0.0.1:1@" + strings.TrimPrefix(elsewhere.URL, "http://")), want: []string{"another host"}},
		"redirect to a file":          {pinned: good, answer: to("file:///etc/passwd"), want: []string{"another host"}},
		"redirect without end":        {pinned: good, answer: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path, http.StatusFound) }, want: []string{"on and on"}},
		"no such release":             {pinned: good, answer: http.NotFound, want: []string{"answered 404", "URL"}},
		"cut short":                   {file: good[:1000], pinned: good, want: []string{sum(good), sum(good[:1000])}},
		"nothing":                     {file: nil, pinned: good, want: []string{sum(good), sum(nil)}},
		"an address that is no https": {pinned: good, want: []string{"neither https"}},
	} {
		t.Run(name, func(t *testing.T) {
			file := releaseName(runtime.GOARCH)
			url, _ := released(t, c.file, c.answer)
			if strings.HasPrefix(name, "an address") {
				url = "http://releases.example/x"
			}
			b := newRunner(t, sum(c.pinned)+"  "+file+"\n")
			code, said := b.script("install.sh", "INPUT_RELEASE_URL="+url)
			if code != 3 {
				t.Errorf("exit %d, want 3: %s", code, said)
			}
			for _, want := range c.want {
				if want == "URL" {
					want = url + "/v0.1.0/" + file
				}
				if !strings.Contains(said, want) {
					t.Errorf("the log lacks %q: %s", want, said)
				}
			}
			b.clean()
		})
	}
}

// A release without a file for this machine, and no source to build, is said so.
func TestInstallNothingForThisMachine(t *testing.T) {
	b := newRunner(t, strings.Repeat("0", 64)+"  "+releaseName(otherArch())+"\n")
	code, said := b.script("install.sh", "INPUT_RELEASE_URL=http://127.0.0.1:1")
	if code != 3 || !strings.Contains(said, "names no release for linux "+runtime.GOARCH) {
		t.Errorf("exit %d: %s", code, said)
	}
	b.clean()
}

// A program on PATH is used as it is; nothing is downloaded.
func TestInstallFromPath(t *testing.T) {
	b := newRunner(t, strings.Repeat("0", 64)+"  "+releaseName(runtime.GOARCH)+"\n")
	b.path = append(b.path, filepath.Dir(binary(t)))
	code, said := b.script("install.sh", "INPUT_RELEASE_URL=http://127.0.0.1:1")
	if want := "binary=" + binary(t) + "\n"; code != 0 || read(t, b.out) != want {
		t.Errorf("exit %d, output %q, want %q: %s", code, read(t, b.out), want, said)
	}
}

// The table that is shipped names no release yet: the action builds itself.
func TestInstallBuildsTheCheckout(t *testing.T) {
	if os.Getenv("SEEDBED_BINARY") != "" {
		t.Skip("not run: SEEDBED_BINARY is tested, not this checkout")
	}
	goTool, err := exec.LookPath("go")
	if err != nil {
		t.Fatal(err)
	}
	b := newRunner(t, "")
	b.action = abs(t)
	b.path = append(b.path, filepath.Dir(goTool), "/usr/bin", "/bin")
	code, said := b.script("install.sh", "INPUT_RELEASE_URL=http://127.0.0.1:1")
	if code != 0 || !strings.Contains(said, "building "+abs(t)) {
		t.Fatalf("exit %d: %s", code, said)
	}
	if out, err := exec.Command(b.installed(), "version").CombinedOutput(); err != nil {
		t.Errorf("seedbed version: %v: %s", err, out)
	}
}

// step.sh sets outcome and exit code whatever the program does, and fails for
// the codes of fail_on alone.
func TestStepOutcome(t *testing.T) {
	for name, c := range map[string]struct {
		program string // shell
		failOn  string
		exit    int
		outcome string
	}{
		"done":                  {program: `say succeeded; exit 0`, outcome: "succeeded"},
		"nothing to do":         {program: `say nothing_to_do; exit 0`, outcome: "nothing_to_do"},
		"refused, not red":      {program: `say validation_blocked; exit 1`, outcome: "validation_blocked"},
		"refused, a required":   {program: `say validation_blocked; exit 1`, failOn: "1,2,3,4,5", exit: 1, outcome: "validation_blocked"},
		"bad flags":             {program: `exit 2`, exit: 2, outcome: "usage_error"},
		"no sandbox":            {program: `say environment_blocked; exit 3`, exit: 3, outcome: "environment_blocked"},
		"died after a good one": {program: `say succeeded; exit 3`, exit: 3, outcome: "infrastructure_failed"},
		"waits":                 {program: `say needs_approval; exit 4`, outcome: "needs_approval"},
		"waits, a required":     {program: `say pending; exit 4`, failOn: "1, 2, 3, 4, 5", exit: 4, outcome: "pending"},
		"budget without a word": {program: `exit 5`, outcome: "budget_exhausted"},
		"killed":                {program: `say succeeded; kill -9 $$`, exit: 137, outcome: "infrastructure_failed"},
		"heredoc output":        {program: `printf 'outcome<<x\nadvisory\nx\n' >>"$GITHUB_OUTPUT"; exit 0`, outcome: "advisory"},
	} {
		t.Run(name, func(t *testing.T) {
			b := newRunner(t, "")
			program := filepath.Join(b.dir, "program")
			write(t, b.dir, map[string]string{"program": "#!/bin/sh\nsay() { printf 'outcome=%s\\n' \"$1\" >>\"$GITHUB_OUTPUT\"; }\n" + c.program + "\n"})
			if err := os.Chmod(program, 0o755); err != nil {
				t.Fatal(err)
			}
			code, said := b.script("step.sh", "SEEDBED="+program, "INPUT_RUN=govern", "INPUT_FAIL_ON="+c.failOn)
			if code != c.exit {
				t.Errorf("exit %d, want %d: %s", code, c.exit, said)
			}
			if out := lastOutput(t, b.out, "outcome"); out != c.outcome {
				t.Errorf("outcome %q, want %q", out, c.outcome)
			}
		})
	}
}

func lastOutput(t *testing.T, path, key string) string {
	t.Helper()
	value := ""
	for _, line := range strings.Split(read(t, path), "\n") {
		if v, ok := strings.CutPrefix(line, key+"="); ok {
			value = v
		}
	}
	return value
}

// The input run is words: one step with its flags, or several steps; it is
// never a pattern or a command line of a shell.
func TestStepWords(t *testing.T) {
	for in, want := range map[string]string{
		"govern":                     "[govern]",
		"plan --select":              "[plan][--select]",
		"plan implement test review": "[run][plan][implement][test][review]",
		"  govern\n":                 "[govern]",
		"govern; id":                 "[run][govern;][id]",
		"*":                          "[*]",
		"$(id)":                      "[$(id)]",
	} {
		b := newRunner(t, "")
		program := filepath.Join(b.dir, "program")
		write(t, b.dir, map[string]string{"program": "#!/bin/sh\nprintf '[%s]' \"$@\"\n"})
		if err := os.Chmod(program, 0o755); err != nil {
			t.Fatal(err)
		}
		if _, said := b.script("step.sh", "SEEDBED="+program, "INPUT_RUN="+in, "INPUT_FAIL_ON=2,3"); said != want {
			t.Errorf("run %q: have arguments %s, want %s", in, said, want)
		}
	}
}

// A cancelled job's signal reaches the program, and outputs are set after it.
func TestStepPassesTheSignalOn(t *testing.T) {
	b := newRunner(t, "")
	write(t, b.dir, map[string]string{"program": "#!/bin/sh\ntrap 'printf \"outcome=environment_blocked\\n\" >>\"$GITHUB_OUTPUT\"; exit 3' TERM\n" +
		"kill -TERM $PPID\nwhile :; do sleep 0.01; done\n"})
	program := filepath.Join(b.dir, "program")
	if err := os.Chmod(program, 0o755); err != nil {
		t.Fatal(err)
	}
	code, said := b.script("step.sh", "SEEDBED="+program, "INPUT_RUN=govern", "INPUT_FAIL_ON=2,3")
	outcome, exit := lastOutput(t, b.out, "outcome"), lastOutput(t, b.out, "exit_code")
	if code != 3 || outcome != "environment_blocked" || exit != "3" {
		t.Errorf("have %d, outcome %q, exit_code %q; want 3, environment_blocked, 3: %s", code, outcome, exit, said)
	}
}
