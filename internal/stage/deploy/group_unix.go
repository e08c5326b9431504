//go:build unix

package deploy

import (
	"errors"
	"os/exec"
	"syscall"
)

// ownGroup makes the script the head of a process group, so that what it
// started ends with it.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

func refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
