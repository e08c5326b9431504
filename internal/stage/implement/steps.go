package implement

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/change"
	"github.com/seedbed-dev/seedbed/internal/check"
	"github.com/seedbed-dev/seedbed/internal/finding"
	"github.com/seedbed-dev/seedbed/internal/prompt"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// steps are the plan's, or one for the whole task.
func (w *worker) steps() []task.Step {
	if len(w.task.Steps) > 0 {
		return w.task.Steps
	}
	return []task.Step{{Kind: "code", Title: w.task.Title}}
}

// step does one step of the plan.
func (w *worker) step(ctx context.Context, i int, s task.Step) error {
	switch s.Kind {
	case "human":
		return humanStep(s)
	case "command":
		return w.commandStep(ctx, s)
	}
	if i == w.firstCode() && w.testFirst() {
		if err := w.proveByTest(ctx, s); err != nil {
			return err
		}
	}
	return w.codeStep(ctx, s)
}

func (w *worker) firstCode() int {
	return slices.IndexFunc(w.steps(), func(s task.Step) bool { return s.Kind != "human" && s.Kind != "command" })
}

// testFirst says whether a failing test comes before the code: for bugs, and
// where the task names the test that proves it.
func (w *worker) testFirst() bool {
	return len(w.stepTests()) > 0 && (w.task.Type == "bug" || strings.TrimSpace(w.task.Spec.ProgramGoal) != "")
}

func (w *worker) stepTests() []check.Declared {
	return check.At(check.Commands(w.seed, check.Test), "step")
}

// baseline makes sure that what is red later is ours.
func (w *worker) baseline(ctx context.Context) error {
	since := w.Now()
	red, passed, err := w.test(ctx, w.stepTests())
	if err != nil {
		return err
	}
	if red != nil {
		return baselineRed(*red)
	}
	w.phase("baseline", since, "%s", passed)
	return nil
}

// redness is a command that failed and what it said.
type redness struct {
	command string
	side    rundir.Side
}

// test runs commands until one fails. Nil means that none did; passed then says
// how many tests that were.
func (w *worker) test(ctx context.Context, list []check.Declared) (red *redness, passed string, err error) {
	if len(list) == 0 {
		return nil, "no test command declared", nil
	}
	n, of := 0, 0
	w.red = nil
	for _, d := range list {
		side, err := w.run(ctx, d)
		if err != nil {
			return nil, "", err
		}
		n, of = n+side.Passed, of+side.Total
		if !side.OK() {
			w.red = &redness{d.Name, side}
			return w.red, "", nil
		}
	}
	if of == 0 {
		return nil, count(len(list), "test command") + " green", nil
	}
	return nil, fmt.Sprintf("%d of %d green", n, of), nil
}

// proveByTest asks for a test that fails on the code as it is. One that passes
// at once is sent back once, then said to prove nothing.
func (w *worker) proveByTest(ctx context.Context, s task.Step) error {
	since := w.Now()
	x := wish{ask: prompt.StepTestFirst, work: s}
	for try := 1; ; try++ {
		a, err := w.ask(ctx, x)
		if err != nil {
			return err
		}
		if len(a.contents) == 0 {
			w.phase("test-first", since, "no test written: %s", clip(oneLine(a.words), 120))
			return nil
		}
		if err := w.take(ctx, a); err != nil {
			return err
		}
		red, passed, err := w.test(ctx, w.stepTests())
		if err != nil {
			return err
		}
		if red != nil || try == 2 {
			w.phase("test-first", since, "%s", proof(red))
			return w.commit(ctx, "Show it by a test: "+w.task.Title, a.words)
		}
		x.output = "The test passes on the code as it is (" + passed + "), so it shows nothing. Write one that fails now."
	}
}

func proof(red *redness) string {
	switch {
	case red == nil:
		return "not proven: the new test passes without the change"
	case len(red.side.Failed) == 0 || strings.HasSuffix(red.side.Failed[0], "(package)"):
		return "new test does not build yet, as it should"
	case len(red.side.Failed) == 1:
		return "new test " + names(red.side.Failed) + " fails first, as it should"
	}
	return "new tests " + names(red.side.Failed) + " fail first, as they should"
}

// codeStep asks for the edits of a step and leaves a commit when the tests are
// green.
func (w *worker) codeStep(ctx context.Context, s task.Step) error {
	x := wish{ask: prompt.StepEdit, work: s}
	if w.red != nil {
		x.failed, x.output = w.red.side.Failed, w.red.side.Output
	}
	return w.change(ctx, x, s.Title)
}

