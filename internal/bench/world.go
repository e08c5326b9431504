package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

const (
	fullName = "you/project-copy" // as rehearse names the copy of a folder "project"
	trigger  = "ai-task"
	worker   = "worker:note"
)

// contract lets a task of one line be merged in the run that made it, as often
// as is measured.
const contract = `version: 1
project: {name: notes}
mode: auto
phase: 4
commands: {test: ["true"]}
workers: {note: {command: "echo one more line >>notes.txt"}}
automation_contract: {merge_policy: {allow_auto_merge: true}}
growth: {preapproved_modules: ["**"]}
budgets: {day: {cycles: 10000, tokens: 1000000000}, effects_per_hour: 100000}
`

// world is a fake GitHub with one repository, served by the measured program.
type world struct {
	binary  string
	dir     string // everything is below it; hub is the fake GitHub
	address string
	tokens  map[string]string // by name: you, job-accept, job-build, ...
	runs    int
}

// newWorld makes the repository and runs one cycle by rehearse, which leaves the
// tokens of each job and a warm sandbox cache; then it serves what that left.
func newWorld(ctx context.Context, binary, keep string) (*world, func(), error) {
	dir, remove := keep, func() {}
	if dir == "" {
		var err error
		if dir, err = os.MkdirTemp("", "seedbed-bench-"); err != nil {
			return nil, nil, fmt.Errorf("making a folder: %w", err)
		}
		remove = func() { os.RemoveAll(dir) }
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, nil, err
	}
	w := &world{binary: binary, dir: dir}
	if err := w.populate(ctx); err != nil {
		remove()
		return nil, nil, err
	}
	stop, err := w.serve(ctx)
	if err != nil {
		remove()
		return nil, nil, err
	}
	return w, func() { stop(); remove() }, nil
}

func (w *world) hub() string { return filepath.Join(w.dir, "hub") }

func (w *world) populate(ctx context.Context) error {
	workflow, err := os.ReadFile("examples/workflows/issue.yml")
	if err != nil {
		return fmt.Errorf("run this in the repository's own folder: %w", err)
	}
	project := filepath.Join(w.dir, "project")
	for name, text := range map[string]string{"seed.yaml": contract, "notes.txt": "a line\n", ".github/workflows/issue.yml": string(workflow)} {
		to := filepath.Join(project, name)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(to, []byte(text), 0o644); err != nil {
			return err
		}
	}
	for _, args := range [][]string{{"init", "-q", "-b", "main"}, {"add", "-A"}, {"commit", "-qm", "init"}} {
		if err := w.command(ctx, project, nil, "git", args...).Run(); err != nil {
			return fmt.Errorf("git %s: %w", args[0], err)
		}
	}
	out, err := w.command(ctx, project, nil, w.binary, "rehearse", "--worker", "note", "--dir", w.hub()).CombinedOutput()
	if err != nil {
		return fmt.Errorf("rehearse: %w\n%s", err, out)
	}
	return nil
}

// command runs a program with nothing of the caller's environment but the way to
// find programs, and more.
func (w *world) command(ctx context.Context, dir string, more []string, name string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, name, args...)
	c.Dir = dir
	home := filepath.Join(w.dir, "home")
	c.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + os.TempDir(), "GIT_CONFIG_NOSYSTEM=1",
		"GIT_AUTHOR_NAME=you", "GIT_AUTHOR_EMAIL=you@localhost", "GIT_COMMITTER_NAME=you", "GIT_COMMITTER_EMAIL=you@localhost"}, more...)
	return c
}

// serve starts the server and waits until it says where it listens.
func (w *world) serve(ctx context.Context) (stop func(), err error) {
	ready := filepath.Join(w.dir, "ready.json")
	server := w.command(ctx, w.dir, nil, w.binary, "serve", "--root", w.hub(), "--ready-file", ready)
	if err := server.Start(); err != nil {
		return nil, fmt.Errorf("starting seedbed serve: %w", err)
	}
	stop = func() {
		server.Process.Signal(os.Interrupt)
		server.Wait()
	}
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		var said struct {
			Address string            `json:"base_url"`
			Tokens  map[string]string `json:"tokens"`
		}
		if data, err := os.ReadFile(ready); err != nil || json.Unmarshal(data, &said) != nil {
			continue
		}
		w.address, w.tokens = said.Address, said.Tokens
		return stop, nil
	}
	stop()
	return nil, errors.New("seedbed serve did not say within 10 s where it listens")
}

// label files an issue and labels it, as a person would, and gives the file of
// the event that this made.
func (w *world) label(ctx context.Context, title string) (event string, err error) {
	var issue struct {
		Number int `json:"number"`
	}
	if err := w.post(ctx, "issues", map[string]any{"title": title, "body": "Add one more line to notes.txt."}, &issue); err != nil {
		return "", err
	}
	if err := w.post(ctx, fmt.Sprintf("issues/%d/labels", issue.Number), map[string]any{"labels": []string{worker, trigger}}, nil); err != nil {
		return "", err
	}
	events, err := filepath.Glob(filepath.Join(w.hub(), "events", "*issues*.json"))
	if err != nil || len(events) == 0 {
		return "", errors.New("the label made no event")
	}
	return events[len(events)-1], nil
}

func (w *world) post(ctx context.Context, path string, body, answer any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.address+"/repos/"+fullName+"/"+path, bytes.NewReader(data))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+w.tokens["you"])
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil || res.StatusCode > 299 {
		return fmt.Errorf("POST %s: %s: %s: %w", path, res.Status, strings.TrimSpace(string(text)), errors.Join(err, errors.New("refused")))
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}

// clone makes a job's checkout. It is not timed: in a workflow actions/checkout
// makes it.
func (w *world) clone(ctx context.Context, to string) error {
	out, err := w.command(ctx, w.dir, nil, "git", "clone", "-q", filepath.Join(w.hub(), fullName+".git"), to).CombinedOutput()
	if err != nil {
		return fmt.Errorf("cloning: %w: %s", err, out)
	}
	return nil
}
