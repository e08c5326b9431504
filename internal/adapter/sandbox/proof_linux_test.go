package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/seedbed-dev/seedbed/internal/command"
)

func unsafePointer(p *[120]byte) unsafe.Pointer { return unsafe.Pointer(p) }

const planted = "PLANTED-SECRET-5f1c"

// wall is a sandbox under proof with a work tree that holds the probes.
type wall struct {
	*testing.T
	sandbox    *Sandbox
	dir        string // the work tree
	outside    string // a directory nobody gave to the child
	namespaces bool
}

// eachWall runs a proof behind every kind of wall this machine can build.
// TestAsPlainUser runs all of them once more as a user who is not root.
func eachWall(t *testing.T, proof func(w *wall)) {
	kinds := []struct {
		name string
		lack lacking
	}{
		{"namespaces and landlock", lacking{}},
		{"namespaces alone", lacking{landlock: true}},
		{"landlock alone", lacking{namespaces: true}},
	}
	for _, kind := range kinds {
		t.Run(kind.name, func(t *testing.T) {
			s, err := New(Options{HostEnv: os.Environ(), Grace: 50 * time.Millisecond, lack: kind.lack})
			if errors.Is(err, ErrUnavailable) {
				t.Skipf("not provable here: %v", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			if !kind.lack.namespaces && !s.has.namespaces {
				t.Skipf("not provable here: %s", s.has.noNamespaces)
			}
			if !kind.lack.landlock && s.has.landlock == 0 {
				t.Skipf("not provable here: %s", s.has.noLandlock)
			}
			proof(newWall(t, s))
		})
	}
}

func newWall(t *testing.T, s *Sandbox) *wall {
	t.Helper()
	w := &wall{T: t, sandbox: s, dir: openDir(t), outside: openDir(t), namespaces: s.has.namespaces}
	binary, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.dir, "probe"), binary, 0o755); err != nil {
		t.Fatal(err)
	}
	return w
}

// openDir is a temporary directory that every user may enter: permissions must
// not be what keeps a child out, and the uid can only be dropped where it leads.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "seedbed-proof-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// try runs a probe inside.
func (w *wall) try(probe string, args ...string) command.Result {
	w.Helper()
	return w.run(command.Command{Argv: append([]string{"./probe"}, args...), Env: map[string]string{"SANDBOX_PROBE": probe}})
}

func (w *wall) run(c command.Command) command.Result {
	w.Helper()
	c.Dir = w.dir
	if c.Timeout == 0 {
		c.Timeout = time.Minute
	}
	result, err := w.sandbox.Run(context.Background(), c)
	if err != nil {
		w.Fatalf("running %s: %v\n%s", c, err, result.Output)
	}
	return result
}

func (w *wall) refused(probe string, args ...string) {
	w.Helper()
	result := w.try(probe, args...)
	if result.Exit != 1 || !bytes.Contains(result.Output, []byte("refused:")) {
		w.Errorf("%s %v: have exit %d, want a refusal\n%s", probe, args, result.Exit, result.Output)
	}
	if bytes.Contains(result.Output, []byte(planted)) {
		w.Errorf("%s %v: the secret came out", probe, args)
	}
}

func (w *wall) allowed(probe string, args ...string) string {
	w.Helper()
	result := w.try(probe, args...)
	if result.Exit != 0 {
		w.Errorf("%s %v: have exit %d, want success\n%s", probe, args, result.Exit, result.Output)
	}
	return string(result.Output)
}

func (w *wall) plant(name string) string {
	w.Helper()
	path := filepath.Join(w.outside, name)
	if err := errors.Join(os.WriteFile(path, []byte(planted), 0o666), os.Chmod(path, 0o666), os.Chmod(w.outside, 0o777)); err != nil {
		w.Fatal(err)
	}
	return path
}

func (w *wall) link(target, name string) string {
	w.Helper()
	path := filepath.Join(w.dir, name)
	if err := os.Symlink(target, path); err != nil {
		w.Fatal(err)
	}
	return path
}

