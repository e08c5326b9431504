package setup

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"

	"github.com/seedbed-dev/seedbed/internal/change"
)

// Bounds of what init looks at.
const (
	maxManifest  = 1 << 20 // bytes of one file that is read
	maxUnits     = 6       // test commands in seed.yaml
	maxWorkflows = 50      // workflow files looked at
	maxGlobs     = 8       // entries of write_paths
)

// place is where something was found: a line of a file, or a file as a whole.
type place struct {
	file string
	line int
}

// String is "file:line".
func (p place) String() string {
	if p.line == 0 {
		return shown(p.file)
	}
	return fmt.Sprintf("%s:%d", shown(p.file), p.line)
}

// guess is one thing init found out, and where.
type guess struct {
	what, value string
	at          place
}

// try is a command line that may be how something is done here.
type try struct {
	run string
	at  place
}

// unit is one part of the repository that is tested by one command: the first
// of its tries that is green.
type unit struct {
	dir   string // "." or a folder
	kind  string // go | npm | make
	tests []try
}

// found is everything init guesses about a repository, before anything is run.
type found struct {
	guesses []guess
	setup   []try
	units   []unit
	checks  []guess  // job names that could be required checks
	write   []string // globs
	owner   guess
	notes   []string // what was not understood, for the person
}

func (f *found) note(format string, args ...any) {
	f.notes = append(f.notes, fmt.Sprintf(format, args...))
}

func (f *found) add(what, value string, at place) {
	f.guesses = append(f.guesses, guess{what, shown(value), at})
}

// source is the tree that is looked at. Its content is anybody's: links are not
// followed and large files not read.
type source struct {
	entries map[string]change.Entry
	paths   []string
	blob    func(sha string) ([]byte, error)
}

func newSource(tree change.Tree, blob func(string) ([]byte, error)) *source {
	s := &source{entries: map[string]change.Entry{}, blob: blob}
	for _, e := range tree.Entries {
		s.entries[e.Path] = e
		s.paths = append(s.paths, e.Path)
	}
	return s
}

var errAbsent = errors.New("not there")

// read gives a file's content, or why it was not read.
func (s *source) read(name string) ([]byte, error) {
	e, ok := s.entries[name]
	switch {
	case !ok:
		return nil, errAbsent
	case e.Mode == change.ModeSymlink:
		return nil, errors.New("is a symbolic link, not followed")
	case e.Mode != change.ModeFile && e.Mode != change.ModeExecutable:
		return nil, fmt.Errorf("has mode %s, not read", e.Mode)
	case e.Size > maxManifest:
		return nil, fmt.Errorf("has %d bytes, not read", e.Size)
	}
	data, err := s.blob(e.SHA)
	if err != nil {
		return nil, fmt.Errorf("was not read: %w", err)
	}
	return bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")), nil
}

// find looks at a tree and guesses. It runs nothing.
func find(s *source) *found {
	f := &found{}
	ci := readWorkflows(s, f)
	findGo(s, f, ci)
	findNode(s, f, ci)
	findMake(s, f, ci)
	if len(f.units) > maxUnits {
		for _, u := range f.units[maxUnits:] {
			f.note("%s is not in seed.yaml: init writes %d test commands at most; add it if it matters", shown(u.tests[0].run), maxUnits)
		}
		f.units = f.units[:maxUnits]
	}
	f.write = writable(s)
	f.owner = codeOwner(s)
	f.checks = ci.checks()
	return f
}

// apart are folders whose manifests are not the project's own.
var apart = map[string]bool{"vendor": true, "node_modules": true, "testdata": true, "third_party": true, "fixtures": true, "dist": true}

