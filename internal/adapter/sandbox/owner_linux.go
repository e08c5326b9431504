package sandbox

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/seedbed-dev/seedbed/internal/command"
)

// giveAway makes the child's user the owner of what it may write. Without a
// root of its own the child must also be able to walk there; where it cannot,
// this one run keeps our user, without capabilities, and says so.
func (r *run) giveAway() error {
	if !r.sandbox.has.namespaces {
		if wall := closedDir(r.command.Dir); wall != "" {
			r.keepUser(fmt.Sprintf("%s is closed to uid %d", wall, nobody))
			return nil
		}
	}
	r.givenTo = nobody
	for _, dir := range r.spec.Write {
		if r.spec.Namespaces && dir == "/tmp" {
			dir = r.path("tmp")
		}
		if r.isCache(dir) && ownedBy(dir, nobody) {
			continue // since an earlier run; nobody else writes there
		}
		if err := chownTree(dir, nobody, nobody); err != nil {
			return fmt.Errorf("giving %s to uid %d: %w", dir, nobody, err)
		}
	}
	return os.Chmod(r.scratch, 0o711)
}

func (r *run) isCache(dir string) bool {
	cache := r.sandbox.options.CacheDir
	return cache != "" && within(dir, cache)
}

func ownedBy(path string, uid int) bool {
	info, err := os.Lstat(path)
	if err != nil {
		return false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(stat.Uid) == uid
}

func (r *run) keepUser(reason string) {
	r.spec.UID = -1
	for i, layer := range r.layers {
		switch layer.Name {
		case LayerUser:
			r.layers[i] = command.Layer{Name: LayerUser, Detail: "children run as root: " + reason}
		case LayerLimits:
			r.layers[i] = command.Layer{Name: LayerLimits, Detail: "processes unbounded, the kernel exempts root: " + reason}
		}
	}
}

// close takes the work directory back and removes scratch.
func (r *run) close() {
	if r.givenTo >= 0 {
		for _, dir := range append([]string{r.command.Dir}, r.command.Writable...) {
			// What cannot be taken back shows when it is next used.
			_ = chownTree(dir, os.Geteuid(), os.Getegid())
		}
	}
	if r.lock != nil {
		r.lock.Close()
	}
	if err := os.RemoveAll(r.scratch); err != nil {
		unlock(r.scratch)
		_ = os.RemoveAll(r.scratch)
	}
}

// unlock makes directories writable again, such as those of a module cache.
func unlock(dir string) {
	_ = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if entry != nil && entry.IsDir() {
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
}

// chownTree changes the owner of everything below dir. Nothing runs in dir
// meanwhile, links are not followed, and a file with several names is left
// alone: another of its names may lie anywhere.
func chownTree(dir string, uid, gid int) error {
	return filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		stat, ok := info.Sys().(*syscall.Stat_t)
		if !ok || int(stat.Uid) == uid && int(stat.Gid) == gid || !entry.IsDir() && stat.Nlink > 1 {
			return nil
		}
		return os.Lchown(path, uid, gid)
	})
}

// closedDir is the first directory on the way to path that strangers may not
// pass, or empty.
func closedDir(path string) string {
	var way []string
	for dir := filepath.Dir(path); dir != "/"; dir = filepath.Dir(dir) {
		way = append(way, dir)
	}
	slices.Reverse(way)
	for _, dir := range way {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm()&0o001 == 0 {
			return dir
		}
	}
	return ""
}
