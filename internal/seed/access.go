package seed

import (
	"fmt"
	"strings"

	"github.com/bmatcuk/doublestar/v4"
)

// Match reports whether a glob (doublestar: * within a folder, ** across
// folders, ?, [class], {a,b}) names a file, by its path or by any folder above
// it, as in CODEOWNERS: apps/* covers apps/web/src/x.ts. The path must be
// canonical: relative, with forward slashes, without . and .. parts. A pattern
// with bad syntax names nothing; Parse refuses it before.
func Match(pattern, name string) bool {
	for name != "" {
		if ok, err := doublestar.Match(pattern, name); err == nil && ok {
			return true
		}
		up := strings.LastIndexByte(name, '/')
		if up < 0 {
			return false
		}
		name = name[:up]
	}
	return false
}

// Rule is what decided about a path: a line of the file, or a default.
type Rule struct {
	// Key that decided, such as automation_contract.ai_access.write_paths[2]; the key of the whole list when no entry matched.
	Key string
	// Pattern that matched; empty when none did.
	Pattern string
	// Place of the key; zero when the default decided.
	Place Place
}

// String names the rule for a finding: "write_paths (apps/**) seed.yaml:12".
func (r Rule) String() string {
	key := r.Key[strings.LastIndexByte(r.Key, '.')+1:]
	if end := strings.IndexByte(key, '['); end > 0 {
		key = key[:end]
	}
	if r.Pattern == "" {
		return fmt.Sprintf("%s %s", key, r.Place)
	}
	return fmt.Sprintf("%s (%s) %s", key, r.Pattern, r.Place)
}

const (
	readKey  = "automation_contract.ai_access.read_paths"
	writeKey = "automation_contract.ai_access.write_paths"
	denyKey  = "automation_contract.ai_access.disallowed_writes"
)

// Writable reports whether the file lets agents write a path, and which line
// decided. Deny wins over allow. Without write_paths what may be read may be
// written, so everything when read_paths is absent too; an empty write_paths
// opens nothing. A path that is not canonical is never writable. Names that no
// agent may write whatever the file says are not known here.
//
// Deny patterns also match without regard to ASCII and simple Unicode case,
// since the file may be read on a disk that folds it; allow patterns do not.
func (s *Seed) Writable(path string) (bool, Rule) {
	access := s.AutomationContract.AIAccess
	if !isPath(path) || path == "." {
		return false, s.rule(writeKey)
	}
	if r, ok := s.matching(denyKey, access.DisallowedWrites, path, matchAnyCase); ok {
		return false, r
	}
	r, ok := s.matching(writeKey, access.WritePaths, path, Match)
	return ok, r
}

// Readable reports whether a path may reach a prompt, and which line decided.
// What may be written may be read. Without read_paths everything is open.
func (s *Seed) Readable(path string) (bool, Rule) {
	if !isPath(path) || path == "." {
		return false, s.rule(readKey)
	}
	r, ok := s.matching(readKey, s.AutomationContract.AIAccess.ReadPaths, path, Match)
	if ok {
		return true, r
	}
	if writable, by := s.Writable(path); writable {
		return true, by
	}
	return false, r
}

// matching finds the first pattern of a list that covers a path.
func (s *Seed) matching(key string, patterns []string, path string, match func(pattern, path string) bool) (Rule, bool) {
	for i, p := range patterns {
		if match(p, path) {
			at := fmt.Sprintf("%s[%d]", key, i)
			return Rule{Key: at, Pattern: p, Place: s.At(at)}, true
		}
	}
	return s.rule(key), false
}

func (s *Seed) rule(key string) Rule { return Rule{Key: key, Place: s.At(key)} }

func matchAnyCase(pattern, path string) bool {
	return Match(pattern, path) || Match(strings.ToLower(pattern), strings.ToLower(path))
}

// Pattern is one glob of the file.
type Pattern struct {
	// Key that holds it, such as automation_contract.ai_access.disallowed_writes[0].
	Key string
	// Place of the key.
	Place Place
	// Glob as written.
	Glob string
	// Meant is the glob that was probably meant when this one can never name a file as it is written; else empty.
	Meant string
}

// Patterns lists every glob of the file in the order of its lines, so that a
// check can say which of them name nothing in a tree.
func (s *Seed) Patterns() []Pattern {
	var out []Pattern
	s.walk(func(l leaf) {
		if l.rule.form != "glob" || l.place.Line == 0 {
			return
		}
		for i, g := range l.texts() {
			at := l.path
			if l.list {
				at = fmt.Sprintf("%s[%d]", l.path, i)
			}
			out = append(out, Pattern{Key: at, Place: s.At(at), Glob: g, Meant: meant(g)})
		}
	})
	sortByPlace(out, func(p Pattern) Place { return p.Place })
	return out
}

// meant guesses the glob behind one that can never name a file: paths have no
// leading slash or dot, no trailing slash, no !, and brackets are a class.
func meant(glob string) string {
	g := strings.TrimPrefix(glob, "!")
	for strings.HasPrefix(g, "./") || strings.HasPrefix(g, "/") {
		g = strings.TrimPrefix(strings.TrimPrefix(g, "."), "/")
	}
	if strings.HasSuffix(g, "/") {
		g = strings.TrimRight(g, "/") + "/**"
	}
	g = routeFolder(g)
	if g == glob {
		return ""
	}
	return g
}

// routeFolder escapes [name] where it is a whole folder name, as the routers of
// some web frameworks use it: as a class it would name one-letter folders.
func routeFolder(glob string) string {
	parts := strings.Split(glob, "/")
	for i, p := range parts {
		if len(p) > 3 && p[0] == '[' && p[len(p)-1] == ']' && !strings.ContainsAny(p[1:len(p)-1], "[]-^!\\") {
			parts[i] = `\[` + p[1:len(p)-1] + `\]`
		}
	}
	return strings.Join(parts, "/")
}
