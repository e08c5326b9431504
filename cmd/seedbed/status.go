package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/seedbed-dev/seedbed/internal/report"
)

func statusCommand(w *world) *cobra.Command {
	c := &cobra.Command{
		Use: "status", Short: "The queue, open pull requests, budgets and the last log entry",
		Long: `Status reads the queue of labelled issues, the open pull requests of agents with
the judge's word on each, what the day has spent, and the last entry of the log.
Everything is read from the forge anew; nothing is kept here.`,
		Args: noArgs,
		Annotations: map[string]string{envNote: "  GITHUB_TOKEN       read token (input token)", outcomesNote: `  0 told, also when there is nothing to do
  2 bad flags, no seed.yaml on the default branch, or one that is not valid
  3 no token, no permission, or the forge could not be read`},
		RunE: func(c *cobra.Command, _ []string) error { return w.status(c.Context()) },
	}
	repoFlag(w, c.Flags())
	forgeFlags(w, c.Flags())
	formatFlag(w, c.Flags())
	return c
}

func (w *world) status(ctx context.Context) error {
	client, err := w.forge(ctx)
	if err != nil {
		return err
	}
	st, err := report.Read(ctx, client, w.now())
	if errors.Is(err, report.ErrNoSeed) {
		return usage("run seedbed init, commit and push", "%w", err)
	}
	if err != nil {
		return err
	}
	if w.flags.format == "json" {
		return w.printJSON(st)
	}
	_, err = fmt.Fprint(w.stdout, st.Text())
	return err
}
