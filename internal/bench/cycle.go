package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// jobs are the steps of cycle.yml in their order, as columns of time.
var jobs = []string{"plan --select", "govern (accept)", "run plan implement test review", "test (verify)", "govern (decide)"}

// direct runs whole cycles, job by job, and writes their rows.
func direct(ctx context.Context, t *table, w *world, times int) error {
	took := map[string][]float64{}
	var all, cpu, toMerge, toEnd, mutations []float64
	rss := 0.0
	for range times {
		c, err := w.cycle(ctx)
		if err != nil {
			return err
		}
		sum := 0.0
		for _, name := range jobs {
			took[name] = append(took[name], c.took[name])
			sum += c.took[name]
		}
		all, cpu, rss = append(all, sum), append(cpu, c.cpu), max(rss, c.rss)
		toMerge, toEnd = append(toMerge, float64(c.calls.toMerge)), append(toEnd, float64(c.calls.all))
		mutations = append(mutations, float64(c.calls.mutations))
	}
	for _, name := range jobs {
		t.many("direct: "+name, took[name], "ms", 0, "seedbed "+strings.Fields(name)[0])
	}
	t.many("all jobs of a cycle, direct", all, "ms", 1000, "make bench")
	t.many("processor time of these, git and sandbox with it", cpu, "ms", 0, "the same")
	t.many("calls of a task, label to merge", toMerge, "calls", 40, "requests.jsonl: REST and GraphQL, status not 304")
	t.many("calls of a task, label to lease given back", toEnd, "calls", 0, "the same")
	t.many("mutations of a task", mutations, "calls", 0, "requests.jsonl: mutation")
	t.many("which paced as on GitHub take", mutations, "s", 0, "1 s each")
	t.one("largest resident set, with git below it", rss, "MB", 100, "ru_maxrss of each job")
	return nil
}

// cycle is one run of the workflow, from the label to the merge.
type cycle struct {
	*world
	dir   string
	event string
	took  map[string]float64 // by job, in ms
	cpu   float64            // of all jobs, in ms
	rss   float64            // largest, in MB
	calls calls
}

func (w *world) cycle(ctx context.Context) (*cycle, error) {
	w.runs++
	c := &cycle{world: w, dir: filepath.Join(w.dir, fmt.Sprintf("run-%d", w.runs)), took: map[string]float64{}}
	if err := os.MkdirAll(c.dir, 0o755); err != nil {
		return nil, err
	}
	before, err := w.requests()
	if err != nil {
		return nil, err
	}
	if c.event, err = w.label(ctx, fmt.Sprintf("Line %d", w.runs)); err != nil {
		return nil, err
	}
	if err := c.jobs(ctx); err != nil {
		return nil, fmt.Errorf("cycle %d: %w", w.runs, err)
	}
	after, err := w.requests()
	if err != nil {
		return nil, err
	}
	c.calls, err = count(after[len(before):])
	return c, err
}

// jobs runs the five commands with the hand-over of cycle.yml.
func (c *cycle) jobs(ctx context.Context) error {
	accept, handed, verified := filepath.Join(c.dir, "accept"), filepath.Join(c.dir, "handed"), filepath.Join(c.dir, "verified")
	for _, name := range jobs[:2] {
		if _, err := c.job(ctx, name, "accept", c.dir, "RUN_DIR="+accept, "EXPECT=accept"); err != nil {
			return err
		}
	}
	key, err := taskKey(filepath.Join(accept, "tasks.json"))
	if err != nil {
		return err
	}
	build := filepath.Join(handed, "build-"+key)
	for _, j := range []struct{ name, row, dir, from string }{
		{jobs[2], "build", build, ""}, {jobs[3], "verify", filepath.Join(verified, "verify-"+key), build},
	} {
		tree := filepath.Join(c.dir, "clone-"+j.row)
		if err := c.clone(ctx, tree); err != nil {
			return err
		}
		if _, err := c.job(ctx, j.name, j.row, tree, "RUN_DIR="+j.dir, "FROM="+j.from, "ACCEPTED="+accept, "TASK="+key, "REPO="+tree); err != nil {
			return err
		}
	}
	out, err := c.job(ctx, jobs[4], "decide", c.dir, "RUN_DIR="+handed, "EXPECT=build", "VERIFY="+verified)
	if err != nil {
		return err
	}
	return merged(out)
}

// job runs one command as a job of a row of the trust table, and takes its time
// and the memory it took. What it waited for, such as git, counts with it.
func (c *cycle) job(ctx context.Context, name, row, dir string, inputs ...string) ([]byte, error) {
	env := []string{"GITHUB_API_URL=" + c.address, "GITHUB_SERVER_URL=" + c.address, "GITHUB_GRAPHQL_URL=" + c.address + "/graphql",
		"GITHUB_REPOSITORY=" + fullName, fmt.Sprintf("GITHUB_RUN_ID=%d", 1_000_000+c.runs), "GITHUB_RUN_ATTEMPT=1", "GITHUB_EVENT_NAME=issues",
		"GITHUB_EVENT_PATH=" + c.event, "GITHUB_TOKEN=" + c.tokens["job-"+row], "INPUT_FORMAT=json"}
	for _, pair := range inputs {
		env = append(env, "INPUT_"+pair)
	}
	command, _, _ := strings.Cut(name, " (")
	cmd := c.command(ctx, dir, env, c.binary, strings.Fields(command)...)
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	began := time.Now()
	err := cmd.Run()
	c.took[name] = millis(time.Since(began))
	if err != nil {
		return nil, fmt.Errorf("%s: %w\n%s%s", name, err, talk.String(), out.String())
	}
	c.cpu += millis(cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime())
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		c.rss = max(c.rss, float64(usage.Maxrss)*1024/1e6) // Linux counts in KiB
	}
	return out.Bytes(), nil
}

// taskKey is the short key of the one task that was accepted.
func taskKey(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("no task was accepted: %w", err)
	}
	var tasks []struct {
		Key string `json:"key"`
	}
	if err := json.Unmarshal(data, &tasks); err != nil || len(tasks) != 1 || len(tasks[0].Key) < 8 {
		return "", fmt.Errorf("want one task in %s", data)
	}
	return tasks[0].Key[:8], nil
}

func merged(report []byte) error {
	var rep struct {
		Tasks []struct{ State, Message string } `json:"tasks"`
	}
	if err := json.Unmarshal(report, &rep); err != nil || len(rep.Tasks) != 1 || rep.Tasks[0].State != "merged" {
		return fmt.Errorf("the task was not merged: %s", report)
	}
	return nil
}
