package deploy

import (
	"context"
	"fmt"
	"time"

	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/rundir"
)

// toStaging releases the commit to staging and watches it. What it leaves is a
// production record that names the release: that staging was good.
func (d *deployer) toStaging(ctx context.Context, now *standing) error {
	s, err := d.make(ctx, Staging, taskRelease, d.in.SHA, payload{}, "release of "+short(d.in.SHA))
	if err != nil {
		return err
	}
	if now.staging != nil {
		s.State = now.staging.State
	}
	if err := d.set(ctx, &s, "in_progress", "releasing"); err != nil {
		return err
	}
	since := d.Now()
	said, err := d.script(ctx, order{Staging, "deploy", d.seed.Deploy.Staging.Deploy, ""})
	if err != nil {
		return d.stagingBad(ctx, s, Watched{Environment: Staging}, err)
	}
	d.phase("release", since, "%s to staging", said.Release)
	seen, err := d.watch(ctx, Staging, said)
	if err != nil {
		return err
	}
	switch seen.Verdict {
	case bad:
		return d.stagingBad(ctx, s, seen, nil)
	case inconclusive:
		return d.unsure(ctx, seen)
	}
	if d.stagingOnly() {
		if err := d.set(ctx, &s, "success", seen.line()); err != nil {
			return err
		}
		return stagingDone(seen)
	}
	if err := d.onTop(ctx, topID(now.top)); err != nil {
		return err
	}
	p, err := d.make(ctx, Production, taskRelease, d.in.SHA, payload{Release: said.Release, URL: said.URL}, "promotion of "+short(d.in.SHA))
	if err != nil {
		return err
	}
	now.staging, now.production = &s, &p
	return nil
}

func topID(top *forge.Deployment) int64 {
	if top == nil {
		return 0
	}
	return top.ID
}

// stagingBad leaves it to the owner: nothing but staging was touched.
func (d *deployer) stagingBad(ctx context.Context, s record, seen Watched, why error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if scriptAtFault(why) {
		seen.Verdict, seen.Reason = bad, why.Error()
	} else if why != nil {
		return why
	}
	if err := d.propose(d.incident(seen, "staging", "Nothing went to production.", "incident", "priority:p0", "seed:proposed")); err != nil {
		return err
	}
	if err := d.set(ctx, &s, "failure", seen.Reason); err != nil {
		return err
	}
	return &end{outcome: rundir.ValidationBlocked, reason: "staging_bad", message: fmt.Sprintf("%s is not healthy in staging: %s", short(d.in.SHA), seen.Reason)}
}

// toProduction promotes the watched release, once a person said so or the seed
// does, and watches it there.
func (d *deployer) toProduction(ctx context.Context, now standing) error {
	p := *now.production
	if now.staging != nil {
		if err := d.set(ctx, now.staging, "success", "healthy"); err != nil {
			return err
		}
	}
	if p.State != "in_progress" {
		if err := d.mayPromote(ctx, &p); err != nil {
			return err
		}
	}
	if err := d.onTop(ctx, p.ID); err != nil {
		return err
	}
	if err := d.set(ctx, &p, "in_progress", "promoting "+p.Release); err != nil {
		return err
	}
	since := d.Now()
	said, err := d.script(ctx, d.promotion(p))
	if scriptAtFault(err) && ctx.Err() == nil {
		return d.productionBad(ctx, now, p, Watched{Environment: Production, Release: p.Release, Verdict: bad, Reason: err.Error()})
	}
	if err != nil {
		return err
	}
	d.phase("promote", since, "%s to production", said.Release)
	seen, err := d.watch(ctx, Production, said)
	if err != nil {
		return err
	}
	switch seen.Verdict {
	case bad:
		return d.productionBad(ctx, now, p, seen)
	case inconclusive:
		return d.unsure(ctx, seen)
	}
	if err := d.set(ctx, &p, "success", seen.line()); err != nil {
		return err
	}
	d.rep.Record.Message = d.story()
	return nil
}

// mayPromote wants a person's word, unless the seed says that none is needed.
func (d *deployer) mayPromote(ctx context.Context, p *record) error {
	if d.in.Person || d.released.Alone(d.in.SHA) {
		return nil
	}
	if err := d.set(ctx, p, "pending", "waits for a person"); err != nil {
		return err
	}
	return &end{outcome: rundir.NeedsApproval, reason: "promotion",
		message: fmt.Sprintf("%s is healthy in staging as release %s and waits for a person's word (%s)", short(d.in.SHA), p.Release, d.whyAsk()),
	}
}

func (d *deployer) whyAsk() string {
	if d.seed.Deploy.Promotion != "auto" {
		return "deploy.promotion, " + d.seed.At("deploy.promotion").String()
	}
	return "a limit of the deploy section is not acted on by this version"
}

// promotion is the order that moves the release; a target that cannot promote
// gets the same commit released once more.
func (d *deployer) promotion(p record) order {
	t := d.seed.Deploy.Production
	if t.Promote != "" {
		return order{Production, "promote", t.Promote, p.Release}
	}
	return order{Production, "deploy", t.Deploy, p.Release}
}

