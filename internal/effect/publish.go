package effect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/task"
)

const leaseFile = "lease.json"

// takeLease claims an issue: creating the reference is the atomic step, and
// exactly one of any number of runs gets it. The lease stands in a commit whose
// tree is one file. A stale lease is taken over by a commit on top of it, moved
// to without force, so that of two heirs one wins.
func (a *Applier) takeLease(ctx context.Context, r Refs, p TakeLease, res *Result) error {
	ref, err := r.Ref(ctx, task.LeaseRef(p.Lease.Issue))
	if errors.Is(err, forge.ErrNotFound) {
		return a.claim(ctx, r, p.Lease, "", res)
	}
	if err != nil {
		return err
	}
	have, err := ReadLease(ctx, r, a.Ports.Files, p.Lease.Issue)
	if err != nil {
		return err
	}
	if have.Run == p.Lease.Run {
		res.State = Already // left by an earlier attempt of this run
		return nil
	}
	stale, err := Stale(ctx, a.Ports.Runs, have, a.Now())
	if err != nil {
		return err
	}
	if !stale {
		return taken(have, res)
	}
	res.Detail = fmt.Sprintf("taken over from run %d, which has ended", have.Run)
	return a.claim(ctx, r, p.Lease, ref.SHA, res)
}

func taken(have task.Lease, res *Result) error {
	res.State = Refused
	return fmt.Errorf("#%d is taken by run %d: %w", have.Issue, have.Run, ErrTaken)
}

// claim writes the lease and points the reference at it, on top of a stale one
// if there is one.
func (a *Applier) claim(ctx context.Context, r Refs, l task.Lease, stale string, res *Result) error {
	commit, err := writeLease(ctx, r, l, stale)
	if err != nil {
		return err
	}
	res.SHA = commit
	ref := task.LeaseRef(l.Issue)
	err = again(func() error {
		if stale != "" {
			return r.UpdateRef(ctx, ref, commit)
		}
		return r.CreateRef(ctx, ref, commit)
	}, func() (bool, error) { return pointsAt(ctx, r, ref, commit) })
	if errors.Is(err, forge.ErrExists) || errors.Is(err, forge.ErrConflict) {
		have, readErr := ReadLease(ctx, r, a.Ports.Files, l.Issue)
		if readErr != nil {
			return fmt.Errorf("%w: %w", ErrTaken, readErr)
		}
		return taken(have, res)
	}
	return err
}

func writeLease(ctx context.Context, r Refs, l task.Lease, stale string) (string, error) {
	data, err := json.MarshalIndent(l, "", " ")
	if err != nil {
		return "", err
	}
	tree, err := r.CreateTree(ctx, "", []forge.TreeEdit{{Path: leaseFile, Mode: "100644", Content: append(data, '\n')}})
	if err != nil {
		return "", err
	}
	var parents []string
	if stale != "" {
		parents = []string{stale}
	}
	return r.CreateCommit(ctx, fmt.Sprintf("seedbed: lease of #%d", l.Issue), tree, parents)
}

func pointsAt(ctx context.Context, r Refs, ref, sha string) (bool, error) {
	have, err := r.Ref(ctx, ref)
	if errors.Is(err, forge.ErrNotFound) {
		return false, nil
	}
	return have.SHA == sha, err
}

// Stale says whether a lease's run has ended. The forge is asked; where it does
// not know the run, the lease's own time decides.
func Stale(ctx context.Context, runs Runs, l task.Lease, now time.Time) (bool, error) {
	if runs == nil {
		return false, fmt.Errorf("this step does not hold what asking about run %d needs", l.Run)
	}
	run, err := runs.WorkflowRun(ctx, l.Run)
	switch {
	case err == nil:
		return run.Status == "completed", nil
	case errors.Is(err, forge.ErrNotFound):
		return now.After(l.Expires), nil
	}
	return false, fmt.Errorf("asking whether run %d has ended: %w", l.Run, err)
}

