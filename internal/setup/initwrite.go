package setup

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/seed"
)

// Where init writes.
const (
	seedFile     = "seed.yaml"
	formFile     = ".github/ISSUE_TEMPLATE/seedbed-task.yml"
	workflowDir  = ".github/workflows/"
	quickFile    = workflowDir + "seedbed.yml"
	quickExample = "quickstart.yml"
	maxExisting  = 4 << 20 // bytes of a file that is compared
)

// seedMark opens the first line of a seed.yaml that init wrote; the digest of
// all other lines ends it, so that a change is seen.
const seedMark = "# Written by seedbed init; it is yours to change. As written: sha256 "

// standing is how a file of init's stands in the work tree.
type standing int

const (
	absent  standing = iota
	written          // to the byte as init writes it
	changed          // written by init, changed by a person
	foreign          // not init's
)

// fullPath is where a workflow of the full set goes. It keeps its name: the
// workflows start one another by name.
func fullPath(base string) string { return workflowDir + base }

// files gives what init writes, by path. Seed is nil where no new one is made.
func (in *initRun) files(seedText []byte) (map[string][]byte, error) {
	out := map[string][]byte{formFile: []byte(taskForm)}
	if seedText != nil {
		out[seedFile] = seedText
	}
	if !in.Full {
		if in.Workflows[quickExample] == nil {
			return nil, fmt.Errorf("this build holds no %s", quickExample)
		}
		out[quickFile] = in.Workflows[quickExample]
		return out, nil
	}
	for name, data := range in.Workflows {
		if name != quickExample {
			out[fullPath(name)] = data
		}
	}
	if len(out) < 3 {
		return nil, errors.New("this build holds no full set of workflows")
	}
	return out, nil
}

// fullSet lists the paths of the full set.
func (in *initRun) fullSet() []string {
	var list []string
	for name := range in.Workflows {
		if name != quickExample {
			list = append(list, fullPath(name))
		}
	}
	slices.Sort(list)
	return list
}

// write puts the files down, all or none.
func (in *initRun) write() error {
	text, err := in.seedText()
	if err != nil {
		return err
	}
	files, err := in.files(text)
	if err != nil {
		return err
	}
	fresh, err := in.compare(files)
	if err != nil {
		return err
	}
	gone := in.replaced()
	if in.DryRun {
		in.preview(files, fresh, gone)
		return nil
	}
	if err := in.put(files, fresh); err != nil {
		return err
	}
	for _, p := range gone {
		if err := in.root.Remove(p); err != nil {
			return fmt.Errorf("removing %s: %w", p, err)
		}
		in.say("  %-44s removed: the full set takes its place", p)
	}
	in.next(files, len(fresh)+len(gone))
	return nil
}

// keepSet keeps a full set that is there: the quick start beside it would start
// every cycle twice.
func (in *initRun) keepSet() error {
	for _, p := range in.fullSet() {
		state, err := in.state(p, in.Workflows[path.Base(p)])
		if err != nil {
			return err
		}
		if state == written || state == changed {
			in.Full = true
		}
	}
	return nil
}

// replaced is the quick start when the full set takes its place.
func (in *initRun) replaced() []string {
	if !in.Full {
		return nil
	}
	if state, err := in.state(quickFile, in.Workflows[quickExample]); err == nil && state == written {
		return []string{quickFile}
	}
	return nil
}

// inTheWay looks for files that are not init's, before anything is run or
// written: one of them stops everything.
func (in *initRun) inTheWay() error {
	if err := in.keepSet(); err != nil {
		return err
	}
	files, err := in.files([]byte{})
	if err != nil {
		return err
	}
	var names []string
	for _, p := range sortedPaths(files) {
		state, err := in.state(p, files[p])
		if err != nil {
			return err
		}
		if state == foreign {
			names = append(names, p)
			in.say("  %s is there and was not written by init", p)
		}
	}
	if in.Full {
		if state, err := in.state(quickFile, in.Workflows[quickExample]); err == nil && state == changed {
			names = append(names, quickFile)
			in.say("  %s was changed: take it out yourself, or cycles would start twice", quickFile)
		}
	}
	if len(names) > 0 {
		in.say("  Nothing was run, nothing was written")
		return fmt.Errorf("%w: %s", ErrInTheWay, strings.Join(names, ", "))
	}
	return nil
}