func (w *wall) layer(result command.Result, name string) command.Layer {
	w.Helper()
	for _, layer := range result.Layers {
		if layer.Name == name {
			return layer
		}
	}
	w.Fatalf("no layer %q in %v", name, result.Layers)
	return command.Layer{}
}

func TestProofFilesOutsideCannotBeRead(t *testing.T) {
	eachWall(t, func(w *wall) {
		secret := w.plant("secret")
		w.link(secret, "shortcut")
		w.link(w.outside, "folder")
		w.link("/proc/self/root", "root")
		w.refused("read", secret)
		w.refused("read", "shortcut")
		w.refused("read", "folder/secret")
		w.refused("read", "root"+secret)
		w.refused("read", "/proc/self/root"+secret)
		w.refused("read", "/proc/self/cwd/../"+filepath.Base(w.outside)+"/secret")
		w.refused("read", "/proc/1/root"+secret)
		w.refused("list", w.outside)
		w.refused("hardlink", secret, "stolen")
		w.refused("rename", secret, "stolen")
		w.refused("read", "/etc/shadow")
	})
}

func TestProofFilesOutsideCannotBeWritten(t *testing.T) {
	eachWall(t, func(w *wall) {
		secret := w.plant("file")
		w.link(secret, "shortcut")
		w.link(w.outside, "folder")
		w.refused("append", secret)
		w.refused("write", secret)
		w.refused("write", "shortcut")
		w.refused("write", "folder/new")
		w.refused("write", filepath.Join(w.outside, "new"))
		w.refused("remove", secret)
		w.refused("rename", "probe", filepath.Join(w.outside, "probe"))
		w.refused("write", "/usr/bin/seedbed-was-here")
		w.refused("write", "/etc/passwd")
		w.refused("write", "/new")
		if text, err := os.ReadFile(secret); err != nil || string(text) != planted {
			w.Errorf("have %q, %v, want the file as it was", text, err)
		}
		if entries, _ := os.ReadDir(w.outside); len(entries) != 1 {
			w.Errorf("have %d files outside, want 1", len(entries))
		}
	})
}

func TestProofWorkTreeAndScratchCanBeWritten(t *testing.T) {
	eachWall(t, func(w *wall) {
		result := w.run(command.Command{Shell: `set -e; mkdir -p a/b; echo x > a/b/c; mv a/b/c a/d; ln -s d a/e; echo y > "$HOME/f"; echo z > "$TMPDIR/g"; mktemp; test "$(ls -A "$HOME")" = f`})
		if !result.Passed() {
			w.Fatalf("have %d\n%s", result.Exit, result.Output)
		}
		again := w.run(command.Command{Shell: `ls -A "$HOME" "$TMPDIR/g"`})
		if bytes.Contains(again.Stdout, []byte("f\n")) || again.Exit == 0 {
			w.Errorf("HOME or TMPDIR of one run is seen by the next:\n%s", again.Output)
		}
		info, err := os.Stat(filepath.Join(w.dir, "a", "d"))
		if err != nil {
			w.Fatal(err)
		}
		if have, want := int(info.Sys().(*syscall.Stat_t).Uid), os.Geteuid(); have != want {
			w.Errorf("have a file of uid %d, want %d: the work tree was not taken back", have, want)
		}
	})
}

// victim is a process of our own user with the secret in its environment and,
// unlike us, open to its user's other processes.
func (w *wall) victim() int {
	w.Helper()
	victim := exec.Command("/proc/self/exe")
	victim.Env = []string{"SANDBOX_PROBE=victim", "SECRET_OF_VICTIM=" + planted}
	stdin, err := victim.StdinPipe()
	if err != nil {
		w.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { stdin.Close(); _ = victim.Wait() })
	return victim.Process.Pid
}

