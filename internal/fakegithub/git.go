package fakegithub

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// gitTime bounds one git command.
const gitTime = 60 * time.Second

// zeroSHA stands for "no object" in ref updates, as in git itself.
const zeroSHA = "0000000000000000000000000000000000000000"

// emptyTree is git's well-known tree without entries.
const emptyTree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

var errNoObject = errors.New("no such object")

// gitError is a git command that ended with a status other than 0.
type gitError struct {
	args   []string
	code   int
	stderr string
}

func (e *gitError) Error() string {
	return fmt.Sprintf("git %s: exit %d: %s", strings.Join(e.args, " "), e.code, strings.TrimSpace(e.stderr))
}

// gitEnv is the whole environment of git's children: no user or system
// configuration, no prompts, no hooks, one language and one time zone.
func gitEnv() []string {
	return append([]string{
		"PATH=" + os.Getenv("PATH"),
		"HOME=" + os.DevNull, "LC_ALL=C", "TZ=UTC",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + os.DevNull, "GIT_ATTR_NOSYSTEM=1",
		"GIT_TERMINAL_PROMPT=0", "GIT_OPTIONAL_LOCKS=0", "GIT_NO_REPLACE_OBJECTS=1",
	}, gitConfigEnv(
		"core.hooksPath", os.DevNull,
		"core.attributesFile", os.DevNull,
		"core.fsmonitor", "false",
		"core.logAllRefUpdates", "false",
		"core.quotePath", "false",
		"gc.auto", "0",
		"maintenance.auto", "false",
		"receive.autogc", "false",
		"http.receivepack", "true",
		"uploadpack.allowAnySHA1InWant", "true",
		"uploadpack.allowFilter", "true",
		"commit.gpgSign", "false",
		"init.defaultBranch", "main",
	)...)
}

// gitConfigEnv passes settings by GIT_CONFIG_COUNT, which outranks every file.
func gitConfigEnv(pairs ...string) []string {
	env := []string{"GIT_CONFIG_COUNT=" + strconv.Itoa(len(pairs)/2)}
	for i := 0; i+1 < len(pairs); i += 2 {
		n := strconv.Itoa(i / 2)
		env = append(env, "GIT_CONFIG_KEY_"+n+"="+pairs[i], "GIT_CONFIG_VALUE_"+n+"="+pairs[i+1])
	}
	return env
}

// gitRepo runs git on one bare repository.
type gitRepo struct {
	ctx  context.Context
	dir  string
	bin  string
	env  []string
	mu   sync.Mutex
	cat  *catFile
	memo map[string][]byte
}

// run gives a command's output; a non-zero end is a *gitError.
func (g *gitRepo) run(stdin []byte, args ...string) ([]byte, error) {
	return g.runEnv(nil, stdin, args...)
}

func (g *gitRepo) runEnv(env []string, stdin []byte, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(g.ctx, gitTime)
	defer cancel()
	cmd := exec.CommandContext(ctx, g.bin, args...)
	cmd.Dir = g.dir
	cmd.Env = append(append(append([]string{}, g.env...), "GIT_DIR="+g.dir), env...)
	cmd.WaitDelay = time.Second
	if stdin != nil {
		cmd.Stdin = bytes.NewReader(stdin)
	}
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := cmd.Run(); err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			return out.Bytes(), &gitError{args, exit.ExitCode(), errOut.String()}
		}
		return nil, fmt.Errorf("running git %s: %w", args[0], err)
	}
	return out.Bytes(), nil
}

