package change

import (
	"bytes"
	"fmt"
	"go/parser"
	"go/token"
	"sort"
	"strings"
)

// Content is what a path holds after edits.
type Content struct {
	Data      []byte // nil when Deleted
	Deleted   bool
	New       bool      // the path did not exist
	Unchanged bool      // every block was already applied; Data is what was there
	Applied   []Applied // one per block, in the order of the file
}

// Applied tells how a block found its place.
type Applied struct {
	Edit int    // index into the edits
	Line int    // of the old file, 1-based; 0 for a new or deleted one
	Rung string // name of the rung, or AlreadyApplied
}

// AlreadyApplied is the rung of a block whose result stood there before.
const AlreadyApplied = "already applied"

// Reason is a fixed word for why a block was refused.
type Reason string

// Why blocks are refused.
const (
	BadPath      Reason = "path"          // not canonical or outside
	NoFile       Reason = "no_file"       // the file does not exist
	FileExists   Reason = "exists"        // the file to make is there, with other content
	NotText      Reason = "not_text"      // the file holds NUL bytes
	TooLarge     Reason = "too_large"     // the file or the reply is above its bound
	NotFound     Reason = "not_found"     // SEARCH is nowhere in the file
	Ambiguous    Reason = "ambiguous"     // SEARCH is there more than once
	Overlapping  Reason = "overlap"       // two blocks want the same lines
	Placeholder  Reason = "placeholder"   // REPLACE leaves code out
	NoLongerGo   Reason = "go_syntax"     // the file parsed before and does not now
	Contradicted Reason = "contradiction" // blocks that cannot both hold for one path
)

// Refusal says why one block cannot be applied. Message is written for the
// model that shall write it anew: what, where, what is there instead.
type Refusal struct {
	Edit    int // index into the edits
	Path    string
	Reason  Reason
	Message string
}

// String gives path and message.
func (r Refusal) String() string { return fmt.Sprintf("%s: %s [%s]", r.Path, r.Message, r.Reason) }

// rung is one way to compare a line of SEARCH with a line of the file.
type rung struct {
	name string
	key  func(line string) string // equal keys are equal lines
}

// ladder is tried from the top; the first rung on which SEARCH is found
// decides. Found twice on a rung is ambiguous: a lower rung can only find more.
var ladder = []rung{
	{"exact", func(line string) string { return line }},
	{"trailing white space", func(line string) string { return strings.TrimRight(line, " \t") }},
}

// Apply works edits into files and gives the new content of each touched path.
// files tells what a path holds now; it is asked for canonical paths only.
//
// All blocks of a file are found in the file as it is, not in what earlier
// blocks made of it, and either all blocks of all files are applied or none: with
// any refusal the map is nil. Byte order mark, line ends and a missing final line
// feed of a file stay as they are.
func Apply(files func(path string) ([]byte, bool), edits []Edit) (map[string]Content, []Refusal) {
	if len(edits) > MaxBlocks {
		return nil, []Refusal{{Reason: TooLarge, Message: fmt.Sprintf("%d blocks, at most %d", len(edits), MaxBlocks)}}
	}
	a := applier{files: files, edits: edits, result: map[string]Content{}}
	for _, group := range a.byPath() {
		a.file(group)
	}
	if len(a.refusals) > 0 {
		sort.SliceStable(a.refusals, func(i, j int) bool { return a.refusals[i].Edit < a.refusals[j].Edit })
		return nil, a.refusals
	}
	return a.result, nil
}

type applier struct {
	files    func(path string) ([]byte, bool)
	edits    []Edit
	result   map[string]Content
	refusals []Refusal
	shown    int // nearest texts looked for so far
}

func (a *applier) refuse(edit int, reason Reason, format string, args ...any) {
	a.refusals = append(a.refusals, Refusal{Edit: edit, Path: a.edits[edit].Path, Reason: reason, Message: fmt.Sprintf(format, args...)})
}

// byPath groups the indexes of edits by path, in order of first appearance,
// leaving out those whose path is refused.
func (a *applier) byPath() [][]int {
	var groups [][]int
	at := map[string]int{}
	for i, e := range a.edits {
		if err := CheckPath(e.Path); err != nil {
			a.refuse(i, BadPath, "%v", err)
			continue
		}
		g, ok := at[e.Path]
		if !ok {
			g = len(groups)
			at[e.Path] = g
			groups = append(groups, nil)
		}
		groups[g] = append(groups[g], i)
	}
	return groups
}

