package check

import (
	"bufio"
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"

	"golang.org/x/mod/modfile"
)

// report is what a command said about single tests.
type report struct {
	passed int
	failed []string
	seen   []string
	text   []byte // output for people where the raw one is for machines
}

func (r report) total() int { return r.passed + len(r.failed) }

var goTest = regexp.MustCompile(`^((?:[A-Za-z_][A-Za-z0-9_]*=[A-Za-z0-9_./=,:@-]* +)*go test)( .*)?$`)

// reporting gives the line to run and the format of what comes back. A plain
// "go test" is asked for events; a line with shell syntax is left as it is.
func reporting(d Declared) (line, format string) {
	if d.Report.Format != "" {
		return d.Run, d.Report.Format
	}
	m := goTest.FindStringSubmatch(strings.TrimSpace(d.Run))
	if d.Kind != Test || m == nil || strings.ContainsAny(m[2], "|&;<>()`\n") {
		return d.Run, ""
	}
	for _, word := range strings.Fields(m[2]) {
		if word == "-json" || word == "--json" {
			return d.Run, "gotest"
		}
	}
	return m[1] + " -json" + m[2], "gotest"
}

// goEvent is one line of go test -json (go doc test2json, and the build events
// of go help buildjson).
type goEvent struct {
	Action     string
	Package    string
	ImportPath string
	Test       string
	Output     string
}

type goTests struct {
	module  string
	result  map[string]string // name -> pass | fail | skip
	order   []string
	parents map[string]bool // names with a failing part
	text    bytes.Buffer
	outputs map[string]*bytes.Buffer
}

// parseGoTest reads events. A package that fails without a failing test is
// named as a whole. The text is the output of what failed.
func parseGoTest(data []byte, module string) report {
	g := &goTests{module: module, result: map[string]string{}, parents: map[string]bool{}, outputs: map[string]*bytes.Buffer{}}
	in := bufio.NewReaderSize(bytes.NewReader(data), 64<<10)
	for {
		line, err := in.ReadBytes('\n')
		var e goEvent
		if len(line) > 0 && line[0] == '{' && json.Unmarshal(line, &e) == nil {
			g.event(e)
		}
		if err != nil {
			return g.report()
		}
	}
}

func (g *goTests) event(e goEvent) {
	name := g.name(e)
	switch e.Action {
	case "run":
		g.settle(name, "unfinished")
	case "output":
		g.output(name).WriteString(e.Output)
	case "build-output":
		g.text.WriteString(e.Output)
	case "pass", "fail", "skip":
		g.settle(name, e.Action)
		if e.Action == "fail" {
			g.failParents(e, name)
		}
	}
}

// settle keeps the newest result of a name, but for a failure: with -count a
// test that failed once has failed.
func (g *goTests) settle(name, result string) {
	old, known := g.result[name]
	if !known {
		g.order = append(g.order, name)
	}
	if old != "fail" {
		g.result[name] = result
	}
}

// failParents marks what fails only because a part of it does.
func (g *goTests) failParents(e goEvent, name string) {
	if e.Test == "" {
		return
	}
	g.parents[g.name(goEvent{Package: e.Package})] = true
	for i := strings.LastIndexByte(name, '/'); i >= 0 && strings.Contains(e.Test, "/"); i = strings.LastIndexByte(name, '/') {
		e.Test = e.Test[:strings.LastIndexByte(e.Test, '/')]
		name = g.name(e)
		g.parents[name] = true
	}
}

func (g *goTests) output(name string) *bytes.Buffer {
	b := g.outputs[name]
	if b == nil {
		b = &bytes.Buffer{}
		g.outputs[name] = b
	}
	return b
}

// name is PACKAGE.TEST with the package relative to the module, TEST alone in
// the module's root and "PACKAGE (package)" for a whole package.
func (g *goTests) name(e goEvent) string {
	pkg := e.Package
	if pkg == "" {
		pkg = e.ImportPath
	}
	pkg, _, _ = strings.Cut(pkg, " ")
	if pkg == g.module {
		pkg = ""
	} else if g.module != "" {
		pkg = strings.TrimPrefix(pkg, g.module+"/")
	}
	switch {
	case e.Test == "" && pkg == "":
		return "(package)"
	case e.Test == "":
		return pkg + " (package)"
	case pkg == "":
		return e.Test
	}
	return pkg + "." + e.Test
}