// ReadLease reads the lease of an issue; forge.ErrNotFound means there is none.
func ReadLease(ctx context.Context, r Refs, files Files, issue int) (task.Lease, error) {
	ref, err := r.Ref(ctx, task.LeaseRef(issue))
	if err != nil {
		return task.Lease{}, err
	}
	file, err := files.File(ctx, leaseFile, ref.SHA)
	if err != nil {
		return task.Lease{}, err
	}
	var l task.Lease
	if err := json.Unmarshal(file.Content, &l); err != nil {
		return task.Lease{}, fmt.Errorf("reading the lease of #%d: %w", issue, err)
	}
	return l, nil
}

// releaseLease deletes the lease if it is still ours.
func releaseLease(ctx context.Context, r Refs, files Files, p ReleaseLease, res *Result) error {
	have, err := ReadLease(ctx, r, files, p.Issue)
	if errors.Is(err, forge.ErrNotFound) {
		res.State = Already
		return nil
	}
	if err != nil {
		return err
	}
	if have.Run != p.Run {
		res.State, res.Detail = Already, fmt.Sprintf("held by run %d", have.Run)
		return nil
	}
	err = repeat(func() error { return r.DeleteRef(ctx, task.LeaseRef(p.Issue)) })
	if errors.Is(err, forge.ErrNotFound) {
		return nil
	}
	return err
}

// publish puts the judged steps on the branch and opens the pull request. Each
// created tree must be the judged one, to the bit: the forge computed it from
// the same edits.
func (a *Applier) publish(ctx context.Context, r Refs, p PublishChange, res *Result) error {
	if !a.Approved.MayPublish(p.Tree) {
		res.State = Refused
		return fmt.Errorf("no verdict permits publishing tree %s", short(p.Tree))
	}
	if len(p.Steps) == 0 || p.Steps[len(p.Steps)-1].Tree != p.Tree {
		res.State = Refused
		return fmt.Errorf("steps do not arrive at the judged tree %s", short(p.Tree))
	}
	head, found, err := a.branchAt(ctx, r, p)
	if err != nil {
		return err
	}
	if !found {
		if head, err = createBranch(ctx, r, p); err != nil {
			return err
		}
	}
	res.SHA = head
	return a.openPull(ctx, p, found, res)
}

// branchAt looks for a branch left by an earlier try. One with another tree is
// somebody's work and is never overwritten.
func (a *Applier) branchAt(ctx context.Context, r Refs, p PublishChange) (string, bool, error) {
	ref, err := r.Ref(ctx, "refs/heads/"+p.Branch)
	if errors.Is(err, forge.ErrNotFound) {
		return "", false, nil
	}
	if err != nil {
		return "", false, err
	}
	commit, err := r.Commit(ctx, ref.SHA)
	if err != nil {
		return "", false, err
	}
	if commit.Tree != p.Tree {
		return "", false, fmt.Errorf("branch %s holds tree %s, judged was %s: %w", p.Branch, short(commit.Tree), short(p.Tree), ErrMoved)
	}
	return ref.SHA, true, nil
}

func createBranch(ctx context.Context, r Refs, p PublishChange) (string, error) {
	base, err := r.Commit(ctx, p.Base)
	if err != nil {
		return "", err
	}
	tree, parent := base.Tree, p.Base
	for i, s := range p.Steps {
		if tree, err = r.CreateTree(ctx, tree, s.Edits); err != nil {
			return "", err
		}
		if tree != s.Tree {
			return "", fmt.Errorf("step %d: the forge made tree %s, judged was %s: %w", i+1, short(tree), short(s.Tree), ErrMoved)
		}
		if parent, err = r.CreateCommit(ctx, s.Message, tree, []string{parent}); err != nil {
			return "", err
		}
	}
	ref := "refs/heads/" + p.Branch
	err = again(func() error { return r.CreateRef(ctx, ref, parent) }, func() (bool, error) { return pointsAt(ctx, r, ref, parent) })
	return parent, err
}

