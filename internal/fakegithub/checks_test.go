package fakegithub

import (
	"fmt"
	"strings"
	"testing"
)

func TestChecks(t *testing.T) {
	w := newWorld(t)
	w.pull(w.dev, "p", "x.txt", "x\n")
	head := w.tip("p")
	runs := repoPath + "/check-runs"
	note := func(n int) []any {
		var out []any
		for i := 1; i <= n; i++ {
			out = append(out, obj{"path": "x.txt", "start_line": i, "end_line": i, "annotation_level": "warning", "message": fmt.Sprint("note ", i)})
		}
		return out
	}
	made := w.do(w.actions, "POST", runs, obj{"name": "seedbed", "head_sha": head, "status": "in_progress", "external_id": "k", "output": obj{"title": "t", "summary": "s", "annotations": note(50)}}).want(201)
	id := made.num("id")
	made.is("in_progress", "status").is(nil, "conclusion").is("github-actions", "app", "slug").is(50, "output", "annotations_count").is(1, "pull_requests", 0, "number")
	at := fmt.Sprintf("%s/%d", runs, id)
	w.do(w.actions, "PATCH", at, obj{"output": obj{"title": "t", "summary": "s", "annotations": note(51)}}).want(422).saying("No more than 50")
	w.do(w.actions, "PATCH", at, obj{"output": obj{"title": "t", "summary": "s", "annotations": note(10)}}).want(200).is(60, "output", "annotations_count")
	w.do(w.actions, "PATCH", at, obj{"status": "completed"}).want(422)
	w.do(w.actions, "PATCH", at, obj{"conclusion": "fine"}).want(422)
	w.do(w.actions, "PATCH", at, obj{"conclusion": "failure"}).want(200).is("completed", "status").is("2026-03-01T09:00:00Z", "completed_at")
	w.do(w.app, "PATCH", at, obj{"conclusion": "success"}).want(403).saying("app_id")
	w.do(w.dev, "POST", runs, obj{"name": "x", "head_sha": head}).want(403).saying("You must authenticate via a GitHub App.")
	w.do(w.actions, "POST", runs, obj{"name": "x", "head_sha": strings.Repeat("1", 40)}).want(422)
	w.do(w.actions, "POST", runs, obj{"head_sha": head}).want(422)
	w.do(w.actions, "POST", runs, obj{"name": "seedbed", "head_sha": head, "conclusion": "success", "status": "completed"}).want(201)
	w.do(w.dev, "GET", at, nil).want(200).is("failure", "conclusion")
	w.do(w.dev, "GET", at+"/annotations?per_page=100", nil).want(200).is("x.txt", 0, "path").is("note 10", 59, "message")
	w.do(w.dev, "GET", repoPath+"/commits/p/check-runs", nil).want(200).is(1, "total_count").is("success", "check_runs", 0, "conclusion")
	w.do(w.dev, "GET", repoPath+"/commits/"+head+"/check-runs?filter=all&check_name=seedbed", nil).want(200).is(2, "total_count")
	suites := w.do(w.dev, "GET", repoPath+"/commits/p/check-suites", nil).want(200).is(1, "total_count").is("success", "check_suites", 0, "conclusion")
	suite := fmt.Sprintf("%s/check-suites/%d", repoPath, suites.num("check_suites", 0, "id"))
	w.do(w.dev, "GET", suite, nil).want(200).is("p", "head_branch")
	w.do(w.dev, "GET", suite+"/check-runs", nil).want(200).is(1, "total_count")
	w.event("check_run-completed").is("seedbed", "check_run", "name").is(head, "check_run", "check_suite", "head_sha")
}