func (g *goTests) report() report {
	var r report
	g.order = g.worthNaming()
	for _, name := range g.order {
		whole := strings.HasSuffix(name, "(package)")
		if !whole {
			r.seen = append(r.seen, name)
		}
		switch {
		case g.result[name] == "fail" && !g.parents[name]:
			r.failed = append(r.failed, name)
			g.show(name)
		case g.result[name] == "fail":
			g.show(name)
		case g.result[name] == "pass" && !whole:
			r.passed++
		}
	}
	r.text = g.text.Bytes()
	if len(r.text) == 0 {
		for _, name := range g.order {
			if strings.HasSuffix(name, "(package)") {
				g.show(name)
			}
		}
		r.text = g.text.Bytes()
	}
	return r
}

// worthNaming drops unfinished tests that wait for an unfinished part. What
// never ended counts as failed: it is what a hanging run hangs in.
func (g *goTests) worthNaming() []string {
	waits := map[string]bool{}
	for _, name := range g.order {
		if i := strings.LastIndexByte(name, '/'); i >= 0 && g.result[name] == "unfinished" {
			waits[name[:i]] = true
		}
	}
	var list []string
	for _, name := range g.order {
		if g.result[name] == "unfinished" {
			if waits[name] {
				continue
			}
			g.result[name] = "fail"
		}
		list = append(list, name)
	}
	return list
}

func (g *goTests) show(name string) {
	if b := g.outputs[name]; b != nil {
		g.text.Write(b.Bytes())
	}
}

// modulePath is the module of the go.mod in dir, empty without one.
func modulePath(dir string) string {
	data, err := readInside(dir, "go.mod", 1<<20)
	if err != nil {
		return ""
	}
	return modfile.ModulePath(data)
}

// junitCase is one testcase element of the JUnit format, as surefire's schema
// has it and most tools write it.
type junitCase struct {
	Class   string    `xml:"classname,attr"`
	Name    string    `xml:"name,attr"`
	Failure *struct{} `xml:"failure"`
	Error   *struct{} `xml:"error"`
	Skipped *struct{} `xml:"skipped"`
}

// parseJUnit reads testcase elements wherever they stand. A report that is cut
// gives what stands before the cut.
func parseJUnit(data []byte) report {
	var r report
	dec := xml.NewDecoder(bytes.NewReader(data))
	for {
		token, err := dec.Token()
		if err != nil {
			return r
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "testcase" {
			continue
		}
		var c junitCase
		if err := dec.DecodeElement(&c, &start); err != nil && !errors.Is(err, io.EOF) {
			return r
		}
		name := c.Name
		if c.Class != "" {
			name = c.Class + "." + c.Name
		}
		r.add(name, c.Failure == nil && c.Error == nil, c.Skipped != nil)
	}
}

func (r *report) add(name string, ok, skipped bool) {
	r.seen = append(r.seen, name)
	switch {
	case skipped:
	case ok:
		r.passed++
	default:
		r.failed = append(r.failed, name)
	}
}

var tapLine = regexp.MustCompile(`^(not )?ok\b[ \t]*([0-9]*)[ \t]*(?:- )?[ \t]*([^#]*)(?:#[ \t]*(?i:(skip|todo)).*)?$`)

// parseTAP reads test points of the Test Anything Protocol, version 12 to 14,
// those of subtests left out: their parent has a point of its own. TODO points
// count as skipped.
func parseTAP(data []byte) report {
	var r report
	for line := range bytes.Lines(data) {
		m := tapLine.FindStringSubmatch(strings.TrimRight(string(line), "\r\n"))
		if m == nil {
			continue
		}
		name := strings.TrimSpace(m[3])
		if name == "" {
			name = "test " + m[2]
		}
		r.add(name, m[1] == "", m[4] != "")
	}
	return r
}
