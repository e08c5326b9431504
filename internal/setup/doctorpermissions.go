package setup

import (
	"fmt"
	"slices"
	"strings"
)

// quickStart are the two jobs of the quick-start workflow: the rows of the
// trust table folded into one that reads and one that writes. A test compares
// them with the workflow.
var quickStart = map[string]map[string]string{
	"propose": {"contents": "read", "issues": "read", "pull_requests": "read", "checks": "read", "actions": "read"},
	"govern":  {"contents": "write", "issues": "write", "pull_requests": "write", "checks": "write", "actions": "read"},
}

// jobRow is what else a maintainer wants to know of a job.
type jobRow struct {
	name, model, code string
}

var (
	quickRows = []jobRow{{"propose", "yes", "yes, sandboxed"}, {"govern", "no", "no"}}
	cycleRows = []jobRow{{"accept", "no", "no"}, {"build", "yes", "yes, sandboxed"},
		{"verify", "no", "yes, sandboxed"}, {"decide", "no", "no"},
		{"deploy", "no", "its deploy scripts only"}, {"record", "no", "no"}}
)

// worst is what a maintainer shows to co-maintainers.
const worst = "The worst a fooled model can do: propose a bad patch, waste the budget, open one pull request."

// PermissionsText is the table of jobs: what each token may do, who has the
// model's key, who runs code of the repository.
func PermissionsText() string {
	var b strings.Builder
	writeRow(&b, "job", "token may", "model key", "runs code from my files")
	b.WriteString("quick start\n")
	writeRows(&b, quickRows, quickStart)
	b.WriteString("full cycle\n")
	writeRows(&b, cycleRows, Permissions)
	b.WriteString("\nSandboxed: no key, no write token, no network but in setup.\n" + worst + "\n")
	return b.String()
}

func writeRows(b *strings.Builder, rows []jobRow, may map[string]map[string]string) {
	for _, r := range rows {
		model, code, name := r.model, r.code, r.name
		for _, level := range []string{"read", "write"} {
			if list := withLevel(may[r.name], level); list != "" {
				writeRow(b, "  "+name, level+" "+list, model, code)
				name, model, code = "", "", ""
			}
		}
	}
}

func writeRow(b *strings.Builder, cells ...string) {
	line := fmt.Sprintf("%-10s %-54s %-10s %s", cells[0], cells[1], cells[2], cells[3])
	b.WriteString(strings.TrimRight(line, " ") + "\n")
}

func withLevel(row map[string]string, level string) string {
	var list []string
	for p, l := range row {
		if l == level {
			list = append(list, p)
		}
	}
	slices.Sort(list)
	return strings.Join(list, " ")
}
