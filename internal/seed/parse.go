package seed

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// Bounds on the text of a seed, checked before and right after it is taken
// apart. A real seed has a few hundred entries; these keep a hostile one under
// 64 MiB of memory.
const (
	maxBytes    = 1 << 20
	maxMarks    = 60_000 // characters that can begin an entry; a parsed entry takes some 200 bytes
	maxDepth    = 40
	maxAliases  = 100
	maxExpanded = 60_000 // entries after aliases are written out
	maxErrors   = 100
)

// Parse reads the bytes of a seed. file is the name that errors carry. The
// error is an Errors with every problem of the file, sorted by place.
func Parse(file string, data []byte) (*Seed, error) {
	root, errs := document(file, data)
	if len(errs) > 0 {
		return nil, errs
	}
	s := &Seed{places: map[string]Place{}, blank: map[string]bool{}, scalars: map[string]string{}}
	d := newDecoder(file, s)
	d.document(root)
	d.crossCheck()
	if len(d.errs) > 0 {
		d.errs.sort()
		return nil, capErrors(d.errs)
	}
	s.derive()
	sum := sha256.Sum256(data)
	s.digest = hex.EncodeToString(sum[:])
	return s, nil
}

func capErrors(errs Errors) Errors {
	if len(errs) <= maxErrors {
		return errs
	}
	more := len(errs) - maxErrors
	errs = errs[:maxErrors:maxErrors]
	return append(errs, Error{File: errs[0].File, Found: fmt.Sprintf("has %d more problems", more)})
}

// document checks the text and takes it apart into the one mapping it must be.
func document(file string, data []byte) (*yaml.Node, Errors) {
	text, errs := checkText(file, data)
	if len(errs) > 0 {
		return nil, errs
	}
	root, err := parseYAML(text)
	if err != nil {
		return nil, Errors{syntaxError(file, text, err)}
	}
	if root == nil || isNull(root) && root.Value == "" {
		return nil, Errors{emptyError(file)}
	}
	if e := checkShape(file, root); e != nil {
		return nil, Errors{*e}
	}
	return root, nil
}

func emptyError(file string) Error {
	return Error{File: file, Found: "is empty", Hint: "seedbed init"}
}

// checkText looks at the bytes alone: size, encoding, forbidden characters. It
// returns the text without a byte order mark.
func checkText(file string, data []byte) ([]byte, Errors) {
	whole := func(found, want string) Errors { return Errors{{File: file, Found: found, Want: want}} }
	if len(data) > maxBytes {
		return nil, whole(fmt.Sprintf("%d bytes", len(data)), fmt.Sprintf("at most %d", maxBytes))
	}
	if name := wideEncoding(data); name != "" {
		return nil, whole(name, "UTF-8")
	}
	text := bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if errs := checkCharacters(file, text, len(data)-len(text)); len(errs) > 0 {
		return nil, errs
	}
	if len(bytes.TrimSpace(text)) == 0 {
		return nil, Errors{emptyError(file)}
	}
	if line := directive(text); line > 0 {
		return nil, Errors{{File: file, Line: line, Column: 1, Found: "a directive", Want: "none"}}
	}
	if n := countMarks(text); n > maxMarks {
		return nil, whole(fmt.Sprintf("about %d entries", n), fmt.Sprintf("at most %d", maxMarks))
	}
	return text, nil
}

// wideEncoding names UTF-16 and UTF-32 by their byte order mark, or by the NUL
// that a first ASCII character has next to it without one.
func wideEncoding(data []byte) string {
	switch {
	case bytes.HasPrefix(data, []byte{0xff, 0xfe, 0, 0}), bytes.HasPrefix(data, []byte{0, 0, 0xfe, 0xff}):
		return "UTF-32"
	case bytes.HasPrefix(data, []byte{0xff, 0xfe}):
		return "UTF-16 (little endian)"
	case bytes.HasPrefix(data, []byte{0xfe, 0xff}):
		return "UTF-16 (big endian)"
	case len(data) > 3 && data[0] != 0 && data[1] == 0 && data[2] != 0 && data[3] == 0:
		return "UTF-16 (little endian)"
	case len(data) > 3 && data[0] == 0 && data[1] != 0 && data[2] == 0 && data[3] != 0:
		return "UTF-16 (big endian)"
	}
	return ""
}

