package effect

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/seedbed-dev/seedbed/internal/secret"
)

// NewCleaner makes the cleaner for outgoing text. Text that holds a secret of
// this process, plain or encoded, or something in the shape of a known token is
// refused with its kind and line: what leaves is blocked, not redacted. What
// people cannot see is taken out before the search as well as after it, since a
// token in pieces is whole again once the joints are gone.
func NewCleaner(known *secret.Redactor) Cleaner {
	return func(text string, limit int) (string, error) {
		shown := visible(text)
		for _, form := range []string{text, shown} {
			if err := secretIn(known, form); err != nil {
				return "", err
			}
		}
		return cut(shown, limit), nil
	}
}

func secretIn(known *secret.Redactor, text string) error {
	hits := append(known.Find([]byte(text)), secret.Scan([]byte(text))...)
	if len(hits) == 0 {
		return nil
	}
	how := ""
	if e := hits[0].Encoding; e != "" && e != "plain" {
		how = ", " + e
	}
	return fmt.Errorf("text holds a secret (%s%s) at line %d [secrets]", hits[0].Kind, how, hits[0].Line)
}

// escapes are terminal sequences (ECMA-48): CSI, OSC with either end, and the
// two-character ones. C1 forms are two bytes in UTF-8.
var escapes = regexp.MustCompile("(?:\x1b\\[|\u009b)[0-?]*[ -/]*[@-~]|(?:\x1b\\]|\u009d)[^\x07\x1b\u009c\n]*(?:\x07|\x1b\\\\|\u009c)?|\x1b[ -/]*[0-~]")

// visible drops what people cannot see: terminal sequences, control characters
// but for line ends and tabs, bidirectional, zero-width and filling characters,
// tags. A line that a lone carriage return would overwrite is kept as a line.
func visible(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if strings.ContainsAny(s, "\x1b\u009b\u009d") {
		s = escapes.ReplaceAllString(s, "")
	}
	s = strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r == 0x2028 || r == 0x2029: // line and paragraph separators
			return '\n'
		case hidden(r):
			return -1
		}
		return r
	}, s)
}

func hidden(r rune) bool {
	switch {
	case r < 0x20, r >= 0x7f && r < 0xa0, // controls
		r == 0xad, r == 0x34f, r == 0x61c, r == 0x180e, r == 0xfeff,
		r >= 0x115f && r <= 0x1160, r == 0x3164, r == 0xffa0, // fillers
		r >= 0x17b4 && r <= 0x17b5, r >= 0x180b && r <= 0x180f,
		r >= 0x200b && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2060 && r <= 0x206f,
		r >= 0xfe00 && r <= 0xfe0e, // variation selectors; U+FE0F only makes an emoji colourful
		r >= 0xfff0 && r <= 0xfffb, r >= 0x1d173 && r <= 0x1d17a, r >= 0xe0000 && r <= 0xe0fff:
		return true
	}
	return false
}

// cut keeps the beginning of a text that is too long and says so. Where there
// is no room for a sentence one word stands alone.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	note := "... truncated"
	if limit >= 512 {
		note = fmt.Sprintf("\n\ntruncated: kept %d of %d bytes", limit-64, len(s))
	}
	return head(s, limit-max(len(note), 64*min(1, limit/512))) + note
}

// head is at most n bytes of s, whole characters only.
func head(s string, n int) string {
	if n >= len(s) {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:max(n, 0)]
}

// alive matches what GitHub turns into something with an effect: links,
// mentions, references to issues.
var alive = regexp.MustCompile(`(?i)(?:https?://|www\.|javascript:|data:)\S+|[\w.+-]*@[\w][\w/-]*|(?:[\w.-]+/[\w.-]+)?#\d+|GH-\d+`)

// Inert makes words of a stranger or a model safe to show in one line of our
// Markdown: nobody is mentioned, nothing is closed, no HTML and no link is
// alive. What would be alive is shown as a code span. Used on every such part
// when a text is put together; Apply looks at the whole once more.
func Inert(s string) string {
	s = strings.Join(strings.Fields(strings.ReplaceAll(visible(s), "`", "'")), " ")
	var b strings.Builder
	for s != "" {
		at := alive.FindStringIndex(s)
		if at == nil {
			b.WriteString(escaped(s))
			break
		}
		b.WriteString(escaped(s[:at[0]]) + "`" + s[at[0]:at[1]] + "`")
		s = s[at[1]:]
	}
	return b.String()
}

func escaped(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "[", "\\[", "]", "\\]", "|", "\\|",
		"*", "\\*", "_", "\\_", "~", "\\~").Replace(s)
}
