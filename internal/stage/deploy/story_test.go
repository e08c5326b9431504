package deploy_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/seedbed-dev/seedbed/internal/effect"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/stage/deploy"
)

func TestGoesOutOnce(t *testing.T) {
	w := newWorld(t, theSeed)
	one := w.commit(w.maya, "")
	rep := w.deploy(one, rundir.Succeeded)
	equal(t, "message", rep.Record.Message, "staging 4/4 healthy → production 4/4 healthy")
	equal(t, "scripts", w.ran(), fmt.Sprintf("release %s, promote %s", one[:4], one[:4]))
	equal(t, "staging", w.states(deploy.Staging), "seedbed "+one[:4]+" success")
	equal(t, "production", w.states(deploy.Production), "seedbed "+one[:4]+" success")

	rep = w.deploy(one, rundir.NothingToDo)
	equal(t, "message", rep.Record.Message, one[:8]+" is already out as release "+one)
	equal(t, "effects of the second run", len(rep.Effects), 0)

	two, three := w.commit(w.maya, ""), w.commit(w.maya, "")
	w.deploy(three, rundir.Succeeded)
	rep = w.deploy(two, rundir.NothingToDo)
	equal(t, "an older commit", rep.Record.Message, three[:8]+", a later commit, is already out")
	equal(t, "current", w.current(), three)
}

func TestAsksBeforeProduction(t *testing.T) {
	w := newWorld(t, strings.Replace(theSeed, "promotion: auto", "promotion: approve", 1))
	one := w.commit(w.maya, "")
	w.deploy(one, rundir.NeedsApproval)
	w.deploy(one, rundir.NeedsApproval)
	equal(t, "scripts", w.ran(), "release "+one[:4])
	equal(t, "production", w.states(deploy.Production), "seedbed "+one[:4]+" pending")
	w.deploy(one, rundir.Succeeded, func(_ *deploy.Ports, in *deploy.Input) { in.Person = true })
	equal(t, "scripts", w.ran(), fmt.Sprintf("release %s, promote %s", one[:4], one[:4]))
}

// A limit that nothing looks at yet takes away the right to go on alone.
func TestUnreadLimitAsks(t *testing.T) {
	w := newWorld(t, theSeed+"  resources: [{kind: postgres, name: db, plan: mini, monthly_usd: 5}]\n")
	one := w.commit(w.maya, "")
	w.deploy(one, rundir.NeedsApproval)
	w.deploy(one, rundir.Succeeded, func(_ *deploy.Ports, in *deploy.Input) { in.Person = true })
}

func TestStagingBad(t *testing.T) {
	w := newWorld(t, theSeed)
	one := w.commit(w.maya, "staging")
	var dir *rundir.Dir
	rep := w.deploy(one, rundir.ValidationBlocked, func(_ *deploy.Ports, in *deploy.Input) { dir = in.Dir })
	equal(t, "scripts", w.ran(), "release "+one[:4])
	equal(t, "staging", w.states(deploy.Staging), "seedbed "+one[:4]+" failure")
	equal(t, "production", w.states(deploy.Production), "")
	var p effect.Proposal
	if ok, err := dir.ReadJSON(rundir.EffectsFile, &p); !ok || err != nil {
		t.Fatal("no effects.json", err)
	}
	equal(t, "proposed", kinds(p.Effects), "issue.open")
	issue := p.Effects[0].Payload.(effect.OpenIssue)
	equal(t, "labels", issue.Labels, "[incident priority:p0 seed:proposed]")
	if !strings.Contains(issue.Body, "| fail | status 404 |") || !strings.Contains(issue.Body, "Nothing went to production.") {
		t.Errorf("have body %s", issue.Body)
	}
	for _, e := range rep.Proposed {
		must(t, effect.Allowed(e.Stage, e.Kind))
	}
}

func TestProductionBadRollsBackOnce(t *testing.T) {
	w := newWorld(t, theSeed)
	good := w.commit(w.maya, "")
	w.deploy(good, rundir.Succeeded)
	ill := w.commit(w.maya, "production")
	rep := w.deploy(ill, rundir.RolledBack)
	equal(t, "exit code", rep.Record.Outcome.ExitCode(), 4)
	equal(t, "current", w.current(), good)
	equal(t, "production", w.states(deploy.Production), fmt.Sprintf("seedbed %s success, seedbed %s failure, rollback %s success", good[:4], ill[:4], good[:4]))
	equal(t, "proposed", kinds(rep.Proposed), "freeze.set issue.open")
	before := w.ran()

	// Again, before anybody looked: the same commit does not go out twice.
	w.deploy(ill, rundir.NothingToDo)
	equal(t, "scripts", w.ran(), before)

	// Frozen, as govern does from the proposal: nothing goes out at all.
	must(t, w.robot.CreateRef(t.Context(), "refs/seedbed/freeze/deploy", ill))
	next := w.commit(w.maya, "")
	rep = w.deploy(next, rundir.NeedsHuman)
	equal(t, "reason", rep.Record.Reason, "frozen")
	must(t, w.maya.DeleteRef(t.Context(), "refs/seedbed/freeze/deploy"))
	w.deploy(next, rundir.Succeeded)
	equal(t, "current", w.current(), next)
}

