package change

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Bounds of a reply. What is above them is refused as a whole.
const (
	MaxReply  = 10 << 20 // bytes
	MaxBlocks = 5_000
	MaxLines  = 1 << 20 // lines of a reply, and of a file that is edited
)

// Op is what an edit does to its file.
type Op string

// The three forms of an edit; see ParseReply.
const (
	OpReplace Op = "replace" // SEARCH becomes REPLACE
	OpCreate  Op = "create"  // a new file
	OpDelete  Op = "delete"  // the file goes
)

// Edit is one block of a reply. Search and Replace are whole lines, each ended
// by a line feed, whatever line ends the reply had; both may be empty.
type Edit struct {
	Path    string
	Op      Op
	Search  string
	Replace string
	Line    int // of the reply, 1-based, where the block begins
}

// Reply is what a model wrote, taken apart: its edits in order, and the text
// around them.
type Reply struct {
	Explanation string
	Edits       []Edit
}

// ErrNoEdits says that a reply holds no block at all. The Reply comes with it,
// its Explanation being the whole text.
var ErrNoEdits = errors.New("reply holds no edit block")

// ParseError says which line of a reply could not be read. Message is written
// for the model that has to try again.
type ParseError struct {
	Line    int
	Message string
}

// Error gives line and message.
func (e *ParseError) Error() string { return fmt.Sprintf("reply line %d: %s", e.Line, e.Message) }

// ParseReply takes a reply apart. It knows three forms; everything else is
// explanation.
//
// A search/replace block, with or without a code fence around it or between the
// path and the marker:
//
//	path/to/file.go
//	<<<<<<< SEARCH
//	lines as they are now
//	=======
//	lines as they shall be
//	>>>>>>> REPLACE
//
// Markers stand at the start of a line. An empty SEARCH makes a new file (or
// fills an empty one). The path is the last line above the marker that is
// neither blank nor a fence, or stands in the fence's own line; backticks,
// asterisks, leading #, "File:" and a trailing colon around it are decoration, and
// a path with a blank in it needs the backticks. A block that directly follows
// another, or prose that names no file, is for the same file as the block before
// it. Text that itself holds a line of seven equals
// signs needs longer markers: all three grow to the same length, up to 20.
//
// A whole new file, ended by the fence that began it; content with a fence in
// it needs a longer one outside:
//
//	NEW path/to/file.go
//	```go
//	package x
//	```
//
// A deletion, alone on its line:
//
//	DELETE path/to/file.go
//
// Nothing is guessed: a block that is not closed, markers inside a block and a
// marker outside one make the whole reply a *ParseError. Paths are passed on as
// written; Apply refuses those that are not canonical.
func ParseReply(text string) (Reply, error) {
	if len(text) > MaxReply {
		return Reply{}, &ParseError{1, fmt.Sprintf("the reply has %d bytes, at most %d are read", len(text), MaxReply)}
	}
	if n := strings.Count(text, "\n"); n > MaxLines {
		return Reply{}, &ParseError{1, fmt.Sprintf("the reply has %d lines, at most %d are read", n, MaxLines)}
	}
	p := replyParser{lines: replyLines(text)}
	for p.at < len(p.lines) {
		if err := p.step(); err != nil {
			return Reply{}, err
		}
		if len(p.reply.Edits) > MaxBlocks {
			return Reply{}, &ParseError{p.at, fmt.Sprintf("more than %d blocks", MaxBlocks)}
		}
	}
	p.reply.Explanation = strings.TrimSpace(p.prose.String())
	if len(p.reply.Edits) == 0 {
		return p.reply, ErrNoEdits
	}
	return p.reply, nil
}

// replyLines splits at line feeds and drops carriage returns before them.
func replyLines(text string) []string {
	lines := strings.Split(strings.TrimPrefix(text, "\ufeff"), "\n")
	if lines[len(lines)-1] == "" {
		lines = lines[:len(lines)-1]
	}
	for i, l := range lines {
		lines[i] = strings.TrimSuffix(l, "\r")
	}
	return lines
}

