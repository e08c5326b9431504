package sandbox

// The two children are our own executable under these names. Neither takes
// arguments or environment: everything comes through descriptor 3.
const (
	initName = "seedbed-sandbox-init"
	stepName = "seedbed-sandbox-step"

	controlFD = 3 // spec as JSON, then orders; its end means: kill everything
	reportFD  = 4 // report as JSON (init), or marks and a failure (step)
)

// Orders that follow the spec on the control pipe, one byte each.
const (
	orderStop = 'T' // SIGTERM to the command's process group
	orderKill = 'K' // SIGKILL to everything
)

// spec is what the children must do. It is written by the parent alone and
// holds nothing a command may not know.
type spec struct {
	Argv []string
	Env  []string
	Dir  string

	Namespaces bool // init stands in new namespaces and sets them up
	Loopback   bool // the network namespace is new: bring lo up
	View       view // the root to build, with Namespaces
	UID        int  // user and group to become; -1 keeps ours
	DropCaps   bool // give up every capability
	Landlock   bool // restrict files and signals
	Read       []string
	Write      []string
	DenyTCP    bool // by Landlock, where the kernel knows how
	Seccomp    bool
	Sockets    sockets
	NoNewPrivs bool
	Limits     limits

	// Probe makes the step test its walls and stop instead of running Argv.
	Probe probe
}

// probe is a harmless attempt at what must fail.
type probe struct {
	On     bool
	Canary string // a file outside of everything allowed
}

// sockets says which kinds of socket may be made.
type sockets int

const (
	anySocket sockets = iota
	noUnix            // no AF_UNIX: paths like docker.sock are in reach and Landlock cannot guard them yet
	noInet            // no internet sockets, AF_UNIX is guarded otherwise
	noneAtAll         // neither; socketpair(2) still works

)

// report is what init says at the end.
type report struct {
	Setup  string // why the command was not started; empty if it was
	Exit   int
	Signal int
	Left   bool // processes could not all be killed
}

// view is a root directory to build.
type view struct {
	Root   string // empty directory to build it on
	Tmp    string // directory that becomes /tmp
	Links  []link
	Mounts []mount // parents before children
	Cache  *overlay
}

// overlay lays one of the mounts over a directory that is only read. Where the
// kernel refuses, the mount stands alone.
type overlay struct {
	Path, Lower, Work string
}

// mount is a host path shown at the same place.
type mount struct {
	Path  string
	Write bool
}

// limits are rlimits; a negative number leaves the present one.
type limits struct {
	Memory, Files, Processes, FileSize int64
}