// change is the loop of one commit: edits, tests, one repair, tests. A longer
// chain of repairs, as budgets.task.debug_depth allows, is not made yet.
func (w *worker) change(ctx context.Context, x wish, subject string) error {
	since := w.Now()
	a, err := w.ask(ctx, x)
	if err != nil {
		return err
	}
	if len(a.contents) == 0 {
		w.nothing = a.words
		return w.nothingDone(x, a)
	}
	if err := w.take(ctx, a); err != nil {
		return err
	}
	red, passed, err := w.test(ctx, w.stepTests())
	if err != nil {
		return err
	}
	story := x.ask
	if red != nil {
		story += fmt.Sprintf(" → %s → edit", redCount(red))
		if red, passed, err = w.repair(ctx, x.work, *red); err != nil {
			return err
		}
	}
	if red != nil {
		w.phase("edit", since, "%s → %s", story, redCount(red))
		return stuck(w.task, *red)
	}
	w.phase("edit", since, "%s → %s", story, passed)
	return w.commit(ctx, subject, a.words)
}

// nothingDone is fine where all is well without. Where tests are red or a
// reviewer waits for an answer, a person has to say who is right.
func (w *worker) nothingDone(x wish, a answer) error {
	switch {
	case x.ask == prompt.StepRework:
		return disputed(a.words)
	case w.red != nil:
		return stuck(w.task, *w.red)
	case x.ask == prompt.StepDebug:
		return stuck(w.task, redness{"the tests", rundir.Side{Failed: x.failed, Exit: 1, Output: x.output}})
	}
	return nil
}

func redCount(r *redness) string {
	switch {
	case r.side.TimedOut:
		return "timed out"
	case len(r.side.Failed) == 0:
		return fmt.Sprintf("exit %d", r.side.Exit)
	}
	return fmt.Sprintf("%d red", len(r.side.Failed))
}

// repair shows the model what failed and tests again.
func (w *worker) repair(ctx context.Context, work task.Step, red redness) (*redness, string, error) {
	a, err := w.ask(ctx, wish{ask: prompt.StepDebug, work: work, output: red.side.Output, failed: red.side.Failed})
	if err != nil {
		return nil, "", err
	}
	if len(a.contents) == 0 {
		return &red, "", nil
	}
	if err := w.take(ctx, a); err != nil {
		return nil, "", err
	}
	return w.test(ctx, w.stepTests())
}

// take puts an answer into the tree and formats what it touched.
func (w *worker) take(ctx context.Context, a answer) error {
	if err := w.put(ctx, a.contents, a.tree); err != nil {
		return err
	}
	var touched []string
	for _, path := range sortedKeys(a.contents) {
		if c := a.contents[path]; !c.Deleted && !c.Unchanged {
			touched = append(touched, path)
		}
	}
	return w.format(ctx, touched)
}

// format runs the declared formatters and takes back the touched files alone.
func (w *worker) format(ctx context.Context, touched []string) error {
	list := check.Commands(w.seed, check.Format)
	if len(touched) == 0 || len(list) == 0 {
		return nil
	}
	since := w.Now()
	for _, d := range list {
		d.Run = strings.ReplaceAll(d.Run, "{files}", shellWords(touched))
		side, err := w.run(ctx, d)
		if err != nil {
			return err
		}
		if !side.OK() {
			w.phase("format", since, "%s %s", d.Name, ending(side))
		}
	}
	contents, err := w.takeBack(ctx, touched)
	if err != nil || len(contents) == 0 {
		return err
	}
	return w.edit(ctx, contents)
}

// shellWords quotes paths for a shell line; a name that begins with a dash can
// not be taken for an option.
func shellWords(paths []string) string {
	var words []string
	for _, p := range paths {
		if strings.HasPrefix(p, "-") {
			p = "./" + p
		}
		words = append(words, "'"+strings.ReplaceAll(p, "'", `'\''`)+"'")
	}
	return strings.Join(words, " ")
}

// wholeTask runs what is declared for the end of a task.
func (w *worker) wholeTask(ctx context.Context) error {
	var list []check.Declared
	for _, d := range check.At(check.Commands(w.seed, check.Test), "task") {
		if d.When == "task" { // those for both ran after the last step
			list = append(list, d)
		}
	}
	if len(list) == 0 {
		return nil
	}
	since := w.Now()
	red, passed, err := w.test(ctx, list)
	if err != nil {
		return err
	}
	if red != nil {
		return stuck(w.task, *red)
	}
	w.phase("task tests", since, "%s", passed)
	return nil
}

