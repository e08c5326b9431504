package main

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/seedbed-dev/seedbed/internal/rundir"
)

// commands are all that people may type, the library's own aside.
func commands(t *testing.T) []*cobra.Command {
	t.Helper()
	var list []*cobra.Command
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Name() == "help" || c.Name() == "completion" {
			return
		}
		list = append(list, c)
		for _, sub := range c.Commands() {
			walk(sub)
		}
	}
	walk(newRoot(newWorld(strings.NewReader(""), io.Discard, io.Discard, nil)))
	return list[1:] // without the root
}

func TestEveryFlagIsDescribedOnce(t *testing.T) {
	meanings := map[string]string{}
	// Words that mean each command's own thing: its effects, its jobs, its task, its pull
	// request. A word that joins them does so knowingly.
	several := map[string]bool{"from": true, "dir": true, "again": true, "dry-run": true, "job": true, "pull": true, "task": true, "accepted": true}
	for _, c := range commands(t) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Name == "help" {
				return
			}
			if f.Usage == "" {
				t.Errorf("%s --%s: no help text", c.CommandPath(), f.Name)
			}
			if strings.HasSuffix(f.Usage, ".") || strings.ToLower(f.Usage[:1]) != f.Usage[:1] && !isName(f.Usage) {
				t.Errorf("%s --%s: %q: begin small and end without a full stop", c.CommandPath(), f.Name, f.Usage)
			}
			if before, ok := meanings[f.Name]; ok && before != f.Usage && !several[f.Name] {
				t.Errorf("%s --%s: have %q, and elsewhere %q", c.CommandPath(), f.Name, f.Usage, before)
			}
			meanings[f.Name] = f.Usage
		})
	}
	texts := map[string]string{}
	for name, usage := range meanings {
		if other, ok := texts[usage]; ok {
			t.Errorf("--%s and --%s have one meaning: %q", name, other, usage)
		}
		texts[usage] = name
	}
}

// isName says whether a text begins with a name in capitals, such as REST.
func isName(s string) bool {
	word, _, _ := strings.Cut(s, " ")
	return len(word) > 1 && strings.ToUpper(word) == word || strings.Contains(word, "/") || word == "GraphQL" || word == "OpenAI-compatible"
}

func TestEveryFlagHasAnInput(t *testing.T) {
	for flag, want := range map[string]string{"model-url": "INPUT_MODEL_URL", "run-dir": "INPUT_RUN_DIR", "kill": "INPUT_KILL"} {
		if have := inputName(flag); have != want {
			t.Errorf("--%s: have %s, want %s", flag, have, want)
		}
	}
	for _, c := range commands(t) {
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if f.Name == "help" {
				return
			}
			value := map[string]string{"bool": "true", "int": "7", "text|json": "json", "duration": "7s"}[f.Value.Type()]
			if value == "" {
				value = "given"
			}
			flags := pflag.NewFlagSet(c.Name(), pflag.ContinueOnError)
			flags.AddFlag(f)
			err := fromInputs(flags, func(name string) string {
				if name == inputName(f.Name) {
					return value
				}
				return ""
			})
			if have := strings.Trim(f.Value.String(), "[]"); err != nil || have != value {
				t.Errorf("%s --%s: have %q from %s, want %q (%v)", c.CommandPath(), f.Name, have, inputName(f.Name), value, err)
			}
		})
	}
}

func TestAFlagWinsOverItsInput(t *testing.T) {
	flags := pflag.NewFlagSet("x", pflag.ContinueOnError)
	url := flags.String("model-url", "", "")
	if err := flags.Parse([]string{"--model-url", "typed"}); err != nil {
		t.Fatal(err)
	}
	if err := fromInputs(flags, func(string) string { return "input" }); err != nil || *url != "typed" {
		t.Errorf("have %q, want %q (%v)", *url, "typed", err)
	}
	flags = pflag.NewFlagSet("x", pflag.ContinueOnError)
	flags.Int("issue", 0, "")
	err := fromInputs(flags, func(string) string { return "twelve" })
	if outcome, hint := classify(err); outcome != rundir.Usage || hint == "" || !strings.Contains(err.Error(), "input issue") {
		t.Errorf("have outcome %s, hint %q, error %v", outcome, hint, err)
	}
}

// codeLine is a line of a help text's list of outcomes.
var codeLine = regexp.MustCompile(`(?m)^  ([0-9])( |$)`)

