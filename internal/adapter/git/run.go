package git

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Errors callers branch on with errors.Is.
var (
	// ErrDoesNotApply says that a patch does not fit the tree it was meant for.
	// Nothing was guessed and nothing written.
	ErrDoesNotApply = errors.New("patch does not apply")
	// ErrShallow says that history is cut off where the answer would depend on it.
	ErrShallow = errors.New("history is shallow")
	// ErrSHA256 says that a repository uses SHA-256 object names, which are not supported.
	ErrSHA256 = errors.New("repository uses sha-256 object names")
	// ErrNotFound says that a revision or object does not exist.
	ErrNotFound = errors.New("not found")
	// ErrTooLarge says that git answered with more than the bound of the call.
	ErrTooLarge = errors.New("output too large")
	// ErrNotLinear says that a head does not descend from its base by first parents alone.
	ErrNotLinear = errors.New("not a linear chain")
	// ErrFsck says that objects break git's own rules; the message is git's.
	ErrFsck = errors.New("malformed objects")
)

// maxOutput bounds what one git command may print, in bytes.
const maxOutput = 256 << 20

// maxStderr bounds what is kept of git's complaints, in bytes.
const maxStderr = 16 << 10

// killDelay is how long pipes may stay open after the process group was killed.
const killDelay = 2 * time.Second

// Failure is a git command that ended with an error. Command is the subcommand
// only: arguments may hold names chosen by strangers.
type Failure struct {
	Command string
	Code    int    // exit code, -1 when killed
	Stderr  string // bounded, token removed
}

// Error gives the command and git's first lines.
func (f *Failure) Error() string {
	text := strings.TrimSpace(f.Stderr)
	if len(text) > 600 {
		text = text[:600] + "..."
	}
	return fmt.Sprintf("git %s: exit %d: %s", f.Command, f.Code, strings.ToValidUTF8(text, "?"))
}

// command is one run of git.
type command struct {
	args      []string
	dir       string   // GIT_DIR, empty for none
	env       []string // further variables
	stdin     io.Reader
	max       int64  // bound of stdout, maxOutput when 0
	token     string // removed from complaints
	transport bool   // may talk to other repositories
	config    []setting
}

type setting struct{ key, value string }

// hardened outranks every configuration file, since git reads settings from the
// environment last.
var hardened = []setting{
	{"core.hooksPath", "/dev/null"},
	{"core.fsmonitor", "false"},
	{"core.untrackedCache", "false"},
	{"core.attributesFile", "/dev/null"},
	{"core.excludesFile", "/dev/null"},
	{"core.sshCommand", "false"},
	{"core.gitProxy", "none"},
	{"core.alternateRefsCommand", "true"},
	{"core.askPass", "true"},
	{"core.editor", "false"},
	{"core.pager", "cat"},
	{"core.autocrlf", "false"},
	{"core.eol", "lf"},
	{"core.safecrlf", "false"},
	{"core.symlinks", "true"},
	{"core.fileMode", "true"},
	{"core.ignoreCase", "false"},
	{"core.precomposeUnicode", "false"},
	{"core.protectHFS", "true"},
	{"core.protectNTFS", "true"},
	{"core.sparseCheckout", "false"},
	{"core.splitIndex", "false"},
	{"core.commitGraph", "false"},    // a planted graph could lie about parents
	{"core.multiPackIndex", "false"}, // as could a planted index
	{"core.quotePath", "false"},
	{"core.bigFileThreshold", "512m"},
	{"credential.helper", ""},
	{"commit.gpgSign", "false"},
	{"gpg.program", "false"},
	{"gpg.ssh.program", "false"},
	{"diff.external", ""},
	{"diff.ignoreSubmodules", "all"}, // never look into a nested repository
	{"diff.algorithm", "myers"},
	{"diff.noprefix", "false"},
	{"diff.mnemonicPrefix", "false"},
	{"diff.relative", "false"},
	{"diff.orderFile", "/dev/null"},
	{"diff.interHunkContext", "0"},
	{"diff.suppressBlankEmpty", "false"},
	{"apply.whitespace", "nowarn"},
	{"apply.ignoreWhitespace", "no"},
	{"submodule.recurse", "false"},
	{"fetch.recurseSubmodules", "false"},
	{"push.recurseSubmodules", "no"},
	{"push.gpgSign", "false"},
	{"push.followTags", "false"},
	{"fetch.writeCommitGraph", "false"},
	{"fetch.prune", "false"},
	{"gc.auto", "0"},
	{"maintenance.auto", "false"},
	{"protocol.version", "2"},
	{"protocol.allow", "never"},
	{"protocol.ext.allow", "never"},
	{"transfer.fsckObjects", "true"},
	{"fetch.fsckObjects", "true"},
	{"receive.fsckObjects", "true"},
	{"http.followRedirects", "false"}, // a token must not follow one
	{"http.cookieFile", ""},
	{"http.saveCookies", "false"},
	{"http.emptyAuth", "false"},
	{"http.lowSpeedLimit", "1000"},
	{"http.lowSpeedTime", "60"},
	{"safe.directory", "*"}, // owners differ in containers; nothing here runs the owner's code
	{"safe.bareRepository", "all"},
	{"init.templateDir", ""},
	{"init.defaultBranch", "main"},
	{"core.logAllRefUpdates", "false"},
}

