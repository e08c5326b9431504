package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/seedbed-dev/seedbed/internal/adapter/sandbox"
	"github.com/seedbed-dev/seedbed/internal/rundir"
)

// version is set by the release build; otherwise it comes from the build's own
// record.
var version = ""

func main() {
	sandbox.MaybeChild() // the same binary sets up the sandbox from the inside
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ())
	stop()
	os.Exit(code)
}

// run is the whole program with its surroundings as arguments.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, environ []string) int {
	w := newWorld(stdin, stdout, stderr, environ)
	root := newRoot(w)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	w.close()
	code, outcome := exitCode(err, stderr)
	if outcome != "" {
		// best effort: the exit code says it as well
		_ = w.outputs(outcome, "")
	}
	return code
}

// ended is how a command that ran to its end leaves: with an outcome that was
// already told.
type ended struct{ outcome rundir.Outcome }

// Error is the outcome's name.
func (e *ended) Error() string { return string(e.outcome) }

// failure is an error with the outcome it means and a hint what to do.
type failure struct {
	outcome rundir.Outcome
	err     error
	hint    string
}

// Error says what went wrong.
func (f *failure) Error() string { return f.err.Error() }

// Unwrap gives the cause.
func (f *failure) Unwrap() error { return f.err }

// usage is an error of the person who typed the command or wrote a file.
func usage(hint, format string, args ...any) error {
	return &failure{outcome: rundir.Usage, err: fmt.Errorf(format, args...), hint: hint}
}

// exitCode prints an error that was not told yet and maps it to the contract
// of exit codes, the one place that does. The outcome is that of such an error;
// a command that told its own leaves it empty.
func exitCode(err error, stderr io.Writer) (int, rundir.Outcome) {
	var end *ended
	if err == nil {
		return 0, ""
	}
	if errors.As(err, &end) {
		return end.outcome.ExitCode(), ""
	}
	outcome, hint := classify(err)
	fmt.Fprintf(stderr, "seedbed: %s\n", strings.TrimSpace(err.Error()))
	if hint != "" {
		fmt.Fprintf(stderr, "hint: %s\n", hint)
	}
	return outcome.ExitCode(), outcome
}

// binaryVersion names the build: the release's version, or the module version
// and commit that Go recorded.
func binaryVersion() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	v := info.Main.Version
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 8 {
			v += "+" + s.Value[:8]
		}
	}
	if v == "" || v == "(devel)" {
		return "devel"
	}
	return v
}
