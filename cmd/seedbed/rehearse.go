package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/seed"
	"github.com/seedbed-dev/seedbed/internal/setup"
)

func rehearseCommand(w *world) *cobra.Command {
	o := setup.RehearseOptions{}
	m := &modelFlags{}
	var worker string
	c := &cobra.Command{
		Use: "rehearse", Short: "The same cycle on a copy of your repository, on a fake GitHub: nothing real is touched",
		Long: `Rehearse copies the committed state of the repository you stand in to a fake
GitHub on loopback, files an issue there and runs one cycle on it, with your
seed.yaml, your tests and your sandbox. A model is asked only when your
environment names one; a task for a command worker needs none.`,
		Args: noArgs,
		Annotations: map[string]string{envNote: modelEnv, outcomesNote: `  0 merged, or nothing to do
  1 refused, or no change
  2 bad flags or seed.yaml
  3 no sandbox, no model, something did not work
  4 a person is needed, as it would be on GitHub (--approve plays the person)`},
		RunE: func(c *cobra.Command, _ []string) error {
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("finding our own binary: %w", err)
			}
			if err := w.rehearsal(&o, m, worker); err != nil {
				return err
			}
			o.Binary, o.Env, o.Out, o.Now = self, w.environ, w.stdout, w.now
			outcome, err := setup.Rehearse(c.Context(), o)
			if err != nil {
				return err
			}
			if outcome == rundir.Succeeded || outcome == rundir.NothingToDo {
				return nil
			}
			return &ended{outcome}
		},
	}
	repoFlag(w, c.Flags())
	m.add(c.Flags())
	c.Flags().StringVar(&o.Title, "title", "Rehearse one cycle", "title of the issue")
	c.Flags().StringVar(&o.Body, "body", "", "text of the issue")
	c.Flags().StringVar(&worker, "worker", "", "give the task to this worker of seed.yaml")
	c.Flags().StringVar(&o.Branch, "branch", "", "default branch of the copy (default: the one checked out)")
	c.Flags().BoolVar(&o.Approve, "approve", false, "a second person approves, and the cycle goes on to merge")
	c.Flags().StringVar(&o.Dir, "dir", "", "keep everything in this folder")
	c.Flags().BoolVar(&o.Again, "again", false, "run another cycle on --dir, without a new issue")
	return c
}

// rehearsal fills in what the repository and the environment decide. The seed
// is checked before anything is started.
func (w *world) rehearsal(o *setup.RehearseOptions, m *modelFlags, worker string) error {
	dir, err := filepath.Abs(w.flags.repo)
	if err != nil {
		return err
	}
	data, err := os.ReadFile(filepath.Join(dir, "seed.yaml"))
	if err != nil {
		return usage("run seedbed init and commit what it writes", "no seed.yaml in %s", w.flags.repo)
	}
	s, err := seed.Parse("seed.yaml", data)
	if err != nil {
		return err
	}
	o.Repo, o.Trigger = dir, s.AutomationContract.TaskLabels.Triggers[0]
	if worker != "" {
		if s.Workers[worker].Command == "" {
			return usage("seed.yaml lists workers with a command under workers", "no worker %q with a command", worker)
		}
		o.Labels = append(o.Labels, "worker:"+worker)
	}
	o.Model = map[string]string{}
	for name, value := range map[string]string{"OPENAI_API_KEY": w.modelKey(), "INPUT_MODEL_URL": orDefault(m.url, w.env("OPENAI_BASE_URL")),
		"INPUT_MODEL": orDefault(m.name, w.env("SEEDBED_MODEL")), "INPUT_RECORDED": absolute(m.recorded)} {
		if value != "" {
			o.Model[name] = value
		}
	}
	return nil
}

func absolute(path string) string {
	if path == "" {
		return ""
	}
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
