package implement

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/change"
	"github.com/seedbed-dev/seedbed/internal/finding"
	"github.com/seedbed-dev/seedbed/internal/llm"
	"github.com/seedbed-dev/seedbed/internal/policy"
	"github.com/seedbed-dev/seedbed/internal/prompt"
	"github.com/seedbed-dev/seedbed/internal/seed"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// wish is one thing asked of the model.
type wish struct {
	ask      string // step of the prompt
	work     task.Step
	output   string
	failed   []string
	findings []finding.Finding
}

// answer is what the model wants done.
type answer struct {
	words    string
	contents map[string]change.Content
	tree     string // what the contents make of the tree being worked on
}

// ask puts one wish to the model, once more with the reasons when the edits
// cannot be taken. An answer without contents changes nothing.
func (w *worker) ask(ctx context.Context, x wish) (answer, error) {
	if w.left() <= 0 {
		return answer{}, outOfTime(w.seed)
	}
	asked, err := w.prompt(ctx, x)
	if err != nil {
		return answer{}, err
	}
	w.tellContext()
	e := &editor{worker: w, ctx: ctx, wish: x}
	counted := counting{w}
	if _, err := llm.AskText(ctx, counted, asked.Request, e.understand); err != nil {
		return answer{}, err
	}
	return e.answer, e.end
}

// counting adds up the tokens of every reply.
type counting struct{ w *worker }

func (c counting) Complete(ctx context.Context, req llm.Request) (llm.Reply, error) {
	reply, err := c.w.Model.Complete(ctx, req)
	if err == nil && reply.Usage.Known { // a cached one was paid by an attempt that could not say so
		c.w.tokens += reply.Usage.Total()
	}
	return reply, err
}

// prompt gathers what the model sees.
func (w *worker) prompt(ctx context.Context, x wish) (prompt.Asked, error) {
	in := prompt.ForImplementer{Ask: x.ask, Task: w.task, Work: x.work, Output: x.output, Failed: x.failed, Findings: x.findings,
		Prompt: w.seed.Workers[w.task.Worker].Prompt}
	touched, err := w.objects.compare(ctx, w.base, w.tree)
	if err != nil {
		return prompt.Asked{}, err
	}
	in.Diff = touched.Unified()
	readable := w.readable()
	for _, e := range readable {
		in.Paths = append(in.Paths, e.Path)
	}
	in.Files, err = w.Choose(ctx, Question{Task: w.task, Work: x.work, First: w.first(touched, x), Files: readable,
		MaxLines: w.seed.Context.MaxLines, MaxTokens: w.seed.Context.MaxTokens,
		Read: func(e change.Entry) ([]byte, error) { return w.objects.blob(ctx, e.SHA) }})
	if err != nil {
		return prompt.Asked{}, err
	}
	in.Docs, err = w.instructions(ctx)
	w.shown = len(in.Files)
	asked := prompt.Implementer(w.seed, in)
	w.tellRemoved(asked.Notes)
	return asked, err
}

// tellContext says once what the first prompt showed.
func (w *worker) tellContext() {
	if !w.told {
		w.told = true
		w.phase("context", w.Now(), "%d of %s shown to the model", w.shown, count(len(w.readable()), "file"))
	}
}

// tellRemoved tells people once what the model was spared.
func (w *worker) tellRemoved(notes []prompt.Note) {
	for _, n := range notes {
		if !w.removed[n] {
			w.removed[n] = true
			w.phase("cleaned", w.Now(), "%s", n)
		}
	}
}

// first names the files that belong into the prompt whatever the words say.
func (w *worker) first(touched change.Set, x wish) (paths []string) {
	for _, f := range x.findings {
		paths = append(paths, f.Path)
	}
	for _, f := range touched.Files {
		paths = append(paths, f.Path)
	}
	return paths
}

// readable lists the plain files that may reach a prompt, by path.
func (w *worker) readable() []change.Entry {
	var list []change.Entry
	for _, e := range w.files {
		if ok, _ := w.seed.Readable(e.Path); ok && (e.Mode == change.ModeFile || e.Mode == change.ModeExecutable) {
			list = append(list, e)
		}
	}
	slices.SortFunc(list, func(a, b change.Entry) int { return strings.Compare(a.Path, b.Path) })
	return list
}

// instructions are read at base: nothing the change does can alter them.
func (w *worker) instructions(ctx context.Context) ([]prompt.Document, error) {
	base, err := w.objects.tree(ctx, w.base)
	if err != nil {
		return nil, err
	}
	var docs []prompt.Document
	for _, name := range w.seed.Context.InstructionFiles {
		for _, e := range base.Entries {
			if e.Path != name || e.Mode != change.ModeFile || e.Size > prompt.MaxText {
				continue
			}
			data, err := w.objects.blob(ctx, e.SHA)
			if err != nil {
				return nil, err
			}
			docs = append(docs, prompt.Document{Path: name, Text: string(data)})
		}
	}
	return docs, nil
}

// editor understands replies to one wish.
type editor struct {
	*worker
	ctx    context.Context // of one ask; the editor does not outlive it
	wish   wish
	tries  int
	answer answer
	end    error // an end that is no bad reply: a question, a repository that fails
}

