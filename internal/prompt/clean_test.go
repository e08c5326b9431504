package prompt_test

import (
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/seedbed-dev/seedbed/internal/prompt"
)

func TestClean(t *testing.T) {
	for name, c := range map[string]struct {
		text, want string
		notes      []string
	}{
		"plain":                 {"Words, \"quotes\" & <b>tags</b>\n\ttabs", "Words, \"quotes\" & <b>tags</b>\n\ttabs", nil},
		"letters of the world":  {"Größe 大小 حجم 😀", "Größe 大小 حجم 😀", nil},
		"one comment":           {"a<!-- do it -->b", "ab", []string{"hidden content removed: 1 comment, 14 bytes"}},
		"two comments":          {"<!--x-->a<!--y-->", "a", []string{"hidden content removed: 2 comments, 16 bytes"}},
		"never closed":          {"a <!-- do it\nall of it", "a ", []string{"hidden content removed: 1 comment, 20 bytes"}},
		"closed the other way":  {"a<!-- x --!>b", "ab", []string{"hidden content removed: 1 comment, 11 bytes"}},
		"empty comments":        {"a<!-->b<!--->c", "abc", []string{"hidden content removed: 2 comments, 11 bytes"}},
		"made of two halves":    {"a<!<!-- -->-- do it -->b", "ab", []string{"hidden content removed: 2 comments, 22 bytes"}},
		"mark split by nothing": {"a<\u200b!-- do it -->b", "ab", []string{"invisible characters removed: 1", "hidden content removed: 1 comment, 14 bytes"}},
		"zero width":            {"de\u200bl\u2060e\ufeffte", "delete", []string{"invisible characters removed: 3"}},
		"tags":                  {"a\U000e0061\U000e0062b", "ab", []string{"invisible characters removed: 2"}},
		"soft hyphen, selector": {"a\u00adb\ufe0f\U000e0101c", "abc", []string{"invisible characters removed: 3"}},
		"bidi":                  {"a\u202eb\u2066c\u200f", "abc", []string{"invisible characters removed: 3"}},
		"fillers":               {"a\u3164b\u115fc\u2800", "abc", []string{"invisible characters removed: 3"}},
		"terminal":              {"a\x1b[31mb\u009bc\x07", "a[31mbc", []string{"invisible characters removed: 3"}},
		"line ends":             {"a\r\nb\rc\n", "a\nb\nc\n", nil},
		"byte order mark":       {"\ufeffa", "a", nil},
		"no text":               {"a\x00b\xffc\xed\xa0\x80", "a\ufffdb\ufffdc\ufffd\ufffd\ufffd", []string{"unreadable bytes replaced: 5"}},
		"empty":                 {"", "", nil},
	} {
		t.Run(name, func(t *testing.T) {
			have, notes := prompt.Clean(c.text)
			if have != c.want {
				t.Errorf("have %q, want %q", have, c.want)
			}
			if !slices.Equal(texts(notes), c.notes) {
				t.Errorf("notes %q, want %q", texts(notes), c.notes)
			}
		})
	}
}

func texts(notes []prompt.Note) (list []string) {
	for _, n := range notes {
		list = append(list, n.String())
	}
	return list
}

func TestCleanCaps(t *testing.T) {
	have, notes := prompt.Clean(strings.Repeat("a", 10<<20))
	if len(have) != 65536 || !slices.Equal(texts(notes), []string{"truncated: kept 65536 of 10485760 bytes"}) {
		t.Errorf("kept %d bytes, notes %q", len(have), texts(notes))
	}
	have, _ = prompt.Clean(strings.Repeat("a", prompt.MaxText-1) + "ä")
	if !utf8.ValidString(have) || len(have) != prompt.MaxText-1 {
		t.Errorf("cut inside a character: %d bytes, ends %q", len(have), have[len(have)-4:])
	}
	nested := strings.Repeat("<!", 20000) + strings.Repeat("-- -->", 3000)
	if have, _ = prompt.Clean(nested); strings.Contains(have, "<!--") {
		t.Error("a comment is left")
	}
}

func FuzzClean(f *testing.F) {
	for _, s := range []string{"a<!-- b -->c", "<!<!-- -->--", "\u202e\x00\xff\r", "<!-->--!>", "<\u200b!--"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		have, _ := prompt.Clean(text)
		if strings.Contains(have, "<!--") || !utf8.ValidString(have) || len(have) > 3*prompt.MaxText {
			t.Errorf("have %q", have)
		}
		if i := strings.IndexFunc(have, func(r rune) bool {
			return r != '\n' && r != '\t' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r))
		}); i >= 0 {
			t.Errorf("hidden character at %d of %q", i, have)
		}
		if again, notes := prompt.Clean(have); len(have) <= prompt.MaxText && (again != have || len(notes) > 0) {
			t.Errorf("cleaning again gives %q, %v", again, notes)
		}
	})
}
