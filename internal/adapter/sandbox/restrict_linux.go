package sandbox

import (
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/landlock-lsm/go-landlock/landlock"
	ll "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// restrictStep gives up, in this order, whatever the command must not have. The
// order matters: each step needs something the next takes away.
func restrictStep(s spec) error {
	// The kernel should rather kill a child that eats memory than us.
	_ = os.WriteFile("/proc/self/oom_score_adj", []byte("500"), 0o644)
	if err := os.Chdir(s.Dir); err != nil {
		return fmt.Errorf("entering the work directory: %w", err)
	}
	if err := unix.CloseRange(controlFD, ^uint(0)>>1, unix.CLOSE_RANGE_CLOEXEC); err != nil && err != unix.ENOSYS && err != unix.EINVAL {
		return fmt.Errorf("closing descriptors: %w", err)
	}
	if s.DropCaps {
		if err := dropBounding(); err != nil {
			return fmt.Errorf("giving up capabilities: %w", err)
		}
	}
	if s.UID >= 0 {
		if err := becomeUser(s.UID); err != nil {
			return fmt.Errorf("becoming user %d: %w", s.UID, err)
		}
	}
	if s.DropCaps {
		if err := dropCapabilities(); err != nil {
			return fmt.Errorf("giving up capabilities: %w", err)
		}
	}
	if s.NoNewPrivs {
		if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
			return fmt.Errorf("giving up new privileges: %w", err)
		}
	}
	if s.Landlock {
		if err := restrictFiles(s); err != nil {
			return fmt.Errorf("restricting files by landlock: %w", err)
		}
	}
	if err := setLimits(s.Limits); err != nil {
		return fmt.Errorf("setting limits: %w", err)
	}
	if s.Seccomp {
		if err := filterSyscalls(s.Sockets); err != nil {
			return fmt.Errorf("filtering system calls: %w", err)
		}
	}
	return nil
}

// becomeUser changes user and group for good. The group has the same number.
func becomeUser(uid int) error {
	if err := syscall.Setgroups(nil); err != nil {
		return err
	}
	if err := syscall.Setgid(uid); err != nil {
		return err
	}
	return syscall.Setuid(uid)
}

// dropBounding takes away what a root process would get back by exec.
func dropBounding() error {
	const noRoot = 1<<0 | 1<<1 // SECBIT_NOROOT and its lock: uid 0 means nothing
	if err := unix.Prctl(unix.PR_SET_SECUREBITS, noRoot, 0, 0, 0); err != nil && err != unix.EPERM {
		return err
	}
	for capability := uintptr(0); capability <= unix.CAP_LAST_CAP+16; capability++ {
		err := unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0)
		if err == unix.EINVAL || err == unix.EPERM {
			return nil // past the last one; or we hold none to begin with
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func dropCapabilities() error {
	_ = unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) // none on old kernels
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	return unix.Capset(&header, &none[0])
}

// landlockABI is the kernel's version of Landlock, 0 if it has none.
func landlockABI() (int, error) {
	version, err := ll.LandlockGetABIVersion()
	if err != nil {
		return 0, err
	}
	return version, nil
}

// restrictFiles lets the process read and write below the given paths only. It
// also shuts off signals and abstract sockets to the outside, and TCP if asked,
// as far as the kernel knows how; what it does not know is in the layers.
func restrictFiles(s spec) error {
	abi, err := landlockABI()
	if err != nil {
		return err
	}
	config := landlock.V9
	if !s.DenyTCP {
		config.HandledAccessNet = 0
	}
	readDirs, readFiles := byKind(s.Read)
	writeDirs, writeFiles := byKind(s.Write)
	write := landlock.RWDirs(writeDirs...).IgnoreIfMissing()
	if abi >= landlockRefer {
		// Moving files between directories; the kernel always refuses it on 1.
		write = write.WithRefer()
	}
	if abi >= landlockUnix {
		write = write.WithResolveUnix()
	}
	rules := []landlock.Rule{
		write,
		landlock.RODirs(readDirs...).IgnoreIfMissing(),
		landlock.ROFiles(readFiles...).IgnoreIfMissing(),
		landlock.RWFiles(append(writeFiles, deviceFiles...)...).IgnoreIfMissing(),
	}
	if s.Namespaces {
		rules = append(rules, landlock.RWDirs("/dev/shm", "/dev/pts").WithIoctlDev().IgnoreIfMissing())
	}
	return config.BestEffort().Restrict(rules...)
}

// byKind parts directories from files: the kernel refuses a rule that grants
// rights of the one to the other.
func byKind(paths []string) (dirs, files []string) {
	for _, path := range paths {
		if info, err := os.Stat(path); err == nil && info.IsDir() {
			dirs = append(dirs, path)
		} else if err == nil {
			files = append(files, path)
		}
	}
	return dirs, files
}

// setLimits lowers rlimits, never raises them.
func setLimits(l limits) error {
	limits := []struct {
		resource int
		value    int64
	}{
		{unix.RLIMIT_CORE, 0}, // a core file is a copy of memory
		{unix.RLIMIT_NOFILE, l.Files},
		{unix.RLIMIT_NPROC, l.Processes},
		{unix.RLIMIT_FSIZE, l.FileSize},
		// Not RLIMIT_AS: Go, node and the race detector reserve far more
		// address space than they ever use.
		{unix.RLIMIT_DATA, l.Memory},
	}
	for _, limit := range limits {
		if limit.value < 0 {
			continue
		}
		var now syscall.Rlimit
		if err := syscall.Getrlimit(limit.resource, &now); err != nil {
			return err
		}
		value := min(uint64(limit.value), now.Max)
		// By package syscall, which otherwise gives the command the number of
		// files that was in force before the Go runtime raised it.
		if err := syscall.Setrlimit(limit.resource, &syscall.Rlimit{Cur: value, Max: value}); err != nil {
			return fmt.Errorf("resource %d: %w", limit.resource, err)
		}
	}
	return nil
}

// testWalls tries what must fail and names what did not.
func testWalls(s spec) string {
	if _, err := os.ReadFile(s.Probe.Canary); err == nil {
		return "a file outside could be read"
	}
	if file, err := os.OpenFile(s.Probe.Canary, os.O_WRONLY, 0); err == nil {
		file.Close()
		return "a file outside could be written"
	}
	if s.Loopback {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return "its own loopback does not work: " + err.Error()
		}
		defer listener.Close()
		conn, err := net.DialTimeout("tcp", listener.Addr().String(), time.Second)
		if err != nil {
			return "its own loopback does not work: " + err.Error()
		}
		conn.Close()
		return ""
	}
	if s.Sockets == noneAtAll || s.Sockets == noInet {
		if fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0); err == nil {
			unix.Close(fd)
			return "a UDP socket could be made"
		}
	}
	return ""
}