// fixed runs a command whose arguments are full object names, so that its
// output can never change, and remembers it.
func (g *gitRepo) fixed(args ...string) ([]byte, error) {
	key := strings.Join(args, "\x00")
	g.mu.Lock()
	out, ok := g.memo[key]
	g.mu.Unlock()
	if ok {
		return out, nil
	}
	out, err := g.run(nil, args...)
	if err != nil {
		return out, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.memo == nil || len(g.memo) > 2000 {
		g.memo = map[string][]byte{}
	}
	g.memo[key] = out
	return out, nil
}

// catFile is a long-lived `git cat-file --batch`: most reads need no new process.
type catFile struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func (g *gitRepo) startCat() (*catFile, error) {
	cmd := exec.CommandContext(g.ctx, g.bin, "cat-file", "--batch")
	cmd.Dir, cmd.Env, cmd.WaitDelay = g.dir, append(append([]string{}, g.env...), "GIT_DIR="+g.dir), time.Second
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("starting git cat-file: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("starting git cat-file: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting git cat-file: %w", err)
	}
	return &catFile{cmd, in, bufio.NewReader(out)}, nil
}

// object reads an object by full name or full ref name. errNoObject when there is none.
func (g *gitRepo) object(name string) (sha, kind string, data []byte, err error) {
	if name == "" || strings.ContainsAny(name, "\n\x00 ") {
		return "", "", nil, errNoObject
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cat == nil {
		if g.cat, err = g.startCat(); err != nil {
			return "", "", nil, err
		}
	}
	sha, kind, data, err = g.cat.read(name)
	if err != nil && !errors.Is(err, errNoObject) {
		g.stopCat()
		err = fmt.Errorf("reading object %s: %w", name, err)
	}
	return sha, kind, data, err
}

func (c *catFile) read(name string) (sha, kind string, data []byte, err error) {
	if _, err := io.WriteString(c.in, name+"\n"); err != nil {
		return "", "", nil, err
	}
	line, err := c.out.ReadString('\n')
	if err != nil {
		return "", "", nil, err
	}
	f := strings.Fields(line)
	if len(f) != 3 || f[1] == "missing" {
		return "", "", nil, errNoObject
	}
	size, err := strconv.Atoi(f[2])
	if err != nil {
		return "", "", nil, errNoObject
	}
	data = make([]byte, size+1)
	if _, err := io.ReadFull(c.out, data); err != nil {
		return "", "", nil, err
	}
	return f[0], f[1], data[:size], nil
}

// stopCat ends the reader; the caller holds the lock.
func (g *gitRepo) stopCat() {
	if g.cat == nil {
		return
	}
	g.cat.in.Close()
	g.cat.cmd.Process.Kill()
	g.cat.cmd.Wait()
	g.cat = nil
}

func (g *gitRepo) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stopCat()
}

// signature is who and when in a commit or tag.
type signature struct {
	Name, Email string
	When        time.Time
}

func (s signature) String() string {
	return fmt.Sprintf("%s <%s> %d %s", s.Name, s.Email, s.When.Unix(), s.When.Format("-0700"))
}

type gitCommit struct {
	SHA       string
	Tree      string
	Parents   []string
	Author    signature
	Committer signature
	Message   string
	Signature string
}

// commit reads a commit by full name or full ref name.
func (g *gitRepo) commit(name string) (*gitCommit, error) {
	sha, kind, data, err := g.object(name)
	if err != nil {
		return nil, err
	}
	if kind == "tag" {
		for _, line := range strings.Split(string(data), "\n") {
			if target, ok := strings.CutPrefix(line, "object "); ok {
				return g.commit(target)
			}
		}
	}
	if kind != "commit" {
		return nil, errNoObject
	}
	return parseCommit(sha, string(data)), nil
}

func parseCommit(sha, text string) *gitCommit {
	head, message, _ := strings.Cut(text, "\n\n")
	c := &gitCommit{SHA: sha, Message: message}
	last := ""
	for _, line := range strings.Split(head, "\n") {
		if rest, ok := strings.CutPrefix(line, " "); ok {
			if last == "gpgsig" {
				c.Signature += "\n" + rest
			}
			continue
		}
		key, value, _ := strings.Cut(line, " ")
		last = key
		switch key {
		case "tree":
			c.Tree = value
		case "parent":
			c.Parents = append(c.Parents, value)
		case "author":
			c.Author = parseSignature(value)
		case "committer":
			c.Committer = parseSignature(value)
		case "gpgsig":
			c.Signature = value
		}
	}
	return c
}

func parseSignature(s string) signature {
	name, rest, _ := strings.Cut(s, " <")
	email, when, _ := strings.Cut(rest, "> ")
	seconds, _, _ := strings.Cut(when, " ")
	n, _ := strconv.ParseInt(seconds, 10, 64)
	return signature{name, email, time.Unix(n, 0).UTC()}
}

// writeObject stores an object as it stands and gives its name.
func (g *gitRepo) writeObject(kind string, data []byte) (string, error) {
	out, err := g.run(data, "hash-object", "-w", "-t", kind, "--stdin")
	if err != nil {
		return "", fmt.Errorf("writing a %s: %w", kind, err)
	}
	return strings.TrimSpace(string(out)), nil
}

// writeCommit keeps the message byte for byte, which commit-tree would not.
func (g *gitRepo) writeCommit(c gitCommit) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "tree %s\n", c.Tree)
	for _, p := range c.Parents {
		fmt.Fprintf(&b, "parent %s\n", p)
	}
	fmt.Fprintf(&b, "author %s\ncommitter %s\n\n%s", c.Author, c.Committer, c.Message)
	return g.writeObject("commit", []byte(b.String()))
}