// manifests lists the files of a name, the one in the root first.
func (s *source) manifests(name string) []string {
	var list []string
	for _, p := range s.paths {
		if path.Base(p) == name && !elsewhere(path.Dir(p)) {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b string) int {
		if d := strings.Count(a, "/") - strings.Count(b, "/"); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return list
}

func elsewhere(dir string) bool {
	if dir == "." {
		return false
	}
	for _, part := range strings.Split(dir, "/") {
		if apart[part] || strings.HasPrefix(part, ".") || strings.HasPrefix(part, "_") {
			return true
		}
	}
	return false
}

// plainDir is a folder whose name needs no quoting in a shell.
var plainDir = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]*$`)

// plain reports whether a folder may stand in a command line, and notes it when
// it may not.
func (f *found) plain(manifest string) bool {
	dir := path.Dir(manifest)
	if dir == "." || plainDir.MatchString(dir) {
		return true
	}
	f.note("%s: the folder's name needs quoting; add its test command yourself", shown(manifest))
	return false
}

// goModule is what matters of a go.mod.
type goModule struct {
	file  string
	dir   string
	needs bool // has requirements that must be downloaded
}

// findGo finds modules and workspaces. A workspace is one unit; without one
// each module is.
func findGo(s *source, f *found, ci *workflowRuns) {
	var modules []goModule
	for _, name := range s.manifests("go.mod") {
		if m, ok := readModule(s, f, name); ok && f.plain(name) {
			modules = append(modules, m)
		}
	}
	if len(modules) == 0 {
		return
	}
	if dirs, at := readWork(s, f, modules); len(dirs) > 0 {
		f.unit(unit{dir: ".", kind: "go", tests: append(ci.tests("go", "."), try{"go test " + strings.Join(dirs, " "), at})})
		modules = slices.DeleteFunc(modules, func(m goModule) bool { return slices.Contains(dirs, inside(m.dir)) })
	}
	for _, m := range modules {
		run := "go test ./..."
		if m.dir != "." {
			run = "go -C " + m.dir + " test ./..."
		}
		f.unit(unit{dir: m.dir, kind: "go", tests: append(ci.tests("go", m.dir), try{run, place{m.file, 1}})})
	}
}

func inside(dir string) string {
	if dir == "." {
		return "./..."
	}
	return "./" + dir + "/..."
}

// unit adds a unit without tries that say the same.
func (f *found) unit(u unit) {
	seen := map[string]bool{}
	u.tests = slices.DeleteFunc(u.tests, func(t try) bool {
		dup := seen[t.run]
		seen[t.run] = true
		return dup
	})
	f.units = append(f.units, u)
}

func readModule(s *source, f *found, name string) (goModule, bool) {
	data, err := s.read(name)
	if err != nil {
		f.note("%s %v", shown(name), err)
		return goModule{}, false
	}
	file, err := modfile.ParseLax(name, data, nil)
	if err != nil || file.Module == nil {
		f.note("%s is not a go.mod that can be read: %s", shown(name), firstOf(err, "it names no module"))
		return goModule{}, false
	}
	m := goModule{file: name, dir: path.Dir(name), needs: len(file.Require) > 0}
	language := "Go"
	at := place{name, file.Module.Syntax.Start.Line}
	if file.Go != nil {
		language, at = "Go "+file.Go.Version, place{name, file.Go.Syntax.Start.Line}
	}
	f.add("language", language, at)
	if _, vendored := s.entries[path.Join(m.dir, "vendor/modules.txt")]; m.needs && !vendored && f.plainQuiet(name) {
		run := "go mod download"
		if m.dir != "." {
			run = "go -C " + m.dir + " mod download"
		}
		f.setup = append(f.setup, try{run, place{name, file.Require[0].Syntax.Start.Line}})
	}
	return m, true
}

func (f *found) plainQuiet(manifest string) bool {
	dir := path.Dir(manifest)
	return dir == "." || plainDir.MatchString(dir)
}

// readWork gives the folders a go.work uses, as patterns for go test.
func readWork(s *source, f *found, modules []goModule) ([]string, place) {
	data, err := s.read("go.work")
	if errors.Is(err, errAbsent) {
		return nil, place{}
	}
	if err != nil {
		f.note("go.work %v", err)
		return nil, place{}
	}
	work, err := modfile.ParseWork("go.work", data, nil)
	if err != nil {
		f.note("go.work cannot be read: %s", firstOf(err, ""))
		return nil, place{}
	}
	var dirs []string
	at := place{"go.work", 1}
	for _, use := range work.Use {
		dir := path.Clean(use.Path)
		if !slices.ContainsFunc(modules, func(m goModule) bool { return m.dir == dir }) {
			f.note("go.work:%d uses %s, where no go.mod was found", use.Syntax.Start.Line, shown(use.Path))
			continue
		}
		if len(dirs) == 0 {
			at.line = use.Syntax.Start.Line
		}
		dirs = append(dirs, inside(dir))
	}
	if len(dirs) > 0 {
		f.add("workspace", fmt.Sprintf("%d modules", len(dirs)), at)
	}
	return dirs, at
}

// nodePackage is what matters of a package.json.
type nodePackage struct {
	file, dir string
	data      []byte
	Manager   string            `json:"packageManager"`
	Scripts   map[string]string `json:"scripts"`
	Needs     map[string]any    `json:"dependencies"`
	Dev       map[string]any    `json:"devDependencies"`
	Optional  map[string]any    `json:"optionalDependencies"`
	Spaces    json.RawMessage   `json:"workspaces"`
}

// findNode finds npm packages. Where the root has workspaces its own script is
// the test; else each package with one is a unit.
func findNode(s *source, f *found, ci *workflowRuns) {
	var packages []nodePackage
	for _, name := range s.manifests("package.json") {
		if p, ok := readPackage(s, f, name); ok && f.plain(name) {
			packages = append(packages, p)
		}
	}
	if len(packages) == 0 {
		return
	}
	_, pnpm := s.entries["pnpm-workspace.yaml"]
	if packages[0].dir == "." && (len(packages[0].Spaces) > 0 || pnpm) {
		packages = packages[:1]
	}
	for _, p := range packages {
		nodeUnit(s, f, ci, p, pnpm)
	}
}

func readPackage(s *source, f *found, name string) (nodePackage, bool) {
	p := nodePackage{file: name, dir: path.Dir(name)}
	data, err := s.read(name)
	if err != nil {
		f.note("%s %v", shown(name), err)
		return p, false
	}
	p.data = data
	if err := json.Unmarshal(data, &p); err != nil {
		f.note("%s cannot be read: %s", shown(name), jsonFault(data, err))
		return p, false
	}
	return p, true
}

// jsonFault says where JSON breaks.
func jsonFault(data []byte, err error) string {
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		return fmt.Sprintf("line %d: %v", lineAt(data, int(syntax.Offset)), err)
	}
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) {
		return fmt.Sprintf("line %d: %q is a %s", lineAt(data, int(kind.Offset)), kind.Field, kind.Value)
	}
	return err.Error()
}

func lineAt(data []byte, offset int) int {
	return 1 + bytes.Count(data[:min(max(offset, 0), len(data))], []byte("\n"))
}

// placeholder is the test script npm init writes.
const placeholder = "no test specified"

func nodeUnit(s *source, f *found, ci *workflowRuns, p nodePackage, pnpmSpaces bool) {
	script, has := p.Scripts["test"]
	spaces := len(p.Spaces) > 0 || pnpmSpaces && p.dir == "."
	if !has && !spaces && p.dir != "." {
		return
	}
	manager, at := p.manager(s, f)
	f.add("language", "JavaScript or TypeScript", place{p.file, 1})
	f.add("package manager", manager, at)
	if len(p.Needs)+len(p.Dev)+len(p.Optional) > 0 || spaces {
		f.setup = append(f.setup, try{install(s, p, manager), at})
	}
	tests := ci.tests("npm", p.dir)
	switch {
	case has && !strings.Contains(script, placeholder):
		tests = append(tests, try{manager + in(manager, p.dir) + " test", place{p.file, lineOf(p.data, "scripts", "test")}})
	case !has && spaces:
		tests = append(tests, try{everywhere(manager), place{p.file, max(1, lineOf(p.data, "workspaces"))}})
	}
	if len(tests) == 0 {
		f.note("%s has no test script", shown(p.file))
		return
	}
	f.unit(unit{dir: p.dir, kind: "npm", tests: tests})
}

var lockFiles = []struct{ file, manager string }{
	{"package-lock.json", "npm"}, {"npm-shrinkwrap.json", "npm"}, {"pnpm-lock.yaml", "pnpm"}, {"yarn.lock", "yarn"},
}

// manager is the package manager by the field that names it, else by the lock
// file beside the manifest or in the root, else npm.
func (p nodePackage) manager(s *source, f *found) (string, place) {
	if name, _, _ := strings.Cut(p.Manager, "@"); name == "npm" || name == "pnpm" || name == "yarn" {
		return name, place{p.file, lineOf(p.data, "packageManager")}
	}
	var locks []string
	manager := "npm"
	for _, dir := range []string{p.dir, "."} {
		for _, l := range lockFiles {
			name := path.Join(dir, l.file)
			if _, ok := s.entries[name]; ok && !slices.Contains(locks, name) {
				if len(locks) == 0 {
					manager = l.manager
				}
				locks = append(locks, name)
			}
		}
		if len(locks) > 0 {
			break
		}
	}
	if len(locks) == 0 {
		return manager, place{p.file, 1}
	}
	if len(locks) > 1 {
		f.note("several lock files (%s): taken as %s; packageManager in package.json would decide", strings.Join(locks, ", "), manager)
	}
	return manager, place{locks[0], 1}
}

// in tells a package manager which folder it works in.
func in(manager, dir string) string {
	flag := map[string]string{"npm": " --prefix ", "pnpm": " -C ", "yarn": " --cwd "}[manager]
	if dir == "." {
		return ""
	}
	return flag + dir
}

// install fetches exactly what the lock file says, where there is one.
func install(s *source, p nodePackage, manager string) string {
	locked := func(names ...string) bool {
		return slices.ContainsFunc(names, func(n string) bool { _, ok := s.entries[path.Join(p.dir, n)]; return ok })
	}
	where := in(manager, p.dir)
	switch {
	case manager == "npm" && locked("package-lock.json", "npm-shrinkwrap.json"):
		return "npm" + where + " ci"
	case manager == "npm":
		return "npm" + where + " install --no-audit --no-fund"
	case manager == "yarn" && locked(".yarnrc.yml"):
		return "yarn" + where + " install --immutable"
	}
	return manager + where + " install --frozen-lockfile"
}

func everywhere(manager string) string {
	switch manager {
	case "pnpm":
		return "pnpm -r test"
	case "yarn":
		return "yarn workspaces run test"
	}
	return "npm test --workspaces --if-present"
}

// lineOf finds the line of a key in a JSON object, 0 when it is not there.
func lineOf(data []byte, keys ...string) int {
	dec := json.NewDecoder(bytes.NewReader(data))
	for at := 0; ; {
		if t, err := dec.Token(); err != nil || t != json.Delim('{') {
			return 0
		}
		for {
			if !dec.More() {
				return 0
			}
			key, err := dec.Token()
			if err != nil {
				return 0
			}
			if key == keys[at] {
				break
			}
			var skip json.RawMessage
			if dec.Decode(&skip) != nil {
				return 0
			}
		}
		if at++; at == len(keys) {
			return lineAt(data, int(dec.InputOffset()))
		}
	}
}

var (
	makefiles  = []string{"GNUmakefile", "makefile", "Makefile"}
	makeTarget = regexp.MustCompile(`^(test|check)\s*:([^=]|$)`)
)

// findMake finds a test target. Where the owner's workflows call it, it is how
// this repository is tested; otherwise it is the last thing to try.
func findMake(s *source, f *found, ci *workflowRuns) {
	called := ci.tests("make", ".")
	target, ok := readMake(s, f)
	if !ok && len(called) == 0 {
		return
	}
	if ok {
		f.add("make target", target.run, target.at)
	}
	switch {
	case len(f.units) == 0 || len(f.units) > 1 && len(called) > 0:
		f.units = nil
		f.unit(unit{dir: ".", kind: "make", tests: tries(called, target, ok)})
	case len(f.units) == 1:
		u := f.units[0]
		f.units = nil
		u.tests = append(called, u.tests...)
		if ok && len(called) == 0 {
			u.tests = append(u.tests, target)
		}
		f.unit(u)
	}
}

func tries(called []try, target try, ok bool) []try {
	if ok {
		return append(called, target)
	}
	return called
}

func readMake(s *source, f *found) (try, bool) {
	for _, name := range makefiles {
		data, err := s.read(name)
		if errors.Is(err, errAbsent) {
			continue
		}
		if err != nil {
			f.note("%s %v", name, err)
			return try{}, false
		}
		for i, line := range strings.Split(string(data), "\n") {
			if m := makeTarget.FindStringSubmatch(line); m != nil {
				return try{"make " + m[1], place{name, i + 1}}, true
			}
		}
		return try{}, false
	}
	return try{}, false
}

// sourceFile is a file an agent would change: code in a language init knows.
var sourceFile = regexp.MustCompile(`\.(go|[cm]?[jt]sx?|vue|svelte)$`)

// plainName is a folder's name that means itself in a glob.
var plainName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._ -]*$`)

