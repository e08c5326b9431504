package fakegithub

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Options say where a server lives and what it takes from outside.
type Options struct {
	// Root is the directory that holds everything; it is made when missing.
	Root string
	// Now is the clock behind every created_at; nil is time.Now.
	Now func() time.Time
	// Rand is where tokens come from; nil is crypto/rand.
	Rand io.Reader
	// Git is the git program, version 2.38 or newer; empty finds it on PATH.
	Git string
	// Faults break chosen requests on purpose.
	Faults []Fault
	// RateLimit refuses requests of a token beyond this many in an hour. Zero
	// counts and shows (1,000 an hour for an Actions token, else 5,000) but
	// never refuses.
	RateLimit int
	// MaxBody caps a request's body in bytes; zero is 64 MiB.
	MaxBody int64
}

// Server is one fake GitHub. Its methods may be called from any goroutine.
type Server struct {
	opt    Options
	root   string
	git    string
	ctx    context.Context
	cancel context.CancelFunc

	mu    sync.Mutex // guards all below: one request is answered at a time
	st    *state
	dirs  map[string]*gitRepo
	rates map[string]*rate

	logMu sync.Mutex
	log   *os.File
	lines int

	plan *plan

	base   string
	http   *http.Server
	closed bool
}

// Open opens the world stored under Options.Root, or begins an empty one.
func Open(opt Options) (*Server, error) {
	if opt.Root == "" {
		return nil, errors.New("opening the fake GitHub: no root directory given")
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.Rand == nil {
		opt.Rand = rand.Reader
	}
	if opt.MaxBody == 0 {
		opt.MaxBody = 64 << 20
	}
	root, err := filepath.Abs(opt.Root)
	if err != nil {
		return nil, fmt.Errorf("opening the fake GitHub at %s: %w", opt.Root, err)
	}
	git, err := findGit(opt.Git)
	if err != nil {
		return nil, err
	}
	for _, dir := range []string{root, filepath.Join(root, "events", "suppressed")} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("opening the fake GitHub at %s: %w", root, err)
		}
	}
	st, err := loadState(root)
	if err != nil {
		return nil, err
	}
	s := &Server{opt: opt, root: root, git: git, st: st, dirs: map[string]*gitRepo{}, rates: map[string]*rate{}, plan: newPlan(opt.Faults)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if err := s.openLog(); err != nil {
		return nil, err
	}
	s.ensureOwnUsers()
	s.catchUp()
	return s, s.st.store(root)
}

// catchUp brings pull requests up to date with branches that moved while no
// server ran: by a push into the bare repository itself, or because the last
// server was killed between git's write and its own.
func (s *Server) catchUp() {
	for _, r := range s.st.Repos {
		c := s.inside(r, s.st.user(webFlow))
		for _, i := range c.openPulls() {
			now := c.git.resolve("refs/heads/" + i.Pull.HeadRef)
			if now != "" && now != i.Pull.HeadSHA && strings.EqualFold(i.Pull.HeadRepo, r.full()) {
				c.newHead(i, i.Pull.HeadSHA, now)
			}
		}
	}
}

// findGit looks for git and refuses versions without `merge-tree --write-tree`.
func findGit(name string) (string, error) {
	if name == "" {
		name = "git"
	}
	bin, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("looking for git: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, "version")
	cmd.Env = gitEnv()
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("asking %s for its version: %w", bin, err)
	}
	var major, minor int
	if _, err := fmt.Sscanf(string(out), "git version %d.%d", &major, &minor); err != nil {
		return "", fmt.Errorf("reading git's version from %q: %w", strings.TrimSpace(string(out)), err)
	}
	if major < 2 || major == 2 && minor < 38 {
		return "", fmt.Errorf("git %d.%d is too old: 2.38 or newer is needed to merge without a work tree", major, minor)
	}
	return bin, nil
}

// Start listens on a loopback address such as "127.0.0.1:0" and serves until
// Close. It gives the base URL, without a slash at its end.
func (s *Server) Start(addr string) (baseURL string, err error) {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("reading address %q: %w", addr, err)
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return "", fmt.Errorf("listening on %s: only loopback addresses are served, such as 127.0.0.1:0", addr)
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return "", fmt.Errorf("listening on %s: %w", addr, err)
	}
	srv := &http.Server{Handler: s, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return s.ctx }}
	s.mu.Lock()
	s.http, s.base = srv, "http://"+ln.Addr().String()
	base := s.base
	s.mu.Unlock()
	go srv.Serve(ln)
	return base, nil
}