// checkCharacters finds the first invalid byte and the first control character,
// with the place that a person sees and the offset in the file.
func checkCharacters(file string, text []byte, offset int) Errors {
	line, column := 1, 1
	for i := 0; i < len(text); {
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 {
			return Errors{{File: file, Line: line, Column: column, Found: fmt.Sprintf("invalid UTF-8 at byte %d", i+offset)}}
		}
		if forbidden(r) {
			return Errors{{File: file, Line: line, Column: column, Found: fmt.Sprintf("control character U+%04X at byte %d", r, i+offset)}}
		}
		i += n
		column++
		if r == '\n' || r == '\r' && (i >= len(text) || text[i] != '\n') {
			line, column = line+1, 1
		}
	}
	return nil
}

// forbidden are the characters that YAML 1.2 (5.1) does not allow in a stream.
// A byte order mark inside the text is refused as well: it is invisible.
func forbidden(r rune) bool {
	switch {
	case r == '\t', r == '\n', r == '\r':
		return false
	case r < 0x20, r >= 0x7f && r < 0xa0 && r != 0x85, r == 0xfeff, r == 0xfffe, r == 0xffff:
		return true
	}
	return false
}

// directive is the first line that begins with %, or 0. A seed needs none, and
// the library compares each %TAG with all before it.
func directive(text []byte) int {
	for i, l := range bytes.Split(text, []byte("\n")) {
		if bytes.HasPrefix(l, []byte("%")) {
			return i + 1
		}
	}
	return 0
}

// countMarks bounds the entries from above without parsing: each entry of a
// mapping or list needs one of these characters.
func countMarks(text []byte) int {
	n := 0
	for _, c := range text {
		switch c {
		case '\n', ',', ':', '-', '[', '{', '?':
			n++
		}
	}
	return n
}

// parseYAML gives the root of the only document. A second one is an error even
// when it is empty or stands after "...".
func parseYAML(text []byte) (root *yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil { // the library must not take the program down
			root, err = nil, fmt.Errorf("yaml: %v", r)
		}
	}()
	dec := yaml.NewDecoder(bytes.NewReader(text))
	var first, second yaml.Node
	if err := dec.Decode(&first); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, err
	}
	switch err := dec.Decode(&second); {
	case err == nil:
		return nil, secondDocument{second.Line, second.Column}
	case strings.Contains(err.Error(), "expected <document start>"):
		return nil, secondDocument{afterEnd(text), 1}
	case !errors.Is(err, io.EOF):
		return nil, err
	}
	if len(first.Content) == 0 {
		return nil, nil
	}
	return first.Content[0], nil
}

// afterEnd is the line of what follows the document's end mark. The library
// names the mark's own line, or the one before.
func afterEnd(text []byte) int {
	ended := false
	for i, l := range bytes.Split(text, []byte("\n")) {
		l = bytes.TrimSpace(l)
		switch {
		case bytes.HasPrefix(l, []byte("...")):
			ended = true
		case ended && len(l) > 0 && l[0] != '#':
			return i + 1
		}
	}
	return 1
}

type secondDocument struct{ line, column int }

func (secondDocument) Error() string { return "a second document" }

var (
	yamlLine   = regexp.MustCompile(`^yaml: line (\d+): `)
	yamlAnchor = regexp.MustCompile(`^yaml: unknown anchor '(.*)' referenced`)
)

