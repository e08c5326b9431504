package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/seedbed-dev/seedbed/internal/adapter/sandbox"
	"github.com/seedbed-dev/seedbed/internal/command"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/setup"
)

func doctorCommand(w *world) *cobra.Command {
	o := setup.DoctorOptions{}
	var table bool
	c := &cobra.Command{
		Use: "doctor", Short: "Look at everything a cycle needs and name the one setting to change",
		Long: `Doctor looks at git, seed.yaml and the programs its commands start, the settings
in force and where each came from, the sandbox, the workflows, the token and what
it may read, labels, leases, the default branch and the model's endpoint (a list
of models, never a paid call). Each line is ok, problem or unknown here: what a
job's token may not see is said, not guessed. It works offline.`,
		Args: noArgs,
		Annotations: map[string]string{envNote: `  GITHUB_TOKEN       the token to look at; without one the forge is unknown here
` + modelEnv, outcomesNote: `  0 no problem
  2 bad flags
  3 at least one problem; each names what to change`},
		RunE: func(c *cobra.Command, _ []string) error {
			if table {
				_, err := fmt.Fprint(w.stdout, setup.PermissionsText())
				return err
			}
			return w.doctor(c.Context(), o)
		},
	}
	repoFlag(w, c.Flags())
	forgeFlags(w, c.Flags())
	formatFlag(w, c.Flags())
	c.Flags().BoolVar(&table, "permissions", false, "print what each job's token may do, and the worst that can happen")
	c.Flags().StringVar(&o.Job, "job", "", "compare the token with this job alone (default: all jobs)")
	c.Flags().BoolVar(&o.Write, "write", false, "also try to create and delete a reference below refs/seedbed/")
	c.Flags().StringVar(&o.ModelURL, "model-url", "", "OpenAI-compatible endpoint (default: OPENAI_BASE_URL, else model.base_url of seed.yaml)")
	c.Flags().StringVar(&o.Model, "model", "", "model name (default: SEEDBED_MODEL, else model.name of seed.yaml)")
	return c
}

func (w *world) doctor(ctx context.Context, o setup.DoctorOptions) error {
	if _, known := setup.Permissions[o.Job]; !known && o.Job != "" {
		return usage("seedbed doctor --permissions lists the jobs", "--job %q: there is no such job", o.Job)
	}
	o.Dir, o.Env, o.Key, o.Actions, o.Now = w.flags.repo, w.env, w.modelKey(), w.context.Actions, w.now
	o.Sandbox = w.layers
	if client, err := w.forge(ctx); err == nil {
		o.Forge = client
	} else {
		o.NoForge = err.Error()
	}
	diagnosis, err := setup.Doctor(ctx, o)
	if err != nil {
		return err
	}
	if err := w.printDiagnosis(diagnosis); err != nil {
		return err
	}
	if !diagnosis.Healthy() {
		return &ended{rundir.Environment}
	}
	return nil
}

func (w *world) printDiagnosis(d setup.Diagnosis) error {
	if w.flags.format == "json" {
		return w.printJSON(d)
	}
	_, err := fmt.Fprint(w.stdout, d.Text())
	return err
}

// layers are what guards a command on this machine.
func (w *world) layers(none bool) ([]command.Layer, error) {
	mode := sandbox.Required
	if none {
		mode = sandbox.None
	}
	box, err := sandbox.New(sandbox.Options{Mode: mode, HostEnv: w.environ, ScratchDir: w.env("RUNNER_TEMP"), ReadGoCache: true})
	if err != nil {
		return nil, err
	}
	return box.Layers(), nil
}
