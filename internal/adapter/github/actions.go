package github

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"strconv"

	gh "github.com/google/go-github/v66/github"

	"github.com/seedbed-dev/seedbed/internal/forge"
)

// deploymentsKept is how many deployments are read: each costs a further call
// for its state, and only the newest ones decide anything.
const deploymentsKept = 20

// WorkflowRun reads a workflow run.
// https://docs.github.com/rest/actions/workflow-runs#get-a-workflow-run
func (c *Client) WorkflowRun(ctx context.Context, id int64) (forge.Run, error) {
	doing := fmt.Sprintf("reading workflow run %d", id)
	r, _, err := c.gh.Actions.GetWorkflowRunByID(ctx, c.owner, c.repo, id)
	if err != nil {
		return forge.Run{}, readFailed(doing, err)
	}
	return toRun(r), complete(doing, r.GetID() == id, "such id")
}

// Dispatch starts a workflow file (its base name) on a branch or tag.
// https://docs.github.com/rest/actions/workflows#create-a-workflow-dispatch-event
func (c *Client) Dispatch(ctx context.Context, file, ref string, inputs map[string]string) error {
	doing := fmt.Sprintf("dispatching %q on %q", file, ref)
	if !nameRE.MatchString(file) || dots(file) {
		return invalid(doing, "want the base name of a workflow file")
	}
	ask := gh.CreateWorkflowDispatchEventRequest{Ref: ref}
	for k, v := range inputs {
		if ask.Inputs == nil {
			ask.Inputs = map[string]interface{}{}
		}
		ask.Inputs[k] = v
	}
	_, err := c.gh.Actions.CreateWorkflowDispatchEventByFileName(ctx, c.owner, c.repo, file, ask)
	return writeFailed(doing, err)
}

// Rerun runs a workflow run once more.
// https://docs.github.com/rest/actions/workflow-runs#re-run-a-workflow
func (c *Client) Rerun(ctx context.Context, runID int64) error {
	_, err := c.gh.Actions.RerunWorkflowByID(ctx, c.owner, c.repo, runID)
	return writeFailed(fmt.Sprintf("rerunning workflow run %d", runID), err)
}

// Deployments gives the newest deployments to an environment, newest first and
// at most 20, each with its newest state ("" when it has none yet).
// https://docs.github.com/rest/deployments/deployments#list-deployments
func (c *Client) Deployments(ctx context.Context, environment string) ([]forge.Deployment, error) {
	doing := fmt.Sprintf("listing deployments to %q", environment)
	query := url.Values{"environment": {environment}, "per_page": {strconv.Itoa(deploymentsKept)}}
	var found []*gh.Deployment
	if _, err := c.get(ctx, doing, c.at("deployments")+"?"+query.Encode(), &found); err != nil {
		return nil, err
	}
	var all []forge.Deployment
	for _, d := range found {
		state, err := c.deploymentState(ctx, doing, d.GetID())
		if err != nil {
			return nil, err
		}
		all = append(all, toDeployment(d, state))
	}
	return all, nil
}

func (c *Client) deploymentState(ctx context.Context, doing string, id int64) (string, error) {
	var statuses []*gh.DeploymentStatus
	_, err := c.get(ctx, doing, c.at("deployments", strconv.FormatInt(id, 10), "statuses")+"?per_page=1", &statuses)
	if err != nil || len(statuses) == 0 {
		return "", err
	}
	return statuses[0].GetState(), nil
}

// CreateDeployment records a deployment of d.Ref to d.Environment. GitHub is
// told not to merge the default branch into it and not to look at checks, which
// were judged before. d.Payload is JSON or empty.
// https://docs.github.com/rest/deployments/deployments#create-a-deployment
func (c *Client) CreateDeployment(ctx context.Context, d forge.Deployment) (forge.Deployment, error) {
	doing := fmt.Sprintf("creating a deployment to %q", d.Environment)
	ask := &gh.DeploymentRequest{
		Ref: &d.Ref, Task: text(d.Task), Environment: &d.Environment, Description: text(d.Description),
		AutoMerge: gh.Bool(false), RequiredContexts: &[]string{},
	}
	if d.Payload != "" {
		if !json.Valid([]byte(d.Payload)) {
			return forge.Deployment{}, invalid(doing, "the payload is not JSON")
		}
		ask.Payload = json.RawMessage(d.Payload)
	}
	made, _, err := c.gh.Repositories.CreateDeployment(ctx, c.owner, c.repo, ask)
	if err != nil {
		return forge.Deployment{}, writeFailed(doing, err)
	}
	return toDeployment(made, ""), done(doing, made.GetID() != 0, "id")
}

// SetDeploymentStatus tells how a deployment goes: pending, in_progress,
// success, failure, error, inactive or queued. The URLs may be empty.
// https://docs.github.com/rest/deployments/statuses#create-a-deployment-status
func (c *Client) SetDeploymentStatus(ctx context.Context, id int64, state, description, logURL, environmentURL string) error {
	_, _, err := c.gh.Repositories.CreateDeploymentStatus(ctx, c.owner, c.repo, id, &gh.DeploymentStatusRequest{
		State: &state, Description: text(description), LogURL: text(logURL), EnvironmentURL: text(environmentURL),
	})
	return writeFailed(fmt.Sprintf("setting deployment %d to %q", id, state), err)
}
