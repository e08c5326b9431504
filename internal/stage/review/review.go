// Package review reads a change and says what is wrong with it.
//
// What a program can see comes first and needs no model: secrets, conflict
// markers, long functions. Then a model looks at each file's hunks. A finding
// stands only where the diff has its line; the rest is dropped and counted. How
// many files were looked at is always said, and approving takes all of them.
//
// The verdict is about exactly one tree. It steers the implementer and can hold
// a change back; it never lets one through. Nothing of the change is executed.
package review

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/seedbed-dev/seedbed/internal/change"
	"github.com/seedbed-dev/seedbed/internal/command"
	"github.com/seedbed-dev/seedbed/internal/effect"
	"github.com/seedbed-dev/seedbed/internal/finding"
	"github.com/seedbed-dev/seedbed/internal/llm"
	"github.com/seedbed-dev/seedbed/internal/prompt"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/secret"
	"github.com/seedbed-dev/seedbed/internal/seed"
)

// Stage is the stage's name in run.json.
const Stage = "review"

// Verdicts, as run.json has them.
const (
	Approve = "approve"
	Rework  = "rework"
	None    = "none" // no model looked, or not at everything
)

// Ports is all the stage may use of the world.
type Ports struct {
	// Model answers prompts; nil leaves the static findings alone.
	Model llm.Completer
	// Repo reads the change; RunPull does not use it.
	Repo Repository
	// Now is the clock.
	Now func() time.Time
	// Redactor knows the secrets that no finding may quote; nil knows token
	// formats alone.
	Redactor *secret.Redactor
}

// Repository is a git repository. adapter/git.Repo has Compare; tests use it
// over real git.
type Repository interface {
	// Compare gives what differs between two commits or trees.
	Compare(ctx context.Context, base, head string) (change.Set, error)
	// Restore makes the commits of a mailbox series again, on top of base, and
	// gives the last of them.
	Restore(ctx context.Context, base string, series []byte) (string, error)
}

// Pull is a pull request to be reviewed as it stands on the forge.
type Pull struct {
	Number      int
	SHA         string // head commit
	Title, Body string
	Change      change.Set
}

// Run reviews the change of the run directory. The record says how it ended; an
// error is only what no outcome describes.
func Run(ctx context.Context, p Ports, s *seed.Seed, d *rundir.Dir) (rundir.Stage, error) {
	r := newReviewer(p, s, d)
	return r.record(r.ownChange(ctx))
}

// RunPull reviews a pull request, whoever made it, and proposes one review to
// be posted. It reads the change as given and executes nothing.
func RunPull(ctx context.Context, p Ports, s *seed.Seed, d *rundir.Dir, pull Pull) (rundir.Stage, error) {
	r := newReviewer(p, s, d)
	r.pull = &pull
	return r.record(r.look(ctx, pull.Change))
}

type reviewer struct {
	Ports
	seed    *seed.Seed
	dir     *rundir.Dir
	pull    *Pull
	started time.Time
	phases  []rundir.Phase
	tokens  int64

	set      change.Set
	findings []finding.Finding
	dropped  int
	looked   map[string]bool // files whose every hunk the model saw
	summary  string
	verdict  string
	same     bool // the tree was reviewed before
}

func newReviewer(p Ports, s *seed.Seed, d *rundir.Dir) *reviewer {
	return &reviewer{Ports: p, seed: s, dir: d, started: p.Now(), looked: map[string]bool{}, verdict: None}
}

func (r *reviewer) ownChange(ctx context.Context) error {
	if r.dir.Run.Base.Commit == "" {
		return errors.New("review: the run directory names no base commit")
	}
	patch, err := r.dir.Read(rundir.PatchFile)
	if err != nil {
		return err
	}
	if len(patch) == 0 {
		return &stop{outcome: rundir.NothingToDo, reason: "no_change", message: "there is no change to review"}
	}
	head, err := r.Repo.Restore(ctx, r.dir.Run.Base.Commit, patch)
	if err != nil {
		return err
	}
	set, err := r.Repo.Compare(ctx, r.dir.Run.Base.Commit, head)
	if err != nil {
		return err
	}
	return r.look(ctx, set)
}

// look is the story: programs first, then the model, then the verdict.
func (r *reviewer) look(ctx context.Context, set change.Set) error {
	r.set = set
	if r.seenBefore() {
		return r.judgeAgain()
	}
	since := r.Now()
	r.findings = static(r.seed, set)
	r.phase("static", since, "%s", count(len(r.findings), "finding"))
	failed := r.byModel(ctx)
	r.decide(failed == nil)
	if err := r.write(); err != nil {
		return err
	}
	if failed != nil {
		return failed
	}
	return r.judgement()
}

// seenBefore says whether exactly this tree was reviewed already: asking again
// would only roll the dice once more.
func (r *reviewer) seenBefore() bool {
	old := r.dir.Run.Review
	var said rundir.Findings
	if r.pull != nil || old == nil || old.Tree != r.set.Head.SHA || old.Verdict == None && r.Model != nil {
		return false
	}
	ok, err := r.dir.ReadJSON(rundir.FindingsFile, &said)
	r.same = ok && err == nil && said.HeadTree == old.Tree
	if r.same {
		r.findings, r.dropped, r.verdict = said.Findings, said.Dropped, old.Verdict
	}
	return r.same
}

func (r *reviewer) judgeAgain() error {
	r.phase("review", r.Now(), "tree %.8s was reviewed before; nothing asked anew", r.set.Head.SHA)
	return r.judgement()
}

