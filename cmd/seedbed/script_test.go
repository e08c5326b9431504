package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/seedbed-dev/seedbed/internal/adapter/sandbox"
)

var update = flag.Bool("update", false, "write golden files instead of comparing")

// TestMain lets the test binary be the program itself, and the inside of its
// sandbox.
func TestMain(m *testing.M) {
	sandbox.MaybeChild()
	testscript.Main(m, map[string]func(){
		"seedbed": main,
	})
}

// TestScript runs the behaviours under testdata/script as users type them.
func TestScript(t *testing.T) {
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	gocache, err := exec.Command("go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		Setup: func(env *testscript.Env) error {
			goldens, err := filepath.Abs("testdata/golden")
			if err != nil {
				return err
			}
			env.Setenv("GOLDENS", goldens)
			env.Setenv("GIT_CONFIG_GLOBAL", os.DevNull)
			env.Setenv("GIT_CONFIG_NOSYSTEM", "1")
			env.Setenv("GIT_AUTHOR_NAME", "ana")
			env.Setenv("GIT_AUTHOR_EMAIL", "ana@example.com")
			env.Setenv("GIT_COMMITTER_NAME", "ana")
			env.Setenv("GIT_COMMITTER_EMAIL", "ana@example.com")
			env.Setenv("GOCACHE", strings.TrimSpace(string(gocache)))
			env.Setenv("GOFLAGS", "-mod=readonly")
			env.Setenv("GOPROXY", "off")
			env.Values[hubKey{}] = &hub{}
			env.Setenv("SEEDBED_CACHE", filepath.Join(cache, "seedbed", "sandbox"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"asks":      asks,
			"exits":     exits,
			"hub":       hubCommand,
			"masked":    masked,
			"mode":      mode,
			"terminate": terminate,
			"waitfor":   waitFor,
			"writes":    writes,
		},
	})
}

// exits runs a command and compares its exit code: exits 4 seedbed plan.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND [ARG...]")
	}
	err := ts.Exec(args[1], args[2:]...)
	have := "0"
	if err != nil {
		have = fmt.Sprint(codeOf(err))
	}
	if have != args[0] {
		ts.Fatalf("%s ended with exit code %s, want %s", strings.Join(args[1:], " "), have, args[0])
	}
}

// codeOf reads the code out of testscript's error, which keeps the text alone.
func codeOf(err error) int {
	var code int
	if _, scanErr := fmt.Sscanf(err.Error(), "exit status %d", &code); scanErr != nil {
		return -1
	}
	return code
}

// masks hide what differs from run to run. A time in a column keeps its width.
var masks = []struct {
	find *regexp.Regexp
	with func(string) string
}{
	{regexp.MustCompile(` *\d+\.\ds\b`), func(s string) string { return strings.Repeat(" ", max(0, len(s)-4)) + "-.-s" }},
	{regexp.MustCompile(`\d+\.\d s\b`), func(string) string { return "-.- s" }},
	{regexp.MustCompile(`\d+ GitHub calls, \d+ of them writes`), func(string) string { return "N GitHub calls, N of them writes" }},
	{regexp.MustCompile(`127\.0\.0\.1:\d+`), func(string) string { return "127.0.0.1:PORT" }},
}

// masked compares a file (or stdout) with a golden file, times and ports
// masked: masked stdout golden.txt.
func masked(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: masked FILE GOLDEN")
	}
	text := ts.ReadFile(args[0])
	for _, m := range masks {
		text = m.find.ReplaceAllStringFunc(text, m.with)
	}
	golden := filepath.Join(ts.Getenv("GOLDEN"), args[1])
	if *update {
		ts.Check(os.WriteFile(golden, []byte(text), 0o644))
		return
	}
	want, err := os.ReadFile(golden)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs("masked"), []byte(text), 0o644))
	if text != string(want) {
		diff, _ := exec.Command("diff", "-u", golden, ts.MkAbs("masked")).CombinedOutput() // exit code 1: they differ
		ts.Fatalf("%s is not as it was; -update writes it anew (- want, + have)\n%s", args[1], diff)
	}
}

// mode compares a file's permission bits: mode 600 FILE.
func mode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: mode OCTAL FILE")
	}
	info, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	if have := fmt.Sprintf("%o", info.Mode().Perm()); have != args[0] {
		ts.Fatalf("%s has mode %s, want %s", args[1], have, args[0])
	}
}
