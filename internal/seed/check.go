package seed

import (
	"fmt"
	"maps"
	"slices"
)

// BuiltinWorkers are the specialities that exist without an entry in workers.
func BuiltinWorkers() []string {
	return []string{"bug-fixer", "ci-medic", "conflict-resolver", "dependency-steward", "performance-tuner", "refactorer", "security-sentinel"}
}

// crossCheck looks at what one key means for another. It only finds what can
// never be meant; what merely looks odd is for a warning.
func (d *decoder) crossCheck() {
	d.oneFallback()
	d.knownWorkers()
	d.knownDomains()
}

func (d *decoder) at(path string, e Error) {
	p := d.seed.At(path)
	e.File, e.Line, e.Column, e.Path = d.file, p.Line, p.Column, path
	d.errs = append(d.errs, e)
}

// oneFallback refuses a second task type without keywords: nobody could say
// which one an issue falls to.
func (d *decoder) oneFallback() {
	first := ""
	for i, t := range d.seed.TaskTypes {
		at := fmt.Sprintf("task_types[%d]", i)
		written := d.seed.At(at+".keywords").Line > 0 && !d.seed.blank[at+".keywords"]
		if written || len(t.Keywords) > 0 {
			continue
		}
		if first != "" {
			d.at(at, Error{Found: "no keywords, as in " + first, Want: "at most one type without keywords"})
			continue
		}
		first = at
	}
}

func (d *decoder) knownWorkers() {
	known := append(slices.Sorted(maps.Keys(d.seed.Workers)), BuiltinWorkers()...)
	for i, t := range d.seed.TaskTypes {
		if t.Worker != "" && !slices.Contains(known, t.Worker) {
			d.at(fmt.Sprintf("task_types[%d].worker", i), Error{Found: fmt.Sprintf("unknown worker %q", t.Worker), Nearest: nearest(t.Worker, known)})
		}
	}
}

func (d *decoder) knownDomains() {
	var known []string
	for _, w := range d.seed.Domains {
		known = append(known, w.ID)
	}
	for i, w := range d.seed.Domains {
		for j, id := range w.Consumes {
			if id != "" && !slices.Contains(known, id) {
				d.at(fmt.Sprintf("domains[%d].consumes[%d]", i, j), Error{Found: fmt.Sprintf("unknown domain %q", id), Nearest: nearest(id, known)})
			}
		}
	}
}

// derive fills the defaults that follow from other keys.
func (s *Seed) derive() {
	if s.At(writeKey).Line == 0 {
		s.AutomationContract.AIAccess.WritePaths = slices.Clone(s.AutomationContract.AIAccess.ReadPaths)
	}
}
