package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/seedbed-dev/seedbed/internal/adapter/sandbox"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/setup"
)

func initCommand(w *world) *cobra.Command {
	o := setup.InitOptions{}
	c := &cobra.Command{
		Use: "init", Short: "Put Seedbed into this repository; --remove takes it out",
		Long: `Init finds out how the project is set up and tested (go.mod, go.work,
package.json and lock files, Makefile, the workflows that are there), tries it
once in the sandbox on a copy of HEAD, and writes seed.yaml (20 lines at most),
the quick-start workflow and an issue form. Each guess is shown with the file
and line it comes from. It asks nothing, commits nothing and overwrites nothing
it did not write; a second run changes nothing.`,
		Args: noArgs,
		Annotations: map[string]string{envNote: `  GITHUB_TOKEN       optional: tells whether the default branch is protected, and who you are`, outcomesNote: `  0 written, or all of it was there already
  1 a file that init did not write is in the way (nothing was written),
    or --remove left a file that was changed since
  2 not inside a git work tree
  3 the repository could not be read or written`},
		RunE: func(c *cobra.Command, _ []string) error { return w.init(c.Context(), o) },
	}
	repoFlag(w, c.Flags())
	forgeFlags(w, c.Flags())
	c.Flags().BoolVar(&o.Full, "full", false, "write the full set of workflows instead of the quick start")
	c.Flags().BoolVar(&o.Remove, "remove", false, "take out what init wrote, unless it was changed since")
	c.Flags().BoolVar(&o.DryRun, "dry-run", false, "print what would be written")
	return c
}

func (w *world) init(ctx context.Context, o setup.InitOptions) error {
	o.Dir, o.Out, o.Now, o.Redactor, o.Scratch = w.flags.repo, w.stdout, w.now, w.redactor(), w.env("RUNNER_TEMP")
	if owner, name, err := w.repository(ctx); err == nil {
		o.Repository = owner + "/" + name
		if w.token() != "" {
			client, err := w.forge(ctx)
			if err != nil {
				return err
			}
			o.Forge = client
		}
	}
	if !o.Remove {
		box, why, err := w.initSandbox()
		if err != nil {
			return err
		}
		if o.NoRunner = why; box != nil {
			o.Runner = box
		}
	}
	return initFailure(setup.Init(ctx, o))
}

// initSandbox is the sandbox, or why there is none: init then shows the
// commands and runs nothing.
func (w *world) initSandbox() (*sandbox.Sandbox, string, error) {
	box, err := sandbox.New(sandbox.Options{Mode: sandbox.Required, HostEnv: w.environ, ScratchDir: w.env("RUNNER_TEMP"),
		CacheDir: w.cacheDir("init"), ReadGoCache: true})
	if errors.Is(err, sandbox.ErrUnavailable) {
		return nil, fmt.Sprint(err), nil
	}
	if err != nil {
		return nil, "", err
	}
	return box, "", nil
}

func initFailure(err error) error {
	switch {
	case errors.Is(err, setup.ErrNoRepository):
		return usage("git init, or pass --repo DIR", "%w", err)
	case errors.Is(err, setup.ErrInTheWay):
		return &failure{outcome: rundir.ValidationBlocked, err: err, hint: "move them away, or merge by hand what seedbed init --dry-run prints"}
	case errors.Is(err, setup.ErrKept):
		return &failure{outcome: rundir.ValidationBlocked, err: err, hint: "remove them yourself if you want them gone"}
	}
	return err
}
