package policy

import (
	"go/ast"
	"go/build/constraint"
	"go/doc"
	"go/parser"
	"go/token"
	"path"
	"strconv"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/change"
	"github.com/seedbed-dev/seedbed/internal/finding"
)

// judgeTests holds an agent's change to the tests for a person, but for one
// kind: tests that are only added.
//
// Adding cannot weaken what is there if nothing that is there changes and what
// comes new runs nothing before or around it. For Go that can be told from the
// syntax: every declaration and import of the old file must stand unchanged in
// the new one, and what is new may be test functions and, in a new file, their
// own helpers. Everything that reaches beyond itself is refused: TestMain, init,
// package variables computed by calls, methods on types of elsewhere, names of
// built-in functions, build constraints and other //go: lines, dot, blank and C
// imports and those that can end the process behind the test runner's back. For other languages only a wholly new file with a test's name, or a
// new data file of a test, passes. What is left, say a new test that breaks
// others through shared state, shows as red and not as green.
//
// Anything else is not evaluated. The full rule, which reads assertions and
// skips, takes this one's place.
func judgeTests(in input) Result {
	var asked []finding.Finding
	added := 0
	for _, f := range in.change.Whole.Files {
		if !in.isTest(f) {
			continue
		}
		why, line := notOnlyAdded(f)
		if why == "" {
			added++
			continue
		}
		if line == 0 && f.Status == change.Modified && f.Loaded {
			line = in.lines.of(f).first
		}
		asked = append(asked, finding.Finding{Path: f.Path, Line: line, Severity: finding.Warning, Message: "test file: " + why,
			Hint: "only add tests, in a file of their own, or a person looks and approves", Seed: "built in", Who: in.approvers()})
	}
	switch {
	case len(asked) > 0:
		return Result{Outcome: NotEvaluated, Reason: plural(len(asked), "test file") + " changed otherwise than by adding tests", Findings: asked}
	case added > 0:
		return Result{Outcome: Pass, Reason: "tests are only added, in " + plural(added, "file")}
	}
	return Result{Outcome: Pass, Reason: "no test file touched"}
}

func (in input) isTest(f change.File) bool {
	for _, p := range sides(f) {
		j := judged(p)
		if isTestPath(j.canonical) {
			return true
		}
		if _, ok := forbidsAny(in.seed.Commands.TestPaths, j); ok {
			return true
		}
	}
	return false
}

// isTestPath goes by the customs of languages, on canonical names.
func isTestPath(name string) bool {
	for _, folder := range strings.Split(path.Dir(name), "/") {
		switch folder {
		case "test", "tests", "testing", "__tests__", "__mocks__", "__snapshots__", "spec", "specs", "testdata", "fixtures", "__fixtures__", "e2e", "cypress":
			return true
		}
	}
	base := path.Base(name)
	return isTestName(base) || strings.HasSuffix(base, ".snap") || base == "conftest.py" ||
		strings.HasPrefix(base, "setuptests.") || strings.HasPrefix(base, "test_helper.") || strings.HasPrefix(base, "spec_helper.")
}

// isTestName tells a file that holds tests by its own name.
func isTestName(base string) bool {
	stem, ext := strings.TrimSuffix(base, path.Ext(base)), path.Ext(base)
	switch ext {
	case ".go", ".rb", ".exs", ".dart":
		return strings.HasSuffix(stem, "_test") || ext == ".rb" && (strings.HasSuffix(stem, "_spec") || strings.HasPrefix(stem, "test_"))
	case ".py":
		return strings.HasPrefix(stem, "test_") || strings.HasSuffix(stem, "_test")
	case ".js", ".jsx", ".ts", ".tsx", ".mjs", ".cjs", ".mts", ".cts", ".vue", ".svelte":
		return strings.HasSuffix(stem, ".test") || strings.HasSuffix(stem, ".spec") || strings.HasSuffix(stem, ".cy")
	case ".java", ".kt", ".kts", ".scala", ".groovy", ".cs", ".php", ".swift", ".m", ".vb", ".fs":
		return strings.HasSuffix(stem, "test") || strings.HasSuffix(stem, "tests") || strings.HasSuffix(stem, "spec") || strings.HasSuffix(stem, "testcase")
	case ".rs", ".c", ".cc", ".cpp", ".h", ".hpp":
		return strings.HasSuffix(stem, "_test") || strings.HasSuffix(stem, "_tests") || strings.HasPrefix(stem, "test_") || strings.HasSuffix(stem, "_unittest")
	case ".sh", ".bats":
		return ext == ".bats" || strings.HasPrefix(stem, "test_") || strings.HasSuffix(stem, "_test")
	}
	return false
}

