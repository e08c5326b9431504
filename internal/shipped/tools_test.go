package shipped

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// root is the repository's folder, seen from this package.
const root = "../.."

func abs(t testing.TB, parts ...string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(append([]string{root}, parts...)...))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// tool finds a program on PATH or where .ci/run puts it, else skips.
func tool(t *testing.T, name, from string) string {
	t.Helper()
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	if path := abs(t, ".cache", "tools", name); isFile(path) {
		return path
	}
	t.Skipf("not run: no %s on PATH (%s)", name, from)
	return ""
}

// nodeModule finds a file of a pinned npm package, else skips.
func nodeModule(t *testing.T, pkg, file string) string {
	t.Helper()
	dir := os.Getenv("SEEDBED_NODE_MODULES")
	if dir == "" {
		dir = abs(t, ".cache", "node_modules")
	}
	path := filepath.Join(dir, filepath.FromSlash(pkg[:strings.LastIndex(pkg, "@")]), file)
	if _, err := exec.LookPath("node"); err != nil || !isFile(path) {
		t.Skipf("not run: no node or no npm package %s in SEEDBED_NODE_MODULES or .cache/node_modules", pkg)
	}
	return path
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

// built is the program, built once for all tests of this package, or the one
// that SEEDBED_BINARY names, such as a release candidate. Its folder can be put
// on a PATH.
var built = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("SEEDBED_BINARY"); path != "" {
		return path, nil
	}
	dir, err := os.MkdirTemp("", "seedbed-shipped-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "seedbed")
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "./cmd/seedbed")
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", &buildError{string(out), err}
	}
	return path, nil
})

type buildError struct {
	out string
	err error
}

func (e *buildError) Error() string { return "building seedbed: " + e.err.Error() + "\n" + e.out }

func binary(t testing.TB) string {
	t.Helper()
	path, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := built(); err == nil && path != os.Getenv("SEEDBED_BINARY") {
		os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// git runs git without anybody's configuration.
func git(t testing.TB, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-c", "user.name=ana", "-c", "user.email=ana@example.com", "-c", "init.defaultBranch=main"}, args...)...)
	cmd.Dir, cmd.Env = dir, []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null"}
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, errOut.String())
	}
	return strings.TrimSpace(out.String())
}

func write(t testing.TB, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func read(t testing.TB, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