// resolve gives the object a full ref name points at, or "" when there is no such ref.
func (g *gitRepo) resolve(ref string) string {
	if !strings.HasPrefix(ref, "refs/") {
		return ""
	}
	if !plainRef(ref) {
		return ""
	}
	sha, _, _, err := g.object(ref)
	if err != nil {
		return ""
	}
	return sha
}

// plainRef keeps revision syntax (main~1, @{u}, a:b) out of git's hands.
func plainRef(ref string) bool {
	if ref == "" || len(ref) > 1000 || strings.HasSuffix(ref, "/") || strings.HasSuffix(ref, ".lock") ||
		strings.HasSuffix(ref, ".") || strings.Contains(ref, "..") || strings.Contains(ref, "@{") ||
		strings.Contains(ref, "//") || strings.HasPrefix(ref, "-") || strings.HasPrefix(ref, "/") {
		return false
	}
	for _, part := range strings.Split(ref, "/") {
		if part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".lock") {
			return false
		}
	}
	for _, c := range ref {
		if c < 0x21 || c == 0x7f || strings.ContainsRune("~^:?*[\\", c) {
			return false
		}
	}
	return true
}

func isSHA(s string) bool {
	if len(s) != 40 {
		return false
	}
	return strings.Trim(s, "0123456789abcdef") == ""
}

// commitish finds a commit the way GitHub reads `ref` parameters: a branch, a
// tag, a name with or without refs/, or a commit's name (seven digits or more).
func (g *gitRepo) commitish(name string) *gitCommit {
	if !plainRef(name) {
		return nil
	}
	for _, full := range []string{"refs/heads/" + name, "refs/tags/" + name, "refs/" + name, name} {
		if !strings.HasPrefix(full, "refs/") && strings.Trim(full, "0123456789abcdefABCDEF") != "" {
			continue
		}
		if !strings.HasPrefix(full, "refs/") && len(full) < 7 {
			continue
		}
		if c, err := g.commit(full); err == nil {
			return c
		}
	}
	return nil
}

// updateRef moves a ref from old to new by compare-and-swap. zeroSHA as old
// means "must not exist", as new it deletes; "" as old means "whatever it is".
func (g *gitRepo) updateRef(ref, sha, old string) error {
	args := []string{"update-ref", "--no-deref"}
	if sha == zeroSHA {
		args = append(args, "-d", ref)
	} else {
		args = append(args, ref, sha)
	}
	if old != "" {
		args = append(args, old)
	}
	_, err := g.run(nil, args...)
	return err
}

type gitRef struct{ Name, SHA, Type string }

// refs lists the refs under a prefix, sorted by name. The prefix need not end
// at a slash.
func (g *gitRepo) refs(prefix string) ([]gitRef, error) {
	args := []string{"for-each-ref", "--format=%(refname) %(objectname) %(objecttype)"}
	if i := strings.LastIndex(prefix, "/"); i > 0 && plainRef(prefix[:i]) {
		args = append(args, prefix[:i])
	}
	out, err := g.run(nil, args...)
	if err != nil {
		return nil, fmt.Errorf("listing refs: %w", err)
	}
	var refs []gitRef
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		f := strings.Fields(line)
		if len(f) == 3 && strings.HasPrefix(f[0], prefix) {
			refs = append(refs, gitRef{f[0], f[1], f[2]})
		}
	}
	return refs, nil
}

