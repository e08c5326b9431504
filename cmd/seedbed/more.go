package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seedbed-dev/seedbed/internal/adapter/git"
	"github.com/seedbed-dev/seedbed/internal/fakegithub"
	"github.com/seedbed-dev/seedbed/internal/journal"
	"github.com/seedbed-dev/seedbed/internal/rundir"
)

func moreCommands(w *world) []*cobra.Command {
	return []*cobra.Command{serveCommand(w), logCommand(w), versionCommand(w)}
}

func versionCommand(w *world) *cobra.Command {
	c := &cobra.Command{Use: "version", Short: "Print the version", Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			if w.flags.format == "json" {
				return w.printJSON(map[string]string{"version": binaryVersion()})
			}
			_, err := fmt.Fprintf(w.stdout, "seedbed %s\n", binaryVersion())
			return err
		}}
	formatFlag(w, c.Flags())
	return c
}

func serveCommand(w *world) *cobra.Command {
	var root, addr, ready, faults string
	var add []string
	c := &cobra.Command{
		Use: "serve", Short: "Run the fake GitHub alone, on loopback",
		Long: `Serve runs a GitHub on loopback over real bare repositories, for act, rehearsals
and tests. Everything is kept under --root: *.git, state.json, requests.jsonl,
events/. It ends on SIGTERM or SIGINT within a second.`,
		Args: noArgs,
		Annotations: map[string]string{outcomesNote: `  0 ended by a signal
  2 bad flags
  3 the address or the folder could not be used`},
		RunE: func(c *cobra.Command, _ []string) error { return w.serve(c.Context(), root, addr, ready, faults, add) },
	}
	c.Flags().StringVar(&root, "root", "", "folder that holds everything (required)")
	c.Flags().StringVar(&addr, "addr", "127.0.0.1:0", "loopback address to listen on")
	c.Flags().StringVar(&ready, "ready-file", "", "write the base URL and tokens here, mode 0600, once it listens")
	c.Flags().StringVar(&faults, "faults", "", "fault plan, JSON")
	c.Flags().StringSliceVar(&add, "add", nil, "OWNER/NAME=DIR: add a repository, copied from a folder or a repository")
	return c
}

func (w *world) serve(ctx context.Context, root, addr, ready, faults string, add []string) error {
	if root == "" {
		return usage("seedbed serve --root DIR", "serve needs --root")
	}
	s, err := fakegithub.Open(fakegithub.Options{Root: root, Now: w.now})
	if err != nil {
		return err
	}
	if faults != "" {
		plan, err := fakegithub.ReadFaults(faults)
		if err != nil {
			return usage("a fault plan is a JSON list", "%w", err)
		}
		s.SetFaults(plan...)
	}
	if err := populate(s, add); err != nil {
		return errors.Join(err, s.Close())
	}
	address, err := s.Start(addr)
	if err != nil {
		return errors.Join(err, s.Close())
	}
	if ready != "" {
		if err := s.WriteReadyFile(ready); err != nil {
			return errors.Join(err, s.Close())
		}
	}
	w.tell("fake GitHub on %s, everything under %s", address, root)
	<-ctx.Done()
	return s.Close()
}

// populate adds repositories, and makes sure that there is a token for a person
// and one for workflows.
func populate(s *fakegithub.Server, add []string) error {
	for _, a := range add {
		name, dir, ok := strings.Cut(a, "=")
		owner, repo, slash := strings.Cut(name, "/")
		if !ok || !slash {
			return usage("for instance --add you/notes=./notes", "--add %q is not OWNER/NAME=DIR", a)
		}
		if err := s.AddRepository(fakegithub.Repository{Owner: owner, Name: repo, From: dir}); err != nil {
			return err
		}
		if _, err := s.MintToken(fakegithub.Token{Name: owner, Kind: fakegithub.KindUser, Login: owner}); err != nil {
			return err
		}
	}
	if s.TokenNamed("actions") != "" {
		return nil
	}
	_, err := s.MintToken(fakegithub.Token{Name: "actions", Kind: fakegithub.KindActions})
	return err
}

