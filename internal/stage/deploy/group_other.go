//go:build !unix

package deploy

import "os/exec"

func ownGroup(*exec.Cmd) {}

func refused(error) bool { return false }
