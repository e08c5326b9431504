package check_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seedbed-dev/seedbed/internal/check"
	"github.com/seedbed-dev/seedbed/internal/command"
	"github.com/seedbed-dev/seedbed/internal/secret"
	"github.com/seedbed-dev/seedbed/internal/seed"
)

// says is a runner that answers every command alike and keeps what was asked.
type says struct {
	res   command.Result
	err   error
	asked []command.Command
}

func (s *says) Run(_ context.Context, c command.Command) (command.Result, error) {
	s.asked = append(s.asked, c)
	return s.res, s.err
}

func bench(t *testing.T, r check.Runner) check.Bench {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module example.com/tally\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return check.Bench{Runner: r, Dir: dir}
}

func event(action, pkg, test, output string) string {
	data, err := json.Marshal(map[string]string{"Action": action, "Package": pkg, "Test": test, "Output": output})
	if err != nil {
		panic(err) // unreachable: strings marshal
	}
	return string(data) + "\n"
}

func goTest() check.Declared {
	return check.Declared{Kind: check.Test, Name: "go test ./...", Run: "go test ./...", Timeout: time.Minute}
}

func TestGoTestIsAskedForEvents(t *testing.T) {
	for _, c := range []struct{ run, want string }{
		{"go test ./...", "go test -json ./..."},
		{"go test", "go test -json"},
		{"CGO_ENABLED=0 go test -race ./...", "CGO_ENABLED=0 go test -json -race ./..."},
		{"go test -json ./...", "go test -json ./..."},
		{"go test ./... | tee out", "go test ./... | tee out"},
		{"go test ./... && echo done", "go test ./... && echo done"},
		{"go testify ./...", "go testify ./..."},
		{"make test", "make test"},
	} {
		r := &says{}
		d := goTest()
		d.Run = c.run
		if _, err := bench(t, r).Do(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		if have := r.asked[0].Shell; have != c.want {
			t.Errorf("%q runs as %q, want %q", c.run, have, c.want)
		}
	}
}

func TestGoTestNames(t *testing.T) {
	const count, root = "example.com/tally/internal/count", "example.com/tally"
	for name, c := range map[string]struct {
		stdout        string
		exit          int
		passed, total int
		failed        []string
		shows         string
	}{
		"green": {event("run", count, "TestA", "") + event("pass", count, "TestA", "") + event("pass", count, "", ""), 0, 1, 1, nil, ""},
		"parts fail, parents only carry it": {
			event("run", count, "TestA", "") + event("run", count, "TestA/x", "") + event("output", count, "TestA/x", "    a_test.go:3: boom\n") +
				event("fail", count, "TestA/x", "") + event("fail", count, "TestA", "") + event("fail", count, "", ""),
			1, 0, 1, []string{"internal/count.TestA/x"}, "boom"},
		"root package": {event("run", root, "TestR", "") + event("fail", root, "TestR", "") + event("fail", root, "", ""), 1, 0, 1, []string{"TestR"}, ""},
		"does not build": {
			`{"ImportPath":"example.com/tally/internal/count [example.com/tally/internal/count.test]","Action":"build-output","Output":"count.go:7: undefined: x\n"}` + "\n" +
				event("fail", count, "", ""), 1, 0, 1, []string{"internal/count (package)"}, "undefined: x"},
		"hangs": {event("run", count, "TestSlow", "") + event("output", count, "TestSlow", "waiting\n"), 137, 0, 1, []string{"internal/count.TestSlow"}, "waiting"},
		"failed once of two": {event("run", count, "TestF", "") + event("fail", count, "TestF", "") + event("run", count, "TestF", "") + event("pass", count, "TestF", ""),
			1, 0, 1, []string{"internal/count.TestF"}, ""},
		"skipped":            {event("run", count, "TestS", "") + event("skip", count, "TestS", "") + event("pass", count, "", ""), 0, 0, 0, nil, ""},
		"no events at all":   {"FAIL\tsomething else\n{not json\n", 1, 0, 0, nil, "FAIL"},
		"a test prints JSON": {event("run", count, "TestA", "") + event("output", count, "TestA", `{"Action":"fail","Package":"p","Test":"TestZ"}`+"\n") + event("pass", count, "TestA", ""), 0, 1, 1, nil, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := &says{res: command.Result{Stdout: []byte(c.stdout), Output: []byte(c.stdout), Exit: c.exit}}
			side, err := bench(t, r).Do(t.Context(), goTest())
			if err != nil {
				t.Fatal(err)
			}
			if side.Passed != c.passed || side.Total != c.total || !slices.Equal(side.Failed, c.failed) {
				t.Errorf("have %d of %d, failed %q; want %d of %d, failed %q", side.Passed, side.Total, side.Failed, c.passed, c.total, c.failed)
			}
			if !strings.Contains(side.Output, c.shows) {
				t.Errorf("output %q lacks %q", side.Output, c.shows)
			}
		})
	}
}