func TestNothingToGoBackTo(t *testing.T) {
	w := newWorld(t, theSeed)
	ill := w.commit(w.maya, "production")
	rep := w.deploy(ill, rundir.NeedsHuman)
	equal(t, "reason", rep.Record.Reason, "production_bad")
	equal(t, "proposed", kinds(rep.Proposed), "freeze.set issue.open")
	equal(t, "current", w.current(), ill)
}

// Somebody else released while we watched staging: theirs is left alone.
func TestForeignReleaseOnTop(t *testing.T) {
	for _, at := range []string{"before promotion", "before rollback"} {
		t.Run(at, func(t *testing.T) {
			w := newWorld(t, theSeed)
			good := w.commit(w.maya, "")
			w.deploy(good, rundir.Succeeded)
			next := w.commit(w.maya, map[string]string{"before rollback": "production"}[at])
			rep := w.deploy(next, rundir.NeedsHuman, func(p *deploy.Ports, _ *deploy.Input) {
				inner, done := p.Probe, false
				p.Probe = probe(func(ctx context.Context, url string) (deploy.Result, string) {
					if !done && strings.Contains(url, map[string]string{"before promotion": "/staging/", "before rollback": "/production/"}[at]) {
						w.foreign(next)
						done = true
					}
					return inner.Probe(ctx, url)
				})
			})
			equal(t, "reason", rep.Record.Reason, "foreign_release")
			if strings.Contains(w.ran(), "rollback") || at == "before promotion" && strings.Contains(w.ran(), "promote "+next[:4]) {
				t.Errorf("have scripts %s", w.ran())
			}
		})
	}
}

type probe func(context.Context, string) (deploy.Result, string)

func (p probe) Probe(ctx context.Context, url string) (deploy.Result, string) { return p(ctx, url) }

func TestWatching(t *testing.T) {
	pass, fail, none, broken := deploy.Pass, deploy.Fail, deploy.NoData, deploy.Error
	for _, c := range []struct {
		name, max string
		say       []deploy.Result
		want      rundir.Outcome
		message   string
	}{
		{"flapping: a failure stays", "0", []deploy.Result{pass, fail, pass}, rundir.ValidationBlocked, "1 of 2 probes failed, at most 0: scripted fail"},
		{"flapping within the limit", "1", []deploy.Result{pass, fail, pass}, rundir.Succeeded, "staging 3/4 healthy"},
		{"flapping beyond the limit", "1", []deploy.Result{fail, pass, fail, pass}, rundir.ValidationBlocked, "2 of 3 probes failed, at most 1"},
		{"never a word", "0", []deploy.Result{none}, rundir.Inconclusive, "0 of 4 samples say something, at least 3 wanted"},
		{"too few", "0", []deploy.Result{none, none, pass}, rundir.Inconclusive, "2 of 4 samples say something"},
		{"probes that cannot be made", "0", []deploy.Result{pass, pass, pass, broken}, rundir.Inconclusive, "1 of 4 probes could not be made"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, strings.Replace(theSeed, "min_samples: 3", "min_samples: 3, max_failures: "+c.max, 1))
			one := w.commit(w.maya, "")
			rep := w.deploy(one, c.want, func(p *deploy.Ports, _ *deploy.Input) { p.Probe = &prober{say: c.say} })
			if !strings.Contains(rep.Record.Message, c.message) {
				t.Errorf("have %q, want %q in it", rep.Record.Message, c.message)
			}
			if c.want == rundir.Inconclusive {
				equal(t, "proposed", kinds(rep.Proposed), "issue.open")
				equal(t, "scripts", w.ran(), "release "+one[:4])
			}
		})
	}
}