// URL is the base URL of a started server, else "http://127.0.0.1".
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.baseURL()
}

func (s *Server) baseURL() string {
	if s.base == "" {
		return "http://127.0.0.1"
	}
	return s.base
}

// Close stops listening, cuts what is under way, ends git and stores the
// state, all within a second. It may be called twice.
func (s *Server) Close() error {
	s.cancel()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	if s.http != nil {
		s.http.Close()
	}
	for _, g := range s.dirs {
		g.close()
	}
	s.logMu.Lock()
	s.log.Close()
	s.logMu.Unlock()
	return s.st.store(s.root)
}

// WriteReadyFile tells another process where to go: base URLs and the named
// tokens as JSON, mode 0600, written aside and renamed so that a reader never
// sees half of it.
func (s *Server) WriteReadyFile(path string) error {
	s.mu.Lock()
	ready := struct {
		BaseURL    string            `json:"base_url"`
		GraphQLURL string            `json:"graphql_url"`
		Root       string            `json:"root"`
		Tokens     map[string]string `json:"tokens"`
	}{s.baseURL(), s.baseURL() + "/graphql", s.root, map[string]string{}}
	for value, t := range s.st.Tokens {
		ready.Tokens[t.Name] = value
	}
	s.mu.Unlock()
	data, err := json.MarshalIndent(ready, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the ready file: %w", err)
	}
	return writeAside(path, append(data, '\n'))
}

// call is one request on its way: who asks for what, and what the answer will
// carry. Setting up a world from Go makes calls too, with r nil.
type call struct {
	s      *Server
	st     *state
	r      *http.Request
	id     string
	base   string
	now    time.Time
	token  *token
	actor  *user // nil: anonymous
	repo   *repository
	git    *gitRepo
	params map[string]string
	query  url.Values
	body   []byte
	link   string
}

// reply is an answer before it is bytes. Raw wins over Body.
type reply struct {
	status int
	body   any
	raw    []byte
	header map[string]string
}

// obj is a JSON object. Shapes are built as maps: keys come out sorted, so the
// same state gives the same bytes.
type obj = map[string]any

// problem is a refusal in GitHub's shape.
type problem struct {
	status  int
	message string
	errors  []any
	header  map[string]string
}

func (p *problem) Error() string { return fmt.Sprintf("%d %s", p.status, p.message) }

func refuse(status int, format string, args ...any) *problem {
	return &problem{status: status, message: fmt.Sprintf(format, args...)}
}

// invalid is GitHub's 422 with one entry: code is missing_field, invalid,
// already_exists or custom.
func invalid(resource, field, code, message string) *problem {
	e := obj{"resource": resource, "field": field, "code": code}
	if message != "" {
		e["message"] = message
	}
	return &problem{status: 422, message: "Validation Failed", errors: []any{e}}
}

var errNotFound = &problem{status: 404, message: "Not Found"}

func ok(body any) (reply, error)      { return reply{status: 200, body: body}, nil }
func created(body any) (reply, error) { return reply{status: 201, body: body}, nil }
func noContent() (reply, error)       { return reply{status: 204}, nil }
func createdAt(url string, body any) (reply, error) {
	return reply{status: 201, body: body, header: map[string]string{"Location": url}}, nil
}

// ServeHTTP answers one request: guard, fault plan, body, then REST, GraphQL or git.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := s.newCall(r)
	if p := c.guard(); p != nil {
		s.finish(w, c, c.problem(p), nil)
		return
	}
	service := gitService(r)
	if service == "" {
		if p := c.readBody(); p != nil {
			s.finish(w, c, c.problem(p), nil)
			return
		}
	}
	f := s.plan.next(r.Method, r.URL.Path, c.mutation())
	if !f.before(r.Context()) {
		c.logLine(0, f)
		panic(http.ErrAbortHandler)
	}
	if f != nil && f.Kind == FaultStatus {
		s.finish(w, c, f.answer(), f)
		return
	}
	if service != "" {
		s.serveGit(w, c, service, f)
		return
	}
	s.finish(w, c, s.answer(c), f)
}

