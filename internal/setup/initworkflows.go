package setup

import (
	"fmt"
	"path"
	"regexp"
	"strings"

	"gopkg.in/yaml.v3"
)

// workflowRuns are the test commands and job names of the owner's own
// workflows. They are the best witness of how a repository is tested.
type workflowRuns struct {
	runs []workflowRun
	jobs []guess
}

type workflowRun struct {
	kind string // go | npm | make
	dir  string
	try
}

// tests lists what the workflows run of a kind in a folder, as lines for a
// shell that starts in the root.
func (w *workflowRuns) tests(kind, dir string) []try {
	var list []try
	for _, r := range w.runs {
		if r.kind != kind || r.dir != dir {
			continue
		}
		t := r.try
		if dir != "." {
			t.run = "cd " + dir + " && " + t.run
		}
		list = append(list, t)
	}
	return list
}

func (w *workflowRuns) checks() []guess { return w.jobs }

// readWorkflows reads .github/workflows. A file that cannot be read is noted
// and otherwise ignored; our own are left out.
func readWorkflows(s *source, f *found) *workflowRuns {
	w := &workflowRuns{}
	n := 0
	for _, p := range s.paths {
		if path.Dir(p) != ".github/workflows" || path.Ext(p) != ".yml" && path.Ext(p) != ".yaml" {
			continue
		}
		if n++; n > maxWorkflows {
			f.note("only the first %d workflows were looked at", maxWorkflows)
			break
		}
		data, err := s.read(p)
		if err != nil {
			f.note("%s %v", shown(p), err)
			continue
		}
		if callsSeedbed(data) {
			continue
		}
		var doc yaml.Node
		if err := yaml.Unmarshal(data, &doc); err != nil {
			f.note("%s cannot be read: %s", shown(p), firstOf(err, ""))
			continue
		}
		if len(doc.Content) > 0 {
			w.workflow(p, doc.Content[0])
		}
	}
	return w
}

func (w *workflowRuns) workflow(file string, root *yaml.Node) {
	dir := workingDir(root, ".")
	onPull := triggers(value(root, "on"), "pull_request")
	for id, job := range pairs(value(root, "jobs")) {
		if onPull {
			w.job(file, id, job)
		}
		jobDir := workingDir(job, dir)
		steps := value(job, "steps")
		if steps == nil || steps.Kind != yaml.SequenceNode {
			continue
		}
		for _, step := range steps.Content {
			if run := value(step, "run"); run != nil && run.Kind == yaml.ScalarNode {
				w.step(file, run, text(value(step, "working-directory"), jobDir))
			}
		}
	}
}

// job notes a job's name as its check carries it. The names of a matrix are
// only known when it runs.
func (w *workflowRuns) job(file string, id, job *yaml.Node) {
	name, at := id.Value, id.Line
	if n := value(job, "name"); n != nil && n.Kind == yaml.ScalarNode {
		name, at = n.Value, n.Line
	}
	if strings.Contains(name, "${{") || value(job, "strategy") != nil || value(job, "uses") != nil || !jobName.MatchString(name) {
		return
	}
	w.jobs = append(w.jobs, guess{"check", name, place{file, at}})
}

var jobName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9 ._/()-]{0,80}$`)

// step takes the test commands out of a run block, one a line.
func (w *workflowRuns) step(file string, run *yaml.Node, dir string) {
	dir = path.Clean(dir)
	if dir != "." && !plainDir.MatchString(dir) || strings.Contains(dir, "..") {
		return
	}
	first := run.Line
	lines := strings.Split(run.Value, "\n")
	switch run.Style {
	case yaml.LiteralStyle:
		first++
	case yaml.FoldedStyle:
		first++
		lines = lines[:1] // further lines do not stand where they are counted
	}
	for i, line := range lines {
		line = strings.Join(strings.Fields(line), " ")
		if kind := testKind(line); kind != "" {
			w.runs = append(w.runs, workflowRun{kind, dir, try{line, place{file, first + i}}})
		}
	}
}

// testLine is a test command without any shell syntax or expression.
var testLine = regexp.MustCompile(`^(?:[A-Z_][A-Z0-9_]*=[A-Za-z0-9_./,:-]* )*(go test|npm t|npm (?:run )?test|pnpm (?:run )?test|yarn (?:run )?test|make (?:test|check))(?::[a-z0-9:-]+)?(?: [A-Za-z0-9@%_+=:,./ -]*)?$`)

func testKind(line string) string {
	m := testLine.FindStringSubmatch(line)
	if m == nil || len(line) > 200 {
		return ""
	}
	switch program, _, _ := strings.Cut(m[1], " "); program {
	case "go", "make":
		return program
	}
	return "npm"
}

func workingDir(n *yaml.Node, otherwise string) string {
	return text(value(value(value(n, "defaults"), "run"), "working-directory"), otherwise)
}

func text(n *yaml.Node, otherwise string) string {
	if n == nil || n.Kind != yaml.ScalarNode || n.Value == "" {
		return otherwise
	}
	return n.Value
}

// triggers says whether an on: value names an event.
func triggers(on *yaml.Node, event string) bool {
	if on == nil {
		return false
	}
	if on.Kind == yaml.ScalarNode {
		return on.Value == event
	}
	for i, c := range on.Content {
		if c.Value == event && (on.Kind == yaml.SequenceNode || i%2 == 0) {
			return true
		}
	}
	return false
}

// value is an entry of a mapping; aliases are not followed, so that a file
// cannot blow up.
func value(n *yaml.Node, key string) *yaml.Node {
	for k, v := range pairs(n) {
		if k.Value == key {
			return v
		}
	}
	return nil
}

func pairs(n *yaml.Node) func(yield func(k, v *yaml.Node) bool) {
	return func(yield func(k, v *yaml.Node) bool) {
		if n == nil || n.Kind != yaml.MappingNode {
			return
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			if !yield(n.Content[i], n.Content[i+1]) {
				return
			}
		}
	}
}

// shown makes a name or text of strangers fit for one line of a terminal.
func shown(s string) string {
	quoted := fmt.Sprintf("%q", s)
	if quoted[1:len(quoted)-1] == s {
		return s
	}
	return quoted
}