func TestProofOtherProcessesCannotBeSeen(t *testing.T) {
	eachWall(t, func(w *wall) {
		for _, pid := range []int{w.victim(), os.Getpid(), 1} {
			for _, file := range []string{"environ", "mem", "maps", "cmdline"} {
				path := fmt.Sprintf("/proc/%d/%s", pid, file)
				if w.namespaces && pid == 1 && file == "cmdline" {
					continue // its own init, which has nothing to hide
				}
				w.refused("read", path)
			}
			if pid != 1 {
				w.refused("kill", fmt.Sprint(pid))
			}
		}
		if !w.namespaces {
			w.refused("list", "/proc")
			return
		}
		if have := w.allowed("pids"); have != "processes=2\n" {
			w.Errorf("have %q, want init and the probe alone", have)
		}
	})
}

// Our own environment is what a child would most like to read. Here even a
// process outside of any sandbox, of the same user, cannot.
func TestProofOurOwnMemoryIsClosed(t *testing.T) {
	if _, err := New(Options{Mode: None, HostEnv: os.Environ()}); err != nil {
		t.Fatal(err)
	}
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil || dumpable != 0 {
		t.Errorf("have dumpable %d, %v, want 0", dumpable, err)
	}
	if os.Geteuid() == 0 {
		t.Log("root may read anyway; the rest is proven as a plain user")
		return
	}
	reader := exec.Command("/bin/cat", fmt.Sprintf("/proc/%d/environ", os.Getpid()))
	if text, err := reader.Output(); err == nil {
		t.Errorf("another process read %d bytes of our environment", len(text))
	}
}

func TestProofEnvironmentIsAnAllowList(t *testing.T) {
	t.Setenv("GITHUB_TOKEN", planted)
	t.Setenv("ACTIONS_RUNTIME_TOKEN", planted)
	t.Setenv("INPUT_MODEL_KEY", planted)
	t.Setenv("SOMETHING_HARMLESS", planted)
	t.Setenv("LC_SECRET", planted)
	t.Setenv("LC_TIME", "C")
	eachWall(t, func(w *wall) {
		result := w.run(command.Command{Shell: "env", Env: map[string]string{"WANTED": "yes"}})
		text := string(result.Output)
		if strings.Contains(text, planted) {
			w.Errorf("a secret is in the environment:\n%s", text)
		}
		for _, want := range []string{"WANTED=yes\n", "LC_TIME=C\n", "PATH=/", "GOPROXY=off\n"} {
			if !strings.Contains(text, want) {
				w.Errorf("have no %q in\n%s", want, text)
			}
		}
		for _, name := range []string{"API_KEY", "github_output", "INPUT_X", "Npm_Token", "ACTIONS_CACHE_URL"} {
			_, err := w.sandbox.Run(context.Background(), command.Command{Shell: "env", Dir: w.dir, Env: map[string]string{name: "x"}})
			if err == nil || !strings.Contains(err.Error(), name) {
				w.Errorf("%s: have error %v, want a refusal that names it", name, err)
			}
		}
	})
}

// servers listen where only our own network and file system lead.
func servers(w *wall) (tcp, udp, path string) {
	w.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		w.Fatal(err)
	}
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		w.Fatal(err)
	}
	path = filepath.Join(w.outside, "docker.sock")
	unix, err := net.Listen("unix", path)
	if err != nil {
		w.Fatal(err)
	}
	if err := errors.Join(os.Chmod(path, 0o777), os.Chmod(w.outside, 0o777)); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { listener.Close(); packets.Close(); unix.Close() })
	go pong(listener)
	go pong(unix)
	go pongPackets(packets)
	for network, address := range map[string]string{"tcp": listener.Addr().String(), "udp": packets.LocalAddr().String(), "unix": path} {
		if err := probeDial([]string{network, address}); err != nil {
			w.Fatalf("the server itself does not answer: %v", err)
		}
	}
	return listener.Addr().String(), packets.LocalAddr().String(), path
}

func TestProofNetworkIsCut(t *testing.T) {
	eachWall(t, func(w *wall) {
		tcp, udp, path := servers(w)
		w.link(path, "sock")
		w.refused("dial", "tcp", tcp)
		w.refused("dial", "udp", udp)
		w.refused("dial", "unix", path)
		w.refused("dial", "unix", "sock")
		w.refused("dial", "tcp", "192.0.2.1:80")
		w.refused("dial", "udp", "192.0.2.1:53")
		for _, kind := range []string{"rawsocket", "packet", "vsock", "iouring", "keyring"} {
			w.refused(kind)
		}
		result := w.run(command.Command{Shell: "true"})
		if layer := w.layer(result, LayerNetwork); !layer.InForce {
			w.Errorf("have %v, want in force", layer)
		}
	})
}

