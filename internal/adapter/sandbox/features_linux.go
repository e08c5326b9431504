package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/seedbed-dev/seedbed/internal/command"
)

// Versions of Landlock from which it guards more than files; see
// https://docs.kernel.org/userspace-api/landlock.html, "Previous limitations".
const (
	landlockRefer   = 2 // moving files between directories
	landlockSignals = 6 // signals and abstract sockets
	landlockUnix    = 9 // sockets that have a path
)

// features is what the machine was found to offer, with the reason where it
// offers nothing.
type features struct {
	mode       Mode
	namespaces bool
	landlock   int // ABI version, 0 for none
	seccomp    bool
	root       bool // we are root
	dropUser   bool // and children are not

	noNamespaces, noLandlock, noSeccomp, noDropUser string
}

// findFeatures tries the strongest set on a real child, then the weaker.
func (s *Sandbox) findFeatures() features {
	has := features{mode: s.options.Mode, root: os.Geteuid() == 0}
	if has.mode == None {
		return has
	}
	has.dropUser = has.root
	has.landlock, has.noLandlock = s.findLandlock()
	has.seccomp, has.noSeccomp = s.findSeccomp()
	if s.options.lack.namespaces {
		has.noNamespaces = "switched off for a test"
	} else {
		has.namespaces = true
		if err := s.probe(has); err != nil {
			has.namespaces = false
			has.noNamespaces = fmt.Sprintf("namespaces refused: %v%s", err, appArmorHint())
		}
	}
	if has.namespaces || has.enough() != nil {
		return has
	}
	if err := s.probe(has); err != nil {
		has.landlock, has.noLandlock = 0, fmt.Sprintf("landlock does not hold: %v", err)
	}
	return has
}

func (s *Sandbox) findLandlock() (int, string) {
	if s.options.lack.landlock {
		return 0, "switched off for a test"
	}
	version, err := landlockABI()
	if err != nil {
		return 0, fmt.Sprintf("landlock: %v (needs Linux 5.13 with landlock in the lsm= list)", err)
	}
	return version, ""
}

func (s *Sandbox) findSeccomp() (bool, string) {
	if s.options.lack.seccomp {
		return false, "switched off for a test"
	}
	if _, err := auditArch(); err != nil {
		return false, err.Error()
	}
	if _, err := os.Stat("/proc/sys/kernel/seccomp"); err != nil {
		return false, "seccomp filters: not in this kernel (CONFIG_SECCOMP_FILTER)"
	}
	return true, ""
}

// appArmorHint names the switch that Ubuntu 24.04 ships turned on.
func appArmorHint() string {
	const name = "kernel.apparmor_restrict_unprivileged_userns"
	value, err := os.ReadFile("/proc/sys/" + strings.ReplaceAll(name, ".", "/"))
	if err != nil || strings.TrimSpace(string(value)) == "0" {
		return ""
	}
	return "; " + name + " is " + strings.TrimSpace(string(value))
}

