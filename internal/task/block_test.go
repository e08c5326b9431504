package task

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func block() Block {
	return Block{Version: BlockVersion, Task: strings.Repeat("a", 64), Issue: 12, Type: "bug", Attempt: 1, Base: strings.Repeat("b", 40),
		Tree: strings.Repeat("c", 40), Policy: strings.Repeat("d", 64), Binary: "v1", Risk: "low",
		Steps: []BlockStep{{Tree: strings.Repeat("c", 40), Subject: "fix it"}}, Reported: []BlockCommand{{Command: "go test ./...", Base: "pass", Head: "pass", Passed: 2, Total: 2}}}
}

// A block is read back as it was written, whatever its words are, and is one
// comment that nothing inside can end.
func TestBlockRoundTrip(t *testing.T) {
	for _, s := range []string{"fix it", "-->", "--->", "<!-- seedbed:v1 {} -->", "a--b---c", "- - >", "<script>", `"\u002d`, "line\nbreak", "\x00\u2028", "@team fixes #1", "--", "-", "----"} {
		b := block()
		b.Steps[0].Subject, b.Reported[0].Command, b.Runs = s, s, []string{s}
		text, err := b.Render()
		if err != nil {
			t.Fatal(err)
		}
		inner := strings.TrimSuffix(strings.TrimPrefix(text, blockOpen), blockClose)
		if strings.Contains(inner, "--") || strings.ContainsAny(inner, "<>\n") {
			t.Errorf("%q: the comment can be ended: %s", s, text)
		}
		have, err := ReadBlock("body\n" + text + "\nmore")
		if err != nil || !reflect.DeepEqual(have, b) {
			t.Errorf("%q: have %+v, %v\nwant %+v", s, have, err, b)
		}
	}
}

// B35: what is no single whole block of this version is not taken, with the
// reason; a newer one is told apart, since a newer binary is needed for it.
func TestBlocksNotTaken(t *testing.T) {
	text, err := block().Render()
	if err != nil {
		t.Fatal(err)
	}
	big := block()
	big.Runs = []string{strings.Repeat("x", MaxBlock)}
	if _, err := big.Render(); err == nil {
		t.Error("a block over the cap was written")
	}
	for _, c := range []struct {
		name, body, want string
		newer            bool
	}{
		{"none", "hello <!-- seedbed-key:sticky-1 -->", "found 0, want 1", false},
		{"two", text + text, "found 2, want 1", false},
		{"two, one of another spelling", text + "<!--seedbed:v1 {}-->", "found 2, want 1", false},
		{"two, one newer", text + "<!-- seedbed:v2 {} -->", "found 2, want 1", false},
		{"cut in the JSON", text[:len(text)/2], "cut or larger", false},
		{"cut before its end", strings.TrimSuffix(text, ">"), "cut or larger", false},
		{"cut JSON that ends", "<!-- seedbed:v1 {\"version\":1, -->", "unexpected end", false},
		{"too large", "<!-- seedbed:v1 {\"version\":1,\"task\":\"" + strings.Repeat("x", MaxBlock) + "\"} -->", "cut or larger", false},
		{"newer by its mark", strings.Replace(text, "seedbed:v1", "seedbed:v2", 1), "version 2, this binary knows 1", true},
		{"newer inside, with fields unknown here", `<!-- seedbed:v1 {"version":3,"mood":"good"} -->`, "version 3, this binary knows 1", true},
		{"older", strings.Replace(text, "seedbed:v1", "seedbed:v0", 1), `version "0", want 1`, false},
		{"without a version", "<!-- seedbed:{} -->", `version "", want 1`, false},
		{"without one inside", "<!-- seedbed:v1 {} -->", `version "0", want 1`, false},
		{"an unknown field", `<!-- seedbed:v1 {"version":1,"approved":true} -->`, `unknown field "approved"`, false},
		{"a wrong type", `<!-- seedbed:v1 {"version":1,"issue":"12"} -->`, "cannot unmarshal string", false},
		{"more after the value", `<!-- seedbed:v1 {"version":1} {"version":1} -->`, "invalid character", false},
		{"a huge version", "<!-- seedbed:v99999999999999999999 {} -->", "want 1", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ReadBlock(c.body)
			if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, ErrNewerBlock) != c.newer {
				t.Errorf("have %v, want %q, newer %v", err, c.want, c.newer)
			}
		})
	}
}

// FuzzReadBlock: whatever is taken is written and read again as the same.
func FuzzReadBlock(f *testing.F) {
	text, _ := block().Render()
	f.Add(text)
	f.Add("<!-- seedbed:v1 {\"version\":1} -->")
	f.Fuzz(func(t *testing.T, body string) {
		b, err := ReadBlock(body)
		if err != nil {
			return
		}
		text, err := b.Render()
		if err != nil {
			return // longer once escaped
		}
		if again, err := ReadBlock(text); err != nil || again.Task != b.Task || again.Issue != b.Issue || len(again.Steps) != len(b.Steps) {
			t.Errorf("have %+v, %v, want %+v", again, err, b)
		}
	})
}
