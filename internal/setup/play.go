package setup

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/seedbed-dev/seedbed/internal/adapter/git"
	"github.com/seedbed-dev/seedbed/internal/adapter/github"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/journal"
	"github.com/seedbed-dev/seedbed/internal/policy"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/stage/govern"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// play runs the workflow's jobs on a world and tells each in a line.
type play struct {
	*world
	out    io.Writer
	person *github.Client // who owns the repository and files issues
	tokens int64
}

func (p *play) say(format string, args ...any) { fmt.Fprintf(p.out, format+"\n", args...) }

// step prints one step of a scene, folded so that no line wraps by itself.
func (p *play) step(name string, took time.Duration, format string, args ...any) {
	p.fold(fmt.Sprintf("  %-10s %4.1fs  ", name, took.Seconds()), strings.Repeat(" ", 20), fmt.Sprintf(format, args...))
}

// fold prints text after a head; what does not fit goes on below, indented. A
// word longer than a line is cut.
func (p *play) fold(head, indent, text string) {
	line, empty := head, true
	for _, word := range strings.Fields(text) {
		if !empty && width(line)+1+width(word) > terminal {
			p.say("%s", line)
			line, empty = indent, true
		}
		if !empty {
			line += " "
		}
		line, empty = line+clip(word, terminal-width(indent)), false
	}
	p.say("%s", strings.TrimRight(line, " "))
}

// terminal is the width in characters that no line of ours exceeds.
const terminal = 100

func width(s string) int { return len([]rune(s)) }

func clip(s string, most int) string {
	if r := []rune(s); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return s
}

// labelled begins the cycle that the label starts.
func (p *play) labelled(ctx context.Context) (*cycle, error) {
	event, err := p.newestEvent(forge.EventIssues)
	if err != nil {
		return nil, err
	}
	main, err := p.person.Ref(ctx, "refs/heads/"+p.branch)
	if err != nil {
		return nil, err
	}
	return p.newCycle("issues", event, main.SHA)
}

func (p *play) acceptScene(ctx context.Context, c *cycle) (task.Task, error) {
	run, rep, err := c.accept(ctx)
	if err != nil {
		return task.Task{}, err
	}
	if rec, ok := run.Last("plan"); ok {
		p.step("plan", time.Duration(rec.Millis)*time.Millisecond, "%s", rec.Message)
	}
	if len(rep.Accepted) == 0 {
		return task.Task{}, fmt.Errorf("govern accepted no task: %s", rep.Message)
	}
	t := rep.Accepted[0]
	p.step("govern", 0, "accepted · lease taken · comment on #%d", t.Issue)
	return t, nil
}

func (p *play) buildScene(ctx context.Context, c *cycle, t task.Task) error {
	clone, err := p.clone(ctx, filepath.Join(c.dir, "clone-build"))
	if err != nil {
		return err
	}
	built, err := c.build(ctx, t, clone)
	if err != nil {
		return err
	}
	for _, rec := range built.Run.Stages {
		p.stage(rec)
		p.tokens += rec.Tokens
	}
	if _, made := built.Run.Files[rundir.PatchFile]; !made {
		return nil
	}
	if last, ok := built.Run.Last("implement"); ok && last.Outcome != rundir.Succeeded {
		return nil
	}
	fresh, err := p.clone(ctx, filepath.Join(c.dir, "clone-verify"))
	if err != nil {
		return err
	}
	verified, err := c.verify(ctx, t, fresh)
	if err != nil {
		return err
	}
	if rec, ok := verified.Run.Last("test"); ok {
		p.step("verify", time.Duration(rec.Millis)*time.Millisecond, "%s · fresh clone, no model key", rec.Message)
	}
	return nil
}

func (p *play) stage(rec rundir.Stage) {
	for _, phase := range rec.Phases {
		if rec.Stage == "implement" && phase.Note != "" && phase.Note != rec.Message {
			p.step(rec.Stage, time.Duration(phase.Millis)*time.Millisecond, "%s", phaseNote(phase))
		}
	}
	note := rec.Message
	if rec.Outcome != rundir.Succeeded && rec.Stage != "review" {
		note = strings.ReplaceAll(string(rec.Outcome), "_", " ") + ": " + note
	}
	if rec.Tokens > 0 {
		note += fmt.Sprintf(" · %s tokens", thousands(rec.Tokens))
	}
	p.step(rec.Stage, time.Duration(rec.Millis)*time.Millisecond, "%s", firstLine(note))
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// clone makes the work tree a job's checkout would make.
func (p *play) clone(ctx context.Context, dir string) (string, error) {
	bare, err := git.Open(filepath.Join(p.dir, p.repo+".git"))
	if err != nil {
		return "", err
	}
	return dir, bare.Checkout(ctx, "refs/heads/"+p.branch, dir)
}

// showChange prints the lines of code that changed, tests aside.
func (p *play) showChange(ctx context.Context, merge string) error {
	bare, err := git.Open(filepath.Join(p.dir, p.repo+".git"))
	if err != nil {
		return err
	}
	info, err := bare.CommitInfo(ctx, merge)
	if err != nil || len(info.Parents) == 0 {
		return err
	}
	set, err := bare.Compare(ctx, info.Parents[0], merge)
	if err != nil {
		return err
	}
	for _, f := range set.Files {
		if strings.HasSuffix(f.Path, "_test.go") {
			continue
		}
		p.say("  %s", f.Path)
		for _, h := range f.Hunks() {
			for _, l := range h.Lines {
				if l.Op != ' ' {
					p.say("%s", clip(fmt.Sprintf("      %c  %s", l.Op, strings.ReplaceAll(l.Text, "\t", "    ")), terminal))
				}
			}
		}
	}
	return nil
}

func (p *play) logLine(ctx context.Context) error {
	file, err := p.person.File(ctx, journal.Path, p.branch)
	if err != nil {
		return err
	}
	entries, err := journal.Parse(file.Content)
	if err != nil {
		return err
	}
	p.step("log", 0, "entry %d in %s on %s, chain ok", len(entries), journal.Path, p.branch)
	return nil
}

// calls counts what stands in the request log.
func (w *world) calls() (calls, mutations int, err error) {
	f, err := os.Open(filepath.Join(w.dir, "requests.jsonl"))
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var line struct {
			Mutation bool `json:"mutation"`
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			return 0, 0, fmt.Errorf("reading requests.jsonl: %w", err)
		}
		calls++
		if line.Mutation {
			mutations++
		}
	}
	return calls, mutations, lines.Err()
}

func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// refusal prints what every rule that said no found, with where its limit
// stands. What merely waits for somebody is left out: nothing is there to
// approve.
func (p *play) refusal(v *policy.Verdict) {
	for _, r := range v.Results {
		if r.Outcome != policy.Fail {
			continue
		}
		for _, f := range r.Findings {
			p.fold("    ", "      ", f.String())
			if f.Hint != "" {
				p.fold("        hint: ", "          ", f.Hint)
			}
			p.fold("        limit: ", "          ", fmt.Sprintf("%s · unblocks: %s", orElse(f.Seed, "built in"), orElse(f.Who, "nobody")))
		}
	}
}

// allowed tells a verdict that let a change through.
func allowed(t govern.TaskReport) string {
	return fmt.Sprintf("%d pass, %d do not apply", t.Verdict.Count(policy.Pass), t.Verdict.Count(policy.NotApplicable))
}

// phaseNote says what a phase found; green before any change would otherwise
// read like green after it.
func phaseNote(p rundir.Phase) string {
	if p.Name == "baseline" {
		return "before any change: " + p.Note
	}
	return p.Note
}
