// Package deploy brings a merged commit to staging, watches it, promotes it to
// production, watches again, and goes back to the release before when that goes
// wrong:
//
//	staging -> settle -> watch -> (a person's word) -> promote -> settle -> watch -> done
//	                                                                      `-> roll back -> verify -> freeze
//
// Where a release stands is read from the forge's deployment records alone, so
// a run that dies is continued by the next one, and a commit goes out once.
// Scripts are those the seed names, from a fresh checkout of the very commit;
// they must bear being run twice for the same commit or release. They run only
// with a policy.Released.
//
// The stage talks to no model and holds one write port, deployments. Incidents
// and the freeze are proposals, left in the run directory for govern. What could
// not be measured never passes and never rolls back by itself.
package deploy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seedbed-dev/seedbed/internal/effect"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/policy"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/secret"
	"github.com/seedbed-dev/seedbed/internal/seed"
)

// Stage is the stage's name in run.json.
const Stage = "deploy"

// Environments, as the deployment records name them.
const (
	Staging    = "staging"
	Production = "production"
)

// Forge is what deploying reads. Implementation: adapter/github; in tests the
// same adapter on internal/fakegithub.
type Forge interface {
	Repository(ctx context.Context) (forge.Repository, error)
	Viewer(ctx context.Context) (forge.User, error)
	Ref(ctx context.Context, name string) (forge.Ref, error)
	Commit(ctx context.Context, sha string) (forge.Commit, error)
	File(ctx context.Context, path, ref string) (forge.File, error)
}

// Repository is a clone of the repository with the default branch in it.
// Implementation: adapter/git, wrapped by the command.
type Repository interface {
	// Parents gives a commit's parents.
	Parents(ctx context.Context, sha string) ([]string, error)
	// IsAncestor says whether a is b or one of its ancestors.
	IsAncestor(ctx context.Context, a, b string) (bool, error)
	// Checkout writes a commit's files into an empty directory.
	Checkout(ctx context.Context, commit, dir string) error
}

// Ports is all the stage may use of the world.
type Ports struct {
	Forge       Forge
	Deployments effect.Deployments // the one thing it writes
	Repo        Repository
	Scripts     Scripts
	Probe       Prober
	Clean       effect.Cleaner
	Redactor    *secret.Redactor // nil knows token formats alone
	Now         func() time.Time
	Sleep       func(context.Context, time.Duration) error
	Scratch     string       // folder for checkouts, the system's when empty
	Environ     []string     // our own environment, of which scripts get a part
	DryRun      func(string) // when set, it is told the plan line by line, and nothing is done
}

// Input is what goes out and on whose word.
type Input struct {
	SHA    string      // full commit id
	Pusher forge.User  // sender of the push event about SHA, zero without one
	Person bool        // a person said: to production
	Dir    *rundir.Dir // takes effects.json; nil where nothing is recorded
}

// Watched is what the probes of one environment said.
type Watched struct {
	Environment string   `json:"environment"`
	Release     string   `json:"release"`
	URL         string   `json:"url"`
	Verdict     string   `json:"verdict"` // healthy | bad | inconclusive
	Reason      string   `json:"reason,omitempty"`
	Passed      int      `json:"passed"`
	Samples     []Sample `json:"samples,omitempty"`
}

// Report is what became of one commit.
type Report struct {
	SHA      string                `json:"sha"`
	Record   rundir.Stage          `json:"record"`
	Verdict  policy.ReleaseVerdict `json:"verdict"`
	Watched  []Watched             `json:"watched,omitempty"`
	Effects  []effect.Result       `json:"effects,omitempty"`
	Proposed []effect.Effect       `json:"proposed,omitempty"`
}

// deployer carries one run.
type deployer struct {
	Ports
	seed     *seed.Seed
	in       Input
	viewer   forge.User
	released policy.Released
	rep      *Report
	checkout string // made when the first script runs
	left     int64  // effects that remain in this hour
}

// end is a way the stage ends that is no fault of the program.
type end struct {
	outcome                   rundir.Outcome
	reason, message, question string
}

// Error is the message for people.
func (e *end) Error() string { return e.message }

// Run brings in.SHA as far as it may go and reports it. The error is for what
// no outcome describes: the forge or git could not be read.
func Run(ctx context.Context, p Ports, s *seed.Seed, in Input) (Report, error) {
	rep := Report{SHA: in.SHA, Record: rundir.Stage{Stage: Stage, Round: 1, Started: p.Now().UTC(), Outcome: rundir.Succeeded}}
	d := &deployer{Ports: p, seed: s, in: in, rep: &rep, left: int64(s.Budgets.EffectsPerHour)}
	defer d.close()
	err := d.run(ctx)
	rep.Record.Millis = p.Now().Sub(rep.Record.Started).Milliseconds()
	var over *end
	switch {
	case errors.As(err, &over):
		rep.Record.Outcome, rep.Record.Reason, rep.Record.Message, rep.Record.Question = over.outcome, over.reason, over.message, over.question
		err = nil
	case ctx.Err() != nil:
		rep.Record.Outcome, rep.Record.Reason = rundir.Infrastructure, "interrupted"
		rep.Record.Message, err = "interrupted; the next run goes on from the deployment records", nil
	}
	d.redact(&rep.Record.Message)
	d.redact(&rep.Record.Question)
	return rep, err
}

// run is the story.
func (d *deployer) run(ctx context.Context) error {
	if err := d.understood(); err != nil {
		return err
	}
	if err := d.judge(ctx); err != nil {
		return err
	}
	now, err := d.where(ctx)
	if err != nil {
		return err
	}
	if d.DryRun != nil {
		return d.tellPlan(now)
	}
	if now.rollback != nil {
		return d.finishRollback(ctx, now)
	}
	if now.production == nil {
		if err := d.toStaging(ctx, &now); err != nil {
			return err
		}
	}
	return d.toProduction(ctx, now)
}

// understood refuses what this version cannot do before anything is read.
func (d *deployer) understood() error {
	dep := d.seed.Deploy
	blocked := func(key, why string) error {
		return &end{outcome: rundir.Environment, reason: "deploy", message: fmt.Sprintf("%s %s (%s)", key, why, d.seed.At(key))}
	}
	switch {
	case dep.Provider == "none":
		return &end{outcome: rundir.NothingToDo, reason: "no_provider", message: "deploy.provider is none: nothing goes anywhere"}
	case dep.Provider != "command":
		return blocked("deploy.provider", dep.Provider+": not in this version; command is")
	case dep.Staging.Deploy == "":
		return blocked("deploy.staging.deploy", "is missing: the command that releases a commit to staging")
	case !fullSHA(d.in.SHA):
		return &end{outcome: rundir.Usage, reason: "sha", message: fmt.Sprintf("%q is no full commit id; pass --sha", clip(d.in.SHA, 60))}
	}
	return nil
}

func fullSHA(s string) bool {
	if len(s) != 40 {
		return false
	}
	for _, c := range s {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func (d *deployer) redact(text *string) { *text = string(d.Redactor.Redact([]byte(*text))) }

func (d *deployer) phase(name string, since time.Time, format string, args ...any) {
	note := fmt.Sprintf(format, args...)
	d.redact(&note)
	d.rep.Record.Phases = append(d.rep.Record.Phases, rundir.Phase{Name: name, Millis: d.Now().Sub(since).Milliseconds(), Note: note})
}

func short(sha string) string { return sha[:min(8, len(sha))] }
