package fakegithub

import (
	"encoding/json"
	"strings"
)

func (c *call) createDeployment() (reply, error) {
	var in struct {
		Ref         string
		Task        string
		AutoMerge   *bool     `json:"auto_merge"`
		Required    *[]string `json:"required_contexts"`
		Payload     json.RawMessage
		Environment string
		Description *string
		Transient   bool  `json:"transient_environment"`
		Production  *bool `json:"production_environment"`
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	k := c.git.commitish(strings.TrimPrefix(in.Ref, "refs/heads/"))
	if k == nil {
		return reply{}, refuse(422, "No ref found for: %s", in.Ref)
	}
	if why := c.contextsMissing(k.SHA, in.Required); why != "" {
		return reply{}, refuse(409, "%s", why)
	}
	d := &deployment{ID: c.st.nextID(), SHA: k.SHA, Ref: in.Ref, Task: orElse(in.Task, "deploy"), Environment: orElse(in.Environment, "production"), Description: in.Description,
		Payload: in.Payload, Transient: in.Transient, Creator: c.actor.Login, CreatedAt: c.now, UpdatedAt: c.now}
	d.Original, d.Production = d.Environment, d.Environment == "production"
	set(&d.Production, in.Production)
	c.repo.Deployments = append(c.repo.Deployments, d)
	c.event("deployment", "created", obj{"deployment": c.deploymentShape(d), "workflow": nil, "workflow_run": nil})
	return createdAt(c.api("/deployments/%d", d.ID), c.deploymentShape(d))
}

// contextsMissing: without required_contexts everything reported must be green.
func (c *call) contextsMissing(sha string, required *[]string) string {
	if required == nil {
		if c.redAt(sha) {
			return "Conflict: Commit status checks failed for " + sha + "."
		}
		return ""
	}
	for _, name := range *required {
		if !c.green(sha, name) {
			return "Conflict: Commit status checks failed for " + sha + ": " + name
		}
	}
	return ""
}

func (c *call) deploymentShape(d *deployment) obj {
	api := c.api("/deployments/%d", d.ID)
	payload := any(obj{})
	if len(d.Payload) > 0 && string(d.Payload) != "null" {
		payload = d.Payload
	}
	return obj{"id": d.ID, "node_id": nodeID("DE", d.ID), "url": api, "sha": d.SHA, "ref": d.Ref, "task": d.Task, "payload": payload, "environment": d.Environment,
		"original_environment": d.Original, "description": d.Description, "creator": c.login(d.Creator), "created_at": stamp(d.CreatedAt), "updated_at": stamp(d.UpdatedAt),
		"statuses_url": api + "/statuses", "repository_url": c.api(""), "transient_environment": d.Transient, "production_environment": d.Production, "performed_via_github_app": nil}
}

func (c *call) listDeployments() (reply, error) {
	q := c.query
	all := append([]*deployment{}, c.repo.Deployments...)
	reverse(all)
	all = filter(all, func(d *deployment) bool {
		for name, have := range map[string]string{"sha": d.SHA, "ref": d.Ref, "task": d.Task, "environment": d.Environment} {
			if want := q.Get(name); want != "" && want != "none" && want != have {
				return false
			}
		}
		return true
	})
	return ok(page(c, all, func(d *deployment) any { return c.deploymentShape(d) }))
}

func (c *call) deploymentAt() (*deployment, error) {
	for _, d := range c.repo.Deployments {
		if d.ID == c.idOf("deployment_id") {
			return d, nil
		}
	}
	return nil, errNotFound
}

func (c *call) getDeployment() (reply, error) {
	d, err := c.deploymentAt()
	if err != nil {
		return reply{}, err
	}
	return ok(c.deploymentShape(d))
}

func (c *call) createDeploymentStatus() (reply, error) {
	d, err := c.deploymentAt()
	if err != nil {
		return reply{}, err
	}
	var in struct {
		State          string
		TargetURL      string `json:"target_url"`
		LogURL         string `json:"log_url"`
		Description    string
		Environment    string
		EnvironmentURL string `json:"environment_url"`
		AutoInactive   *bool  `json:"auto_inactive"`
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if !containsFold([]string{"error", "failure", "inactive", "in_progress", "queued", "pending", "success"}, in.State) {
		return reply{}, invalid("DeploymentStatus", "state", "invalid", "")
	}
	if len([]rune(in.Description)) > 140 {
		return reply{}, invalid("DeploymentStatus", "description", "custom", "description is too long (maximum is 140 characters)")
	}
	st := c.addDeploymentStatus(d, &deploymentStatus{State: in.State, Description: in.Description, Environment: orElse(in.Environment, d.Environment),
		TargetURL: orElse(in.LogURL, in.TargetURL), LogURL: orElse(in.LogURL, in.TargetURL), EnvironmentURL: in.EnvironmentURL})
	if in.State == "success" && (in.AutoInactive == nil || *in.AutoInactive) {
		c.retire(d)
	}
	return createdAt(c.api("/deployments/%d/statuses/%d", d.ID, st.ID), c.deploymentStatusShape(d, st))
}

func (c *call) addDeploymentStatus(d *deployment, st *deploymentStatus) *deploymentStatus {
	st.ID, st.Creator, st.CreatedAt = c.st.nextID(), c.actor.Login, c.now
	d.Statuses, d.UpdatedAt, d.Environment = append(d.Statuses, st), c.now, st.Environment
	c.event("deployment_status", "created", obj{"deployment_status": c.deploymentStatusShape(d, st), "deployment": c.deploymentShape(d), "check_run": nil, "workflow": nil, "workflow_run": nil})
	return st
}

// retire marks what was live in the same environment as inactive.
func (c *call) retire(now *deployment) {
	for _, d := range c.repo.Deployments {
		if d == now || d.Environment != now.Environment || d.Transient || d.Production || len(d.Statuses) == 0 || d.Statuses[len(d.Statuses)-1].State != "success" {
			continue
		}
		c.addDeploymentStatus(d, &deploymentStatus{State: "inactive", Environment: d.Environment})
	}
}

func (c *call) deploymentStatusShape(d *deployment, s *deploymentStatus) obj {
	api := c.api("/deployments/%d", d.ID)
	return obj{"id": s.ID, "node_id": nodeID("DES", s.ID), "url": api + "/statuses/" + itoa(s.ID), "state": s.State, "creator": c.login(s.Creator), "description": s.Description,
		"environment": s.Environment, "target_url": s.TargetURL, "log_url": s.LogURL, "environment_url": s.EnvironmentURL, "created_at": stamp(s.CreatedAt), "updated_at": stamp(s.CreatedAt),
		"deployment_url": api, "repository_url": c.api(""), "performed_via_github_app": nil}
}

func (c *call) listDeploymentStatuses() (reply, error) {
	d, err := c.deploymentAt()
	if err != nil {
		return reply{}, err
	}
	all := append([]*deploymentStatus{}, d.Statuses...)
	reverse(all)
	return ok(page(c, all, func(s *deploymentStatus) any { return c.deploymentStatusShape(d, s) }))
}

func (c *call) getDeploymentStatus() (reply, error) {
	d, err := c.deploymentAt()
	if err != nil {
		return reply{}, err
	}
	for _, s := range d.Statuses {
		if s.ID == c.idOf("status_id") {
			return ok(c.deploymentStatusShape(d, s))
		}
	}
	return reply{}, errNotFound
}
