// Package change holds an edit as a value: trees as git stores them, the files
// that differ between two of them, the line differences people read, and the
// edits a model writes together with the code that applies them.
//
// Everything is computed from tree entries and blob contents alone. Git
// attributes, filters and configuration have no say here, so a change cannot
// hide its lines by a .gitattributes of its own. Applying never touches a file
// system: it maps contents to contents.
package change

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// File modes as git writes them in tree objects.
const (
	ModeFile       = "100644"
	ModeExecutable = "100755"
	ModeSymlink    = "120000"
	ModeSubmodule  = "160000"
	ModeAbsent     = "000000"
)

// Entry is one leaf of a tree: raw mode and object id as the tree object has
// them. Path is exactly the bytes git holds, slash-separated.
type Entry struct {
	Path string `json:"path"`
	Mode string `json:"mode"`
	SHA  string `json:"sha"`
	Size int64  `json:"size"` // bytes; -1 for a submodule
}

// Tree is a whole tree, leaves only, in git's order. Duplicate paths are kept,
// since a judge must see them.
type Tree struct {
	Commit  string  `json:"commit,omitempty"`
	SHA     string  `json:"sha"`
	Entries []Entry `json:"-"`
}

// Status says what happened to a file.
type Status string

// What can happen to a file. A rename is only told when the content is the
// same to the byte; a moved and edited file is a delete and an add.
const (
	Added    Status = "added"
	Modified Status = "modified"
	Deleted  Status = "deleted"
	Renamed  Status = "renamed"
)

// File is one differing path. For an added file the old side is empty and
// OldMode is ModeAbsent, for a deleted one the new side.
type File struct {
	Path    string // the new path; of a deleted file the old one
	OldPath string // differs from Path only for a rename
	Status  Status
	OldMode string
	NewMode string
	OldSHA  string
	NewSHA  string
	OldSize int64
	NewSize int64
	Old     []byte // content, nil when absent, not a blob or not loaded
	New     []byte
	Loaded  bool // contents were read; false only above the reader's size cap
}

// Set is a whole change: the differing files between a base and a head tree.
type Set struct {
	Base  Tree
	Head  Tree
	Files []File // by Path
}

// Commit is one commit of a series with what it changes against the base of the
// whole series.
type Commit struct {
	SHA     string   `json:"sha"`
	Parents []string `json:"parents"`
	Message string   `json:"message"`
	Set     Set      `json:"-"` // base of the series .. this commit
}

// Series is a change with the commits it is made of, oldest first. The whole is
// what is judged by every rule; each commit's own tree is judged by those rules
// whose breach a later commit could hide.
type Series struct {
	Whole   Set
	Commits []Commit
}

// BlobReader gives the content of a blob. Known implementation: adapter/git.
type BlobReader func(sha string) ([]byte, error)

// MaxBlob is the size in bytes above which contents are not read into a Set;
// such a file counts as one whose lines nobody looked at.
const MaxBlob = 8 << 20

// Compare lists what differs between two trees and reads the contents of both
// sides. The result does not depend on the order of entries.
func Compare(base, head Tree, blob BlobReader) (Set, error) {
	files := pairRenames(differing(base, head))
	for i := range files {
		if err := files[i].load(blob); err != nil {
			return Set{}, err
		}
	}
	return Set{Base: base, Head: head, Files: files}, nil
}

// differing walks both trees side by side. A path that stands more than once in
// a tree is compared as the group it is.
func differing(base, head Tree) []File {
	old, new := sorted(base.Entries), sorted(head.Entries)
	var files []File
	for len(old) > 0 || len(new) > 0 {
		path := firstPath(old, new)
		o, n := group(old, path), group(new, path)
		old, new = old[len(o):], new[len(n):]
		if !slices.EqualFunc(o, n, sameObject) {
			files = append(files, differingAt(o, n)...)
		}
	}
	return files
}

func sorted(entries []Entry) []Entry {
	out := slices.Clone(entries)
	slices.SortFunc(out, func(a, b Entry) int {
		return cmp.Or(strings.Compare(a.Path, b.Path), strings.Compare(a.Mode, b.Mode), strings.Compare(a.SHA, b.SHA))
	})
	return out
}

