package setup

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/adapter/git"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/seed"
)

// maxPeople bounds how many accounts are asked about: each is a call.
const maxPeople = 20

// patterns looks for globs of the seed that can name nothing.
func (d *doctor) patterns(ctx context.Context) {
	var paths []string
	if repo, err := git.Open(d.root.Name()); err == nil {
		if tree, err := repo.Tree(ctx, "HEAD"); err == nil {
			for _, e := range tree.Entries {
				paths = append(paths, e.Path)
			}
		}
	}
	for _, p := range d.seed.Patterns() {
		switch {
		case p.Meant != "":
			d.problem("pattern", "write "+p.Meant, "%s: %s can name no file (%s)", p.Key, p.Glob, p.Place)
		case len(paths) > 0 && !slices.ContainsFunc(paths, func(path string) bool { return seed.Match(p.Glob, path) }):
			d.ok("pattern", "%s: %s names no file at HEAD (%s)", p.Key, p.Glob, p.Place)
		}
	}
}

// owned is one account or team that CODEOWNERS or the seed names, and where.
type owned struct{ who, where string }

// people asks whether those whose yes is needed can give it: an approval that
// nobody can give stops every change, and nothing else would say why.
func (d *doctor) people(ctx context.Context) {
	if d.seed != nil {
		for _, key := range []string{"approvals.merge", "automation_contract.merge_policy.require_human_review_from"} {
			list := d.seed.Approvals.Merge
			if key != "approvals.merge" {
				list = d.seed.AutomationContract.MergePolicy.RequireHumanReviewFrom
			}
			d.approvers(ctx, key, list)
		}
	}
	for _, o := range d.owners() {
		d.owner(ctx, o)
	}
}

func (d *doctor) approvers(ctx context.Context, key string, list []string) {
	if len(list) == 0 {
		return
	}
	place := d.seed.At(key)
	for _, who := range list[:min(len(list), maxPeople)] {
		switch may, err := d.mayWrite(ctx, who); {
		case err != nil:
			d.unknown("approvers", "%s (%s): whether %s may approve: %v", key, place, who, err)
			return
		case may:
			d.ok("approvers", "%s (%s): %s may approve", key, place, who)
			return
		}
	}
	d.problem("approvers", "name somebody with write access in "+key, "%s (%s): nobody can approve: none of %s may write here", key, place, strings.Join(list, ", "))
}

var errTeam = errors.New("a team, whose members this token cannot read")

// mayWrite asks about an account. Who does not exist may not.
func (d *doctor) mayWrite(ctx context.Context, who string) (bool, error) {
	if strings.Contains(who, "/") {
		return false, errTeam
	}
	may, err := d.Forge.Permission(ctx, who)
	if errors.Is(err, forge.ErrNotFound) {
		return false, nil
	}
	return may.Push, err
}

func (d *doctor) owner(ctx context.Context, o owned) {
	if o.who == "" {
		d.problem("CODEOWNERS", "name an account with write access there", "%s names nobody", o.where)
		return
	}
	switch may, err := d.mayWrite(ctx, o.who); {
	case err != nil:
		d.unknown("CODEOWNERS", "%s: @%s: %v", o.where, o.who, err)
	case !may:
		d.problem("CODEOWNERS", "give @"+o.who+" write access, or name somebody else", "%s names @%s, who may not write here", o.where, o.who)
	default:
		d.ok("CODEOWNERS", "%s: @%s may write", o.where, o.who)
	}
}

// owners lists whom CODEOWNERS names, each once; a file that names nobody gives
// one entry without a name.
func (d *doctor) owners() (list []owned) {
	if d.root == nil {
		return nil
	}
	for _, name := range []string{".github/CODEOWNERS", "CODEOWNERS", "docs/CODEOWNERS"} {
		data, err := d.file(name, maxManifest)
		if err != nil {
			continue
		}
		for i, line := range strings.Split(string(data), "\n") {
			line, _, _ = strings.Cut(line, "#")
			fields := strings.Fields(line)
			for _, word := range fields[min(1, len(fields)):] {
				m := handle.FindStringSubmatch(word)
				if m == nil || slices.ContainsFunc(list, func(o owned) bool { return o.who == m[1] }) || len(list) == maxPeople {
					continue
				}
				list = append(list, owned{m[1], place{name, i + 1}.String()})
			}
		}
		if len(list) == 0 {
			return []owned{{"", name}}
		}
		return list
	}
	return nil
}
