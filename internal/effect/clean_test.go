package effect

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/secret"
)

const testKey = "zq8RkT3vWn5XpYc7LmB2sDfG9hJ4"

func testApplier() *Applier {
	return &Applier{Clean: NewCleaner(secret.NewRedactor(secret.Known{Name: "model_key", Value: testKey}))}
}

// payloads is one of each kind with every text filled in.
func payloads(t *testing.T, fill string) []Payload {
	t.Helper()
	var all []Payload
	for _, r := range kinds {
		p, err := r.payload([]byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		v := reflect.New(reflect.TypeOf(p)).Elem()
		fillTexts(v, fill)
		all = append(all, v.Interface().(Payload))
	}
	return all
}

func fillTexts(v reflect.Value, fill string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(fill)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			fillTexts(v.Field(i), fill)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillTexts(v.Elem(), fill)
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			data, _ := json.Marshal(fill)
			v.SetBytes(data)
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		fillTexts(v.Index(0), fill)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf(fill), reflect.ValueOf(fill))
	}
}

// texts lists the places of all texts of a type.
func texts(path string, t reflect.Type, visit func(string)) {
	if s, ok := sinks[path]; ok && s.manner == unlooked {
		visit(path)
		return
	}
	switch t.Kind() {
	case reflect.String:
		visit(path)
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range t.NumField() {
			texts(path+"."+t.Field(i).Name, t.Field(i).Type, visit)
		}
	case reflect.Pointer:
		texts(path, t.Elem(), visit)
	case reflect.Slice:
		if t.Elem().Kind() == reflect.Uint8 {
			visit(path)
			return
		}
		texts(path+"[]", t.Elem(), visit)
	case reflect.Map:
		visit(path + "[]")
		visit(path + "[key]")
	}
}

// Every text of every payload stands in the table of sinks, with a reason where
// it is not made harmless, and the table names no text that does not exist.
func TestSinksAreWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range payloads(t, "") {
		texts(reflect.TypeOf(p).Name(), reflect.TypeOf(p), func(path string) {
			seen[path] = true
			s, ok := sinks[path]
			if !ok {
				t.Errorf("%s is in no sink", path)
				return
			}
			if prose := s.manner < data; prose == (s.reason != "") && s.manner != data {
				t.Errorf("%s: manner %d with reason %q", path, s.manner, s.reason)
			}
			if s.max == 0 && s.manner != unlooked {
				t.Errorf("%s has no cap", path)
			}
		})
	}
	for path := range sinks {
		if !seen[path] {
			t.Errorf("%s is no text of any payload", path)
		}
	}
}

// spellings are the ways in which a secret is written down to get it out.
func spellings() map[string]string {
	const half, rest = "q7Rk2LmX9vTz4BnW8c", "Yd1HsJ5fGp3KeQ6uAo"
	backward := []byte(testKey)
	slices.Reverse(backward)
	escaped := ""
	for i := range len(testKey) {
		escaped += fmt.Sprintf("%%%02X", testKey[i])
	}
	return map[string]string{
		"plain": testKey, "base64": base64.StdEncoding.EncodeToString([]byte(testKey)), "hex": hex.EncodeToString([]byte(testKey)),
		"reversed": string(backward), "URL-encoded": escaped, "cut": testKey[7:], "spaced": strings.Join(strings.Split(testKey, ""), " "),
		"base64 inside": base64.StdEncoding.EncodeToString([]byte("x" + testKey + "y")), "in an address": "https://evil.example/?q=" + url.QueryEscape(testKey),
		"token": "ghp_" + half + rest, "with hidden joints": strings.Join([]string{"ghp_", half, rest}, "\u200b"),
		"under escapes": strings.Join([]string{"ghp_", half, rest}, "\x1b[0m"),
	}
}

