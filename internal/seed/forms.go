package seed

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/bmatcuk/doublestar/v4"
)

// form is a named form of text: what it is called in an error, how it is
// tested, and the JSON Schema pattern that comes nearest to the test.
type form struct {
	want    string
	pattern string
	ok      func(string) bool
}

// forms is the table of named forms. Where the pattern is weaker than the test
// (globs, dates, regular expressions) the schema accepts more than the parser.
func forms() map[string]form {
	matches := func(pattern string) func(string) bool { return regexp.MustCompile(pattern).MatchString }
	byPattern := func(want, pattern string) form { return form{want, pattern, matches(pattern)} }
	return map[string]form{
		"id":       byPattern("an id of letters, digits, dot, dash and underscore", `^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`),
		"who":      byPattern("a login or org/team without @", `^[A-Za-z0-9][A-Za-z0-9_-]{0,63}(/[A-Za-z0-9][A-Za-z0-9._-]{0,99})?$`),
		"env":      byPattern("the name of a secret", `^[A-Za-z_][A-Za-z0-9_]{0,99}$`),
		"currency": byPattern("three capital letters", `^[A-Z]{3}$`),
		"label":    byPattern("a label of at most 50 characters without comma and line end", `^[^,\s]([^,\r\n\t]{0,48}[^,\s])?$`),
		"urlpath":  byPattern("a path that begins with /", `^/[!-~]*$`),
		"branch":   {"the name of a branch", branchPattern, isBranch},
		"command":  {"a command in one line", `^[^\r\n\x00]*\S[^\r\n\x00]*$`, isCommand},
		"path":     {"a path inside the repository, such as docs/x.md", `^[^/\\]`, isPath},
		"glob":     {"a glob, such as apps/web/**", `^[^\r\n\x00]+$`, isGlob},
		"url":      {"an http or https address", `^https?://[^\s@]+$`, isURL},
		"date":     {"a day, such as 2030-01-31", `^[0-9]{4}-[0-9]{2}-[0-9]{2}$`, isDate},
		"regexp":   {"a regular expression (RE2)", "", isRegexp},
	}
}

const branchPattern = `^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$`

var branchForm = regexp.MustCompile(branchPattern)

// isBranch follows git-check-ref-format for the characters that the pattern
// lets through.
func isBranch(s string) bool {
	if !branchForm.MatchString(s) {
		return false
	}
	for _, part := range strings.Split(s, "/") {
		if part == "" || part[0] == '.' || strings.HasSuffix(part, ".lock") || strings.HasSuffix(part, ".") {
			return false
		}
	}
	return !strings.Contains(s, "..")
}

func isCommand(s string) bool {
	return strings.TrimSpace(s) != "" && !strings.ContainsAny(s, "\r\n\x00")
}

// isPath accepts canonical relative paths only: what is written is what is
// opened.
func isPath(s string) bool {
	if s == "" || strings.ContainsAny(s, "\\\x00") || strings.IndexFunc(s, unicode.IsControl) >= 0 {
		return false
	}
	return path.Clean(s) == s && !path.IsAbs(s) && s != ".." && !strings.HasPrefix(s, "../")
}

func isGlob(s string) bool {
	return s != "" && strings.IndexFunc(s, unicode.IsControl) < 0 && doublestar.ValidatePattern(s)
}

// isURL refuses addresses with a user part: a password does not belong into a
// file that everybody reads.
func isURL(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil && !strings.ContainsAny(s, " \t\r\n")
}

func isDate(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}

func isRegexp(s string) bool {
	_, err := regexp.Compile(s)
	return err == nil
}

const durationPattern = `^(0|([1-9][0-9]*d)?([1-9][0-9]*h)?([1-9][0-9]*m)?([1-9][0-9]*s)?([1-9][0-9]*ms)?)$`

var errDuration = errors.New("not a duration")

// parseDuration reads 3d, 72h, 1h30m, 10m, 15s, 500ms, and 0 with or without a
// unit. Units go from large to small, each at most once.
func parseDuration(s string) (time.Duration, error) {
	units := []struct {
		name string
		size time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}}
	if s == "0" {
		return 0, nil
	}
	var total time.Duration
	rest := s
	for _, u := range units {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		unit := rest[digits:]
		if end := strings.IndexAny(unit, "0123456789"); end >= 0 {
			unit = unit[:end]
		}
		if digits == 0 || unit != u.name {
			continue
		}
		n, err := strconv.ParseInt(rest[:digits], 10, 32)
		if err != nil || digits > 1 && rest[0] == '0' {
			return 0, errDuration
		}
		total += time.Duration(n) * u.size
		rest = rest[digits+len(unit):]
	}
	if rest != "" || s == "" || total < 0 {
		return 0, errDuration
	}
	return total, nil
}

// formatDuration writes what parseDuration reads, with the largest units that
// come out whole: 3d, 90m as 1h30m.
func formatDuration(d time.Duration) string {
	if d == 0 {
		return "0s"
	}
	var b strings.Builder
	for _, u := range []struct {
		name string
		size time.Duration
	}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}} {
		if n := d / u.size; n > 0 {
			fmt.Fprintf(&b, "%d%s", n, u.name)
			d -= n * u.size
		}
	}
	return b.String()
}

// short cuts a value for an error.
func short(s string) string {
	const most = 60
	if utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most]) + "…"
}
