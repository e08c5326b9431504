package fakegithub

import (
	"fmt"
	"strings"
)

// A merge queue tries each pull request on top of its base in a group: a
// commit on a branch of the queue's own, on which a merge_group event asks for
// checks. Here groups hold one pull request, and nothing merges by itself:
// DrainQueue does, so that a test decides when.

// enterQueue appends a pull request and forms its group.
func (c *call) enterQueue(i *issue) (*queueEntry, error) {
	q := &queueEntry{ID: c.st.nextID(), Number: i.Number, HeadSHA: i.Pull.HeadSHA, Enqueuer: c.actor.Login, At: c.now}
	if err := c.formGroup(i, q); err != nil {
		return nil, err
	}
	c.repo.Queue = append(c.repo.Queue, q)
	c.record(i, &issueEvent{Event: "added_to_merge_queue"})
	c.pullEvent(i, "enqueued", nil)
	c.groupEvent(i, q)
	return q, nil
}

// formGroup merges the pull request onto its base in a branch of the queue's own.
func (c *call) formGroup(i *issue, q *queueEntry) error {
	base := c.git.resolve("refs/heads/" + i.Pull.BaseRef)
	tree, clean, err := c.git.mergeTree(base, i.Pull.HeadSHA)
	if err != nil {
		return err
	}
	if !clean {
		return &graphError{kind: "UNPROCESSABLE", message: "Pull request has merge conflicts"}
	}
	q.Base = base
	if q.Group, err = c.squash(i, mergeInput{}, tree, base); err != nil {
		return err
	}
	c.dropGroup(q)
	q.Ref = fmt.Sprintf("refs/heads/gh-readonly-queue/%s/pr-%d-%s", i.Pull.BaseRef, i.Number, base)
	if err := c.git.updateRef(q.Ref, q.Group, ""); err != nil {
		return fmt.Errorf("making the merge group's branch: %w", err)
	}
	return nil
}

// dropGroup deletes a group's branch; that it was gone already is no harm.
func (c *call) dropGroup(q *queueEntry) {
	if q.Ref != "" {
		_ = c.git.updateRef(q.Ref, zeroSHA, "")
		q.Ref = ""
	}
}

func (c *call) groupEvent(i *issue, q *queueEntry) {
	k, err := c.git.commit(q.Group)
	if err != nil {
		return // unreachable: formGroup wrote it
	}
	c.event("merge_group", "checks_requested", obj{"merge_group": obj{"head_sha": q.Group, "head_ref": q.Ref, "base_sha": q.Base, "base_ref": "refs/heads/" + i.Pull.BaseRef,
		"head_commit": obj{"id": k.SHA, "tree_id": k.Tree, "message": k.Message, "timestamp": stamp(k.Committer.When),
			"author": obj{"name": k.Author.Name, "email": k.Author.Email}, "committer": obj{"name": k.Committer.Name, "email": k.Committer.Email}}}})
}

// DrainQueue works through the merge queue of OWNER/NAME once, in order: a
// group whose required checks are green is merged, one with a red check leaves
// the queue, one whose base has moved is formed anew, the others wait. It
// gives the numbers of the pull requests merged.
func (s *Server) DrainQueue(full string) ([]int, error) {
	var merged []int
	err := s.with(full, func(r *repository) error {
		c := s.inside(r, s.st.user(webFlow))
		for _, q := range append([]*queueEntry{}, r.Queue...) {
			done, err := c.tryGroup(r.Issues[q.Number], q)
			if err != nil {
				return fmt.Errorf("merging #%d from the queue: %w", q.Number, err)
			}
			if done {
				merged = append(merged, q.Number)
			}
		}
		return nil
	})
	return merged, err
}

// tryGroup decides about one entry; true means merged.
func (c *call) tryGroup(i *issue, q *queueEntry) (bool, error) {
	base := c.git.resolve("refs/heads/" + i.Pull.BaseRef)
	switch {
	case i.State != "open" || i.Pull.HeadSHA != q.HeadSHA || c.redAt(q.Group) && !c.waiting(q.Group):
		c.leaveQueue(i, q)
		return false, nil
	case base != q.Base:
		if err := c.formGroup(i, q); err != nil {
			c.leaveQueue(i, q)
			return false, nil
		}
		c.groupEvent(i, q)
		return false, nil
	}
	for _, name := range c.repo.Protections[i.Pull.BaseRef].Checks {
		if !c.green(q.Group, name) {
			return false, nil
		}
	}
	ref := "refs/heads/" + i.Pull.BaseRef
	if err := c.git.updateRef(ref, q.Group, base); err != nil {
		return false, err
	}
	c.leaveQueue(i, q)
	i.Pull.BaseSHA = base
	c.markMerged(i, q.Group)
	c.moved(ref, base, q.Group)
	c.tidyHead(i)
	return true, nil
}

// waiting tells whether a check on a commit has not ended yet.
func (c *call) waiting(sha string) bool {
	for _, r := range c.repo.Checks {
		if r.HeadSHA == sha && r.Status != "completed" {
			return true
		}
	}
	for _, s := range c.latestStatuses(sha) {
		if s.State == "pending" {
			return true
		}
	}
	return false
}

func (c *call) leaveQueue(i *issue, q *queueEntry) {
	c.repo.Queue = filter(c.repo.Queue, func(o *queueEntry) bool { return o != q })
	c.dropGroup(q)
	c.record(i, &issueEvent{Event: "removed_from_merge_queue"})
	c.pullEvent(i, "dequeued", nil)
}

// queueRef tells whether a ref belongs to a merge queue: nobody writes it.
func queueRef(ref string) bool { return strings.HasPrefix(ref, "refs/heads/gh-readonly-queue/") }