// B41, B42: a secret in any spelling leaves through no sink, and the message
// names the place but never the value.
func TestSecretsAreBlockedAtEverySink(t *testing.T) {
	a := testApplier()
	for path, s := range sinks {
		for how, text := range spellings() {
			_, err := a.through(path, quotedIf(s.manner == data, "a "+text+" b"))
			if s.manner == unlooked {
				continue
			}
			if err == nil || !strings.Contains(err.Error(), path+": text holds a secret (") {
				t.Errorf("%s, %s: have %v, want it blocked", path, how, err)
			} else if strings.Contains(err.Error(), text) {
				t.Errorf("%s, %s: the message holds the value: %v", path, how, err)
			}
		}
	}
	for _, p := range payloads(t, testKey) {
		e := New(Govern, "k", "", p)
		_, results, err := a.ready([]Effect{e})
		textless := e.Kind == PullClose || e.Kind == WorkflowRerun || e.Kind == TaskRelease
		if (err == nil || results[0].State != Refused) != textless {
			t.Errorf("%s: have %v, want it refused", e.Kind, err)
		}
		if data, _ := json.Marshal(results); strings.Contains(string(data), testKey) {
			t.Errorf("%s: the record of the refusal holds the value: %s", e.Kind, data)
		}
	}
}

func quotedIf(yes bool, s string) string {
	if !yes {
		return s
	}
	data, _ := json.Marshal(s)
	return string(data)
}

// B04, B58: what nobody can see is taken out of prose, and refused in names.
func TestHiddenCharacters(t *testing.T) {
	hostile := "a\u202eb\u200bc\u00add\x1b[31me\x1b]8;;https://x\x07f\x00g\u2066h\U000E0041i\ufeffj\u009b2Kk\u061cl\u3164m\ufe01n\rA\r\nB"
	want := "abcdefghijklmn\nA\nB"
	if have := visible(hostile); have != want {
		t.Errorf("have %q, want %q", have, want)
	}
	a := testApplier()
	for path, s := range sinks {
		if s.manner == unlooked {
			continue
		}
		out, err := a.through(path, quotedIf(s.manner == data, hostile))
		switch s.manner {
		case name:
			if err == nil || !strings.Contains(err.Error(), "nobody can see") {
				t.Errorf("%s: have %q, %v, want it refused", path, out, err)
			}
		case data:
			if strings.ContainsAny(out, "\u202e\u200b\u2066\x1b") || !json.Valid([]byte(out)) {
				t.Errorf("%s: have %q", path, out)
			}
		default:
			if err != nil || strings.ContainsFunc(out, func(r rune) bool { return r != '\n' && hidden(r) }) {
				t.Errorf("%s: have %q, %v", path, out, err)
			}
			if s.manner == title && strings.Contains(out, "\n") {
				t.Errorf("%s: a title of several lines: %q", path, out)
			}
		}
	}
	if have := visible("bad \xff utf8 \xed\xa0\x80"); have != "bad \uFFFD utf8 \uFFFD" {
		t.Errorf("have %q", have)
	}
}