func (s *Server) newCall(r *http.Request) *call {
	return &call{s: s, st: s.st, r: r, id: s.nextRequest(), base: "http://" + r.Host, now: s.opt.Now().UTC().Truncate(time.Second), query: r.URL.Query()}
}

// guard refuses what only a web page on another site, or a rebound DNS name,
// would send: a Host that is not the address served, and any foreign Origin.
func (c *call) guard() *problem {
	host, port, err := net.SplitHostPort(c.r.Host)
	if err != nil {
		host, port = c.r.Host, ""
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	own := strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
	if local, isTCP := c.r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr); isTCP {
		own = own && port == strconv.Itoa(local.Port) && (ip == nil || ip.Equal(local.IP))
	}
	if !own {
		return refuse(403, "Host %q is not the loopback address this server was started on", c.r.Host)
	}
	if origin := c.r.Header.Get("Origin"); origin != "" && origin != c.base {
		return refuse(403, "Origin %q is foreign", origin)
	}
	return nil
}

func (c *call) readBody() *problem {
	limit := c.s.opt.MaxBody
	data, err := io.ReadAll(io.LimitReader(c.r.Body, limit+1))
	if err != nil {
		return refuse(400, "Problems reading the body")
	}
	if int64(len(data)) > limit {
		return refuse(413, "Body larger than %d bytes", limit)
	}
	c.body = data
	return nil
}

// answer runs the request against the state, alone, and stores what changed.
func (s *Server) answer(c *call) reply {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return c.problem(refuse(503, "The server is closing"))
	}
	out, err := c.dispatch()
	if err != nil {
		out = c.failure(err)
	}
	if out.body != nil && out.raw == nil {
		if out.raw, err = json.Marshal(out.body); err != nil {
			out = c.failure(fmt.Errorf("encoding the answer: %w", err))
		}
	}
	if c.mutation() && out.status < 400 {
		if err := s.st.store(s.root); err != nil {
			out = c.failure(err)
		}
	}
	return c.dress(out)
}

func (c *call) dispatch() (reply, error) {
	if p := c.authenticate(); p != nil {
		return reply{}, p
	}
	if p := c.meter(); p != nil {
		return reply{}, p
	}
	path := strings.TrimPrefix(c.r.URL.EscapedPath(), "/api/v3")
	if path == "/graphql" || path == "/api/graphql" {
		return c.graphql()
	}
	rt, params, p := findRoute(c.r.Method, path)
	if p != nil {
		return reply{}, p
	}
	c.params = params
	if p := c.authorize(rt); p != nil {
		return reply{}, p
	}
	return rt.handle(c)
}

// failure turns an error into an answer: refusals as they are, all else a 500
// that says what happened, because the reader of a rehearsal must find out.
func (c *call) failure(err error) reply {
	var p *problem
	if errors.As(err, &p) {
		return c.problem(p)
	}
	return c.problem(refuse(500, "fake GitHub: %v", err))
}

func (c *call) problem(p *problem) reply {
	body := obj{"message": p.message, "documentation_url": "https://docs.github.com/rest", "status": strconv.Itoa(p.status)}
	if p.errors != nil {
		body["errors"] = p.errors
	}
	raw, _ := json.Marshal(body) // strings and maps only: cannot be refused
	return reply{status: p.status, body: body, raw: raw, header: p.header}
}

// dress adds what every answer of GitHub carries, and turns an unchanged
// representation into 304.
func (c *call) dress(out reply) reply {
	h := map[string]string{}
	for k, v := range out.header {
		h[k] = v
	}
	if c.link != "" {
		h["Link"] = c.link
	}
	if out.raw != nil && h["Content-Type"] == "" {
		h["Content-Type"] = "application/json; charset=utf-8"
	}
	for k, v := range c.rateHeaders() {
		h[k] = v
	}
	if c.r.Method == http.MethodGet && out.status == 200 {
		sum := sha256.Sum256(append([]byte(h["Link"]+"\n"), out.raw...))
		h["ETag"] = `W/"` + hex.EncodeToString(sum[:]) + `"`
		h["Cache-Control"] = "private, max-age=60, s-maxage=60"
		if sameTag(c.r.Header.Get("If-None-Match"), h["ETag"]) {
			c.unmeter()
			delete(h, "Content-Type")
			return reply{status: http.StatusNotModified, header: h}
		}
	}
	out.header = h
	return out
}

