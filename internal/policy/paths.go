package policy

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	"github.com/seedbed-dev/seedbed/internal/change"
	"github.com/seedbed-dev/seedbed/internal/finding"
)

// Longest names that every file system we write to can hold.
const (
	maxPathBytes      = 4096
	maxComponentBytes = 255
	maxLineFindings   = 20 // per file; one is enough to refuse, twenty to mend
	maxPathFindings   = 500
)

// judgePaths looks at the resulting tree and at the tree of each commit, since
// a later commit can hide what an earlier one published. It judges trees, never
// what somebody says was touched. Names, modes and hidden characters are judged
// for everyone; where agents may write, for agents only.
func judgePaths(in input) Result {
	p := newPathJudge(in)
	p.set(in.change.Whole, "")
	for _, c := range in.change.Commits {
		p.set(c.Set, c.SHA)
	}
	if len(p.found) > 0 {
		return Result{Outcome: Fail, Reason: plural(len(p.found), "finding"), Findings: p.found}
	}
	if !in.facts.Agent {
		return Result{Outcome: Pass, Reason: "names, modes and characters; where agents may write does not apply to a person's change"}
	}
	return Result{Outcome: Pass, Reason: plural(len(in.change.Whole.Files), "file") + " inside what agents may write"}
}

type pathJudge struct {
	in       input
	base     map[string]string // path to mode, for what the base holds beside plain files
	names    *nameIndex
	commit   string
	seen     map[string]bool
	found    []finding.Finding
	overflow bool
}

func newPathJudge(in input) *pathJudge {
	p := &pathJudge{in: in, base: map[string]string{}, seen: map[string]bool{},
		names: newNameTree(in.change.Whole.Base.Entries)}
	for _, e := range in.change.Whole.Base.Entries {
		if e.Mode == change.ModeSymlink || e.Mode == change.ModeSubmodule {
			p.base[e.Path] = e.Mode
		}
	}
	return p
}

func (p *pathJudge) set(s change.Set, commit string) {
	p.commit = commit
	p.duplicates(s.Head.Entries)
	for _, f := range byPath(s.Files) { // two new names collide in the same order each time
		p.file(f)
	}
	p.names.forget()
}

func byPath(files []change.File) []change.File {
	less := func(a, b change.File) int { return strings.Compare(a.Path, b.Path) }
	if slices.IsSortedFunc(files, less) {
		return files
	}
	return slices.SortedStableFunc(slices.Values(files), less)
}

func (p *pathJudge) file(f change.File) {
	isNew := f.Status == change.Added || f.Status == change.Renamed
	if isNew {
		p.name(f.Path)
		p.throughLink(f.Path)
		p.collision(f.Path)
	}
	if f.Status == change.Deleted || f.Status == change.Renamed {
		p.throughLink(f.OldPath)
	}
	p.mode(f)
	p.characters(f)
	if p.in.facts.Agent {
		p.permitted(f)
	}
}

// add keeps a finding once. One about a single commit that the whole change
// does not have says which commit.
func (p *pathJudge) add(f finding.Finding) {
	what := f.Path + "\x00" + f.Message
	key := fmt.Sprintf("%s\x00%d", what, f.Line)
	if p.seen[key] || p.overflow || p.commit != "" && p.seen[what] {
		return
	}
	p.seen[key], p.seen[what] = true, true
	if p.commit != "" {
		f.Message += " (in commit " + short(p.commit) + ")"
		f.Hint = "take it out of the history too: " + f.Hint
	}
	if len(p.found) == maxPathFindings {
		p.overflow = true
		f = finding.Finding{Message: fmt.Sprintf("more than %d findings; the rest is not listed", maxPathFindings),
			Hint: "mend these first"}
	}
	f.Severity = finding.Error
	if f.Seed == "" {
		f.Seed = "built in"
	}
	if f.Who == "" {
		f.Who = p.in.mender()
	}
	p.found = append(p.found, f)
}

func (p *pathJudge) addf(path, hint, format string, args ...any) {
	p.add(finding.Finding{Path: path, Message: fmt.Sprintf(format, args...), Hint: hint})
}

