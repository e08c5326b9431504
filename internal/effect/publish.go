package effect

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/task"
)

const leaseFile = "lease.json"

// takeLease claims an issue: creating the reference is the atomic step, and
// exactly one of any number of runs gets it. The lease stands in a commit whose
// tree is one file. A stale lease is taken over by a commit on top of it, moved
// to without force, so that of two heirs one wins.
func (a *Applier) takeLease(ctx context.Context, r Refs, f Files, p TakeLease, res *Result) error {
	var err error
	for range 3 {
		err = a.takeOnce(ctx, r, f, p, res)
		if !errors.Is(err, forge.ErrConflict) && !errors.Is(err, forge.ErrExists) {
			return err
		}
	}
	return err
}

func (a *Applier) takeOnce(ctx context.Context, r Refs, f Files, p TakeLease, res *Result) error {
	ref, err := r.Ref(ctx, task.LeaseRef(p.Lease.Issue))
	if errors.Is(err, forge.ErrNotFound) {
		return a.claim(ctx, r, f, p.Lease, "", res)
	}
	if err != nil {
		return err
	}
	have, err := leaseAt(ctx, f, ref)
	if err != nil {
		return err
	}
	if have.Run == p.Lease.Run {
		res.State, res.SHA = Already, ref.SHA // left by an earlier attempt of this run
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
	return a.claim(ctx, r, f, p.Lease, ref.SHA, res)
}

func taken(have task.Lease, res *Result) error {
	res.State = Refused
	return fmt.Errorf("#%d is taken by run %d: %w", have.Issue, have.Run, ErrTaken)
}

// claim writes the lease and points the reference at it, on top of a stale one
// if there is one.
func (a *Applier) claim(ctx context.Context, r Refs, f Files, l task.Lease, stale string, res *Result) error {
	commit, err := writeLease(ctx, r, l, stale)
	if err != nil {
		return err
	}
	ref := task.LeaseRef(l.Issue)
	err = again(func() error {
		if stale != "" {
			return r.UpdateRef(ctx, ref, commit)
		}
		return r.CreateRef(ctx, ref, commit)
	}, func() (bool, error) { return pointsAt(ctx, r, ref, commit) })
	if errors.Is(err, forge.ErrExists) || errors.Is(err, forge.ErrConflict) || errors.Is(err, forge.ErrNotFound) {
		return lost(ctx, r, f, l, commit, err, res)
	}
	if err == nil {
		res.SHA = commit
	}
	return err
}

// lost is after a claim that the forge refused: somebody else was faster, or
// our own first sending arrived late after all. With no lease there the refusal
// has another reason, which is told as it is.
func lost(ctx context.Context, r Refs, f Files, l task.Lease, commit string, refusal error, res *Result) error {
	ref, err := r.Ref(ctx, task.LeaseRef(l.Issue))
	if errors.Is(err, forge.ErrNotFound) {
		return refusal
	}
	if err != nil {
		return err
	}
	if ref.SHA == commit {
		res.SHA = commit
		return nil
	}
	have, err := leaseAt(ctx, f, ref)
	if err != nil {
		return err
	}
	return taken(have, res)
}

func writeLease(ctx context.Context, r Refs, l task.Lease, stale string) (string, error) {
	data, err := json.MarshalIndent(l, "", " ")
	if err != nil {
		return "", err
	}
	tree, err := createTree(ctx, r, "", []forge.TreeEdit{{Path: leaseFile, Mode: "100644", Content: append(data, '\n')}})
	if err != nil {
		return "", err
	}
	var parents []string
	if stale != "" {
		parents = []string{stale}
	}
	return createCommit(ctx, r, fmt.Sprintf("seedbed: lease of #%d", l.Issue), tree, parents)
}

// createTree and createCommit repeat what was lost: an object that nothing
// points at is no change of the world.
func createTree(ctx context.Context, r Refs, base string, edits []forge.TreeEdit) (sha string, err error) {
	err = repeat(func() (err error) {
		sha, err = r.CreateTree(ctx, base, edits)
		return err
	})
	return sha, err
}

func createCommit(ctx context.Context, r Refs, message, tree string, parents []string) (sha string, err error) {
	err = repeat(func() (err error) {
		sha, err = r.CreateCommit(ctx, message, tree, parents)
		return err
	})
	return sha, err
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
	return leaseAt(ctx, files, ref)
}

func leaseAt(ctx context.Context, files Files, ref forge.Ref) (task.Lease, error) {
	file, err := files.File(ctx, leaseFile, ref.SHA)
	if errors.Is(err, forge.ErrNotFound) {
		return task.Lease{}, fmt.Errorf("%s holds no %s: delete it if nobody works on the issue", ref.Name, leaseFile)
	}
	if err != nil {
		return task.Lease{}, err
	}
	var l task.Lease
	if err := json.Unmarshal(file.Content, &l); err != nil {
		return task.Lease{}, fmt.Errorf("reading %s of %s: %w", leaseFile, ref.Name, err)
	}
	return l, nil
}

// releaseLease deletes the lease if it is still ours. GitHub has no conditional
// delete; nobody takes over the lease of a run that has not ended, and a delete
// whose answer was lost is looked up before it is sent again.
func releaseLease(ctx context.Context, r Refs, f Files, p ReleaseLease, res *Result) error {
	have, err := ReadLease(ctx, r, f, p.Issue)
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
	err = again(func() error { return r.DeleteRef(ctx, task.LeaseRef(p.Issue)) }, func() (bool, error) {
		now, err := ReadLease(ctx, r, f, p.Issue)
		if errors.Is(err, forge.ErrNotFound) {
			return true, nil
		}
		return now.Run != p.Run, err
	})
	if errors.Is(err, forge.ErrNotFound) {
		return nil
	}
	return err
}

// publish puts the judged steps on the branch and opens the pull request. Each
// created tree must be the judged one, to the bit: the forge computed it from
// the same edits.
func (a *Applier) publish(ctx context.Context, r Refs, q Pulls, p PublishChange, res *Result) error {
	if !a.Approved.MayPublish(p.Tree) {
		res.State = Refused
		return fmt.Errorf("no verdict permits publishing tree %s", short(p.Tree))
	}
	if len(p.Steps) == 0 || p.Steps[len(p.Steps)-1].Tree != p.Tree {
		res.State = Refused
		return fmt.Errorf("steps do not arrive at the judged tree %s", short(p.Tree))
	}
	head, found, err := branchAt(ctx, r, p)
	if err == nil && !found {
		head, found, err = createBranch(ctx, r, p)
	}
	if err != nil {
		return err
	}
	res.SHA = head
	return openPull(ctx, q, p, found, res)
}

// branchAt looks for a branch left by an earlier try. One with another tree is
// somebody's work and is never overwritten.
func branchAt(ctx context.Context, r Refs, p PublishChange) (string, bool, error) {
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

// createBranch makes the commits and then the branch; found says that somebody
// made it meanwhile, with the judged tree.
func createBranch(ctx context.Context, r Refs, p PublishChange) (head string, found bool, err error) {
	base, err := r.Commit(ctx, p.Base)
	if err != nil {
		return "", false, err
	}
	tree, parent := base.Tree, p.Base
	for i, s := range p.Steps {
		if tree, err = createTree(ctx, r, tree, s.Edits); err != nil {
			return "", false, err
		}
		if tree != s.Tree {
			return "", false, fmt.Errorf("step %d: the forge made tree %s, judged was %s: %w", i+1, short(tree), short(s.Tree), ErrMoved)
		}
		if parent, err = createCommit(ctx, r, s.Message, tree, []string{parent}); err != nil {
			return "", false, err
		}
	}
	ref := "refs/heads/" + p.Branch
	err = again(func() error { return r.CreateRef(ctx, ref, parent) }, func() (bool, error) { return pointsAt(ctx, r, ref, parent) })
	if errors.Is(err, forge.ErrExists) {
		return branchAt(ctx, r, p)
	}
	return parent, false, err
}

// openPull opens the pull request of the branch, or finds it. One that a person
// closed stays closed and is told as it is.
func openPull(ctx context.Context, q Pulls, p PublishChange, branchFound bool, res *Result) error {
	var pull forge.Pull
	find := func() (found bool, err error) {
		pull, found, err = pullOf(ctx, q, p)
		return found, err
	}
	found, err := find()
	if err != nil {
		return err
	}
	if found && branchFound {
		res.State = Already
	}
	if !found {
		err = again(func() (err error) {
			pull, err = q.CreatePull(ctx, p.Title, p.Branch, p.Onto, p.Body, p.Draft)
			return err
		}, find)
	}
	if errors.Is(err, forge.ErrExists) {
		_, err = find()
	}
	res.Number, res.URL = pull.Number, pull.HTMLURL
	return err
}

// pullOf looks for the pull request of the branch: an open one before others,
// the newest of those.
func pullOf(ctx context.Context, q Pulls, p PublishChange) (forge.Pull, bool, error) {
	pulls, err := q.PullsByHead(ctx, p.Branch)
	var best forge.Pull
	for _, have := range pulls {
		if have.Base.Ref != p.Onto {
			continue
		}
		if best.Number == 0 || have.State == "open" || best.State != "open" {
			best = have
		}
	}
	return best, best.Number != 0, err
}

// merge merges exactly the judged head. GitHub compares the head alone, so the
// tree is read before; what it was merged onto is for govern to look at, which
// knows how much of a moved base was only the log.
func (a *Applier) merge(ctx context.Context, q Pulls, r Refs, p MergePull, res *Result) error {
	if !a.Approved.MayMerge(p.Base, p.Tree) {
		res.State = Refused
		return fmt.Errorf("no verdict permits merging tree %s onto %s", short(p.Tree), short(p.Base))
	}
	pull, err := q.Pull(ctx, p.Pull)
	if err != nil {
		return err
	}
	res.Number, res.URL = pull.Number, pull.HTMLURL
	if err := unmoved(ctx, r, pull, p); err != nil {
		return err
	}
	if pull.Merged {
		res.State, res.SHA = Already, pull.MergeCommitSHA
		return nil
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

func unmoved(ctx context.Context, r Refs, pull forge.Pull, p MergePull) error {
	if pull.State != "open" && !pull.Merged {
		return fmt.Errorf("pull request #%d is %s: %w", p.Pull, pull.State, ErrMoved)
	}
	if pull.Base.Ref != p.Onto {
		return fmt.Errorf("pull request #%d goes to %s, judged was %s: %w", p.Pull, pull.Base.Ref, p.Onto, ErrMoved)
	}
	if pull.Head.SHA != p.Head {
		return fmt.Errorf("head of #%d is %s, judged was %s: %w", p.Pull, short(pull.Head.SHA), short(p.Head), ErrMoved)
	}
	commit, err := r.Commit(ctx, pull.Head.SHA)
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

// createDeployment finds its own record by commit, environment and task, which
// together are its key.
func createDeployment(ctx context.Context, d Deployments, p CreateDeployment, res *Result) error {
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
		made, err := d.CreateDeployment(ctx, forge.Deployment{SHA: p.SHA, Ref: p.SHA, Environment: p.Environment, Task: p.Task,
			Payload: p.Payload, Description: p.Description})
		res.ID = made.ID
		return err
	}, find)
}

func setDeployment(ctx context.Context, d Deployments, p SetDeployment, res *Result) error {
	find := func() (bool, error) {
		if p.Environment == "" {
			return false, nil // nothing to look under; a status said twice does no harm
		}
		all, err := d.Deployments(ctx, p.Environment)
		return slices.ContainsFunc(all, func(have forge.Deployment) bool {
			return have.ID == p.Deployment && have.State == p.State
		}), err
	}
	found, err := find()
	if err != nil {
		return err
	}
	if found {
		res.State = Already
		return nil
	}
	return again(func() error { return d.SetDeploymentStatus(ctx, p.Deployment, p.State, p.Description, "", p.URL) }, find)
}