func firstPath(old, new []Entry) string {
	if len(new) == 0 || len(old) > 0 && old[0].Path < new[0].Path {
		return old[0].Path
	}
	return new[0].Path
}

func group(entries []Entry, path string) []Entry {
	n := 0
	for n < len(entries) && entries[n].Path == path {
		n++
	}
	return entries[:n]
}

func sameObject(a, b Entry) bool { return a.Mode == b.Mode && a.SHA == b.SHA }

// differingAt gives the files of one path: usually one entry on either side.
func differingAt(old, new []Entry) []File {
	var files []File
	for _, n := range new {
		f := File{Path: n.Path, OldPath: n.Path, Status: Added, OldMode: ModeAbsent, NewMode: n.Mode, NewSHA: n.SHA, NewSize: n.Size}
		if len(old) > 0 {
			f.Status, f.OldMode, f.OldSHA, f.OldSize = Modified, old[0].Mode, old[0].SHA, old[0].Size
		}
		files = append(files, f)
	}
	if len(new) > 0 {
		return files
	}
	for _, o := range old {
		files = append(files, File{Path: o.Path, OldPath: o.Path, Status: Deleted, OldMode: o.Mode,
			NewMode: ModeAbsent, OldSHA: o.SHA, OldSize: o.Size})
	}
	return files
}

// pairRenames joins a deleted and an added file of the same blob and mode into
// one rename. Each deleted file serves once, in path order.
func pairRenames(files []File) []File {
	gone := map[string][]int{}
	for i, f := range files {
		if f.Status == Deleted && f.OldSize > 0 {
			key := f.OldMode + f.OldSHA
			gone[key] = append(gone[key], i)
		}
	}
	drop := map[int]bool{}
	for i, f := range files {
		key := f.NewMode + f.NewSHA
		if f.Status != Added || len(gone[key]) == 0 {
			continue
		}
		from := gone[key][0]
		gone[key] = gone[key][1:]
		drop[from] = true
		files[i].Status, files[i].OldPath = Renamed, files[from].Path
		files[i].OldMode, files[i].OldSHA, files[i].OldSize = files[from].OldMode, files[from].OldSHA, files[from].OldSize
	}
	var kept []File
	for i, f := range files {
		if !drop[i] {
			kept = append(kept, f)
		}
	}
	return kept
}

func (f *File) load(blob BlobReader) error {
	f.Loaded = true
	for _, side := range []struct {
		mode, sha string
		size      int64
		into      *[]byte
	}{{f.OldMode, f.OldSHA, f.OldSize, &f.Old}, {f.NewMode, f.NewSHA, f.NewSize, &f.New}} {
		if !isBlob(side.mode) {
			continue
		}
		if side.size > MaxBlob {
			f.Loaded = false
			continue
		}
		data, err := blob(side.sha)
		if err != nil {
			return fmt.Errorf("reading %q: %w", f.Path, err)
		}
		*side.into = data
	}
	return nil
}

// isBlob looks at the type bits of a raw mode, which may be one no git writes:
// regular files and symbolic links have content.
func isBlob(mode string) bool {
	bits, err := strconv.ParseUint(mode, 8, 32)
	kind := bits & 0o170000
	return err == nil && (kind == 0o100000 || kind == 0o120000)
}

// Binary says whether either side holds a NUL byte or is not valid UTF-8 in
// its first 8,000 bytes, which is git's own notion but for the encoding.
func (f File) Binary() bool { return binary(f.Old) || binary(f.New) }

func binary(data []byte) bool {
	head := data[:min(len(data), 8000)]
	if bytes.IndexByte(head, 0) >= 0 {
		return true
	}
	for len(head) > 0 {
		r, size := utf8.DecodeRune(head)
		if r == utf8.RuneError && size == 1 {
			return utf8.FullRune(head) // a rune cut by the window is no fault of the file
		}
		head = head[size:]
	}
	return false
}
