package runner

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/seedbed-dev/seedbed/internal/finding"
	"github.com/seedbed-dev/seedbed/internal/forge"
)

// stage is a runner that stands in Actions, with the files of one step.
type stage struct {
	*Runner
	out, stderr     bytes.Buffer
	output, summary string
}

// counter is a source of "random" bytes that tests can foresee.
type counter byte

func (c *counter) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(*c)
	}
	*c++
	return len(p), nil
}

func inActions(t *testing.T, more ...string) *stage {
	t.Helper()
	dir := t.TempDir()
	s := &stage{output: filepath.Join(dir, "output"), summary: filepath.Join(dir, "summary")}
	for _, f := range []string{s.output, s.summary} {
		if err := os.WriteFile(f, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pairs := append([]string{"GITHUB_ACTIONS", "true", "GITHUB_OUTPUT", s.output, "GITHUB_STEP_SUMMARY", s.summary}, more...)
	s.Runner = New(Options{Env: env(pairs...), Out: &s.out, Stderr: &s.stderr, Random: new(counter)})
	return s
}

func outside() *stage {
	s := &stage{}
	s.Runner = New(Options{Env: env(), Out: &s.out, Stderr: &s.stderr})
	return s
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// parseOutputs reads an output file as the runner does: NAME<<DELIMITER, lines,
// DELIMITER, or NAME=VALUE.
func parseOutputs(t *testing.T, text string) map[string]string {
	t.Helper()
	got := map[string]string{}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i := 0; i < len(lines); i++ {
		if lines[i] == "" {
			continue
		}
		name, delimiter, ok := strings.Cut(lines[i], "<<")
		if !ok {
			name, value, _ := strings.Cut(lines[i], "=")
			got[name] = value
			continue
		}
		var value []string
		for i++; i < len(lines) && lines[i] != delimiter; i++ {
			value = append(value, lines[i])
		}
		if i == len(lines) {
			t.Fatalf("output %s has no end", name)
		}
		got[name] = strings.Join(value, "\n")
	}
	return got
}

// B47: an output stays one value, whatever it holds.
func TestOutputIsOneValue(t *testing.T) {
	for _, value := range []string{
		"", "merged", "a\nPATH=/tmp/evil", "x\nLD_PRELOAD=/tmp/x.so\n", "\n\n", "a\r\nb", "outcome<<EOF\nmerged\nEOF",
		"_GitHubActionsFileCommandDelimeter_\noutcome=merged", "ghadelimiter_0\nPATH=x", "seedbed_\nPATH=x",
		`{"include":[{"issue":12}]}`, "日本語 \U0001F331", strings.Repeat("x", OutputLimit),
	} {
		s := inActions(t)
		if err := s.Output("reason", value); err != nil {
			t.Fatalf("%.40q: %v", value, err)
		}
		have := parseOutputs(t, read(t, s.output))
		if len(have) != 1 || have["reason"] != value {
			t.Errorf("have %.200q, want only reason=%.40q", have, value)
		}
	}
}

func TestOutputDelimiterIsNew(t *testing.T) {
	s := inActions(t)
	for _, v := range []string{"a", "b"} {
		if err := s.Output("reason", v); err != nil {
			t.Fatal(err)
		}
	}
	want := "reason<<seedbed_00000000000000000000000000000000\na\nseedbed_00000000000000000000000000000000\n" +
		"reason<<seedbed_01010101010101010101010101010101\nb\nseedbed_01010101010101010101010101010101\n"
	if have := read(t, s.output); have != want {
		t.Errorf("have:\n%s\nwant:\n%s", have, want)
	}
}

func TestOutputRefused(t *testing.T) {
	guessed := "x\nseedbed_00000000000000000000000000000000\nPATH=/tmp"
	for _, tc := range []struct{ name, key, value, want string }{
		{"another variable", "PATH", "x", `setting output "PATH": not one of artifact, count,`},
		{"key with a line end", "outcome\nPATH", "x", `setting output "outcome\nPATH": not one of`},
		{"key with a delimiter", "outcome<<EOF", "x", `not one of`},
		{"other case", "Outcome", "x", `not one of`},
		{"delimiter guessed", "outcome", guessed, `setting output outcome: the value holds the delimiter`},
		{"too long", "matrix", strings.Repeat("x", OutputLimit+1), `setting output matrix: 524289 bytes, at most 524288`},
		{"NUL", "reason", "a\x00b", `setting output reason: the value is not text`},
		{"bad UTF-8", "reason", "a\xffb", `setting output reason: the value is not text`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := inActions(t)
			err := s.Output(tc.key, tc.value)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("have error %v, want %s", err, tc.want)
			}
			if have := read(t, s.output); have != "" {
				t.Errorf("written all the same: %q", have)
			}
		})
	}
}

func TestFilesMissing(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	for _, tc := range []struct {
		name, variable, file, want string
		write                      func(*Runner) error
	}{
		{"output not set", "GITHUB_OUTPUT", "", "setting output outcome: GITHUB_OUTPUT is not set", func(r *Runner) error { return r.Output("outcome", "x") }},
		{"output gone", "GITHUB_OUTPUT", none, "setting output outcome: opening the file of GITHUB_OUTPUT", func(r *Runner) error { return r.Output("outcome", "x") }},
		{"summary not set", "GITHUB_STEP_SUMMARY", "", "writing the job summary: GITHUB_STEP_SUMMARY is not set", func(r *Runner) error { return r.Summary("x") }},
		{"summary gone", "GITHUB_STEP_SUMMARY", none, "writing the job summary: opening the file of GITHUB_STEP_SUMMARY", func(r *Runner) error { return r.Summary("x") }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := inActions(t, tc.variable, tc.file)
			if err := tc.write(s.Runner); err == nil || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("have %v, want %s", err, tc.want)
			}
			if _, err := os.Stat(none); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("the missing file was made")
			}
		})
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("pipe closed") }
func (broken) Read([]byte) (int, error)  { return 0, errors.New("no entropy") }

