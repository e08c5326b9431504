package deploy

import (
	"context"
	"errors"
	"os/exec"
	"time"
)

// maxOutput bounds what is kept of each stream of a script.
const maxOutput = 64 << 10

// grace is the time between asking a script to stop and ending its group.
const grace = 5 * time.Second

// Shell runs scripts as processes of this machine, each with its own process
// group. Unlike the sandbox it keeps nothing from them: they are the owner's,
// need the network and the platform's secrets, and run nowhere else.
type Shell struct{}

// Run implements Scripts.
func (Shell) Run(ctx context.Context, s Script) (Ran, error) {
	timed, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	cmd := exec.CommandContext(timed, "/bin/sh", "-c", s.Line)
	cmd.Dir, cmd.Env, cmd.WaitDelay = s.Dir, s.Env, grace
	var stdout, stderr tail
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	ownGroup(cmd)
	err := cmd.Run()
	ran := Ran{Stdout: stdout.data, Stderr: stderr.data}
	if ctx.Err() != nil {
		return ran, ctx.Err()
	}
	if timed.Err() != nil {
		ran.TimedOut, ran.Exit = true, -1
		return ran, nil
	}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		ran.Exit, err = exit.ExitCode(), nil
	case errors.Is(err, exec.ErrWaitDelay):
		err = nil // it ended; something it left behind held the output open
	}
	return ran, err
}

// tail keeps the last bytes of a stream.
type tail struct{ data []byte }

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.data = append(t.data, p...)
	if over := len(t.data) - maxOutput; over > 0 {
		t.data = append(t.data[:0], t.data[over:]...)
	}
	return len(p), nil
}