// mergeBase is the best common ancestor, or "" for unrelated histories.
func (g *gitRepo) mergeBase(a, b string) string {
	out, err := g.fixed("merge-base", a, b)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

func (g *gitRepo) isAncestor(a, b string) bool { return a == b || g.mergeBase(a, b) == a }

// revList lists commits reachable from head and not from any of not, newest first.
func (g *gitRepo) revList(head string, not ...string) ([]string, error) {
	args := []string{"rev-list", "--topo-order", head}
	for _, n := range not {
		if n != "" {
			args = append(args, "^"+n)
		}
	}
	out, err := g.fixed(args...)
	if err != nil {
		return nil, fmt.Errorf("listing commits: %w", err)
	}
	return strings.Fields(string(out)), nil
}

type treeEntry struct {
	Mode, Type, SHA, Path string
	Size                  int
}

// tree lists a tree's entries; recursive includes the subtrees' own entries.
func (g *gitRepo) tree(sha string, recursive bool) ([]treeEntry, error) {
	args := []string{"ls-tree", "-z", "-l", sha}
	if recursive {
		args = []string{"ls-tree", "-z", "-l", "-r", "-t", sha}
	}
	out, err := g.fixed(args...)
	if err != nil {
		return nil, fmt.Errorf("listing tree %s: %w", sha, err)
	}
	var entries []treeEntry
	for _, rec := range strings.Split(string(out), "\x00") {
		meta, path, ok := strings.Cut(rec, "\t")
		f := strings.Fields(meta)
		if !ok || len(f) != 4 {
			continue
		}
		size, _ := strconv.Atoi(f[3])
		entries = append(entries, treeEntry{f[0], f[1], f[2], path, size})
	}
	return entries, nil
}

// entry finds a path in a tree; nil when it is not there.
func (g *gitRepo) entry(tree, path string) *treeEntry {
	out, err := g.fixed("ls-tree", "-z", "-l", "--full-tree", tree, "--", path)
	if err != nil {
		return nil
	}
	meta, name, ok := strings.Cut(strings.TrimSuffix(string(out), "\x00"), "\t")
	f := strings.Fields(meta)
	if !ok || len(f) != 4 || name != path {
		return nil
	}
	size, _ := strconv.Atoi(f[3])
	return &treeEntry{f[0], f[1], f[2], name, size}
}

// change is one path to set (Mode and SHA) or to remove (SHA empty).
type treeChange struct{ Mode, SHA, Path string }

// writeTree applies changes to a base tree ("" for none) in a scratch index.
func (g *gitRepo) writeTree(base string, changes []treeChange) (string, error) {
	dir, err := os.MkdirTemp("", "fakegithub-index-")
	if err != nil {
		return "", fmt.Errorf("making a scratch index: %w", err)
	}
	defer os.RemoveAll(dir)
	env := []string{"GIT_INDEX_FILE=" + filepath.Join(dir, "index")}
	if base != "" {
		if _, err := g.runEnv(env, nil, "read-tree", base); err != nil {
			return "", fmt.Errorf("reading base tree %s: %w", base, err)
		}
	}
	var files bytes.Buffer
	for _, c := range changes {
		if c.SHA == "" || c.Mode == "040000" {
			if err := g.dropPath(env, base, c.Path, &files); err != nil {
				return "", err
			}
		}
		if c.SHA == "" {
			continue
		}
		if c.Mode == "040000" {
			if err := g.graft(c, &files); err != nil {
				return "", err
			}
			continue
		}
		fmt.Fprintf(&files, "%s %s\t%s\x00", c.Mode, c.SHA, c.Path)
	}
	if files.Len() > 0 {
		if _, err := g.runEnv(env, files.Bytes(), "update-index", "-z", "--index-info"); err != nil {
			return "", fmt.Errorf("applying tree changes: %w", err)
		}
	}
	out, err := g.runEnv(env, nil, "write-tree")
	if err != nil {
		return "", fmt.Errorf("writing the tree: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// dropPath removes a file, or every file under a directory.
func (g *gitRepo) dropPath(env []string, base, path string, files *bytes.Buffer) error {
	fmt.Fprintf(files, "0 %s\t%s\x00", zeroSHA, path)
	if base == "" {
		return nil
	}
	out, err := g.runEnv(env, nil, "ls-files", "-z", "--cached")
	if err != nil {
		return fmt.Errorf("listing files under %s: %w", path, err)
	}
	for _, f := range strings.Split(string(out), "\x00") {
		if strings.HasPrefix(f, path+"/") {
			fmt.Fprintf(files, "0 %s\t%s\x00", zeroSHA, f)
		}
	}
	return nil
}

// graft puts the files of an existing tree under a path.
func (g *gitRepo) graft(c treeChange, files *bytes.Buffer) error {
	entries, err := g.tree(c.SHA, true)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Type != "tree" {
			fmt.Fprintf(files, "%s %s\t%s/%s\x00", e.Mode, e.SHA, c.Path, e.Path)
		}
	}
	return nil
}

// mergeTree merges two commits without a work tree. clean is false on conflicts.
func (g *gitRepo) mergeTree(base, head string) (tree string, clean bool, err error) {
	out, err := g.fixed("merge-tree", "--write-tree", base, head)
	var ge *gitError
	if errors.As(err, &ge) && ge.code == 1 {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("merging %s into %s: %w", head, base, err)
	}
	return strings.TrimSpace(string(out)), true, nil
}