func TestStatuses(t *testing.T) {
	w := newWorld(t)
	head := w.tip("main")
	at := repoPath + "/statuses/" + head
	w.do(w.dev, "GET", repoPath+"/commits/main/status", nil).want(200).is("pending", "state").is(0, "total_count")
	w.do(w.dev, "POST", at, obj{"state": "pending", "context": "ci", "target_url": "https://example.com/x", "description": "d"}).want(201).is("dev", "creator", "login")
	w.do(w.dev, "POST", at, obj{"state": "success", "context": "ci"}).want(201)
	w.do(w.dev, "POST", at, obj{"state": "failure", "context": "lint"}).want(201)
	w.do(w.dev, "POST", at, obj{"state": "great"}).want(422)
	w.do(w.dev, "POST", at, obj{"state": "success", "description": strings.Repeat("d", 141)}).want(422)
	w.do(w.dev, "POST", repoPath+"/statuses/"+strings.Repeat("1", 40), obj{"state": "success"}).want(422)
	w.do(w.dev, "GET", repoPath+"/commits/main/status", nil).want(200).is("failure", "state").is(2, "total_count")
	w.do(w.dev, "GET", repoPath+"/commits/"+head+"/statuses", nil).want(200).is("lint", 0, "context")
	w.event("status").is("lint", "context")
}

func TestDeployments(t *testing.T) {
	w := newWorld(t)
	sha := w.tip("main")
	create := func(in obj) *answer { return w.do(w.actions, "POST", repoPath+"/deployments", in) }
	first := create(obj{"ref": "main", "environment": "staging", "payload": obj{"run": 1}, "description": "d", "auto_merge": false, "required_contexts": []any{}, "production_environment": false}).want(201)
	first.is(sha, "sha").is("staging", "environment").is(1, "payload", "run").is("deploy", "task")
	create(obj{"ref": "none"}).want(422).saying("No ref found")
	create(obj{"ref": "main", "required_contexts": []any{"ci"}}).want(409).saying("ci")
	at := fmt.Sprintf("%s/deployments/%d", repoPath, first.num("id"))
	w.do(w.actions, "POST", at+"/statuses", obj{"state": "in_progress"}).want(201)
	done := w.do(w.actions, "POST", at+"/statuses", obj{"state": "success", "environment_url": "http://127.0.0.1/x", "log_url": "http://127.0.0.1/log", "description": "up"}).want(201)
	w.do(w.actions, "POST", at+"/statuses", obj{"state": "wonderful"}).want(422)
	w.do(w.dev, "GET", at+"/statuses", nil).want(200).is("success", 0, "state").is("in_progress", 1, "state")
	w.do(w.dev, "GET", fmt.Sprintf("%s/statuses/%d", at, done.num("id")), nil).want(200).is("up", "description")
	w.do(w.dev, "GET", at, nil).want(200).is("staging", "original_environment")
	second := create(obj{"ref": sha, "environment": "staging", "required_contexts": []any{}}).want(201).num("id")
	w.do(w.dev, "GET", repoPath+"/deployments?environment=staging&sha="+sha, nil).want(200).is(second, 0, "id")
	w.do(w.actions, "POST", fmt.Sprintf("%s/deployments/%d/statuses", repoPath, second), obj{"state": "success"}).want(201)
	w.do(w.dev, "GET", at+"/statuses", nil).want(200).is("inactive", 0, "state")
	w.event("deployment-created").is("staging", "deployment", "environment")
	w.event("deployment_status-created").is("inactive", "deployment_status", "state")
}