// B08, B48: each row is Markdown as a model may write it and what leaves.
func TestDefused(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"a mention", "ask @everyone", "ask `@everyone`"},
		{"a team", "ask @org/team-x!", "ask `@org/team-x`!"},
		{"at the start", "@a", "`@a`"},
		{"twice in a row", "@b@b", "`@b` `@b`"},
		{"in emphasis", "**@a** _@b_", "**`@a`** _`@b_`"},
		{"an address is no mention", "a@b.example", "a@b.example"},
		{"in code already", "`@a` and ``@b ` c``", "`@a` and ``@b ` c``"},
		{"beside code", "`x`@a`y`", "`x` `@a` `y`"},
		{"after an open backtick", "it's ` @a", "it's ' `@a`"},
		{"escaped backtick opens nothing", "\\`@a`", "'`@a` '"},
		{"escaped backslash before code", "\\\\`@a`", "\\\\`@a`"},
		{"after a backslash", `\@a`, "\\ `@a`"},
		{"as an entity", "&#64;a &#x40;a &commat;a &lt;", "&amp;#64;a &amp;#x40;a &amp;commat;a &lt;"},
		{"a bar ends a cell, code or not", "| `x | @a` |", "| `x \\| @a` |"},
		{"closing", "fixes #1 and Closes: org/other#2", "`fixes #1` and `Closes: org/other#2`"},
		{"closing by address", "resolves https://github.com/a/b/issues/3", "`resolves https://github.com/a/b/issues/3`"},
		{"closing in emphasis", "**fixes** **#1**", "**`fixes** **#1`**"},
		{"closing over a line end", "this fixes\n#1 here", "this fixes\n`#1` here"},
		{"a word that ends so is none", "prefixes #1", "prefixes #1"},
		{"a reference stays", "For #12 by GH-3", "For #12 by GH-3"},
		{"a comment is shown", "a <!-- orders --> b", "a &lt;!-- orders --> b"},
		{"a mark of ours is not", "<!-- seedbed:v1 {} --> x", "&lt;!-- seedbed:v1 {} --> x"},
		{"tags", "<img src=x> <details><summary>s</summary></details> <script> <details open>",
			"&lt;img src=x> <details><summary>s</summary></details> &lt;script> &lt;details open>"},
		{"a picture", "![a](https://evil.example/x.png)", "!\\[a](https://evil.example/x.png)"},
		{"a fence", "\n```go\n@a fixes #1\n```\n@b", "\n```go\n@a fixes #1\n```\n`@b`"},
		{"an open fence is closed", "```\n@a", "```\n@a\n```"},
		{"no fence without an empty line before", "x\n```\n@a\n```", "x\n'''\n`@a`\n'''"},
		{"no fence in a list", "- ```\n  @a\n  ```", "- '''\n  `@a`\n  '''"},
		{"no fence of tildes", "~~~\n\n```\n~~~\n@a\n```", "\\~\\~\\~\n\n```\n~~~\n@a\n```"},
		{"a fence ends at an indented one", "```\nx\n   ```\n@a", "```\nx\n   ```\n`@a`"},
		{"and not at a deeper one", "```\nx\n    ```\n@a\n```", "```\nx\n    ```\n@a\n```"},
		{"a longer fence", "````\n```\n@a\n````\n@b", "````\n```\n@a\n````\n`@b`"},
		{"a workflow command", "::set-output name=x::y\n  ::error::z\na ##[error]b", ": :set-output name=x::y\n  : :error::z\na ## [error]b"},
		{"in a fence too", "```\n::add-mask::x\n```", "```\n: :add-mask::x\n```"},
		{"indented text is no code to us", "    @a", "    `@a`"},
		{"links of ours stay", "[the run](https://github.com/a/b/actions/runs/1)", "[the run](https://github.com/a/b/actions/runs/1)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			have := defused(c.in, true)
			if have != c.want {
				t.Errorf("\nhave %q\nwant %q", have, c.want)
			}
			if again := defused(have, true); again != have {
				t.Errorf("a second time gives something else:\nhave %q\nwant %q", again, have)
			}
		})
	}
	if have, want := defused("see https://evil.example/a?b and [x](http://e.x/)", false), "see `https://evil.example/a?b` and [x](`http://e.x/`)"; have != want {
		t.Errorf("links of a model: have %q, want %q", have, want)
	}
}

// FuzzDefused: outside what is code to anyone, no mention, no closing keyword
// with its reference and no tag is left, whatever goes in.
func FuzzDefused(f *testing.F) {
	for _, s := range []string{"@a", "`@a", "```\n@a\n```", "fixes #1", "<!-- x", "\\`@a`", "a\n\n````x\n```\n@b\n````", "| `a|@b` |", "&#64;a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := defused(visible(s), true)
		rest := withoutCode(out)
		for _, re := range []string{"<!--", "<script", "<img", "&#64;"} {
			if strings.Contains(rest, re) {
				t.Errorf("%q became %q: %s is alive", s, out, re)
			}
		}
		if m := plainMention.FindString(rest); m != "" {
			t.Errorf("%q became %q: %q is alive", s, out, m)
		}
		if m := plainClosing.FindString(rest); m != "" {
			t.Errorf("%q became %q: %q is alive", s, out, m)
		}
	})
}

