package sandbox

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

// enter builds the view in this mount namespace and makes it the root. It needs
// CAP_SYS_ADMIN over the namespace; nothing of it is seen outside.
func (v view) enter() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	if err := unix.Mount("seedbed", v.Root, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755,size=1m"); err != nil {
		return fmt.Errorf("mounting a root: %w", err)
	}
	steps := []func() error{v.mountProc, v.mountDev, v.mountTmp, v.placeLinks, v.bindPaths, v.layCache, v.pivot}
	for _, step := range steps {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

func (v view) at(path string) string { return filepath.Join(v.Root, path) }

// mountProc shows the processes of the new pid namespace only.
func (v view) mountProc() error {
	if err := os.Mkdir(v.at("/proc"), 0o555); err != nil {
		return err
	}
	if err := unix.Mount("proc", v.at("/proc"), "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mounting /proc: %w", err)
	}
	return nil
}

func (v view) mountDev() error {
	if err := os.MkdirAll(v.at("/dev/shm"), 0o755); err != nil {
		return err
	}
	for _, device := range deviceFiles {
		if err := v.bind(mount{Path: device, Write: true}, 0); err != nil {
			return err
		}
	}
	if err := unix.Mount("shm", v.at("/dev/shm"), "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=1777,size=256m"); err != nil {
		return fmt.Errorf("mounting /dev/shm: %w", err)
	}
	// Terminals are a comfort for a few test suites; without them the rest runs.
	if os.Mkdir(v.at("/dev/pts"), 0o755) == nil &&
		unix.Mount("devpts", v.at("/dev/pts"), "devpts", unix.MS_NOSUID|unix.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620") == nil {
		_ = os.Symlink("pts/ptmx", v.at("/dev/ptmx"))
	}
	for name, target := range map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"} {
		if err := os.Symlink(target, v.at("/dev/"+name)); err != nil {
			return err
		}
	}
	return nil
}

// mountTmp comes before the other paths, because work trees often lie in /tmp.
func (v view) mountTmp() error {
	if err := os.Mkdir(v.at("/tmp"), 0o755); err != nil {
		return err
	}
	if err := unix.Mount(v.Tmp, v.at("/tmp"), "", unix.MS_BIND, ""); err != nil {
		return fmt.Errorf("mounting /tmp: %w", err)
	}
	return setMountFlags(v.at("/tmp"), unix.MOUNT_ATTR_NOSUID|unix.MOUNT_ATTR_NODEV, 0)
}

func (v view) placeLinks() error {
	for _, l := range v.Links {
		place := v.at(l.Path)
		if _, err := os.Lstat(place); err == nil {
			continue // already there, as part of another path
		}
		if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
			return err
		}
		if err := os.Symlink(l.Target, place); err != nil {
			return err
		}
	}
	return nil
}

func (v view) bindPaths() error {
	for _, m := range v.Mounts {
		if err := v.bind(m, unix.MOUNT_ATTR_NODEV); err != nil {
			return err
		}
	}
	return nil
}

// layCache is a matter of speed: without it everything works, slower.
func (v view) layCache() error {
	if c := v.Cache; c != nil {
		options := fmt.Sprintf("lowerdir=%s,upperdir=%s,workdir=%s,userxattr", c.Lower, c.Path, c.Work)
		_ = unix.Mount("seedbed-cache", v.at(c.Path), "overlay", unix.MS_NOSUID|unix.MS_NODEV, options)
	}
	return nil
}

// leave lets go of the cache before the next run lays it again; the kernel
// takes its time with what a namespace leaves mounted.
func (v view) leave() {
	if v.Cache != nil {
		_ = unix.Unmount(v.Cache.Path, 0)
	}
}

// bind shows a host path at its own place.
func (v view) bind(m mount, extra uint64) error {
	place := v.at(m.Path)
	if err := makeMountPoint(m.Path, place); err != nil {
		return fmt.Errorf("making room for %s: %w", m.Path, err)
	}
	if err := unix.Mount(m.Path, place, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return fmt.Errorf("mounting %s: %w", m.Path, err)
	}
	flags := unix.MOUNT_ATTR_NOSUID | extra
	if !m.Write {
		flags |= unix.MOUNT_ATTR_RDONLY
	}
	if err := setMountFlags(place, flags, unix.AT_RECURSIVE); err != nil {
		return fmt.Errorf("protecting %s: %w", m.Path, err)
	}
	return nil
}

func makeMountPoint(path, place string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return os.MkdirAll(place, 0o755)
	}
	if _, err := os.Lstat(place); err == nil {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(place), 0o755); err != nil {
		return err
	}
	return os.WriteFile(place, nil, 0o644)
}

func setMountFlags(path string, flags uint64, at uint) error {
	return unix.MountSetattr(unix.AT_FDCWD, path, at, &unix.MountAttr{Attr_set: flags})
}

// pivot swaps roots and lets go of the old one; see pivot_root(2), NOTES, for
// the form with two dots.
func (v view) pivot() error {
	if err := setMountFlags(v.Root, unix.MOUNT_ATTR_RDONLY, 0); err != nil {
		return fmt.Errorf("protecting the root: %w", err)
	}
	if err := os.Chdir(v.Root); err != nil {
		return err
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("changing the root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fmt.Errorf("leaving the old root: %w", err)
	}
	return os.Chdir("/")
}

// loopbackUp sets the one interface of a new network namespace running; the
// kernel gives it 127.0.0.1 and ::1 by itself. See netdevice(7).
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	request.SetUint16(uint16(net.FlagUp) | unix.IFF_UP | unix.IFF_RUNNING)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCSIFFLAGS, uintptr(unsafe.Pointer(request)))
	if errno != 0 {
		return errno
	}
	return nil
}
