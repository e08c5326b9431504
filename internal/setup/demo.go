package setup

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/seedbed-dev/seedbed/examples/tally"
	"github.com/seedbed-dev/seedbed/internal/adapter/git"
	"github.com/seedbed-dev/seedbed/internal/adapter/github"
	"github.com/seedbed-dev/seedbed/internal/fakegithub"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/journal"
	"github.com/seedbed-dev/seedbed/internal/llm"
	"github.com/seedbed-dev/seedbed/internal/policy"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/stage/govern"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// DemoOptions says where the demo keeps its things and how it ends.
type DemoOptions struct {
	Dir    string // kept when given; else a temporary folder, removed at the end
	Again  bool   // run the cycle once more on a kept Dir
	Serve  bool   // keep the server up afterwards, until the context ends
	Binary string // this very program
	Env    []string
	Out    io.Writer
	Now    func() time.Time
}

const demoRepo = "ana/tally"

// Demo runs two whole cycles on a fake GitHub with the bundled example: one
// that is merged and deployed, one that is refused. The model's replies are
// recordings written by hand; everything else is real.
func Demo(ctx context.Context, o DemoOptions) error {
	d, done, err := openDemo(ctx, o)
	if err != nil {
		return err
	}
	defer done()
	start := o.Now()
	if o.Again {
		if err := d.again(ctx); err != nil {
			return err
		}
	} else {
		d.opening()
		for i, s := range tally.Scenes() {
			if err := d.scene(ctx, i+1, s); err != nil {
				return err
			}
		}
		if err := d.closing(o.Now().Sub(start)); err != nil {
			return err
		}
	}
	if o.Serve {
		fmt.Fprintf(o.Out, "Serving %s until you press Ctrl-C; clone it: git clone %s/%s.git\n", d.address, d.address, demoRepo)
		<-ctx.Done()
	}
	return nil
}

// demo is the state of a running demo.
type demo struct {
	*world
	o       DemoOptions
	ana     *github.Client
	merged  int
	refused int
	tokens  int64
}

func openDemo(ctx context.Context, o DemoOptions) (*demo, func(), error) {
	dir := o.Dir
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "seedbed-demo-"); err != nil {
			return nil, nil, fmt.Errorf("making a folder for the demo: %w", err)
		}
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, nil, err
	}
	_, statErr := os.Stat(filepath.Join(dir, "state.json"))
	if fresh := errors.Is(statErr, os.ErrNotExist); fresh == o.Again {
		if o.Again {
			return nil, nil, fmt.Errorf("%s holds no demo to run again; run seedbed demo --dir %s first", dir, dir)
		}
		return nil, nil, fmt.Errorf("%s holds a demo already; --again runs the cycle on it once more", dir)
	}
	w, stop, err := startWorld(dir, o.Binary, o.Env, o.Now)
	if err != nil {
		return nil, nil, err
	}
	d := &demo{world: w, o: o}
	done := func() {
		stop()
		if o.Dir == "" {
			os.RemoveAll(dir)
		}
	}
	if err := d.populate(ctx); err != nil {
		done()
		return nil, nil, err
	}
	return d, done, nil
}

// startWorld opens a fake GitHub below dir and listens on loopback.
func startWorld(dir, binary string, env []string, now func() time.Time) (*world, func(), error) {
	server, err := fakegithub.Open(fakegithub.Options{Root: dir, Now: now})
	if err != nil {
		return nil, nil, err
	}
	address, err := server.Start("127.0.0.1:0")
	if err != nil {
		return nil, nil, errors.Join(err, server.Close())
	}
	w := &world{server: server, address: address, dir: dir, binary: binary, env: withoutSecrets(env), now: now}
	return w, func() { server.Close() }, nil
}

// withoutSecrets keeps what a child needs to find its tools and drops anything
// that could reach a real forge or a real model.
func withoutSecrets(env []string) []string {
	var kept []string
	for _, pair := range env {
		name, _, _ := strings.Cut(pair, "=")
		upper := strings.ToUpper(name)
		if strings.HasPrefix(upper, "GITHUB_") || strings.HasPrefix(upper, "INPUT_") || strings.HasPrefix(upper, "ACTIONS_") ||
			strings.HasPrefix(upper, "OPENAI_") || strings.HasPrefix(upper, "SEEDBED_KILL") || strings.HasPrefix(upper, "SEEDBED_MODEL") ||
			strings.Contains(upper, "TOKEN") || strings.Contains(upper, "SECRET") {
			continue
		}
		kept = append(kept, pair)
	}
	return kept
}