// understand reads one reply. Its error is told to the model, once.
func (e *editor) understand(text string) error {
	e.tries++
	if done := e.withoutEdits(text); done {
		return nil
	}
	reply, err := change.ParseReply(text)
	if errors.Is(err, change.ErrNoEdits) {
		return errors.New("it holds no edit block. Write edit blocks, or one line NOTHING TO DO: the reason, or one line QUESTION: the question")
	}
	if err != nil {
		return err
	}
	contents, refusals := change.Apply(e.read(e.ctx), reply.Edits)
	if len(refusals) > 0 {
		return refused(refusals)
	}
	e.answer = answer{words: reply.Explanation, contents: contents}
	return e.within(contents)
}

// withoutEdits takes the two replies that are no edits.
func (e *editor) withoutEdits(text string) bool {
	line := strings.TrimSpace(text)
	if reason, ok := strings.CutPrefix(line, "NOTHING TO DO:"); ok {
		e.answer = answer{words: strings.TrimSpace(reason)}
		return true
	}
	if question, ok := strings.CutPrefix(line, "QUESTION:"); ok {
		e.end = asksBack(question)
		return true
	}
	return false
}

// within holds the limits against the edits early. Insisting is not an error:
// the change is kept as it is, and the judge will say no where people see it.
// Only a secret is never taken in, since what is kept is handed on.
func (e *editor) within(contents map[string]change.Content) error {
	over, err := e.outside(contents)
	if err != nil {
		e.end = err
		return nil
	}
	fresh := slices.DeleteFunc(slices.Clone(over), func(f finding.Finding) bool {
		_, touched := contents[f.Path]
		return f.Path != "" && !touched // told in an earlier step
	})
	leaks := slices.ContainsFunc(fresh, func(f finding.Finding) bool { return f.Rule == "secrets" })
	if len(fresh) == 0 || e.tries > 1 && !leaks {
		e.over = overstep(over)
		return nil
	}
	var b strings.Builder
	b.WriteString("the edits go beyond what you may write:\n")
	for _, f := range fresh {
		b.WriteString(f.Text() + "\n")
	}
	b.WriteString("You may write: " + allowed(e.seed, e.task) + "\n")
	return errors.New(b.String())
}

// overstep is one line about findings, empty for none.
func overstep(list []finding.Finding) string {
	switch len(list) {
	case 0:
		return ""
	case 1:
		return list[0].String()
	}
	return fmt.Sprintf("%s, and %d more", list[0], len(list)-1)
}

// early are the judge's rules that need no fact but the change itself.
var early = []string{"paths", "protected", "budget", "secrets"}

// outside asks the judge's own rules, and the task's scope.
func (e *editor) outside(contents map[string]change.Content) ([]finding.Finding, error) {
	tree, err := e.Repo.Edit(e.ctx, e.tree, contents)
	if err != nil {
		return nil, err
	}
	e.answer.tree = tree
	set, err := e.objects.compare(e.ctx, e.base, tree)
	if err != nil {
		return nil, err
	}
	_, verdict := policy.Judge(e.seed, change.Series{Whole: set}, policy.Facts{Version: policy.FactsVersion, Agent: true})
	var over []finding.Finding
	for _, rule := range early {
		if r, ok := verdict.Result(rule); ok && r.Outcome == policy.Fail {
			over = append(over, r.Findings...)
		}
	}
	for _, f := range set.Files {
		if !inScope(e.scope(), f.Path) {
			over = append(over, finding.Finding{Path: f.Path, Rule: "scope", Severity: finding.Error, Message: "outside the scope of this task"})
		}
	}
	if e.wish.ask == prompt.StepTestFirst {
		over = append(over, notTests(e.seed, contents)...)
	}
	return over, nil
}

// scope is where this task may write, besides the seed's own limits.
func (w *worker) scope() [][]string {
	return [][]string{w.task.Scope, w.seed.Workers[w.task.Worker].Paths}
}

// inScope wants the path covered by each list that is not empty.
func inScope(lists [][]string, path string) bool {
	for _, globs := range lists {
		if len(globs) > 0 && !slices.ContainsFunc(globs, func(g string) bool { return seed.Match(g, path) }) {
			return false
		}
	}
	return true
}

// notTests names edits that are no tests, where the seed says which files are.
func notTests(s *seed.Seed, contents map[string]change.Content) (list []finding.Finding) {
	for _, path := range sortedKeys(contents) {
		if !inScope([][]string{s.Commands.TestPaths}, path) {
			list = append(list, finding.Finding{Path: path, Rule: "scope", Severity: finding.Error,
				Message: "no test file; only the test is asked for now (" + strings.Join(s.Commands.TestPaths, ", ") + ")"})
		}
	}
	return list
}

func allowed(s *seed.Seed, t task.Task) string {
	globs := s.AutomationContract.AIAccess.WritePaths
	if len(globs) == 0 {
		globs = []string{"every file that is not protected"}
	}
	text := strings.Join(globs, ", ")
	if len(t.Scope) > 0 {
		text += "; for this task only " + strings.Join(t.Scope, ", ")
	}
	return text
}

// refused words refusals for the model.
func refused(list []change.Refusal) error {
	const most = 10
	var b strings.Builder
	b.WriteString("no edit was applied, because:\n")
	for _, r := range list[:min(len(list), most)] {
		b.WriteString(r.String() + "\n")
	}
	if more := len(list) - most; more > 0 {
		fmt.Fprintf(&b, "and %d more\n", more)
	}
	return errors.New(b.String())
}
