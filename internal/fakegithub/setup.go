package fakegithub

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"time"
)

// User describes an account.
type User struct {
	Login string
	ID    int64  // 0: the next free id
	Type  string // User (default), Bot or Organization
	Name  string
	Email string
}

// Settings are a repository's switches, as its settings page shows them.
type Settings struct {
	AllowMerge            bool // merge commits
	AllowSquash           bool
	AllowRebase           bool
	AllowAutoMerge        bool
	DeleteBranchOnMerge   bool
	ActionsCanOpenPulls   bool   // "Allow GitHub Actions to create and approve pull requests"
	ActionsDisabled       bool   // Actions switched off for the repository
	DefaultWorkflowAccess string // "read" (default) or "write"
	RefuseCustomRefs      bool   // only refs/heads and refs/tags can be written
}

// DefaultSettings are those of a new repository, except that Actions may open
// pull requests.
func DefaultSettings() Settings {
	return Settings{AllowMerge: true, AllowSquash: true, AllowRebase: true, ActionsCanOpenPulls: true, DefaultWorkflowAccess: "read"}
}

// Repository describes a repository to create.
type Repository struct {
	Owner, Name   string
	Description   string
	DefaultBranch string // empty: the source's, else main
	Private       bool
	// From is copied: a bare repository, a work tree (its committed branches
	// and tags), or a plain directory, which becomes the first commit. Empty
	// makes an empty repository.
	From string
	// ForkOf is the OWNER/NAME this is a fork of; From empty then copies it.
	ForkOf string
	// Settings of nil are DefaultSettings.
	Settings *Settings
}

// Token describes a token to mint.
type Token struct {
	// Name labels the token in the ready file. Minting under a given name again
	// replaces the old token, unless both are alike: then it stays. Empty gives
	// LOGIN or "actions", with a number where that is taken by another.
	Name string
	Kind TokenKind
	// Login is whose token it is: for KindUser a user, for KindApp its bot,
	// such as "seedbed[bot]", which is made when missing. KindActions has its own.
	Login string
	// Repo limits the token to one OWNER/NAME; empty is all repositories.
	Repo string
	// Permissions limit the token, as in a workflow's `permissions:`, such as
	// {"contents": "write", "issues": "read"}. Nil means all the user has;
	// an empty map means none but metadata.
	Permissions map[string]string
}

// Protection guards a branch.
type Protection struct {
	Checks       []string // contexts or check names that must be green
	Strict       bool     // the branch must be up to date before merging
	Reviews      int      // approving reviews needed
	DismissStale bool     // a push takes approvals back
	Admins       bool     // holds for admins too
	MergeQueue   bool     // merging means enqueueing
	Linear       bool     // no merge commits
}

// Run describes a workflow run, which the fake only remembers.
type Run struct {
	ID         int64  // 0: the next free id
	Path       string // such as .github/workflows/ci.yml
	Name       string
	Event      string
	Status     string // queued, in_progress or completed
	Conclusion string // success, failure ...; empty while not completed
	HeadSHA    string
	HeadBranch string
	Actor      string
	Jobs       []Job
}

// Job is one job of a run.
type Job struct {
	ID                 int64
	Name               string
	Status, Conclusion string
}

