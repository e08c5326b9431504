package sandbox

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seedbed-dev/seedbed/internal/command"
)

// Probes are what hostile code would do. They run inside the sandbox, in a copy
// of the test binary. Exit 0 means that the attempt succeeded.
var probes = map[string]func(args []string) error{
	"read": func(args []string) error {
		text, err := os.ReadFile(args[0])
		if err == nil && len(text) == 0 {
			return fmt.Errorf("%s is empty", args[0])
		}
		fmt.Printf("%s", text)
		return err
	},
	"list":       func(args []string) error { _, err := os.ReadDir(args[0]); return err },
	"write":      func(args []string) error { return os.WriteFile(args[0], []byte("owned"), 0o644) },
	"append":     func(args []string) error { return openToWrite(args[0]) },
	"remove":     func(args []string) error { return os.Remove(args[0]) },
	"rename":     func(args []string) error { return os.Rename(args[0], args[1]) },
	"hardlink":   func(args []string) error { return os.Link(args[0], args[1]) },
	"dial":       probeDial,
	"loopback":   func([]string) error { return probeLoopback() },
	"namespace":  func([]string) error { return unix.Unshare(unix.CLONE_NEWUSER) },
	"setuid":     func([]string) error { return syscall.Setuid(0) },
	"kill":       probeKill,
	"daemon":     func(args []string) error { return probeDaemon(args) },
	"heartbeat":  probeHeartbeat,
	"hang":       func([]string) error { return probeHang() },
	"processes":  func([]string) error { return probeProcesses() },
	"allocate":   func([]string) error { return probeAllocate() },
	"flood":      func([]string) error { return probeFlood() },
	"parent":     probeParent,
	"victim":     func([]string) error { _, _ = io.Copy(io.Discard, os.Stdin); return nil },
	"descriptor": probeDescriptor,
	"pids":       func([]string) error { return probePIDs() },
	"rawsocket":  func([]string) error { return probeSocket(unix.AF_INET, unix.SOCK_RAW) },
	"packet":     func([]string) error { return probeSocket(unix.AF_PACKET, unix.SOCK_RAW) },
	"vsock":      func([]string) error { return probeSocket(unix.AF_VSOCK, unix.SOCK_STREAM) },
	"udp":        func([]string) error { return probeSocket(unix.AF_INET, unix.SOCK_DGRAM) },
	"iouring":    func([]string) error { return probeIOUring() },
	"keyring":    func([]string) error { _, err := unix.KeyctlGetKeyringID(unix.KEY_SPEC_USER_KEYRING, true); return err },
	"whoami": func([]string) error {
		status, err := os.ReadFile("/proc/self/status")
		fmt.Printf("uid=%d\n%s", os.Getuid(), status)
		return err
	},
}

func runProbe(name string, args []string) int {
	probe, ok := probes[name]
	if !ok {
		fmt.Println("no such probe:", name)
		return 99
	}
	if err := probe(args); err != nil {
		fmt.Println("refused:", err)
		return 1
	}
	return 0
}

func openToWrite(path string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err == nil {
		file.Close()
	}
	return err
}

// probeDial sends "ping" and wants "pong" back.
func probeDial(args []string) error {
	conn, err := net.DialTimeout(args[0], args[1], 300*time.Millisecond)
	if err != nil {
		return err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(300 * time.Millisecond))
	if _, err := conn.Write([]byte("ping")); err != nil {
		return err
	}
	answer := make([]byte, 4)
	_, err = io.ReadFull(conn, answer)
	return err
}

func probeLoopback() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go pong(listener)
	if err := probeDial([]string{"tcp", listener.Addr().String()}); err != nil {
		return fmt.Errorf("tcp: %w", err)
	}
	six, err := net.Listen("tcp", "[::1]:0")
	if err != nil {
		return err
	}
	go pong(six)
	if err := probeDial([]string{"tcp", six.Addr().String()}); err != nil {
		return fmt.Errorf("tcp6: %w", err)
	}
	packets, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go pongPackets(packets)
	if err := probeDial([]string{"udp", packets.LocalAddr().String()}); err != nil {
		return fmt.Errorf("udp: %w", err)
	}
	return nil
}

func pong(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		_, _ = io.ReadFull(conn, make([]byte, len("ping")))
		_, _ = conn.Write([]byte("pong"))
		conn.Close()
	}
}