type replyParser struct {
	lines []string
	at    int // next line to read, 0-based
	reply Reply
	prose strings.Builder
	above []string // lines since the last block that may name a path
	last  string   // path of the last block
}

func (p *replyParser) step() error {
	line := p.lines[p.at]
	if n, word := marker(line); word == markSearch {
		return p.block(n)
	} else if word == markReplace {
		return &ParseError{p.at + 1, "a REPLACE marker without its SEARCH; if the text of a block holds such lines, use longer markers for that block"}
	}
	if path, ok := directive(line, "DELETE"); ok {
		p.add(Edit{Path: path, Op: OpDelete, Line: p.at + 1})
		p.at++
		return nil
	}
	if path, ok := directive(line, "NEW"); ok {
		if fence, at := p.fenceBelow(); fence > 0 {
			return p.wholeFile(path, fence, at)
		}
	}
	p.above = append(p.above, line)
	p.prose.WriteString(line)
	p.prose.WriteByte('\n')
	p.at++
	return nil
}

func (p *replyParser) add(e Edit) {
	p.reply.Edits = append(p.reply.Edits, e)
	p.above, p.last = nil, e.Path
}

// block reads from the SEARCH marker to the REPLACE marker, both of length n.
func (p *replyParser) block(n int) error {
	e := Edit{Op: OpReplace, Line: p.at + 1}
	named, err := p.path()
	if err != nil {
		return err
	}
	e.Path = named
	var search, replace strings.Builder
	into, divided := &search, false
	for p.at++; p.at < len(p.lines); p.at++ {
		line := p.lines[p.at]
		size, word := marker(line)
		switch {
		case word == "" || size < n || size != n && word == markDivide:
			into.WriteString(line)
			into.WriteByte('\n')
		case word == markSearch:
			return &ParseError{p.at + 1, fmt.Sprintf("a SEARCH marker inside the block that began at line %d", e.Line)}
		case word == markDivide && divided:
			return &ParseError{p.at + 1, fmt.Sprintf("a second %s line in the block that began at line %d; if it belongs to the text, make all three markers of this block longer", strings.Repeat("=", n), e.Line)}
		case word == markDivide:
			into, divided = &replace, true
		case !divided || size != n:
			return &ParseError{p.at + 1, fmt.Sprintf("the block that began at line %d needs a line of %d equals signs between SEARCH and REPLACE, and markers of one length", e.Line, n)}
		default:
			e.Search, e.Replace = search.String(), replace.String()
			if e.Search == "" {
				e.Op = OpCreate
			}
			p.at++
			p.add(e)
			return nil
		}
	}
	return &ParseError{e.Line, "this block is not closed: >>>>>>> REPLACE is missing before the end of the reply"}
}

// path finds the file a block is for: the line above it, else the file of the
// block before. A line above that speaks of some other file is not passed over:
// a block must never land in a file it was not written for.
func (p *replyParser) path() (string, error) {
	for i := len(p.above) - 1; i >= 0; i-- {
		line := strings.TrimSpace(p.above[i])
		if line == "" {
			continue
		}
		if fenceLength(line) > 0 {
			if path := mentioned(line); path != "" {
				return path, nil
			}
			continue
		}
		if path, ok := pathLine(line); ok {
			return path, nil
		}
		if path := mentioned(line); path != "" && path != p.last {
			return "", &ParseError{p.at + 1, fmt.Sprintf("the line above this block speaks of %s; if the block is for that file, write the path alone on that line", path)}
		}
		break
	}
	if p.last == "" {
		return "", &ParseError{p.at + 1, "this block has no path: write the file's path alone on the line above <<<<<<< SEARCH"}
	}
	return p.last, nil
}