func TestHelpListsOutcomes(t *testing.T) {
	for _, c := range commands(t) {
		if !c.Runnable() || c.Name() == "version" {
			continue
		}
		if c.Name() == "run" { // those of its steps
			continue
		}
		_, list, ok := strings.Cut(c.Long, "Outcomes and exit codes:\n")
		if !ok {
			t.Errorf("%s: its help lists no outcomes", c.CommandPath())
			continue
		}
		var codes []string
		for _, m := range codeLine.FindAllStringSubmatch(list, -1) {
			codes = append(codes, m[1])
		}
		if !slices.IsSorted(codes) || len(codes) == 0 || codes[0] != "0" {
			t.Errorf("%s: have codes %v, want them sorted from 0 up", c.CommandPath(), codes)
		}
		if !slices.Contains(codes, "2") && !slices.Contains([]string{"implement", "test", "review"}, c.Name()) {
			t.Errorf("%s: nothing said about exit code 2, which every command with flags has", c.CommandPath())
		}
	}
}

func TestHelpFitsATerminal(t *testing.T) {
	for _, c := range commands(t) {
		var out bytes.Buffer
		args := append(strings.Fields(c.CommandPath())[1:], "--help")
		if code := run(t.Context(), args, strings.NewReader(""), &out, io.Discard, nil); code != 0 {
			t.Errorf("%s: have exit code %d", c.CommandPath(), code)
		}
		for _, line := range strings.Split(c.Long, "\n") {
			if len([]rune(line)) > 100 {
				t.Errorf("%s: wider than 100: %q", c.CommandPath(), line)
			}
		}
	}
}

// TestExitCodes is the contract with workflows: outcome, code.
func TestExitCodes(t *testing.T) {
	contract := map[int][]rundir.Outcome{
		0: {rundir.Succeeded, rundir.NothingToDo, rundir.Advisory},
		1: {rundir.QualityRejected, rundir.ValidationBlocked, rundir.NoChange},
		2: {rundir.Usage},
		3: {rundir.Environment, rundir.Infrastructure, "", "an outcome nobody knows"},
		4: {rundir.NeedsHuman, rundir.NeedsApproval, rundir.Pending, rundir.Inconclusive, rundir.RolledBack},
		5: {rundir.BudgetExhausted},
	}
	for want, outcomes := range contract {
		for _, o := range outcomes {
			if have, told := exitCode(&ended{o}, io.Discard); have != want || told != "" {
				t.Errorf("%q: have exit code %d, want %d", o, have, want)
			}
			if have, told := exitCode(fmt.Errorf("doing: %w", &failure{outcome: o, err: errors.New("x")}), io.Discard); have != want || told != o {
				t.Errorf("an error that means %q: have exit code %d, want %d", o, have, want)
			}
		}
	}
	if have, _ := exitCode(nil, io.Discard); have != 0 {
		t.Errorf("no error: have exit code %d", have)
	}
	if have, _ := exitCode(errors.New("a surprise"), io.Discard); have != 3 {
		t.Errorf("an unknown error: have exit code %d, want 3", have)
	}
}

// TestErrorsAreToldOnce says how an error looks: one line that begins with the
// program's name, then what to do.
func TestErrorsAreToldOnce(t *testing.T) {
	var told bytes.Buffer
	exitCode(usage("seedbed plan --help lists the flags", "plan: %w", errors.New("unknown flag: --x")), &told)
	want := "seedbed: plan: unknown flag: --x\nhint: seedbed plan --help lists the flags\n"
	if told.String() != want {
		t.Errorf("have %q, want %q", told.String(), want)
	}
	told.Reset()
	exitCode(&ended{rundir.NoChange}, &told)
	if told.Len() != 0 {
		t.Errorf("an outcome was told twice: %q", told.String())
	}
}

// TestNoMessageHasTwoCauses reads the program's own source: a reader of a log
// who searches for a message finds one place.
func TestNoMessageHasTwoCauses(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]token.Position{}
	set := token.NewFileSet()
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(set, name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			text, at := errorText(n)
			if text == "" {
				return true
			}
			if before, ok := seen[text]; ok {
				t.Errorf("%s: %q stands at %s too", set.Position(at), text, before)
			}
			seen[text] = set.Position(at)
			return true
		})
	}
	if len(seen) < 10 {
		t.Errorf("have %d messages; the test looks at the wrong calls", len(seen))
	}
}

// errorText is the text of a call that makes an error of its own.
func errorText(n ast.Node) (string, token.Pos) {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return "", 0
	}
	var arg int
	switch f := call.Fun.(type) {
	case *ast.Ident:
		if f.Name != "usage" {
			return "", 0
		}
		arg = 1
	case *ast.SelectorExpr:
		if f.Sel.Name != "Errorf" && (f.Sel.Name != "New" || fmt.Sprint(f.X) != "errors") {
			return "", 0
		}
	default:
		return "", 0
	}
	lit, ok := call.Args[arg].(*ast.BasicLit)
	if !ok {
		return "", 0
	}
	text, err := strconv.Unquote(lit.Value)
	if err != nil || strings.Contains(text, "%w") { // what wraps tells its cause as well
		return "", 0
	}
	return text, lit.Pos()
}
