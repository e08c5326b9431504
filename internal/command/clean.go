package command

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// DefaultWidth is the number of characters after which Clean breaks a line.
const DefaultWidth = 200

// maxPieces bounds how many pieces one overlong line is broken into before the
// rest of it is cut: minified files and base64 help nobody.
const maxPieces = 10

// Clean makes the output of an untrusted program safe to show to a person, in a
// terminal, a workflow log or a comment:
//
//   - terminal sequences are taken out: CSI, OSC (also OSC 8 links), DCS and
//     their 8-bit C1 forms (ECMA-48), other controls, backspaces;
//   - a carriage return becomes a line break, so that nothing can be painted over;
//   - characters that change the order of text or cannot be seen are spelled out,
//     as \u202e; variation selectors are dropped;
//   - bytes that are not UTF-8 become U+FFFD;
//   - lines are broken after width characters (DefaultWidth if not positive), and
//     very long ones cut with a note of how much is missing;
//   - lines the workflow runner would obey (::name::, ##[name]) are split by a
//     space; see TryParse and TryParseV2 in actions/runner, ActionCommand.cs.
//
// Clean of cleaned text changes nothing. It hides no secrets: that is package
// secret's work, and comes first.
func Clean(text []byte, width int) string {
	if width <= 0 {
		width = DefaultWidth
	}
	width = max(width, 40) // room for the note about cutting
	var out strings.Builder
	out.Grow(len(text))
	lines := strings.Split(stripControls(text), "\n")
	for i, line := range lines {
		if i > 0 {
			out.WriteByte('\n')
		}
		writeWrapped(&out, breakMarkers(line), width)
	}
	return out.String()
}

// stripControls decodes text and drops what a terminal would act upon.
func stripControls(text []byte) string {
	var out strings.Builder
	out.Grow(len(text))
	for len(text) > 0 {
		r, size := utf8.DecodeRune(text)
		rest := text[size:]
		switch {
		case r == '\n' || r == '\t':
			out.WriteRune(r)
		case r == '\r':
			if len(rest) == 0 || rest[0] != '\n' {
				out.WriteByte('\n')
			}
		case r == '\v' || r == '\f' || r == 0x85 || r == 0x2028 || r == 0x2029:
			out.WriteByte('\n')
		case r == 0x1b:
			rest = skipEscape(rest)
		case r == 0x9b:
			rest = skipCSI(rest)
		case r == 0x90 || r == 0x98 || r == 0x9d || r == 0x9e || r == 0x9f:
			rest = skipString(rest)
		case unicode.IsControl(r) || isVariation(r):
		case isDeceptive(r):
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			out.WriteRune(r) // an invalid byte decodes to U+FFFD
		}
		text = rest
	}
	return out.String()
}

// isDeceptive names characters that reorder or hide text (CVE-2021-42574).
func isDeceptive(r rune) bool {
	return unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Co, r) ||
		r == 0x115f || r == 0x1160 || r == 0x3164 || r == 0xffa0 || r == 0x34f // blank letters
}

// isVariation names selectors that follow a character to choose its picture.
// Emoji are full of them, and long runs of them can carry hidden text.
func isVariation(r rune) bool {
	return unicode.Is(unicode.Variation_Selector, r)
}

// skipEscape takes the rest of a sequence that began with ESC.
func skipEscape(p []byte) []byte {
	if len(p) == 0 {
		return p
	}
	switch p[0] {
	case '[':
		return skipCSI(p[1:])
	case ']', 'P', 'X', '^', '_':
		return skipString(p[1:])
	}
	for len(p) > 0 && 0x20 <= p[0] && p[0] <= 0x2f {
		p = p[1:]
	}
	if len(p) > 0 && 0x30 <= p[0] && p[0] <= 0x7e {
		p = p[1:]
	}
	return p
}

// skipCSI takes parameters, intermediates and the final byte. A sequence that
// breaks its own grammar ends there, so that no text is swallowed.
func skipCSI(p []byte) []byte {
	for len(p) > 0 && 0x20 <= p[0] && p[0] <= 0x3f {
		p = p[1:]
	}
	if len(p) > 0 && 0x40 <= p[0] && p[0] <= 0x7e {
		p = p[1:]
	}
	return p
}

// skipString takes a control string up to BEL, ST or the end of the line: an
// unclosed link must not hide the rest of the output.
func skipString(p []byte) []byte {
	for i := 0; i < len(p); i++ {
		switch {
		case p[i] == 0x07:
			return p[i+1:]
		case p[i] == '\n' || p[i] == '\r':
			return p[i:]
		case p[i] == 0x1b && i+1 < len(p) && p[i+1] == '\\':
			return p[i+2:]
		case p[i] == 0x1b:
			return p[i:]
		case p[i] == 0xc2 && i+1 < len(p) && p[i+1] == 0x9c:
			return p[i+2:]
		}
	}
	return nil
}

// breakMarkers splits the older command marker, which the runner finds anywhere
// in a line.
func breakMarkers(line string) string {
	line = strings.ReplaceAll(line, "##[", "## [")
	return strings.ReplaceAll(line, "##vso[", "## vso[")
}

// writeWrapped breaks one line into pieces. The newer command marker counts at
// the start of a line, and every piece is a start.
func writeWrapped(out *strings.Builder, line string, width int) {
	rest := []rune(line)
	for piece := 0; ; piece++ {
		if piece == maxPieces {
			fmt.Fprintf(out, "\n[cut: %d more characters]", len(rest))
			return
		}
		if piece > 0 {
			out.WriteByte('\n')
		}
		rest = breakLeadingCommand(rest)
		n := min(width, len(rest))
		out.WriteString(string(rest[:n]))
		rest = rest[n:]
		if len(rest) == 0 {
			return
		}
	}
}

// breakLeadingCommand puts a space between two colons that come first in line
// after white space.
func breakLeadingCommand(line []rune) []rune {
	i := 0
	for i < len(line) && unicode.IsSpace(line[i]) {
		i++
	}
	if i+1 >= len(line) || line[i] != ':' || line[i+1] != ':' {
		return line
	}
	broken := make([]rune, 0, len(line)+1)
	broken = append(broken, line[:i+1]...)
	broken = append(broken, ' ')
	return append(broken, line[i+1:]...)
}