func TestWorkflowsAndRuns(t *testing.T) {
	w := newWorld(t)
	list := w.do(w.dev, "GET", repoPath+"/actions/workflows", nil).want(200).is(2, "total_count").is("CI", "workflows", 0, "name").is(".github/workflows/ci.yml", "workflows", 0, "path")
	at := repoPath + "/actions/workflows/ci.yml"
	w.do(w.dev, "GET", at, nil).want(200).is(list.num("workflows", 0, "id"), "id")
	w.do(w.actions, "POST", at+"/dispatches", obj{"ref": "main", "inputs": obj{"issue": "1"}}).want(204)
	w.event("workflow_dispatch").is("1", "inputs", "issue").is("refs/heads/main", "ref").is(".github/workflows/ci.yml", "workflow").is("github-actions[bot]", "sender", "login")
	for _, name := range w.events() {
		if strings.HasPrefix(name, "suppressed/") && strings.Contains(name, "dispatch") {
			t.Errorf("have %s, want dispatches never suppressed", name)
		}
	}
	w.do(w.actions, "POST", at+"/dispatches", obj{"ref": "none"}).want(422).saying("No ref found")
	w.do(w.actions, "POST", at+"/dispatches", obj{}).want(422)
	w.do(w.actions, "POST", repoPath+"/actions/workflows/push.yml/dispatches", obj{"ref": "main"}).want(422).saying("does not have 'workflow_dispatch' trigger")
	w.do(w.actions, "POST", repoPath+"/actions/workflows/none.yml/dispatches", obj{"ref": "main"}).want(404)
	w.do(w.actions, "POST", repoPath+"/dispatches", obj{"event_type": "seed/../x", "client_payload": obj{"a": 1}}).want(204)
	w.event("repository_dispatch-seed____x").is(1, "client_payload", "a")

	id, err := w.s.SetRun("acme/app", Run{ID: 77, Path: ".github/workflows/ci.yml", Name: "CI", Event: "pull_request", Status: "completed", Conclusion: "failure", HeadSHA: w.tip("main"), HeadBranch: "main", Jobs: []Job{{Name: "test", Status: "completed", Conclusion: "failure"}}})
	w.must(err)
	if id != 77 {
		t.Errorf("have run id %d, want 77", id)
	}
	w.event("workflow_run-completed").is(77, "workflow_run", "id").is("CI", "workflow", "name")
	runs := repoPath + "/actions/runs"
	w.do(w.dev, "GET", runs+"?branch=main&event=pull_request&status=failure", nil).want(200).is(1, "total_count")
	w.do(w.dev, "GET", runs+"?status=success", nil).want(200).is(0, "total_count")
	w.do(w.dev, "GET", at+"/runs", nil).want(200).is(77, "workflow_runs", 0, "id")
	w.do(w.dev, "GET", runs+"/77/jobs", nil).want(200).is("test", "jobs", 0, "name")
	w.do(w.actions, "POST", runs+"/77/rerun", nil).want(201)
	w.do(w.dev, "GET", runs+"/77", nil).want(200).is("queued", "status").is(2, "run_attempt").is(nil, "conclusion")
	w.do(w.actions, "POST", runs+"/77/rerun", nil).want(403)
	w.do(w.actions, "POST", runs+"/77/cancel", nil).want(202)
	w.do(w.actions, "POST", runs+"/77/cancel", nil).want(409)
	w.do(w.actions, "POST", runs+"/77/rerun-failed-jobs", nil).want(201)
	w.do(w.dev, "GET", runs+"/78", nil).want(404)
	w.do(w.owner, "GET", repoPath+"/actions/permissions", nil).want(200).is(true, "enabled")
	w.do(w.owner, "GET", repoPath+"/actions/permissions/workflow", nil).want(200).is(true, "can_approve_pull_request_reviews")
	w.do(w.dev, "GET", repoPath+"/actions/permissions", nil).want(403).saying("admin rights")
}

func TestVariables(t *testing.T) {
	w := newWorld(t)
	at := repoPath + "/actions/variables"
	w.do(w.owner, "POST", at, obj{"name": "SEEDBED_STOP", "value": "1"}).want(201)
	w.do(w.owner, "POST", at, obj{"name": "seedbed_stop", "value": "1"}).want(409)
	w.do(w.owner, "PATCH", at+"/SEEDBED_STOP", obj{"value": "0"}).want(204)
	w.do(w.owner, "GET", at+"/SEEDBED_STOP", nil).want(200).is("0", "value")
	w.do(w.owner, "GET", at, nil).want(200).is(1, "total_count")
	w.do(w.actions, "POST", at, obj{"name": "X", "value": "1"}).want(403).saying(notByActor)
	w.do(w.owner, "DELETE", at+"/SEEDBED_STOP", nil).want(204)
	w.must(w.s.SetVariable("acme/app", "x", "y"))
	w.do(w.owner, "GET", at+"/X", nil).want(200).is("y", "value")
}

