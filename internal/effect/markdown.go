package effect

import (
	"html"
	"regexp"
	"strings"
)

// defused gives Markdown in which nobody is mentioned, nothing is closed, no
// HTML but a few plain tags is alive and no picture is loaded, whatever was put
// into it. What would act is shown as a code span.
//
// A text is code only where GitHub can see it no other way: between two runs of
// backticks on one line, or in a fence that begins in the first column after an
// empty line. Backticks and tildes that could open anything else are changed,
// so that GitHub does not see code, or an end of code, where this function sees
// none. Fences left open are closed.
//
// https://github.github.com/gfm/, sections 4.5, 4.6, 6.2 and 6.3.
func defused(text string, links bool) string {
	d := defuser{links: links}
	lines := strings.Split(text, "\n")
	fence, fresh := "", true
	for i, line := range lines {
		switch {
		case fence != "":
			if closesFence(line, fence) {
				fence, fresh = "", true
			}
			lines[i] = uncommanded(line)
			continue
		case fresh && opensFence(line):
			fence = line[:len(line)-len(strings.TrimLeft(line, "`"))]
			d.keyword = false
			continue
		}
		lines[i] = uncommanded(d.line(line))
		fresh = strings.TrimSpace(line) == ""
	}
	if fence != "" {
		lines = append(lines, fence)
	}
	return strings.Join(lines, "\n")
}

func opensFence(line string) bool {
	rest := strings.TrimLeft(line, "`")
	return len(line)-len(rest) >= 3 && !strings.Contains(rest, "`")
}

func closesFence(line, fence string) bool {
	line = strings.TrimRight(line, " \t")
	bare := strings.TrimLeft(line, " ")
	return len(line)-len(bare) <= 3 && len(bare) >= len(fence) && strings.Trim(bare, "`") == ""
}

// uncommanded keeps a line from being a workflow command, should the text ever
// be printed by a job: ::name:: at its start, ##[name] anywhere.
func uncommanded(line string) string {
	if start := strings.TrimLeft(line, " \t"); strings.HasPrefix(start, "::") {
		line = line[:len(line)-len(start)] + ": :" + start[2:]
	}
	return strings.ReplaceAll(line, "##[", "## [")
}

// defuser carries from line to line whether the last one ended in a closing
// keyword: GitHub takes the reference from the next line too.
type defuser struct {
	links   bool // web addresses stay alive
	keyword bool
	out     strings.Builder
}

var (
	mention   = regexp.MustCompile(`^@[A-Za-z0-9_][A-Za-z0-9_-]*(?:/[A-Za-z0-9_.-]+)?`)
	reference = `(?:https?://[^\s/]+/[^\s/]+/[^\s/]+/(?:issues|pull)/\d+|(?:[\w.-]+/[\w.-]+)?\\?#\d+|GH-\d+)`
	closing   = regexp.MustCompile(`(?i)^(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?)[\s:*_~\\(\[]*` + reference)
	keywordAt = regexp.MustCompile(`(?i)(?:^|[^\w])(?:close[sd]?|fix(?:e[sd])?|resolve[sd]?)[\s:*_~\\(\[]*$`)
	refFirst  = regexp.MustCompile(`^` + reference)
	address   = regexp.MustCompile(`(?i)^(?:https?://|www\.)[^\s)>\]` + "`" + `]+`)
	plainTag  = regexp.MustCompile(`(?i)^</?(?:details|summary|br|sub|sup|kbd)\s*/?>`)
	entity    = regexp.MustCompile(`^&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});`)
)

func (d *defuser) line(s string) string {
	d.out.Reset()
	start, first := 0, true // start of the stretch since the last code span
	for i := 0; i < len(s); {
		n, put := d.next(s, i, first)
		if s[i] == '`' && n > 1 {
			start = i + n
		}
		if s[i] != ' ' && s[i] != '\t' && !strings.ContainsRune(">-*+", rune(s[i])) {
			first = false
		}
		d.out.WriteString(put)
		i += n
	}
	if strings.TrimSpace(s) != "" {
		d.keyword = keywordAt.MatchString(s[start:])
	}
	return d.out.String()
}

