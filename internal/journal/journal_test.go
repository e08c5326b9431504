package journal

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write testdata")

func entry(n int) Entry {
	return Entry{Key: fmt.Sprintf("merged #%d", n), At: time.Date(2026, 3, n, 12, 30, 0, 0, time.UTC), Run: int64(100 + n),
		RunURL: fmt.Sprintf("https://github.com/a/b/actions/runs/%d", 100+n), Binary: "v1.0.0", Base: strings.Repeat("a", 40), Tokens: 1200,
		Tasks: []Line{{Issue: n, Pull: n + 1, Task: "0123abcd", Type: "bug", Title: "Empty input counts as one word", Outcome: "merged",
			Decision: "allowed", Files: 2, Added: 12, Deleted: 3, Tokens: 1200, Tree: strings.Repeat("b", 40), Merge: strings.Repeat("c", 40)}},
		Effects: []Count{{"change.publish", 1}, {"pull.merge", 1}}}
}

func logOf(t testing.TB, n int) []byte {
	t.Helper()
	var log []byte
	var err error
	for i := 1; i <= n; i++ {
		if log, err = Append(log, entry(i)); err != nil {
			t.Fatal(err)
		}
	}
	return log
}

// The text of an entry is a contract with every log that was ever written: this
// file changes only with Version.
func TestGolden(t *testing.T) {
	hostile := entry(2)
	hostile.RunURL = ""
	hostile.Tasks[0].Title = "a | b\n## x ```json <img> @team fixes #1 [l](u) \u202e"
	hostile.Tasks[0].Rules = []string{"paths", "budget"}
	hostile.Tasks[0].Decision, hostile.Tasks[0].Outcome, hostile.Tasks[0].Pull = "reject", "refused", 0
	log, err := Append(logOf(t, 1), hostile)
	if err != nil {
		t.Fatal(err)
	}
	const file = "testdata/golden.md"
	if *update {
		if err := os.WriteFile(file, log, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(log, want) {
		t.Errorf("have\n%s\nwant\n%s", log, want)
	}
	if _, err := Parse(want); err != nil {
		t.Error(err)
	}
}

// spans gives where each entry begins and ends.
func spans(t *testing.T, log []byte) [][2]int {
	t.Helper()
	var list [][2]int
	at := len(header)
	for at < len(log) {
		text, rest, ok := cutEntry(log[at:])
		if !ok {
			t.Fatal("cannot cut the log")
		}
		list = append(list, [2]int{at, at + len(text)})
		at = len(log) - len(rest)
	}
	return list
}

// Any single byte that is changed anywhere is found, and its entry is named;
// the header is entry 0.
func TestFlippedBytes(t *testing.T) {
	log := logOf(t, 4)
	where := spans(t, log)
	for at := range log {
		n := 0
		for i, s := range where {
			if at >= s[0] && at < s[1] {
				n = i + 1
			}
		}
		for _, flip := range []byte{1, 0x80} {
			bad := bytes.Clone(log)
			bad[at] ^= flip
			wantBroken(t, fmt.Sprintf("byte %d ^ %#x", at, flip), bad, n)
		}
	}
}

func wantBroken(t *testing.T, what string, log []byte, n int) {
	t.Helper()
	_, err := Parse(log)
	var broken *Broken
	if !errors.As(err, &broken) || broken.N != n {
		t.Errorf("%s: have %v, want a fault of entry %d", what, err, n)
	}
}

// B40, T20: a removed, inserted, doubled, swapped or cut entry is named.
func TestTampering(t *testing.T) {
	log := logOf(t, 4)
	s := spans(t, log)
	part := func(i int) []byte { return log[s[i][0]:s[i][1]] }
	other, err := Append(logOf(t, 1), entry(9))
	if err != nil {
		t.Fatal(err)
	}
	foreign := other[spans(t, other)[1][0]:]
	build := func(parts ...[]byte) []byte { return bytes.Join(append([][]byte{[]byte(header)}, parts...), nil) }
	for what, c := range map[string]struct {
		log []byte
		n   int
	}{
		"second removed":           {build(part(0), part(2), part(3)), 2},
		"swapped":                  {build(part(0), part(2), part(1), part(3)), 2},
		"inserted of another log":  {build(part(0), part(1), foreign, part(2), part(3)), 3},
		"doubled":                  {build(part(0), part(1), part(1), part(2), part(3)), 3},
		"text before the heading":  {build(part(0), []byte("\nhello\n"), part(1)), 2},
		"text at the end":          {build(part(0), []byte("\nhello\n")), 2},
		"a newline at the end":     {build(part(0), []byte("\n")), 2},
		"cut":                      {log[:len(log)-10], 4},
		"cut in the table":         {log[:s[2][0]+40], 3},
		"another header":           {append([]byte("# Log\n"), log...), 0},
		"CRLF":                     {bytes.ReplaceAll(log, []byte("\n"), []byte("\r\n")), 0},
		"a row added by hand":      {bytes.Replace(log, []byte("|---|---|---|---|---|\n"), []byte("|---|---|---|---|---|\n| #9 x | y | z | 1 | 2 |\n"), 1), 1},
		"a field of another name":  {bytes.Replace(log, []byte(`"tokens":1200,`), []byte(`"tokens":1200,"x":1,`), 1), 1},
		"a key told twice":         {bytes.Replace(log, []byte(`"v":1,`), []byte(`"v":1,"v":1,`), 1), 1},
		"white space in the facts": {bytes.Replace(log, []byte(`{"v":1,`), []byte(`{ "v":1,`), 1), 1},
	} {
		wantBroken(t, what, c.log, c.n)
	}
	// The first removed leaves a chain that begins nowhere: the seam says so.
	rest, err := Parse(build(part(1), part(2), part(3)))
	if err != nil {
		t.Fatal(err)
	}
	if err := Follows(nil, rest); err == nil {
		t.Error("a log without its first entry follows nothing, and that was not seen")
	}
	newer := bytes.Replace(log, []byte(`{"v":1,`), []byte(`{"v":2,`), 1)
	if _, err := Parse(newer); err == nil || !strings.Contains(err.Error(), "entry 1 has version 2; this binary knows 1") {
		t.Errorf("have %v", err)
	}
}

// A cycle is entered once, whatever else happened since.
func TestEnteredOnce(t *testing.T) {
	log := logOf(t, 3)
	if _, err := Append(log, entry(2)); !errors.Is(err, ErrEntered) {
		t.Errorf("have %v, want %v", err, ErrEntered)
	}
	if _, _, err := Roll(log, entry(3), func(string) bool { return false }); !errors.Is(err, ErrEntered) {
		t.Errorf("have %v, want %v", err, ErrEntered)
	}
}

// What is broken is not written on.
func TestNoAppendToABrokenLog(t *testing.T) {
	log := logOf(t, 2)
	log[len(header)+20] ^= 1
	var broken *Broken
	if _, err := Append(log, entry(3)); !errors.As(err, &broken) {
		t.Errorf("have %v", err)
	}
	if _, _, err := Roll(log, entry(3), func(string) bool { return false }); !errors.As(err, &broken) {
		t.Errorf("have %v", err)
	}
}

// Strangers' words can break neither the table nor the fence, bad UTF-8 as
// little as anything else, and the log reads afterwards.
func TestHostileWords(t *testing.T) {
	for _, s := range []string{"a | b", "a\nb", "a\r\n## b", "```", "\n```\n", "\n```json\n{}\n```\n", "`x`", "<script>", "[a](javascript:b)", "![](x)",
		"@everyone", "fixes #1", "bad \xff \xc3 utf8", "\x00\x1b[2J", "\u202e\u200b", "\u2028x\u2029", strings.Repeat("|", 5000), `\|`, "&#124;"} {
		e := entry(1)
		e.Key, e.Binary, e.Base = s, s, s
		e.RunURL = "https://x/" + s
		e.Tasks[0].Title, e.Tasks[0].Type, e.Tasks[0].Outcome, e.Tasks[0].Decision = s, s, s, s
		e.Tasks[0].Rules, e.Effects = []string{s, s}, []Count{{s, 1}}
		log, err := Append(nil, e)
		if err != nil {
			t.Errorf("%q: %v", s, err)
			continue
		}
		if _, err := Parse(log); err != nil {
			t.Errorf("%q: the log does not read: %v", s, err)
		}
		table, _, _ := strings.Cut(string(log[len(header):]), "\n```json\n")
		lines := strings.Split(strings.TrimSpace(table), "\n")
		if len(lines) != 5 || strings.Count(lines[4], "|") != 6 {
			t.Errorf("%q: the table is %q", s, lines)
		}
		if strings.ContainsAny(lines[4], "<>`@[]\u202e\u200b\x1b\x00") || strings.ContainsAny(lines[0], "<>`\r\u202e\x1b") {
			t.Errorf("%q: alive in %q or %q", s, lines[0], lines[4])
		}
		if strings.Count(string(log), "\n```\n") != 1 {
			t.Errorf("%q: the fence does not end where it should", s)
		}
	}
}

// A log that rolled goes on from its archive's last hash; names count up.
func TestRoll(t *testing.T) {
	log := logOf(t, 3)
	used := map[string]bool{"docs/autogen-log/2026-03.md": true, "docs/autogen-log/2026-03-2.md": true}
	archive, fresh, err := Roll(log, entry(4), func(p string) bool { return used[p] })
	if err != nil || archive != "docs/autogen-log/2026-03-3.md" {
		t.Fatalf("have %q, %v", archive, err)
	}
	fresh, err = Append(fresh, entry(5))
	if err != nil {
		t.Fatal(err)
	}
	old, new := parsed(t, log), parsed(t, fresh)
	if err := Follows([][]Entry{old}, new); err != nil {
		t.Error(err)
	}
	if err := Follows([][]Entry{nil, old}, new); err != nil {
		t.Error(err)
	}
	for what, err := range map[string]error{
		"archive missing":   Follows(nil, new),
		"archive cut short": Follows([][]Entry{old[:2]}, new),
		"archive twice":     Follows([][]Entry{old, old}, new),
	} {
		if err == nil {
			t.Errorf("%s: not seen", what)
		}
	}
	if _, _, err := Roll(nil, entry(1), func(string) bool { return false }); err == nil {
		t.Error("an empty log was rolled")
	}
}

func parsed(t *testing.T, log []byte) []Entry {
	t.Helper()
	entries, err := Parse(log)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

// T20: each version of the log adds to the one before, or begins anew with its
// last hash; anything else is named by the first entry that differs.
func TestExtends(t *testing.T) {
	two, three := logOf(t, 2), logOf(t, 3)
	_, rolled, err := Roll(three, entry(4), func(string) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	changed := entry(2)
	changed.Tokens = 1
	rewritten, err := Append(logOf(t, 1), changed)
	if err != nil {
		t.Fatal(err)
	}
	if rewritten, err = Append(rewritten, entry(3)); err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		before, after []byte
		n             int // 0: it extends
	}{
		"appended": {two, three, 0}, "same": {two, two, 0}, "first": {nil, two, 0}, "rolled": {three, rolled, 0},
		"cut": {three, two, 3}, "rewritten": {two, rewritten, 2}, "rolled from an older one": {logOf(t, 4), rolled, 1}, "emptied": {two, nil, 1},
	} {
		err := Extends(c.before, c.after)
		var broken *Broken
		if errors.As(err, &broken); c.n == 0 && err != nil || c.n != 0 && (broken == nil || broken.N != c.n) {
			t.Errorf("%s: have %v, want entry %d", what, err, c.n)
		}
	}
}

// Sums count what was written since, the moment itself included.
func TestTotals(t *testing.T) {
	entries := parsed(t, logOf(t, 3))
	tokens, cycles, effects := Totals(entries, entries[1].At)
	if tokens != 2400 || cycles != 2 || effects != 4 {
		t.Errorf("have %d, %d, %d, want 2400, 2, 4", tokens, cycles, effects)
	}
}

// FuzzParse: nothing makes the reader fail otherwise than by naming a fault,
// and what it accepts is what Seedbed would have written.
func FuzzParse(f *testing.F) {
	f.Add(logOf(f, 2))
	f.Add([]byte(header))
	f.Add([]byte(header + "\n```json\n{}\n```\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := Parse(data)
		if err != nil {
			var broken *Broken
			if !errors.As(err, &broken) {
				t.Fatalf("have %v", err)
			}
			return
		}
		if len(data) == 0 {
			return
		}
		again := []byte(header)
		for i := range entries {
			e := entries[i]
			text, err := seal(&e)
			if err != nil || e.Hash != entries[i].Hash {
				t.Fatalf("entry %d: %v", i+1, err)
			}
			again = append(again, text...)
		}
		if !bytes.Equal(again, data) {
			t.Fatalf("have %q\nwant %q", again, data)
		}
	})
}