var loginPattern = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9-]{0,38})(?:\[bot\])?$`)
var namePattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)

// ensureOwnUsers makes the two accounts GitHub itself acts under.
func (s *Server) ensureOwnUsers() {
	if s.st.user(actionsBot) != nil {
		return
	}
	now := s.now()
	s.st.Users[actionsBot] = &user{ID: actionsBotID, Login: actionsBot, Type: "Bot", CreatedAt: now, App: &app{ID: actionsAppID, Slug: "github-actions", Name: "GitHub Actions"}}
	s.st.Users[webFlow] = &user{ID: webFlowID, Login: webFlow, Type: "User", Name: webFlowName, Email: webFlowEmail, CreatedAt: now}
}

func (s *Server) now() time.Time { return s.opt.Now().UTC().Truncate(time.Second) }

// change runs a set-up step alone and stores the result.
func (s *Server) change(step func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := step(); err != nil {
		return err
	}
	return s.st.store(s.root)
}

// AddUser makes an account; making it again with the same login changes nothing.
func (s *Server) AddUser(u User) error {
	return s.change(func() error {
		_, err := s.addUser(u)
		return err
	})
}

func (s *Server) addUser(u User) (*user, error) {
	if !loginPattern.MatchString(u.Login) {
		return nil, fmt.Errorf("adding user %q: not a login", u.Login)
	}
	if old := s.st.user(u.Login); old != nil {
		return old, nil
	}
	for _, other := range s.st.Users {
		if u.ID != 0 && other.ID == u.ID {
			return nil, fmt.Errorf("adding user %s: id %d belongs to %s", u.Login, u.ID, other.Login)
		}
	}
	if u.ID == 0 {
		u.ID = s.st.nextID()
	}
	if u.Type == "" {
		u.Type = "User"
	}
	made := &user{ID: u.ID, Login: u.Login, Type: u.Type, Name: u.Name, Email: u.Email, CreatedAt: s.now()}
	if slug, bot := strings.CutSuffix(u.Login, "[bot]"); bot {
		made.Type, made.App = "Bot", &app{ID: s.st.nextID(), Slug: slug, Name: slug}
	}
	s.st.Users[fold(u.Login)] = made
	return made, nil
}

// AddRepository makes a repository and its owner, where missing. A repository
// that is already there is left as it is.
func (s *Server) AddRepository(r Repository) error {
	return s.change(func() error { return s.addRepository(r) })
}

func (s *Server) addRepository(r Repository) error {
	if !loginPattern.MatchString(r.Owner) || !namePattern.MatchString(r.Name) || strings.HasSuffix(r.Name, ".git") || strings.Trim(r.Name, ".") == "" {
		return fmt.Errorf("adding repository %s/%s: not a repository name", r.Owner, r.Name)
	}
	key := repoKey(r.Owner, r.Name)
	if s.st.Repos[key] != nil {
		return nil
	}
	if _, err := s.addUser(User{Login: r.Owner}); err != nil {
		return err
	}
	settings := DefaultSettings()
	if r.Settings != nil {
		settings = *r.Settings
	}
	from := r.From
	if from == "" && r.ForkOf != "" {
		parent := s.st.Repos[fold(r.ForkOf)]
		if parent == nil {
			return fmt.Errorf("adding repository %s: no repository %s to fork", key, r.ForkOf)
		}
		from = s.repoPath(parent.Owner, parent.Name)
	}
	now := s.now()
	made := &repository{ID: s.st.nextID(), Owner: r.Owner, Name: r.Name, Description: r.Description, DefaultBranch: r.DefaultBranch, Private: r.Private,
		ForkOf: fold(r.ForkOf), CreatedAt: now, UpdatedAt: now, PushedAt: now, Settings: settings, Collaborators: map[string]string{},
		Issues: map[int]*issue{}, Variables: map[string]*variable{}, Protections: map[string]Protection{}, Signed: map[string]bool{}}
	for _, l := range defaultLabels {
		made.Labels = append(made.Labels, &label{ID: s.st.nextID(), Name: l.Name, Color: l.Color, Description: l.Description})
	}
	if err := s.initGit(made, from); err != nil {
		return fmt.Errorf("adding repository %s: %w", made.full(), err)
	}
	s.st.Repos[key] = made
	return nil
}

// defaultLabels are what a new repository on GitHub starts with.
var defaultLabels = []label{
	{Name: "bug", Color: "d73a4a", Description: "Something isn't working"},
	{Name: "documentation", Color: "0075ca", Description: "Improvements or additions to documentation"},
	{Name: "duplicate", Color: "cfd3d7", Description: "This issue or pull request already exists"},
	{Name: "enhancement", Color: "a2eeef", Description: "New feature or request"},
	{Name: "good first issue", Color: "7057ff", Description: "Good for newcomers"},
	{Name: "help wanted", Color: "008672", Description: "Extra attention is needed"},
	{Name: "invalid", Color: "e4e669", Description: "This doesn't seem right"},
	{Name: "question", Color: "d876e3", Description: "Further information is requested"},
	{Name: "wontfix", Color: "ffffff", Description: "This will not be worked on"},
}

// initGit makes the bare repository and fills it.
func (s *Server) initGit(r *repository, from string) error {
	g := s.dir(r)
	if err := os.MkdirAll(g.dir, 0o755); err != nil {
		return fmt.Errorf("making its directory: %w", err)
	}
	if _, err := g.run(nil, "init", "-q", "--bare", "--template=", g.dir); err != nil {
		return err
	}
	if from != "" {
		if err := s.copyFrom(r, g, from); err != nil {
			return fmt.Errorf("copying %s: %w", from, err)
		}
	}
	if r.DefaultBranch == "" {
		r.DefaultBranch = "main"
	}
	_, err := g.run(nil, "symbolic-ref", "HEAD", "refs/heads/"+r.DefaultBranch)
	return err
}

func (s *Server) copyFrom(r *repository, g *gitRepo, from string) error {
	from, err := filepath.Abs(from)
	if err != nil {
		return err
	}
	if _, err := os.Stat(from); err != nil {
		return err
	}
	source := ""
	for _, dir := range []string{filepath.Join(from, ".git"), from} {
		if _, err := os.Stat(filepath.Join(dir, "HEAD")); err == nil {
			source = dir
			break
		}
		if info, err := os.Stat(filepath.Join(from, ".git")); err == nil && !info.IsDir() {
			source = from // a linked work tree: .git is a file that points on
			break
		}
	}
	if source == "" {
		return s.commitDirectory(r, g, from)
	}
	return s.fetchAll(r, g, from)
}

// fetchAll copies branches and tags. Fetching, unlike a clone, takes neither
// configuration nor hooks along.
func (s *Server) fetchAll(r *repository, g *gitRepo, from string) error {
	if _, err := g.run(nil, "fetch", "-q", "--update-shallow", "--no-write-fetch-head", from, "+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"); err != nil {
		return err
	}
	branch := ""
	if out, err := g.run(nil, "ls-remote", "--symref", from, "HEAD"); err == nil {
		line, _, _ := strings.Cut(string(out), "\n")
		if target, found := strings.CutPrefix(line, "ref: refs/heads/"); found {
			branch, _, _ = strings.Cut(target, "\t")
		}
	}
	if r.DefaultBranch == "" {
		r.DefaultBranch = branch
	}
	if r.DefaultBranch == "" {
		r.DefaultBranch = "main"
	}
	if g.resolve("refs/heads/"+r.DefaultBranch) != "" {
		return nil
	}
	// A detached HEAD, as a checkout in a job leaves it, is the default branch.
	_, err := g.run(nil, "fetch", "-q", "--update-shallow", "--no-write-fetch-head", from, "HEAD:refs/heads/"+r.DefaultBranch)
	return err
}

// commitDirectory makes a plain directory the first commit.
func (s *Server) commitDirectory(r *repository, g *gitRepo, from string) error {
	if r.DefaultBranch == "" {
		r.DefaultBranch = "main"
	}
	scratch, err := os.MkdirTemp("", "fakegithub-add-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	env := []string{"GIT_INDEX_FILE=" + filepath.Join(scratch, "index"), "GIT_WORK_TREE=" + from}
	if _, err := g.runEnv(env, nil, "-C", from, "-c", "core.bare=false", "add", "-A", "-f", "."); err != nil {
		return err
	}
	tree, err := g.runEnv(env, nil, "write-tree")
	if err != nil {
		return err
	}
	who := s.signature(s.st.user(r.Owner), s.now())
	sha, err := g.writeCommit(gitCommit{Tree: strings.TrimSpace(string(tree)), Author: who, Committer: who, Message: "Initial commit\n"})
	if err != nil {
		return err
	}
	return g.updateRef("refs/heads/"+r.DefaultBranch, sha, zeroSHA)
}

// signature is how a user's commits are signed off when nothing else is said.
func (s *Server) signature(u *user, when time.Time) signature {
	if u == nil {
		return signature{"nobody", "nobody@users.noreply.github.com", when}
	}
	name, email := u.Name, u.Email
	if name == "" {
		name = u.Login
	}
	if email == "" {
		email = fmt.Sprintf("%d+%s@users.noreply.github.com", u.ID, u.Login)
	}
	return signature{name, email, when}
}

// with runs a set-up step on one repository.
func (s *Server) with(full string, step func(*repository) error) error {
	return s.change(func() error {
		r := s.st.Repos[fold(full)]
		if r == nil {
			return fmt.Errorf("no repository %s", full)
		}
		return step(r)
	})
}

// SetPermission makes a user a collaborator of OWNER/NAME with a role: admin,
// maintain, write, triage or read; "none" takes them off.
func (s *Server) SetPermission(full, login, role string) error {
	return s.with(full, func(r *repository) error {
		if _, known := rank[role]; !known || role == "" {
			return fmt.Errorf("setting %s's role on %s: unknown role %q: want admin, maintain, none, read, triage or write", login, full, role)
		}
		if s.st.user(login) == nil {
			return fmt.Errorf("setting %s's role on %s: no such user", login, full)
		}
		if role == "none" {
			delete(r.Collaborators, fold(login))
			return nil
		}
		r.Collaborators[fold(login)] = role
		return nil
	})
}

// MintToken makes a token, or gives the one that is already there with the
// same name and powers.
func (s *Server) MintToken(t Token) (string, error) {
	var value string
	err := s.change(func() error {
		made := &token{Name: t.Name, Kind: t.Kind, Login: t.Login, Repo: fold(t.Repo)}
		prefix := "ghs_"
		switch t.Kind {
		case KindActions:
			made.Login = actionsBot
		case KindApp:
			if !strings.HasSuffix(t.Login, "[bot]") {
				return fmt.Errorf("minting an app token: login %q does not end in [bot]", t.Login)
			}
			if _, err := s.addUser(User{Login: t.Login}); err != nil {
				return err
			}
		case KindUser:
			prefix = "ghp_"
			if s.st.user(t.Login) == nil {
				return fmt.Errorf("minting a token: no user %q", t.Login)
			}
		default:
			return fmt.Errorf("minting a token: unknown kind %q", t.Kind)
		}
		if made.Repo != "" && s.st.Repos[made.Repo] == nil {
			return fmt.Errorf("minting a token: no repository %s", t.Repo)
		}
		if t.Permissions != nil {
			made.Permissions = map[string]string{}
			for name, level := range t.Permissions {
				if _, known := rank[level]; !known {
					return fmt.Errorf("minting a token for %s: permission %s has unknown level %q", made.Login, name, level)
				}
				made.Permissions[permissionName(name)] = level
			}
		}
		if made.Name == "" {
			made.Name = s.freeName(made)
		}
		for old, other := range s.st.Tokens {
			if other.Name != made.Name {
				continue
			}
			if reflect.DeepEqual(other, made) {
				value = old
				return nil
			}
			delete(s.st.Tokens, old)
		}
		random := make([]byte, 18)
		if _, err := io.ReadFull(s.opt.Rand, random); err != nil {
			return fmt.Errorf("minting a token: %w", err)
		}
		value = prefix + hex.EncodeToString(random)
		s.st.Tokens[value] = made
		return nil
	})
	return value, err
}

// freeName labels an unnamed token after its user; a number keeps tokens of
// other powers apart.
func (s *Server) freeName(made *token) string {
	name := strings.TrimSuffix(made.Login, "[bot]")
	if made.Kind == KindActions {
		name = "actions"
	}
	for n := 1; ; n++ {
		one := *made
		one.Name = name
		if n > 1 {
			one.Name = fmt.Sprintf("%s-%d", name, n)
		}
		taken := false
		for _, other := range s.st.Tokens {
			taken = taken || other.Name == one.Name && !reflect.DeepEqual(*other, one)
		}
		if !taken {
			return one.Name
		}
	}
}

// TokenNamed gives the token minted under a name, or "".
func (s *Server) TokenNamed(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for value, t := range s.st.Tokens {
		if t.Name == name {
			return value
		}
	}
	return ""
}

// Protect guards a branch of OWNER/NAME; the zero Protection takes it off.
func (s *Server) Protect(full, branch string, p Protection) error {
	return s.with(full, func(r *repository) error {
		if p.none() {
			delete(r.Protections, branch)
			return nil
		}
		r.Protections[branch] = p
		return nil
	})
}

func (p Protection) none() bool {
	return len(p.Checks) == 0 && !p.Strict && p.Reviews == 0 && !p.DismissStale && !p.Admins && !p.MergeQueue && !p.Linear
}

// Configure replaces the settings of OWNER/NAME.
func (s *Server) Configure(full string, settings Settings) error {
	return s.with(full, func(r *repository) error {
		r.Settings = settings
		return nil
	})
}

// SetRun remembers a workflow run, or changes the one with the same id. When
// it is completed a workflow_run event is written. It gives the run's id.
func (s *Server) SetRun(full string, run Run) (int64, error) {
	var id int64
	err := s.with(full, func(r *repository) error {
		if run.Path == "" || !isSHA(run.HeadSHA) {
			return errors.New("setting a workflow run: path and the full name of a head commit are needed")
		}
		id = s.setRun(r, run)
		return nil
	})
	return id, err
}

// SetVariable sets an Actions variable of OWNER/NAME, as a person would in the settings.
func (s *Server) SetVariable(full, name, value string) error {
	return s.with(full, func(r *repository) error {
		now := s.now()
		if v := r.Variables[strings.ToUpper(name)]; v != nil {
			v.Value, v.UpdatedAt = value, now
			return nil
		}
		r.Variables[strings.ToUpper(name)] = &variable{Name: strings.ToUpper(name), Value: value, CreatedAt: now, UpdatedAt: now}
		return nil
	})
}

// inside is a call made by the server itself, in the name of a user.
func (s *Server) inside(r *repository, actor *user) *call {
	return &call{s: s, st: s.st, base: s.baseURL(), now: s.now(), actor: actor, repo: r, git: s.dir(r), params: map[string]string{}}
}
