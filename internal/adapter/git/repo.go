package git

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Repo is one repository on disk. Its methods may be called from several
// goroutines at once.
type Repo struct {
	dir   string // GIT_DIR, absolute
	url   string // where Fetch and Push go when no other address is given
	token string
}

// Options say what Clone brings over.
type Options struct {
	URL   string   // https, http on loopback when a token is given, file, or an absolute path
	Token string   // sent as Basic authorization to the URL's host alone
	Dir   string   // where the bare repository is made; must be empty or absent
	Refs  []string // full names or object ids to fetch; nil: all branches and tags
	Depth int      // commits of history; 0: all
}

// Clone makes a fresh bare repository and fetches into it. Every object is
// checked by fsck on the way. HEAD is not set: name what you want in full.
func Clone(ctx context.Context, o Options) (*Repo, error) {
	r, err := create(ctx, o.Dir)
	if err != nil {
		return nil, err
	}
	r.url, r.token = o.URL, o.Token
	if err := r.fetch(ctx, o.Refs, o.Depth); err != nil {
		return nil, fmt.Errorf("cloning: %w", err)
	}
	return r, nil
}

// InitFrom makes a fresh bare repository in dir from the work tree or bare
// repository at source: its branches, its tags and the commit it has checked
// out, which Resolve("HEAD") gives. A source with cut history makes a copy with
// cut history. Nothing of the source's configuration, hooks or attributes takes
// part.
func InitFrom(ctx context.Context, dir, source string) (*Repo, error) {
	abs, err := filepath.Abs(source)
	if err != nil {
		return nil, fmt.Errorf("locating %s: %w", source, err)
	}
	r, err := create(ctx, dir)
	if err != nil {
		return nil, err
	}
	r.url = abs
	if err := r.fetch(ctx, nil, 0); err != nil {
		return nil, fmt.Errorf("copying repository: %w", err)
	}
	out, err := command{args: []string{"ls-remote", "--upload-pack=" + uploadPack, "file://" + abs, "HEAD"}, dir: r.dir, transport: true}.run(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading HEAD: %w", err)
	}
	sha, _, ok := strings.Cut(string(out), "\t")
	if !ok || !isSHA(sha) {
		return r, nil // nothing committed yet
	}
	if err := r.fetch(ctx, []string{sha}, 0); err != nil {
		return nil, fmt.Errorf("copying HEAD: %w", err)
	}
	if _, err := r.git(ctx, "update-ref", "--no-deref", "HEAD", sha); err != nil {
		return nil, err
	}
	return r, nil
}

// Open gives the repository at dir, bare or with a work tree, for reading.
func Open(dir string) (*Repo, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("opening repository %s: %w", dir, err)
	}
	gitdir, err := locate(abs)
	if err != nil {
		return nil, fmt.Errorf("opening repository %s: %w", dir, err)
	}
	r := &Repo{dir: gitdir}
	if err := r.checkFormat(context.Background()); err != nil {
		return nil, fmt.Errorf("opening repository %s: %w", dir, err)
	}
	return r, nil
}

// locate finds the git directory by hand: asking git would make it read the
// configuration first.
func locate(dir string) (string, error) {
	dot := filepath.Join(dir, ".git")
	info, err := os.Stat(dot)
	switch {
	case err == nil && info.IsDir():
		return dot, nil
	case err == nil:
		return followFile(dir, dot)
	}
	if _, err := os.Stat(filepath.Join(dir, "objects")); err != nil {
		return "", fmt.Errorf("no git repository: %w", ErrNotFound)
	}
	return dir, nil
}

// followFile reads the "gitdir:" file of a linked work tree.
func followFile(dir, file string) (string, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return "", err
	}
	target, ok := strings.CutPrefix(strings.TrimRight(string(data), "\r\n"), "gitdir: ")
	if !ok {
		return "", errors.New(".git is neither a directory nor a gitdir file")
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(dir, target)
	}
	return target, nil
}

// Dir is the git directory.
func (r *Repo) Dir() string { return r.dir }

// attributes switches off every conversion that a .gitattributes in the tree
// could ask for. info/attributes outranks all others; see gitattributes(5).
const attributes = "* -text -crlf !eol -ident -filter -working-tree-encoding !diff !merge !whitespace !conflict-marker-size -export-ignore -export-subst\n"

func create(ctx context.Context, dir string) (*Repo, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("locating %s: %w", dir, err)
	}
	if entries, err := os.ReadDir(abs); err == nil && len(entries) > 0 {
		return nil, fmt.Errorf("making repository %s: directory is not empty", dir)
	}
	c := command{args: []string{"init", "--quiet", "--bare", "--object-format=sha1", "--", abs}}
	if _, err := c.run(ctx); err != nil {
		return nil, fmt.Errorf("making repository %s: %w", dir, err)
	}
	info := filepath.Join(abs, "info")
	if err := os.MkdirAll(info, 0o755); err != nil {
		return nil, fmt.Errorf("making repository %s: %w", dir, err)
	}
	if err := os.WriteFile(filepath.Join(info, "attributes"), []byte(attributes), 0o644); err != nil {
		return nil, fmt.Errorf("making repository %s: %w", dir, err)
	}
	return &Repo{dir: abs}, nil
}

