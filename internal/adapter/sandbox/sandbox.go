// Package sandbox runs a command without the runner's secrets, files or network.
//
// Repository code is hostile: tests, build scripts and generators run here and
// nowhere else. What stands around a child, in the order in which it is built:
//
//	environment   an allow-list; HOME and TMPDIR are fresh and private
//	own root      a mount namespace that holds the toolchain, the work tree,
//	              scratch and caches, and nothing else of the machine
//	processes     a pid namespace with its own /proc; nothing outlives its step
//	network       a network namespace with loopback only
//	user          another uid where we are root; no capabilities; no new ones
//	limits        rlimits on processes, files, file sizes, memory
//	landlock      the same view of files once more, and signals
//	syscalls      a small filter: no keyrings, no io_uring, no new namespaces
//
// Where namespaces are refused (Ubuntu 24.04 does for plain users unless
// kernel.apparmor_restrict_unprivileged_userns is 0) Landlock alone guards
// files and the system-call filter denies sockets of every kind, loopback too.
// Layers says which of these hold; a Result says it for its own run. When files
// or network cannot be guarded at all, New fails with ErrUnavailable.
//
// It works by starting our own executable again, twice: the first child is init
// of the namespaces and reaps, the second restricts itself and becomes the
// command. So main and TestMain call MaybeChild before anything else.
//
// It is no virtual machine: a hole in the kernel is a hole in it, and CPU time
// and disk space are bounded by the time limit alone. It does not judge what a
// command prints; see package command for that.
package sandbox

import (
	"errors"
	"time"
)

// ErrUnavailable means that this machine has no way to guard files or network;
// the text names the missing kernel features. Callers map it to outcome
// environment_blocked.
var ErrUnavailable = errors.New("no sandbox available")

// Mode says what to do where isolation is not to be had.
type Mode int

const (
	// Required makes New fail with ErrUnavailable. It is the zero value, so
	// that forgetting to choose is safe.
	Required Mode = iota
	// None isolates nothing, because the owner said so: only the environment is
	// scrubbed, time bounded and every process reaped. All other layers are
	// reported as missing.
	None
)

// Names of layers, as they stand in command.Layer.Name.
const (
	LayerEnvironment = "environment"
	LayerFiles       = "files"
	LayerOwnRoot     = "own root"
	LayerNetwork     = "network"
	LayerLoopback    = "own loopback"
	LayerUnixSockets = "unix sockets"
	LayerProcesses   = "own processes"
	LayerReaping     = "reaping"
	LayerUser        = "user"
	LayerPrivileges  = "privileges"
	LayerSyscalls    = "syscalls"
	LayerLimits      = "limits"
	LayerParent      = "own memory"
	LayerTime        = "time limit"
)

// Options says how a Sandbox is set up.
type Options struct {
	// Mode is what the owner's seed asks for.
	Mode Mode
	// HostEnv is our own environment ("NAME=value"), from which PATH, locale
	// and the places of toolchains are picked. Nothing else of it is passed.
	HostEnv []string
	// ScratchDir is where private directories are made, one for each run,
	// removed afterwards; TMPDIR of HostEnv or /tmp if empty.
	ScratchDir string
	// CacheDir holds build caches which children may write and which outlive
	// them: go-build, go-mod, npm. Empty gives each run an empty one.
	//
	// A child that may write a build cache can plant a wrong object file or a
	// test result in it. So it is never a cache of the machine's own user: no
	// build that is trusted reads CacheDir. Runs that must not trust each other
	// (a build by an agent and the check that counts) need two of them.
	CacheDir string
	// ReadGoCache lets children read the host's Go build cache below their own,
	// so that the standard library is not built once more (20 s or so). What
	// they write goes to CacheDir. It shows them results of the owner's other
	// builds, and needs namespaces and overlayfs; without, it does nothing.
	ReadGoCache bool
	// Readable are further absolute paths every child may read.
	Readable []string
	// Grace is the time between SIGTERM and SIGKILL; 2 s if zero.
	Grace time.Duration

	lack lacking
}

// lacking switches features off, so that tests see what weaker machines do.
type lacking struct {
	namespaces, landlock, seccomp bool
}

const defaultGrace = 2 * time.Second