// next says how many bytes of s belong together at i and what is written for
// them. first: nothing but white space and marks stands before on the line.
func (d *defuser) next(s string, i int, first bool) (int, string) {
	rest := s[i:]
	written := d.out.String()
	wordBefore := written != "" && isWord(written[len(written)-1])
	switch c := s[i]; {
	case c == '`':
		return codeSpan(rest)
	case c == '\\' && len(rest) > 1 && rest[1] == '`':
		return 2, "'"
	case c == '\\' && len(rest) > 1 && rest[1] == '\\':
		return 2, `\\`
	case c == '~' && strings.HasPrefix(rest, "~~~"):
		return 3, `\~\~\~`
	case c == '!' && strings.HasPrefix(rest, "!["):
		return 2, `!\[`
	case c == '<':
		if tag := plainTag.FindString(rest); tag != "" {
			return len(tag), tag
		}
		return 1, "&lt;"
	case c == '&':
		if e := entity.FindString(rest); e != "" && strings.ContainsAny(html.UnescapeString(e), "@#") {
			return 1, "&amp;"
		}
	case c == '@' && !wordBefore:
		if m := mention.FindString(rest); m != "" {
			return len(m), d.code(m, rest[len(m):])
		}
	case d.keyword && first && refFirst.MatchString(rest):
		m := refFirst.FindString(rest)
		return len(m), d.code(m, rest[len(m):])
	case !wordBefore && closing.MatchString(rest):
		m := closing.FindString(rest)
		return len(m), d.code(m, rest[len(m):])
	case !d.links && !wordBefore && address.MatchString(rest):
		m := address.FindString(rest)
		return len(m), d.code(m, rest[len(m):])
	}
	return 1, s[i : i+1]
}

// code shows text as a code span that cannot run together with what stands
// before or after it.
func (d *defuser) code(text, after string) string {
	text = "`" + strings.ReplaceAll(text, "`", "'") + "`"
	if before := d.out.String(); strings.HasSuffix(before, "`") || strings.HasSuffix(before, `\`) {
		text = " " + text
	}
	if strings.HasPrefix(after, "`") {
		text += " "
	}
	return text
}

// codeSpan gives the span that begins at s, or a run of backticks that opens
// none, as apostrophes. A bar would end the cell of a table, code or not.
func codeSpan(s string) (int, string) {
	run := len(s) - len(strings.TrimLeft(s, "`"))
	for i := run; i < len(s); {
		if s[i] != '`' {
			i++
			continue
		}
		end := len(s[i:]) - len(strings.TrimLeft(s[i:], "`"))
		if end == run {
			return i + end, bars.ReplaceAllString(s[:i+end], `${1}\|`)
		}
		i += end
	}
	return run, strings.Repeat("'", run)
}

var bars = regexp.MustCompile(`(^|[^\\])\|`)

func isWord(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z'
}

var (
	plainMention = regexp.MustCompile(`(^|[^A-Za-z0-9])@([A-Za-z0-9_])`)
	plainClosing = regexp.MustCompile(`(?i)\b((?:close[sd]?|fix(?:e[sd])?|resolve[sd]?)[\s:*_~\\(\[]*)(` + reference + `)`)
)

// unlinked is for text that is no Markdown, such as commit messages, where a
// code span may not count: a space after the sign takes the power away.
func unlinked(s string) string {
	s = plainMention.ReplaceAllString(s, "${1}@ ${2}")
	s = plainClosing.ReplaceAllStringFunc(s, func(m string) string {
		parts := plainClosing.FindStringSubmatch(m)
		ref := strings.ReplaceAll(strings.ReplaceAll(parts[2], "#", "# "), "GH-", "GH- ")
		return parts[1] + strings.ReplaceAll(ref, "://", ": //")
	})
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = uncommanded(lines[i])
	}
	return strings.Join(lines, "\n")
}