// git runs a command that stays inside the repository.
func (r *Repo) git(ctx context.Context, args ...string) ([]byte, error) {
	return command{args: args, dir: r.dir}.run(ctx)
}

func (r *Repo) checkFormat(ctx context.Context) error {
	out, err := r.git(ctx, "rev-parse", "--show-object-format")
	if err != nil {
		return err
	}
	if strings.TrimSpace(string(out)) != "sha1" {
		return ErrSHA256
	}
	return nil
}

// uploadPack serves a local repository without letting its configuration
// reach out: no protocol at all is allowed to it, lazy fetches least of all. git
// strips most of our environment from this child, so it is said again here.
const uploadPack = "GIT_ALLOW_PROTOCOL=none GIT_NO_LAZY_FETCH=1 GIT_GRAFT_FILE=/dev/null GIT_NO_REPLACE_OBJECTS=1 " +
	"git -c safe.directory=* -c core.hooksPath=/dev/null -c core.fsmonitor=false -c core.commitGraph=false " +
	"-c core.alternateRefsCommand=true -c uploadpack.allowAnySHA1InWant=true upload-pack"

// Fetch brings further refs or object ids from where the repository was cloned.
// A full ref name lands under the same name, replacing what was there.
func (r *Repo) Fetch(ctx context.Context, refs ...string) error {
	if err := r.fetch(ctx, refs, 0); err != nil {
		return fmt.Errorf("fetching: %w", err)
	}
	return nil
}

func (r *Repo) fetch(ctx context.Context, refs []string, depth int) error {
	address, auth, err := remote(r.url, r.token)
	if err != nil {
		return err
	}
	args := []string{"fetch", "--quiet", "--no-tags", "--no-recurse-submodules", "--no-write-fetch-head", "--no-auto-maintenance", "--force", "--refmap="}
	if depth > 0 {
		args = append(args, "--depth="+strconv.Itoa(depth))
	}
	if strings.HasPrefix(address, "file://") {
		args = append(args, "--update-shallow", "--upload-pack="+uploadPack)
	}
	specs, err := refspecs(refs)
	if err != nil {
		return err
	}
	args = append(append(args, "--", address), specs...)
	c := command{args: args, dir: r.dir, token: r.token, transport: true, config: auth}
	_, err = c.run(ctx)
	return fetchError(err)
}

func refspecs(refs []string) ([]string, error) {
	if refs == nil {
		return []string{"+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"}, nil
	}
	var specs []string
	for _, ref := range refs {
		switch {
		case isSHA(ref):
			specs = append(specs, ref)
		case isRef(ref):
			specs = append(specs, "+"+ref+":"+ref)
		default:
			return nil, fmt.Errorf("%q is neither a full ref name nor an object id", ref)
		}
	}
	return specs, nil
}

// fetchError tells a few causes apart by git's words, which LC_ALL=C keeps still.
func fetchError(err error) error {
	var f *Failure
	if !errors.As(err, &f) {
		return err
	}
	for _, cause := range []struct {
		text string
		is   error
	}{
		{"fsck error", ErrFsck}, {"error in object", ErrFsck}, {"mismatched algorithms", ErrSHA256},
		{"couldn't find remote ref", ErrNotFound}, {"not our ref", ErrNotFound}, {"does not appear to be a git repository", ErrNotFound},
	} {
		if strings.Contains(f.Stderr, cause.text) {
			return fmt.Errorf("%w: %w", cause.is, err)
		}
	}
	return err
}

// Push sends refs to where the repository was cloned. It is for setting up
// repositories; publishing a judged change does not go this way.
func (r *Repo) Push(ctx context.Context, refspec ...string) error {
	return r.PushTo(ctx, r.url, r.token, refspec...)
}

// PushTo sends refs to an address.
func (r *Repo) PushTo(ctx context.Context, url, token string, refspec ...string) error {
	address, auth, err := remote(url, token)
	if err != nil {
		return fmt.Errorf("pushing: %w", err)
	}
	args := append([]string{"push", "--quiet", "--no-verify", "--no-recurse-submodules", "--", address}, refspec...)
	c := command{args: args, dir: r.dir, token: token, transport: true, config: auth}
	if _, err := c.run(ctx); err != nil {
		return fmt.Errorf("pushing: %w", err)
	}
	return nil
}

// UpdateRef points a ref at an object. old is what it must be now: an object
// id, "" for absent, or "*" for anything.
func (r *Repo) UpdateRef(ctx context.Context, ref, sha, old string) error {
	if !isRef(ref) && ref != "HEAD" {
		return fmt.Errorf("%q is not a full ref name", ref)
	}
	if !isSHA(sha) {
		return fmt.Errorf("%q is not an object id", sha)
	}
	args := []string{"update-ref", "--no-deref", ref, sha}
	switch old {
	case "*":
	case "":
		args = append(args, strings.Repeat("0", 40))
	default:
		args = append(args, old)
	}
	_, err := r.git(ctx, args...)
	return err
}

