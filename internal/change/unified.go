package change

import (
	"fmt"
	"strings"
)

// Unified is the whole change as one unified diff for people and prompts.
func (s Set) Unified() string {
	var b strings.Builder
	for _, f := range s.Files {
		b.WriteString(f.Unified())
	}
	return b.String()
}

// Unified is one file's diff in git's extended format. Text comes out such that
// git apply makes the new file of the old one; binary and unloaded contents are
// only named. The stored form of a change is a series; see FormatSeries.
func (f File) Unified() string {
	if f.Status == Modified && kind(f.OldMode) != kind(f.NewMode) {
		return f.gone().Unified() + f.born().Unified() // git has no other word for it
	}
	var b strings.Builder
	old, new := quoted("a/"+f.OldPath), quoted("b/"+f.Path)
	b.WriteString("diff --git " + old + " " + new + "\n")
	switch {
	case f.Status == Added:
		b.WriteString("new file mode " + f.NewMode + "\n")
		old = "/dev/null"
	case f.Status == Deleted:
		b.WriteString("deleted file mode " + f.OldMode + "\n")
		new = "/dev/null"
	case f.Status == Renamed:
		b.WriteString("similarity index 100%\nrename from " + quoted(f.OldPath) + "\nrename to " + quoted(f.Path) + "\n")
	case f.OldMode != f.NewMode:
		b.WriteString("old mode " + f.OldMode + "\nnew mode " + f.NewMode + "\n")
	}
	f.writeBody(&b, old, new)
	return b.String()
}

func (f File) writeBody(b *strings.Builder, old, new string) {
	if submodule(f.OldMode) || submodule(f.NewMode) {
		f.Old, f.New, f.Loaded = pointer(f.OldMode, f.OldSHA), pointer(f.NewMode, f.NewSHA), true
	}
	switch {
	case !f.Loaded:
		fmt.Fprintf(b, "Files %s and %s differ and are too large to show\n", old, new)
		return
	case f.Status == Renamed || string(f.Old) == string(f.New):
		return
	case f.Binary():
		fmt.Fprintf(b, "Binary files %s and %s differ\n", old, new)
		return
	}
	b.WriteString("--- " + ended(old) + "\n+++ " + ended(new) + "\n")
	for _, h := range f.Hunks() {
		h.write(b)
	}
}

func (h Hunk) write(b *strings.Builder) {
	b.WriteString("@@ -" + extent(h.OldStart, h.OldLines) + " +" + extent(h.NewStart, h.NewLines) + " @@\n")
	for _, l := range h.Lines {
		b.WriteByte(l.Op)
		b.WriteString(l.Text)
		b.WriteByte('\n')
		if l.NoEOL {
			b.WriteString("\\ No newline at end of file\n")
		}
	}
}

func extent(start, lines int) string {
	if lines == 1 {
		return fmt.Sprint(start)
	}
	return fmt.Sprintf("%d,%d", start, lines)
}

func (f File) gone() File {
	f.Status, f.NewMode, f.NewSHA, f.NewSize, f.New = Deleted, ModeAbsent, "", 0, nil
	return f
}

func (f File) born() File {
	f.Status, f.OldMode, f.OldSHA, f.OldSize, f.Old = Added, ModeAbsent, "", 0, nil
	return f
}

// kind is the type part of a raw mode: file, link or submodule.
func kind(mode string) string {
	if len(mode) < 4 {
		return mode
	}
	return mode[:len(mode)-4]
}

func submodule(mode string) bool { return kind(mode) == kind(ModeSubmodule) }

// pointer is how git shows the commit a submodule is at.
func pointer(mode, sha string) []byte {
	if !submodule(mode) {
		return nil
	}
	return []byte("Subproject commit " + sha + "\n")
}

// quoted writes a name as git does when it holds what would break a line
// (core.quotePath off): in C style between double quotes.
func quoted(name string) string {
	if !strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '"' || r == '\\' }) {
		return name
	}
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range []byte(name) {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c == 0x7f:
			fmt.Fprintf(&b, "\\%03o", c)
		default:
			b.WriteByte(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}

// ended marks where a name with a blank ends, as git does.
func ended(name string) string {
	if strings.Contains(name, " ") && !strings.HasPrefix(name, `"`) {
		return name + "\t"
	}
	return name
}