// probe runs a child that is set up like any command and then tries to get out.
func (s *Sandbox) probe(has features) error {
	outside, err := os.MkdirTemp(s.scratch, "seedbed-canary-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(outside)
	canary := filepath.Join(outside, "canary")
	// Open to everybody, so that only the sandbox can be in the way.
	if err := errors.Join(os.Chmod(outside, 0o755), os.WriteFile(canary, []byte("x"), 0o666)); err != nil {
		return err
	}
	trial := &Sandbox{options: s.options, host: s.host, scratch: s.scratch, readable: s.readable, has: has}
	trial.options.CacheDir = ""
	work, err := os.MkdirTemp(s.scratch, "seedbed-probe-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	r, err := trial.prepare(command.Command{Argv: []string{"true"}, Dir: work, Timeout: 10 * time.Second}, work)
	if err != nil {
		return err
	}
	defer r.close()
	r.spec.Probe = probe{On: true, Canary: canary}
	_, err = r.do(context.Background())
	return err
}

// enough says what is missing for running hostile code at all: a guard of files
// and a cut of the network.
func (f features) enough() error {
	if f.namespaces || f.landlock > 0 && f.seccomp {
		return nil
	}
	var missing []string
	for _, reason := range []string{f.noNamespaces, f.noLandlock, f.noSeccomp} {
		if reason != "" {
			missing = append(missing, reason)
		}
	}
	return fmt.Errorf("%w: %s", ErrUnavailable, strings.Join(missing, "; "))
}

// spec is what all commands have in common on this machine.
func (f features) spec(network bool) spec {
	if f.mode == None {
		return spec{UID: -1, Limits: limits{-1, -1, -1, -1}}
	}
	s := spec{
		Namespaces: f.namespaces, Loopback: f.namespaces && !network,
		UID: -1, DropCaps: true, NoNewPrivs: true,
		Landlock: f.landlock > 0, DenyTCP: !f.namespaces && !network,
		Seccomp: f.seccomp, Sockets: f.sockets(network),
	}
	if f.dropUser {
		s.UID = nobody
	}
	return s
}

func (f features) sockets(network bool) sockets {
	guarded := f.landlock >= landlockUnix
	switch {
	case f.namespaces:
		return anySocket
	case network && guarded:
		return anySocket
	case network:
		return noUnix
	case guarded:
		return noInet
	}
	return noneAtAll
}

// layers tells people and verdicts what holds.
func (f features) layers(network bool) []command.Layer {
	var list []command.Layer
	add := func(name string, inForce bool, yes, no string) {
		detail := yes
		if !inForce {
			detail = no
		}
		if f.mode == None && !inForce {
			detail = "off: sandbox is none"
		}
		list = append(list, command.Layer{Name: name, InForce: inForce, Detail: detail})
	}
	add(LayerEnvironment, true, "allow-list; HOME and TMPDIR private", "")
	add(LayerFiles, f.landlock > 0 || f.namespaces, f.filesDetail(), f.noLandlock)
	add(LayerOwnRoot, f.namespaces, "mount namespace", f.noNamespaces)
	f.addNetwork(add, network)
	add(LayerProcesses, f.namespaces, "pid namespace, own /proc", f.noNamespaces)
	// A command that may kill its reaper gets away from it.
	add(LayerReaping, f.namespaces || f.dropUser || f.landlock >= landlockSignals || f.mode == None, f.reapingDetail(),
		fmt.Sprintf("a command may kill its reaper: landlock ABI %d does not guard signals, %d does", f.landlock, landlockSignals))
	add(LayerUser, f.dropUser || !f.root && f.mode != None, f.userDetail(), "children run as root: "+f.noDropUser)
	add(LayerPrivileges, f.mode != None, "no capabilities, no_new_privs", "")
	add(LayerSyscalls, f.seccomp, "seccomp filter", f.noSeccomp)
	add(LayerLimits, f.mode != None, "rlimits: processes, files, file size; memory where asked for", "")
	add(LayerParent, true, "not dumpable", "")
	add(LayerTime, true, "SIGTERM, then SIGKILL", "")
	return list
}

func (f features) addNetwork(add func(string, bool, string, string), network bool) {
	const lifted = "lifted: the command asked for network"
	cut := "network namespace"
	if !f.namespaces {
		cut = "no internet sockets"
	}
	because := f.noSeccomp
	if network {
		because = lifted
	}
	add(LayerNetwork, !network && (f.namespaces || f.seccomp), cut, because)
	because = "tests that use 127.0.0.1 fail here: " + f.noNamespaces
	if network {
		because = lifted
	}
	add(LayerLoopback, !network && f.namespaces, "127.0.0.1 and ::1 of its own", because)

	unix := "those outside are not in view"
	if !f.namespaces {
		unix = "none can be made"
		if f.landlock >= landlockUnix {
			unix = "landlock"
		}
	}
	add(LayerUnixSockets, f.namespaces || f.seccomp, unix, f.noSeccomp)
}

func (f features) filesDetail() string {
	switch {
	case f.landlock > 0 && f.namespaces:
		return fmt.Sprintf("landlock ABI %d and own root", f.landlock)
	case f.landlock > 0:
		return fmt.Sprintf("landlock ABI %d", f.landlock)
	}
	return "own root; " + f.noLandlock
}

func (f features) reapingDetail() string {
	if f.namespaces {
		return "the namespace ends with its step"
	}
	return "child subreaper"
}

func (f features) userDetail() string {
	if f.dropUser {
		return fmt.Sprintf("uid %d", nobody)
	}
	return "our own, not root"
}
