package policy

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// Names that differ in bytes can be one file: on NTFS, APFS and HFS+ case and
// Unicode form do not count, Windows drops trailing dots and spaces and reads
// what follows a colon as a stream, HFS+ drops invisible characters. A rule
// that forbids therefore compares canonical names, which fold all of that
// together; a rule that permits compares the exact bytes.

// canonical gives the name that a path shares with everything some file system
// takes for the same file: ignorable characters removed, NFKC, full case
// folding, both kinds of slash, no empty or dot component, no trailing dots or
// spaces and nothing after a colon. It is only for comparing; it is idempotent.
func canonical(path string) string {
	if plainASCII(path) {
		return path
	}
	for range maxFolds {
		next := canonicalOnce(path)
		if next == path {
			break
		}
		path = next
	}
	return path
}

// maxFolds bounds the repetition; two rounds settle all but made-up names.
const maxFolds = 16

func canonicalOnce(path string) string {
	path = strings.ReplaceAll(foldCompat(path), `\`, "/")
	parts := strings.Split(path, "/")
	kept := parts[:0]
	for _, part := range parts {
		if part != ".." {
			part = trimComponent(part)
		}
		if part != "" {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, "/")
}

// plainASCII says that a path is its own canonical form, which is so for nearly
// all and spares the tables.
func plainASCII(path string) bool {
	prev := byte('/')
	for i := 0; i < len(path); i++ {
		c := path[i]
		switch {
		case c == '/' && (prev == '/' || prev == '.' || prev == ' '):
			return false
		case c >= 0x7f, c < 0x20, 'A' <= c && c <= 'Z', c == '\\', c == ':':
			return false
		}
		prev = c
	}
	return prev != '/' && prev != '.' && prev != ' '
}

// trimComponent drops what Windows does not keep of a name.
func trimComponent(part string) string {
	if i := strings.IndexByte(part, ':'); i > 0 {
		part = part[:i]
	}
	return strings.TrimRight(part, ". ")
}

// foldCompat is NFKC with full case folding (Unicode 3.13, NFKC_Casefold) and
// without ignorable characters. Dotted and dotless i fold to i as well, which
// full folding leaves apart and some file systems do not.
func foldCompat(s string) string {
	if isASCII(s) {
		return strings.ToLower(s)
	}
	s = norm.NFKC.String(cases.Fold().String(norm.NFKC.String(dropIgnorable(s))))
	s = strings.ReplaceAll(s, "\u0131", "i")
	return strings.ReplaceAll(s, "i\u0307", "i")
}

func isASCII(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// collisionKey is one component as case-insensitive, normalising file systems
// compare it. Unlike canonical it keeps compatibility forms apart, since no
// file system folds those and people use them.
func collisionKey(component string) string {
	if isASCII(component) {
		return strings.ToLower(component)
	}
	return norm.NFC.String(cases.Fold().String(norm.NFC.String(dropIgnorable(component))))
}

func dropIgnorable(s string) string {
	return strings.Map(func(r rune) rune {
		if ignorable(r) {
			return -1
		}
		return r
	}, s)
}

// ignorable is Default_Ignorable_Code_Point and every other format character.
func ignorable(r rune) bool {
	return r >= utf8.RuneSelf && unicode.In(r, unicode.Cf, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

// isDotGit says whether some file system takes the component for ".git": NTFS
// by short name, stream or trailing characters, HFS+ by invisible ones
// (git's own is_ntfs_dotgit and is_hfs_dotgit, CVE-2014-9390, CVE-2019-1352).
func isDotGit(component string) bool {
	for _, part := range strings.Split(canonical(component), "/") {
		if part == ".git" || part == "git~1" {
			return true
		}
	}
	return false
}

// deviceName says whether Windows takes the component for a device, whatever
// its extension.
func deviceName(component string) bool {
	name, _, _ := strings.Cut(foldCompat(component), ".")
	name, _, _ = strings.Cut(name, ":")
	name = strings.TrimRight(name, " ")
	switch name {
	case "con", "prn", "aux", "nul", "conin$", "conout$", "clock$":
		return true
	}
	if rest, ok := strings.CutPrefix(name, "com"); ok || strings.HasPrefix(name, "lpt") {
		if !ok {
			rest = name[3:]
		}
		return len(rest) == 1 && rest[0] >= '0' && rest[0] <= '9'
	}
	return false
}

// shortName says whether the component has the form of a Windows 8.3 name, by
// which another file can be reached: GITHUB~1 for .github.
func shortName(component string) bool {
	base, ext, _ := strings.Cut(component, ".")
	stem, digits, ok := strings.Cut(base, "~")
	if !ok || stem == "" || digits == "" || len(base) > 8 || len(ext) > 3 || strings.Contains(ext, ".") {
		return false
	}
	return strings.Trim(digits, "0123456789") == ""
}

// isBidi is the set that can make a line read other than it is (CVE-2021-42574)
// with the plain marks, which can hide in a name.
func isBidi(r rune) bool { return unicode.Is(unicode.Bidi_Control, r) }

// reorders is the part of isBidi that moves text: embeddings, overrides and
// isolates. The plain marks have honest uses in people's translated texts.
func reorders(r rune) bool { return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 }

func codePoint(r rune) string { return fmt.Sprintf("U+%04X", r) }