// decide makes the verdict. Errors send it back whoever found them.
func (r *reviewer) decide(finished bool) {
	finding.Sort(r.findings)
	r.verdict = None
	if r.Model != nil && finished && len(r.looked) == len(r.set.Files) {
		r.verdict = Approve
	}
	if r.errors() > 0 {
		r.verdict = Rework
	}
}

func (r *reviewer) errors() (n int) {
	for _, f := range r.findings {
		if f.Severity == finding.Error {
			n++
		}
	}
	return n
}

// write stores findings and verdict, and for a pull request the review to be
// posted.
func (r *reviewer) write() error {
	for i := range r.findings {
		r.inert(&r.findings[i].Message)
		r.inert(&r.findings[i].Hint)
	}
	r.inert(&r.summary)
	said := rundir.Findings{Version: rundir.Version, HeadTree: r.set.Head.SHA, Findings: r.findings, Dropped: r.dropped}
	if err := r.dir.WriteJSON(rundir.FindingsFile, said); err != nil {
		return err
	}
	round := 1
	if old := r.dir.Run.Review; old != nil {
		round = old.Round + 1
	}
	r.dir.Run.Review = &rundir.Review{Tree: r.set.Head.SHA, Verdict: r.verdict, Round: round, Looked: len(r.looked), Of: len(r.set.Files)}
	if r.pull == nil {
		return r.dir.Save()
	}
	return r.propose(effect.New(effect.Review, fmt.Sprintf("review:%d:%s", r.pull.Number, r.pull.SHA), "asked for", r.post()))
}

// inert makes words of models fit for a terminal and a log. Mentions and links
// are effect.Apply's to defuse.
func (r *reviewer) inert(text *string) {
	*text = command.Clean(r.Redactor.Redact([]byte(*text)), maxLine)
}

// maxLine is far above any sentence of ours, so that none is broken.
const maxLine = 2000

// propose adds an effect to those the run wants already.
func (r *reviewer) propose(e effect.Effect) error {
	var p effect.Proposal
	if _, err := r.dir.ReadJSON(rundir.EffectsFile, &p); err != nil {
		return err
	}
	p.Version = effect.Version
	for _, old := range p.Effects {
		if old.Kind == e.Kind && old.Key == e.Key {
			return nil
		}
	}
	p.Effects = append(p.Effects, e)
	return r.dir.WriteJSON(rundir.EffectsFile, p)
}

func (r *reviewer) phase(name string, since time.Time, format string, args ...any) {
	r.phases = append(r.phases, rundir.Phase{Name: name, Millis: r.Now().Sub(since).Milliseconds(), Note: fmt.Sprintf(format, args...)})
}

var _ llm.Completer = counting{}

// counting adds up the tokens of every reply.
type counting struct{ r *reviewer }

// Complete implements llm.Completer.
func (c counting) Complete(ctx context.Context, req llm.Request) (llm.Reply, error) {
	reply, err := c.r.Model.Complete(ctx, req)
	if err == nil && reply.Usage.Known { // a cached one was paid by an attempt that could not say so
		c.r.tokens += reply.Usage.Total()
	}
	return reply, err
}

// byModel asks about the change, as many prompts as it takes within the bounds.
func (r *reviewer) byModel(ctx context.Context) error {
	if r.Model == nil {
		return nil
	}
	since := r.Now()
	packs, over := pack(r.set, r.seed.Context.MaxTokens)
	r.findings = append(r.findings, over...)
	for _, p := range packs {
		if err := r.ask(ctx, p); err != nil {
			return err
		}
		for _, path := range p.whole {
			r.looked[path] = true
		}
	}
	r.phase("model", since, "%d of %s", len(r.looked), count(len(r.set.Files), "file"))
	return nil
}

func (r *reviewer) ask(ctx context.Context, p packed) error {
	in := prompt.ForReviewer{Parts: p.parts, Looked: len(p.parts), Of: len(r.set.Files), Red: r.redTests()}
	if r.dir.Run.Task != nil {
		in.Task = *r.dir.Run.Task
		in.Title = in.Task.Title
	}
	if r.pull != nil {
		in.Title, in.Body = r.pull.Title, r.pull.Body
	}
	asked := prompt.Reviewer(r.seed, in)
	for _, n := range asked.Notes {
		r.phase("cleaned", r.Now(), "%s", n)
	}
	var said prompt.Reviewed
	if _, err := llm.Ask(ctx, counting{r}, asked.Request, &said, func() error { return said.Check() }); err != nil {
		return err
	}
	if r.summary == "" {
		r.summary = clip(said.Summary, 400)
	}
	for _, x := range said.Findings {
		if !r.anchored(x.Path, x.Line) {
			r.dropped++
			continue
		}
		r.findings = append(r.findings, finding.Finding{Path: x.Path, Line: x.Line, Rule: "review", Severity: finding.Severity(x.Severity),
			Message: clip(x.Message, 1000), Hint: clip(x.Suggestion, 1000)})
	}
	return nil
}

// redTests are the names that fail with the change, for the prompt.
func (r *reviewer) redTests() []string {
	var checks rundir.Checks
	if ok, err := r.dir.ReadJSON(rundir.ChecksFile, &checks); !ok || err != nil || checks.HeadTree != r.set.Head.SHA {
		return nil
	}
	var red []string
	for _, c := range checks.Commands {
		if c.Head != nil {
			red = append(red, c.Head.Failed...)
		}
	}
	return red
}

// anchored says whether the new side of the diff has this line.
func (r *reviewer) anchored(path string, line int) bool {
	for _, f := range r.set.Files {
		if f.Path != path {
			continue
		}
		for _, h := range f.Hunks() {
			for _, l := range h.Lines {
				if l.New == line && line > 0 {
					return true
				}
			}
		}
	}
	return false
}
