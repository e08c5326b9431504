package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRun(t *testing.T) {
	dir := t.TempDir()
	a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
	for name, text := range map[string]string{a: "one two\n", b: "three four five\n"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, stdin string
		args        []string
		exit        int
		want        string // part of what is printed
	}{
		{"standard input", "hello\n", nil, 0, "1 word, 1 line, 6 bytes"},
		{"one file", "", []string{a}, 0, "2 words, 1 line, 8 bytes"},
		{"two files", "", []string{a, b}, 0, "total"},
		{"json", "", []string{"-json", b}, 0, `"words": 3`},
		{"missing file", "", []string{filepath.Join(dir, "c")}, 1, "no such file"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var out strings.Builder
			if have := run(c.args, strings.NewReader(c.stdin), &out, &out); have != c.exit {
				t.Errorf("exit: have %d, want %d", have, c.exit)
			}
			if !strings.Contains(out.String(), c.want) {
				t.Errorf("have %q, want %q in it", out.String(), c.want)
			}
		})
	}
}
