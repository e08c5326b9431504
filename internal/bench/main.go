// Command bench measures the built program from outside: size, start, one growth
// cycle on the fake GitHub job by job, the same cycle under act, the calls it
// makes and the memory it takes. It prints a Markdown table with the goal and
// the command of each figure, and says by how much a goal is missed; a missed
// goal is no failure, a measurement that could not be made is.
//
// It imports nothing of the program. A cycle's world comes from `seedbed
// rehearse`, is served by `seedbed serve`, and the jobs are the commands of
// cycle.yml with the tokens of their rows. The task is done by a command worker
// that adds a line and the test command is `true`, so what is timed is Seedbed,
// git and the sandbox.
//
// A tour: main.go runs everything and prints; world.go makes the repository and
// the server; cycle.go runs jobs; calls.go counts requests; act.go drives act.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

func main() {
	binary := flag.String("binary", "bin/seedbed", "program to measure")
	times := flag.Int("n", 5, "how often each time is taken")
	keep := flag.String("dir", "", "keep everything in this folder")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, *binary, *times, *keep); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, binary string, times int, keep string) error {
	binary, err := filepath.Abs(binary)
	if err != nil {
		return err
	}
	t := &table{}
	if err := start(ctx, t, binary, times); err != nil {
		return err
	}
	w, done, err := newWorld(ctx, binary, keep)
	if err != nil {
		return err
	}
	defer done()
	if err := direct(ctx, t, w, times); err != nil {
		return err
	}
	err = underAct(ctx, t, w, times)
	fmt.Printf("%d processors, load average %s\n\n", runtime.NumCPU(), load())
	t.print(os.Stdout) // what was measured stands, whatever became of act
	return err
}

// start measures size and start, beside git's.
func start(ctx context.Context, t *table, binary string, times int) error {
	info, err := os.Stat(binary)
	if err != nil {
		return fmt.Errorf("looking for the program: %w; run make build", err)
	}
	t.one("binary, stripped", float64(info.Size())/1e6, "MB", 20, "wc -c bin/seedbed")
	for _, c := range []struct {
		path string
		goal float64
	}{{binary, 15}, {"git", 0}} {
		var took []float64
		for range times {
			began := time.Now()
			if err := exec.CommandContext(ctx, c.path, "version").Run(); err != nil {
				return fmt.Errorf("%s version: %w", c.path, err)
			}
			took = append(took, millis(time.Since(began)))
		}
		name := filepath.Base(c.path)
		t.many("start of "+name, took, "ms", c.goal, name+" version")
	}
	return nil
}

// load tells how busy the machine was: on a busy one every time is too long.
func load() string {
	data, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(data), " ")
	return first
}

func millis(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// row is one figure; a goal of 0 is none.
type row struct {
	what    string
	values  []float64
	unit    string
	goal    float64
	command string
	missing string // why it was not measured
}

type table struct{ rows []row }

func (t *table) one(what string, value float64, unit string, goal float64, command string) {
	t.many(what, []float64{value}, unit, goal, command)
}

func (t *table) many(what string, values []float64, unit string, goal float64, command string) {
	t.rows = append(t.rows, row{what: what, values: values, unit: unit, goal: goal, command: command})
}

func (t *table) notRun(what, why, command string) {
	t.rows = append(t.rows, row{what: what, missing: why, command: command})
}

func (t *table) print(out *os.File) {
	fmt.Fprint(out, "| | median | min-max | goal | | command |\n|---|--:|--:|--:|---|---|\n")
	for _, r := range t.rows {
		fmt.Fprintf(out, "| %s | %s | `%s` |\n", r.what, strings.Join(r.cells(), " | "), r.command)
	}
}

func (r row) cells() []string {
	if r.missing != "" {
		return []string{"", "", "", "not run: " + r.missing}
	}
	sorted := slices.Sorted(slices.Values(r.values))
	middle := sorted[len(sorted)/2]
	spread, goal, verdict := "", "", ""
	if len(sorted) > 1 {
		spread = figure(sorted[0]) + "-" + figure(sorted[len(sorted)-1])
	}
	if r.goal > 0 {
		goal, verdict = "≤ "+figure(r.goal), "met"
		if middle > r.goal {
			verdict = "missed by " + figure(middle-r.goal) + " " + r.unit
		}
	}
	return []string{figure(middle) + " " + r.unit, spread, goal, verdict}
}

// figure writes what is below ten with a decimal, and no more digits than mean
// something.
func figure(v float64) string {
	if v < 10 && v != float64(int(v)) {
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}