// populate makes the example's repository and the person who owns it.
func (d *demo) populate(ctx context.Context) error {
	d.repo = demoRepo
	if !d.o.Again {
		from := filepath.Join(d.dir, "example")
		if err := unpack(tally.Files(), from); err != nil {
			return err
		}
		if err := d.server.AddRepository(fakegithub.Repository{Owner: "ana", Name: "tally", DefaultBranch: "main", From: from,
			Description: "Counts words, lines and bytes"}); err != nil {
			return err
		}
		for i, s := range tally.Scenes() {
			if err := os.WriteFile(d.recordingPath(i+1), s.Recording, 0o600); err != nil {
				return err
			}
		}
	}
	token, err := d.server.MintToken(fakegithub.Token{Name: "ana", Kind: fakegithub.KindUser, Login: "ana"})
	if err != nil {
		return err
	}
	d.ana, err = github.New(github.Options{BaseURL: d.address, Token: token, Owner: "ana", Repo: "tally", UserAgent: "ana", Now: d.now})
	return err
}

func (d *demo) recordingPath(n int) string {
	return filepath.Join(d.dir, fmt.Sprintf("scene%d.jsonl", n))
}

func unpack(files map[string][]byte, dir string) error {
	for path, data := range files {
		to := filepath.Join(dir, filepath.FromSlash(path))
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, data, 0o644); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.o.Out, format+"\n", args...) }

// step prints one line of a scene, cut so that it never wraps.
func (d *demo) step(name string, took time.Duration, format string, args ...any) {
	d.say("%s", clip(fmt.Sprintf("  %-10s %4.1fs  %s", name, took.Seconds(), fmt.Sprintf(format, args...)), 100))
}

func clip(s string, width int) string {
	if r := []rune(s); len(r) > width {
		return string(r[:width-1]) + "…"
	}
	return s
}

func (d *demo) opening() {
	d.say("seedbed demo · fake GitHub on %s", strings.TrimPrefix(d.address, "http://"))
	d.say("model: RECORDED replies (no key, nothing paid) · all else is real")
	d.say("example  tally, Go, %d files · sandbox: no network, no secrets", len(tally.Files()))
}

// scene files an issue as ana, labels it, and runs the workflow's jobs.
func (d *demo) scene(ctx context.Context, n int, s tally.Scene) error {
	issue, err := d.ana.CreateIssue(ctx, s.Title, s.Body, nil)
	if err != nil {
		return err
	}
	if err := d.ana.AddLabels(ctx, issue.Number, "ai-task"); err != nil {
		return err
	}
	d.say("\nSCENE %d  #%d %q, labelled ai-task by ana", n, issue.Number, s.Title)
	d.modelIn = map[string]string{"INPUT_RECORDED": d.recordingPath(n)}
	c, err := d.labelled(ctx)
	if err != nil {
		return err
	}
	accepted, err := d.acceptScene(ctx, c)
	if err != nil {
		return err
	}
	if err := d.buildScene(ctx, c, accepted); err != nil {
		return err
	}
	if err := d.unused(c, accepted, s); err != nil {
		return err
	}
	if err := d.decideScene(ctx, c); err != nil {
		return err
	}
	return c.end()
}

// labelled begins the cycle that the label starts.
func (d *demo) labelled(ctx context.Context) (*cycle, error) {
	event, err := d.newestEvent(forge.EventIssues)
	if err != nil {
		return nil, err
	}
	main, err := d.ana.Ref(ctx, "refs/heads/main")
	if err != nil {
		return nil, err
	}
	return d.newCycle("issues", event, main.SHA)
}