var (
	pathPrefix = regexp.MustCompile(`(?i)^(file|path|filename)\s*:\s*`)
	pathWord   = regexp.MustCompile(`^([\w@.-]+/)+[\w@.-]+$|^[\w@-][\w@.-]*\.(go|mod|sum|py|js|mjs|ts|tsx|jsx|rs|java|kt|rb|c|h|cc|cpp|cs|swift|md|rst|txt|ya?ml|json|toml|xml|html|css|sh|sql|proto)$`)
)

// mentioned gives the first word of a line that looks like a file's path.
func mentioned(line string) string {
	for _, word := range strings.FieldsFunc(line, func(r rune) bool { return strings.ContainsRune(" \t`*:=,;()[]\"'", r) }) {
		if word = strings.TrimRight(word, "."); pathWord.MatchString(word) {
			return word
		}
	}
	return ""
}

// pathLine takes the decoration off a line that holds a path alone.
func pathLine(line string) (string, bool) {
	line = strings.TrimSpace(strings.TrimLeft(line, "#"))
	line = strings.TrimSpace(strings.Trim(strings.TrimSuffix(line, ":"), "*"))
	line = pathPrefix.ReplaceAllString(strings.TrimSuffix(line, ":"), "")
	if quoted := strings.Trim(line, "`"); quoted != line {
		return quoted, quoted != "" && !strings.Contains(quoted, "`")
	}
	return line, line != "" && !strings.ContainsAny(line, " \t`")
}

// directive reads "DELETE path" and "NEW path".
func directive(line, word string) (string, bool) {
	rest, ok := strings.CutPrefix(line, word+" ")
	if !ok {
		return "", false
	}
	rest = strings.TrimSpace(rest)
	if quoted := strings.Trim(rest, "`"); quoted != rest {
		return quoted, quoted != "" && !strings.Contains(quoted, "`")
	}
	return rest, rest != "" && !strings.ContainsAny(rest, " \t`")
}

// fenceBelow finds a fence directly under the current line, blank lines aside.
func (p *replyParser) fenceBelow() (length, at int) {
	for i := p.at + 1; i < len(p.lines); i++ {
		if line := strings.TrimSpace(p.lines[i]); line != "" {
			return fenceLength(p.lines[i]), i
		}
	}
	return 0, 0
}

func (p *replyParser) wholeFile(path string, fence, at int) error {
	e := Edit{Path: path, Op: OpCreate, Line: p.at + 1}
	var content strings.Builder
	for i := at + 1; i < len(p.lines); i++ {
		line := p.lines[i]
		if n := fenceLength(line); n >= fence {
			if strings.Trim(line, "` \t") != "" {
				return &ParseError{i + 1, fmt.Sprintf("the file that began at line %d holds a code fence: put a longer fence around the whole file", e.Line)}
			}
			e.Replace = content.String()
			p.at = i + 1
			p.add(e)
			return nil
		}
		content.WriteString(line)
		content.WriteByte('\n')
	}
	return &ParseError{e.Line, "this new file is not closed: its code fence is missing before the end of the reply"}
}

// fenceLength counts the backticks a line begins with, 0 when fewer than three.
func fenceLength(line string) int {
	n := 0
	for n < len(line) && line[n] == '`' {
		n++
	}
	if n < 3 {
		return 0
	}
	return n
}

const (
	markSearch  = "SEARCH"
	markDivide  = "="
	markReplace = "REPLACE"
	minMarker   = 7
	maxMarker   = 20
)

// marker tells a marker line by its word, and its length.
func marker(line string) (int, string) {
	line = strings.TrimRight(line, " \t")
	for _, form := range []struct {
		sign byte
		word string
		tail string
	}{{'<', markSearch, " SEARCH"}, {'=', markDivide, ""}, {'>', markReplace, " REPLACE"}} {
		n := 0
		for n < len(line) && line[n] == form.sign {
			n++
		}
		if n >= minMarker && n <= maxMarker && line[n:] == form.tail {
			return n, form.word
		}
	}
	return 0, ""
}
