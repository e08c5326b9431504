package fakegithub

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/cgi"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// gitPath is a request of git's smart HTTP protocol (git-http-backend(1)).
var gitPath = regexp.MustCompile(`^/([^/]+)/([^/]+?)(?:\.git)?/(info/refs|git-upload-pack|git-receive-pack)$`)

// pushLimit caps what one push may send, in bytes.
const pushLimit = 512 << 20

// gitService names the service a request asks for, "" when it is not git's.
func gitService(r *http.Request) string {
	m := gitPath.FindStringSubmatch(r.URL.Path)
	if m == nil {
		return ""
	}
	service := m[3]
	if service == "info/refs" {
		service = r.URL.Query().Get("service")
	}
	if service != "git-upload-pack" && service != "git-receive-pack" {
		return ""
	}
	return service
}

// serveGit authorizes, then lets git http-backend speak the protocol.
func (s *Server) serveGit(w http.ResponseWriter, c *call, service string, f *Fault) {
	if p := s.enterGit(c, service); p != nil {
		out := c.problem(p)
		if p.status == http.StatusUnauthorized {
			out.header = map[string]string{"WWW-Authenticate": `Basic realm="GitHub"`}
		}
		s.finish(w, c, out, f)
		return
	}
	if c.r.Method == http.MethodPost && service == "git-receive-pack" {
		s.push(w, c, f)
		return
	}
	body, size := io.Reader(c.r.Body), c.r.ContentLength
	if size < 0 {
		file, spooled, err := spool(c.r.Body, s.opt.MaxBody)
		if err != nil {
			s.finish(w, c, c.problem(refuse(413, "%v", err)), f)
			return
		}
		defer file.Close()
		body, size = file, spooled
	}
	if f != nil && (f.Kind == FaultCut || f.Kind == FaultDropAfter) {
		s.finish(w, c, c.backend(body, size), f)
		return
	}
	c.logLine(http.StatusOK, f)
	c.serveBackend(w, body, size)
}

// enterGit finds repository and caller under the lock.
func (s *Server) enterGit(c *call, service string) *problem {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := c.authenticate(); p != nil {
		return p
	}
	m := gitPath.FindStringSubmatch(c.r.URL.Path)
	c.params = map[string]string{"owner": m[1], "repo": m[2]}
	rt := &route{needs: "contents=read"}
	if service == "git-receive-pack" {
		rt.needs = "contents=write"
	}
	p := c.authorize(rt)
	if p != nil && p.status == 404 && c.actor == nil {
		return refuse(401, "Authentication required") // as GitHub: it does not tell which of the two
	}
	return p
}

// serveBackend runs git http-backend for one request and streams its answer.
func (c *call) serveBackend(w http.ResponseWriter, body io.Reader, size int64) {
	r := c.r.Clone(c.r.Context())
	r.Body, r.ContentLength, r.TransferEncoding = io.NopCloser(body), size, nil
	r.Header.Del("Authorization") // the child has no use for the token
	m := gitPath.FindStringSubmatch(r.URL.Path)
	r.URL.Path = "/" + c.repo.full() + ".git/" + m[3]
	h := &cgi.Handler{Path: c.s.git, Args: []string{"http-backend"}, Root: "/", Dir: c.s.root, Stderr: io.Discard, Env: c.backendEnv()}
	h.ServeHTTP(w, r)
}

func (c *call) backendEnv() []string {
	env := append(gitEnv(), "GIT_PROJECT_ROOT="+c.s.root, "GIT_HTTP_EXPORT_ALL=1")
	if c.actor != nil {
		env = append(env, "REMOTE_USER="+c.actor.Login)
	}
	return env
}

// backend runs git http-backend and keeps the whole answer.
func (c *call) backend(body io.Reader, size int64) reply {
	rec := &recorder{header: http.Header{}, status: http.StatusOK}
	c.serveBackend(rec, body, size)
	h := map[string]string{}
	for k := range rec.header {
		h[k] = rec.header.Get(k)
	}
	return reply{status: rec.status, raw: rec.body.Bytes(), header: h}
}

// recorder keeps an answer in memory.
type recorder struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (r *recorder) Header() http.Header                  { return r.header }
func (r *recorder) WriteHeader(status int)               { r.status = status }
func (r *recorder) Write(data []byte) (n int, err error) { return r.body.Write(data) }

// spool keeps a body in a file: its size must be known before the child is
// started, because CGI has no chunked transfer.
func spool(body io.Reader, limit int64) (*os.File, int64, error) {
	file, err := os.CreateTemp("", "fakegithub-push-")
	if err != nil {
		return nil, 0, fmt.Errorf("spooling the body: %w", err)
	}
	os.Remove(file.Name()) // stays readable until closed
	size, err := io.Copy(file, io.LimitReader(body, limit+1))
	if err == nil && size > limit {
		err = fmt.Errorf("body larger than %d bytes", limit)
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		file.Close()
		return nil, 0, fmt.Errorf("spooling the body: %w", err)
	}
	return file, size, nil
}

// push takes a pack: the commands at its head are judged first, then git does
// the work, alone, and everyone concerned is told what moved.
func (s *Server) push(w http.ResponseWriter, c *call, f *Fault) {
	body, size, err := spool(c.r.Body, pushLimit)
	if err != nil {
		s.finish(w, c, c.problem(refuse(413, "%v", err)), f)
		return
	}
	defer body.Close()
	s.finish(w, c, s.receive(c, body, size), f)
}

