package review

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/change"
	"github.com/seedbed-dev/seedbed/internal/finding"
	"github.com/seedbed-dev/seedbed/internal/secret"
	"github.com/seedbed-dev/seedbed/internal/seed"
)

// longFunction is the length in lines that is worth a note when the seed sets
// no limit.
const longFunction = 80

// static is what programs find in the added lines.
func static(s *seed.Seed, set change.Set) []finding.Finding {
	var list []finding.Finding
	for _, f := range set.Files {
		added := f.Added()
		list = append(list, secrets(f, added)...)
		list = append(list, markers(f, added)...)
		list = append(list, longFunctions(s, f, added)...)
	}
	return list
}

// secrets looks at all added lines at once, since a key can span several.
func secrets(f change.File, added []change.Line) (list []finding.Finding) {
	var text strings.Builder
	for _, l := range added {
		text.WriteString(l.Text + "\n")
	}
	for _, hit := range secret.Scan([]byte(text.String())) {
		list = append(list, finding.Finding{Path: f.Path, Line: added[min(hit.Line, len(added))-1].New, Rule: "secrets", Severity: finding.Error,
			Message: fmt.Sprintf("holds what looks like a secret (%s, %s)", hit.Kind, hit.Encoding),
			Hint:    "take it out and revoke it: what was committed once is known"})
	}
	return list
}

// markers finds what a merge left behind. A line of equals signs alone is a
// heading in some formats and says nothing by itself.
func markers(f change.File, added []change.Line) (list []finding.Finding) {
	for _, l := range added {
		if strings.HasPrefix(l.Text, "<<<<<<< ") || strings.HasPrefix(l.Text, ">>>>>>> ") || strings.HasPrefix(l.Text, "||||||| ") {
			list = append(list, finding.Finding{Path: f.Path, Line: l.New, Rule: "markers", Severity: finding.Error,
				Message: "a merge conflict marker was added", Hint: "settle the conflict and take the marker out"})
		}
	}
	return list
}

// longFunctions looks at Go functions with added lines. One that was too long
// before and did not grow is left alone.
func longFunctions(s *seed.Seed, f change.File, added []change.Line) (list []finding.Finding) {
	if path.Ext(f.Path) != ".go" || len(added) == 0 {
		return nil
	}
	limit := s.Constraints.Repo.MaxFunctionLengthLOC
	most, severity, place := longFunction, finding.Note, ""
	if limit.On() {
		most, severity, place = int(limit.N), finding.Error, s.At("constraints.repo.max_function_length_loc").String()
	}
	before := map[string]int{}
	for _, fn := range functions(f.Old) {
		before[fn.name] = fn.lines()
	}
	for _, fn := range functions(f.New) {
		if fn.lines() <= most || !fn.touched(added) || before[fn.name] >= fn.lines() {
			continue
		}
		list = append(list, finding.Finding{Path: f.Path, Line: fn.firstOf(added), Rule: "long_function", Severity: severity, Seed: place,
			Message: fmt.Sprintf("%s has %d lines, limit %d", fn.name, fn.lines(), most), Hint: "split it where it changes its subject"})
	}
	return list
}

// function is a declared Go function and the lines it spans.
type function struct {
	name     string
	from, to int
}

func (f function) lines() int { return f.to - f.from + 1 }

func (f function) touched(added []change.Line) bool { return f.firstOf(added) > 0 }

// firstOf is the first added line inside, 0 without one.
func (f function) firstOf(added []change.Line) int {
	for _, l := range added {
		if f.from <= l.New && l.New <= f.to {
			return l.New
		}
	}
	return 0
}

// functions lists what could be parsed; a file with errors gives what stands
// before them.
func functions(src []byte) (list []function) {
	if len(src) == 0 {
		return nil
	}
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, "", src, parser.SkipObjectResolution)
	if file == nil || err != nil && len(file.Decls) == 0 {
		return nil
	}
	for _, d := range file.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok {
			list = append(list, function{name: nameOf(fn), from: set.Position(fn.Pos()).Line, to: set.Position(fn.End()).Line})
		}
	}
	return list
}

// nameOf is F or (T).F.
func nameOf(fn *ast.FuncDecl) string {
	if fn.Recv == nil || len(fn.Recv.List) == 0 {
		return fn.Name.Name
	}
	t := fn.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
			continue
		case *ast.IndexExpr:
			t = x.X
			continue
		case *ast.IndexListExpr:
			t = x.X
			continue
		case *ast.Ident:
			return "(" + x.Name + ")." + fn.Name.Name
		}
		return fn.Name.Name
	}
}
