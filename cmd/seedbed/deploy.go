package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seedbed-dev/seedbed/internal/adapter/git"
	"github.com/seedbed-dev/seedbed/internal/effect"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/secret"
	"github.com/seedbed-dev/seedbed/internal/stage/deploy"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// deployFlags are deploy's own.
type deployFlags struct {
	sha     string
	promote bool
}

func deployCommand(w *world) *cobra.Command {
	f := &deployFlags{}
	c := &cobra.Command{
		Use: "deploy", Short: "Bring a merged commit to staging, watch it, promote it, roll it back when it is bad",
		Long: `Deploy runs the scripts that seed.yaml names under deploy, from a fresh checkout
of the commit, and watches what they release. It goes on where an earlier run
stopped: that stands in the forge's deployment records. Each script prints on
its last line {"release": "...", "url": "..."}; it may be run twice.

Scripts get SEEDBED_SHA, SEEDBED_ENVIRONMENT, SEEDBED_RELEASE, SEEDBED_APP and
SEEDBED_URL, where programs are (PATH, HOME, LANG, LC_*, TZ, TMPDIR, USER, CI),
and every variable that begins with DEPLOY_. Nothing else.`,
		Args: noArgs,
		Annotations: map[string]string{envNote: `  GITHUB_TOKEN       token that may read, and write deployments (input token)
  DEPLOY_*           for the scripts: their secrets and addresses`, outcomesNote: `  0 succeeded            healthy in production, or in staging where that is all
  0 nothing_to_do        the commit, or a later one, is already out
  1 validation_blocked   not merged, or bad in staging: nothing else was touched
  2                      bad flags, seed.yaml or event
  3 environment_blocked  no token, or a provider that is not in this version
  3 infrastructure_failed, interrupted; run it again
  4 needs_approval       healthy in staging; run it with --promote
  4 needs_human          frozen, somebody else's release on top, or nothing to go back to
  4 inconclusive         too few answers to tell; nothing was promoted or taken back
  4 rolled_back          production is on the release before; deploys are frozen`},
		RunE: func(c *cobra.Command, _ []string) error { return w.deploy(c.Context(), f) },
	}
	runFlags(w, c.Flags())
	forgeFlags(w, c.Flags())
	formatFlag(w, c.Flags())
	c.Flags().StringVar(&f.sha, "sha", "", "the merged commit (default: input sha of a dispatch, else the commit that was pushed)")
	c.Flags().BoolVar(&f.promote, "promote", false, "a person said so: go on to production (as in a job behind an environment's reviewers)")
	c.Flags().BoolVar(&w.flags.dryRun, "dry-run", false, "print the plan and do nothing")
	return c
}

func (w *world) deploy(ctx context.Context, f *deployFlags) error {
	event, err := w.event()
	if err != nil {
		return err
	}
	sha := deploySHA(event, f.sha)
	if sha == "" {
		return usage("pass --sha, or run on push or dispatch", "which commit? event %q names none", event.Name)
	}
	if task.Killed(w.flags.kill) {
		return &failure{outcome: rundir.NeedsHuman, err: fmt.Errorf("the kill switch is on"), hint: "clear the variable SEEDBED_KILL"}
	}
	gh, err := w.forge(ctx)
	if err != nil {
		return err
	}
	info, err := gh.Repository(ctx)
	if err != nil {
		return err
	}
	repo, err := w.remoteClone(ctx)
	if err != nil {
		return err
	}
	if err := repo.Fetch(ctx, "refs/heads/"+info.DefaultBranch); err != nil {
		return err
	}
	if _, err := repo.Resolve(ctx, sha); err != nil {
		return &failure{outcome: rundir.ValidationBlocked, err: fmt.Errorf("%.8s is not on %s: only what was merged goes out", sha, info.DefaultBranch),
			hint: "pass the full id of a merged commit"}
	}
	s, err := readSeed(ctx, repo, sha)
	if err != nil {
		return err
	}
	scratch, err := w.tempDir("deploy")
	if err != nil {
		return err
	}
	in := deploy.Input{SHA: sha, Pusher: pusher(event, sha), Person: f.promote}
	known := w.deployRedactor()
	// The one job that holds the platform's secrets: no model, one write port.
	ports := deploy.Ports{Forge: gh, Deployments: gh, Repo: released{repo}, Scripts: deploy.Shell{}, Probe: deploy.NewWeb(0),
		Clean: effect.NewCleaner(known), Redactor: known, Now: w.now, Sleep: w.sleep, Scratch: scratch, Environ: w.environ}
	if w.flags.dryRun {
		ports.DryRun = func(line string) { fmt.Fprintln(w.stdout, line) }
	} else if in.Dir, err = w.deployDir(event, info, sha); err != nil {
		return err
	}
	rep, err := deploy.Run(ctx, ports, s, in)
	if err != nil {
		return err
	}
	return w.deployed(rep, in.Dir)
}

// deploySHA is the commit that is meant: by flag, by dispatch, by push.
func deploySHA(e forge.Event, flag string) string {
	switch {
	case flag != "":
		return flag
	case e.Kind == forge.EventDispatch:
		return e.Inputs["sha"]
	case e.Kind == forge.EventPush:
		return e.SHA
	}
	return ""
}

// pusher is who sent the event, if it is about this very commit.
func pusher(e forge.Event, sha string) forge.User {
	if e.Kind == forge.EventPush && e.SHA == sha {
		return e.Sender
	}
	return forge.User{}
}

// deployDir is where incidents are left for govern.
func (w *world) deployDir(event forge.Event, info forge.Repository, sha string) (*rundir.Dir, error) {
	run := w.newRun("deploy", event)
	run.Base = rundir.Snapshot{Repository: info.FullName(), Branch: info.DefaultBranch, Commit: sha, At: w.now().UTC()}
	return rundir.Create(w.flags.runDir, run)
}

// deployed keeps what was done and tells it.
func (w *world) deployed(rep deploy.Report, dir *rundir.Dir) error {
	if w.flags.format == "json" && dir == nil {
		return w.printJSON(rep)
	}
	if dir == nil {
		return w.record(nil, rep.Record, false)
	}
	if err := dir.WriteJSON(rundir.AppliedFile, rep.Effects); err != nil {
		return err
	}
	return w.record(dir, rep.Record, true)
}

// deployRedactor also knows the scripts' own secrets, by the names they have.
func (w *world) deployRedactor() *secret.Redactor {
	known := []secret.Known{{Name: "token", Value: w.token()}}
	for name, value := range w.values {
		if strings.HasPrefix(name, "DEPLOY_") && namesSecret(name) {
			known = append(known, secret.Known{Name: name, Value: value})
		}
	}
	return secret.NewRedactor(known...)
}

func namesSecret(name string) bool {
	for _, word := range []string{"TOKEN", "KEY", "SECRET", "PASS", "CREDENTIAL", "PRIVATE", "AUTH"} {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// released is the clone as deploy sees it.
type released struct{ *git.Repo }

// Parents gives a commit's parents.
func (r released) Parents(ctx context.Context, sha string) ([]string, error) {
	info, err := r.CommitInfo(ctx, sha)
	return info.Parents, err
}