func (s *Server) receive(c *call, body *os.File, size int64) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	commands, caps, err := readCommands(body, c.r.Header.Get("Content-Encoding") == "gzip")
	if err != nil {
		return c.problem(refuse(400, "%v", err))
	}
	if _, err := body.Seek(0, io.SeekStart); err != nil {
		return c.failure(fmt.Errorf("reading the push again: %w", err))
	}
	if refused := c.refusedRefs(commands); len(refused) > 0 {
		return rejection(commands, refused, caps)
	}
	before := map[string]string{}
	for _, cmd := range commands {
		before[cmd.ref] = orElse(c.git.resolve(cmd.ref), zeroSHA)
	}
	out := c.backend(body, size)
	for _, cmd := range commands {
		now := orElse(c.git.resolve(cmd.ref), zeroSHA)
		if now == before[cmd.ref] {
			continue
		}
		if cmd.workflows = now != zeroSHA && strings.HasPrefix(cmd.ref, "refs/heads/") && c.touchesWorkflows(now); cmd.workflows {
			c.git.updateRef(cmd.ref, before[cmd.ref], now)
			out = rejection(commands, map[string]string{cmd.ref: "refusing to allow an integration to create or update a workflow without `workflows` permission"}, caps)
			continue
		}
		c.moved(cmd.ref, before[cmd.ref], now)
	}
	if err := s.st.store(s.root); err != nil {
		return c.failure(err)
	}
	return out
}

// command is one "old new ref" line of a push.
type command struct {
	old, sha, ref string
	workflows     bool
}

// readCommands reads the pkt-lines ahead of the pack (gitprotocol-pack(5)).
func readCommands(body io.Reader, zipped bool) ([]*command, string, error) {
	if zipped {
		z, err := gzip.NewReader(body)
		if err != nil {
			return nil, "", fmt.Errorf("reading the push: %w", err)
		}
		defer z.Close()
		body = z
	}
	var out []*command
	caps := ""
	for len(out) < 1000 {
		line, end, err := pktLine(body)
		if err != nil {
			return nil, "", fmt.Errorf("reading the push: %w", err)
		}
		if end {
			return out, caps, nil
		}
		text, c, has := strings.Cut(line, "\x00")
		if has {
			caps = c
		}
		f := strings.SplitN(strings.TrimSuffix(text, "\n"), " ", 3)
		if len(f) != 3 || !isSHA(f[0]) || !isSHA(f[1]) {
			continue // "shallow" and "push-cert" lines
		}
		out = append(out, &command{old: f[0], sha: f[1], ref: f[2]})
	}
	return nil, "", fmt.Errorf("reading the push: more than 1000 refs")
}

func pktLine(r io.Reader) (text string, end bool, err error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		if err == io.EOF {
			return "", true, nil
		}
		return "", false, err
	}
	n, err := strconv.ParseUint(string(head[:]), 16, 16)
	if err != nil {
		return "", false, fmt.Errorf("bad pkt-line length %q", head)
	}
	if n < 4 {
		return "", true, nil
	}
	data := make([]byte, n-4)
	_, err = io.ReadFull(r, data)
	return string(data), false, err
}

// refusedRefs says which refs of a push may not be written, and why.
func (c *call) refusedRefs(commands []*command) map[string]string {
	refused := map[string]string{}
	for _, cmd := range commands {
		if p := c.refName(cmd.ref); p != nil {
			refused[cmd.ref] = "deny updating a hidden ref"
			continue
		}
		branch, isBranch := strings.CutPrefix(cmd.ref, "refs/heads/")
		if !isBranch {
			continue
		}
		if cmd.sha == zeroSHA && branch == c.repo.DefaultBranch {
			refused[cmd.ref] = "refusing to delete the current branch"
		}
		if why := c.protected(branch); why != "" && cmd.old != zeroSHA {
			refused[cmd.ref] = "protected branch hook declined: " + why
		}
	}
	return refused
}

// rejection is receive-pack's report with nothing done. GitHub would take the
// other refs of the same push; here one refused ref refuses the push.
func rejection(commands []*command, refused map[string]string, caps string) reply {
	var report bytes.Buffer
	pkt(&report, "unpack ok\n")
	for _, cmd := range commands {
		pkt(&report, fmt.Sprintf("ng %s %s\n", cmd.ref, orElse(refused[cmd.ref], "another ref of this push was refused")))
	}
	report.WriteString("0000")
	out := report
	if strings.Contains(caps, "side-band-64k") {
		out = bytes.Buffer{}
		for _, cmd := range commands {
			if why := refused[cmd.ref]; why != "" {
				pkt(&out, fmt.Sprintf("\x02error: GH006: update failed for %s: %s\n", cmd.ref, why))
			}
		}
		pkt(&out, "\x01"+report.String())
		out.WriteString("0000")
	}
	return reply{status: 200, raw: out.Bytes(), header: map[string]string{"Content-Type": "application/x-git-receive-pack-result", "Cache-Control": "no-cache"}}
}

func pkt(b *bytes.Buffer, text string) { fmt.Fprintf(b, "%04x%s", len(text)+4, text) }
