package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// common are the flags that most commands share.
type common struct {
	repo       string
	runDir     string
	repository string
	githubURL  string
	graphqlURL string
	event      string
	eventName  string
	format     string
	kill       string
	dryRun     bool
}

// annotations on commands, for help and tests.
const (
	outcomesNote = "outcomes"
	envNote      = "environment"
)

func newRoot(w *world) *cobra.Command {
	root := &cobra.Command{
		Use:   "seedbed",
		Short: "Label an issue; get a small tested pull request, or a clear no",
		Long: `Seedbed lets a repository grow by itself inside limits that its owner wrote down
in seed.yaml. Agents propose; govern, which talks to no model, disposes.`,
		SilenceUsage: true, SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
	}
	root.AddGroup(&cobra.Group{ID: "people", Title: "For people:"}, &cobra.Group{ID: "steps", Title: "Steps of the cycle, for workflows:"},
		&cobra.Group{ID: "more", Title: "For workflows and the curious:"})
	root.SetHelpCommandGroupID("more")
	root.SetCompletionCommandGroupID("more")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return usage("seedbed "+c.Name()+" --help lists the flags", "%s: %w", c.Name(), err)
	})
	root.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usage("seedbed --help lists the commands", "unknown command %q", args[0])
		}
		return nil
	}
	root.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	for _, group := range []struct {
		id       string
		commands []*cobra.Command
	}{
		{"people", peopleCommands(w)}, {"steps", stepCommands(w)}, {"more", moreCommands(w)},
	} {
		for _, c := range group.commands {
			c.GroupID = group.id
			prepare(w, c)
			root.AddCommand(c)
		}
	}
	return root
}

// prepare gives a command its inputs from the environment and the parts of its
// help that every command has.
func prepare(w *world, c *cobra.Command) {
	for _, sub := range c.Commands() {
		prepare(w, sub)
	}
	c.Long = strings.TrimSpace(longHelp(c))
	inner := c.RunE
	if inner == nil {
		return
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := fromInputs(c.Flags(), w.env); err != nil {
			return err
		}
		var err error
		if w.context, err = w.runner.Context(); err != nil {
			return usage("the variable is set by the runner", "%w", err)
		}
		return inner(c, args)
	}
}

func longHelp(c *cobra.Command) string {
	text := c.Long
	if text == "" {
		text = c.Short + "."
	}
	if env := c.Annotations[envNote]; env != "" {
		text += "\n\nEnvironment:\n" + env
	}
	if out := c.Annotations[outcomesNote]; out != "" {
		text += "\n\nOutcomes and exit codes:\n" + out
	}
	return text
}

// inputName is the environment variable by which a composite action hands over
// a flag: --model-url is INPUT_MODEL_URL.
func inputName(flag string) string {
	return "INPUT_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

// fromInputs fills flags that were not given from their inputs. An empty input
// is one that the workflow left out.
func fromInputs(flags *pflag.FlagSet, env func(string) string) error {
	var first error
	flags.VisitAll(func(f *pflag.Flag) {
		value := env(inputName(f.Name))
		if f.Changed || value == "" || f.Name == "help" || first != nil {
			return
		}
		if err := flags.Set(f.Name, value); err != nil {
			first = usage("check the input of the action", "input %s: %w", strings.ReplaceAll(f.Name, "-", "_"), err)
		}
	})
	return first
}

// Groups of flags, so that the same flag is the same everywhere.

func repoFlag(w *world, f *pflag.FlagSet) {
	f.StringVar(&w.flags.repo, "repo", orDefault(w.env("GITHUB_WORKSPACE"), "."), "the repository's work tree")
}

func forgeFlags(w *world, f *pflag.FlagSet) {
	f.StringVar(&w.flags.repository, "repository", "", "OWNER/NAME on the forge (default: GITHUB_REPOSITORY, else the remote origin)")
	f.StringVar(&w.flags.githubURL, "github-url", "", "REST address (default: GITHUB_API_URL)")
	f.StringVar(&w.flags.graphqlURL, "graphql-url", "", "GraphQL address (default: beside the REST address)")
}

func runFlags(w *world, f *pflag.FlagSet) {
	f.StringVar(&w.flags.runDir, "run-dir", defaultRunDir(w), "the run directory that stages hand to one another")
	f.StringVar(&w.flags.event, "event", "", "event file (default: GITHUB_EVENT_PATH)")
	f.StringVar(&w.flags.eventName, "event-name", "", "event name (default: GITHUB_EVENT_NAME)")
	f.StringVar(&w.flags.kill, "kill", w.env("SEEDBED_KILL"), "kill switch: any value but empty, 0, false or off stops everything")
}

func formatFlag(w *world, f *pflag.FlagSet) {
	w.flags.format = "text"
	f.Var(&choice{value: &w.flags.format, of: []string{"text", "json"}}, "format", "how results are printed: text or json")
}

func orDefault(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// choice is a flag with few values.
type choice struct {
	value *string
	of    []string
}

// String is the value.
func (c *choice) String() string {
	if c.value == nil {
		return ""
	}
	return *c.value
}

// Type is shown in help.
func (c *choice) Type() string { return strings.Join(c.of, "|") }

// Set refuses anything else.
func (c *choice) Set(s string) error {
	for _, o := range c.of {
		if s == o {
			*c.value = s
			return nil
		}
	}
	return fmt.Errorf("want %s", strings.Join(c.of, " or "))
}
