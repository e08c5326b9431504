package deploy

import (
	"fmt"
	"sort"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/effect"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/rundir"
)

func done(format string, args ...any) error {
	return &end{outcome: rundir.NothingToDo, reason: "done", message: fmt.Sprintf(format, args...)}
}

func foreign(top forge.Deployment) error {
	who := fmt.Sprintf("deployment %d of %s (%s)", top.ID, short(top.SHA), clip(top.Task, 40))
	return &end{outcome: rundir.NeedsHuman, reason: "foreign_release",
		message:  "production has a newer release that is not this run's: " + who + "; it is left alone",
		question: "Somebody else released to production: " + who + ". Does it stay?"}
}

func stagingDone(seen Watched) error {
	return &end{outcome: rundir.Succeeded, message: "staging " + seen.line() + "; seed.yaml names no command for production"}
}

func question(o rundir.Outcome, text string) string {
	if o == rundir.NeedsHuman {
		return text
	}
	return ""
}

// story is "staging 10/10 healthy → production 10/10 healthy".
func (d *deployer) story() string {
	var parts []string
	for _, w := range d.rep.Watched {
		parts = append(parts, w.Environment+" "+w.line())
	}
	return strings.Join(parts, " → ")
}

// freeze stops further deploys until a person looked.
func (d *deployer) freeze() effect.Effect {
	return effect.New(effect.Deploy, "freeze-deploy", "production was bad", effect.SetFreeze{What: "deploy", SHA: d.in.SHA})
}

// maxEvidence bounds the table of an incident.
const maxEvidence = 30

// incident is the issue that tells people what was seen and what was done.
func (d *deployer) incident(seen Watched, where, what string, labels ...string) effect.Effect {
	d.redact(&seen.Reason)
	var b strings.Builder
	fmt.Fprintf(&b, "**%s is %s in %s.** %s\n\n%s\n\n", short(d.in.SHA), seen.Verdict, where, what, effect.Inert(seen.Reason))
	fmt.Fprintf(&b, "Commit %s, release %s, watched at %s.\n", d.in.SHA, orNone(seen.Release), orNone(seen.URL))
	b.WriteString(evidence(seen.Samples))
	for _, l := range labels {
		if l == "page" {
			fmt.Fprintf(&b, "\nA rollback runs the release's own steps again and leaves the database as it is.\n"+
				"If deploys are frozen: look, then delete `%s`. Merge a fix: a commit that was taken back does not go out again.\n", freezeRef)
		}
	}
	title := fmt.Sprintf("%s is %s in %s", short(d.in.SHA), seen.Verdict, where)
	sort.Strings(labels)
	return effect.New(effect.Deploy, "incident-"+where+"-"+d.in.SHA, "", effect.OpenIssue{Title: title, Body: b.String(), Labels: labels})
}

func evidence(samples []Sample) string {
	if len(samples) == 0 {
		return ""
	}
	var b strings.Builder
	b.WriteString("\n| when | probe | |\n|---|---|---|\n")
	if more := len(samples) - maxEvidence; more > 0 {
		fmt.Fprintf(&b, "| | | %d earlier ones left out |\n", more)
		samples = samples[more:]
	}
	for _, s := range samples {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", s.At.Format("15:04:05"), s.Result, strings.ReplaceAll(effect.Inert(s.Detail), "|", "\\|"))
	}
	return b.String()
}

func orNone(s string) string {
	if s == "" {
		return "(none)"
	}
	return "`" + strings.ReplaceAll(s, "`", "'") + "`"
}

// propose leaves effects for govern, added to those the run wants already.
func (d *deployer) propose(list ...effect.Effect) error {
	d.rep.Proposed = append(d.rep.Proposed, list...)
	if d.in.Dir == nil {
		return nil
	}
	var p effect.Proposal
	if _, err := d.in.Dir.ReadJSON(rundir.EffectsFile, &p); err != nil {
		return err
	}
	p.Version = effect.Version
	have := map[string]bool{}
	for _, e := range p.Effects {
		have[string(e.Kind)+" "+e.Key] = true
	}
	for _, e := range list {
		if !have[string(e.Kind)+" "+e.Key] {
			p.Effects = append(p.Effects, e)
		}
	}
	return d.in.Dir.WriteJSON(rundir.EffectsFile, p)
}

// tellPlan says what would be done, a line each.
func (d *deployer) tellPlan(now standing) error {
	dep, w := d.seed.Deploy, d.seed.Deploy.Watch
	for _, r := range d.rep.Verdict.Results {
		d.DryRun(fmt.Sprintf("%-10s %s: %s", r.Rule, r.Outcome, r.Reason))
	}
	watch := fmt.Sprintf("settle %s, watch %s every %s, at most %d failed of at least %d", w.Settle, w.Window, w.Interval, w.MaxFailures, w.MinSamples)
	if now.production == nil {
		d.DryRun(fmt.Sprintf("%-10s %s at %s; %s", Staging, dep.Staging.Deploy, short(d.in.SHA), watch))
	}
	if d.stagingOnly() {
		d.DryRun(fmt.Sprintf("%-10s nothing: no command for it", Production))
		return nil
	}
	ask := "after a person's word"
	if d.in.Person || d.released.Alone(d.in.SHA) {
		ask = "by itself"
	}
	d.DryRun(fmt.Sprintf("%-10s %s, %s; %s", Production, d.promotion(record{}).line, ask, watch))
	switch {
	case now.rollback != nil:
		d.DryRun(fmt.Sprintf("%-10s goes on: %s to release %s", "roll back", dep.Production.Rollback, now.rollback.Release))
	case now.good != nil && dep.Production.Rollback != "":
		d.DryRun(fmt.Sprintf("%-10s if bad: %s to release %s of %s; the database stays as it is", "roll back", dep.Production.Rollback, now.good.Release, short(now.good.SHA)))
	default:
		d.DryRun(fmt.Sprintf("%-10s nowhere: no earlier release recorded as healthy, or no command for it", "roll back"))
	}
	d.rep.Record.Message = "dry run: nothing was done"
	return nil
}

// clip cuts a text after n characters and says so.
func clip(text string, n int) string {
	runes := []rune(strings.TrimSpace(text))
	if len(runes) <= n {
		return string(runes)
	}
	return string(runes[:n-3]) + "..."
}