// commandStep runs a command of the plan, if the seed allows it.
func (w *worker) commandStep(ctx context.Context, s task.Step) error {
	line := strings.TrimSpace(s.Detail)
	if line == "" {
		line = strings.TrimSpace(s.Title)
	}
	if !w.allows(line) {
		return mayNotRun(line)
	}
	since := w.Now()
	changed, err := w.byLine(ctx, line)
	if err != nil {
		return err
	}
	if !changed {
		w.phase("command", since, "%s: no change", line)
		return nil
	}
	if err := w.commit(ctx, s.Title, "Made by the command: "+line); err != nil {
		return err
	}
	return w.tellSize(ctx, line, since)
}

// allows compares whole words, so that "go fix" allows "go fix ./..." and not
// "go fixture"; shell syntax is never allowed in a line that a model wrote.
func (w *worker) allows(line string) bool {
	if strings.ContainsAny(line, "|&;<>()`$\\\"'\n*?[]#~=%{}!") {
		return false
	}
	words := strings.Fields(line)
	return slices.ContainsFunc(w.seed.Commands.Allow, func(prefix string) bool {
		want := strings.Fields(prefix)
		return len(want) > 0 && len(words) >= len(want) && slices.Equal(words[:len(want)], want)
	})
}

// difference takes over what lies between two snapshots.
func (w *worker) difference(ctx context.Context, before, after string) (bool, error) {
	set, err := w.objects.compare(ctx, before, after)
	if err != nil {
		return false, err
	}
	contents := map[string]change.Content{}
	for _, f := range set.Files {
		if f.Status == change.Deleted || f.Status == change.Renamed {
			if _, tracked := w.files[f.OldPath]; tracked {
				contents[f.OldPath] = change.Content{Deleted: true}
			}
		}
		if f.Status != change.Deleted && f.Loaded {
			contents[f.Path] = change.Content{Data: f.New, New: f.Status == change.Added}
		}
	}
	return len(contents) > 0, w.edit(ctx, contents)
}

// sentBack says why an earlier round's change comes back, if it does. What was
// said about another tree than the newest was answered already.
func (w *worker) sentBack() (wish, bool) {
	if w.dir.Run.Files[rundir.PatchFile] == "" {
		return wish{}, false
	}
	if x, ok := w.redTests(); ok {
		return x, true
	}
	if r := w.dir.Run.Review; r == nil || r.Verdict != "rework" || r.Tree != w.dir.Run.HeadTree {
		return wish{}, false
	}
	var said rundir.Findings
	if ok, err := w.dir.ReadJSON(rundir.FindingsFile, &said); !ok || err != nil {
		return wish{}, false
	}
	return wish{ask: prompt.StepRework, findings: blocking(said.Findings)}, true
}

// blocking leaves notes out: they are for people.
func blocking(list []finding.Finding) []finding.Finding {
	return slices.DeleteFunc(slices.Clone(list), func(f finding.Finding) bool { return f.Severity == finding.Note })
}

// redTests gives what the test stage found last, when nothing came after it.
func (w *worker) redTests() (wish, bool) {
	stages := w.dir.Run.Stages
	if len(stages) == 0 || stages[len(stages)-1].Stage != "test" || stages[len(stages)-1].Outcome != rundir.ValidationBlocked {
		return wish{}, false
	}
	var checks rundir.Checks
	if ok, err := w.dir.ReadJSON(rundir.ChecksFile, &checks); !ok || err != nil || checks.HeadTree != w.dir.Run.HeadTree {
		return wish{}, false
	}
	for _, c := range checks.Commands {
		if c.Head != nil && !c.Head.OK() {
			return wish{ask: prompt.StepDebug, output: c.Command + "\n" + c.Head.Output, failed: c.Head.Failed}, true
		}
	}
	return wish{}, false
}

// again goes on from the change of the round before.
func (w *worker) again(ctx context.Context, x wish) error {
	patch, err := w.dir.Read(rundir.PatchFile)
	if err != nil {
		return err
	}
	from, err := w.Repo.Restore(ctx, w.base, patch)
	if err != nil {
		return err
	}
	if err := w.open(ctx, from); err != nil {
		return err
	}
	subject := "Put right what the tests found"
	if x.ask == prompt.StepRework {
		subject = "Put right what the review found"
	}
	if err := w.change(ctx, x, subject); err != nil {
		return err
	}
	if w.head == from {
		return noChange(w.nothing)
	}
	return w.wholeTask(ctx)
}