// compare says which files are new.
func (in *initRun) compare(files map[string][]byte) (fresh []string, err error) {
	in.say("\n%s", map[bool]string{false: "Wrote", true: "Would write"}[in.DryRun])
	for _, p := range sortedPaths(files) {
		state, err := in.state(p, files[p])
		if err != nil {
			return nil, err
		}
		switch state {
		case absent:
			fresh = append(fresh, p)
		case written:
			in.say("  %-44s there already, as written", p)
		case changed:
			in.say("  %-44s kept: it is yours, changed since", p)
		case foreign: // it came while the tests ran
			return nil, fmt.Errorf("%w: %s", ErrInTheWay, p)
		}
	}
	return fresh, nil
}

func sortedPaths(files map[string][]byte) []string {
	var list []string
	for p := range files {
		list = append(list, p)
	}
	slices.SortFunc(list, func(a, b string) int {
		if (a == seedFile) != (b == seedFile) {
			if a == seedFile {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	return list
}

// state compares a file in the work tree with what init writes there.
func (in *initRun) state(name string, want []byte) (standing, error) {
	if err := in.noLinks(name); err != nil {
		return foreign, err
	}
	info, err := in.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return absent, nil
	}
	if err != nil {
		return foreign, fmt.Errorf("looking at %s: %w", name, err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxExisting {
		return foreign, nil
	}
	have, err := in.readFile(name)
	if err != nil {
		return foreign, fmt.Errorf("reading %s: %w", name, err)
	}
	switch {
	case name == seedFile:
		return seedStanding(have), nil
	case bytes.Equal(have, want):
		return written, nil
	case firstLineOf(have) == firstLineOf(want):
		return changed, nil
	}
	return foreign, nil
}

func (in *initRun) readFile(name string) ([]byte, error) {
	f, err := in.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxExisting))
}

// noLinks refuses a path with a link or a file among its folders: what init
// writes must land where it says.
func (in *initRun) noLinks(name string) error {
	for at, c := range name {
		if c != '/' {
			continue
		}
		dir := name[:at]
		info, err := in.root.Lstat(dir)
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("looking at %s: %w", dir, err)
		}
		if !info.IsDir() {
			return fmt.Errorf("%w: %s is no plain folder", ErrInTheWay, dir)
		}
	}
	return nil
}

func firstLineOf(data []byte) string {
	line, _, _ := bytes.Cut(data, []byte("\n"))
	return strings.TrimRight(string(line), "\r")
}

func seedStanding(have []byte) standing {
	line := firstLineOf(have)
	sum, ok := strings.CutPrefix(line, seedMark)
	if !ok {
		return foreign
	}
	_, rest, _ := bytes.Cut(have, []byte("\n"))
	if sum != digest(rest) {
		return changed
	}
	return written
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}

// put writes the new files; when one fails those written before it are taken
// out again.
func (in *initRun) put(files map[string][]byte, fresh []string) error {
	for i, p := range fresh {
		if err := in.putOne(p, files[p]); err != nil {
			for _, done := range fresh[:i] {
				err = errors.Join(err, in.root.Remove(done))
			}
			return fmt.Errorf("nothing was written: %w", err)
		}
	}
	for _, p := range fresh {
		in.say("  %-44s %d lines", p, bytes.Count(files[p], []byte("\n")))
	}
	return nil
}

// putOne writes a file whole: aside, then renamed.
func (in *initRun) putOne(name string, data []byte) error {
	if err := in.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return fmt.Errorf("making %s: %w", path.Dir(name), err)
	}
	aside := name + ".seedbed-new"
	f, err := in.root.OpenFile(aside, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err == nil {
		err = in.root.Rename(aside, name)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("writing %s: %w", name, err), in.root.Remove(aside))
	}
	return nil
}

func (in *initRun) preview(files map[string][]byte, fresh, gone []string) {
	for _, p := range fresh {
		in.say("  %-44s %d lines", p, bytes.Count(files[p], []byte("\n")))
		if p == seedFile {
			for _, line := range strings.Split(strings.TrimSuffix(string(files[p]), "\n"), "\n") {
				fmt.Fprintf(in.Out, "      %s\n", line) // as it will stand in the file
			}
		}
	}
	for _, p := range gone {
		in.say("  %-44s would be removed", p)
	}
	in.say("\nNothing was written (--dry-run)")
}

// next says what a person does now, in six lines at most.
func (in *initRun) next(files map[string][]byte, changes int) {
	if changes == 0 {
		in.say("\nNothing to do: all of it is there")
		return
	}
	in.say("  %s", in.logWhy)
	steps := []string{"read seed.yaml: it is the contract, and only you change it"}
	for _, p := range sortedPaths(files) {
		if bytes.Contains(files[p], []byte("OWNER/seedbed")) {
			step := "in .github/workflows write the account that publishes Seedbed for OWNER"
			if in.Full {
				step += ", and in decide.yml your CI's names"
			}
			steps = append(steps, step)
			break
		}
	}
	steps = append(steps, "add the secret OPENAI_API_KEY, or set model.base_url to your own endpoint",
		"Settings > Actions > General: allow Actions to create pull requests",
		"git add seed.yaml .github && git commit && git push",
		"label an issue ai-task; seedbed doctor says what is still missing")
	in.say("\nNext")
	for i, s := range steps {
		in.say("  %d. %s", i+1, s)
	}
}

// remove takes out what init wrote, file by file, unless somebody changed it.
func (in *initRun) remove() error {
	var kept, gone []string
	in.say("%s", map[bool]string{false: "Removed", true: "Would remove"}[in.DryRun])
	for _, p := range append([]string{seedFile, formFile, quickFile}, in.fullSet()...) {
		state, err := in.state(p, in.original(p))
		if err != nil {
			return err
		}
		switch state {
		case written:
			gone = append(gone, p)
		case changed:
			kept = append(kept, p)
			in.say("  %-44s left: changed since init wrote it", p)
		case foreign:
			in.say("  %-44s left: not written by init", p)
		}
	}
	for _, p := range gone {
		if !in.DryRun {
			if err := in.root.Remove(p); err != nil {
				return fmt.Errorf("removing %s: %w", p, err)
			}
			in.prune(path.Dir(p))
		}
		in.say("  %s", p)
	}
	if len(gone)+len(kept) == 0 {
		in.say("  nothing: init wrote nothing that is still here")
	}
	if len(kept) > 0 {
		return fmt.Errorf("%w: %s", ErrKept, strings.Join(kept, ", "))
	}
	return nil
}

func (in *initRun) original(name string) []byte {
	switch name {
	case formFile:
		return []byte(taskForm)
	case quickFile:
		return in.Workflows[quickExample]
	}
	return in.Workflows[path.Base(name)]
}

// prune removes folders that are empty now.
func (in *initRun) prune(dir string) {
	for ; dir != "."; dir = path.Dir(dir) {
		if in.root.Remove(dir) != nil {
			return // not empty
		}
	}
}

// seedText writes the contract, at most 20 lines, and reads it back: init never
// writes a file that Seedbed refuses.
func (in *initRun) seedText() ([]byte, error) {
	body := strings.Join(in.seedLines(), "\n") + "\n"
	text := []byte(seedMark + digest([]byte(body)) + "\n" + body)
	if _, err := seed.Parse(seedFile, text); err != nil {
		return nil, fmt.Errorf("the seed.yaml made for this repository is not valid: %w", err)
	}
	return text, nil
}

func (in *initRun) seedLines() []string {
	lines := []string{"version: 1", in.projectLine(),
		noted("mode: propose", "opens pull requests; merges only what a person approved")}
	lines = append(lines, in.commandLines()...)
	if write := in.found.write; len(write) > 0 {
		lines = append(lines, "automation_contract:",
			noted("  ai_access: {write_paths: "+flow(write)+"}", "workflows and seed.yaml: never, whatever you write"))
	} else {
		lines = append(lines, `# automation_contract: {ai_access: {write_paths: ["src/**"]}}   # now: all but what is protected`)
	}
	lines = append(lines, "budgets:", "  change: {max_files: 10, max_lines: 400}", noted("  day: {tokens: 500000}", "reserved before each call"))
	if len(in.found.checks) > 0 {
		lines = append(lines, in.checksLine())
	}
	if in.log != "" {
		lines = append(lines, noted("log: {branch: "+quote(in.log)+"}", "the default branch is protected"))
	}
	return lines
}

func (in *initRun) projectLine() string {
	name := filepath.Base(in.top)
	if _, repo, ok := strings.Cut(in.Repository, "/"); ok {
		name = repo
	}
	name = strings.ToValidUTF8(strings.Map(printable, name), "")
	if name = clipped(name, 100); strings.TrimSpace(name) == "" {
		name = "project"
	}
	if in.owner.value == "" {
		return "project: {name: " + quote(name) + "}"
	}
	return noted("project: {name: "+quote(name)+", owners: [{handle: "+quote(in.owner.value)+"}]}", in.owner.at.String())
}

func printable(r rune) rune {
	if shown(string(r)) != string(r) {
		return -1
	}
	return r
}

func (in *initRun) commandLines() []string {
	var lines []string
	if len(in.setup) > 0 && len(in.chosen) > 0 {
		var runs, places []string
		for i, s := range in.setup {
			runs = append(runs, s.run)
			if i < 3 {
				places = append(places, s.at.String())
			}
		}
		lines = append(lines, noted("  setup: "+flow(runs), strings.Join(places, ", ")+"; the only step with network"))
	}
	switch len(in.chosen) {
	case 0:
		return []string{`# commands: {test: ["..."]}   # no tests found; without them nothing proves a change`}
	case 1:
		c := in.chosen[0].picked()
		lines = append(lines, noted("  test: "+flow([]string{c.run}), c.remark()))
	default:
		lines = append(lines, "  test:")
		for _, c := range in.chosen {
			lines = append(lines, noted("    - "+quote(c.picked().run), c.picked().remark()))
		}
	}
	return append([]string{"commands:"}, lines...)
}

func (r ran) remark() string {
	switch {
	case r.side == nil:
		return r.at.String() + "; not run by init"
	case r.side.OK():
		return r.at.String() + "; green when init ran it"
	}
	return r.at.String() + "; RED when init ran it"
}

func (in *initRun) checksLine() string {
	var names []string
	for _, c := range in.found.checks {
		if !slices.Contains(names, c.value) && len(names) < 6 {
			names = append(names, c.value)
		}
	}
	return "# quality_gates: {ci_required_checks: " + flow(names) + "}   # jobs of your CI, " + in.found.checks[0].at.String()
}

// noted puts a comment behind a line. The comment is one line without control
// characters, or YAML would end it.
func noted(line, comment string) string {
	return fmt.Sprintf("%-48s  # %s", line, strings.Map(printable, comment))
}

func flow(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = quote(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// quote writes a text as a double-quoted scalar; JSON's form is YAML's too.
func quote(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(s) // unreachable: a string can always be written
	return strings.TrimSuffix(b.String(), "\n")
}

// taskForm is the issue form. Its labels are the headings that a task is read
// by. It sets no label itself: putting the trigger label on is a person's yes.
const taskForm = `# Written by seedbed init; it is yours to change.
name: Task for Seedbed
description: A small change that an agent may propose. Nothing starts until a maintainer puts the label ai-task on.
title: ""
body:
  - type: textarea
    attributes:
      label: Goal
      description: What is different for a user once this is done?
    validations:
      required: true
  - type: textarea
    attributes:
      label: Constraints
      description: Areas to keep out of, dependencies, style, time.
  - type: dropdown
    attributes:
      label: Risk
      options: [propose, low, medium, high]
  - type: textarea
    attributes:
      label: Definition of done
      description: How does a person see that it works?
  - type: textarea
    attributes:
      label: Automated test
      description: Which test proves it?
  - type: textarea
    attributes:
      label: Notes
      description: Links, examples, output.
`