// writable are the top folders that hold code, and the code in the root. None
// means that every file may be written that is not protected.
func writable(s *source) []string {
	var globs []string
	for _, p := range s.paths {
		if !sourceFile.MatchString(p) {
			continue
		}
		top, _, deep := strings.Cut(p, "/")
		glob := top + "/**"
		if !deep {
			glob = "*" + path.Ext(p)
		} else if !plainName.MatchString(top) || apart[top] {
			continue
		}
		if !slices.Contains(globs, glob) {
			globs = append(globs, glob)
		}
	}
	slices.Sort(globs)
	if len(globs) > maxGlobs {
		return nil
	}
	return globs
}

var handle = regexp.MustCompile(`^@([A-Za-z0-9](?:[A-Za-z0-9-]{0,38})(?:/[A-Za-z0-9._-]{1,80})?)$`)

// codeOwner is who owns everything by CODEOWNERS.
func codeOwner(s *source) guess {
	for _, name := range []string{".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"} {
		data, err := s.read(name)
		if err != nil {
			continue
		}
		for i, line := range strings.Split(string(data), "\n") {
			fields := strings.Fields(line)
			if len(fields) < 2 || fields[0] != "*" {
				continue
			}
			if m := handle.FindStringSubmatch(fields[1]); m != nil {
				return guess{"owner", m[1], place{name, i + 1}}
			}
		}
		return guess{}
	}
	return guess{}
}

// firstOf is the first line of an error, or other words where there is none.
func firstOf(err error, other string) string {
	if err == nil {
		return other
	}
	line, _, _ := strings.Cut(err.Error(), "\n")
	return shown(line)
}