// syntaxError turns the library's error into ours. A tab in the indentation is
// the usual cause, and the library does not name it.
func syntaxError(file string, text []byte, err error) Error {
	var second secondDocument
	if errors.As(err, &second) {
		return Error{File: file, Line: second.line, Column: second.column, Found: "a second document", Want: "one document"}
	}
	msg := err.Error()
	line := 1
	if m := yamlLine.FindStringSubmatch(msg); m != nil {
		line, _ = strconv.Atoi(m[1])
		msg = "yaml: " + strings.TrimPrefix(msg, m[0])
	}
	if m := yamlAnchor.FindStringSubmatch(msg); m != nil {
		line, column := placeOf(text, "*"+m[1])
		return Error{File: file, Line: line, Column: column, Found: fmt.Sprintf("no anchor for the alias %q", "*"+short(m[1]))}
	}
	if l, c := tabIndent(text); l > 0 && l <= line+1 {
		return Error{File: file, Line: l, Column: c, Found: "a tab in the indentation", Want: "spaces"}
	}
	return Error{File: file, Line: line, Column: 1, Found: "not readable as YAML: " + strings.TrimPrefix(msg, "yaml: ")}
}

// placeOf is where a text first occurs.
func placeOf(text []byte, what string) (line, column int) {
	before, _, _ := bytes.Cut(text, []byte(what))
	start := bytes.LastIndexByte(before, '\n') + 1
	return 1 + bytes.Count(before, []byte("\n")), 1 + utf8.RuneCount(before[start:])
}

// tabIndent finds the first line whose leading white space holds a tab.
func tabIndent(text []byte) (line, column int) {
	for i, l := range bytes.Split(text, []byte("\n")) {
		lead := l[:len(l)-len(bytes.TrimLeft(l, " \t"))]
		if len(bytes.TrimSpace(l)) == 0 {
			continue
		}
		if c := bytes.IndexByte(lead, '\t'); c >= 0 {
			return i + 1, c + 1
		}
	}
	return 0, 0
}

// checkShape refuses what is too deep or, with aliases written out, too large.
// Sizes are counted once per anchor, so nothing is ever expanded.
func checkShape(file string, root *yaml.Node) *Error {
	c := shape{sizes: map[*yaml.Node]int{}, open: map[*yaml.Node]bool{}}
	c.size(root, 0)
	if c.bad == nil && c.aliases > maxAliases {
		c.bad = &Error{Line: c.last.Line, Column: c.last.Column, Found: fmt.Sprintf("%d aliases", c.aliases), Want: fmt.Sprintf("at most %d", maxAliases)}
	}
	if c.bad != nil {
		c.bad.File = file
	}
	return c.bad
}

type shape struct {
	sizes   map[*yaml.Node]int // of anchored nodes
	open    map[*yaml.Node]bool
	aliases int
	last    *yaml.Node
	bad     *Error
}

func (c *shape) size(n *yaml.Node, depth int) int {
	if c.bad != nil {
		return 0
	}
	if depth > maxDepth {
		c.refuse(n, fmt.Sprintf("nesting deeper than %d", maxDepth), fmt.Sprintf("at most %d levels", maxDepth))
		return 0
	}
	if n.Kind == yaml.AliasNode {
		c.aliases++
		c.last = n
		if c.open[n.Alias] {
			c.refuse(n, fmt.Sprintf("alias *%s inside its own anchor", short(n.Value)), "no cycles")
			return 0
		}
		if size, ok := c.sizes[n.Alias]; ok {
			return size
		}
		return c.size(n.Alias, depth)
	}
	c.open[n] = n.Anchor != ""
	total := 1
	for _, child := range n.Content {
		total += c.size(child, depth+1)
		if total > maxExpanded {
			c.refuse(n, fmt.Sprintf("more than %d entries once aliases are written out", maxExpanded), fmt.Sprintf("at most %d", maxExpanded))
			return 0
		}
	}
	delete(c.open, n)
	if n.Anchor != "" {
		c.sizes[n] = total
	}
	return total
}

func (c *shape) refuse(n *yaml.Node, found, want string) {
	if c.bad == nil {
		c.bad = &Error{Line: n.Line, Column: n.Column, Found: found, Want: want}
	}
}

func isNull(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
}