func (d *demo) acceptScene(ctx context.Context, c *cycle) (task.Task, error) {
	run, rep, err := c.accept(ctx)
	if err != nil {
		return task.Task{}, err
	}
	if rec, ok := run.Last("plan"); ok {
		d.step("plan", time.Duration(rec.Millis)*time.Millisecond, "%s", rec.Message)
	}
	if len(rep.Accepted) == 0 {
		return task.Task{}, fmt.Errorf("govern accepted no task: %s", rep.Message)
	}
	t := rep.Accepted[0]
	d.step("govern", 0, "accepted · lease taken · comment on #%d", t.Issue)
	return t, nil
}

func (d *demo) buildScene(ctx context.Context, c *cycle, t task.Task) error {
	clone, err := d.clone(ctx, filepath.Join(c.dir, "clone-build"))
	if err != nil {
		return err
	}
	built, err := c.build(ctx, t, clone)
	if err != nil {
		return err
	}
	for _, rec := range built.Run.Stages {
		d.stage(rec)
		d.tokens += rec.Tokens
	}
	if _, made := built.Run.Files[rundir.PatchFile]; !made {
		return nil
	}
	if last, ok := built.Run.Last("implement"); ok && last.Outcome != rundir.Succeeded {
		return nil
	}
	fresh, err := d.clone(ctx, filepath.Join(c.dir, "clone-verify"))
	if err != nil {
		return err
	}
	verified, err := c.verify(ctx, t, fresh)
	if err != nil {
		return err
	}
	if rec, ok := verified.Run.Last("test"); ok {
		d.step("verify", time.Duration(rec.Millis)*time.Millisecond, "%s · fresh clone, no model key", rec.Message)
	}
	return nil
}

func (d *demo) stage(rec rundir.Stage) {
	for _, p := range rec.Phases {
		if p.Note != "" && p.Note != rec.Message {
			d.step(rec.Stage, time.Duration(p.Millis)*time.Millisecond, "%s", p.Note)
		}
	}
	note := rec.Message
	if rec.Outcome != rundir.Succeeded {
		note = strings.ReplaceAll(string(rec.Outcome), "_", " ") + ": " + note
	}
	if rec.Tokens > 0 {
		note += fmt.Sprintf(" · %s tokens", thousands(rec.Tokens))
	}
	d.step(rec.Stage, time.Duration(rec.Millis)*time.Millisecond, "%s", firstLine(note))
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// clone makes the work tree a job's checkout would make.
func (d *demo) clone(ctx context.Context, dir string) (string, error) {
	bare, err := git.Open(filepath.Join(d.dir, demoRepo+".git"))
	if err != nil {
		return "", err
	}
	return dir, bare.Checkout(ctx, "refs/heads/main", dir)
}

// unused fails when a recorded reply was not asked for: the recording and the
// program have drifted apart.
func (d *demo) unused(c *cycle, t task.Task, s tally.Scene) error {
	written, err := llm.ReadTranscript("recording", bytes.NewReader(s.Recording))
	if err != nil {
		return err
	}
	recorded, err := llm.NewRecorded("recording", written)
	if err != nil {
		return err
	}
	f, err := os.Open(filepath.Join(c.dir, "handed", "build-"+t.Key8(), rundir.TranscriptFile))
	if err != nil {
		return err
	}
	defer f.Close()
	calls, err := llm.ReadTranscript(rundir.TranscriptFile, f)
	if err != nil {
		return err
	}
	recorded.Strike(calls)
	return recorded.Unused()
}

func (d *demo) decideScene(ctx context.Context, c *cycle) error {
	start := d.now()
	rep, err := c.decide(ctx)
	if err != nil {
		return err
	}
	for _, t := range rep.Tasks {
		if err := d.verdict(ctx, c, t, d.now().Sub(start)); err != nil {
			return err
		}
	}
	return d.logLine(ctx)
}

func (d *demo) verdict(ctx context.Context, c *cycle, t govern.TaskReport, took time.Duration) error {
	switch t.State {
	case "merged":
		d.merged++
		d.step("govern", took, "ALLOWED: %d pass, %d do not apply · pull request #%d · merged", t.Verdict.Count(policy.Pass),
			t.Verdict.Count(policy.NotApplicable), t.Pull)
		d.step("", 0, "(this demo's seed.yaml sets mode: auto; yours will not)")
		if err := d.deploy(ctx, c, t.Merge); err != nil {
			return err
		}
		return d.showChange(ctx, t.Merge)
	case "refused":
		d.refused++
		d.step("govern", took, "REFUSED, nothing pushed · #%d needs you", t.Issue)
		for _, f := range t.Verdict.Findings() {
			d.say("%s", clip("    "+f.String(), 100))
			if f.Seed != "" || f.Hint != "" {
				d.say("%s", clip(fmt.Sprintf("        %s  hint: %s", f.Seed, f.Hint), 100))
			}
			if f.Who != "" {
				d.say("%s", clip("        unblocks: "+f.Who, 100))
			}
		}
		return nil
	}
	return fmt.Errorf("govern ended %s: %s", t.State, t.Message)
}

// deploy sends the merged commit out with the seed's scripts, and lets govern
// record what came of it.
func (d *demo) deploy(ctx context.Context, c *cycle, sha string) error {
	clone, err := d.clone(ctx, filepath.Join(c.dir, "clone-deploy"))
	if err != nil {
		return err
	}
	start := d.now()
	dir := filepath.Join(c.dir, "deploy")
	_, out, err := c.run(ctx, job{name: "deploy", args: []string{"deploy"}, inputs: map[string]string{"RUN_DIR": dir, "SHA": sha, "REPO": clone}})
	if err != nil {
		return err
	}
	var rep struct {
		Message string `json:"message"`
	}
	if err := json.Unmarshal(out, &rep); err != nil {
		return fmt.Errorf("reading what deploy printed: %w", err)
	}
	d.step("deploy", d.now().Sub(start), "%s", rep.Message)
	return nil
}

// showChange prints the lines of code that changed, tests aside.
func (d *demo) showChange(ctx context.Context, merge string) error {
	bare, err := git.Open(filepath.Join(d.dir, demoRepo+".git"))
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
		d.say("  %s", f.Path)
		for _, h := range f.Hunks() {
			for _, l := range h.Lines {
				if l.Op != ' ' {
					d.say("%s", clip(fmt.Sprintf("      %c  %s", l.Op, strings.ReplaceAll(l.Text, "\t", "    ")), 100))
				}
			}
		}
	}
	return nil
}