func logCommand(w *world) *cobra.Command {
	c := &cobra.Command{Use: "log", Short: "Read and verify AUTOGEN_LOG.md"}
	verify := &cobra.Command{
		Use: "verify", Short: "Rebuild the chain and walk the file's history",
		Long: `Verify rebuilds the hash chain of AUTOGEN_LOG.md and its archives, and walks the
file's git history: each version must extend the one before. It names the entry
that was changed, removed or put in between.`,
		Args: noArgs,
		Annotations: map[string]string{outcomesNote: `  0 the log is as it was written
  1 an entry was changed, removed or inserted; it is named
  2 bad flags
  3 the repository could not be read`},
		RunE: func(c *cobra.Command, _ []string) error { return w.logVerify(c.Context()) },
	}
	repoFlag(w, verify.Flags())
	formatFlag(w, verify.Flags())
	c.AddCommand(verify)
	return c
}

func (w *world) logVerify(ctx context.Context) error {
	log, err := os.ReadFile(filepath.Join(w.flags.repo, journal.Path))
	if errors.Is(err, os.ErrNotExist) {
		_, err := fmt.Fprintf(w.stdout, "no %s in %s: nothing to verify\n", journal.Path, w.flags.repo)
		return err
	}
	if err != nil {
		return &failure{outcome: rundir.Infrastructure, err: err}
	}
	entries, err := w.chain(log)
	if err == nil {
		err = w.history(ctx, log)
	}
	var broken *journal.Broken
	if errors.As(err, &broken) {
		return &failure{outcome: rundir.ValidationBlocked, err: err, hint: "git log -p " + journal.Path + " shows who changed it"}
	}
	if err != nil {
		return err
	}
	if w.flags.format == "json" {
		return w.printJSON(entries)
	}
	_, err = fmt.Fprintf(w.stdout, "%s: %d entries, chain ok\n", journal.Path, len(entries))
	return err
}

// chain checks the log and its archives, oldest first.
func (w *world) chain(log []byte) ([]journal.Entry, error) {
	names, err := filepath.Glob(filepath.Join(w.flags.repo, "docs", "autogen-log", "*.md"))
	if err != nil {
		return nil, err
	}
	var archives [][]journal.Entry
	for _, n := range names {
		data, err := os.ReadFile(n)
		if err != nil {
			return nil, err
		}
		part, err := journal.Parse(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(n), err)
		}
		archives = append(archives, part)
	}
	entries, err := journal.Parse(log)
	if err != nil {
		return nil, err
	}
	return entries, journal.Follows(archives, entries)
}

// history walks the commits of HEAD, first parents only, and checks that each
// version of the log extends the one before, the file on disk being the last.
func (w *world) history(ctx context.Context, log []byte) error {
	repo, err := git.Open(w.flags.repo)
	if err != nil {
		return nil // a plain folder has no history to walk
	}
	versions, err := repo.Versions(ctx, "HEAD", journal.Path)
	if err != nil {
		return fmt.Errorf("walking the history of %s: %w", journal.Path, err)
	}
	before := []byte(nil)
	for _, v := range append(versions, log) {
		if err := journal.Extends(before, v); err != nil {
			return err
		}
		before = v
	}
	return nil
}

func runCommand(w *world) *cobra.Command {
	var rounds int
	c := &cobra.Command{
		Use: "run STEP...", Short: "Run several steps one after the other, each its own process",
		Long: `Run starts the named steps as processes of their own, so that a secret of one is
never in the environment of another: test gets no model key. When test or review
sends a change back, implement, test and review are run again, up to --rounds times.`,
		Args: func(_ *cobra.Command, args []string) error {
			for _, a := range args {
				switch a {
				case "plan", "implement", "test", "review", "govern", "deploy", "doctor":
				default:
					return usage("steps are plan implement test review govern deploy", "unknown step %q", a)
				}
			}
			if len(args) == 0 {
				return usage("for instance: seedbed run plan implement test review", "run needs a step")
			}
			return nil
		},
		Annotations: map[string]string{outcomesNote: `  those of the step that ended the run`},
		RunE:        func(c *cobra.Command, args []string) error { return w.runSteps(c.Context(), args, rounds) },
	}
	runFlags(w, c.Flags())
	c.Flags().IntVar(&rounds, "rounds", 3, "how often a change goes back to implement after review")
	return c
}

