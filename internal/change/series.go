package change

import (
	"bytes"
	"errors"
	"fmt"
	"mime"
	"strconv"
	"strings"
	"time"
)

// Step is one commit of a stored change: its words and the patch against the
// step before it.
type Step struct {
	SHA     string    // of the commit it was taken from, informative
	Author  string    // name, informative: whoever applies a step is its author
	Email   string    // informative
	Time    time.Time // informative
	Subject string    // one line
	Body    string    // without the subject; may be empty
	Patch   []byte    // as git diff --binary --full-index writes it; may be empty
}

// Bounds of a stored series.
const (
	MaxSeries = 64 << 20 // bytes
	MaxSteps  = 200
)

// ErrSeries says that a stored series cannot be read.
var ErrSeries = errors.New("malformed patch series")

// FormatSeries writes steps as a git mailbox, the way
// git format-patch --stdout --binary --full-index does, so that git am takes it.
// This is the stored form of a change (change.patch). Fields may be added as
// header lines; readers pass over headers they do not know.
//
// One thing is done that git leaves out: a line of a body that would be taken
// for the start of the patch or of the next mail gets one blank in front, which
// ParseSeries takes off again.
func FormatSeries(steps []Step) []byte {
	var b bytes.Buffer
	for i, s := range steps {
		sha := s.SHA
		if len(sha) != 40 {
			sha = strings.Repeat("0", 40)
		}
		fmt.Fprintf(&b, "From %s Mon Sep 17 00:00:00 2001\n", sha)
		fmt.Fprintf(&b, "From: %s <%s>\n", header(s.Author), header(s.Email))
		fmt.Fprintf(&b, "Date: %s\n", s.Time.UTC().Format(time.RFC1123Z))
		fmt.Fprintf(&b, "Subject: [PATCH %d/%d] %s\n", i+1, len(steps), header(s.Subject))
		b.WriteString("MIME-Version: 1.0\nContent-Type: text/plain; charset=UTF-8\nContent-Transfer-Encoding: 8bit\n\n")
		if body := strings.Trim(s.Body, "\n"); body != "" {
			for _, line := range strings.Split(body, "\n") {
				if structural(strings.TrimLeft(line, " ")) {
					b.WriteByte(' ')
				}
				b.WriteString(line)
				b.WriteByte('\n')
			}
		}
		b.WriteString("---\n\n")
		b.Write(s.Patch)
		if n := len(s.Patch); n > 0 && s.Patch[n-1] != '\n' {
			b.WriteByte('\n')
		}
		b.WriteString("-- \nseedbed\n\n")
	}
	return b.Bytes()
}

// header keeps a value on one line.
func header(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s))
}

// structural lines end a message or begin a mail; see git-mailinfo(1).
func structural(line string) bool {
	return line == "---" || strings.HasPrefix(line, "--- ") || strings.HasPrefix(line, "---\t") || strings.HasPrefix(line, "diff -") ||
		strings.HasPrefix(line, "Index: ") || strings.HasPrefix(line, "From ") || strings.HasPrefix(line, "From: ") ||
		line == "-- >8 --" || line == "-- 8< --" || line == "-- "
}

// ParseSeries takes a stored series apart. It reads what FormatSeries and
// git format-patch --stdout write and trusts none of it: sizes and counts are
// bounded, and what a step changes is known only after its Patch was applied and
// the tree looked at. Errors are ErrSeries with the line.
func ParseSeries(data []byte) ([]Step, error) {
	if len(data) > MaxSeries {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrSeries, len(data), MaxSeries)
	}
	if len(data) == 0 {
		return nil, nil
	}
	s := series{rest: data}
	var steps []Step
	for len(s.rest) > 0 {
		if len(steps) == MaxSteps {
			return nil, fmt.Errorf("%w: more than %d steps", ErrSeries, MaxSteps)
		}
		step, err := s.step()
		if err != nil {
			return nil, fmt.Errorf("%w: line %d: %w", ErrSeries, s.line, err)
		}
		steps = append(steps, step)
	}
	return steps, nil
}

type series struct {
	rest []byte
	line int // last line read, 1-based
}

func (s *series) peek() string {
	line, _, _ := bytes.Cut(s.rest, []byte("\n"))
	return string(line)
}

func (s *series) next() (string, bool) {
	if len(s.rest) == 0 {
		return "", false
	}
	line, rest, _ := bytes.Cut(s.rest, []byte("\n"))
	s.rest = rest
	s.line++
	return string(line), true
}

func (s *series) step() (Step, error) {
	first, _ := s.next()
	sha, ok := mailStart(first)
	if !ok {
		return Step{}, errors.New("a mail begins with From, an object id and a date")
	}
	step := Step{SHA: sha}
	if err := s.headers(&step); err != nil {
		return Step{}, err
	}
	if err := s.body(&step); err != nil {
		return Step{}, err
	}
	step.Patch = s.patch()
	return step, nil
}

// mailStart reads the line git begins each mail with; the date is always the same.
func mailStart(line string) (string, bool) {
	rest, ok := strings.CutPrefix(line, "From ")
	if !ok || len(rest) < 41 || !strings.HasSuffix(rest, " Mon Sep 17 00:00:00 2001") {
		return "", false
	}
	sha := rest[:40]
	if len(rest) != 40+len(" Mon Sep 17 00:00:00 2001") || strings.Trim(sha, "0123456789abcdef") != "" {
		return "", false
	}
	return sha, true
}

