//go:build !linux

package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/seedbed-dev/seedbed/internal/command"
)

// Sandbox runs commands. This system has no isolation we know how to use, so it
// exists with Mode None only.
type Sandbox struct {
	options Options
}

// New fails with ErrUnavailable unless options.Mode is None.
func New(options Options) (*Sandbox, error) {
	if options.Mode != None {
		return nil, fmt.Errorf("%w: %s has neither landlock nor namespaces", ErrUnavailable, runtime.GOOS)
	}
	if options.Grace <= 0 {
		options.Grace = defaultGrace
	}
	return &Sandbox{options: options}, nil
}

// MaybeChild does nothing here; on Linux it becomes one of the sandbox's
// children.
func MaybeChild() {}

// Layers reports every layer as missing but the environment and the time limit.
func (s *Sandbox) Layers() []command.Layer {
	layers := []command.Layer{
		{Name: LayerEnvironment, InForce: true, Detail: "allow-list; HOME and TMPDIR private"},
		{Name: LayerTime, InForce: true, Detail: "SIGKILL to the first process"},
	}
	for _, name := range []string{LayerFiles, LayerOwnRoot, LayerNetwork, LayerLoopback, LayerUnixSockets, LayerProcesses, LayerReaping,
		LayerUser, LayerPrivileges, LayerSyscalls, LayerLimits, LayerParent} {
		layers = append(layers, command.Layer{Name: name, Detail: "not to be had on " + runtime.GOOS})
	}
	return layers
}

// Run runs one command with a scrubbed environment and a time limit, and
// nothing else between it and the machine.
func (s *Sandbox) Run(ctx context.Context, c command.Command) (command.Result, error) {
	if err := c.Validate(); err != nil {
		return command.Result{}, fmt.Errorf("running a command: %w", err)
	}
	scratch, err := os.MkdirTemp(s.options.ScratchDir, "seedbed-run-")
	if err != nil {
		return command.Result{}, fmt.Errorf("preparing %s: %w", c, err)
	}
	defer os.RemoveAll(scratch)
	cache := s.options.CacheDir
	if cache == "" {
		cache = scratch
	}
	at := places{home: scratch, tmp: scratch, goBuild: filepath.Join(cache, "go-build"), goMod: filepath.Join(cache, "go-mod"), npm: filepath.Join(cache, "npm")}
	env, err := childEnv(parseEnv(s.options.HostEnv), at, c.Network, c.Env)
	if err != nil {
		return command.Result{}, fmt.Errorf("preparing %s: %w", c, err)
	}
	return s.run(ctx, c, env)
}

func (s *Sandbox) run(ctx context.Context, c command.Command, env variables) (command.Result, error) {
	argv := slices.Clone(c.Argv)
	if len(argv) == 0 {
		argv = []string{"/bin/sh", "-c", c.Shell}
	}
	limit := c.Timeout
	if limit == 0 {
		limit = command.DefaultTimeout
	}
	timed, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	output, stdout := command.NewCapture(c.MaxOutput), command.NewCapture(c.MaxOutput)
	child := exec.CommandContext(timed, argv[0], argv[1:]...)
	child.Dir, child.Env, child.WaitDelay = c.Dir, env.list(), s.options.Grace
	child.Stdin, child.Stdout, child.Stderr = bytes.NewReader(c.Stdin), io.MultiWriter(output, stdout), output

	started := time.Now()
	err := child.Run()
	result := command.Result{Output: output.Bytes(), Stdout: stdout.Bytes(), Duration: time.Since(started), Layers: s.Layers()}
	result.TimedOut = timed.Err() != nil && ctx.Err() == nil
	var exited *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return result, ctx.Err()
	case errors.As(err, &exited):
		result.Exit = exited.ExitCode()
	case errors.Is(err, exec.ErrNotFound):
		result.Exit = 127
	case err != nil && !result.TimedOut:
		result.Exit = 126
	}
	return result, nil
}