// notOnlyAdded says why a change to a test file is more than added tests, and
// at which line; empty when it is not.
func notOnlyAdded(f change.File) (why string, line int) {
	switch {
	case f.Status == change.Deleted:
		return "deleted", 0
	case f.Status == change.Renamed:
		return "renamed from " + finding.Quote(f.OldPath), 0
	case f.Status == change.Modified && f.OldMode != f.NewMode:
		return "its mode changes", 0
	case !f.Loaded:
		return "too large to read", 0
	}
	name := canonical(f.Path)
	switch base := path.Base(name); {
	case strings.HasSuffix(base, "_test.go"):
		return goOnlyAdded(f)
	case f.Status == change.Modified:
		return "lines of it change", 0
	case isTestName(base), isTestData(name):
		return "", 0
	}
	return "new, and not by its name a file of tests", 0
}

// isTestData tells files under folders that only hold data; code there can be
// run by tests, so it is no data.
func isTestData(name string) bool {
	data := false
	for _, folder := range strings.Split(path.Dir(name), "/") {
		data = data || folder == "testdata" || folder == "fixtures" || folder == "__fixtures__"
	}
	switch path.Ext(name) {
	case ".txt", ".json", ".yaml", ".yml", ".xml", ".csv", ".golden", ".html", ".md", ".txtar", ".toml", ".svg", ".png", ".sql", ".diff", ".patch", "":
		return data
	}
	return false
}

// goFile is what goOnlyAdded compares: each declaration and import by its text.
type goFile struct {
	fset    *token.FileSet
	file    *ast.File
	source  []byte
	imports map[string]bool
	decls   map[string]int
}

