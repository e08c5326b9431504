package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/seedbed-dev/seedbed/internal/setup"
)

func peopleCommands(w *world) []*cobra.Command {
	return []*cobra.Command{demoCommand(w), initCommand(w), doctorCommand(w), rehearseCommand(w), statusCommand(w)}
}

func demoCommand(w *world) *cobra.Command {
	o := setup.DemoOptions{}
	c := &cobra.Command{
		Use: "demo", Short: "A whole growth cycle on a fake GitHub, here and now: no key, no account",
		Long: `Demo starts a fake GitHub on loopback with the bundled example, files and labels
two issues and runs the cycle on each: one is merged and deployed, one is refused.
The model's replies are recordings; git, edits, tests, sandbox, judge, pull
request, merge, deployment and log are real.`,
		Args: noArgs,
		Annotations: map[string]string{outcomesNote: `  0 both scenes ended as they should
  2 bad flags
  3 something did not work; it says what`},
		RunE: func(c *cobra.Command, _ []string) error {
			self, err := os.Executable()
			if err != nil {
				return fmt.Errorf("finding our own binary: %w", err)
			}
			o.Binary, o.Env, o.Out, o.Now = self, w.environ, w.stdout, w.now
			return setup.Demo(c.Context(), o)
		},
	}
	c.Flags().StringVar(&o.Dir, "dir", "", "keep everything in this folder")
	c.Flags().BoolVar(&o.Again, "again", false, "run the same cycle on --dir once more; it changes nothing")
	c.Flags().BoolVar(&o.Serve, "serve", false, "keep the server up until interrupted")
	return c
}