func TestProofAbstractSocketsAreOutOfReach(t *testing.T) {
	eachWall(t, func(w *wall) {
		name := "@seedbed-proof-" + filepath.Base(w.outside)
		listener, err := net.Listen("unix", name)
		if err != nil {
			w.Fatal(err)
		}
		defer listener.Close()
		go pong(listener)
		w.refused("dial", "unix", name)
	})
}

func TestProofOwnLoopbackWorksOrIsReported(t *testing.T) {
	eachWall(t, func(w *wall) {
		layer := w.layer(w.run(command.Command{Shell: "true"}), LayerLoopback)
		if w.namespaces {
			w.allowed("loopback")
			if !layer.InForce {
				w.Errorf("have %v, want in force", layer)
			}
			return
		}
		w.refused("loopback")
		w.refused("udp")
		if layer.InForce || !strings.Contains(layer.Detail, "127.0.0.1 fail") {
			w.Errorf("have %v, want it missing and what that means", layer)
		}
	})
}

func TestProofNetworkLiftsOnlyNetwork(t *testing.T) {
	eachWall(t, func(w *wall) {
		tcp, udp, path := servers(w)
		secret := w.plant("secret")
		lifted := func(probe string, args ...string) command.Result {
			return w.run(command.Command{Argv: append([]string{"./probe"}, args...), Network: true, Env: map[string]string{"SANDBOX_PROBE": probe}})
		}
		for _, dial := range [][]string{{"tcp", tcp}, {"udp", udp}} {
			if result := lifted("dial", dial...); result.Exit != 0 {
				w.Errorf("dial %v: have %d, want it to connect\n%s", dial, result.Exit, result.Output)
			}
		}
		if result := lifted("dial", "unix", path); result.Exit != 1 {
			w.Errorf("a socket outside was reached")
		}
		result := lifted("read", secret)
		if result.Exit != 1 {
			w.Errorf("a file outside was read")
		}
		if layer := w.layer(result, LayerNetwork); layer.InForce || !strings.Contains(layer.Detail, "lifted") {
			w.Errorf("have %v, want it lifted", layer)
		}
	})
}

func TestProofNoPrivilegesAreLeft(t *testing.T) {
	eachWall(t, func(w *wall) {
		w.refused("namespace")
		w.refused("descriptor")
		if os.Geteuid() == 0 {
			w.refused("setuid")
		}
		if !w.namespaces {
			return // no /proc to ask
		}
		status := w.allowed("whoami")
		for _, want := range []string{"CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "CapAmb:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
			if !strings.Contains(status, want) {
				w.Errorf("have no %q in\n%s", want, status)
			}
		}
		want := fmt.Sprintf("uid=%d\n", os.Geteuid())
		if os.Geteuid() == 0 {
			// A plain user cannot shrink this set; no_new_privs makes it idle.
			if !strings.Contains(status, "CapBnd:\t0000000000000000") {
				w.Errorf("capabilities could come back:\n%s", status)
			}
			want = "uid=65534\n"
		}
		if !strings.HasPrefix(status, want) {
			w.Errorf("have %.20q, want %q", status, want)
		}
	})
}

// locked reports whether a living process holds the lock of the daemon.
func locked(t *testing.T, path string) bool {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	return unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB) == unix.EWOULDBLOCK
}

func TestProofNothingOutlivesItsStep(t *testing.T) {
	eachWall(t, func(w *wall) {
		lock := filepath.Join(w.dir, "alive")
		if result := w.try("daemon", lock); result.Exit != 0 {
			w.Fatalf("the daemon did not start: %s", result.Output)
		}
		if text, err := os.ReadFile(lock); err != nil || len(text) == 0 {
			w.Fatalf("the daemon left no trace: %q, %v", text, err)
		}
		if locked(w.T, lock) {
			w.Error("the daemon outlived its step")
		}
	})
}