func TestProtectionAndRulesets(t *testing.T) {
	w := newWorld(t)
	at := repoPath + "/branches/main"
	w.do(w.owner, "GET", at+"/protection", nil).want(404).saying("Branch not protected")
	w.do(w.dev, "GET", repoPath+"/rules/branches/main", nil).want(200).is("[]")
	w.must(w.s.Protect("acme/app", "main", Protection{Checks: []string{"ci"}, Strict: true, Reviews: 2, Linear: true, MergeQueue: true}))
	p := w.do(w.owner, "GET", at+"/protection", nil).want(200)
	p.is("ci", "required_status_checks", "contexts", 0).is(true, "required_status_checks", "strict").is(2, "required_pull_request_reviews", "required_approving_review_count")
	w.do(w.dev, "GET", at+"/protection", nil).want(403)
	w.do(w.dev, "GET", at, nil).want(200).is(true, "protected")
	w.do(w.dev, "GET", repoPath+"/branches?protected=true", nil).want(200).is("main", 0, "name")
	rules := w.do(w.dev, "GET", repoPath+"/rules/branches/main", nil).want(200)
	rules.is("pull_request", 0, "type").is("required_status_checks", 1, "type").is("merge_queue", 3, "type")
	w.do(w.dev, "GET", repoPath+"/rulesets", nil).want(200).is("active", 0, "enforcement")
	w.do(w.dev, "GET", repoPath+"/rulesets/1", nil).want(200).is("refs/heads/main", "conditions", "ref_name", "include", 0)
	w.do(w.dev, "GET", repoPath+"/rulesets/9", nil).want(404)
}

func TestPeople(t *testing.T) {
	w := newWorld(t)
	w.do(w.dev, "GET", "/user", nil).want(200).is("dev", "login").is(501, "id")
	w.do(w.actions, "GET", "/user", nil).want(403).saying("Resource not accessible by integration")
	w.do("", "GET", "/user", nil).want(401)
	w.do(w.dev, "GET", "/users/helper", nil).want(200).is(502, "id")
	w.do(w.dev, "GET", "/users/nobody", nil).want(404)
	w.do(w.dev, "GET", "/rate_limit", nil).want(200).is(5000, "rate", "limit")
	for login, want := range map[string]string{"acme": "admin admin", "dev": "write write", "helper": "read triage", "guest": "read read", "stranger": "read read"} {
		p := w.do(w.actions, "GET", repoPath+"/collaborators/"+login+"/permission", nil).want(200)
		if have := p.str("permission") + " " + p.str("role_name"); have != want {
			t.Errorf("%s: have %q, want %q", login, have, want)
		}
	}
	w.do(w.dev, "GET", repoPath+"/collaborators/helper/permission", nil).want(200).is(true, "user", "permissions", "triage").is(false, "user", "permissions", "push")
	w.do(w.dev, "GET", repoPath+"/collaborators/nobody/permission", nil).want(404)
	w.do(w.dev, "GET", repoPath+"/collaborators/helper", nil).want(204)
	w.do(w.dev, "GET", repoPath+"/collaborators/stranger", nil).want(404)
	w.do(w.dev, "GET", repoPath+"/collaborators", nil).want(200).is("acme", 0, "login")
	w.do(w.dev, "GET", repoPath, nil).want(200).is("main", "default_branch").is(true, "permissions", "push").is("public", "visibility")
	w.do(w.owner, "PATCH", repoPath, obj{"description": "d", "private": true, "allow_squash_merge": false, "delete_branch_on_merge": true}).want(200).is("private", "visibility").is(false, "allow_squash_merge")
	w.do(w.owner, "PATCH", repoPath, obj{"default_branch": "none"}).want(422)
	w.do(w.dev, "PATCH", repoPath, obj{"private": false}).want(403).saying("admin rights")
	w.do(w.stranger, "GET", repoPath, nil).want(404) // private now
	w.do("", "GET", repoPath, nil).want(404)
	w.do(w.reader, "GET", repoPath, nil).want(200)
}
