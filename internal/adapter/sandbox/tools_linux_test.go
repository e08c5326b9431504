package sandbox

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/seedbed-dev/seedbed/internal/command"
)

// withTool makes a sandbox with a cache that outlives it, as in production.
func withTool(t *testing.T, lack lacking, tool string, files map[string]string) *wall {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		t.Skipf("%s is not installed", tool)
	}
	cache := filepath.Join(openDir(t), "cache")
	s, err := New(Options{HostEnv: os.Environ(), CacheDir: cache, lack: lack})
	if err != nil {
		t.Skipf("not provable here: %v", err)
	}
	if !lack.namespaces && !s.has.namespaces {
		t.Skipf("not provable here: %s", s.has.noNamespaces)
	}
	w := &wall{T: t, sandbox: s, dir: openDir(t), outside: openDir(t), namespaces: s.has.namespaces}
	for name, text := range files {
		path := filepath.Join(w.dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

var goModule = map[string]string{
	"go.mod":      "module example.com/tally\n\ngo 1.21\n",
	"tally.go":    "package tally\n\nfunc Add(a, b int) int { return a + b }\n",
	"add_test.go": "package tally\n\nimport \"testing\"\n\nfunc TestAdd(t *testing.T) {\n\tif Add(1, 2) != 3 {\n\t\tt.Fatal()\n\t}\n}\n",
}

// Building a package that imports nothing needs nothing of the standard
// library, so that an empty cache costs no time.
func TestToolGo(t *testing.T) {
	for name, lack := range map[string]lacking{"namespaces": {}, "landlock alone": {namespaces: true}} {
		t.Run(name, func(t *testing.T) {
			w := withTool(t, lack, "go", goModule)
			build := command.Command{Shell: "go build -x ./... && go vet ./tally.go && go list ./...", Env: map[string]string{"GOFLAGS": "-mod=readonly -buildvcs=false"}, Timeout: 3 * time.Minute}
			cold := w.run(build)
			if !cold.Passed() || !bytes.Contains(cold.Output, []byte("/compile ")) || !bytes.Contains(cold.Stdout, []byte("example.com/tally\n")) {
				t.Fatalf("have exit %d\n%s", cold.Exit, cold.Output)
			}
			warm := w.run(build)
			if !warm.Passed() || bytes.Contains(warm.Output, []byte("/compile ")) {
				t.Errorf("have exit %d, want the build cache of the first run used\n%s", warm.Exit, warm.Output)
			}
			if result := w.run(command.Command{Shell: "touch $(go env GOROOT)/src/x || touch $(go env GOMODCACHE)/x"}); result.Passed() {
				t.Error("the toolchain or the module cache could be written")
			}
		})
	}
}

// Two runs at once do not lie over one cache.
func TestToolGoTwiceAtOnce(t *testing.T) {
	w := withTool(t, lacking{}, "go", goModule)
	host := parseEnv(os.Environ())
	host["GOCACHE"] = openDir(t)
	s, err := New(Options{HostEnv: host.list(), CacheDir: w.sandbox.options.CacheDir, ReadGoCache: true})
	if err != nil {
		t.Fatal(err)
	}
	second := openDir(t)
	if err := os.CopyFS(second, os.DirFS(w.dir)); err != nil {
		t.Fatal(err)
	}
	failed := make(chan error, 2)
	for _, dir := range []string{w.dir, second} {
		go func() {
			result, err := s.Run(context.Background(), command.Command{Shell: "go build ./... && stat -f -c %T $GOCACHE && echo $GOCACHE", Dir: dir})
			if err == nil && !result.Passed() {
				err = errors.New(string(result.Output))
			}
			failed <- err
		}()
	}
	for range 2 {
		if err := <-failed; err != nil {
			t.Error(err)
		}
	}
}

// With the host's cache below, nothing of the standard library is built again,
// and the host's cache does not change.
func TestToolGoReadsTheHostsBuildCache(t *testing.T) {
	w := withTool(t, lacking{}, "go", goModule)
	hostCache := goBuildCache(parseEnv(os.Environ()))
	if hostCache == "" {
		t.Skip("this machine has no Go build cache")
	}
	fill := exec.Command("go", "test", "-c", "-o", os.DevNull, "./...")
	fill.Dir = w.dir
	fill.Env = append(os.Environ(), "GOFLAGS=-buildvcs=false", "GOPROXY=off", "GOTOOLCHAIN=local")
	if text, err := fill.CombinedOutput(); err != nil {
		t.Fatalf("filling the host's cache: %v\n%s", err, text)
	}
	s, err := New(Options{HostEnv: os.Environ(), CacheDir: w.sandbox.options.CacheDir, ReadGoCache: true})
	if err != nil {
		t.Fatal(err)
	}
	w.sandbox = s
	for range 2 {
		result := w.run(command.Command{Shell: "go test -x ./...", Env: map[string]string{"GOFLAGS": "-buildvcs=false"}})
		if built := bytes.Count(result.Output, []byte("/compile ")); !result.Passed() || built > 3 {
			t.Errorf("have exit %d and %d packages compiled, want those of the module alone\n%s", result.Exit, built, result.Output)
		}
	}

	entries, err := filepath.Glob(filepath.Join(hostCache, "??", "*-d"))
	if err != nil || len(entries) == 0 {
		t.Fatalf("have no entries in %s: %v", hostCache, err)
	}
	before, err := os.ReadFile(entries[0])
	if err != nil {
		t.Fatal(err)
	}
	name, _ := filepath.Rel(hostCache, entries[0])
	spoil := command.Command{Shell: `cd "$GOCACHE" && test -s ` + name + ` && rm -f ` + name + ` && echo poison > ` + name + ` && echo poison > 00/poison`}
	if result := w.run(spoil); !result.Passed() {
		t.Errorf("have exit %d, want a private layer that can be spoiled\n%s", result.Exit, result.Output)
	}
	if after, err := os.ReadFile(entries[0]); err != nil || !bytes.Equal(after, before) || exists(filepath.Join(hostCache, "00", "poison")) {
		t.Errorf("the host's build cache was changed: %v", err)
	}
}

// A module of the machine's own cache is found without network, and is
// read-only.
func TestToolGoModuleCache(t *testing.T) {
	w := withTool(t, lacking{}, "go", map[string]string{
		"go.mod":  "module example.com/x\n\ngo 1.21\n\nrequire example.com/dep v1.0.0\n",
		"go.sum":  "",
		"main.go": "package main\n\nimport \"example.com/dep\"\n\nfunc main() { println(dep.Name) }\n",
	})
	mods := openDir(t)
	dep := filepath.Join(mods, "example.com", "dep@v1.0.0")
	download := filepath.Join(mods, "cache", "download", "example.com", "dep", "@v")
	if err := errors.Join(
		os.MkdirAll(dep, 0o755), os.MkdirAll(download, 0o755),
		os.WriteFile(filepath.Join(dep, "go.mod"), []byte("module example.com/dep\n"), 0o444),
		os.WriteFile(filepath.Join(dep, "dep.go"), []byte("package dep\n\nconst Name = \"dep\"\n"), 0o444),
		os.WriteFile(filepath.Join(download, "v1.0.0.mod"), []byte("module example.com/dep\n"), 0o444),
		os.WriteFile(filepath.Join(download, "v1.0.0.ziphash"), []byte("h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="), 0o444),
		os.WriteFile(filepath.Join(download, "v1.0.0.info"), []byte(`{"Version":"v1.0.0"}`), 0o444),
	); err != nil {
		t.Fatal(err)
	}
	s, err := New(Options{HostEnv: append(os.Environ(), "GOMODCACHE="+mods), CacheDir: w.sandbox.options.CacheDir})
	if err != nil {
		t.Fatal(err)
	}
	w.sandbox = s
	result := w.run(command.Command{Shell: "go list -deps -f '{{.Dir}}' . | grep dep@", Env: map[string]string{"GOFLAGS": "-mod=mod", "GOSUMDB": "off"}})
	if !bytes.Contains(result.Stdout, []byte(dep)) {
		t.Errorf("have %d\n%s\nwant the module in %s", result.Exit, result.Output, dep)
	}
	if result := w.run(command.Command{Shell: "chmod -R u+w " + mods + "; echo evil >> " + filepath.Join(dep, "dep.go")}); result.Passed() {
		t.Error("the module cache could be changed")
	}
}

func TestToolNode(t *testing.T) {
	for name, lack := range map[string]lacking{"namespaces": {}, "landlock alone": {namespaces: true}} {
		t.Run(name, func(t *testing.T) {
			w := withTool(t, lack, "npm", map[string]string{
				"package.json": `{"name":"x","version":"1.0.0","scripts":{"test":"node test.js"}}`,
				"test.js":      `require("fs").writeFileSync("out.txt","x"); console.log("cpus", require("os").cpus().length > 0); require("child_process").execSync("node -e 1")`,
			})
			result := w.run(command.Command{Argv: []string{"npm", "test"}})
			if !result.Passed() || !bytes.Contains(result.Stdout, []byte("cpus true")) {
				t.Errorf("have exit %d\n%s", result.Exit, result.Output)
			}
		})
	}
}

func BenchmarkTrivialCommand(b *testing.B) {
	for name, lack := range map[string]lacking{"namespaces": {}, "landlock": {namespaces: true}} {
		b.Run(name, func(b *testing.B) {
			s, err := New(Options{HostEnv: os.Environ(), lack: lack})
			if err != nil {
				b.Skip(err)
			}
			dir := b.TempDir()
			for b.Loop() {
				if _, err := s.Run(context.Background(), command.Command{Argv: []string{"true"}, Dir: dir}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		if _, err := New(Options{HostEnv: os.Environ()}); err != nil {
			b.Fatal(err)
		}
	}
}