// Killing the reaper would be the way to outlive it.
func TestProofReaperCannotBeKilled(t *testing.T) {
	eachWall(t, func(w *wall) {
		if layer := w.layer(w.run(command.Command{Shell: "true"}), LayerReaping); !layer.InForce {
			w.Skipf("not provable here, and so reported: %v", layer)
		}
		result := w.run(command.Command{Shell: "kill -KILL $PPID; kill -STOP $PPID; kill -TERM $PPID; exit 7"})
		if result.Exit != 7 {
			w.Errorf("have %d, want the command's own 7\n%s", result.Exit, result.Output)
		}
	})
}

// When Seedbed itself is killed, its commands die with it.
func TestProofNothingOutlivesUs(t *testing.T) {
	eachWall(t, func(w *wall) {
		lock, fifo := filepath.Join(w.dir, "alive"), filepath.Join(w.dir, "started")
		if err := unix.Mkfifo(fifo, 0o666); err != nil {
			w.Fatal(err)
		}
		parent := exec.Command("/proc/self/exe", w.dir, lock, fmt.Sprint(w.namespaces))
		parent.Env = append(os.Environ(), "SANDBOX_PROBE=parent", "TMPDIR="+openDir(w.T)) // its scratch stays behind
		if err := parent.Start(); err != nil {
			w.Fatal(err)
		}
		_, _ = os.ReadFile(fifo) // until the command is under way
		if !locked(w.T, lock) {
			w.Fatal("the daemon never ran")
		}
		_ = parent.Process.Kill()
		_ = parent.Wait()
		file, err := os.Open(lock)
		if err != nil {
			w.Fatal(err)
		}
		defer file.Close()
		if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil { // returns when the daemon is dead
			w.Fatal(err)
		}
	})
}

func TestProofTimeLimitKills(t *testing.T) {
	eachWall(t, func(w *wall) {
		result := w.run(command.Command{Argv: []string{"./probe"}, Env: map[string]string{"SANDBOX_PROBE": "hang"}, Timeout: 300 * time.Millisecond})
		if !result.TimedOut || result.Signal != "killed" || result.Exit != 137 {
			w.Errorf("have %+v, want timed out and killed", result)
		}
		if string(result.Stdout) != "hanging\n" {
			w.Errorf("have %q, want what was printed before", result.Stdout)
		}
		polite := w.run(command.Command{Shell: `trap 'echo bye; exit 5' TERM; sleep 1000 & wait`, Timeout: 100 * time.Millisecond})
		if !polite.TimedOut || polite.Exit != 5 || string(polite.Stdout) != "bye\n" {
			w.Errorf("have %+v %s, want a chance to clean up", polite, polite.Output)
		}
	})
}

func TestProofCancelKills(t *testing.T) {
	eachWall(t, func(w *wall) {
		ctx, cancel := context.WithCancel(context.Background())
		lock := filepath.Join(w.dir, "alive")
		fifo := filepath.Join(w.dir, "started")
		if err := unix.Mkfifo(fifo, 0o666); err != nil {
			w.Fatal(err)
		}
		go func() {
			_, _ = os.ReadFile(fifo) // until the command is under way
			cancel()
		}()
		result, err := w.sandbox.Run(ctx, command.Command{Dir: w.dir, Env: map[string]string{"SANDBOX_PROBE": "daemon"},
			Shell: "./probe " + lock + "; echo > started; exec sleep 1000"})
		if !errors.Is(err, context.Canceled) || result.TimedOut {
			w.Errorf("have %v, %+v, want context.Canceled", err, result)
		}
		if locked(w.T, lock) {
			w.Error("the daemon outlived its step")
		}
	})
}