func TestReports(t *testing.T) {
	for name, c := range map[string]struct {
		format, text  string
		passed, total int
		failed        []string
	}{
		"junit": {"junit", `<testsuites><testsuite><testcase classname="a" name="x"/><testcase classname="a" name="y"><failure message="m">t</failure></testcase>` +
			`<testcase name="z"><skipped/></testcase><testcase name="e"><error/></testcase></testsuite></testsuites>`, 1, 3, []string{"a.y", "e"}},
		"junit, cut": {"junit", `<testsuite><testcase name="x"/><testcase name="y"><fail`, 1, 1, nil},
		"tap":        {"tap", "TAP version 13\n1..4\nok 1 - adds\nnot ok 2 - takes away\nok 3 - later # SKIP no net\nnot ok 4 - some day # TODO\n    not ok 1 - inside\n", 1, 2, []string{"takes away"}},
		"tap, bare":  {"tap", "ok\nnot ok 2\n", 1, 2, []string{"test 2"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := bench(t, &says{res: command.Result{Exit: 1}})
			if err := os.WriteFile(filepath.Join(b.Dir, "report"), []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
			side, err := b.Do(t.Context(), check.Declared{Kind: check.Test, Run: "run", Report: seed.Report{Format: c.format, Path: "report"}})
			if err != nil {
				t.Fatal(err)
			}
			if side.Passed != c.passed || side.Total != c.total || !slices.Equal(side.Failed, c.failed) {
				t.Errorf("have %d of %d, failed %q; want %d of %d, failed %q", side.Passed, side.Total, side.Failed, c.passed, c.total, c.failed)
			}
		})
	}
}

func TestReportOutsideTheTreeIsNotRead(t *testing.T) {
	b := bench(t, &says{res: command.Result{Exit: 1}})
	outside := filepath.Join(t.TempDir(), "report")
	if err := os.WriteFile(outside, []byte("not ok 1 - secret name\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, filepath.Join(b.Dir, "report")); err != nil {
		t.Fatal(err)
	}
	side, err := b.Do(t.Context(), check.Declared{Kind: check.Test, Run: "run", Report: seed.Report{Format: "tap", Path: "report"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(side.Failed) > 0 || !strings.Contains(side.Output, "[report report:") {
		t.Errorf("have failed %q, output %q; want no names and the reason", side.Failed, side.Output)
	}
}

func TestHostileOutput(t *testing.T) {
	token := "ghp_" + "1B2m3N4b5V6c7X8z9Q0w1E2r3T4y5U6i7O8p"
	stdout := event("run", "example.com/tally", "TestEvil", "") +
		event("output", "example.com/tally", "TestEvil", "\x1b[2J\x1b]8;;http://x\x07link\r::set-output name=x::y\n##[command]rm\nkey "+token+" model sekret-value-123\n") +
		event("output", "example.com/tally", "TestEvil", strings.Repeat("x", 1<<20)+"\n") +
		event("fail", "example.com/tally", "TestEvil\x1b[31m"+token, "") + event("fail", "example.com/tally", "TestEvil", "")
	b := bench(t, &says{res: command.Result{Stdout: []byte(stdout), Output: []byte(stdout), Exit: 1}})
	b.Redactor = secret.NewRedactor(secret.Known{Name: "model_key", Value: "sekret-value-123"})
	side, err := b.Do(t.Context(), goTest())
	if err != nil {
		t.Fatal(err)
	}
	all := side.Output + strings.Join(side.Failed, "\n")
	for _, bad := range []string{"\x1b", "\r", token, "sekret-value-123", "\n::", "##[command]"} {
		if strings.Contains(all, bad) {
			t.Errorf("output or names hold %q", bad)
		}
	}
	if !slices.Contains(side.Failed, "TestEvil") {
		t.Errorf("failed %q lacks TestEvil", side.Failed)
	}
	if len(side.Output) > 64<<10 {
		t.Errorf("output has %d bytes", len(side.Output))
	}
	for line := range strings.Lines(side.Output) {
		if len(line) > 500 {
			t.Fatalf("a line of %d bytes", len(line))
		}
	}
}

func TestTimeOutIsAResult(t *testing.T) {
	b := bench(t, &says{res: command.Result{Exit: 137, TimedOut: true, Signal: "killed"}})
	b.Left = func() time.Duration { return 90 * time.Millisecond }
	side, err := b.Do(t.Context(), goTest())
	if err != nil {
		t.Fatal(err)
	}
	if side.OK() || !side.TimedOut || !strings.Contains(side.Output, "[stopped: not done after 90ms]") {
		t.Errorf("have %+v", side)
	}
}

func TestErrorsComeFromOutside(t *testing.T) {
	broken := errors.New("no namespaces")
	b := bench(t, &says{err: broken})
	if _, err := b.Do(t.Context(), goTest()); !errors.Is(err, broken) {
		t.Errorf("have %v, want the runner's error", err)
	}
	spent := fmt.Errorf("spent")
	r := &says{}
	b = bench(t, r)
	b.Spend = func() error { return spent }
	if _, err := b.Do(t.Context(), goTest()); !errors.Is(err, spent) || len(r.asked) != 0 {
		t.Errorf("have %v after %d commands, want the refusal before any", err, len(r.asked))
	}
}

func FuzzReports(f *testing.F) {
	f.Add([]byte(event("run", "p", "T/a", "")+event("fail", "p", "T/a", "")), "gotest")
	f.Add([]byte("<testcase name='x'><failure/></testcase>"), "junit")
	f.Add([]byte("not ok 1 - x # TODO\n"), "tap")
	f.Fuzz(func(t *testing.T, data []byte, format string) {
		if format != "gotest" && format != "junit" && format != "tap" {
			return
		}
		r := &says{res: command.Result{Stdout: data, Output: data, Exit: 1}}
		b := check.Bench{Runner: r, Dir: "/nonexistent"}
		side, err := b.Do(t.Context(), check.Declared{Kind: check.Test, Run: "x", Report: seed.Report{Format: format}})
		if err != nil {
			t.Fatal(err)
		}
		if side.Passed < 0 || side.Total < side.Passed {
			t.Errorf("%d of %d", side.Passed, side.Total)
		}
		for _, n := range append(side.Failed, side.Tests...) {
			if strings.ContainsAny(n, "\n\x1b\r") {
				t.Errorf("name %q", n)
			}
		}
	})
}