const maxHeader = 64 << 10

func (s *series) headers(step *Step) error {
	values := map[string]string{}
	last, size := "", 0
	for {
		line, ok := s.next()
		if !ok {
			return errors.New("headers are cut short")
		}
		if size += len(line); size > maxHeader {
			return fmt.Errorf("headers have more than %d bytes", maxHeader)
		}
		if line == "" {
			break
		}
		if (line[0] == ' ' || line[0] == '\t') && last != "" {
			values[last] += " " + strings.TrimSpace(line)
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		if !ok {
			return errors.New("header without a colon")
		}
		last = strings.ToLower(key)
		if _, twice := values[last]; twice {
			return fmt.Errorf("header %q twice", key)
		}
		values[last] = strings.TrimSpace(value)
	}
	subject, ok := values["subject"]
	if !ok {
		return errors.New("mail without a subject")
	}
	step.Subject = decodeWords(trimTag(subject))
	step.Author, step.Email = mailbox(decodeWords(values["from"]))
	step.Time, _ = time.Parse(time.RFC1123Z, values["date"]) // informative
	step.Time = step.Time.UTC()
	return nil
}

// trimTag takes git's "[PATCH 2/3] " off.
func trimTag(subject string) string {
	rest, ok := strings.CutPrefix(subject, "[PATCH")
	if !ok {
		return subject
	}
	tag, rest, ok := strings.Cut(rest, "]")
	if !ok {
		return subject
	}
	if n, m, two := strings.Cut(strings.TrimSpace(tag), "/"); tag != "" {
		if _, err := strconv.Atoi(n); err != nil || !two {
			return subject
		}
		if _, err := strconv.Atoi(m); err != nil {
			return subject
		}
	}
	return strings.TrimSpace(rest)
}

func mailbox(from string) (name, email string) {
	name, rest, ok := strings.Cut(from, "<")
	if !ok {
		return strings.TrimSpace(from), ""
	}
	return strings.Trim(strings.TrimSpace(name), `"`), strings.TrimSuffix(strings.TrimSpace(rest), ">")
}

// body reads up to the line of three dashes.
func (s *series) body(step *Step) error {
	var lines []string
	for {
		if _, begins := mailStart(s.peek()); begins || strings.HasPrefix(s.peek(), "diff --git ") {
			break // a step without a dashes line: an empty one, or one of another writer
		}
		line, ok := s.next()
		if !ok || line == "---" {
			break
		}
		if blank, found := strings.CutPrefix(line, " "); found && structural(strings.TrimLeft(blank, " ")) {
			line = blank
		}
		lines = append(lines, line)
	}
	step.Body = strings.Trim(strings.Join(lines, "\n"), "\n")
	return nil
}

// patch reads up to the next mail. What stands before the first diff (a
// diffstat) and the signature after the last are left out. Hunks are counted,
// since a deleted line may look like the signature.
func (s *series) patch() []byte {
	var patch []byte
	begun := false
	var left hunkLeft
	for len(s.rest) > 0 {
		if _, begins := mailStart(s.peek()); begins {
			break // lines of a hunk have a sign in front, so this is none
		}
		start := s.rest
		line, _ := s.next()
		switch {
		case left.take(line):
		case strings.HasPrefix(line, "diff --git "):
			begun = true
		case line == "-- ":
			s.skipSignature()
			return patch
		case begun:
			left = hunkHeader(line)
		}
		if begun {
			patch = append(patch, start[:len(start)-len(s.rest)]...)
		}
	}
	return patch
}

func (s *series) skipSignature() {
	for len(s.rest) > 0 {
		if _, begins := mailStart(s.peek()); begins {
			return
		}
		s.next()
	}
}

// hunkLeft counts the lines a hunk still has on either side.
type hunkLeft struct{ old, new int }

// take says whether a line belongs to the hunk, and counts it.
func (h *hunkLeft) take(line string) bool {
	if h.old <= 0 && h.new <= 0 {
		return false
	}
	switch {
	case strings.HasPrefix(line, "-"):
		h.old--
	case strings.HasPrefix(line, "+"):
		h.new--
	case strings.HasPrefix(line, "\\"):
	case line == "" || line[0] == ' ':
		h.old, h.new = h.old-1, h.new-1
	default:
		*h = hunkLeft{} // no hunk after all
		return false
	}
	return true
}

// hunkHeader reads "@@ -1,2 +3,4 @@"; a count left out is one.
func hunkHeader(line string) hunkLeft {
	fields := strings.Fields(line)
	if len(fields) < 4 || fields[0] != "@@" || fields[3] != "@@" {
		return hunkLeft{}
	}
	return hunkLeft{hunkCount(fields[1]), hunkCount(fields[2])}
}

func hunkCount(s string) int {
	_, count, ok := strings.Cut(s, ",")
	if !ok {
		return 1
	}
	n, err := strconv.Atoi(count)
	if err != nil {
		return 0
	}
	return n
}

// decodeWords undoes the encoding of headers that are not ASCII (RFC 2047),
// which git format-patch writes. What cannot be decoded stays as it is.
func decodeWords(s string) string {
	out, err := new(mime.WordDecoder).DecodeHeader(s)
	if err != nil {
		return s
	}
	return out
}