func pongPackets(conn net.PacketConn) {
	buffer := make([]byte, 16)
	for {
		_, from, err := conn.ReadFrom(buffer)
		if err != nil {
			return
		}
		_, _ = conn.WriteTo([]byte("pong"), from)
	}
}

func probeKill(args []string) error {
	var pid int
	if _, err := fmt.Sscan(args[0], &pid); err != nil {
		return err
	}
	return syscall.Kill(pid, 0)
}

// probeDaemon leaves two generations of processes in sessions of their own and
// returns once the last of them holds its lock.
func probeDaemon(args []string) error {
	depth := len(args) // one file name for each generation left
	if depth == 0 {
		return nil
	}
	reader, writer, err := os.Pipe()
	if err != nil {
		return err
	}
	child := exec.Command(os.Args[0], args[0])
	child.Env = append(os.Environ(), "SANDBOX_PROBE=heartbeat")
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	child.ExtraFiles = []*os.File{writer}
	if err := child.Start(); err != nil {
		return err
	}
	writer.Close()
	_, err = reader.Read(make([]byte, 1))
	return err
}

// probeHeartbeat is the daemon: the first one starts a second and goes; the
// second ignores signals, locks its file and stays.
func probeHeartbeat(args []string) error {
	ready := os.NewFile(3, "ready")
	if os.Getenv("GENERATION") == "" {
		child := exec.Command(os.Args[0], args...)
		child.Env = append(os.Environ(), "GENERATION=2")
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		child.ExtraFiles = []*os.File{ready}
		return child.Start()
	}
	signal.Ignore(syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT)
	file, err := os.OpenFile(args[0], os.O_CREATE|os.O_RDWR, 0o666)
	if err != nil {
		return err
	}
	if err := unix.Flock(int(file.Fd()), unix.LOCK_EX); err != nil {
		return err
	}
	fmt.Fprintln(file, os.Getpid())
	_, _ = ready.Write([]byte("x"))
	for {
		time.Sleep(time.Hour)
	}
}

func probeHang() error {
	signal.Ignore(syscall.SIGTERM)
	fmt.Println("hanging")
	for {
		time.Sleep(time.Hour)
	}
}

// probeParent is no attempt but a whole Seedbed, to be killed from outside. It
// runs a command that leaves a daemon and then tells that it is under way.
func probeParent(args []string) error {
	s, err := New(Options{HostEnv: os.Environ(), lack: lacking{namespaces: args[2] == "false"}})
	if err != nil {
		return err
	}
	_, err = s.Run(context.Background(), command.Command{
		Shell: "./probe " + args[1] + "; echo > started; exec sleep 1000", Dir: args[0], Env: map[string]string{"SANDBOX_PROBE": "daemon"},
	})
	return err
}

// probeProcesses starts sleepers until it may not.
func probeProcesses() error {
	for n := 0; ; n++ {
		if err := exec.Command("/bin/sleep", "1000").Start(); err != nil {
			fmt.Printf("started=%d\n", n)
			return err
		}
		if n > 5000 {
			return nil
		}
	}
}

func probeAllocate() error {
	var held [][]byte
	for range 24 {
		held = append(held, bytes.Repeat([]byte{1}, 16<<20))
	}
	fmt.Println(len(held))
	return nil
}

func probeFlood() error {
	line := []byte(strings.Repeat("x", 1023) + "\n")
	for range 50 << 10 {
		if _, err := os.Stdout.Write(line); err != nil {
			return err
		}
	}
	return nil
}

// probeDescriptor looks for anything open besides the three streams and what
// the Go runtime opened itself.
func probeDescriptor([]string) error {
	for fd := 3; fd < 100; fd++ {
		link, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
		if err == nil && !strings.HasPrefix(link, "anon_inode:") {
			fmt.Println(fd, link)
			return nil
		}
		var stat unix.Stat_t
		if err != nil && unix.Fstat(fd, &stat) == nil && stat.Mode&unix.S_IFMT != 0 {
			fmt.Println(fd, "is open")
			return nil
		}
	}
	return fmt.Errorf("none open")
}

func probePIDs() error {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return err
	}
	count := 0
	for _, entry := range entries {
		if strings.Trim(entry.Name(), "0123456789") == "" {
			count++
		}
	}
	fmt.Printf("processes=%d\n", count)
	return nil
}

func probeSocket(family, kind int) error {
	fd, err := unix.Socket(family, kind, 0)
	if err == nil {
		unix.Close(fd)
	}
	return err
}

func probeIOUring() error {
	var params [120]byte
	_, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 8, uintptr(unsafePointer(&params)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}
