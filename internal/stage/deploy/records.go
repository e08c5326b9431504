package deploy

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/effect"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/policy"
)

// The tasks of our deployment records.
const (
	taskRelease  = "seedbed"
	taskRollback = "seedbed-rollback-" // and the commit that is taken back
)

// payload is what a deployment record of ours carries. It is written once, when
// the record is made; a field may be added.
type payload struct {
	Version int    `json:"v"`
	Release string `json:"release,omitempty"` // as the deploy script named it
	URL     string `json:"url,omitempty"`
	Back    int64  `json:"back,omitempty"` // of a rollback: the record it takes back
}

const payloadVersion = 1

// record is a deployment record of ours, read back.
type record struct {
	forge.Deployment
	payload
}

func readRecord(d forge.Deployment) (record, bool) {
	r := record{Deployment: d}
	err := json.Unmarshal([]byte(d.Payload), &r.payload)
	return r, err == nil && r.Version == payloadVersion
}

// standing is where a commit stands, by the records alone.
//
//	no production record           staging is to be done, or done again
//	production "" or pending       staging was good; waits for a person or for us
//	production in_progress         promoted or about to be; watch it
//	and a rollback record          going back; go on with that
type standing struct {
	staging    *record
	production *record
	rollback   *record // of the production record
	good       *record // what production would go back to
	top        *forge.Deployment
}

// where reads the records and ends the run when there is nothing left to do.
func (d *deployer) where(ctx context.Context) (standing, error) {
	var now standing
	staging, err := d.Deployments.Deployments(ctx, Staging)
	if err != nil {
		return now, fmt.Errorf("reading the deployments to %s: %w", Staging, err)
	}
	production, err := d.Deployments.Deployments(ctx, Production)
	if err != nil {
		return now, fmt.Errorf("reading the deployments to %s: %w", Production, err)
	}
	now.staging = d.ours(staging, taskRelease, d.in.SHA)
	now.production = d.ours(production, taskRelease, d.in.SHA)
	now.rollback = rollbackOf(production, now.production, d.in.SHA)
	now.good = d.lastGood(production)
	if len(production) > 0 {
		now.top = &production[0]
	}
	if err := d.settled(now); err != nil {
		return now, err
	}
	return now, d.superseded(ctx, now)
}

func (d *deployer) ours(list []forge.Deployment, task, sha string) *record {
	for _, have := range list {
		if have.Task == task && have.SHA == sha {
			if r, ok := readRecord(have); ok {
				return &r
			}
		}
	}
	return nil
}

// rollbackOf is the rollback of a production record, if one was begun.
func rollbackOf(list []forge.Deployment, of *record, sha string) *record {
	for _, have := range list {
		if r, ok := readRecord(have); ok && of != nil && have.Task == taskRollback+sha && r.Back == of.ID {
			return &r
		}
	}
	return nil
}

func final(state string) bool {
	return state == "success" || state == "failure" || state == "inactive" || state == "error"
}

// lastGood is the newest release that we recorded as healthy in production,
// this commit's own aside, be it by its promotion or by a rollback to it that
// was verified. Newest comes first in the list.
func (d *deployer) lastGood(list []forge.Deployment) *record {
	for _, have := range list {
		r, ok := readRecord(have)
		if ok && (have.Task == taskRelease || strings.HasPrefix(have.Task, taskRollback)) && have.SHA != d.in.SHA && have.State == "success" && r.Release != "" {
			return &r
		}
	}
	return nil
}

// settled ends a run that finds its work done.
func (d *deployer) settled(now standing) error {
	p := now.production
	switch {
	case p != nil && (p.State == "success" || p.State == "inactive"):
		return done("%s is already out as release %s", short(d.in.SHA), p.Release)
	case p != nil && p.State == "failure":
		return done("%s was in production and was taken back; a commit goes out once, so merge another", short(d.in.SHA))
	case p == nil && now.staging != nil && d.stagingOnly() && (now.staging.State == "success" || now.staging.State == "inactive"):
		return done("%s is already out in staging; seed.yaml names no command for production", short(d.in.SHA))
	}
	return nil
}

func (d *deployer) stagingOnly() bool {
	return d.seed.Deploy.Production.Promote == "" && d.seed.Deploy.Production.Deploy == ""
}

// superseded ends a run whose commit is older than what is out: going on would
// take later work back.
func (d *deployer) superseded(ctx context.Context, now standing) error {
	if now.good == nil || now.rollback != nil || now.production != nil && now.production.State == "in_progress" {
		return nil
	}
	older, err := d.Repo.IsAncestor(ctx, d.in.SHA, now.good.SHA)
	if err != nil {
		return fmt.Errorf("comparing %s with %s, which is out: %w", short(d.in.SHA), short(now.good.SHA), err)
	}
	if older {
		return done("%s, a later commit, is already out", short(now.good.SHA))
	}
	return nil
}

// onTop says whether the newest record of production is the given one. If not,
// somebody else released meanwhile, and theirs is not ours to touch.
func (d *deployer) onTop(ctx context.Context, ours ...int64) error {
	list, err := d.Deployments.Deployments(ctx, Production)
	if err != nil {
		return fmt.Errorf("reading the deployments to %s: %w", Production, err)
	}
	if len(list) == 0 {
		return nil
	}
	for _, id := range ours {
		if list[0].ID == id {
			return nil
		}
	}
	return foreign(list[0])
}

// make records that something goes out. The record is found again by
// environment, commit and task.
func (d *deployer) make(ctx context.Context, environment, task, sha string, p payload, what string) (record, error) {
	p.Version = payloadVersion
	data, err := json.Marshal(p)
	if err != nil {
		return record{}, err
	}
	results, err := d.apply(ctx, effect.New(effect.Deploy, environment+" "+task+" "+sha, "", effect.CreateDeployment{
		SHA: sha, Environment: environment, Task: task, Payload: string(data), Description: what}))
	if err != nil {
		return record{}, err
	}
	return record{Deployment: forge.Deployment{ID: results[0].ID, SHA: sha, Environment: environment, Task: task}, payload: p}, nil
}

// set adds a status, unless the record has it already.
func (d *deployer) set(ctx context.Context, r *record, state, what string) error {
	if r.State == state {
		return nil
	}
	url := r.URL
	if !isWeb(url) {
		url = ""
	}
	_, err := d.apply(ctx, effect.New(effect.Deploy, fmt.Sprintf("%d %s", r.ID, state), "", effect.SetDeployment{
		Deployment: r.ID, State: state, Description: clip(what, 140), URL: url}))
	if err == nil {
		r.State = state
	}
	return err
}

func (d *deployer) apply(ctx context.Context, e effect.Effect) ([]effect.Result, error) {
	a := &effect.Applier{Ports: effect.Ports{Deployments: byRef{d.Deployments}}, Approved: policy.Approved{}, Viewer: d.viewer, Clean: d.Clean,
		Left: d.left, Now: d.Now}
	results, err := a.Apply(ctx, []effect.Effect{e})
	d.left = a.Left
	d.rep.Effects = append(d.rep.Effects, results...)
	return results, err
}

// byRef names a commit where the forge wants a reference; GitHub takes either.
type byRef struct{ port }

type port = effect.Deployments

// CreateDeployment implements effect.Deployments.
func (b byRef) CreateDeployment(ctx context.Context, d forge.Deployment) (forge.Deployment, error) {
	if d.Ref == "" {
		d.Ref = d.SHA
	}
	return b.port.CreateDeployment(ctx, d)
}
