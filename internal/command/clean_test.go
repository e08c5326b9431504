package command

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	for _, test := range []struct{ name, text, want string }{
		{"plain", "ok  \tpkg\t0.1s\n", "ok  \tpkg\t0.1s\n"},
		{"letters of all kinds", "Grüße, 世界 ✔", "Grüße, 世界 ✔"},
		{"colour", "\x1b[1;31mFAIL\x1b[0m x", "FAIL x"},
		{"cursor", "a\x1b[2K\x1b[1Gb\x1b7c\x1b8\x1b(Bd", "abcd"},
		{"8-bit CSI", "a\u009b31mb", "ab"},
		{"raw C1 byte", "a\x9b31mb", "a\ufffd31mb"},
		{"window title", "\x1b]0;evil\x07text", "text"},
		{"link", "\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\", "click"},
		{"link, 8-bit", "\u009d8;;https://evil.example\u009cclick", "click"},
		{"unclosed link does not swallow the rest", "\x1b]8;;https://evil\nFAIL: TestA", "\nFAIL: TestA"},
		{"device string", "a\x1bPq#0\x1b\\b", "ab"},
		{"cut sequence", "a\x1b[", "a"},
		{"lone escape", "a\x1b", "a"},
		{"broken sequence swallows no text", "\x1b[31\u00e9vil", "évil"},
		{"overwrite", "FAIL: TestA\rok         ", "FAIL: TestA\nok         "},
		{"line ends of Windows", "a\r\nb\r\n", "a\nb\n"},
		{"backspace", "bad\b\b\bok", "badok"},
		{"other breaks", "a\vb\fc\u0085d\u2028e\u2029f", "a\nb\nc\nd\ne\nf"},
		{"NUL, BEL, DEL", "a\x00b\x07c\x7fd", "abcd"},
		{"reordering", "a\u202eb\u2066c", `a\u202eb\u2066c`},
		{"invisible", "a\u200bb\ufeffc\u00add", `a\u200bb\ufeffc\u00add`},
		{"tags", "a\U000e0041b", `a\ue0041b`},
		{"emoji", "\u2714\ufe0f", "\u2714"},
		{"not UTF-8", "a\xff\xfeb", "a\ufffd\ufffdb"},
		{"set-output", "::set-output name=a::b", ": :set-output name=a::b"},
		{"stop-commands, indented", " \t::stop-commands::x", " \t: :stop-commands::x"},
		{"exotic white space", "\u00a0\u3000::error::x", "\u00a0\u3000: :error::x"},
		{"hidden by colour", ":\x1b[0m:add-mask::x", ": :add-mask::x"},
		{"after overwrite", "x\r::error file=a::b", "x\n: :error file=a::b"},
		{"many colons", "::::", ": :::"},
		{"older command", "text ##[command]x ##[error]y", "text ## [command]x ## [error]y"},
		{"older command, pipelines", "##vso[task.setvariable]x", "## vso[task.setvariable]x"},
		{"colons in the middle stay", "std::vector", "std::vector"},
		{"empty", "", ""},
	} {
		if have := Clean([]byte(test.text), 0); have != test.want {
			t.Errorf("%s: have %q, want %q", test.name, have, test.want)
		}
	}
}

func TestCleanBreaksAndCutsLongLines(t *testing.T) {
	have := Clean([]byte(strings.Repeat("x", 100)), 40)
	if want := strings.Repeat("x", 40) + "\n" + strings.Repeat("x", 40) + "\n" + strings.Repeat("x", 20); have != want {
		t.Errorf("have %q, want %q", have, want)
	}
	have = Clean([]byte(strings.Repeat("é", 1<<20)+"\nnext"), 100)
	if !strings.HasSuffix(have, "\n[cut: 1047576 more characters]\nnext") || strings.Count(have, "\n") != maxPieces+1 {
		t.Errorf("have %d lines ending in %.60q, want ten, a note and the next line", strings.Count(have, "\n"), have[max(0, len(have)-60):])
	}
	// A piece must not begin with what was harmless in the middle.
	have = Clean([]byte(strings.Repeat("x", 40)+"::set-env name=PATH::/evil"), 40)
	if obeyed(have) {
		t.Errorf("have %q, want the second piece inert", have)
	}
}

// obeyed is how actions/runner decides, line by line (ActionCommand.cs,
// TryParseV2 and TryParse).
func obeyed(text string) bool {
	for _, line := range regexp.MustCompile(`\r\n|\n|\r`).Split(text, -1) {
		if strings.HasPrefix(strings.TrimLeftFunc(line, unicode.IsSpace), "::") || strings.Contains(line, "##[") {
			return true
		}
	}
	return false
}

func FuzzClean(f *testing.F) {
	for _, seed := range []string{"", "a\x1b[31mb", "\x1b]8;;x\x07", "::error::", "##[x", "\u009b1m", ":\x1b[m:", "\xff::", "\r::x", strings.Repeat(":", 300), strings.Repeat(" ", 39) + "::::"} {
		f.Add([]byte(seed), 40)
	}
	f.Fuzz(func(t *testing.T, text []byte, width int) {
		width = 40 + (width&0x7fff)%100
		have := Clean(text, width)
		if !utf8.ValidString(have) {
			t.Fatalf("have %q, want UTF-8", have)
		}
		if i := strings.IndexFunc(have, func(r rune) bool {
			return r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r))
		}); i >= 0 {
			t.Fatalf("have %q, with a control at %d", have, i)
		}
		for _, line := range strings.Split(have, "\n") {
			if n := utf8.RuneCountInString(line); n > width {
				t.Fatalf("have a line of %d characters, want at most %d", n, width)
			}
		}
		if obeyed(have) {
			t.Fatalf("the runner would obey %q", have)
		}
		if again := Clean([]byte(have), width); again != have {
			t.Fatalf("have %q after %q, want cleaning to be final", again, have)
		}
	})
}
