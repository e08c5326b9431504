package shipped

import (
	"os/exec"
	"testing"
)

func TestActionlint(t *testing.T) {
	lint := tool(t, "actionlint", "github.com/rhysd/actionlint v1.7.12")
	out, err := exec.Command(lint, append([]string{"-no-color", "-oneline"}, workflowFiles(t)...)...).CombinedOutput()
	if err != nil {
		t.Errorf("actionlint: %v\n%s", err, out)
	}
}

func TestActionValidator(t *testing.T) {
	cli := nodeModule(t, "@action-validator/cli@0.6.0", "cli.mjs")
	for _, file := range append(workflowFiles(t), abs(t, "action.yml")) {
		if out, err := exec.Command("node", cli, file).CombinedOutput(); err != nil {
			t.Errorf("action-validator %s: %v\n%s", file, err, out)
		}
	}
}

// The scripts are plain sh; shellcheck looks at them where it is installed.
func TestScriptsParse(t *testing.T) {
	for _, file := range []string{"install.sh", "step.sh"} {
		path := abs(t, ".github", file)
		if out, err := exec.Command("sh", "-n", path).CombinedOutput(); err != nil {
			t.Errorf("sh -n %s: %v\n%s", file, err, out)
		}
		if lint, err := exec.LookPath("shellcheck"); err == nil {
			if out, err := exec.Command(lint, path).CombinedOutput(); err != nil {
				t.Errorf("shellcheck %s: %v\n%s", file, err, out)
			}
		}
	}
}