func TestProofForkBombIsBounded(t *testing.T) {
	eachWall(t, func(w *wall) {
		lock := filepath.Join(w.dir, "alive")
		limits := command.Limits{Processes: 60}
		result := w.run(command.Command{Argv: []string{"./probe"}, Env: map[string]string{"SANDBOX_PROBE": "processes"}, Limits: limits})
		found := regexp.MustCompile(`started=(\d+)`).FindSubmatch(result.Output)
		if result.Exit == 0 || result.Exit != 2 && found == nil {
			w.Errorf("have exit %d, want an end of forking\n%.2000s", result.Exit, result.Output)
		}
		bomb := w.run(command.Command{Shell: "./probe " + lock + `; bomb() { bomb | bomb & }; bomb; wait; sleep 1000`, Timeout: 500 * time.Millisecond,
			Limits: limits, Env: map[string]string{"SANDBOX_PROBE": "daemon"}})
		if bomb.Duration > 20*time.Second {
			w.Errorf("have %s until the bomb was swept up", bomb.Duration)
		}
		if locked(w.T, lock) {
			w.Error("something outlived the bomb")
		}
	})
}

func TestProofMemoryLimit(t *testing.T) {
	eachWall(t, func(w *wall) {
		w.allowed("allocate")
		result := w.run(command.Command{Argv: []string{"./probe"}, Env: map[string]string{"SANDBOX_PROBE": "allocate"}, Limits: command.Limits{Memory: 256 << 20}})
		if result.Exit == 0 {
			w.Error("384 MiB were allocated under a limit of 256 MiB")
		}
		small := w.run(command.Command{Shell: "head -c 2000000 /dev/zero > big", Limits: command.Limits{FileSize: 1 << 20}})
		if info, err := os.Stat(filepath.Join(w.dir, "big")); small.Exit == 0 || err != nil || info.Size() > 1<<20 {
			w.Errorf("have exit %d, %v, want the file cut at 1 MiB", small.Exit, err)
		}
	})
}

func TestProofFloodIsCapped(t *testing.T) {
	eachWall(t, func(w *wall) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		result := w.run(command.Command{Argv: []string{"./probe"}, Env: map[string]string{"SANDBOX_PROBE": "flood"}, MaxOutput: 1 << 16})
		runtime.ReadMemStats(&after)
		if !bytes.Contains(result.Output, []byte("[truncated: kept 65536 of 52428800 bytes]\n")) || len(result.Output) > 1<<16+100 {
			w.Errorf("have %d bytes, want 65536 and a line that says so", len(result.Output))
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 8<<20 {
			w.Errorf("have %d bytes allocated for 50 MB of output, want few", grown)
		}
	})
}

func TestProofOutputIsShownInert(t *testing.T) {
	eachWall(t, func(w *wall) {
		result := w.run(command.Command{Shell: `printf '\033[31mred\033[0m\n::set-output name=a::b\n##[error]x\n'; echo complaint >&2`})
		have := command.Clean(result.Stdout, 80)
		if want := "red\n: :set-output name=a::b\n## [error]x\n"; have != want {
			w.Errorf("have %q, want %q", have, want)
		}
		if !bytes.Contains(result.Output, []byte("complaint\n")) || bytes.Contains(result.Stdout, []byte("complaint")) {
			w.Errorf("have output %q, stdout %q, want stderr in the first alone", result.Output, result.Stdout)
		}
	})
}

func TestProofResultsAreTold(t *testing.T) {
	eachWall(t, func(w *wall) {
		for _, test := range []struct {
			command      command.Command
			exit         int
			signal, text string
		}{
			{command.Command{Shell: "exit 3"}, 3, "", ""},
			{command.Command{Shell: "kill -SEGV $$"}, 139, "segmentation fault", ""},
			{command.Command{Argv: []string{"no-such-program"}}, 127, "", "no-such-program"},
			{command.Command{Argv: []string{"./missing"}}, 127, "", "missing"},
			{command.Command{Argv: []string{"/etc/passwd"}}, 126, "", "permission denied"},
			{command.Command{Argv: []string{"cat"}, Stdin: []byte("hello")}, 0, "", "hello"},
			{command.Command{Argv: []string{"printf", "%s.", "a b", "'"}}, 0, "", "a b.'."},
			{command.Command{Argv: []string{"pwd"}}, 0, "", w.dir},
		} {
			result := w.run(test.command)
			if result.Exit != test.exit || result.Signal != test.signal || !strings.Contains(string(result.Output), test.text) {
				w.Errorf("%s: have %d %q %q, want %d %q %q", test.command, result.Exit, result.Signal, result.Output, test.exit, test.signal, test.text)
			}
		}
	})
}