// oldHistory are faults that widespread old commits have and that do no harm;
// for these a transfer only warns. FsckRange is strict about new ones.
var oldHistory = []string{"missingSpaceBeforeDate", "badTimezone", "missingEmail", "zeroPaddedFilemode",
	"missingNameBeforeEmail", "badDate", "missingSpaceBeforeEmail", "zeroPaddedDate", "badName"}

// inherited are the variables of the process that git gets to see: where
// programs and temporary files are, and how to get out through a proxy.
var inherited = []string{"PATH", "TMPDIR", "http_proxy", "https_proxy", "HTTPS_PROXY", "no_proxy", "NO_PROXY",
	"all_proxy", "ALL_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO", "GIT_EXEC_PATH"}

// environment is everything git sees.
func (c command) environment() []string {
	protocols := "none" // a value that names no protocol: also stops lazy fetches of a partial clone
	if c.transport {
		protocols = "https:http:file"
	}
	env := []string{
		"HOME=/nonexistent", "XDG_CONFIG_HOME=/nonexistent", // keeps .netrc and user attributes away
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_SYSTEM=/dev/null", "GIT_CONFIG_GLOBAL=/dev/null",
		"GIT_ATTR_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=true", "SSH_ASKPASS=true",
		"GIT_NO_REPLACE_OBJECTS=1", "GIT_GRAFT_FILE=/dev/null", "GIT_NO_LAZY_FETCH=1",
		"GIT_OPTIONAL_LOCKS=0", "GIT_LITERAL_PATHSPECS=1", "GIT_PAGER=cat", "GIT_EDITOR=false",
		"GIT_SSH_COMMAND=false", "GIT_ALLOW_PROTOCOL=" + protocols, "GIT_PROTOCOL_FROM_USER=0",
		"GIT_DISCOVERY_ACROSS_FILESYSTEM=0", "GIT_CEILING_DIRECTORIES=/", "GIT_ADVICE=0",
		"LC_ALL=C", "TZ=UTC",
	}
	for _, name := range inherited {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	if c.dir != "" {
		env = append(env, "GIT_DIR="+c.dir)
	}
	env = append(env, c.env...)
	return append(env, c.configuration()...)
}

// configuration writes settings the way git reads them from the environment;
// see "GIT_CONFIG_COUNT" in git-config(1).
func (c command) configuration() []string {
	all := append([]setting{}, hardened...)
	for _, id := range oldHistory {
		all = append(all, setting{"fetch.fsck." + id, "warn"})
	}
	if c.transport {
		for _, name := range []string{"https", "http", "file"} {
			all = append(all, setting{"protocol." + name + ".allow", "always"})
		}
	}
	all = append(all, c.config...)
	env := []string{"GIT_CONFIG_COUNT=" + strconv.Itoa(len(all))}
	for i, s := range all {
		n := strconv.Itoa(i)
		env = append(env, "GIT_CONFIG_KEY_"+n+"="+s.key, "GIT_CONFIG_VALUE_"+n+"="+s.value)
	}
	return env
}

// start prepares the process in a group of its own, so that a cancelled context
// takes children such as git-remote-https along.
func (c command) start(ctx context.Context) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", c.args...)
	cmd.Env = c.environment()
	cmd.Dir = "/"
	cmd.Stdin = c.stdin
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = killDelay
	return cmd
}

