package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	actRow     = "all jobs of a cycle, under act"
	actCommand = "act issues -W .github/workflows/issue.yml"
)

// underAct runs the same cycle by the shipped workflows, byte for byte, with the
// program on PATH. act's own time counts: it stands for the runner's.
func underAct(ctx context.Context, t *table, w *world, times int) error {
	act, err := exec.LookPath("act")
	if err != nil {
		t.notRun(actRow, "act not found", actCommand)
		return nil
	}
	action, args, err := w.shipped()
	if err != nil {
		return err
	}
	var took []float64
	for range times {
		d, err := w.actOnce(ctx, act, append(args, "--local-repository", "OWNER/seedbed@v1="+action))
		if err != nil {
			return err
		}
		took = append(took, millis(d))
	}
	t.many(actRow, took, "ms", 3000, actCommand)
	return nil
}

var actionUse = regexp.MustCompile(`actions/([a-z-]+)@[0-9A-Za-z.]+`)

// shipped makes the folder that stands for OWNER/seedbed@v1, and the arguments
// that map the actions which need GitHub to the stand-ins of the act tests.
func (w *world) shipped() (dir string, args []string, err error) {
	dir = filepath.Join(w.dir, "action")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", nil, err
	}
	definition, err := os.ReadFile("action.yml")
	if err != nil {
		return "", nil, err
	}
	if err := os.WriteFile(filepath.Join(dir, "action.yml"), definition, 0o644); err != nil {
		return "", nil, err
	}
	if err := os.CopyFS(filepath.Join(dir, ".github"), os.DirFS(".github")); err != nil {
		return "", nil, err
	}
	workflow, err := os.ReadFile(".github/workflows/cycle.yml")
	if err != nil {
		return "", nil, err
	}
	stand, err := filepath.Abs("internal/shipped/testdata/actions")
	if err != nil {
		return "", nil, err
	}
	for _, m := range actionUse.FindAllStringSubmatch(string(workflow), -1) {
		folder := filepath.Join(stand, m[1])
		if _, err := os.Stat(folder); err == nil && !slices.Contains(args, m[0]+"="+folder) {
			args = append(args, "--local-repository", m[0]+"="+folder)
		}
	}
	return dir, args, nil
}

func (w *world) actOnce(ctx context.Context, act string, more []string) (time.Duration, error) {
	w.runs++
	event, err := w.label(ctx, fmt.Sprintf("Line %d", w.runs))
	if err != nil {
		return 0, err
	}
	tree := filepath.Join(w.dir, fmt.Sprintf("tree-%d", w.runs))
	if err := w.clone(ctx, tree); err != nil {
		return 0, err
	}
	if err := w.command(ctx, tree, nil, "git", "remote", "set-url", "origin", "https://github.com/"+fullName).Run(); err != nil {
		return 0, err
	}
	args := append([]string{"issues", "-W", ".github/workflows/issue.yml", "-e", event, "-a", "you", "--action-offline-mode",
		"-P", "ubuntu-24.04=-self-hosted", "-s", "GITHUB_TOKEN=" + w.tokens["job-decide"],
		"--env", "GITHUB_API_URL=" + w.address, "--env", "GITHUB_SERVER_URL=" + w.address, "--env", "GITHUB_GRAPHQL_URL=" + w.address + "/graphql",
		"--env", fmt.Sprintf("GITHUB_RUN_ID=%d", 1_000_000+w.runs), "--env", "ARTIFACTS=" + filepath.Join(w.dir, "artifacts", fmt.Sprint(w.runs))}, more...)
	before, err := w.requests()
	if err != nil {
		return 0, err
	}
	cmd := w.command(ctx, tree, nil, act, args...)
	for i, pair := range cmd.Env {
		if path, ok := strings.CutPrefix(pair, "PATH="); ok {
			cmd.Env[i] = "PATH=" + filepath.Dir(w.binary) + ":" + path
		}
	}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("act: %w\n%s", err, said.String())
	}
	took := time.Since(began)
	after, err := w.requests()
	if err != nil {
		return 0, err
	}
	if _, err := count(after[len(before):]); err != nil {
		return 0, fmt.Errorf("act: %w\n%s", err, said.String())
	}
	return took, nil
}