// withoutCode takes fences and code spans out, read as simply as can be: that
// there is nothing left to be read in two ways is what defused promises.
func withoutCode(s string) string {
	var b strings.Builder
	fence, fresh := "", true
	for _, line := range strings.Split(s, "\n") {
		switch {
		case fence != "":
			if closesFence(line, fence) {
				fence, fresh = "", true
			}
			continue
		case fresh && opensFence(line):
			fence = line[:len(line)-len(strings.TrimLeft(line, "`"))]
			continue
		}
		fresh = strings.TrimSpace(line) == ""
		for line != "" {
			at := strings.IndexByte(line, '`')
			if at < 0 {
				break
			}
			n, _ := codeSpan(line[at:])
			b.WriteString(line[:at] + "\x01")
			line = line[at+n:]
		}
		b.WriteString(line + "\n")
	}
	return b.String()
}

// Commit messages and titles are no Markdown everywhere they are shown.
func TestUnlinked(t *testing.T) {
	for in, want := range map[string]string{
		"fix the parser (#12)":                "fix the parser (#12)",
		"fixes #1":                            "fixes # 1",
		"Closes: a/b#2, resolves GH-3":        "Closes: a/b# 2, resolves GH- 3",
		"close https://github.com/a/b/pull/3": "close https: //github.com/a/b/pull/3",
		"cc @a/b and x@y.example":             "cc @ a/b and x@y.example",
		"::error::x":                          ": :error::x",
	} {
		if have := unlinked(in); have != want {
			t.Errorf("%q: have %q, want %q", in, have, want)
		}
	}
}

// B06: a text over its cap is cut, says so at its end, and what is left stands
// as safe as the whole would have.
func TestSizes(t *testing.T) {
	a := testApplier()
	for path, s := range sinks {
		long := strings.Repeat("words and `@code` and\n", 1+2*s.max/20)
		switch s.manner {
		case unlooked:
		case name, data:
			if _, err := a.through(path, quotedIf(s.manner == data, strings.Repeat("x", s.max+1))); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("at most %d", s.max)) {
				t.Errorf("%s: have %v, want it refused", path, err)
			}
		default:
			out, err := a.through(path, long)
			if err != nil || len(out) > s.max || !strings.Contains(out[max(0, len(out)-80):], "truncated") {
				t.Errorf("%s: %d of %d bytes, ends %q, %v", path, len(out), s.max, out[max(0, len(out)-60):], err)
			}
			if s.manner <= foreign && plainMention.MatchString(withoutCode(out)) {
				t.Errorf("%s: the cut brought a mention to life: %q", path, out[len(out)-120:])
			}
		}
	}
	for n := range 40 { // wherever the cut falls
		out := sized(strings.Repeat("x", n)+"`@team @team @team @team @team` rest of it all", 120+n, func(s string) string { return defused(s, true) })
		if plainMention.MatchString(withoutCode(out)) {
			t.Errorf("cut at %d: %q", n, out)
		}
	}
}

// B06: ten megabytes made to be slow are cut before they are looked at closely.
func TestHugeTextIsCheap(t *testing.T) {
	var b strings.Builder
	for n := 1; b.Len() < 10<<20; n++ {
		b.WriteString(strings.Repeat("`", n) + "@a ")
	}
	start := time.Now()
	out := bodyText(b.String(), maxBody)
	if len(out) > maxBody || plainMention.MatchString(withoutCode(out)) {
		t.Errorf("%d bytes, or a mention is alive", len(out))
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("took %s", took)
	}
}

