package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/seedbed-dev/seedbed/internal/adapter/github"
	"github.com/seedbed-dev/seedbed/internal/effect"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/policy"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/stage/govern"
)

// governFlags are govern's own.
type governFlags struct {
	deploy  string
	explain bool
	pull    int
	expect  []string
	verify  string
}

func governCommand(w *world) *cobra.Command {
	f := &governFlags{}
	c := &cobra.Command{
		Use: "govern", Short: "Judge what was made and apply what the judge permits; the only step that writes",
		Long: `Govern judges proposals and changes by seed.yaml of the base commit and applies
what is permitted: claims, branch, pull request, check, comment, merge, log. It
talks to no model, checks nothing out and runs nothing of the repository.

With a run directory it handles what that holds; without one it looks at every
open pull request of Seedbed once more. On pull_request_target it judges that
pull request and posts one comment.`,
		Args: noArgs,
		Annotations: map[string]string{envNote: `  GITHUB_TOKEN       token that may write (input token)
  SEEDBED_KILL       kill switch, read again before each batch of effects`, outcomesNote: `  0 succeeded, nothing_to_do, advisory
  1 validation_blocked   refused; every rule that said no is named
  2                      bad seed.yaml or event
  3 infrastructure_failed, environment_blocked; could not judge
  4 needs_approval, pending, needs_human
  5 budget_exhausted     effects of this hour are used up`},
		RunE: func(c *cobra.Command, _ []string) error { return w.govern(c.Context(), f) },
	}
	repoFlag(w, c.Flags())
	runFlags(w, c.Flags())
	forgeFlags(w, c.Flags())
	formatFlag(w, c.Flags())
	c.Flags().BoolVar(&w.flags.dryRun, "dry-run", false, "print the effects instead of applying them")
	c.Flags().StringVar(&f.deploy, "deploy-workflow", "", "workflow file to dispatch after a merge, when seed.yaml names a deploy provider")
	c.Flags().BoolVar(&f.explain, "explain", false, "print the whole verdict")
	c.Flags().StringSliceVar(&f.expect, "expect", []string{"quick"}, "jobs whose run directories are handled: quick, accept, build, review, deploy")
	c.Flags().StringVar(&f.verify, "verify", "", "folder with the run directories of verify jobs")
	c.Flags().IntVar(&f.pull, "pull", 0, "judge this pull request alone, and post one comment (default: that of pull_request_target)")
	return c
}

func (w *world) govern(ctx context.Context, f *governFlags) error {
	in, err := w.governInput(f)
	if err != nil {
		return err
	}
	ports, err := w.governPorts(ctx, in, f)
	if err != nil {
		return err
	}
	rep, err := govern.Run(ctx, ports, in)
	if err != nil {
		return errors.Join(w.keepEffects(rep, in), governError(err))
	}
	if w.flags.dryRun {
		shown(&rep)
	}
	if err := w.keepEffects(rep, in); err != nil {
		return err
	}
	return w.report(rep, f)
}

// shown completes the report of a dry run: what would have been written has no
// outcome of its own.
func shown(rep *govern.Report) {
	const message = "dry run: nothing was applied"
	for i := range rep.Tasks {
		if t := &rep.Tasks[i]; t.Outcome == "" {
			t.Outcome, t.State, t.Message = rundir.Succeeded, "shown", message
		}
	}
	if rep.Outcome == "" {
		rep.Outcome, rep.Message = rundir.Succeeded, message
	}
}

// governError gives the few errors of govern that are outcomes.
func governError(err error) error {
	switch {
	case errors.Is(err, effect.ErrBudget):
		return &failure{outcome: rundir.BudgetExhausted, err: err, hint: "what is left is done by the next run"}
	case errors.Is(err, effect.ErrMoved):
		return &failure{outcome: rundir.Infrastructure, err: err, hint: "run again: it is judged as it is then"}
	case strings.Contains(err.Error(), "is not for "):
		return &failure{outcome: rundir.ValidationBlocked, err: err, hint: "a stage may propose only its own kinds of effects"}
	}
	return err
}

func (w *world) governInput(f *governFlags) (govern.Input, error) {
	event, err := w.event()
	if err != nil {
		return govern.Input{}, err
	}
	in := govern.Input{Event: event, Run: w.newRun("govern", event), Binary: binaryVersion(), Deploy: f.deploy, Expect: f.expect,
		Dispose: event.Kind != forge.EventPullTarget && f.pull == 0}
	if f.pull != 0 {
		in.Event.Pull = f.pull
	}
	if !in.Dispose {
		return in, nil
	}
	if in.Dirs, err = handedOver(w.flags.runDir); err != nil {
		return in, err
	}
	in.Verified, err = handedOver(f.verify)
	return in, err
}

// handedOver opens the run directories of a folder; none is there when nothing
// was handed over.
func handedOver(folder string) ([]*rundir.Dir, error) {
	if _, err := os.Stat(folder); folder == "" || err != nil {
		return nil, nil
	}
	dirs, err := rundir.All(folder)
	if errors.Is(err, rundir.ErrDigest) {
		return nil, &failure{outcome: rundir.ValidationBlocked, err: fmt.Errorf("%w [integrity]", err),
			hint: "the run directory was changed after it was written: start the run again"}
	}
	return dirs, err
}