func sameTag(list, tag string) bool {
	for _, t := range strings.Split(list, ",") {
		if t = strings.TrimSpace(t); t == "*" || t != "" && strings.TrimPrefix(t, "W/") == strings.TrimPrefix(tag, "W/") {
			return true
		}
	}
	return false
}

// finish logs the request and writes the answer, as far as the fault lets it.
func (s *Server) finish(w http.ResponseWriter, c *call, out reply, f *Fault) {
	c.logLine(out.status, f)
	if f != nil && f.Kind == FaultDropAfter {
		panic(http.ErrAbortHandler)
	}
	h := w.Header()
	h.Set("Date", c.now.Format(http.TimeFormat))
	h.Set("X-GitHub-Request-Id", c.id)
	h.Set("X-GitHub-Media-Type", "github.v3; format=json")
	h.Set("X-GitHub-Api-Version-Selected", "2022-11-28")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Server", "seedbed-fake-github")
	for k, v := range out.header {
		h.Set(k, v)
	}
	if out.raw != nil {
		h.Set("Content-Length", strconv.Itoa(len(out.raw)))
	}
	w.WriteHeader(out.status)
	if c.r.Method == http.MethodHead {
		return
	}
	if f != nil && f.Kind == FaultCut {
		w.Write(out.raw[:len(out.raw)/2])
		http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	io.Copy(w, bytes.NewReader(out.raw))
}

// dir gives the git side of a repository.
func (s *Server) dir(r *repository) *gitRepo {
	key := repoKey(r.Owner, r.Name)
	if g := s.dirs[key]; g != nil {
		return g
	}
	g := &gitRepo{ctx: s.ctx, dir: s.repoPath(r.Owner, r.Name), bin: s.git, env: gitEnv()}
	s.dirs[key] = g
	return g
}

func (s *Server) repoPath(owner, name string) string {
	return filepath.Join(s.root, owner, name+".git")
}

// decode reads a JSON body; an empty one leaves v as it is.
func (c *call) decode(v any) error {
	if len(bytes.TrimSpace(c.body)) == 0 {
		return nil
	}
	err := json.Unmarshal(c.body, v)
	var wrong *json.UnmarshalTypeError
	if errors.As(err, &wrong) {
		return refuse(422, "Invalid request.\n\nFor 'properties/%s', %s is not %s.", wrong.Field, wrong.Value, wrong.Type)
	}
	if err != nil {
		return refuse(400, "Problems parsing JSON")
	}
	return nil
}

// page cuts a list down to the page asked for, renders it and sets Link.
// GitHub's default is 30 a page, at most 100.
func page[T any](c *call, all []T, render func(T) any) []any {
	size, n := c.number("per_page", 30), c.number("page", 1)
	if size < 1 {
		size = 30
	}
	size, n = min(size, 100), max(n, 1)
	last := max((len(all)+size-1)/size, 1)
	c.setLink(n, last)
	out := []any{}
	for i := (n - 1) * size; i < min(n*size, len(all)); i++ {
		out = append(out, render(all[i]))
	}
	return out
}

func (c *call) number(name string, missing int) int {
	n, err := strconv.Atoi(c.query.Get(name))
	if err != nil {
		return missing
	}
	return n
}

func (c *call) setLink(n, last int) {
	var links []string
	add := func(page int, rel string) {
		q := url.Values{}
		for k, v := range c.query {
			q[k] = v
		}
		q.Set("page", strconv.Itoa(page))
		links = append(links, fmt.Sprintf(`<%s%s?%s>; rel="%s"`, c.base, c.r.URL.EscapedPath(), q.Encode(), rel))
	}
	if n > 1 {
		add(min(n-1, last), "prev")
	}
	if n < last {
		add(n+1, "next")
		add(last, "last")
	}
	if n > 1 {
		add(1, "first")
	}
	c.link = strings.Join(links, ", ")
}

// render maps a list without paging.
func render[T any](all []T, one func(T) any) []any {
	out := []any{}
	for _, v := range all {
		out = append(out, one(v))
	}
	return out
}

// filter keeps what passes, in order.
func filter[T any](all []T, keep func(T) bool) []T {
	var out []T
	for _, v := range all {
		if keep(v) {
			out = append(out, v)
		}
	}
	return out
}
