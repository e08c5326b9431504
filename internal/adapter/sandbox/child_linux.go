package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// MaybeChild becomes one of the sandbox's children if the process was started
// as one, and then never returns. Otherwise it returns at once. It must be the
// first thing main and TestMain do.
func MaybeChild() {
	switch os.Args[0] {
	case initName:
		runInit()
	case stepName:
		runStep()
	default:
		return
	}
	os.Exit(0)
}

// runInit builds the namespaces' inside, starts the step, reaps until nothing
// is left and reports.
func runInit() {
	syscall.CloseOnExec(controlFD)
	syscall.CloseOnExec(reportFD)
	control := os.NewFile(controlFD, "control")
	answer := os.NewFile(reportFD, "report")

	var s spec
	decoder := json.NewDecoder(control)
	if err := decoder.Decode(&s); err != nil {
		os.Exit(1) // the parent is gone or is not ours
	}
	orders := io.MultiReader(decoder.Buffered(), control)
	rep := superviseStep(s, orders)
	_ = json.NewEncoder(answer).Encode(rep) // nobody left to tell
}

func superviseStep(s spec, orders io.Reader) report {
	// A command of the same user may signal its init, where landlock does not
	// forbid it. Caught signals change nothing; ignored ones would be inherited.
	signal.Notify(make(chan os.Signal, 1))
	if err := prepareInit(s); err != nil {
		return report{Setup: err.Error()}
	}
	pid, failure, err := startStep(s)
	if err != nil {
		return report{Setup: err.Error()}
	}
	group := &processGroup{pid: pid}
	go group.obey(orders)

	rep := report{Setup: <-failure}
	status := group.wait()
	rep.Exit = status.ExitStatus()
	if status.Signaled() {
		rep.Signal = int(status.Signal())
	}
	rep.Left = !killAll(s.Namespaces)
	s.View.leave()
	return rep
}

// prepareInit makes this process the place where orphans end up.
func prepareInit(s spec) error {
	if !s.Namespaces {
		if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("becoming reaper: %w", err)
		}
		return nil
	}
	if s.Loopback {
		if err := loopbackUp(); err != nil {
			return fmt.Errorf("bringing loopback up: %w", err)
		}
	}
	if err := unix.Sethostname([]byte("seedbed")); err != nil {
		return fmt.Errorf("naming the host: %w", err)
	}
	return s.View.enter()
}

// startStep starts the second child from a thread that has no ambient
// capabilities. What arrives on failure is empty once the command runs.
func startStep(s spec) (pid int, failure <-chan string, err error) {
	specReader, specWriter, err := os.Pipe()
	if err != nil {
		return 0, nil, fmt.Errorf("making a pipe: %w", err)
	}
	marksReader, marksWriter, err := os.Pipe()
	if err != nil {
		return 0, nil, fmt.Errorf("making a pipe: %w", err)
	}
	runtime.LockOSThread()
	_ = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) // none on old kernels
	pid, err = syscall.ForkExec("/proc/self/exe", []string{stepName, "-test.run=^$"}, &syscall.ProcAttr{
		Files: []uintptr{0, 1, 2, specReader.Fd(), marksWriter.Fd()},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	})
	runtime.UnlockOSThread()
	specReader.Close()
	marksWriter.Close()
	if err != nil {
		return 0, nil, fmt.Errorf("starting the step: %w", err)
	}
	syscall.CloseOnExec(0)
	go func() {
		_ = json.NewEncoder(specWriter).Encode(s) // a dead step shows in its marks
		specWriter.Close()
	}()
	said := make(chan string, 1)
	go func() {
		marks, _ := io.ReadAll(io.LimitReader(marksReader, 1<<16))
		said <- readMarks(string(marks))
	}()
	return pid, said, nil
}

// Marks of the step. A step that ends without markExec never became the
// command, whatever its exit status says.
const markExec = "exec\n"

func readMarks(marks string) string {
	failure, ok := strings.CutPrefix(marks, markExec)
	if !ok {
		if marks == "" {
			return "the step died before it was restricted"
		}
		return marks
	}
	return failure
}

// processGroup is the command's, and knows when it may no longer be signalled.
type processGroup struct {
	mu   sync.Mutex
	pid  int
	done bool
}

func (g *processGroup) obey(orders io.Reader) {
	var order [1]byte
	for {
		if _, err := io.ReadFull(orders, order[:]); err != nil {
			order[0] = orderKill // the parent died: so does all of this
		}
		switch order[0] {
		case orderStop:
			g.signal(syscall.SIGTERM)
		case orderKill:
			g.signal(syscall.SIGKILL)
			return
		}
	}
}