func TestBrokenStreams(t *testing.T) {
	r := New(Options{Env: env("GITHUB_ACTIONS", "true"), Out: broken{}, Random: broken{}})
	if err := r.Annotate(finding.Error, "x.go", 1, "m"); err == nil || !strings.Contains(err.Error(), "pipe closed") {
		t.Errorf("annotation: have %v, want the pipe's error", err)
	}
	if err := r.Output("outcome", "x"); err == nil || !strings.Contains(err.Error(), "no entropy") {
		t.Errorf("output: have %v, want no entropy", err)
	}
	if _, err := r.StopCommands(); err == nil {
		t.Error("stop-commands: have no error")
	}
}

func TestSummary(t *testing.T) {
	for _, tc := range []struct {
		name  string
		parts []string
		want  string
	}{
		{"appended", []string{"# One", "two\n"}, "# One\ntwo\n"},
		{"open fence is closed", []string{"```go\nx", "after"}, "```go\nx\n```\nafter\n"},
		{"longer fence, inner one", []string{"````\n```\nx\n"}, "````\n```\nx\n````\n"},
		{"tildes", []string{"~~~\n```\n"}, "~~~\n```\n~~~\n"},
		{"closed stays", []string{"```\nx\n```\n"}, "```\nx\n```\n"},
		{"info string closes nothing", []string{"```\nx\n```go\n"}, "```\nx\n```go\n```\n"},
		{"bad UTF-8", []string{"a\xff"}, "a\ufffd\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := inActions(t)
			for _, p := range tc.parts {
				if err := s.Summary(p); err != nil {
					t.Fatal(err)
				}
			}
			if have := read(t, s.summary); have != tc.want {
				t.Errorf("have %q\nwant %q", have, tc.want)
			}
		})
	}
}

// B48: a step's summaries stay under the runner's limit and say that they were
// cut; once full, nothing more is written.
func TestSummaryIsCut(t *testing.T) {
	for _, tc := range []struct{ name, text string }{
		{"table", strings.Repeat("| a | b |\n", 200000)},
		{"one line", strings.Repeat("x", 2*SummaryLimit)},
		{"wide runes", strings.Repeat("\U0001F331", SummaryLimit)},
		{"inside a fence", "```\n" + strings.Repeat("x\n", SummaryLimit)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := inActions(t)
			for range 3 {
				if err := s.Summary("first\n" + tc.text); err != nil {
					t.Fatal(err)
				}
			}
			have := read(t, s.summary)
			if len(have) > SummaryLimit || !utf8.ValidString(have) {
				t.Errorf("have %d bytes, valid %v; want at most %d", len(have), utf8.ValidString(have), SummaryLimit)
			}
			last := have[strings.LastIndex(strings.TrimSuffix(have, "\n"), "\n")+1:]
			if !strings.HasPrefix(last, "truncated: kept ") {
				t.Errorf("last line %q, want a note", last)
			}
			if strings.Count(have, "```")%2 != 0 {
				t.Error("a fence was left open")
			}
		})
	}
}