func TestProofLayersTellTheTruth(t *testing.T) {
	eachWall(t, func(w *wall) {
		result := w.run(command.Command{Shell: "true"})
		in := map[string]bool{}
		for _, layer := range result.Layers {
			in[layer.Name] = layer.InForce
			if layer.Detail == "" {
				w.Errorf("%s has no detail", layer.Name)
			}
		}
		for _, name := range []string{LayerOwnRoot, LayerProcesses, LayerLoopback} {
			if in[name] != w.namespaces {
				w.Errorf("%s: have %t, want %t", name, in[name], w.namespaces)
			}
		}
		for _, name := range []string{LayerEnvironment, LayerFiles, LayerNetwork, LayerUnixSockets, LayerReaping, LayerUser, LayerPrivileges, LayerSyscalls, LayerLimits, LayerParent, LayerTime} {
			if !in[name] {
				w.Errorf("%s: have it missing, want it in force", name)
			}
		}
	})
}

// TestControls shows that the proofs prove something: without walls each of
// the attempts they see refused succeeds.
func TestControlsSucceedWithoutWalls(t *testing.T) {
	s, err := New(Options{Mode: None, HostEnv: os.Environ()})
	if err != nil {
		t.Fatal(err)
	}
	w := newWall(t, s)
	tcp, udp, path := servers(w)
	secret := w.plant("secret")
	w.link(secret, "shortcut")
	w.allowed("read", secret)
	w.allowed("read", "shortcut")
	w.allowed("read", "/proc/self/root"+secret)
	w.allowed("append", secret)
	w.allowed("list", w.outside)
	w.allowed("write", filepath.Join(w.outside, "new"))
	w.allowed("dial", "tcp", tcp)
	w.allowed("dial", "udp", udp)
	w.allowed("dial", "unix", path)
	w.allowed("loopback")
	victim := w.victim()
	w.allowed("kill", fmt.Sprint(victim))
	if have := w.allowed("read", fmt.Sprintf("/proc/%d/environ", victim)); !strings.Contains(have, planted) {
		t.Errorf("have %q, want the victim's environment", have)
	}
	name := "@seedbed-control-" + filepath.Base(w.outside)
	listener, err := net.Listen("unix", name)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go pong(listener)
	w.allowed("dial", "unix", name)
}

// A root of a container without namespaces, with a work tree that no other user
// can reach, keeps its uid; then it must say so.
func TestProofUserIsKeptAndToldWhereOthersCannotGo(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root drops its uid")
	}
	s, err := New(Options{HostEnv: os.Environ(), lack: lacking{namespaces: true}})
	if err != nil {
		t.Skipf("not provable here: %v", err)
	}
	w := newWall(t, s)
	closed := filepath.Join(openDir(t), "closed")
	work := filepath.Join(closed, "work")
	if err := errors.Join(os.MkdirAll(work, 0o755), os.Chmod(closed, 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(w.dir, "probe"), filepath.Join(work, "probe")); err != nil {
		t.Fatal(err)
	}
	w.dir = work
	secret := w.plant("secret")
	w.refused("read", secret)
	w.refused("read", fmt.Sprintf("/proc/%d/environ", w.victim()))
	w.refused("write", "/etc/passwd")
	result := w.run(command.Command{Shell: "id -u"})
	if string(result.Stdout) != "0\n" {
		t.Errorf("have uid %q, want 0", result.Stdout)
	}
	for _, name := range []string{LayerUser, LayerLimits} {
		if layer := w.layer(result, name); layer.InForce || !strings.Contains(layer.Detail, closed) {
			t.Errorf("have %v, want it missing, with the closed directory named", layer)
		}
	}
}

