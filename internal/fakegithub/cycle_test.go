package fakegithub

import "testing"

// A whole cycle by hand: issue, branch, pull request, review, merge, and the
// issue closed by its keyword.
func TestCycle(t *testing.T) {
	w := newWorld(t)
	n := w.issue(w.dev, "Fix it")
	w.do(w.dev, "POST", repoPath+"/issues/1/labels", `["ai-task"]`).want(200).is("ai-task", 0, "name")
	head := w.branch(w.actions, "seedbed/1", "main.go", "package main\n\nfunc main() {}\n")
	p := w.do(w.actions, "POST", repoPath+"/pulls", obj{"title": "Do it", "head": "seedbed/1", "base": "main", "body": "Closes #1"}).want(201)
	p.is(true, "mergeable").is("clean", "mergeable_state").is(1, "commits").is("github-actions[bot]", "user", "login")
	w.do(w.actions, "POST", repoPath+"/pulls/2/reviews", obj{"event": "APPROVE"}).want(422).saying("Can not approve your own pull request")
	w.do(w.dev, "POST", repoPath+"/pulls/2/reviews", obj{"event": "APPROVE", "commit_id": head}).want(200).is("APPROVED", "state")
	w.do(w.actions, "PUT", repoPath+"/pulls/2/merge", obj{"merge_method": "squash", "sha": w.tip("main")}).want(409)
	w.do(w.actions, "PUT", repoPath+"/pulls/2/merge", obj{"merge_method": "squash", "sha": head}).want(200).is(true, "merged")
	w.do(w.dev, "GET", repoPath+"/issues/1", nil).want(200).is("closed", "state")
	w.do(w.dev, "GET", repoPath+"/pulls/2", nil).want(200).is(true, "merged")
	if n != 1 {
		t.Errorf("have first issue %d, want 1", n)
	}
}