// runSteps is the loop inside a build job.
func (w *world) runSteps(ctx context.Context, steps []string, rounds int) error {
	for round := 0; ; round++ {
		outcome, err := w.eachStep(ctx, steps)
		if err != nil {
			return err
		}
		if round >= rounds || !w.sentBack(steps) {
			if outcome == "" || outcome == rundir.Succeeded {
				return nil
			}
			return &ended{outcome}
		}
		steps = afterPlan(steps)
	}
}

func (w *world) eachStep(ctx context.Context, steps []string) (rundir.Outcome, error) {
	for _, step := range steps {
		code, err := w.child(ctx, step)
		if err != nil {
			return "", err
		}
		if code != 0 {
			return w.lastOutcome(step, code), nil
		}
		if step == "plan" && w.lastOutcome(step, code) == rundir.NothingToDo {
			return rundir.NothingToDo, nil
		}
	}
	return rundir.Succeeded, nil
}

// child runs one step in an environment without what it has no use for.
func (w *world) child(ctx context.Context, step string) (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, fmt.Errorf("finding our own binary: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, step, "--run-dir", w.flags.runDir)
	cmd.Env = w.childEnv(step)
	cmd.Stdout, cmd.Stderr = w.stdout, w.stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	err = cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode(), nil
	}
	return 0, err
}

func (w *world) childEnv(step string) []string {
	hidden := map[string]bool{"INPUT_RUN": true, "INPUT_RUN_DIR": true}
	if step == "test" || step == "govern" || step == "deploy" {
		hidden["OPENAI_API_KEY"], hidden["INPUT_MODEL_KEY"] = true, true
	}
	if step == "implement" || step == "test" || step == "review" {
		hidden["GITHUB_TOKEN"], hidden["GH_TOKEN"], hidden["INPUT_TOKEN"] = true, true, true
	}
	var env []string
	for _, pair := range w.environ {
		if name, _, _ := strings.Cut(pair, "="); !hidden[name] {
			env = append(env, pair)
		}
	}
	return env
}

// sentBack says whether the last step found something for the implementer to
// mend: a test that is red now and was green, or findings of the review.
func (w *world) sentBack(steps []string) bool {
	if len(afterPlan(steps)) < 2 || !rundir.Exists(w.flags.runDir) {
		return false
	}
	dir, err := rundir.Open(w.flags.runDir)
	if err != nil || len(dir.Run.Stages) == 0 {
		return false
	}
	last := dir.Run.Stages[len(dir.Run.Stages)-1]
	switch last.Stage {
	case "test":
		return last.Outcome == rundir.ValidationBlocked
	case "review":
		return last.Outcome == rundir.QualityRejected
	}
	return false
}

func afterPlan(steps []string) []string {
	if steps[0] == "plan" {
		return steps[1:]
	}
	return steps
}

func (w *world) lastOutcome(step string, code int) rundir.Outcome {
	if dir, err := rundir.Open(w.flags.runDir); err == nil {
		if rec, ok := dir.Run.Last(step); ok && rec.Outcome.ExitCode() == code {
			return rec.Outcome
		}
	}
	for _, o := range []rundir.Outcome{rundir.Succeeded, rundir.ValidationBlocked, rundir.Usage, rundir.Infrastructure, rundir.NeedsHuman, rundir.BudgetExhausted} {
		if o.ExitCode() == code {
			return o
		}
	}
	return rundir.Infrastructure
}