// name judges a name that the base does not have.
func (p *pathJudge) name(path string) {
	if leaves(path) {
		p.addf("", "name a file inside the repository", "%s leaves the repository", quoted(path))
		return
	}
	if len(path) > maxPathBytes {
		p.addf(cut(path), "a shorter path", "path of %d bytes, at most %d", len(path), maxPathBytes)
		return
	}
	if !p.characterNames(path) {
		return
	}
	if strings.Contains(path, `\`) {
		p.addf(path, "use / between folders", "a backslash parts folders on Windows")
	}
	for _, c := range strings.Split(path, "/") {
		p.component(path, c)
	}
}

// leaves says whether the path points outside on any system: .. between either
// kind of slash, a root, a drive or a share.
func leaves(path string) bool {
	if strings.HasPrefix(path, "/") || strings.HasPrefix(path, `\`) {
		return true
	}
	if len(path) > 1 && path[1] == ':' && isLetter(path[0]) && (len(path) == 2 || path[2] == '\\' || path[2] == '/') {
		return true
	}
	for _, c := range strings.FieldsFunc(path, func(r rune) bool { return r == '/' || r == '\\' }) {
		if c == ".." {
			return true
		}
	}
	return false
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// characterNames reports the first character that a name may not hold.
func (p *pathJudge) characterNames(path string) bool {
	for i, r := range path {
		hint := "a name of visible characters"
		switch {
		case r == utf8.RuneError && !strings.HasPrefix(path[i:], "\ufffd"):
			p.addf(path, "a name in UTF-8", "invalid UTF-8 at byte %d of the name", i)
		case r < 0x20, r >= 0x7f && r < 0xa0:
			p.addf(path, hint, "control character %s in the name", codePoint(r))
		case isBidi(r):
			p.addf(path, hint, "bidirectional control %s in the name", codePoint(r))
		case p.in.facts.Agent && ignorable(r):
			p.addf(path, hint, "invisible character %s in the name", codePoint(r))
		default:
			continue
		}
		return p.gitComponents(path) // what the character hides is said as well
	}
	return true
}

func (p *pathJudge) gitComponents(path string) bool {
	for _, c := range strings.Split(path, "/") {
		p.dotGit(path, c)
	}
	return false
}

func (p *pathJudge) dotGit(path, component string) bool {
	if !isDotGit(component) {
		return false
	}
	p.addf(path, "leave git's own folder alone", "%s is git's own folder on some file systems", quoted(component))
	return true
}

func (p *pathJudge) component(path, c string) {
	switch {
	case c == "" || c == ".":
		p.addf(path, "write it as "+quoted(canonical(path)), "not a canonical path")
	case p.dotGit(path, c):
	case len(c) > maxComponentBytes:
		p.addf(path, "a shorter name", "component of %d bytes, at most %d", len(c), maxComponentBytes)
	case strings.HasPrefix(c, "-"):
		p.addf(path, "begin the name with a letter", "leading dash, which programs read as an option")
	case strings.TrimRight(c, ". ") != c:
		p.addf(path, "end the name with a letter", "%s ends in a dot or space, which Windows drops", quoted(c))
	case strings.Contains(c, ":"):
		p.addf(path, "no colon in names", "%s holds a colon, which names a stream or drive on Windows", quoted(c))
	case deviceName(c):
		p.addf(path, "another name", "%s is a device name on Windows", quoted(c))
	case shortName(c):
		p.addf(path, "another name", "%s is the short form of another name on Windows", quoted(c))
	}
}

// throughLink looks at each folder above the path without following: a link at
// base would carry the write elsewhere, whether or not its target exists.
func (p *pathJudge) throughLink(path string) {
	if len(p.base) == 0 || len(path) > maxPathBytes {
		return
	}
	for i := 0; i < len(path); i++ {
		if path[i] != '/' {
			continue
		}
		if mode, is := p.base[path[:i]]; is {
			p.addf(path, "write to the folder itself, not through "+finding.Quote(path[:i]), "%s is a %s",
				finding.Quote(path[:i]), modeName(mode))
		}
	}
}

// mode judges raw modes as the tree objects hold them.
func (p *pathJudge) mode(f change.File) {
	switch m := f.NewMode; {
	case f.Status == change.Deleted:
	case m == change.ModeSymlink, m == change.ModeSubmodule:
		p.addf(f.Path, "a plain file in its place", "mode %s (%s)", m, modeName(m))
	case m != change.ModeFile && m != change.ModeExecutable:
		p.addf(f.Path, "mode 100644 or 100755", "mode %s, which git does not write", quoted(m))
	case f.OldMode != change.ModeAbsent && f.OldMode != "" && f.OldMode != m:
		p.addf(f.Path, "leave the mode as it was", "mode %s → %s", f.OldMode, m)
	}
}

func modeName(mode string) string {
	switch mode {
	case change.ModeSymlink:
		return "symbolic link"
	case change.ModeSubmodule:
		return "submodule"
	}
	return "mode " + mode
}

// characters judges added lines. Bytes below a space other than tab, carriage
// return and form feed are findings in text; in what git itself calls binary
// only characters that reorder text are, since there the rest is ordinary.
func (p *pathJudge) characters(f change.File) {
	if f.Status == change.Deleted || f.Status == change.Renamed {
		return
	}
	binary, n := f.Binary(), 0
	for _, line := range p.in.lines.of(f).added {
		message := badCharacter(line.Text, p.in.facts.Agent, binary)
		if message == "" {
			continue
		}
		if n++; n > maxLineFindings {
			return
		}
		p.add(finding.Finding{Path: f.Path, Line: line.New, Message: message + " in an added line",
			Hint: "write it as an escape, or leave it out"})
	}
}

func badCharacter(text string, agent, binary bool) string {
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c >= 0x20 && c < 0x7f || c == '\t' || c == '\f' {
			continue
		}
		if c == '\r' && i == len(text)-1 {
			continue
		}
		if c < utf8.RuneSelf {
			if !binary {
				return "control character " + codePoint(rune(c))
			}
			continue
		}
		r, size := utf8.DecodeRuneInString(text[i:])
		i += size - 1
		switch {
		case r == utf8.RuneError && size == 1:
		case reorders(r), agent && isBidi(r):
			return "bidirectional control " + codePoint(r)
		case r < 0xa0 && !binary:
			return "control character " + codePoint(r)
		}
	}
	return ""
}

// permitted judges where an agent writes: the new path and, of a rename, the
// old one. Allowing is by exact name, denying by canonical name; denying wins.
func (p *pathJudge) permitted(f change.File) {
	p.writable(f.Path, p.firstLine(f))
	if f.OldPath != f.Path && f.OldPath != "" {
		p.writable(f.OldPath, 0)
	}
}

func (p *pathJudge) firstLine(f change.File) int {
	if f.Status == change.Deleted || f.Status == change.Renamed || !f.Loaded {
		return 0
	}
	return p.in.lines.of(f).first
}

func (p *pathJudge) writable(path string, line int) {
	access := p.in.seed.AutomationContract.AIAccess
	j := judged(path)
	for _, c := range strings.Split(j.canonical, "/") {
		if c == ".gitattributes" || c == ".gitmodules" {
			p.add(finding.Finding{Path: path, Line: line, Message: "agents never write " + c,
				Hint: "leave it out; a person edits this file", Who: "a person's own commit"})
		}
	}
	if i, bad := forbidsAny(access.DisallowedWrites, j); bad {
		key := fmt.Sprintf("automation_contract.ai_access.disallowed_writes[%d]", i)
		p.add(finding.Finding{Path: path, Line: line, Seed: p.in.place(key),
			Message: fmt.Sprintf("inside disallowed_writes (%s)", access.DisallowedWrites[i]),
			Hint:    "leave this file as it is at base"})
		return
	}
	if access.WritePaths == nil {
		return
	}
	if _, ok := coversAny(access.WritePaths, path); !ok {
		p.add(finding.Finding{Path: path, Line: line, Seed: p.in.place("automation_contract.ai_access.write_paths"),
			Message: fmt.Sprintf("outside write_paths (%s)", listed(access.WritePaths)),
			Hint:    "write only under write_paths, or a person widens them"})
	}
}

// duplicates finds a path that stands twice in a tree or is both a file and a
// folder; git's own fsck calls such trees broken and tools differ in what they
// read from them.
func (p *pathJudge) duplicates(entries []change.Entry) {
	last := make(map[string]bool, len(entries))
	for _, e := range entries {
		if last[e.Path] {
			p.addf(e.Path, "one entry a name", "two tree entries of this name")
		}
		last[e.Path] = true
	}
	for _, e := range entries {
		if len(e.Path) > maxPathBytes {
			continue
		}
		for i := 0; i < len(e.Path); i++ {
			if e.Path[i] == '/' && last[e.Path[:i]] {
				p.addf(e.Path, "one entry a name", "%s is a file and a folder in one tree", quoted(e.Path[:i]))
			}
		}
	}
}

// collision finds names that some file systems take for one: against the base
// and against the other new names.
func (p *pathJudge) collision(path string) {
	if len(path) > maxPathBytes || leaves(path) {
		return
	}
	for _, pair := range p.names.insert(path) {
		p.addf(path, "one spelling for both", "%s and %s are one name where case and Unicode form do not count",
			quotedASCII(pair[0]), quotedASCII(pair[1]))
	}
}

// nameIndex holds the names of the base and, until forget, those that one set
// adds.
type nameIndex struct {
	root  nameNode
	fresh []*nameNode // nodes that got a spelling since the base was read
}

// nameNode is one folder or file under all the spellings it has. Paths are
// compared component by component, in time linear in their length.
type nameNode struct {
	spellings []string             // the base's first
	children  map[string]*nameNode // by collisionKey
}

func newNameTree(entries []change.Entry) *nameIndex {
	x := &nameIndex{}
	for _, e := range entries {
		if len(e.Path) <= maxPathBytes {
			x.insert(e.Path)
		}
	}
	x.fresh = nil
	return x
}

// forget takes out what was inserted since the base was read.
func (x *nameIndex) forget() {
	for _, n := range x.fresh {
		n.spellings = n.spellings[:len(n.spellings)-1]
	}
	x.fresh = nil
}

// insert adds a path and gives the pairs of paths that collide, each up to the
// component that differs.
func (x *nameIndex) insert(path string) [][2]string {
	var pairs [][2]string
	node, start := &x.root, 0
	for start <= len(path) {
		end := len(path)
		if i := strings.IndexByte(path[start:], '/'); i >= 0 {
			end = start + i
		}
		node = node.child(path[start:end])
		if other, isNew := node.spell(path[start:end]); isNew {
			x.fresh = append(x.fresh, node)
			if other != "" {
				pairs = append(pairs, [2]string{path[:start] + other, path[:end]})
			}
		}
		start = end + 1
	}
	return pairs
}

func (n *nameNode) child(component string) *nameNode {
	key := collisionKey(component)
	c := n.children[key]
	if c == nil {
		c = &nameNode{}
		if n.children == nil {
			n.children = map[string]*nameNode{}
		}
		n.children[key] = c
	}
	return c
}

// spell records a spelling, says whether it is new here and gives another one
// if there is one.
func (n *nameNode) spell(component string) (other string, isNew bool) {
	for _, s := range n.spellings {
		if s == component {
			return "", false
		}
	}
	if len(n.spellings) > 0 {
		other = slices.Min(n.spellings)
	}
	n.spellings = append(n.spellings, component)
	return other, true
}

// listed shows a list of the seed, sorted and cut to what a line can hold.
func listed(items []string) string {
	if len(items) == 0 {
		return "the list is empty"
	}
	sorted := append([]string(nil), items...)
	sort.Strings(sorted)
	const shown = 4
	if len(sorted) > shown {
		return strings.Join(sorted[:shown], ", ") + fmt.Sprintf(" and %d more", len(sorted)-shown)
	}
	return strings.Join(sorted, ", ")
}
