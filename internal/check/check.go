// Package check runs the commands a seed declares, one at a time, and reads
// what they say: exit code, names of failing tests, output fit to be shown.
//
// It promises that names are read before any output is cut, that output is
// redacted and inert, and that a command which hangs is a result and not an
// error. It decides nothing: what red means is for the stage that asked. It
// starts no process itself either, a Runner does.
package check

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/seedbed-dev/seedbed/internal/command"
	"github.com/seedbed-dev/seedbed/internal/rundir"
	"github.com/seedbed-dev/seedbed/internal/secret"
	"github.com/seedbed-dev/seedbed/internal/seed"
)

// Runner runs one command in isolation. A command that ran and failed is a
// Result; an error means that it could not be run. adapter/sandbox.Sandbox is
// the implementation; stages' tests have functions for doubles.
type Runner interface {
	Run(ctx context.Context, c command.Command) (command.Result, error)
}

// Kinds of declared commands, as they stand in checks.json.
const (
	Setup     = "setup"
	Format    = "format"
	Lint      = "lint"
	Typecheck = "typecheck"
	Test      = "test"
)

// Declared is one command of the seed.
type Declared struct {
	Kind    string
	Name    string // for people; the command line when the seed gives none
	Run     string // shell line
	When    string // of a test: step | task | both
	Timeout time.Duration
	Network bool
	Report  seed.Report
}

// Commands lists the declared commands of the given kinds, in the seed's order.
func Commands(s *seed.Seed, kinds ...string) []Declared {
	var list []Declared
	for _, kind := range kinds {
		list = append(list, ofKind(s.Commands, kind)...)
	}
	return list
}

func ofKind(c seed.Commands, kind string) (list []Declared) {
	switch kind {
	case Setup:
		for _, x := range c.Setup {
			list = append(list, Declared{Kind: kind, Name: x.Run, Run: x.Run, Timeout: x.Timeout, Network: x.Network})
		}
	case Test:
		for _, x := range c.Test {
			d := Declared{Kind: kind, Name: x.Name, Run: x.Run, When: x.When, Timeout: x.Timeout, Network: x.Network, Report: x.Report}
			if d.Name == "" {
				d.Name = d.Run
			}
			list = append(list, d)
		}
	default:
		plain := map[string][]seed.Command{Format: c.Format, Lint: c.Lint, Typecheck: c.Typecheck}
		for _, x := range plain[kind] {
			list = append(list, Declared{Kind: kind, Name: x.Run, Run: x.Run, Timeout: x.Timeout, Network: x.Network})
		}
	}
	return list
}

// At keeps the commands that run after each step or at the end of a task; when
// is "step" or "task".
func At(list []Declared, when string) []Declared {
	return slices.DeleteFunc(slices.Clone(list), func(d Declared) bool {
		return d.When != "" && d.When != "both" && d.When != when
	})
}

// Bench is a work tree with what is needed to run commands in it.
type Bench struct {
	Runner   Runner
	Redactor *secret.Redactor // nil: token formats alone
	Dir      string           // absolute path of the work tree
	// Spend is asked before each command and may refuse; nil allows all.
	Spend func() error
	// Left is the time that remains, nil for no bound but the command's own.
	Left func() time.Duration
	// Layers gets what protected the newest command; nil when nobody asks.
	Layers func([]command.Layer)
}

const (
	maxRaw    = 64 << 20 // of a command's output, read for names
	maxShown  = 24 << 10 // of it kept to be shown
	maxReport = 32 << 20 // of a report file
	maxNames  = 2000     // names kept of each list
)