func (d *demo) logLine(ctx context.Context) error {
	file, err := d.ana.File(ctx, journal.Path, "main")
	if err != nil {
		return err
	}
	entries, err := journal.Parse(file.Content)
	if err != nil {
		return err
	}
	d.step("log", 0, "entry %d in %s on main, chain ok", len(entries), journal.Path)
	return nil
}

func (d *demo) closing(took time.Duration) error {
	calls, mutations, err := d.calls()
	if err != nil {
		return err
	}
	d.say("\n%d merged · %d refused · %s tokens recorded, 0 paid · %d GitHub calls, %d of them writes · %.1f s",
		d.merged, d.refused, thousands(d.tokens), calls, mutations, took.Seconds())
	if d.o.Dir != "" {
		d.say("Kept in %s: *.git, requests.jsonl, runs/. Once more: seedbed demo --dir %s --again", d.o.Dir, d.o.Dir)
	}
	d.say("Look around: make demo ARGS=--serve      Yours: cd your-repo && seedbed rehearse")
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

// again runs the same cycle on what the first run left: nothing may change.
func (d *demo) again(ctx context.Context) error {
	_, before, err := d.calls()
	if err != nil {
		return err
	}
	c, err := d.labelled(ctx)
	if err != nil {
		return err
	}
	run, rep, err := c.accept(ctx)
	if err != nil {
		return err
	}
	if rec, ok := run.Last("plan"); ok {
		d.step("plan", time.Duration(rec.Millis)*time.Millisecond, "%s: %s", rec.Outcome, rec.Message)
	}
	if len(rep.Accepted) > 0 {
		return fmt.Errorf("the second run took %d tasks", len(rep.Accepted))
	}
	sweep, err := c.govern(ctx, "decide", filepath.Join(c.dir, "none"), nil)
	if err != nil {
		return err
	}
	_, after, err := d.calls()
	if err != nil {
		return err
	}
	d.step("govern", 0, "%s · %d writes", strings.ReplaceAll(string(sweep.Outcome), "_", " "), after-before)
	if after != before {
		return fmt.Errorf("the second run wrote %d times", after-before)
	}
	return c.end()
}

func thousands(n int64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
