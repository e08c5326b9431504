package fakegithub

import (
	"encoding/json"
	"path"
	"regexp"
	"sort"
	"strings"
)

const workflowDir = ".github/workflows"

var workflowName = regexp.MustCompile(`(?m)^name:[ \t]*["']?([^"'\n#]+?)["']?[ \t]*(?:#.*)?$`)

// workflows lists the workflow files of the default branch. Ids are given at
// first sight and stay.
func (c *call) workflows() []*workflow {
	tip := c.git.resolve("refs/heads/" + c.repo.DefaultBranch)
	if tip == "" {
		return nil
	}
	k, err := c.git.commit(tip)
	if err != nil {
		return nil
	}
	dir := c.git.entry(k.Tree, workflowDir)
	if dir == nil {
		return nil
	}
	entries, err := c.git.tree(dir.SHA, false)
	if err != nil {
		return nil
	}
	var out []*workflow
	for _, e := range entries {
		if ext := path.Ext(e.Path); ext == ".yml" || ext == ".yaml" {
			out = append(out, c.workflowAtPath(workflowDir+"/"+e.Path))
		}
	}
	return out
}

func (c *call) workflowAtPath(p string) *workflow {
	for _, w := range c.repo.Workflows {
		if w.Path == p {
			return w
		}
	}
	w := &workflow{ID: c.st.nextID(), Path: p, At: c.now}
	c.repo.Workflows = append(c.repo.Workflows, w)
	return w
}

// workflowText reads a workflow file at a commit; "" when it is not there.
func (c *call) workflowText(w *workflow, k *gitCommit) string {
	if k == nil {
		return ""
	}
	e := c.git.entry(k.Tree, w.Path)
	if e == nil {
		return ""
	}
	data, err := c.objectOf(e.SHA, "blob")
	if err != nil {
		return ""
	}
	return string(data)
}

func (c *call) workflowShape(w *workflow) any {
	name := w.Path
	if m := workflowName.FindStringSubmatch(c.workflowText(w, c.git.commitish(c.repo.DefaultBranch))); m != nil {
		name = m[1]
	}
	state := "active"
	if w.Disabled {
		state = "disabled_manually"
	}
	return obj{"id": w.ID, "node_id": nodeID("W", w.ID), "name": name, "path": w.Path, "state": state, "created_at": stamp(w.At), "updated_at": stamp(w.At),
		"url": c.api("/actions/workflows/%d", w.ID), "html_url": c.html("/blob/%s/%s", c.repo.DefaultBranch, w.Path), "badge_url": c.html("/workflows/%s/badge.svg", escapePath(name))}
}

func (c *call) listWorkflows() (reply, error) {
	all := c.workflows()
	return ok(obj{"total_count": len(all), "workflows": page(c, all, c.workflowShape)})
}

// workflowParam finds a workflow by id or by file name.
func (c *call) workflowParam() (*workflow, error) {
	for _, w := range c.workflows() {
		if c.params["workflow"] == itoa(w.ID) || c.params["workflow"] == path.Base(w.Path) || c.params["workflow"] == w.Path {
			return w, nil
		}
	}
	return nil, errNotFound
}

func (c *call) getWorkflow() (reply, error) {
	w, err := c.workflowParam()
	if err != nil {
		return reply{}, err
	}
	return ok(c.workflowShape(w))
}