// governPorts is what the one writing step holds: no model, no sandbox.
func (w *world) governPorts(ctx context.Context, in govern.Input, f *governFlags) (govern.Ports, error) {
	ports := govern.Ports{Now: w.now, Kill: func() string { return w.flags.kill }, Clean: effect.NewCleaner(w.redactor())}
	if w.flags.format != "json" {
		ports.Judged = func(v policy.Verdict) { w.printVerdict(v, f) }
	}
	if w.flags.dryRun {
		ports.DryRun = func(e effect.Effect) { fmt.Fprintln(w.stdout, e) }
	}
	if w.flags.dryRun && w.token() == "" {
		return w.offline(ctx, in, ports)
	}
	gh, err := w.forge(ctx)
	if err != nil {
		return ports, err
	}
	ports.Forge, ports.Effects = gh, writePorts(gh)
	if slices.Equal(in.Expect, []string{"review"}) {
		return ports, nil // posting an opinion reads no code, and its token may not
	}
	repo, err := w.remoteClone(ctx)
	if err != nil {
		return ports, err
	}
	ports.Clone = clone{w.workspace(repo)}
	return ports, nil
}

// writePorts hands the client to every write port. Which of them the token then
// permits is the workflow's permissions.
func writePorts(gh *github.Client) effect.Ports {
	return effect.Ports{Issues: gh, Comments: gh, Refs: gh, Files: gh, Pulls: gh, Checks: gh, Workflows: gh, Runs: gh, Deployments: gh}
}

func (w *world) printVerdict(v policy.Verdict, f *governFlags) {
	if f.explain || v.Decision == policy.Reject || v.Decision == policy.Rework || v.Decision == policy.CouldNotJudge {
		fmt.Fprint(w.stdout, v.Text())
		return
	}
	fmt.Fprintln(w.stdout, v.Summary())
}

// keepEffects writes what was done beside what was proposed.
func (w *world) keepEffects(rep govern.Report, in govern.Input) error {
	if len(in.Dirs) == 0 || w.flags.dryRun {
		return nil
	}
	return in.Dirs[0].WriteJSON(rundir.AppliedFile, rep.Effects)
}

// matrixEntry is one accepted task, as a workflow's matrix carries it.
type matrixEntry struct {
	Issue int    `json:"issue"`
	Key   string `json:"key"`
}

func (w *world) report(rep govern.Report, _ *governFlags) error {
	if err := w.governOutputs(rep); err != nil {
		return err
	}
	if w.flags.format == "json" {
		if err := w.printJSON(rep); err != nil {
			return err
		}
	} else {
		for _, t := range rep.Tasks {
			fmt.Fprintf(w.stdout, "govern     %s\n", t.Message)
		}
		if len(rep.Tasks) == 0 {
			fmt.Fprintln(w.stdout, "govern     nothing to do")
		}
	}
	if rep.Outcome.ExitCode() == 0 {
		return nil
	}
	return &ended{rep.Outcome}
}

// governOutputs tells the workflow what was accepted and what was merged, and
// people in the job summary.
func (w *world) governOutputs(rep govern.Report) error {
	if !w.context.Actions {
		return nil
	}
	matrix := make([]matrixEntry, 0, len(rep.Accepted))
	for _, t := range rep.Accepted {
		matrix = append(matrix, matrixEntry{t.Issue, t.Key8()})
	}
	data, err := json.Marshal(matrix)
	if err != nil {
		return err
	}
	err = errors.Join(w.outputs(rep.Outcome, ""), w.runner.Output("matrix", string(data)), w.runner.Output("count", fmt.Sprint(len(matrix))))
	for _, t := range rep.Tasks {
		err = errors.Join(err, w.taskOutputs(t))
	}
	return errors.Join(err, w.runner.Summary(governSummary(rep)))
}

func (w *world) taskOutputs(t govern.TaskReport) error {
	var err error
	if t.Pull != 0 {
		err = w.runner.Output("pull", fmt.Sprint(t.Pull))
	}
	if t.Merge != "" {
		err = errors.Join(err, w.runner.Output("sha", t.Merge))
	}
	if t.Verdict == nil {
		return err
	}
	for _, finding := range t.Verdict.Findings() {
		err = errors.Join(err, w.runner.Annotate(finding.Severity, finding.Path, finding.Line, finding.Message+" ["+finding.Rule+"]"))
	}
	return err
}

func governSummary(rep govern.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "**%s** %s\n\n", strings.ReplaceAll(string(rep.Outcome), "_", " "), effect.Inert(rep.Message))
	for _, t := range rep.Tasks {
		fmt.Fprintf(&b, "- #%d %s: %s\n", t.Issue, effect.Inert(t.Title), effect.Inert(t.Message))
		if t.Verdict != nil {
			b.WriteString("\n" + t.Verdict.Markdown(200<<10) + "\n")
		}
	}
	return b.String()
}
