package finding

import (
	"bytes"
	"encoding/json"
	"flag"
	"math/rand"
	"os"
	"strings"
	"testing"
	"unicode/utf8"
)

var update = flag.Bool("update", false, "write the golden files")

func samples() []Finding {
	return []Finding{
		{Path: "internal/web/x.go", Line: 12, Rule: "imports", Severity: Error, Message: "imports internal/db, which web may not", Hint: "go through internal/store", Seed: "seed.yaml:31", Who: "the implementer"},
		{Rule: "budget", Severity: Error, Message: "612 changed lines, limit 400", Hint: "internal/report alone is 231 lines and passes", Seed: "seed.yaml:10", Who: "@ana may raise the limit"},
		{Path: "a\nb<script>.go", Rule: "paths", Severity: Error, Message: "control character U+000A in the name", Seed: "built in"},
		{Path: "has space/käse.go", Line: 1, Rule: "size", Severity: Warning, Message: "not acted on"},
		{Path: "a:b", Rule: "paths", Severity: Error, Message: "a colon"},
		{Rule: "integrity", Severity: Note, Message: "fixes #1, closes org/other#2, see @everyone at https://evil.example/x ![i](http://e) <img src=x> `@a` \x1b[31m \u202e GH-9"},
	}
}

func golden(t *testing.T, name, have string) {
	t.Helper()
	file := "testdata/" + name
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(have), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if have != string(want) {
		t.Errorf("%s\nhave:\n%s\nwant:\n%s", name, have, want)
	}
}

func TestText(t *testing.T) { golden(t, "text.golden", Text(samples())) }

func TestMarkdown(t *testing.T) { golden(t, "markdown.golden", Markdown(samples(), 60000)) }

func TestJSON(t *testing.T) {
	var b bytes.Buffer
	if err := JSON(&b, samples()); err != nil {
		t.Fatal(err)
	}
	golden(t, "json.golden", b.String())
	var back []Finding
	if err := json.Unmarshal(b.Bytes(), &back); err != nil || len(back) != len(samples()) || back[0] != samples()[0] {
		t.Errorf("%v %+v", err, back)
	}
	b.Reset()
	if err := JSON(&b, nil); err != nil || b.String() != "[]\n" {
		t.Errorf("no findings: %q, %v", b.String(), err)
	}
}

func TestSARIF(t *testing.T) {
	var b bytes.Buffer
	if err := SARIF(&b, "v0.1.0", samples()); err != nil {
		t.Fatal(err)
	}
	golden(t, "sarif.golden", b.String())
	var log sarifLog
	dec := json.NewDecoder(&b)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&log); err != nil {
		t.Fatal(err)
	}
	for _, r := range log.Runs[0].Results {
		if log.Runs[0].Tool.Driver.Rules[r.RuleIndex].ID != r.RuleID {
			t.Errorf("rule %s has index %d", r.RuleID, r.RuleIndex)
		}
	}
}

// TestMarkdownIsInert: nothing that GitHub acts on stands outside code spans.
func TestMarkdownIsInert(t *testing.T) {
	for _, text := range []string{"@everyone", "hi @org/team!", "fixes #1", "closes org/other#2", "GH-12", "https://github.com/o/r/issues/1", "www.example.com",
		"mail me@example.com", "`@a` and ``#2``", "a`b @c` #4", "\\@x", "<!-- x", "<b>", "&#64;ana", "http://x.y/@z"} {
		rest := outsideCode(Inert(text))
		for _, live := range []string{"@", "#1", "#2", "#4", "<", "https:", "http:", "www.", "GH-"} {
			if strings.Contains(rest, live) {
				t.Errorf("%q: %q is live in %q", text, live, Inert(text))
			}
		}
	}
}

// outsideCode takes code spans out as CommonMark reads them.
func outsideCode(md string) string {
	var b strings.Builder
	for {
		i := strings.IndexByte(md, '`')
		if i < 0 {
			b.WriteString(md)
			return b.String()
		}
		fence := md[i : i+len(md[i:])-len(strings.TrimLeft(md[i:], "`"))]
		end := closing(md[i+len(fence):], len(fence))
		if end < 0 {
			b.WriteString(md[:i+len(fence)])
			md = md[i+len(fence):]
			continue
		}
		b.WriteString(md[:i] + " ")
		md = md[i+len(fence)+end+len(fence):]
	}
}

func closing(s string, n int) int {
	for i := 0; i < len(s); {
		if s[i] != '`' {
			i++
			continue
		}
		run := len(s[i:]) - len(strings.TrimLeft(s[i:], "`"))
		if run == n {
			return i
		}
		i += run
	}
	return -1
}

func FuzzInert(f *testing.F) {
	for _, s := range []string{"@a", "``@a`", "#1`#2", "x\n\n# y", "\u202e@b", "a@b`c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		have := Inert(s)
		if !utf8.ValidString(have) || strings.ContainsAny(have, "\n\r\x1b\x00") {
			t.Errorf("%q becomes %q", s, have)
		}
		rest := outsideCode(have)
		if active.MatchString(rest) || strings.ContainsAny(rest, "<>") {
			t.Errorf("%q is live in %q", s, have)
		}
	})
}

func TestMarkdownIsCut(t *testing.T) {
	list := make([]Finding, 3000)
	for i := range list {
		list[i] = Finding{Path: "x.go", Line: i + 1, Rule: "paths", Severity: Error, Message: strings.Repeat("m", i%3000)}
	}
	for _, limit := range []int{0, 10, 60, 200, 5000, 60000} {
		have := Markdown(list, limit)
		if len(have) > limit {
			t.Errorf("limit %d: %d bytes", limit, len(have))
		}
		if limit > 100 && !strings.Contains(have, Truncated+": ") {
			t.Errorf("limit %d does not say so: %q", limit, have)
		}
	}
	if have := Markdown(samples(), 1<<20); strings.Contains(have, Truncated) {
		t.Errorf("cut though it fits: %s", have)
	}
}

func TestAnnotations(t *testing.T) {
	list := Annotations(append(samples(), Finding{Path: "big.go", Rule: "x", Message: strings.Repeat("ä", 90000)}))
	var paths []string
	for _, a := range list {
		paths = append(paths, a.Path)
		if a.Line < 1 || a.Level == "" || len(a.Message) > maxAnnotation || !utf8.ValidString(a.Message) {
			t.Errorf("%+v", a)
		}
	}
	if have, want := strings.Join(paths, ", "), "internal/web/x.go, has space/käse.go, a:b, big.go"; have != want {
		t.Errorf("have %s, want %s", have, want)
	}
	if list[0].Level != "failure" || list[1].Level != "warning" {
		t.Errorf("levels %s, %s", list[0].Level, list[1].Level)
	}
}

func TestQuote(t *testing.T) {
	for have, want := range map[string]string{"a b.go": "a b.go", "käse": "käse", "say \"hi\"": "say \"hi\"", "a\nb": `"a\nb"`, "a\u202eb": `"a\u202eb"`,
		"\xff": `"\xff"`, "a\u200bb": `"a\u200bb"`} {
		if got := Quote(have); got != want {
			t.Errorf("have %s, want %s", got, want)
		}
	}
}

func TestSortDoesNotDependOnOrder(t *testing.T) {
	want := samples()
	Sort(want)
	for n := range int64(50) {
		have := samples()
		rand.New(rand.NewSource(n)).Shuffle(len(have), func(i, j int) { have[i], have[j] = have[j], have[i] })
		Sort(have)
		for i := range have {
			if have[i] != want[i] {
				t.Fatalf("have %v, want %v", have[i], want[i])
			}
		}
	}
}