// run gives what git printed.
func (c command) run(ctx context.Context) ([]byte, error) {
	if c.max == 0 {
		c.max = maxOutput
	}
	// The bound ends git at once instead of letting it fill a pipe nobody reads.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	cmd := c.start(ctx)
	stdout := &bounded{max: c.max, full: func() { cancel(ErrTooLarge) }}
	stderr := &bounded{max: maxStderr}
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Run(); err != nil {
		return nil, c.failure(ctx, err, stderr.String())
	}
	if stdout.over {
		return nil, fmt.Errorf("git %s: %w: more than %d bytes", c.args[0], ErrTooLarge, c.max)
	}
	return stdout.Bytes(), nil
}

func (c command) failure(ctx context.Context, err error, stderr string) error {
	if cause := context.Cause(ctx); cause != nil {
		return fmt.Errorf("git %s: %w", c.args[0], cause)
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return fmt.Errorf("starting git %s: %w", c.args[0], err)
	}
	return &Failure{Command: c.args[0], Code: exit.ExitCode(), Stderr: c.redact(stderr)}
}

// redact takes the token out in both forms it travels in.
func (c command) redact(text string) string {
	if c.token == "" {
		return text
	}
	for _, form := range []string{c.token, basic(c.token)} {
		text = strings.ReplaceAll(text, form, "***")
	}
	return text
}

func basic(token string) string {
	return base64.StdEncoding.EncodeToString([]byte("x-access-token:" + token))
}

// bounded keeps the first max bytes and swallows the rest.
type bounded struct {
	bytes.Buffer
	max  int64
	over bool
	full func()
}

// Write never fails, so that a full buffer is told apart from a broken pipe.
func (b *bounded) Write(p []byte) (int, error) {
	room := b.max - int64(b.Len())
	if int64(len(p)) > room {
		b.Buffer.Write(p[:room])
		if !b.over && b.full != nil {
			b.full()
		}
		b.over = true
		return len(p), nil
	}
	return b.Buffer.Write(p)
}

// ReadFrom hides the buffer's own, which knows no bound.
func (b *bounded) ReadFrom(r io.Reader) (int64, error) { return io.Copy(writerOnly{b}, r) }

type writerOnly struct{ io.Writer }

// remote checks a repository's address and gives the settings that authenticate
// for it. Addresses with a user part are refused: a token in them would show up
// in process lists and messages.
func remote(address, token string) (string, []setting, error) {
	if strings.HasPrefix(address, "/") {
		return "file://" + address, nil, nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", nil, errors.New("remote address is not a URL")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", nil, fmt.Errorf("remote address %s://%s%s has a user or query part: give the token apart", u.Scheme, u.Host, u.Path)
	}
	switch u.Scheme {
	case "https", "http", "file":
	default:
		return "", nil, fmt.Errorf("remote address has scheme %q; allowed are file, http, https", u.Scheme)
	}
	if token == "" || u.Scheme == "file" {
		return u.String(), nil, nil
	}
	if strings.ContainsAny(token, "\r\n\x00") {
		return "", nil, errors.New("token holds a line break")
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		return "", nil, fmt.Errorf("remote address http://%s would send the token in the clear", u.Host)
	}
	// The scope keeps the header from going to any other host.
	scope := "http." + u.Scheme + "://" + u.Host + "/.extraHeader"
	return u.String(), []setting{{scope, "Authorization: Basic " + basic(token)}}, nil
}

func loopback(host string) bool {
	return host == "localhost" || host == "::1" || strings.HasPrefix(host, "127.")
}
