package finding

import (
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/seedbed-dev/seedbed/internal/forge"
)

// Text writes findings for a terminal, each with its hint, limit and who
// unblocks it on lines of their own.
func Text(list []Finding) string {
	var b strings.Builder
	for _, f := range list {
		b.WriteString(f.Text())
		b.WriteByte('\n')
	}
	return b.String()
}

// JSON writes findings as one indented array, never null.
func JSON(w io.Writer, list []Finding) error {
	if list == nil {
		list = []Finding{}
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(list)
}

// GitHub's bounds on one annotation, in characters
// (https://docs.github.com/rest/checks/runs): a message may hold 64 KiB.
const (
	maxAnnotation      = 4000
	maxAnnotationTitle = 255
)

// Annotations gives the findings that a check run can show on a file. GitHub
// takes 50 a request, so the caller pages. A finding without a file, or with a
// name that GitHub would refuse, is not among them: it stands in the summary.
func Annotations(list []Finding) []forge.Annotation {
	var out []forge.Annotation
	for _, f := range list {
		if f.Path == "" || Quote(f.Path) != f.Path || len(f.Path) > 4096 || !utf8.ValidString(f.Path) {
			continue
		}
		out = append(out, forge.Annotation{Path: f.Path, Line: max(1, f.Line), Level: f.Severity.level(),
			Title: clip(clean(f.Rule), maxAnnotationTitle), Message: clip(clean(f.annotation()), maxAnnotation)})
	}
	return out
}

func (f Finding) annotation() string {
	lines := []string{f.Message}
	for _, part := range []struct{ name, text string }{{"hint", f.Hint}, {"limit", f.Seed}, {"unblocks", f.Who}} {
		if part.text != "" {
			lines = append(lines, part.name+": "+part.text)
		}
	}
	return strings.Join(lines, "\n")
}

// level is GitHub's name of a severity.
func (s Severity) level() string {
	switch s {
	case Error:
		return "failure"
	case Warning:
		return "warning"
	}
	return "notice"
}

// Truncated ends every text that was cut.
const Truncated = "truncated"

// Markdown writes a numbered list for comments and summaries of at most limit
// bytes: the place as code, the message, the rule, the limit's line, the hint.
// All foreign text is inert: no HTML, no mention, no closing keyword, no link.
// When not all fit, the last line says how many are missing.
func Markdown(list []Finding, limit int) string {
	var b strings.Builder
	for i, f := range list {
		item := fmt.Sprintf("%d. %s\n", i+1, f.markdown())
		room := limit - b.Len()
		if i < len(list)-1 {
			room -= len(missing(len(list), len(list))) // to say that the rest is missing
		}
		if len(item) > room {
			if left := missing(i, len(list)); b.Len()+len(left) <= limit {
				b.WriteString(left)
			}
			break
		}
		b.WriteString(item)
	}
	return b.String()
}

func missing(shown, of int) string {
	return fmt.Sprintf("\n%s: %d of %d findings shown\n", Truncated, shown, of)
}

const maxMarkdownItem = 1200

func (f Finding) markdown() string {
	var b strings.Builder
	if place := strings.TrimSuffix(f.Place(), ": "); place != "" {
		b.WriteString(Code(clip(place, 300)) + " ")
	}
	b.WriteString(Inert(clip(f.Message, maxMarkdownItem)) + " " + Code("["+f.Rule+"]"))
	if f.Seed != "" {
		b.WriteString(", " + Inert(f.Seed))
	}
	b.WriteString(".")
	if f.Hint != "" {
		b.WriteString(" → " + Inert(clip(f.Hint, maxMarkdownItem)) + ".")
	}
	if f.Who != "" {
		b.WriteString(" Unblocks: " + Inert(clip(f.Who, 300)) + ".")
	}
	return b.String()
}

// Code shows text as a code span on one line, whatever backticks it holds
// (CommonMark 6.1): no mention, link or keyword in it is one.
func Code(text string) string {
	text = clean(strings.ReplaceAll(text, "\n", " "))
	longest, run := 0, 0
	for _, r := range text {
		if r == '`' {
			run++
			longest = max(longest, run)
		} else {
			run = 0
		}
	}
	fence := strings.Repeat("`", longest+1)
	if strings.HasPrefix(text, "`") || strings.HasSuffix(text, "`") || strings.TrimSpace(text) == "" {
		text = " " + text + " "
	}
	return fence + text + fence
}

// active finds what GitHub acts on in rendered words: mentions, references to
// issues (which close them after a keyword) and addresses. Entities do not help
// against these, as GitHub looks at the text after decoding; code spans do.
var active = regexp.MustCompile(`(?i)\b(?:https?|ftp|mailto):[^\s]+|\bwww\.[^\s]+|[\w./-]*@[a-z0-9][\w./-]*|[\w./-]*#[0-9]+|\bgh-[0-9]+`)

// Inert makes text safe to stand in Markdown as words on one line: HTML and
// Markdown signs are escaped, and mentions, references and addresses become
// code spans, so GitHub notifies nobody, links nothing and closes no issue.
func Inert(text string) string {
	text = strings.NewReplacer("\n", " ", "\t", " ").Replace(clean(text))
	var b strings.Builder
	for {
		at := active.FindStringIndex(text)
		if at == nil {
			b.WriteString(escape(text))
			return b.String()
		}
		b.WriteString(escape(text[:at[0]]))
		b.WriteString(Code(text[at[0]:at[1]]))
		text = text[at[1]:]
	}
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "`", "&grave;", "*", "\\*", "_", "\\_",
	"[", "\\[", "]", "\\]", "|", "\\|", "~", "\\~", "\\", "\\\\", "$", "\\$")

func escape(s string) string { return escaper.Replace(s) }

// clean shows control, bidirectional and invisible characters as escapes and
// bad UTF-8 as U+FFFD; line ends and tabs stay.
func clean(s string) string {
	var b strings.Builder
	for _, r := range strings.ToValidUTF8(s, "\ufffd") {
		switch {
		case r == '\n', r == '\t':
			b.WriteRune(r)
		case r < 0x20, r == 0x7f, !isPlain(r):
			fmt.Fprintf(&b, "U+%04X", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// clip cuts at a rune's edge and says so.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	const end = "... (" + Truncated + ")"
	s = s[:most-len(end)]
	for i := 0; i < utf8.UTFMax && len(s) > 0; i++ {
		if r, size := utf8.DecodeLastRuneInString(s); r != utf8.RuneError || size > 1 {
			break
		}
		s = s[:len(s)-1]
	}
	return s + end
}