func (g *processGroup) signal(sig syscall.Signal) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.done {
		return
	}
	_ = syscall.Kill(-g.pid, sig)
	if group, err := syscall.Getpgid(g.pid); err != nil || group != g.pid {
		_ = syscall.Kill(g.pid, sig) // it left its group
	}
	_ = syscall.Kill(g.pid, syscall.SIGCONT)
}

// wait reaps whatever ends until the command itself does.
func (g *processGroup) wait() syscall.WaitStatus {
	var info unix.Siginfo
	for {
		// Look first, reap under the lock: the pid must not be used again
		// while a signal is on its way.
		err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOWAIT, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0 // unreachable: the command is our child
		}
		if status, ended := g.reap(); ended {
			return status
		}
	}
}

func (g *processGroup) reap() (syscall.WaitStatus, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil || pid == 0 {
			return 0, false
		}
		if pid == g.pid {
			g.done = true
			return status, true
		}
	}
}

// killAll kills and reaps until no descendant is left. In a pid namespace one
// signal reaches them all at once. Without, descendants are found by walking
// /proc; one that forks faster than it can be found is given up on after some
// seconds, and reported.
func killAll(ownPIDs bool) bool {
	const rounds = 5000
	for range rounds {
		if ownPIDs {
			_ = syscall.Kill(-1, syscall.SIGKILL)
		} else {
			killDescendants(os.Getpid())
		}
		reaped, left := reapDead()
		if !left {
			return true
		}
		if reaped == 0 {
			time.Sleep(time.Millisecond) // death takes a moment; a blocking wait might miss one born meanwhile
		}
	}
	return false
}

// reapDead takes note of children that have ended and tells whether others are
// left.
func reapDead() (reaped int, left bool) {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		switch {
		case err == syscall.ECHILD:
			return reaped, false
		case err == nil && pid == 0:
			return reaped, true
		case err == nil:
			reaped++
		}
	}
}

// killDescendants signals the whole tree below pid. An orphan hangs below its
// reaper, so the tree is complete; one born during the walk is met in the next.
func killDescendants(pid int) {
	for _, child := range childrenOf(pid) {
		// No more forks from this one, whatever it does before the signal.
		_ = unix.Prlimit(child, unix.RLIMIT_NPROC, &unix.Rlimit{}, nil)
		killDescendants(child)
		_ = syscall.Kill(child, syscall.SIGKILL)
	}
}

func childrenOf(pid int) []int {
	var children []int
	tasks, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	for _, task := range tasks {
		list, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
		for _, word := range strings.Fields(string(list)) {
			var child int
			if _, err := fmt.Sscan(word, &child); err == nil {
				children = append(children, child)
			}
		}
	}
	return children
}

// runStep restricts this process and becomes the command. It never returns.
func runStep() {
	syscall.CloseOnExec(controlFD)
	syscall.CloseOnExec(reportFD)
	marks := os.NewFile(reportFD, "marks")
	var s spec
	if err := json.NewDecoder(os.NewFile(controlFD, "spec")).Decode(&s); err != nil {
		os.Exit(1)
	}
	// Restrictions below count for one thread; it is the one that execs.
	runtime.LockOSThread()
	if err := restrictStep(s); err != nil {
		fmt.Fprint(marks, err)
		os.Exit(1)
	}
	if s.Probe.On {
		fmt.Fprint(marks, markExec+testWalls(s))
		os.Exit(0)
	}
	becomeCommand(s, marks)
}

// becomeCommand execs. A program that cannot be run is the command's failure,
// told as a shell tells it, not the sandbox's.
func becomeCommand(s spec, marks *os.File) {
	fmt.Fprint(marks, markExec)
	path, err := lookPath(s.Argv[0], s.Env)
	if err == nil {
		err = syscall.Exec(path, s.Argv, s.Env)
	}
	fmt.Fprintf(os.Stderr, "seedbed: running %s: %v\n", s.Argv[0], err)
	if errors.Is(err, exec.ErrNotFound) || errors.Is(err, os.ErrNotExist) {
		os.Exit(127)
	}
	os.Exit(126)
}

// lookPath finds a program on the child's PATH, as seen from inside.
func lookPath(name string, env []string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, entry := range env {
		if value, ok := strings.CutPrefix(entry, "PATH="); ok {
			os.Setenv("PATH", value)
		}
	}
	return exec.LookPath(name)
}