func TestRunRefusesToGiveAwayTheMachine(t *testing.T) {
	home := openDir(t)
	s, err := New(Options{Mode: None, HostEnv: []string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}})
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"/", "/usr", "/etc", filepath.Dir(home), home, "/tmp"} {
		if _, err := s.Run(context.Background(), command.Command{Shell: "true", Dir: dir}); err == nil {
			t.Errorf("%s as work directory: have success, want an error", dir)
		}
		if _, err := s.Run(context.Background(), command.Command{Shell: "true", Dir: openDir(t), Writable: []string{dir}}); err == nil {
			t.Errorf("%s as writable path: have success, want an error", dir)
		}
	}
	if _, err := s.Run(context.Background(), command.Command{Shell: "true", Dir: filepath.Join(home, "missing")}); err == nil {
		t.Error("a missing work directory: have success, want an error")
	}
}

func TestProofDeclaredPathsAreOpen(t *testing.T) {
	eachWall(t, func(w *wall) {
		readable, writable := openDir(w.T), openDir(w.T)
		if err := os.WriteFile(filepath.Join(readable, "in"), []byte("hello"), 0o644); err != nil {
			w.Fatal(err)
		}
		result := w.run(command.Command{Readable: []string{readable}, Writable: []string{writable},
			Shell: fmt.Sprintf("cat %s/in && echo x > %s/out && ! echo x 2>/dev/null > %s/in", readable, writable, readable)})
		if !result.Passed() {
			w.Errorf("have exit %d\n%s", result.Exit, result.Output)
		}
	})
}

func TestUnavailableNamesWhatIsMissing(t *testing.T) {
	_, err := New(Options{HostEnv: os.Environ(), lack: lacking{namespaces: true, landlock: true}})
	if !errors.Is(err, ErrUnavailable) {
		t.Fatalf("have %v, want ErrUnavailable", err)
	}
	_, err = New(Options{HostEnv: os.Environ(), lack: lacking{namespaces: true, seccomp: true}})
	if !errors.Is(err, ErrUnavailable) {
		t.Errorf("without a cut of the network: have %v, want ErrUnavailable", err)
	}
}

func TestModeNoneStillScrubsReapsAndBoundsTime(t *testing.T) {
	t.Setenv("GITHUB_TOKEN", planted)
	s, err := New(Options{Mode: None, HostEnv: os.Environ(), Grace: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	w := newWall(t, s)
	if result := w.run(command.Command{Shell: "env"}); bytes.Contains(result.Output, []byte(planted)) {
		t.Errorf("a secret is in the environment:\n%s", result.Output)
	}
	lock := filepath.Join(w.dir, "alive")
	if result := w.try("daemon", lock); result.Exit != 0 || locked(t, lock) {
		t.Errorf("the daemon outlived its step, or never ran: %s", result.Output)
	}
	if result := w.run(command.Command{Shell: "sleep 1000", Timeout: 100 * time.Millisecond}); !result.TimedOut {
		t.Error("the time limit did not hold")
	}
	for _, layer := range s.Layers() {
		switch layer.Name {
		case LayerEnvironment, LayerReaping, LayerTime, LayerParent:
			if !layer.InForce {
				t.Errorf("have %v, want in force", layer)
			}
		default:
			if layer.InForce {
				t.Errorf("have %v, want it missing", layer)
			}
		}
	}
}

// TestAsPlainUser repeats every proof as a user who is not root.
func TestAsPlainUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("we are a plain user: the proofs above have just done it")
	}
	home := openDir(t)
	if err := os.Chown(home, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	again := exec.Command("/proc/self/exe", "-test.run=^(TestProof|TestControl|TestMode|TestUnavailable|TestTool)", "-test.v", "-test.short")
	again.Env = []string{"PATH=" + os.Getenv("PATH"), "TMPDIR=" + home, "HOME=" + home}
	again.Dir = home
	again.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	text, err := again.CombinedOutput()
	if err != nil {
		t.Errorf("as uid %d: %v", nobody, err)
	}
	t.Logf("%s", text)
}
