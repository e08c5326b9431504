package shipped

import (
	"maps"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// actionFile is action.yml.
type actionFile struct {
	Inputs  map[string]actionInput  `yaml:"inputs"`
	Outputs map[string]actionOutput `yaml:"outputs"`
	Runs    struct {
		Using string `yaml:"using"`
		Steps []step `yaml:"steps"`
	} `yaml:"runs"`
}

type actionInput struct {
	Description string  `yaml:"description"`
	Default     *string `yaml:"default"`
	Required    bool    `yaml:"required"`
}

type actionOutput struct {
	Description string `yaml:"description"`
	Value       string `yaml:"value"`
}

func readAction(t *testing.T) actionFile {
	t.Helper()
	var a actionFile
	if err := yaml.Unmarshal([]byte(read(t, abs(t, "action.yml"))), &a); err != nil {
		t.Fatal(err)
	}
	return a
}

// Inputs that are no flag of the program, with the reason.
var inputsOnly = map[string]string{
	"run":         "the command itself",
	"token":       "a secret: arguments can be read by every process of the machine",
	"model_key":   "a secret, as token",
	"fail_on":     "what the step makes of the exit code",
	"release_url": "where the program comes from",
}

// Flags of steps that are no input, with the reason.
var flagsOnly = map[string]string{
	"help":        "for people",
	"format":      "a workflow reads outputs",
	"repo":        "GITHUB_WORKSPACE says it",
	"repository":  "GITHUB_REPOSITORY says it",
	"github-url":  "GITHUB_API_URL says it",
	"graphql-url": "GITHUB_GRAPHQL_URL says it",
	"event":       "GITHUB_EVENT_PATH says it",
	"event-name":  "GITHUB_EVENT_NAME says it",
	"select":      "part of the input run: plan --select",
	"job":         "follows from the other flags",
	"dry-run":     "part of the input run",
	"explain":     "for people",
	"facts":       "for people",
}

var flagLine = regexp.MustCompile(`(?m)^ +(?:-[a-z], )?--([a-z][a-z-]*)`)

// stepFlags reads the flags of each step from its help, as a user would.
func stepFlags(t *testing.T) map[string][]string {
	t.Helper()
	flags := map[string][]string{}
	for _, name := range []string{"plan", "implement", "test", "review", "govern", "deploy", "run"} {
		out, err := exec.Command(binary(t), name, "--help").CombinedOutput()
		if err != nil {
			t.Fatalf("seedbed %s --help: %v\n%s", name, err, out)
		}
		_, list, ok := strings.Cut(string(out), "\nFlags:\n")
		if !ok {
			t.Fatalf("seedbed %s --help lists no flags:\n%s", name, out)
		}
		for _, m := range flagLine.FindAllStringSubmatch(list, -1) {
			flags[m[1]] = append(flags[m[1]], name)
		}
	}
	return flags
}

// Every input is a flag of some step that its help lists, and every flag of a
// step is an input, or says why not.
func TestInputsAreFlags(t *testing.T) {
	inputs, flags := readAction(t).Inputs, stepFlags(t)
	for name := range inputs {
		flag := strings.ReplaceAll(name, "_", "-")
		if _, ok := flags[flag]; !ok && inputsOnly[name] == "" {
			t.Errorf("input %s: no step has a flag --%s", name, flag)
		}
		if strings.ToLower(name) != name || strings.Contains(name, "-") {
			t.Errorf("input %s is not snake_case", name)
		}
	}
	for flag, steps := range flags {
		name := strings.ReplaceAll(flag, "-", "_")
		_, isInput := inputs[name]
		if isInput == (flagsOnly[flag] != "") {
			t.Errorf("flag --%s of %s: an input of action.yml %v, excused with %q", flag, strings.Join(steps, ", "), isInput, flagsOnly[flag])
		}
	}
	for name := range inputsOnly {
		if _, ok := inputs[name]; !ok {
			t.Errorf("input %s is excused and not there", name)
		}
	}
}

// Each input reaches the program through the environment, under the one name,
// and no expression stands in the text of a script.
func TestInputsGoThroughTheEnvironment(t *testing.T) {
	a := readAction(t)
	handed := map[string]bool{}
	for _, s := range a.Runs.Steps {
		if strings.Contains(s.Run, "${{") {
			t.Errorf("an expression in run text: %s", s.Run)
		}
		for name, value := range s.Env {
			input := strings.ToLower(strings.TrimPrefix(name, "INPUT_"))
			if !strings.HasPrefix(name, "INPUT_") {
				continue
			}
			handed[input] = true
			if value != "${{ inputs."+input+" }}" {
				t.Errorf("%s is %q", name, value)
			}
		}
	}
	if have, want := slices.Sorted(maps.Keys(handed)), slices.Sorted(maps.Keys(a.Inputs)); !slices.Equal(have, want) {
		t.Errorf("handed over are %q, the inputs are %q", have, want)
	}
	for name, in := range a.Inputs {
		if in.Description == "" || in.Default == nil && !in.Required {
			t.Errorf("input %s: wants a description and a default", name)
		}
	}
}

// The outputs of the action are those of the step that runs the program; an
// outcome is there also when the program could not be had.
func TestOutputs(t *testing.T) {
	a := readAction(t)
	for name, o := range a.Outputs {
		if !strings.Contains(o.Value, "steps.run.outputs."+name) || o.Description == "" {
			t.Errorf("output %s is %q: %q", name, o.Value, o.Description)
		}
	}
	if have := a.Outputs["outcome"].Value; !strings.Contains(have, "|| 'infrastructure_failed'") {
		t.Errorf("outcome is %q", have)
	}
	for _, w := range workflows(t) {
		for name, j := range w.Jobs {
			for _, s := range j.Steps {
				for in := range s.With {
					if _, ok := a.Inputs[in]; s.ours() && !ok {
						t.Errorf("%s %s: action.yml has no input %s", w.file, name, in)
					}
				}
			}
		}
	}
}