func (a *Applier) openPull(ctx context.Context, p PublishChange, branchFound bool, res *Result) error {
	if a.Ports.Pulls == nil {
		return fmt.Errorf("this step does not hold what opening a pull request needs")
	}
	find := func() (forge.Pull, bool, error) {
		pulls, err := a.Ports.Pulls.PullsByHead(ctx, p.Branch)
		if err != nil || len(pulls) == 0 {
			return forge.Pull{}, false, err
		}
		return pulls[0], true, nil
	}
	pull, found, err := find()
	if err != nil {
		return err
	}
	if found {
		if branchFound {
			res.State = Already
		}
	} else {
		err = again(func() (err error) {
			pull, err = a.Ports.Pulls.CreatePull(ctx, p.Title, p.Branch, p.Onto, p.Body, p.Draft)
			return err
		}, func() (ok bool, err error) {
			pull, ok, err = find()
			return ok, err
		})
	}
	res.Number, res.URL = pull.Number, pull.HTMLURL
	return err
}

// merge merges exactly the judged head onto exactly the judged base. GitHub's
// call compares the head alone, so the tree is read again before and the first
// parent after.
func (a *Applier) merge(ctx context.Context, q Pulls, p MergePull, res *Result) error {
	if !a.Approved.MayMerge(p.Base, p.Tree) {
		res.State = Refused
		return fmt.Errorf("no verdict permits merging tree %s onto %s", short(p.Tree), short(p.Base))
	}
	pull, err := q.Pull(ctx, p.Pull)
	if err != nil {
		return err
	}
	res.Number, res.URL = pull.Number, pull.HTMLURL
	if pull.Merged {
		res.State, res.SHA = Already, pull.MergeCommitSHA
		return nil
	}
	if err := a.unmoved(ctx, pull, p); err != nil {
		return err
	}
	return again(func() (err error) {
		res.SHA, err = q.Merge(ctx, p.Pull, p.Head, p.Method, p.Title, p.Message)
		return err
	}, func() (bool, error) {
		pull, err := q.Pull(ctx, p.Pull)
		res.SHA = pull.MergeCommitSHA
		return pull.Merged, err
	})
}

func (a *Applier) unmoved(ctx context.Context, pull forge.Pull, p MergePull) error {
	if pull.State != "open" {
		return fmt.Errorf("pull request #%d is %s: %w", p.Pull, pull.State, ErrMoved)
	}
	if pull.Head.SHA != p.Head {
		return fmt.Errorf("head of #%d is %s, judged was %s: %w", p.Pull, short(pull.Head.SHA), short(p.Head), ErrMoved)
	}
	commit, err := a.Ports.Refs.Commit(ctx, pull.Head.SHA)
	if err != nil {
		return err
	}
	if commit.Tree != p.Tree {
		return fmt.Errorf("tree of #%d is %s, judged was %s: %w", p.Pull, short(commit.Tree), short(p.Tree), ErrMoved)
	}
	return nil
}

func freezeRef(what string) string { return "refs/seedbed/freeze/" + what }

func setFreeze(ctx context.Context, r Refs, p SetFreeze, res *Result) error {
	err := repeat(func() error { return r.CreateRef(ctx, freezeRef(p.What), p.SHA) })
	if errors.Is(err, forge.ErrExists) {
		res.State = Already
		return nil
	}
	return err
}

func clearFreeze(ctx context.Context, r Refs, p ClearFreeze, res *Result) error {
	err := repeat(func() error { return r.DeleteRef(ctx, freezeRef(p.What)) })
	if errors.Is(err, forge.ErrNotFound) {
		res.State = Already
		return nil
	}
	return err
}

// createDeployment finds its own record by the key inside the payload.
func createDeployment(ctx context.Context, d Deployments, key string, p CreateDeployment, res *Result) error {
	find := func() (bool, error) {
		all, err := d.Deployments(ctx, p.Environment)
		for _, have := range all {
			if have.SHA == p.SHA && have.Task == p.Task {
				res.ID = have.ID
				return true, err
			}
		}
		return false, err
	}
	found, err := find()
	if err != nil {
		return err
	}
	if found {
		res.State = Already
		return nil
	}
	return again(func() error {
		made, err := d.CreateDeployment(ctx, forge.Deployment{SHA: p.SHA, Environment: p.Environment, Task: p.Task,
			Payload: p.Payload, Description: p.Description})
		res.ID = made.ID
		return err
	}, find)
}

func setDeployment(ctx context.Context, d Deployments, p SetDeployment, _ *Result) error {
	return repeat(func() error { return d.SetDeploymentStatus(ctx, p.Deployment, p.State, p.Description, "", p.URL) })
}