// Resolve gives the object id of the commit a revision names.
func (r *Repo) Resolve(ctx context.Context, rev string) (string, error) {
	out, err := r.git(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", rev+"^{commit}")
	if err != nil {
		var f *Failure
		if errors.As(err, &f) {
			return "", fmt.Errorf("resolving %q: %w", rev, ErrNotFound)
		}
		return "", fmt.Errorf("resolving %q: %w", rev, err)
	}
	sha := strings.TrimSpace(string(out))
	if !isSHA(sha) {
		return "", fmt.Errorf("resolving %q: %w", rev, ErrSHA256)
	}
	return sha, nil
}

// Shallow says whether history is cut off somewhere.
func (r *Repo) Shallow() bool {
	info, err := os.Stat(filepath.Join(r.dir, "shallow"))
	return err == nil && info.Size() > 0
}

func isSHA(s string) bool {
	if len(s) != 40 {
		return false
	}
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// isRef is stricter than git-check-ref-format(1) where it costs nothing.
func isRef(s string) bool {
	if !strings.HasPrefix(s, "refs/") || strings.HasSuffix(s, "/") || strings.HasSuffix(s, ".lock") || strings.HasSuffix(s, ".") {
		return false
	}
	for _, c := range []byte(s) {
		if c <= ' ' || c == 0x7f || strings.IndexByte("~^:?*[\\", c) >= 0 {
			return false
		}
	}
	return !strings.Contains(s, "..") && !strings.Contains(s, "//") && !strings.Contains(s, "/.") && !strings.Contains(s, "@{")
}

// Identity is who made a commit.
type Identity struct {
	Name  string
	Email string
}

// Info is a commit as its object has it.
type Info struct {
	SHA       string
	Tree      string
	Parents   []string
	Message   string
	Author    Identity
	Committer Identity
	Authored  time.Time
	Committed time.Time
}

// CommitInfo reads a commit's raw object: replace refs, grafts and shallow cuts
// have no say in its parents.
func (r *Repo) CommitInfo(ctx context.Context, sha string) (Info, error) {
	if !isSHA(sha) {
		return Info{}, fmt.Errorf("reading commit %q: not an object id", sha)
	}
	raw, err := r.git(ctx, "cat-file", "commit", sha)
	if err != nil {
		return Info{}, fmt.Errorf("reading commit %.8s: %w", sha, missing(err))
	}
	info, err := parseCommit(sha, raw)
	if err != nil {
		return Info{}, fmt.Errorf("reading commit %.8s: %w", sha, err)
	}
	return info, nil
}

func missing(err error) error {
	var f *Failure
	if errors.As(err, &f) && (strings.Contains(f.Stderr, "Not a valid object name") || strings.Contains(f.Stderr, "could not get object info") ||
		strings.Contains(f.Stderr, "bad file") || strings.Contains(f.Stderr, "bad object") || strings.Contains(f.Stderr, "not a tree object")) {
		return fmt.Errorf("%w: %w", ErrNotFound, err)
	}
	return err
}

// parseCommit reads the headers a commit object begins with, up to the first
// empty line. Headers of several lines (signatures, merge tags) continue with a
// blank and are passed over.
func parseCommit(sha string, raw []byte) (Info, error) {
	info := Info{SHA: sha}
	head, message, _ := bytes.Cut(raw, []byte("\n\n"))
	info.Message = string(message)
	for _, line := range strings.Split(string(head), "\n") {
		key, value, _ := strings.Cut(line, " ")
		switch key {
		case "tree":
			if info.Tree != "" {
				return Info{}, fmt.Errorf("%w: two trees", ErrFsck)
			}
			info.Tree = value
		case "parent":
			info.Parents = append(info.Parents, value)
		case "author":
			info.Author, info.Authored = parseIdentity(value)
		case "committer":
			info.Committer, info.Committed = parseIdentity(value)
		}
	}
	if !isSHA(info.Tree) {
		return Info{}, fmt.Errorf("%w: no tree", ErrFsck)
	}
	for _, p := range info.Parents {
		if !isSHA(p) {
			return Info{}, fmt.Errorf("%w: parent is no object id", ErrFsck)
		}
	}
	return info, nil
}

// parseIdentity reads "Name <mail> seconds zone". What cannot be read stays empty.
func parseIdentity(s string) (Identity, time.Time) {
	name, rest, ok := strings.Cut(s, "<")
	if !ok {
		return Identity{Name: strings.TrimSpace(s)}, time.Time{}
	}
	mail, when, _ := strings.Cut(rest, ">")
	id := Identity{Name: strings.TrimSpace(name), Email: mail}
	fields := strings.Fields(when)
	if len(fields) == 0 {
		return id, time.Time{}
	}
	seconds, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return id, time.Time{}
	}
	return id, time.Unix(seconds, 0).UTC()
}