// Production that cannot be told from healthy is neither passed nor rolled back.
func TestInconclusiveInProduction(t *testing.T) {
	w := newWorld(t, theSeed)
	w.deploy(w.commit(w.maya, ""), rundir.Succeeded)
	two := w.commit(w.maya, "")
	rep := w.deploy(two, rundir.Inconclusive, func(p *deploy.Ports, _ *deploy.Input) {
		p.Probe = &prober{say: []deploy.Result{deploy.Pass, deploy.Pass, deploy.Pass, deploy.Pass, deploy.NoData}}
	})
	equal(t, "proposed", kinds(rep.Proposed), "issue.open")
	equal(t, "current", w.current(), two)
	w.deploy(two, rundir.Succeeded) // the next run watches again
	if strings.Contains(w.ran(), "rollback") {
		t.Errorf("have scripts %s", w.ran())
	}
}

// cutter ends the run's context right before the n-th thing that the stage does
// to the world, which is right after the one before.
type cutter struct {
	n    int
	stop context.CancelFunc
}

func (c *cutter) step(do func()) {
	if c.n--; c.n == 0 {
		c.stop()
	}
	do()
}

type cutScripts struct {
	deploy.Scripts
	*cutter
}

func (c cutScripts) Run(ctx context.Context, s deploy.Script) (ran deploy.Ran, err error) {
	c.step(func() { ran, err = c.Scripts.Run(ctx, s) })
	return ran, err
}

type port = effect.Deployments

type cutDeployments struct {
	port
	*cutter
}

func (c cutDeployments) CreateDeployment(ctx context.Context, d forge.Deployment) (made forge.Deployment, err error) {
	c.step(func() { made, err = c.port.CreateDeployment(ctx, d) })
	return made, err
}

func (c cutDeployments) SetDeploymentStatus(ctx context.Context, id int64, state, description, log, url string) (err error) {
	c.step(func() { err = c.port.SetDeploymentStatus(ctx, id, state, description, log, url) })
	return err
}

// TestKilledAnywhere ends a run before and after each script and each write,
// and lets the next one finish: the end is as if nothing had happened.
func TestKilledAnywhere(t *testing.T) {
	for _, story := range []struct {
		name, ill  string
		want       rundir.Outcome
		production string // at its end, with G the good, N the new commit
	}{
		{"to production", "", rundir.Succeeded, "seedbed N success"},
		{"rolled back", "production", rundir.RolledBack, "seedbed N failure, rollback G success"},
	} {
		t.Run(story.name, func(t *testing.T) {
			w := newWorld(t, theSeed)
			good := w.commit(w.maya, "")
			w.deploy(good, rundir.Succeeded)
			for n, finished := 1, false; !finished; n++ {
				next := w.commit(w.maya, story.ill)
				finished = w.cutAndFinish(next, n, story.want)
				current, want := next, strings.NewReplacer("G", good[:4], "N", next[:4]).Replace(story.production)
				if have := w.states(deploy.Production); !strings.HasSuffix(have, want) {
					t.Fatalf("cut at %d: have %s, want %s at its end", n, have, want)
				}
				if story.ill != "" {
					current = good
				} else {
					good = next
				}
				equal(t, fmt.Sprintf("cut at %d: current", n), w.current(), current)
				equal(t, fmt.Sprintf("cut at %d: records of staging", n), strings.Count(w.states(deploy.Staging), next[:4]), 1)
				if n > 40 {
					t.Fatal("never finished")
				}
			}
		})
	}
}

// cutAndFinish cuts a run at its n-th step and lets another finish. It says
// whether the run was over before.
func (w *world) cutAndFinish(sha string, n int, want rundir.Outcome) (finished bool) {
	w.t.Helper()
	ctx, stop := context.WithCancel(w.t.Context())
	defer stop()
	cut, p := &cutter{n: n, stop: stop}, w.ports()
	p.Scripts, p.Deployments = cutScripts{p.Scripts, cut}, cutDeployments{p.Deployments, cut}
	rep, err := deploy.Run(ctx, p, w.seed, deploy.Input{SHA: sha, Dir: w.dir()})
	must(w.t, err)
	if cut.n <= 0 {
		if rep.Record.Reason != "interrupted" {
			w.t.Fatalf("cut at %d: have %s (%s), want interrupted", n, rep.Record.Outcome, rep.Record.Message)
		}
		rep, err = deploy.Run(w.t.Context(), w.ports(), w.seed, deploy.Input{SHA: sha, Dir: w.dir()})
		must(w.t, err)
	}
	if rep.Record.Outcome != want {
		w.t.Fatalf("cut at %d: have %s (%s), want %s", n, rep.Record.Outcome, rep.Record.Message, want)
	}
	return cut.n > 0
}