func TestAnnotate(t *testing.T) {
	for _, tc := range []struct {
		level   finding.Severity
		path    string
		line    int
		message string
		inside  string
		outside string
	}{
		{finding.Error, "a/b.go", 12, "writes outside", "::error file=a/b.go,line=12::writes outside\n", "seedbed: a/b.go:12: writes outside\n"},
		{finding.Warning, "a.go", 0, "w", "::warning file=a.go::w\n", "seedbed: a.go: w\n"},
		{finding.Note, "", 5, "n", "::notice::n\n", "seedbed: n\n"},
		{finding.Error, "a,line=1::x\n::set-output name=p::q.go", 1, "m\n::error::two\r%0A",
			"::error file=a%2Cline=1%3A%3Ax%0A%3A%3Aset-output name=p%3A%3Aq.go,line=1::m%0A::error::two%0D%250A\n",
			"seedbed: \"a,line=1::x\\n::set-output name=p::q.go\":1: m ::error::two %0A\n"},
	} {
		in, out := inActions(t), outside()
		for _, s := range []*stage{in, out} {
			if err := s.Annotate(tc.level, tc.path, tc.line, tc.message); err != nil {
				t.Fatal(err)
			}
		}
		if have := in.out.String(); have != tc.inside {
			t.Errorf("in Actions: have %q\nwant %q", have, tc.inside)
		}
		if have := out.stderr.String(); have != tc.outside || out.out.Len() > 0 {
			t.Errorf("outside: have %q\nwant %q", have, tc.outside)
		}
	}
}

func TestAnnotationIsCut(t *testing.T) {
	s := inActions(t)
	if err := s.Annotate(finding.Error, "x", 1, strings.Repeat("é", 1<<20)); err != nil {
		t.Fatal(err)
	}
	if have := s.out.String(); len(have) > annotationLimit+100 || !strings.HasSuffix(have, " (truncated)\n") || !utf8.ValidString(have) {
		t.Errorf("have %d bytes ending %q", len(have), have[len(have)-30:])
	}
}

// B46: what a child prints cannot be obeyed, not even when its last line has no
// end; commands work again afterwards.
func TestStopCommands(t *testing.T) {
	s := inActions(t)
	q, err := s.StopCommands()
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"::set-output name=x::y\n", "##[command]x\n", "::stop-commands::mine\n", "::mine::\n", "::error file=x::no end"} {
		if _, err := q.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := q.Write([]byte("::error::late\n")); err == nil {
		t.Error("a child that outlived its stretch could write")
	}
	if err := s.Annotate(finding.Error, "", 0, "ours"); err != nil {
		t.Fatal(err)
	}
	token := strings.Repeat("00", 16)
	want := "::stop-commands::" + token + "\n::set-output name=x::y\n##[command]x\n::stop-commands::mine\n::mine::\n::error file=x::no end\n::" + token + "::\n::error::ours\n"
	if have := s.out.String(); have != want {
		t.Errorf("have:\n%s\nwant:\n%s", have, want)
	}
}

func TestMask(t *testing.T) {
	s := inActions(t)
	if err := s.Mask("hunter2-hunter2\nshort\nsecond-line%\n"); err != nil {
		t.Fatal(err)
	}
	want := "::add-mask::hunter2-hunter2\n::add-mask::second-line%25\n::add-mask::hunter2-hunter2%0Ashort%0Asecond-line%25\n"
	if have := s.out.String(); have != want {
		t.Errorf("have:\n%s\nwant:\n%s", have, want)
	}
	if err := s.Mask("abc"); err == nil || strings.Contains(err.Error(), "abc") {
		t.Errorf("short secret: have %v, want a refusal that does not say it", err)
	}
}

func TestGroup(t *testing.T) {
	s := inActions(t)
	end, err := s.Group("tests\n::error::x")
	if err != nil {
		t.Fatal(err)
	}
	if err := end(); err != nil {
		t.Fatal(err)
	}
	if want := "::group::tests ::error::x\n::endgroup::\n"; s.out.String() != want {
		t.Errorf("have %q, want %q", s.out.String(), want)
	}
}