func readGo(name string, source []byte) (*goFile, error) {
	g := &goFile{fset: token.NewFileSet(), source: source, imports: map[string]bool{}, decls: map[string]int{}}
	file, err := parser.ParseFile(g.fset, name, source, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	g.file = file
	for _, i := range file.Imports {
		g.imports[g.text(i)] = true
	}
	for _, d := range file.Decls {
		if !isImport(d) {
			g.decls[g.text(d)]++
		}
	}
	return g, nil
}

func isImport(d ast.Decl) bool {
	gen, ok := d.(*ast.GenDecl)
	return ok && gen.Tok == token.IMPORT
}

func (g *goFile) text(n ast.Node) string {
	return string(g.source[g.fset.Position(n.Pos()).Offset:g.fset.Position(n.End()).Offset])
}

func (g *goFile) line(n ast.Node) int { return g.fset.PositionFor(n.Pos(), false).Line }

func goOnlyAdded(f change.File) (why string, line int) {
	after, err := readGo(f.Path, f.New)
	if err != nil {
		return "does not parse", 0
	}
	before := &goFile{}
	if f.Status == change.Modified {
		if before, err = readGo(f.OldPath, f.Old); err != nil {
			return "did not parse at base", 0
		}
		if before.file.Name.Name != after.file.Name.Name {
			return "its package changes", 1
		}
	}
	if why, line = directivesAdded(before, after); why != "" {
		return why, line
	}
	for text := range before.imports {
		if !after.imports[text] {
			return "an import is gone: " + text, 0
		}
	}
	for _, i := range after.file.Imports {
		if before.imports[after.text(i)] {
			continue
		}
		if i.Name != nil {
			return "a renamed, blank or dot import", after.line(i)
		}
		if path, err := strconv.Unquote(i.Path.Value); err != nil || beneath(path) {
			return "imports " + cut(i.Path.Value), after.line(i)
		}
	}
	return declsAdded(before, after, f.Status == change.Added)
}

// beneath names packages by which code gets past the language or the runner.
func beneath(path string) bool {
	switch path {
	case "C", "unsafe", "syscall", "plugin":
		return true
	}
	return strings.HasPrefix(path, "golang.org/x/sys/")
}

// directivesAdded finds build constraints, //go: and cgo lines that the old
// file does not have. A //line comment could move what else is reported.
func directivesAdded(before, after *goFile) (string, int) {
	had := map[string]int{}
	for _, d := range before.directives() {
		had[d.Text]++
	}
	for _, d := range after.directives() {
		if had[d.Text]--; had[d.Text] < 0 {
			return "a compiler directive: " + cut(d.Text), after.line(d)
		}
	}
	return "", 0
}

func (g *goFile) directives() []*ast.Comment {
	var list []*ast.Comment
	if g.file == nil {
		return nil
	}
	for _, group := range g.file.Comments {
		for _, c := range group.List {
			if strings.HasPrefix(c.Text, "//go:") || strings.HasPrefix(c.Text, "//line ") || strings.HasPrefix(c.Text, "/*line ") ||
				constraint.IsPlusBuild(c.Text) || strings.HasPrefix(c.Text, "//export ") {
				list = append(list, c)
			}
		}
	}
	return list
}

// declsAdded wants every old declaration unchanged and every new one harmless.
func declsAdded(before, after *goFile, wholeFile bool) (string, int) {
	left := map[string]int{}
	for text, n := range before.decls {
		left[text] = n
	}
	own := after.ownTypes()
	for _, d := range after.file.Decls {
		if isImport(d) {
			continue
		}
		if text := after.text(d); left[text] > 0 {
			left[text]--
			continue
		}
		if why := reaches(d, own, wholeFile); why != "" {
			return why, after.line(d)
		}
	}
	for _, n := range left {
		if n > 0 {
			return "something that stood there is changed or gone", 0
		}
	}
	return "", 0
}

func (g *goFile) ownTypes() map[string]bool {
	own := map[string]bool{}
	for _, d := range g.file.Decls {
		gen, ok := d.(*ast.GenDecl)
		if !ok {
			continue
		}
		for _, s := range gen.Specs {
			if t, ok := s.(*ast.TypeSpec); ok && !t.Assign.IsValid() {
				own[t.Name.Name] = true
			}
		}
	}
	return own
}

// reaches says why a new declaration could bear on tests that are there.
func reaches(d ast.Decl, own map[string]bool, wholeFile bool) string {
	switch d := d.(type) {
	case *ast.FuncDecl:
		return funcReaches(d, own, wholeFile)
	case *ast.GenDecl:
		if !wholeFile {
			return "new " + d.Tok.String() + " in a file that was there"
		}
		for _, s := range d.Specs {
			if why := specReaches(s); why != "" {
				return why
			}
		}
		return ""
	}
	return "a declaration that cannot be read"
}

func funcReaches(d *ast.FuncDecl, own map[string]bool, wholeFile bool) string {
	name := d.Name.Name
	switch {
	case d.Body == nil:
		return "a function without a body"
	case d.Recv != nil:
		if !wholeFile || !own[receiver(d.Recv)] {
			return "a method on a type of elsewhere"
		}
		return ""
	case name == "TestMain", name == "init":
		return name + ", which runs around the other tests"
	case isTestFunc(name):
		return ""
	case !wholeFile:
		return "new function " + name + " in a file that was there"
	}
	return shadows(name)
}

func isTestFunc(name string) bool {
	for _, kind := range []string{"Test", "Benchmark", "Fuzz", "Example"} {
		if rest, ok := strings.CutPrefix(name, kind); ok && (rest == "" || rest[0] < 'a' || rest[0] > 'z') {
			return true
		}
	}
	return false
}

func receiver(recv *ast.FieldList) string {
	if len(recv.List) != 1 {
		return ""
	}
	t := recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	switch generic := t.(type) {
	case *ast.IndexExpr:
		t = generic.X
	case *ast.IndexListExpr:
		t = generic.X
	}
	if id, ok := t.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

// shadows refuses names of the language itself: a package's own len or panic
// would be the one that every test of the package calls.
func shadows(name string) string {
	if doc.IsPredeclared(name) {
		return name + " takes the place of the language's own"
	}
	return ""
}

func specReaches(s ast.Spec) string {
	switch s := s.(type) {
	case *ast.TypeSpec:
		return shadows(s.Name.Name)
	case *ast.ValueSpec:
		for _, n := range s.Names {
			if why := shadows(n.Name); why != "" {
				return why
			}
		}
		for _, v := range s.Values {
			if computes(v) {
				return "a package variable computed before the tests run"
			}
		}
	}
	return ""
}

// computes says whether evaluating an expression can do anything: calls and
// channel receives can, literals of functions that are not called cannot.
func computes(e ast.Expr) bool {
	does := false
	ast.Inspect(e, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			return false
		case *ast.CallExpr:
			does = true
		case *ast.UnaryExpr:
			does = does || n.Op == token.ARROW
		}
		return !does
	})
	return does
}
