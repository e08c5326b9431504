package sandbox

import (
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// deniedCalls are never needed to build or test, and each has been a way out or
// a way to what belongs to the whole session.
var deniedCalls = []uint32{
	unix.SYS_KEYCTL, unix.SYS_ADD_KEY, unix.SYS_REQUEST_KEY, // the login session's keys
	unix.SYS_BPF, unix.SYS_PERF_EVENT_OPEN, unix.SYS_USERFAULTFD,
	unix.SYS_MOUNT, unix.SYS_UMOUNT2, unix.SYS_PIVOT_ROOT, unix.SYS_CHROOT, unix.SYS_OPEN_TREE, unix.SYS_MOVE_MOUNT,
	unix.SYS_FSOPEN, unix.SYS_FSMOUNT, unix.SYS_FSPICK, unix.SYS_FSCONFIG, unix.SYS_MOUNT_SETATTR,
	unix.SYS_SETNS, unix.SYS_OPEN_BY_HANDLE_AT, unix.SYS_NAME_TO_HANDLE_AT,
	unix.SYS_INIT_MODULE, unix.SYS_FINIT_MODULE, unix.SYS_DELETE_MODULE, unix.SYS_KEXEC_LOAD,
	unix.SYS_REBOOT, unix.SYS_SWAPON, unix.SYS_SWAPOFF, unix.SYS_ACCT, unix.SYS_QUOTACTL, unix.SYS_SYSLOG,
	unix.SYS_SETTIMEOFDAY, unix.SYS_CLOCK_SETTIME, unix.SYS_CLOCK_ADJTIME, unix.SYS_ADJTIMEX,
}

// unknownCalls answer as if the kernel were older, so that programs fall back:
// io_uring makes sockets and opens files past any filter, and the flags of
// clone3 lie in memory where a filter cannot look.
var unknownCalls = []uint32{unix.SYS_IO_URING_SETUP, unix.SYS_IO_URING_ENTER, unix.SYS_IO_URING_REGISTER, unix.SYS_CLONE3}

// newNamespaces are the clone flags that would make a process root of its own
// little world, with the kernel's less walked paths open to it.
const newNamespaces = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP

// Offsets in struct seccomp_data, see seccomp(2). Both machines we filter on
// are little-endian: the low half of an argument comes first.
const (
	offsetCall = 0
	offsetArch = 4
	offsetArg0 = 16
	offsetArg1 = 24
)

// errNoFilter means that we have no filter for this kind of processor.
var errNoFilter = errors.New("no system-call filter for " + runtime.GOARCH)

func auditArch() (uint32, error) {
	switch runtime.GOARCH {
	case "amd64":
		return unix.AUDIT_ARCH_X86_64, nil
	case "arm64":
		return unix.AUDIT_ARCH_AARCH64, nil
	}
	return 0, errNoFilter
}

// filterSyscalls installs the filter on this thread; exec keeps it. It needs
// no_new_privs.
func filterSyscalls(s sockets) error {
	arch, err := auditArch()
	if err != nil {
		return err
	}
	raw, err := bpf.Assemble(filterProgram(arch, s))
	if err != nil {
		return fmt.Errorf("assembling the filter: %w", err)
	}
	filter := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		filter[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program)))
	if errno != 0 {
		return errno
	}
	return nil
}

// filterProgram is a list of questions, each followed by its answer.
func filterProgram(arch uint32, s sockets) []bpf.Instruction {
	deny := func(errno uint32) bpf.Instruction { return bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | errno} }
	program := []bpf.Instruction{
		bpf.LoadAbsolute{Off: offsetArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: arch, SkipTrue: 1},
		deny(uint32(unix.ENOSYS)), // 32-bit calls have other numbers
		bpf.LoadAbsolute{Off: offsetCall, Size: 4},
	}
	if arch == unix.AUDIT_ARCH_X86_64 {
		const x32 = 0x40000000
		program = append(program, bpf.JumpIf{Cond: bpf.JumpLessThan, Val: x32, SkipTrue: 1}, deny(uint32(unix.ENOSYS)))
	}
	for _, call := range deniedCalls {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: call, SkipTrue: 1}, deny(uint32(unix.EPERM)))
	}
	for _, call := range unknownCalls {
		program = append(program, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: call, SkipTrue: 1}, deny(uint32(unix.ENOSYS)))
	}
	for _, call := range []uint32{unix.SYS_CLONE, unix.SYS_UNSHARE} {
		program = append(program,
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: call, SkipTrue: 4},
			bpf.LoadAbsolute{Off: offsetArg0, Size: 4},
			bpf.JumpIf{Cond: bpf.JumpBitsNotSet, Val: newNamespaces, SkipTrue: 1},
			deny(uint32(unix.EPERM)),
			bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW})
	}
	program = append(program, socketRules(s, deny)...)
	return append(program, bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW})
}

// socketRules lets only listed address families pass socket(2). What is left
// is denied by name, so a family nobody thought of is denied as well.
func socketRules(s sockets, deny func(uint32) bpf.Instruction) []bpf.Instruction {
	families := allowedFamilies(s)
	rules := []bpf.Instruction{
		bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: unix.SYS_SOCKET, SkipTrue: uint8(len(families)*2 + 2)},
		bpf.LoadAbsolute{Off: offsetArg0, Size: 4},
	}
	for _, family := range families {
		rules = append(rules,
			bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: family, SkipTrue: 1},
			bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW})
	}
	return append(rules, deny(uint32(unix.EACCES)))
}

func allowedFamilies(s sockets) []uint32 {
	families := []uint32{unix.AF_NETLINK} // asking for one's own interfaces
	if s != noInet && s != noneAtAll {
		families = append(families, unix.AF_INET, unix.AF_INET6)
	}
	if s != noUnix && s != noneAtAll {
		families = append(families, unix.AF_UNIX)
	}
	return families
}
