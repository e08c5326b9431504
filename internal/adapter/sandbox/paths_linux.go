package sandbox

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// systemPaths hold programs and libraries, the same on every machine of a kind.
var systemPaths = []string{
	"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store",
	"/sys/devices/system/cpu", // how many processors; the C library asks
}

// etcPaths are the parts of /etc without which programs do not run: names,
// linker, certificates, language run times. /etc itself holds keys and
// machine-wide configuration with addresses and tokens in it.
var etcPaths = []string{
	"alternatives", "ca-certificates", "ssl/certs", "ssl/openssl.cnf", "pki/tls/certs", "pki/ca-trust", "crypto-policies",
	"ld.so.cache", "ld.so.conf", "ld.so.conf.d", "ld-musl-x86_64.path", "ld-musl-aarch64.path",
	"passwd", "group", "nsswitch.conf", "hosts", "host.conf", "gai.conf", "resolv.conf", "protocols", "services", "networks",
	"localtime", "timezone", "locale.alias", "locale.conf", "mime.types", "magic", "os-release", "debian_version", "lsb-release",
	"alpine-release", "fonts", "python3", "perl", "php", "ruby", "R",
	"java-8-openjdk", "java-11-openjdk", "java-17-openjdk", "java-21-openjdk", "java-25-openjdk", "maven", "gradle",
}

// procPaths are what a child may read of the machine's /proc when it has none
// of its own. No /proc/PID is among them.
var procPaths = []string{
	"/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/loadavg", "/proc/uptime", "/proc/version", "/proc/filesystems",
	"/proc/sys/kernel/osrelease", "/proc/sys/kernel/random", "/proc/sys/kernel/pid_max", "/proc/sys/net/core/somaxconn", "/proc/sys/vm/overcommit_memory",
}

// deviceFiles behave alike for everyone and lead nowhere.
var deviceFiles = []string{"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"}

// readablePaths lists what every child may read: the system, and toolchains
// wherever the host's PATH finds them.
func readablePaths(host variables) []string {
	paths := slices.Clone(systemPaths)
	for _, name := range etcPaths {
		paths = append(paths, "/etc/"+name)
	}
	paths = append(paths, optPaths()...)
	home := host["HOME"]
	for _, dir := range filepath.SplitList(cleanPath(host["PATH"])) {
		if isToolDir(dir, home) {
			paths = append(paths, dir)
		}
	}
	paths = append(paths, toolchains(host)...)
	return existing(paths)
}

// optPaths lists what is installed in /opt, besides workflow runners: one that
// is at home there keeps its credentials next to its programs.
func optPaths() []string {
	var paths []string
	entries, _ := os.ReadDir("/opt")
	for _, entry := range entries {
		path := filepath.Join("/opt", entry.Name())
		if !exists(filepath.Join(path, ".runner")) && !exists(filepath.Join(path, ".credentials")) {
			paths = append(paths, path)
		}
	}
	return paths
}

// checkWritable refuses directories nobody can mean to give away: those that
// hold the system, somebody's home or the scratch of other runs.
func checkWritable(dir string, host variables, scratch string) error {
	for _, held := range append([]string{host["HOME"], scratch, "/etc", "/proc", "/dev", "/run"}, systemPaths...) {
		if held != "" && within(held, dir) {
			return fmt.Errorf("%s holds %s and cannot be given to a command", dir, held)
		}
	}
	return nil
}

// isToolDir refuses entries of PATH that would open a person's home or the
// whole machine.
func isToolDir(dir, home string) bool {
	switch dir {
	case "/", "/root", "/home", "/tmp", "/var", "/etc", "/run", "/proc", "/dev", "/sys":
		return false
	}
	return home == "" || !within(home, dir)
}

// toolchains finds the trees behind programs that need more than their own
// file. Each is taken only if it looks like one.
func toolchains(host variables) []string {
	var found []string
	marks := map[string]string{"go": "pkg/tool", "node": "lib/node_modules", "java": "lib/modules", "rustc": "lib/rustlib"}
	for program, mark := range marks {
		if root := installRoot(host["PATH"], program); root != "" && exists(filepath.Join(root, mark)) {
			found = append(found, root)
		}
	}
	for _, name := range []string{"JAVA_HOME", "RUSTUP_HOME", "PYENV_ROOT"} {
		if root := host[name]; filepath.IsAbs(root) && isToolDir(filepath.Clean(root), host["HOME"]) {
			found = append(found, filepath.Clean(root))
		}
	}
	return found
}

// installRoot is the directory above bin of a program, links resolved.
func installRoot(path, program string) string {
	for _, dir := range filepath.SplitList(cleanPath(path)) {
		file, err := filepath.EvalSymlinks(filepath.Join(dir, program))
		if err != nil {
			continue
		}
		if root := filepath.Dir(filepath.Dir(file)); filepath.Base(filepath.Dir(file)) == "bin" && root != "/" {
			return root
		}
		return ""
	}
	return ""
}

// goModCache is where the host's Go keeps downloaded modules, if it has any.
func goModCache(host variables) string {
	dir := host["GOMODCACHE"]
	if dir == "" {
		gopath := host["GOPATH"]
		if gopath == "" && host["HOME"] != "" {
			gopath = filepath.Join(host["HOME"], "go")
		}
		if first := filepath.SplitList(gopath); len(first) > 0 {
			dir = filepath.Join(first[0], "pkg", "mod")
		}
	}
	if !filepath.IsAbs(dir) || !exists(dir) {
		return ""
	}
	return filepath.Clean(dir)
}

// goBuildCache is where the host's Go keeps what it built, if anything.
func goBuildCache(host variables) string {
	dir := host["GOCACHE"]
	if dir == "" {
		base := host["XDG_CACHE_HOME"]
		if base == "" && host["HOME"] != "" {
			base = filepath.Join(host["HOME"], ".cache")
		}
		dir = filepath.Join(base, "go-build")
	}
	// A mount option cannot hold these characters.
	if !filepath.IsAbs(dir) || !exists(dir) || strings.ContainsAny(dir, `,:\`) {
		return ""
	}
	return filepath.Clean(dir)
}

// link is a symbolic link to be made anew in a child's root.
type link struct{ Path, Target string }

// resolve follows path on the host. It returns where it ends and the links met
// on the way, so that the path means the same in another root.
func resolve(path string) (string, []link, error) {
	var links []link
	todo := strings.Split(strings.Trim(filepath.Clean(path), "/"), "/")
	at := "/"
	for len(todo) > 0 {
		next := filepath.Join(at, todo[0])
		info, err := os.Lstat(next)
		if err != nil {
			return "", nil, err
		}
		todo = todo[1:]
		if info.Mode()&os.ModeSymlink == 0 {
			at = next
			continue
		}
		target, err := os.Readlink(next)
		if err != nil {
			return "", nil, err
		}
		links = append(links, link{next, target})
		if len(links) > 40 { // as many as the kernel follows (path_resolution(7))
			return "", nil, &os.PathError{Op: "resolve", Path: path, Err: os.ErrInvalid}
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(at, target)
		}
		todo = append(strings.Split(strings.Trim(filepath.Clean(target), "/"), "/"), todo...)
		at = "/"
	}
	return at, links, nil
}

func existing(paths []string) []string {
	return slices.DeleteFunc(paths, func(p string) bool { return !exists(p) })
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// within reports whether path is dir or lies below it.
func within(path, dir string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}
