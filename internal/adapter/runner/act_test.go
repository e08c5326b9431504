package runner

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/seedbed-dev/seedbed/internal/finding"
)

// actWorkflow has this test's own program write outputs and commands, and a
// later step that shows what the runner made of them.
const actWorkflow = `on: issues
jobs:
  one:
    runs-on: ubuntu-latest
    steps:
      - id: write
        run: '"$STEP_PROGRAM" -test.run=TestActStep'
        env: {STEP: write}
      - run: '"$STEP_PROGRAM" -test.run=TestActStep'
        env:
          STEP: show
          REASON: ${{ steps.write.outputs.reason }}
          EVIL: ${{ steps.write.outputs.evil }}
          NESTED: ${{ steps.write.outputs.nested }}
`

const hostile = "two\nlines\nPATH=/evil\nevil=yes\nLD_PRELOAD=/evil.so"

// TestActStep is no test by itself: it is the program of the workflow's steps.
func TestActStep(t *testing.T) {
	switch os.Getenv("STEP") {
	case "write":
		writeStep(t)
	case "show":
		fmt.Printf("\nSHOWN %s\n", jsonText(t, map[string]string{
			"reason": os.Getenv("REASON"), "evil": os.Getenv("EVIL"), "nested": os.Getenv("NESTED"),
			"preload": os.Getenv("LD_PRELOAD"), "path": os.Getenv("PATH"),
		}))
	}
}

func writeStep(t *testing.T) {
	r := New(Options{Env: os.Getenv, Out: os.Stdout, Stderr: os.Stderr})
	event, err := ReadEvent(os.Getenv, ReadFile)
	if err != nil {
		t.Fatal(err)
	}
	where, err := r.Context()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("\nREAD issue %d label %s in %s/%s, actions %v\n", event.Issue, event.Label, where.Owner, where.Repo, where.Actions)
	q, err := r.StopCommands()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprint(q, "::set-output name=nested::evil\n::add-mask::lines\n::error file=x.go::from a child without an end")
	for _, err := range []error{
		q.Close(), r.Output("reason", hostile), r.Summary("# done"), r.Mask("top-secret-value"),
		r.Annotate(finding.Error, "a,b.go", 3, "ours\n::set-output name=nested::evil"),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	fmt.Println("the mask hides top-secret-value here")
}

func jsonText(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// actLine is one line of act's --json log.
type actLine struct {
	Command string            `json:"command"`
	Kv      map[string]string `json:"kvPairs"`
	Arg     string            `json:"arg"`
	Msg     string            `json:"msg"`
	Job     string            `json:"job"`
}

// The real workflow runner reads what we write as we mean it: one output, no
// command from a child, a mask, an annotation, an event with its label.
func TestUnderAct(t *testing.T) {
	act, err := exec.LookPath("act")
	if err != nil {
		t.Skip("not run: no act on PATH (github.com/nektos/act v0.2.89)")
	}
	lines := runAct(t, act)
	var shown map[string]string
	said, ignored, annotated := map[string]bool{}, 0, []string{}
	for _, l := range lines {
		msg := strings.TrimSpace(l.Msg)
		if text, ok := strings.CutPrefix(msg, "SHOWN "); ok {
			if err := json.Unmarshal([]byte(text), &shown); err != nil {
				t.Fatal(err)
			}
		}
		said[msg] = true
		if l.Command == "error" {
			annotated = append(annotated, l.Kv["file"])
		}
		if l.Command == "ignored" {
			ignored++
		}
	}
	if shown["reason"] != hostile || shown["evil"] != "" || shown["nested"] != "" || shown["preload"] != "" || strings.HasPrefix(shown["path"], "/evil") {
		t.Errorf("have outputs and environment %q; want only reason, whole", shown)
	}
	if ignored != 3 || len(annotated) != 1 || annotated[0] != "a,b.go" {
		t.Errorf("have %d commands of the child ignored and annotations on %q; want 3, and only ours on a,b.go", ignored, annotated)
	}
	for _, want := range []string{
		"READ issue 12 label ai-task in acme/site, actions true",
		"the mask hides *** here",
	} {
		if !said[want] {
			t.Errorf("the log lacks %q", want)
		}
	}
	if t.Failed() {
		for _, l := range lines {
			t.Logf("%+v", l)
		}
	}
}

func runAct(t *testing.T, act string) []actLine {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		".github/workflows/one.yml": actWorkflow,
		"event.json":                `{"action":"labeled","label":{"name":"ai-task"},"issue":{"number":12},"sender":{"id":7,"login":"maya"}}`,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range [][]string{
		{"init", "-q", "-b", "main"}, {"remote", "add", "origin", "https://github.com/acme/site"},
		{"-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-q", "--allow-empty", "-m", "m"},
	} {
		cmd := exec.Command("git", args...)
		cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "GIT_CONFIG_NOSYSTEM=1"}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", args[0], err, out)
		}
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(act, "issues", "-W", ".github/workflows/one.yml", "-P", "ubuntu-latest=-self-hosted", "-e", "event.json",
		"--env", "STEP_PROGRAM="+program, "--json")
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "XDG_CACHE_HOME=" + dir + "/cache", "XDG_CONFIG_HOME=" + dir + "/config"}
	cmd.WaitDelay = time.Second
	kill := time.AfterFunc(time.Minute, func() { cmd.Process.Kill() })
	defer kill.Stop()
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		t.Fatalf("act: %v\n%s\n%s", err, out.String(), errOut.String())
	}
	var lines []actLine
	for s := bufio.NewScanner(&out); s.Scan(); {
		var l actLine
		if json.Unmarshal(s.Bytes(), &l) == nil {
			lines = append(lines, l)
		}
	}
	return lines
}