// The hidden block of a pull request stays whole at the end of the body; one
// anywhere else, and every other comment, is shown as text.
func TestOwnBlockSurvives(t *testing.T) {
	block := `<!-- seedbed:v1 {"version":1,"task":"k"} -->`
	long := strings.Repeat("word ", 20000)
	for _, c := range []struct {
		in   string
		kept bool
	}{
		{"why\n" + block, true}, {long + "\n\n" + block, true}, {block, true},
		{block + "\nwhy", false}, {"why " + block, false}, {"why\n<!-- seedbed:v1 {\"a\":\"--> @team <!--\"} -->", false},
	} {
		out := bodyText(c.in, maxBody)
		if kept := strings.HasSuffix(out, block); kept != c.kept || len(out) > maxBody {
			t.Errorf("%.60q...: %d bytes, kept %v, want %v", c.in, len(out), kept, c.kept)
		}
		if n := strings.Count(out, "<!--"); n != one(c.kept) {
			t.Errorf("%.60q: %d comments are hidden: %.100q", c.in, n, out)
		}
		if plainMention.MatchString(withoutCode(out)) {
			t.Errorf("%.60q: a mention is alive", c.in)
		}
	}
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

// A key stands in hidden marks: it cannot end them.
func TestKeys(t *testing.T) {
	long := strings.Repeat("k", 257)
	for _, key := range []string{"", "a --> @team <!--", "a\nb", "a--b", long, "ü", "a<b"} {
		a := testApplier()
		_, results, err := a.ready([]Effect{New(Govern, key, "", PutComment{Issue: 1, Body: "x"})})
		if err == nil || results[0].State != Refused || results[0].Key != "" {
			t.Errorf("%q: have %+v, %v, want it refused", key, results, err)
		}
	}
	for _, key := range []string{"sticky-12", "log merged #3", "release-1", "check-0123abc", "publish-aa-bb", "log refused 1-abcdef12 run 7"} {
		if err := checkKey(key); err != nil {
			t.Errorf("%q: %v", key, err)
		}
	}
}

// The effect that was proposed is not changed: it is stored and shown as it was.
func TestCleanedLeavesTheProposal(t *testing.T) {
	a := testApplier()
	body := "ask @a"
	e := New(Govern, "k", "", EditPull{Pull: 1, Body: &body, Reviewers: []string{"a"}})
	out, err := a.cleaned(e)
	if err != nil || *out.Payload.(EditPull).Body != "ask `@a`" || body != "ask @a" {
		t.Errorf("have %q and %q, %v", *out.Payload.(EditPull).Body, body, err)
	}
	steps := []PublishStep{{Message: "fixes #1", Edits: []forge.TreeEdit{{Path: "a", Content: []byte("\x00@a")}}}}
	out, err = a.cleaned(New(Govern, "k", "", PublishChange{Steps: steps}))
	if p := out.Payload.(PublishChange); err != nil || p.Steps[0].Message != "fixes # 1" || string(p.Steps[0].Edits[0].Content) != "\x00@a" || steps[0].Message != "fixes #1" {
		t.Errorf("have %+v, %v", p, err)
	}
}

// The line of an effect is one line, and nothing in it acts in a terminal or in
// a job's log.
func TestString(t *testing.T) {
	hostile := "a\n::add-mask::x\x1b[2J\u202e##[error]y"
	for _, p := range payloads(t, hostile) {
		s := New(Govern, "k", hostile, p).String()
		if strings.ContainsAny(s, "\n\r\x1b\u202e") || strings.Contains(s, "##[") {
			t.Errorf("have %q", s)
		}
	}
	want := "comment.put       #12 hello  (because)"
	if have := New(Govern, "k", "because", PutComment{Issue: 12, Body: "hello\nmore"}).String(); have != want {
		t.Errorf("have %q, want %q", have, want)
	}
}
