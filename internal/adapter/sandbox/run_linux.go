package sandbox

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/seedbed-dev/seedbed/internal/command"
)

// nobody is the user a child becomes where we are root (65534 by convention of
// every distribution, and so the one number sure to exist in a container).
const nobody = 65534

// Sandbox runs commands. It is safe for use by several goroutines; commands in
// one work directory take turns.
type Sandbox struct {
	options  Options
	host     variables
	scratch  string
	readable []string
	goMod    string // the host's module cache, or empty
	goBuild  string // the host's build cache, if children may read it
	has      features
	layers   []command.Layer

	mu   sync.Mutex
	busy map[string]*sync.Mutex // by work directory
}

// New finds out what this machine offers by trying it on a child, and makes our
// own memory and environment unreadable to other processes of our user. It
// fails with ErrUnavailable as Options.Mode says.
func New(options Options) (*Sandbox, error) {
	s := &Sandbox{options: options, host: parseEnv(options.HostEnv), busy: make(map[string]*sync.Mutex)}
	if s.options.Grace <= 0 {
		s.options.Grace = defaultGrace
	}
	if err := s.findScratch(); err != nil {
		return nil, err
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("making our memory unreadable: %w", err)
	}
	s.readable = append(readablePaths(s.host), options.Readable...)
	s.goMod = goModCache(s.host)
	if options.ReadGoCache {
		s.goBuild = goBuildCache(s.host)
	}
	if err := s.prepareCache(); err != nil {
		return nil, err
	}
	s.has = s.findFeatures()
	s.layers = s.has.layers(false)
	if options.Mode == Required {
		if err := s.has.enough(); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Layers says what protects a command that asks for no network, as found by
// trying. A Result may say less of its own run.
func (s *Sandbox) Layers() []command.Layer {
	return slices.Clone(s.layers)
}

// Run runs one command to its end and kills what it leaves behind. The error is
// about the sandbox; a command that fails, hangs or cannot be found is a Result.
// When ctx ends the command is stopped as by its time limit and the error is
// ctx's, together with the Result so far.
func (s *Sandbox) Run(ctx context.Context, c command.Command) (command.Result, error) {
	if err := c.Validate(); err != nil {
		return command.Result{}, fmt.Errorf("running a command: %w", err)
	}
	dir, _, err := resolve(c.Dir)
	if err != nil {
		return command.Result{}, fmt.Errorf("finding the work directory: %w", err)
	}
	if err := checkWritable(dir, s.host, s.scratch); err != nil {
		return command.Result{}, fmt.Errorf("running a command: %w", err)
	}
	defer s.takeTurn(dir)()
	if err := ctx.Err(); err != nil {
		return command.Result{}, fmt.Errorf("running %s: %w", c, err)
	}

	run, err := s.prepare(c, dir)
	if err != nil {
		return command.Result{}, fmt.Errorf("preparing %s: %w", c, err)
	}
	defer run.close()
	result, err := run.do(ctx)
	if err != nil {
		return result, fmt.Errorf("running %s: %w", c, err)
	}
	return result, nil
}

func (s *Sandbox) takeTurn(dir string) (done func()) {
	s.mu.Lock()
	turn := s.busy[dir]
	if turn == nil {
		turn = new(sync.Mutex)
		s.busy[dir] = turn
	}
	s.mu.Unlock()
	turn.Lock()
	return turn.Unlock
}

func (s *Sandbox) findScratch() error {
	dir := s.options.ScratchDir
	if dir == "" {
		dir = s.host["TMPDIR"]
	}
	if dir == "" {
		dir = "/tmp"
	}
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return fmt.Errorf("finding a place for scratch directories: %w", err)
	}
	s.scratch = real
	return nil
}

// Folders of Options.CacheDir.
var cacheFolders = []string{"go-build", "go-mod", "npm"}

func (s *Sandbox) prepareCache() error {
	if s.options.CacheDir == "" {
		return nil
	}
	for _, name := range cacheFolders {
		if err := os.MkdirAll(filepath.Join(s.options.CacheDir, name), 0o755); err != nil {
			return fmt.Errorf("making a build cache: %w", err)
		}
	}
	real, err := filepath.EvalSymlinks(s.options.CacheDir)
	if err != nil {
		return fmt.Errorf("finding the build cache: %w", err)
	}
	s.options.CacheDir = real
	return nil
}

// run is one command under way.
type run struct {
	sandbox *Sandbox
	command command.Command
	scratch string
	spec    spec
	layers  []command.Layer
	givenTo int // uid that owns the work directory meanwhile, or -1
	cache   string
	lock    *os.File // on cache, where it is laid over the host's
}

func (s *Sandbox) prepare(c command.Command, dir string) (_ *run, err error) {
	r := &run{sandbox: s, command: c, givenTo: -1}
	r.command.Dir = dir
	if r.scratch, err = os.MkdirTemp(s.scratch, "seedbed-run-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	for _, name := range []string{"root", "home", "tmp", "cache"} {
		if err := os.Mkdir(filepath.Join(r.scratch, name), 0o755); err != nil {
			return nil, err
		}
	}
	if err := r.chooseCache(); err != nil {
		return nil, err
	}
	if err := r.buildSpec(); err != nil {
		return nil, err
	}
	r.layers = s.has.layers(c.Network)
	if s.has.dropUser {
		if err := r.giveAway(); err != nil {
			return nil, err
		}
	}
	return r, nil
}

func (r *run) path(name string) string { return filepath.Join(r.scratch, name) }

// buildSpec decides everything the children do.
func (r *run) buildSpec() error {
	s, c := r.sandbox, r.command
	at := r.places()
	env, err := childEnv(s.host, at, c.Network, c.Env)
	if err != nil {
		return err
	}
	read, write, err := r.openPaths(at)
	if err != nil {
		return err
	}
	r.spec = s.has.spec(c.Network)
	r.spec.Argv = c.Argv
	if len(c.Argv) == 0 {
		r.spec.Argv = []string{"/bin/sh", "-c", c.Shell}
	}
	r.spec.Env = env.list()
	r.spec.Dir = c.Dir
	r.spec.Limits = effectiveLimits(c.Limits, s.has)
	r.setView(read, write)
	return nil
}

// goWork is overlayfs' own directory beside go-build.
const goWork = "go-build.work"

// chooseCache finds the Go build cache of this run. One directory can lie over
// the host's in one run at a time (overlayfs(5) leaves the rest undefined), so a
// second run, of ours or of another process, gets an empty one of its own.
func (r *run) chooseCache() error {
	s := r.sandbox
	r.cache = r.path("cache")
	if s.options.CacheDir != "" {
		r.cache = s.options.CacheDir
	}
	if !s.laysCache() {
		return nil
	}
	lock, err := os.OpenFile(filepath.Join(r.cache, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		lock.Close()
		r.cache = r.path("cache")
	} else {
		r.lock = lock
	}
	return r.makeFolders()
}

func (s *Sandbox) laysCache() bool {
	return s.has.namespaces && s.goBuild != "" && !strings.ContainsAny(s.scratch+s.options.CacheDir, `,:\`)
}

// makeFolders makes the folders of a Go build cache (two hexadecimal digits)
// ahead, because a folder that exists below only is the host user's.
func (r *run) makeFolders() error {
	for i := range 256 {
		if err := os.MkdirAll(filepath.Join(r.cache, "go-build", fmt.Sprintf("%02x", i)), 0o755); err != nil {
			return err
		}
	}
	return os.MkdirAll(filepath.Join(r.cache, goWork), 0o755)
}

// places chooses caches. Modules are read from the host's cache; a command with
// network downloads into a cache of the sandbox, because modules once unpacked
// are not verified again, and that cache is then the one later commands read.
func (r *run) places() places {
	shared := r.path("cache")
	if r.sandbox.options.CacheDir != "" {
		shared = r.sandbox.options.CacheDir
	}
	at := places{
		home: r.path("home"), tmp: r.path("tmp"),
		goBuild: filepath.Join(r.cache, "go-build"), goMod: filepath.Join(shared, "go-mod"), npm: filepath.Join(shared, "npm"),
		hostGoMod: r.sandbox.goMod,
	}
	if r.sandbox.has.namespaces {
		at.tmp = "/tmp"
	}
	if !r.command.Network && at.hostGoMod != "" && isEmpty(at.goMod) {
		at.goMod = at.hostGoMod
	}
	return at
}

func isEmpty(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err != nil || len(entries) == 0
}

// access is a list of paths with the links that lead to them.
type access struct {
	paths []string
	links []link
}

func (a *access) add(path string) error {
	real, links, err := resolve(path)
	if err != nil {
		return err
	}
	a.paths = append(a.paths, real)
	a.links = append(a.links, links...)
	return nil
}

func (r *run) openPaths(at places) (read, write access, err error) {
	s, c := r.sandbox, r.command
	for _, dir := range []string{at.goBuild, at.npm, at.goMod} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return read, write, err
		}
	}
	readable := slices.Clone(s.readable)
	if at.hostGoMod != "" {
		readable = append(readable, at.hostGoMod)
	}
	if c.Network {
		for _, name := range trustFiles {
			readable = append(readable, filepath.SplitList(s.host[name])...)
		}
		readable = append(readable, "/run/systemd/resolve/resolv.conf")
	}
	for _, path := range existing(readable) {
		if err := read.add(path); err != nil {
			return read, write, err
		}
	}
	for _, path := range c.Readable {
		if err := read.add(path); err != nil {
			return read, write, fmt.Errorf("readable path: %w", err)
		}
	}
	writable := append([]string{c.Dir, at.home, at.goBuild, at.npm}, c.Writable...)
	if c.Network {
		writable = append(writable, at.goMod)
	} else if err := read.add(at.goMod); err != nil {
		return read, write, err
	}
	for _, path := range writable {
		if err := write.add(path); err != nil {
			return read, write, fmt.Errorf("writable path: %w", err)
		}
		if err := checkWritable(write.paths[len(write.paths)-1], s.host, s.scratch); err != nil {
			return read, write, fmt.Errorf("writable path: %w", err)
		}
	}
	return read, write, nil
}

// setView turns paths into mounts, or into Landlock rules alone.
func (r *run) setView(read, write access) {
	s := &r.spec
	s.Write = append([]string{r.path("tmp")}, write.paths...)
	if !s.Namespaces {
		s.Read = append(read.paths, procPaths...)
		return
	}
	// Inside, everything that can be seen may be read.
	s.Read = []string{"/"}
	s.Write = append([]string{"/tmp"}, write.paths...)
	s.View = view{Root: r.path("root"), Tmp: r.path("tmp"), Links: append(read.links, write.links...), Mounts: mounts(read.paths, write.paths)}
	if r.sandbox.laysCache() {
		s.View.Cache = &overlay{Path: filepath.Join(r.cache, "go-build"), Lower: r.sandbox.goBuild, Work: filepath.Join(r.cache, goWork)}
	}
}

// mounts orders paths so that parents come first, writable last at one place,
// and leaves out what a parent shows already.
func mounts(read, write []string) []mount {
	var all []mount
	for _, path := range read {
		if !slices.Contains(write, path) {
			all = append(all, mount{Path: path})
		}
	}
	for _, path := range write {
		all = append(all, mount{Path: path, Write: true})
	}
	slices.SortStableFunc(all, func(a, b mount) int { return strings.Compare(a.Path, b.Path) })
	var needed []mount
	for _, m := range all {
		if above := parentMount(needed, m.Path); above == nil || above.Write != m.Write {
			needed = append(needed, m)
		}
	}
	return needed
}

// parentMount is the last, and so the nearest, mount that holds path.
func parentMount(mounts []mount, path string) *mount {
	for i := len(mounts) - 1; i >= 0; i-- {
		if within(path, mounts[i].Path) {
			return &mounts[i]
		}
	}
	return nil
}

// do starts init, feeds it, and waits until nothing is left.
func (r *run) do(ctx context.Context) (command.Result, error) {
	output, stdout := command.NewCapture(r.command.MaxOutput), command.NewCapture(r.command.MaxOutput)
	child := r.initCommand()
	child.Stdin = strings.NewReader(string(r.command.Stdin))
	child.Stdout = io.MultiWriter(output, stdout)
	child.Stderr = output

	started := time.Now()
	link, err := startInit(child, r.spec)
	if err != nil {
		return command.Result{Layers: r.layers}, err
	}
	timedOut := link.watch(ctx, r.timeout(), r.sandbox.options.Grace)
	rep, err := link.finish(child)

	result := command.Result{
		Exit: rep.Exit, Output: output.Bytes(), Stdout: stdout.Bytes(),
		Duration: time.Since(started), TimedOut: timedOut, Layers: r.layers,
	}
	if rep.Signal != 0 {
		result.Signal = syscall.Signal(rep.Signal).String()
		result.Exit = 128 + rep.Signal
	}
	switch {
	case ctx.Err() != nil:
		return result, ctx.Err()
	case err != nil:
		return result, err
	case rep.Setup != "":
		return result, fmt.Errorf("setting up the sandbox: %s", rep.Setup)
	case rep.Left:
		return result, errors.New("processes were left that could not be killed")
	}
	return result, nil
}

func (r *run) timeout() time.Duration {
	if r.command.Timeout > 0 {
		return r.command.Timeout
	}
	return command.DefaultTimeout
}

// initCommand is our own executable as init, with an empty environment: what it
// does not hold cannot be read from it. The argument keeps a test binary whose
// TestMain forgot MaybeChild from running its tests for ever.
func (r *run) initCommand() *exec.Cmd {
	child := &exec.Cmd{Path: "/proc/self/exe", Args: []string{initName, "-test.run=^$"}, Env: []string{}, Dir: "/"}
	child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	child.WaitDelay = 5 * time.Second
	if !r.spec.Namespaces {
		return child
	}
	attr := child.SysProcAttr
	attr.Cloneflags = unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS
	if r.spec.Loopback {
		attr.Cloneflags |= unix.CLONE_NEWNET
	}
	if os.Geteuid() == 0 {
		attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: 0, Size: 1}, {ContainerID: nobody, HostID: nobody, Size: 1}}
		attr.GidMappings = slices.Clone(attr.UidMappings)
		attr.GidMappingsEnableSetgroups = true
		return child
	}
	// A plain user stays itself. Ambient capabilities, valid inside only, let
	// init build the view; the step starts without them.
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: os.Getegid(), HostID: os.Getegid(), Size: 1}}
	attr.AmbientCaps = []uintptr{unix.CAP_SYS_ADMIN, unix.CAP_NET_ADMIN}
	return child
}

// initLink is the parent's end of a running init.
type initLink struct {
	control *os.File
	pid     int
	told    chan struct{} // closed once the spec is written
	ended   chan struct{} // closed once rep or err is there
	rep     report
	err     error
}

func startInit(child *exec.Cmd, s spec) (*initLink, error) {
	controlReader, controlWriter, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	reportReader, reportWriter, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	child.ExtraFiles = []*os.File{controlReader, reportWriter}
	err = startReadable(child, s.Namespaces)
	controlReader.Close()
	reportWriter.Close()
	if err != nil {
		controlWriter.Close()
		reportReader.Close()
		return nil, fmt.Errorf("starting a child: %w", err)
	}
	link := &initLink{control: controlWriter, pid: child.Process.Pid, told: make(chan struct{}), ended: make(chan struct{})}
	// An init that dies instead of reading is noticed by listen, one that hangs
	// by the time limit.
	go func() {
		defer close(link.told)
		_ = json.NewEncoder(controlWriter).Encode(s)
	}()
	go link.listen(reportReader)
	return link, nil
}

// dumpable guards the moment in startReadable against a second run's.
var dumpable sync.Mutex

// startReadable starts child. A plain user may write a child's uid map only
// while the child, which shares our memory until exec, is dumpable; so we are
// for that moment. Only children behind namespaces are started so, and they see
// no process of ours.
func startReadable(child *exec.Cmd, namespaces bool) error {
	if !namespaces || os.Geteuid() == 0 {
		return child.Start()
	}
	dumpable.Lock()
	defer dumpable.Unlock()
	_ = unix.Prctl(unix.PR_SET_DUMPABLE, 1, 0, 0, 0)
	err := child.Start()
	return errors.Join(err, unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0))
}

func (l *initLink) listen(from *os.File) {
	defer close(l.ended)
	defer from.Close()
	if err := json.NewDecoder(io.LimitReader(from, 1<<20)).Decode(&l.rep); err != nil {
		l.err = errors.New("the sandbox's init ended without a report (is MaybeChild the first call of main?)")
	}
}

// killGrace bounds how long init may take to kill and reap.
const killGrace = 10 * time.Second

// watch waits for the report and enforces time limit and ctx: a request to
// stop, then the end. It reports whether the time limit was used up.
func (l *initLink) watch(ctx context.Context, limit, grace time.Duration) (timedOut bool) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-l.ended:
		return false
	case <-timer.C:
		timedOut = true
	case <-ctx.Done():
	}
	l.order(orderStop)
	if l.endsWithin(grace) {
		return timedOut
	}
	l.order(orderKill)
	if !l.endsWithin(killGrace) {
		_ = syscall.Kill(l.pid, syscall.SIGKILL) // takes a pid namespace with it
	}
	return timedOut
}

func (l *initLink) endsWithin(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-l.ended:
		return true
	case <-timer.C:
		return false
	}
}

func (l *initLink) order(o byte) {
	select {
	case <-l.told:
	default:
		return // it has not read what to do; the end of killGrace is for such
	}
	_, _ = l.control.Write([]byte{o}) // an init that is gone needs no orders
}

// finish waits for init itself, and so for the death of a whole pid namespace.
// The report is init's last act: it has nothing left to do that a signal could
// interrupt, and must not be waited for if it hangs on its way out.
func (l *initLink) finish(child *exec.Cmd) (report, error) {
	<-l.ended
	_ = child.Process.Kill()
	// Its exit status says nothing the report does not.
	_ = child.Wait()
	l.control.Close()
	return l.rep, l.err
}

func effectiveLimits(l command.Limits, has features) limits {
	// Compilers start threads for each processor, several at a time.
	processes := int64(512 + 128*runtime.NumCPU())
	choose := func(wanted, standard int64) int64 {
		if wanted == 0 {
			return standard
		}
		return wanted
	}
	limits := limits{
		Memory:    choose(l.Memory, -1),
		Files:     choose(l.Files, 8192),
		Processes: choose(l.Processes, processes),
		FileSize:  choose(l.FileSize, 4<<30),
	}
	if limits.Processes > 0 && !has.namespaces && !has.dropUser {
		// The kernel counts all of this user's, ours among them.
		limits.Processes += threadsOf(os.Geteuid())
	}
	return limits
}

// threadsOf counts the threads that run as uid.
func threadsOf(uid int) int64 {
	entries, _ := os.ReadDir("/proc")
	var count int64
	for _, entry := range entries {
		info, err := entry.Info()
		if err != nil || !strings.ContainsAny(entry.Name()[:1], "123456789") {
			continue
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) == uid {
			tasks, _ := os.ReadDir(filepath.Join("/proc", entry.Name(), "task"))
			count += int64(len(tasks))
		}
	}
	return count
}