// file applies all edits of one path.
func (a *applier) file(group []int) {
	first := group[0]
	if a.contradicts(group) {
		return
	}
	old, had := a.files(a.edits[first].Path)
	if a.placeholders(group, old) {
		return
	}
	switch a.edits[first].Op {
	case OpDelete:
		if !had {
			a.refuse(first, NoFile, "there is no such file to delete")
			return
		}
		a.result[a.edits[first].Path] = Content{Deleted: true, Applied: []Applied{{Edit: first, Rung: "delete"}}}
	case OpCreate:
		a.create(first, old, had)
	default:
		a.replace(group, old, had)
	}
}

// contradicts refuses a path that is deleted or made whole by one block and
// touched by another.
func (a *applier) contradicts(group []int) bool {
	if len(group) == 1 {
		return false
	}
	found := false
	for _, i := range group {
		if a.edits[i].Op != OpReplace {
			a.refuse(i, Contradicted, "a %s block must be the only block for its file; there are %d", a.edits[i].Op, len(group))
			found = true
		}
	}
	return found
}

func (a *applier) create(i int, old []byte, had bool) {
	e := a.edits[i]
	data := []byte(e.Replace)
	switch {
	case had && bytes.Equal(old, data) && len(data) > 0:
		a.result[e.Path] = Content{Data: old, Unchanged: true, Applied: []Applied{{i, 0, AlreadyApplied}}}
		return
	case had && len(old) > 0:
		a.refuse(i, FileExists, "the file exists already with other content (%d lines); to change it, put the lines to change into SEARCH", bytes.Count(old, []byte("\n")))
		return
	case len(data) > MaxBlob:
		a.refuse(i, TooLarge, "the new file has %d bytes, at most %d", len(data), MaxBlob)
		return
	}
	if err := goError(e.Path, data); err != nil && !strings.Contains("/"+e.Path, "/testdata/") {
		a.refuse(i, NoLongerGo, "the new file is not valid Go: %v", err)
		return
	}
	a.result[e.Path] = Content{Data: data, New: !had, Applied: []Applied{{i, 0, "new file"}}}
}

// replace finds every block, refuses overlaps and writes the file anew.
func (a *applier) replace(group []int, old []byte, had bool) {
	switch {
	case !had:
		for _, i := range group {
			a.refuse(i, NoFile, "there is no such file; to make it, leave SEARCH empty")
		}
		return
	case len(old) > MaxBlob:
		a.refuse(group[0], TooLarge, "the file has %d bytes, at most %d are edited", len(old), MaxBlob)
		return
	case bytes.Count(old, []byte("\n")) > MaxLines:
		a.refuse(group[0], TooLarge, "the file has more than %d lines", MaxLines)
		return
	case bytes.IndexByte(old, 0) >= 0:
		a.refuse(group[0], NotText, "the file holds NUL bytes and is no text")
		return
	}
	before := len(a.refusals)
	t := newText(old)
	var spans []span
	for _, i := range group {
		if s, ok := a.find(t, i); ok {
			spans = append(spans, s)
		}
	}
	sort.SliceStable(spans, func(i, j int) bool { return spans[i].from < spans[j].from })
	a.overlaps(spans)
	if len(a.refusals) > before {
		return
	}
	a.write(group[0], t, spans)
}

// overlaps refuses blocks that change the same lines, or insert at one place in
// an order nobody stated. Lines that blocks only quote may be shared.
func (a *applier) overlaps(spans []span) {
	for k := 1; k < len(spans); k++ {
		p, s := spans[k-1], spans[k]
		if p.rung == AlreadyApplied || s.rung == AlreadyApplied {
			continue
		}
		if s.from < p.to || s.from == p.from && s.from == s.to {
			a.refuse(s.edit, Overlapping, "this block changes %s, the block at reply line %d changes %s: make one block of them",
				s.where(), a.edits[p.edit].Line, p.where())
		}
	}
}

func (a *applier) write(first int, t *text, spans []span) {
	path := a.edits[first].Path
	c := Content{Unchanged: true}
	for _, s := range spans {
		c.Applied = append(c.Applied, Applied{Edit: s.edit, Line: s.from + 1, Rung: s.rung})
		if s.rung != AlreadyApplied {
			c.Unchanged = false
		}
	}
	c.Data = t.data
	if !c.Unchanged {
		c.Data = t.rewrite(spans)
	}
	if goError(path, t.data) == nil {
		if err := goError(path, c.Data); err != nil {
			a.refuse(first, NoLongerGo, "with these blocks the file is not valid Go any more: %v", err)
			return
		}
	}
	a.result[path] = c
}

// goError is the parser's first complaint about a Go file, nil for other files.
func goError(path string, data []byte) error {
	if !strings.HasSuffix(path, ".go") {
		return nil
	}
	_, err := parser.ParseFile(token.NewFileSet(), path, data, parser.SkipObjectResolution)
	return err
}
