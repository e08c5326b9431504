package change

import (
	"fmt"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Longest names, in bytes: what Linux takes, and git with it.
const (
	maxPath      = 4096
	maxComponent = 255
)

// CheckPath says why a path written by a model cannot name a file of the
// repository, or nil. Only the one canonical spelling is good: it is never
// cleaned, so that what a rule matched is what gets written. The message shows
// the canonical spelling where there is one.
func CheckPath(p string) error {
	switch {
	case p == "":
		return fmt.Errorf("path is empty")
	case len(p) > maxPath:
		return fmt.Errorf("path has %d bytes, at most %d", len(p), maxPath)
	case !utf8.ValidString(p):
		return fmt.Errorf("path %q is not valid UTF-8", p)
	case p[0] == '/' || p[0] == '\\' || drive(p):
		return fmt.Errorf("path %q leaves the repository: paths are relative to its root", p)
	case strings.ContainsRune(p, '\\'):
		return notCanonical(p)
	case strings.ContainsFunc(p, invisible):
		return fmt.Errorf("path %q holds a control or invisible character", p)
	}
	for _, part := range strings.Split(p, "/") {
		if err := checkComponent(p, part); err != nil {
			return err
		}
	}
	return nil
}

func checkComponent(p, part string) error {
	switch {
	case part == "" || part == "." || part == "..":
		return notCanonical(p)
	case len(part) > maxComponent:
		return fmt.Errorf("path %q has a component of %d bytes, at most %d", p, len(part), maxComponent)
	case isDotGit(part):
		return fmt.Errorf("path %q is inside git's own directory", p)
	case strings.TrimRight(part, ". ") != part || strings.TrimLeft(part, " ") != part:
		return notCanonical(p)
	case part[0] == '-':
		return fmt.Errorf("path %q has a component that begins with a dash", p)
	}
	return nil
}

// notCanonical shows the spelling to use, or that there is none inside the repository.
func notCanonical(p string) error {
	clean := Canonical(p)
	if clean == "" {
		return fmt.Errorf("path %q leaves the repository", p)
	}
	return fmt.Errorf("path %q is not canonical: write %q", p, clean)
}

// Canonical gives the canonical spelling of a path, for messages only; "" when
// it leaves the repository or names its root.
func Canonical(p string) string {
	parts := strings.Split(strings.ReplaceAll(p, "\\", "/"), "/")
	for i, part := range parts {
		if part != "." && part != ".." {
			parts[i] = strings.TrimRight(strings.TrimSpace(part), ". ")
		}
	}
	clean := path.Clean(strings.Join(parts, "/"))
	if clean == "." || clean == ".." || clean == "/" || strings.HasPrefix(clean, "../") || strings.HasPrefix(clean, "/") {
		return ""
	}
	return clean
}

func drive(p string) bool {
	return len(p) >= 2 && p[1] == ':' && (p[0]|0x20 >= 'a' && p[0]|0x20 <= 'z')
}

// invisible characters change how a path reads but, on some file systems, not
// what it names.
func invisible(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp)
}

// isDotGit says whether a file system of Windows or macOS could take a name for
// .git: other case, trailing dots and blanks, a stream name, the short name.
func isDotGit(name string) bool {
	name = strings.ToLower(strings.Map(func(r rune) rune {
		if invisible(r) {
			return -1
		}
		return r
	}, name))
	name, _, _ = strings.Cut(name, ":")
	name = strings.TrimRight(name, ". ")
	return name == ".git" || strings.HasPrefix(name, "git~") && len(name) == 5
}

// Obstacles says which of some canonical paths cannot be written as regular
// files into a tree, and why: a component above is a symbolic link, a submodule
// or a file, or the path itself is no regular file. Links are not followed, and it
// does not matter whether their target exists.
func (t Tree) Obstacles(paths []string) map[string]error {
	leaves := make(map[string]string, len(t.Entries))
	directories := map[string]bool{}
	for _, e := range t.Entries {
		leaves[e.Path] = e.Mode
		for dir := path.Dir(e.Path); dir != "." && dir != "/" && !directories[dir]; dir = path.Dir(dir) {
			directories[dir] = true
		}
	}
	out := map[string]error{}
	for _, p := range paths {
		if err := obstacle(p, leaves, directories); err != nil {
			out[p] = err
		}
	}
	return out
}

func obstacle(p string, leaves map[string]string, directories map[string]bool) error {
	if directories[p] {
		return fmt.Errorf("%s is a directory", p)
	}
	for at := p; at != "." && at != "/"; at = path.Dir(at) {
		mode, is := leaves[at]
		switch {
		case !is:
		case kind(mode) == kind(ModeSymlink):
			return fmt.Errorf("%s is a symbolic link", at)
		case kind(mode) == kind(ModeSubmodule):
			return fmt.Errorf("%s is a submodule", at)
		case at != p:
			return fmt.Errorf("%s is a file, not a directory", at)
		}
	}
	return nil
}
