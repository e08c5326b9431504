package policy

import (
	"bytes"
	"fmt"
	"sort"

	"github.com/seedbed-dev/seedbed/internal/change"
)

// Tier is how much a change can break: it sets how many people must agree.
type Tier string

// The tiers, least first.
const (
	Low    Tier = "low"
	Medium Tier = "medium"
	High   Tier = "high"
)

// rank orders tiers; a tier from elsewhere that this version does not know
// counts as the highest.
func (t Tier) rank() int {
	switch t {
	case Low, "":
		return 0
	case Medium:
		return 1
	}
	return 2
}

// risks collects reasons by tier.
type risks struct{ high, medium map[string]bool }

// riskOf tells the tier from facts: which files, which modes, what was deleted.
// The task may raise it and never lower it. Kinds of change that need a reader
// of code are not told apart yet; unbuiltLimits says so where the seed asks.
func riskOf(in input) (Tier, []string) {
	r := risks{high: map[string]bool{}, medium: map[string]bool{}}
	for _, f := range in.protected {
		r.high[f.pattern.what+" ("+f.pattern.glob+")"] = true
	}
	for _, f := range in.change.Whole.Files {
		r.file(in, f)
	}
	task := in.facts.TaskRisk
	switch {
	case task.rank() == High.rank():
		r.high[fmt.Sprintf("the task says %s", task)] = true
	case task == Medium:
		r.medium["the task says medium"] = true
	}
	high, medium := keys(r.high), keys(r.medium)
	switch {
	case len(high) > 0:
		return High, append(high, medium...)
	case len(medium) > 0:
		return Medium, medium
	}
	return Low, nil
}

func (r risks) file(in input, f change.File) {
	for _, path := range sides(f) {
		j := judged(path)
		if i, ok := forbidsAny(in.seed.Risk.High, j); ok {
			r.high[fmt.Sprintf("risk.high %s (%s)", in.seed.Risk.High[i], in.place(fmt.Sprintf("risk.high[%d]", i)))] = true
		}
		if i, ok := forbidsAny(in.seed.Risk.Medium, j); ok {
			r.medium[fmt.Sprintf("risk.medium %s (%s)", in.seed.Risk.Medium[i], in.place(fmt.Sprintf("risk.medium[%d]", i)))] = true
		}
		if in.isManifest(j) {
			r.medium["a dependency manifest or lock file"] = true
		}
	}
	switch {
	case f.NewMode == change.ModeSymlink, f.NewMode == change.ModeSubmodule, f.OldMode == change.ModeSubmodule:
		r.high["a symbolic link or submodule"] = true
	case f.Status == change.Deleted:
		r.medium["a file is deleted"] = true
	case f.Status == change.Modified && f.OldMode != f.NewMode:
		r.high["a file mode changes"] = true
	case isPointer(f.New) && !isPointer(f.Old) && f.Status == change.Modified:
		r.high["a file becomes a pointer to content kept elsewhere"] = true
	}
	if !f.Loaded {
		r.medium["a file too large to read"] = true
	}
}

// isPointer tells a Git LFS pointer (github.com/git-lfs/git-lfs, docs/spec.md).
func isPointer(content []byte) bool {
	return bytes.HasPrefix(content, []byte("version https://git-lfs.github.com/spec/"))
}

// sides gives the paths that a file's change touches.
func sides(f change.File) []string {
	if f.OldPath != "" && f.OldPath != f.Path {
		return []string{f.Path, f.OldPath}
	}
	return []string{f.Path}
}

func keys(set map[string]bool) []string {
	var list []string
	for k := range set {
		list = append(list, k)
	}
	sort.Strings(list)
	return list
}