// productionBad goes back to the last release we saw healthy, once.
func (d *deployer) productionBad(ctx context.Context, now standing, p record, seen Watched) error {
	if err := d.onTop(ctx, p.ID); err != nil {
		return err
	}
	if now.good == nil || d.seed.Deploy.Production.Rollback == "" {
		return d.nowhereToGo(ctx, now, p, seen)
	}
	back, err := d.make(ctx, Production, taskRollback+d.in.SHA, now.good.SHA,
		payload{Release: now.good.Release, URL: now.good.URL, Back: p.ID}, "rollback of "+short(d.in.SHA))
	if err != nil {
		return err
	}
	now.rollback, now.production = &back, &p
	return d.goBack(ctx, now, seen)
}

// finishRollback goes on with a rollback that an earlier run began.
func (d *deployer) finishRollback(ctx context.Context, now standing) error {
	return d.goBack(ctx, now, Watched{Environment: Production, Release: now.production.Release, Verdict: bad,
		Reason: "found bad by an earlier run, which did not end"})
}

// goBack rolls back, verifies with the same probes, and proposes the freeze and
// the incident before the records are closed: closed records end every rerun.
func (d *deployer) goBack(ctx context.Context, now standing, seen Watched) error {
	back, p := now.rollback, now.production
	if err := d.onTop(ctx, back.ID); err != nil {
		return err
	}
	after, err := d.rollBack(ctx, back)
	if err != nil {
		return err
	}
	state, outcome, what := "success", rundir.RolledBack, fmt.Sprintf("Rolled back to release %s, which is healthy.", back.Release)
	if after.Verdict != healthy {
		state, outcome = "failure", rundir.NeedsHuman
		what = fmt.Sprintf("**Rolled back to release %s, and that is not healthy either: %s**", back.Release, after.line())
	}
	if err := d.propose(d.freeze(), d.incident(seen, "production", what, "incident", "priority:p0", "page", "seed:proposed")); err != nil {
		return err
	}
	if err := d.set(ctx, back, state, after.line()); err != nil {
		return err
	}
	if err := d.set(ctx, p, "failure", "taken back: "+seen.Reason); err != nil {
		return err
	}
	return &end{outcome: outcome, reason: "rolled_back", message: fmt.Sprintf("%s was bad in production (%s): back to release %s, %s", short(d.in.SHA), seen.Reason, back.Release, after.line()),
		question: question(outcome, "Production is not healthy on the release before either. What now?")}
}

// rollBack runs the script and watches what it left. A record that is closed
// already says by itself how that went.
func (d *deployer) rollBack(ctx context.Context, back *record) (Watched, error) {
	after := Watched{Environment: Production, Release: back.Release, Verdict: bad, Reason: "an earlier run saw it so"}
	if final(back.State) {
		if back.State == "success" {
			after.Verdict = healthy
		}
		return after, nil
	}
	if err := d.set(ctx, back, "in_progress", "going back to "+back.Release); err != nil {
		return after, err
	}
	since := d.Now()
	said, err := d.script(ctx, order{Production, "rollback", d.seed.Deploy.Production.Rollback, back.Release})
	switch {
	case err == nil:
		after, err = d.watch(ctx, Production, said)
	case ctx.Err() == nil && scriptAtFault(err):
		after.Reason, err = err.Error(), nil
	}
	if err == nil {
		d.phase("roll back", since, "to %s: %s", back.Release, after.line())
	}
	return after, err
}

// nowhereToGo is for production that is bad with no release of ours before it.
func (d *deployer) nowhereToGo(ctx context.Context, now standing, p record, seen Watched) error {
	why := "there is no earlier release that we recorded as healthy"
	if now.good != nil {
		why = "seed.yaml names no deploy.production.rollback"
	}
	if err := d.propose(d.freeze(), d.incident(seen, "production", "Not rolled back: "+why+".", "incident", "priority:p0", "page", "seed:proposed")); err != nil {
		return err
	}
	if err := d.set(ctx, &p, "failure", seen.Reason); err != nil {
		return err
	}
	return &end{outcome: rundir.NeedsHuman, reason: "production_bad", message: fmt.Sprintf("%s is bad in production (%s) and %s", short(d.in.SHA), seen.Reason, why),
		question: "Production runs a bad release and there is none to go back to. What now?"}
}

// unsure pages a person and leaves the records open: the next run watches again.
func (d *deployer) unsure(ctx context.Context, seen Watched) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := d.propose(d.incident(seen, seen.Environment, "Nothing was promoted or rolled back because of it.", "incident", "page", "seed:proposed")); err != nil {
		return err
	}
	return &end{outcome: rundir.Inconclusive, reason: seen.Environment, message: fmt.Sprintf("could not tell whether %s is healthy in %s: %s", short(d.in.SHA), seen.Environment, seen.Reason)}
}

// watched keeps what was seen, for the report.
func (d *deployer) watched(since time.Time, seen Watched) {
	d.phase(seen.Environment, since, "%s", seen.line())
	d.rep.Watched = append(d.rep.Watched, seen)
}
