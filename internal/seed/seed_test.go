package seed

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gopkg.in/yaml.v3"
)

const smallest = "version: 1\nproject: {name: tally}\ncommands: {test: [\"go test ./...\"]}\n"

func mustParse(t *testing.T, text string) *Seed {
	t.Helper()
	s, err := Parse("seed.yaml", []byte(text))
	if err != nil {
		t.Fatalf("%s\n%v", text, err)
	}
	return s
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// fixture is the seed of the source document, which lives beside the
// repository: in $SEEDBED_FIXTURES, or in ../shared/fixtures from its root.
func fixture(t *testing.T) []byte {
	t.Helper()
	dir := os.Getenv("SEEDBED_FIXTURES")
	if dir == "" {
		dir = "../../../shared/fixtures"
	}
	data, err := os.ReadFile(filepath.Join(dir, "interactive-cv.seed.yaml"))
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("not run: no interactive-cv.seed.yaml in %s; set SEEDBED_FIXTURES. examples/interactive-cv is read in its place", dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// The source document's own example loads as it is, and so do ours; every value
// written in them can be found again in the struct under the same keys.
func TestFixtureIsAlive(t *testing.T) {
	data := fixture(t)
	s := mustParse(t, string(data))
	alive(t, s, data)
	if err := schemaError(t, compileSchema(t), string(data)); err != nil {
		t.Errorf("schema: %v", err)
	}
}

func TestExamplesAreAlive(t *testing.T) {
	for _, file := range exampleSeeds(t) {
		t.Run(file, func(t *testing.T) {
			data := readFile(t, file)
			alive(t, mustParse(t, string(data)), data)
		})
	}
}

// alive walks the file, not the struct: what is written must come out of
// Effective with the same text and the line it stands in.
func alive(t *testing.T, s *Seed, data []byte) {
	t.Helper()
	have := map[string]Setting{}
	for _, e := range s.Effective() {
		have[e.Path] = e
	}
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		t.Fatal(err)
	}
	written := 0
	var walk func(n *yaml.Node, path string, line int)
	walk = func(n *yaml.Node, path string, line int) {
		switch {
		case n.Kind == yaml.MappingNode:
			for i := 0; i < len(n.Content); i += 2 {
				if key := n.Content[i]; !strings.HasPrefix(key.Value, "x-") {
					walk(n.Content[i+1], join(path, key.Value), key.Line)
				}
			}
		case n.Kind == yaml.SequenceNode && (len(n.Content) == 0 || have[path].Value != ""):
			var texts []string
			for _, c := range n.Content {
				texts = append(texts, c.Value)
			}
			written++
			compareSetting(t, have[path], path, "["+strings.Join(texts, ", ")+"]", line)
		case n.Kind == yaml.SequenceNode:
			for i, c := range n.Content {
				walk(c, fmt.Sprintf("%s[%d]", path, i), c.Line)
			}
		default:
			written++
			e, ok := have[path]
			for _, bare := range []string{".text", ".run", ".path"} { // a bare text stands for a field
				if !ok {
					e, ok = have[path+bare]
				}
			}
			compareSetting(t, e, path, n.Value, line)
		}
	}
	walk(root.Content[0], "", 1)
	if written < 3 { // the smallest seed writes three
		t.Errorf("only %d values found in the file", written)
	}
}

func compareSetting(t *testing.T, have Setting, path, value string, line int) {
	t.Helper()
	same := have.Value == value
	if d, err := parseDuration(value); err == nil && !same {
		same = have.Value == formatDuration(d)
	}
	if !same || have.Place.Line != line {
		t.Errorf("%s: have %q at %v, want %q at line %d", path, have.Value, have.Place, value, line)
	}
}

// Every key stands in at least one file under examples/. A key that the same
// type has at several places (a role's model, a domain's model) has to be shown
// at one of them.
func TestExamplesShowEveryKey(t *testing.T) {
	var written []string
	for _, file := range exampleSeeds(t) {
		for at := range mustParse(t, string(readFile(t, file))).places {
			written = append(written, at)
		}
	}
	shown := map[string]bool{}
	walkKeys(reflect.TypeFor[Seed](), "", func(key string, owner reflect.Type) {
		name := owner.Name() + key[strings.LastIndexByte(key, '.')+1:]
		shown[name] = shown[name] || slices.ContainsFunc(written, func(at string) bool { return covers(key, at) })
	})
	for name, ok := range shown {
		if !ok {
			t.Errorf("%s stands in no file under examples/", name)
		}
	}
}

// The three keys of the smallest seed are enough, and each default is the one
// that the documentation promises.
func TestDefaults(t *testing.T) {
	s := mustParse(t, smallest)
	var have strings.Builder
	for _, e := range s.Effective() {
		have.WriteString(e.String() + "\n")
	}
	golden(t, "testdata/defaults.txt", have.String())
}

func golden(t *testing.T, file, have string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(have), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(string(readFile(t, file)), have); diff != "" {
		t.Errorf("%s (-want +have):\n%s", file, diff)
	}
}

// Zero, off, auto and absent are four different things.
func TestLimitsTellWordsFromNumbers(t *testing.T) {
	for _, c := range []struct {
		written string
		want    Limit
	}{
		{"", Limit{Off: true}},
		{"max_files: off", Limit{Off: true, Set: true}},
		{"max_files: 0", Limit{Set: true}},
		{"max_files: 7", Limit{N: 7, Set: true}},
	} {
		s := mustParse(t, smallest+"constraints: {repo: {"+c.written+"}}\n")
		if have := s.Constraints.Repo.MaxFiles; have != c.want {
			t.Errorf("%q: have %+v, want %+v", c.written, have, c.want)
		}
	}
	s := mustParse(t, smallest+"model: {context_tokens: auto, max_output_tokens: 100, temperature: 0}\nbudgets: {cycle: {usd: 0}}\n")
	for _, c := range []struct{ have, want any }{
		{s.Model.ContextTokens, Limit{Auto: true, Set: true}},
		{s.Model.MaxOutputTokens, Limit{N: 100, Set: true}},
		{s.Model.Temperature, Number{Set: true}},
		{s.Budgets.Cycle.USD, Number{Set: true}},
		{s.Model.PricePerMillion.Input, Number{Off: true}},
		{s.Model.ContextTokens.On(), false},
		{s.Model.MaxOutputTokens.On(), true},
		{s.Model.Temperature.On(), true},
	} {
		if !reflect.DeepEqual(c.have, c.want) {
			t.Errorf("have %+v, want %+v", c.have, c.want)
		}
	}
}

func TestDurations(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "3d": 72 * time.Hour, "72h": 72 * time.Hour, "10m": 10 * time.Minute, "15s": 15 * time.Second,
		"1h30m": 90 * time.Minute, "500ms": 500 * time.Millisecond, "1d2h3m4s5ms": 26*time.Hour + 3*time.Minute + 4*time.Second + 5*time.Millisecond,
		"": -1, "10": -1, "1.5h": -1, "-1h": -1, "+1h": -1, "1m1h": -1, "1h1h": -1, "01h": -1, "1 h": -1, "h": -1, "99999999999d": -1, "1w": -1, "1H": -1,
	} {
		have, err := parseDuration(text)
		if want < 0 {
			if err == nil {
				t.Errorf("%q: have %v, want an error", text, have)
			}
			continue
		}
		if err != nil || have != want {
			t.Errorf("%q: have %v, %v, want %v", text, have, err, want)
		}
		back, err := parseDuration(formatDuration(want))
		if err != nil || back != want {
			t.Errorf("%q: written %q, read again %v, %v", text, formatDuration(want), back, err)
		}
	}
}

func TestPlaces(t *testing.T) {
	s := mustParse(t, "\ufeffversion: 1\r\nproject:\r\n  name: tally\r\nautomation_contract:\r\n  ai_access:\r\n    write_paths:\r\n      - \"a/**\"\r\n      - \"b/**\"\r\nworkers: {fmt: {command: gofmt -w .}}\r\ncommands: {test: [go test]}\r\n")
	for path, want := range map[string]Place{
		"version":            {1, 1},
		"project.name":       {3, 3},
		"workers.fmt":        {9, 11},
		"commands.test[0]":   {10, 19},
		"budgets":            {},
		"no.such.key":        {},
		"workers.other":      {},
		"mode":               {},
		"commands.test[1]":   {},
		"workers.fmt.prompt": {},
		"automation_contract.ai_access.write_paths":    {6, 5},
		"automation_contract.ai_access.write_paths[0]": {7, 9},
		"automation_contract.ai_access.write_paths[1]": {8, 9},
		"commands.test[0].run":                         {10, 19},
		"workers.fmt.command":                          {9, 17},
	} {
		if have := s.At(path); have != want {
			t.Errorf("%s: have %+v, want %+v", path, have, want)
		}
	}
	if have := s.At("project.name").String() + " " + s.At("mode").String(); have != "seed.yaml:3 default" {
		t.Errorf("have %q", have)
	}
}

func TestDigestIsOfTheBytes(t *testing.T) {
	sum := sha256.Sum256([]byte(smallest))
	if have, want := mustParse(t, smallest).Digest(), hex.EncodeToString(sum[:]); have != want {
		t.Errorf("have %s, want %s", have, want)
	}
	if mustParse(t, smallest).Digest() == mustParse(t, smallest+"\n").Digest() {
		t.Error("a changed byte left the digest as it was")
	}
}

// Bare texts and mappings say the same; what a bare text leaves open has its
// default.
func TestCommandForms(t *testing.T) {
	s := mustParse(t, `version: 1
project: {name: tally}
commands:
  setup: [a, {run: b, network: false}]
  lint: [c]
  test:
    - d
    - {run: e, when: step, timeout: 2m, report: {format: gotest}, coverage: {format: go, path: cover.out}, network: true, name: E}
growth: {sources: [todo, {command: f}]}
evaluation: {correctness: {invariants: [g, {text: h, check: i}]}}
`)
	for _, c := range []struct{ have, want any }{
		{s.Commands.Setup, []SetupCommand{{"a", 10 * time.Minute, true}, {"b", 10 * time.Minute, false}}},
		{s.Commands.Lint, []Command{{"c", 10 * time.Minute, false}}},
		{s.Commands.Test, []TestCommand{
			{Run: "d", When: "both", Timeout: 10 * time.Minute},
			{Run: "e", Name: "E", When: "step", Timeout: 2 * time.Minute, Report: Report{Format: "gotest"}, Coverage: CoverageReport{"go", "cover.out"}, Network: true},
		}},
		{s.Growth.Sources, []Source{{Name: "todo"}, {Command: "f"}}},
		{s.Evaluation.Correctness.Invariants, []Invariant{{Text: "g"}, {Text: "h", Check: "i"}}},
	} {
		if diff := cmp.Diff(c.want, c.have); diff != "" {
			t.Errorf("(-want +have):\n%s", diff)
		}
	}
}

// An alias that stays small is only a way to write less.
func TestAliasesStandForWhatTheyName(t *testing.T) {
	s := mustParse(t, smallest+"x-small: &small {max_files: 4}\nbudgets: {change: *small, cycle: *small}\n")
	if s.Budgets.Change.MaxFiles != 4 || s.Budgets.Cycle.MaxFiles != 4 || s.Budgets.Change.MaxLines != 400 {
		t.Errorf("have %+v", s.Budgets)
	}
}

// Two readings of one file are equal in every field.
func TestParseIsDeterministic(t *testing.T) {
	for _, file := range exampleSeeds(t) {
		data := readFile(t, file)
		a, b := mustParse(t, string(data)), mustParse(t, string(data))
		if !reflect.DeepEqual(a, b) || !slices.Equal(a.Effective(), b.Effective()) || !slices.Equal(a.ReservedInUse(), b.ReservedInUse()) {
			t.Errorf("%s: two readings differ", file)
		}
	}
}