// dispatchWorkflow writes the event that would start a run. It is one of the
// two that GITHUB_TOKEN can start workflows with.
func (c *call) dispatchWorkflow() (reply, error) {
	w, err := c.workflowParam()
	if err != nil {
		return reply{}, err
	}
	var in struct {
		Ref    string
		Inputs map[string]json.RawMessage
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if in.Ref == "" {
		return reply{}, refuse(422, "Invalid request.\n\n\"ref\" wasn't supplied.")
	}
	name := strings.TrimPrefix(strings.TrimPrefix(in.Ref, "refs/heads/"), "refs/tags/")
	k := c.git.commitish(name)
	if k == nil {
		return reply{}, refuse(422, "No ref found for: %s", in.Ref)
	}
	if c.repo.Settings.ActionsDisabled || w.Disabled {
		return reply{}, refuse(422, "Cannot trigger a 'workflow_dispatch' on a disabled workflow")
	}
	if !strings.Contains(c.workflowText(w, k), "workflow_dispatch") {
		return reply{}, refuse(422, "Workflow does not have 'workflow_dispatch' trigger")
	}
	if len(in.Inputs) > 25 {
		return reply{}, refuse(422, "Too many inputs: at most 25 are allowed")
	}
	inputs := obj{}
	for key, raw := range in.Inputs {
		var text string
		if json.Unmarshal(raw, &text) != nil {
			text = string(raw)
		}
		inputs[key] = text
	}
	full := "refs/heads/" + name
	if c.git.resolve(full) == "" {
		full = "refs/tags/" + name
	}
	c.dispatchEvent("workflow_dispatch", "", obj{"inputs": inputs, "ref": full, "workflow": w.Path})
	return noContent()
}

func (c *call) repositoryDispatch() (reply, error) {
	var in struct {
		EventType string          `json:"event_type"`
		Payload   json.RawMessage `json:"client_payload"`
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if in.EventType == "" {
		return reply{}, refuse(422, "Invalid request.\n\n\"event_type\" wasn't supplied.")
	}
	var payload any = obj{}
	if len(in.Payload) > 0 {
		payload = in.Payload
	}
	c.dispatchEvent("repository_dispatch", in.EventType, obj{"action": in.EventType, "branch": c.repo.DefaultBranch, "client_payload": payload})
	return noContent()
}

// setRun is SetRun's inner half.
func (s *Server) setRun(r *repository, in Run) int64 {
	c := s.inside(r, s.st.user(actionsBot))
	var run *workflowRun
	for _, old := range r.Runs {
		if old.ID == in.ID {
			run = old
		}
	}
	if run == nil {
		r.LastRun++
		run = &workflowRun{ID: in.ID, Number: r.LastRun, Attempt: 1, CreatedAt: c.now}
		if run.ID == 0 {
			run.ID = s.st.nextID()
		}
		r.Runs = append(r.Runs, run)
	}
	was := run.Status
	run.Path, run.Name, run.Event, run.Status, run.Conclusion = in.Path, orElse(in.Name, path.Base(in.Path)), orElse(in.Event, "push"), orElse(in.Status, "queued"), in.Conclusion
	run.HeadSHA, run.HeadBranch, run.Actor, run.UpdatedAt, run.Jobs = in.HeadSHA, in.HeadBranch, orElse(in.Actor, r.Owner), c.now, in.Jobs
	for n := range run.Jobs {
		if run.Jobs[n].ID == 0 {
			run.Jobs[n].ID = s.st.nextID()
		}
	}
	if run.Status == "completed" && was != "completed" {
		c.runEvent(run, "completed")
	}
	return run.ID
}

func (c *call) runShape(r *workflowRun) any {
	api, html := c.api("/actions/runs/%d", r.ID), c.html("/actions/runs/%d", r.ID)
	w := c.workflowAtPath(r.Path)
	head := obj{"id": r.HeadSHA, "tree_id": emptyTree, "message": "", "timestamp": stamp(r.CreatedAt), "author": nil, "committer": nil}
	title := r.Name
	if k, err := c.git.commit(r.HeadSHA); err == nil {
		head = obj{"id": k.SHA, "tree_id": k.Tree, "message": k.Message, "timestamp": stamp(k.Committer.When),
			"author": obj{"name": k.Author.Name, "email": k.Author.Email}, "committer": obj{"name": k.Committer.Name, "email": k.Committer.Email}}
		title, _, _ = strings.Cut(k.Message, "\n")
	}
	return obj{"id": r.ID, "name": r.Name, "node_id": nodeID("WFR", r.ID), "head_branch": orNil(r.HeadBranch), "head_sha": r.HeadSHA, "path": r.Path, "display_title": title,
		"run_number": r.Number, "run_attempt": r.Attempt, "event": r.Event, "status": r.Status, "conclusion": orNil(r.Conclusion), "workflow_id": w.ID, "url": api, "html_url": html,
		"pull_requests": c.pullsAt(r.HeadSHA), "created_at": stamp(r.CreatedAt), "updated_at": stamp(r.UpdatedAt), "run_started_at": stamp(r.CreatedAt),
		"actor": c.login(r.Actor), "triggering_actor": c.login(r.Actor), "jobs_url": api + "/jobs", "logs_url": api + "/logs", "check_suite_url": c.api("/check-suites/%d", r.ID), "check_suite_id": r.ID, "check_suite_node_id": nodeID("CS", r.ID),
		"artifacts_url": api + "/artifacts", "cancel_url": api + "/cancel", "rerun_url": api + "/rerun", "previous_attempt_url": nil, "workflow_url": c.api("/actions/workflows/%d", w.ID),
		"head_commit": head, "repository": c.minimal(c.repo), "head_repository": c.minimal(c.repo), "referenced_workflows": []any{}}
}

func (c *call) listRuns() (reply, error) {
	q := c.query
	only := ""
	if c.params["workflow"] != "" {
		w, err := c.workflowParam()
		if err != nil {
			return reply{}, err
		}
		only = w.Path
	}
	all := filter(c.repo.Runs, func(r *workflowRun) bool {
		for name, have := range map[string]string{"branch": r.HeadBranch, "event": r.Event, "head_sha": r.HeadSHA, "actor": r.Actor} {
			if want := q.Get(name); want != "" && want != have {
				return false
			}
		}
		want := q.Get("status")
		return (only == "" || r.Path == only) && (want == "" || want == r.Status || want == r.Conclusion)
	})
	sort.SliceStable(all, func(a, b int) bool { return all[a].Number > all[b].Number })
	return ok(obj{"total_count": len(all), "workflow_runs": page(c, all, c.runShape)})
}

func (c *call) runAt() (*workflowRun, error) {
	for _, r := range c.repo.Runs {
		if r.ID == c.idOf("run_id") {
			return r, nil
		}
	}
	return nil, errNotFound
}

func (c *call) getRun() (reply, error) {
	r, err := c.runAt()
	if err != nil {
		return reply{}, err
	}
	return ok(c.runShape(r))
}

func (c *call) listJobs() (reply, error) {
	r, err := c.runAt()
	if err != nil {
		return reply{}, err
	}
	return ok(obj{"total_count": len(r.Jobs), "jobs": page(c, r.Jobs, func(j Job) any { return c.jobShape(r, j) })})
}

func (c *call) jobShape(r *workflowRun, j Job) any {
	var completed any
	if j.Status == "completed" {
		completed = stamp(r.UpdatedAt)
	}
	return obj{"id": j.ID, "run_id": r.ID, "run_url": c.api("/actions/runs/%d", r.ID), "run_attempt": r.Attempt, "node_id": nodeID("J", j.ID), "head_sha": r.HeadSHA,
		"url": c.api("/actions/jobs/%d", j.ID), "html_url": c.html("/actions/runs/%d/job/%d", r.ID, j.ID), "status": j.Status, "conclusion": orNil(j.Conclusion),
		"created_at": stamp(r.CreatedAt), "started_at": stamp(r.CreatedAt), "completed_at": completed, "name": j.Name, "steps": []any{}, "check_run_url": c.api("/check-runs/%d", j.ID),
		"labels": []any{"ubuntu-latest"}, "runner_id": 1, "runner_name": "fake", "runner_group_id": 1, "runner_group_name": "fake", "workflow_name": r.Name, "head_branch": orNil(r.HeadBranch)}
}

func (c *call) rerun() (reply, error) {
	r, err := c.runAt()
	if err != nil {
		return reply{}, err
	}
	if r.Status != "completed" {
		return reply{}, refuse(403, "This workflow is already running")
	}
	r.Status, r.Conclusion, r.UpdatedAt = "queued", "", c.now
	r.Attempt++
	for n := range r.Jobs {
		r.Jobs[n].Status, r.Jobs[n].Conclusion = "queued", ""
	}
	c.runEvent(r, "requested")
	return created(obj{})
}

func (c *call) cancelRun() (reply, error) {
	r, err := c.runAt()
	if err != nil {
		return reply{}, err
	}
	if r.Status == "completed" {
		return reply{}, refuse(409, "Cannot cancel a workflow run that is completed.")
	}
	r.Status, r.Conclusion, r.UpdatedAt = "completed", "cancelled", c.now
	c.runEvent(r, "completed")
	return reply{status: 202, body: obj{}}, nil
}

func (c *call) actionsPermissions() (reply, error) {
	return ok(obj{"enabled": !c.repo.Settings.ActionsDisabled, "allowed_actions": "all", "sha_pinning_required": false})
}

func (c *call) workflowPermissions() (reply, error) {
	return ok(obj{"default_workflow_permissions": orElse(c.repo.Settings.DefaultWorkflowAccess, "read"), "can_approve_pull_request_reviews": c.repo.Settings.ActionsCanOpenPulls})
}

func variableShape(v *variable) any {
	return obj{"name": v.Name, "value": v.Value, "created_at": stamp(v.CreatedAt), "updated_at": stamp(v.UpdatedAt)}
}

func (c *call) listVariables() (reply, error) {
	var names []string
	for name := range c.repo.Variables {
		names = append(names, name)
	}
	sort.Strings(names)
	return ok(obj{"total_count": len(names), "variables": page(c, names, func(n string) any { return variableShape(c.repo.Variables[n]) })})
}

func (c *call) variableAt() (*variable, error) {
	v := c.repo.Variables[strings.ToUpper(c.params["name"])]
	if v == nil {
		return nil, errNotFound
	}
	return v, nil
}

func (c *call) getVariable() (reply, error) {
	v, err := c.variableAt()
	if err != nil {
		return reply{}, err
	}
	return ok(variableShape(v))
}

func (c *call) createVariable() (reply, error) {
	var in struct{ Name, Value string }
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	name := strings.ToUpper(in.Name)
	if name == "" {
		return reply{}, refuse(422, "Invalid request.\n\n\"name\" wasn't supplied.")
	}
	if c.repo.Variables[name] != nil {
		return reply{}, refuse(409, "Already exists - Variable already exists")
	}
	c.repo.Variables[name] = &variable{Name: name, Value: in.Value, CreatedAt: c.now, UpdatedAt: c.now}
	return created(obj{})
}

func (c *call) editVariable() (reply, error) {
	v, err := c.variableAt()
	if err != nil {
		return reply{}, err
	}
	var in struct{ Value *string }
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	set(&v.Value, in.Value)
	v.UpdatedAt = c.now
	return noContent()
}

func (c *call) deleteVariable() (reply, error) {
	v, err := c.variableAt()
	if err != nil {
		return reply{}, err
	}
	delete(c.repo.Variables, v.Name)
	return noContent()
}
