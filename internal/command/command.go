// Package command describes a program to run in isolation and what came of it.
//
// A Command is written by a stage and handed to whoever runs it (adapter/sandbox
// in production); a Result comes back. Both are plain data, so that they can be
// stored, compared and shown. The package also makes the output of hostile
// programs fit to be seen: Capture bounds it in memory, Clean makes it inert.
//
// It starts no process, reads no environment and knows nothing of how isolation
// is done.
package command

import (
	"fmt"
	"strings"
	"time"
)

// Defaults which a runner applies where a Command leaves zero.
const (
	DefaultTimeout   = 10 * time.Minute
	DefaultMaxOutput = 1 << 20
)

// Command is one program to run, with everything it may use.
type Command struct {
	// Argv is the program and its arguments. The program is looked up on the
	// child's PATH when it has no slash.
	Argv []string
	// Shell is a line for /bin/sh -c, used when Argv is empty.
	Shell string
	// Dir is the absolute path of the work tree. It is the only place besides
	// scratch and caches which the child may write. It must be the caller's to
	// give away: a clone of its own, sharing no inode with another
	// (git clone --no-hardlinks), because the child may change every file in it.
	Dir string
	// Env is added to the runner's allow-list. Names that look like credentials
	// or belong to the workflow runner are refused, not passed.
	Env map[string]string
	// Stdin is what the child reads; nil is an empty input.
	Stdin []byte
	// Network lifts the network layers, and only those.
	Network bool
	// Timeout is the wall time until the child is asked to stop; zero means
	// DefaultTimeout.
	Timeout time.Duration
	// Readable and Writable are further absolute paths the child may use.
	Readable, Writable []string
	// MaxOutput bounds Result.Output and Result.Stdout each, in bytes; zero
	// means DefaultMaxOutput.
	MaxOutput int64
	// Limits bounds what the child may use up.
	Limits Limits
}

// String is the command as a person would type it, without its environment.
func (c Command) String() string {
	if len(c.Argv) == 0 {
		return c.Shell
	}
	words := make([]string, len(c.Argv))
	for i, w := range c.Argv {
		words[i] = quoteWord(w)
	}
	return strings.Join(words, " ")
}

func quoteWord(w string) string {
	plain := func(r rune) bool {
		return r == '_' || r == '-' || r == '.' || r == '/' || r == '=' || r == ',' || r == ':' || r == '@' || r == '%' || r == '+' ||
			'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
	}
	if w != "" && strings.IndexFunc(w, func(r rune) bool { return !plain(r) }) < 0 {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}

// Validate says what makes the command impossible to run, before anything is
// started.
func (c Command) Validate() error {
	switch {
	case len(c.Argv) == 0 && strings.TrimSpace(c.Shell) == "":
		return fmt.Errorf("command is empty")
	case len(c.Argv) > 0 && c.Argv[0] == "":
		return fmt.Errorf("command has an empty program name")
	case !strings.HasPrefix(c.Dir, "/"):
		return fmt.Errorf("work directory %q is not an absolute path", c.Dir)
	case c.Timeout < 0:
		return fmt.Errorf("timeout %s is negative", c.Timeout)
	}
	for _, w := range append([]string{c.Shell}, c.Argv...) {
		if strings.ContainsRune(w, 0) {
			return fmt.Errorf("command holds a NUL byte")
		}
	}
	return nil
}

// Limits bounds one command. Zero means the runner's default, a negative number
// means no limit.
type Limits struct {
	// Memory is bytes of private writable memory for each process.
	Memory int64
	// Files is the number of open files for each process.
	Files int64
	// Processes is the number of processes and threads alive at once.
	Processes int64
	// FileSize is the largest file that may be written, in bytes.
	FileSize int64
}

// Result is what came of a command that could be started.
type Result struct {
	// Exit is the exit status; 128 plus the signal's number when a signal ended
	// it; 127 when the program was not found and 126 when it could not be run,
	// as a shell has it.
	Exit int
	// Output is stdout and stderr in order of arrival, capped: the first and the
	// last part are kept, with a line that says how much is missing between.
	Output []byte
	// Stdout is stdout alone, capped in the same way.
	Stdout []byte
	// Duration is wall time from start to the death of the last process.
	Duration time.Duration
	// TimedOut says that the time limit ended it.
	TimedOut bool
	// Signal names the signal that ended it ("killed"), or is empty.
	Signal string
	// Layers says which protections held for this very run.
	Layers []Layer
}

// Passed reports whether the command ended by itself with status 0.
func (r Result) Passed() bool {
	return r.Exit == 0 && !r.TimedOut && r.Signal == ""
}

// Layer is one protection around a command.
type Layer struct {
	// Name is stable and short: "network".
	Name string `json:"name"`
	// InForce says whether it held.
	InForce bool `json:"in_force"`
	// Detail says how it is done, or why it is missing.
	Detail string `json:"detail"`
}

// String is the layer as one line of a report.
func (l Layer) String() string {
	state := "in force"
	if !l.InForce {
		state = "MISSING"
	}
	return fmt.Sprintf("%s: %s (%s)", l.Name, state, l.Detail)
}

// Missing lists the layers that are not in force, in the order given.
func Missing(layers []Layer) []Layer {
	var missing []Layer
	for _, l := range layers {
		if !l.InForce {
			missing = append(missing, l)
		}
	}
	return missing
}