// Do runs one declared command. The error is that of Spend or of the Runner;
// whatever the command does is in the Side.
func (b Bench) Do(ctx context.Context, d Declared) (rundir.Side, error) {
	if b.Spend != nil {
		if err := b.Spend(); err != nil {
			return rundir.Side{}, err
		}
	}
	line, format := reporting(d)
	c := command.Command{Shell: line, Dir: b.Dir, Network: d.Network, Timeout: b.limit(d.Timeout), MaxOutput: maxRaw}
	res, err := b.Runner.Run(ctx, c)
	if err != nil {
		return rundir.Side{}, fmt.Errorf("running %s: %w", d.Name, err)
	}
	if b.Layers != nil {
		b.Layers(res.Layers)
	}
	return b.read(d, format, res, c.Timeout), nil
}

func (b Bench) limit(own time.Duration) time.Duration {
	if own <= 0 {
		own = command.DefaultTimeout
	}
	if b.Left == nil {
		return own
	}
	return max(min(own, b.Left()), time.Millisecond)
}

// read makes a Side of a result. Names come from the whole output.
func (b Bench) read(d Declared, format string, res command.Result, limit time.Duration) rundir.Side {
	side := rundir.Side{Exit: res.Exit, TimedOut: res.TimedOut, Millis: res.Duration.Milliseconds()}
	if res.Signal != "" && side.Exit == 0 {
		side.Exit = 128
	}
	r := b.report(d, format, res)
	side.Passed, side.Total = r.passed, r.total()
	side.Failed, side.Tests = b.names(r.failed), b.names(r.seen)
	text := res.Output
	if r.text != nil {
		text = r.text
	}
	if res.TimedOut {
		text = append(slices.Clone(text), fmt.Sprintf("\n[stopped: not done after %s]\n", limit.Round(time.Millisecond))...)
	}
	side.Output = b.shown(text)
	return side
}

func (b Bench) report(d Declared, format string, res command.Result) report {
	if format == "" {
		return report{}
	}
	data := res.Stdout
	if d.Report.Path != "" {
		var err error
		if data, err = readInside(b.Dir, d.Report.Path, maxReport); err != nil {
			return report{text: append(slices.Clone(res.Output), fmt.Sprintf("\n[report %s: %v]\n", d.Report.Path, err)...)}
		}
	}
	switch format {
	case "gotest":
		r := parseGoTest(data, modulePath(b.Dir))
		if d.Report.Path == "" {
			r.text = append(r.text, stderrOf(res)...)
		} else {
			r.text = nil
		}
		return r
	case "junit":
		return parseJUnit(data)
	case "tap":
		return parseTAP(data)
	}
	return report{} // unreachable: the seed allows no other format
}

// stderrOf is what of the output is no test event: with -json on stdout that is
// stderr, which arrives in between.
func stderrOf(res command.Result) []byte {
	var out []byte
	for line := range bytes.Lines(res.Output) {
		if !bytes.HasPrefix(line, []byte("{")) {
			out = append(out, line...)
		}
	}
	return out
}

// names are redacted, made inert, sorted and capped.
func (b Bench) names(list []string) []string {
	var out []string
	for _, n := range list {
		n = command.Clean(b.Redactor.Redact([]byte(n)), command.DefaultWidth)
		out = append(out, strings.ReplaceAll(n, "\n", " "))
	}
	slices.Sort(out)
	out = slices.Compact(out)
	return out[:min(len(out), maxNames)]
}

// shown is redacted before anything is cut, since half a secret is found by
// nobody.
func (b Bench) shown(text []byte) string {
	keep := command.NewCapture(maxShown)
	_, _ = keep.Write(b.Redactor.Redact(text)) // never fails
	return took.ReplaceAllString(command.Clean(keep.Bytes(), command.DefaultWidth), "$1-.-s$2")
}

// took matches how long a test or package took, as go test and others print it.
// It is masked because output goes into prompts: the same failure has to ask the
// same question, so that a rerun finds the reply that was paid for.
var took = regexp.MustCompile(`(?m)(\(|[ \t])\d+\.\d+ ?s(\)|$)`)

// readInside reads a plain file below dir; links out of dir are not followed.
func readInside(dir, path string, limit int64) ([]byte, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("not a plain file")
	}
	f, err := root.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("more than %d bytes", limit)
	}
	return data, nil
}
