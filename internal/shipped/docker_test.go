package shipped

import (
	"debug/elf"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// instruction is one line of a Dockerfile.
type instruction struct{ name, rest string }

func dockerfile(t *testing.T) []instruction {
	t.Helper()
	f, err := os.Open(abs(t, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	parsed, err := parser.Parse(f)
	if err != nil {
		t.Fatal(err)
	}
	if len(parsed.Warnings) > 0 {
		t.Errorf("the parser warns: %v", parsed.Warnings)
	}
	var list []instruction
	for _, n := range parsed.AST.Children {
		name, rest, _ := strings.Cut(n.Original, " ")
		list = append(list, instruction{strings.ToUpper(name), rest})
	}
	return list
}

// The image is built in stages from pinned bases; what is shipped is the
// program on nothing, run by a user that is not root.
func TestDockerfile(t *testing.T) {
	pinned := regexp.MustCompile(`^(scratch|[a-z]+:\d+\.\d+[\w.-]*( AS [a-z]+)?)$`)
	var stage, user, entry, builds string
	for _, in := range dockerfile(t) {
		switch in.name {
		case "FROM":
			stage, user, entry = in.rest, "", ""
			if !pinned.MatchString(in.rest) {
				t.Errorf("FROM %s: want a tag with a minor version", in.rest)
			}
		case "USER":
			user = in.rest
		case "ENTRYPOINT":
			entry = in.rest
		case "RUN":
			builds += in.rest + "\n"
		case "ADD":
			t.Errorf("ADD %s: COPY says what it does", in.rest)
		}
	}
	if stage != "scratch" || user != "65532:65532" || entry != `["/seedbed"]` {
		t.Errorf("the last stage is %q, user %q, entry %q", stage, user, entry)
	}
	if !strings.Contains(builds, "CGO_ENABLED=0 go build -trimpath") {
		t.Errorf("the program is not built static:\n%s", builds)
	}
	toolchain := regexp.MustCompile(`(?m)^go (\S+)$`).FindStringSubmatch(read(t, abs(t, "go.mod")))
	if first := dockerfile(t)[0].rest; toolchain == nil || !strings.HasPrefix(first, "golang:"+toolchain[1]+"-") {
		t.Errorf("the image builds with %q, go.mod wants %q", first, toolchain)
	}
}

// What the image holds works on nothing at all: no libraries, no shell, no
// users, no /proc.
func TestBinaryInAnEmptyRoot(t *testing.T) {
	file, err := elf.Open(binary(t))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if libs, err := file.ImportedLibraries(); err != nil || len(libs) > 0 || file.Section(".interp") != nil {
		t.Errorf("not static: libraries %q, %v", libs, err)
	}
	if os.Getuid() != 0 {
		t.Skip("not run: an empty root needs root")
	}
	dir := t.TempDir()
	copyProgram(t, binary(t), filepath.Join(dir, "seedbed"))
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("/seedbed", "version")
	cmd.Dir, cmd.Env = "/", []string{}
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: dir, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "seedbed ") {
		t.Errorf("seedbed version in an empty root: %v: %s", err, out)
	}
}

func copyProgram(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(out, in); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
}
