package setup

import (
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
	"github.com/seedbed-dev/seedbed/internal/adapter/github"
	"github.com/seedbed-dev/seedbed/internal/fakegithub"
	"github.com/seedbed-dev/seedbed/internal/llm"
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
	play
	o       DemoOptions
	merged  int
	refused int
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
	d := &demo{play: play{world: w, out: o.Out}, o: o}
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
	d.repo, d.branch = demoRepo, "main"
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
	d.person, err = github.New(github.Options{BaseURL: d.address, Token: token, Owner: "ana", Repo: "tally", UserAgent: "ana", Now: d.now})
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

func (d *demo) opening() {
	d.say("seedbed demo · fake GitHub on %s", strings.TrimPrefix(d.address, "http://"))
	d.say("model: RECORDED replies (no key, nothing paid) · all else is real")
	d.say("example  tally, Go, %d files · sandbox: no network, no secrets", len(tally.Files()))
}

// scene files an issue as ana, labels it, and runs the workflow's jobs.
func (d *demo) scene(ctx context.Context, n int, s tally.Scene) error {
	issue, err := d.person.CreateIssue(ctx, s.Title, s.Body, nil)
	if err != nil {
		return err
	}
	if err := d.person.AddLabels(ctx, issue.Number, "ai-task"); err != nil {
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
		d.step("govern", took, "ALLOWED: %s · pull request #%d · merged", allowed(t), t.Pull)
		d.say("                    (this demo's seed.yaml sets mode: auto; yours will not)")
		if err := d.deploy(ctx, c, t.Merge); err != nil {
			return err
		}
		return d.showChange(ctx, t.Merge)
	case "refused":
		d.refused++
		d.step("govern", took, "REFUSED, nothing pushed · #%d needs you", t.Issue)
		d.refusal(t.Verdict)
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
	_, err = c.govern(ctx, "record", dir, map[string]string{"EXPECT": "deploy"})
	return err
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