// Outside Actions nothing is written but lines for people, even when the
// variables are there by chance.
func TestOutsideActions(t *testing.T) {
	s := outside()
	file := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s.Runner = New(Options{Env: env("GITHUB_OUTPUT", file, "GITHUB_STEP_SUMMARY", file), Out: &s.out, Stderr: &s.stderr})
	q, err := s.StopCommands()
	if err != nil {
		t.Fatal(err)
	}
	q.Write([]byte("child"))
	end, err := s.Group("tests")
	if err := errors.Join(err, q.Close(), end(), s.Output("outcome", "x"), s.Summary("# x"), s.Mask("long enough")); err != nil {
		t.Fatal(err)
	}
	if s.out.Len() > 0 || read(t, file) != "" {
		t.Errorf("have stdout %q, file %q; want nothing", s.out.String(), read(t, file))
	}
	if want := "childseedbed: tests\n\n"; s.stderr.String() != want {
		t.Errorf("stderr %q, want %q", s.stderr.String(), want)
	}
}

func TestContext(t *testing.T) {
	s := inActions(t, "GITHUB_REPOSITORY", "acme/site", "GITHUB_RUN_ID", "77", "GITHUB_RUN_ATTEMPT", "2", "GITHUB_ACTOR", "maya",
		"GITHUB_ACTOR_ID", "7", "GITHUB_EVENT_NAME", "issues", "GITHUB_EVENT_PATH", "/does/not/exist", "GITHUB_SERVER_URL", "http://127.0.0.1:1",
		"GITHUB_API_URL", "http://127.0.0.1:1/api", "RUNNER_TEMP", "/tmp/r")
	have, err := s.Context()
	if err != nil {
		t.Fatal(err)
	}
	want := Context{
		Actions: true, Owner: "acme", Repo: "site", Actor: forge.User{ID: 7, Login: "maya"}, EventName: "issues", RunID: 77, Attempt: 2,
		RunURL:    "http://127.0.0.1:1/acme/site/actions/runs/77/attempts/2",
		ServerURL: "http://127.0.0.1:1", APIURL: "http://127.0.0.1:1/api", GraphQLURL: "https://api.github.com/graphql", TempDir: "/tmp/r",
	}
	if have != want {
		t.Errorf("have %+v\nwant %+v", have, want)
	}
}

func TestContextRefusesOddValues(t *testing.T) {
	for _, pair := range [][2]string{
		{"GITHUB_REPOSITORY", "acme"}, {"GITHUB_REPOSITORY", "a/b/c"}, {"GITHUB_REPOSITORY", "a/b?x"}, {"GITHUB_REPOSITORY", "a/b\nc"},
		{"GITHUB_RUN_ID", "x"}, {"GITHUB_RUN_ATTEMPT", "1.5"},
	} {
		if c, err := inActions(t, pair[0], pair[1]).Context(); err == nil {
			t.Errorf("%s=%q: have %+v, want an error", pair[0], pair[1], c)
		}
	}
	if c, err := outside().Context(); err != nil || c.Actions || c.Owner != "" || c.TempDir == "" {
		t.Errorf("outside: have %+v, %v", c, err)
	}
}

// Under act an event file need not have been made by GitHub and the actor has
// no id.
func TestContextUnderAct(t *testing.T) {
	c, err := inActions(t, "GITHUB_REPOSITORY", "acme/site", "GITHUB_RUN_ID", "1", "GITHUB_RUN_ATTEMPT", "1", "GITHUB_ACTOR", "nektos/act",
		"GITHUB_REF_PROTECTED", "", "GITHUB_RETENTION_DAYS", "0").Context()
	if err != nil || c.Actor.ID != 0 || c.RunURL != "https://github.com/acme/site/actions/runs/1" {
		t.Errorf("have %+v, %v", c, err)
	}
}

// No value, however it is made up, becomes two outputs.
func FuzzOutput(f *testing.F) {
	f.Add("a\nPATH=x")
	f.Add("seedbed_00\n")
	f.Fuzz(func(t *testing.T, value string) {
		s := inActions(t)
		if s.Output("reason", value) != nil {
			return
		}
		if have := parseOutputs(t, read(t, s.output)); len(have) != 1 || have["reason"] != value {
			t.Errorf("have %q, want only reason=%q", have, value)
		}
	})
}
