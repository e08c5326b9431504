package fakegithub

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// stateVersion is raised when state.json changes in a way older code cannot
// read. Fields may be added without raising it.
const stateVersion = 1

// state is everything that is not in git. It is stored whole, as JSON.
type state struct {
	Version   int
	LastID    int64
	LastEvent int
	Users     map[string]*user       // by folded login
	Tokens    map[string]*token      // by the token itself
	Repos     map[string]*repository // by folded OWNER/NAME
}

type user struct {
	ID        int64
	Login     string
	Type      string // User, Bot or Organization
	Name      string
	Email     string
	App       *app `json:",omitempty"`
	CreatedAt time.Time
}

// app is the GitHub App behind a bot.
type app struct {
	ID   int64
	Slug string
	Name string
}

type token struct {
	Name        string
	Kind        TokenKind
	Login       string
	Repo        string            // folded OWNER/NAME the token is for; "" is all
	Permissions map[string]string // nil: whatever the user may do
}

type repository struct {
	ID            int64
	Owner, Name   string
	Description   string
	DefaultBranch string
	Private       bool
	ForkOf        string `json:",omitempty"`
	CreatedAt     time.Time
	UpdatedAt     time.Time
	PushedAt      time.Time
	Settings      Settings

	LastNumber    int
	LastRun       int
	Collaborators map[string]string // folded login to role
	Labels        []*label
	Milestones    []*milestone
	Issues        map[int]*issue
	Comments      []*comment
	Events        []*issueEvent
	Reviews       []*review
	Threads       []*thread
	LineComments  []*lineComment
	Suites        []*checkSuite
	Checks        []*checkRun
	Statuses      []*status
	Deployments   []*deployment
	Workflows     []*workflow
	Runs          []*workflowRun
	Variables     map[string]*variable
	Protections   map[string]Protection // by branch
	Queue         []*queueEntry
	Signed        map[string]bool // commits GitHub itself would have signed
}

type label struct {
	ID          int64
	Name        string
	Color       string
	Description string
}

type milestone struct {
	ID          int64
	Number      int
	Title       string
	Description string
	State       string
	Creator     string
	CreatedAt   time.Time
}

// issue is an issue or, when Pull is set, a pull request: they share numbers.
type issue struct {
	ID           int64
	Number       int
	Title        string
	Body         *string
	User         string
	App          bool
	State        string
	StateReason  string
	Labels       []int64
	Assignees    []string
	Milestone    int
	Locked       bool
	Reactions    []*reaction
	CreatedAt    time.Time
	UpdatedAt    time.Time
	ClosedAt     *time.Time
	ClosedBy     string
	LastEditedAt *time.Time
	Edits        []edit
	Pull         *pull `json:",omitempty"`
}

type edit struct {
	ID     int64
	At     time.Time
	Editor string
}

type pull struct {
	HeadRepo       string // OWNER/NAME
	HeadRef        string
	HeadSHA        string
	BaseRef        string
	BaseSHA        string
	Draft          bool
	Merged         bool
	MergedAt       *time.Time
	MergedBy       string
	MergeCommit    string
	Requested      []string
	MaintainerEdit bool
	AutoMerge      bool
}

type comment struct {
	ID        int64
	Number    int
	User      string
	App       bool
	Body      string
	Reactions []*reaction
	CreatedAt time.Time
	UpdatedAt time.Time
}

type reaction struct {
	ID        int64
	User      string
	Content   string
	CreatedAt time.Time
}

// issueEvent is an entry of an issue's history. Comments, reviews and commits
// are woven in when a timeline is asked for.
type issueEvent struct {
	ID        int64
	Number    int
	Event     string
	Actor     string
	App       bool
	Label     *label `json:",omitempty"`
	From, To  string `json:",omitempty"`
	CommitID  string `json:",omitempty"`
	Subject   string `json:",omitempty"` // assignee or requested reviewer
	Review    int64  `json:",omitempty"` // dismissed review
	CreatedAt time.Time
}

type review struct {
	ID          int64
	Number      int
	User        string
	Body        string
	State       string
	CommitID    string
	SubmittedAt *time.Time
}

// thread is a conversation on one place of a diff.
type thread struct {
	ID         int64
	Number     int
	Resolved   bool
	ResolvedBy string
}

type lineComment struct {
	ID          int64
	Number      int
	Review      int64
	Thread      int64
	InReplyTo   int64
	User        string
	Body        string
	Path        string
	CommitID    string
	Original    string
	DiffHunk    string
	Position    int
	Line        int
	Side        string
	StartLine   int
	StartSide   string
	SubjectType string
	Reactions   []*reaction
	CreatedAt   time.Time
	UpdatedAt   time.Time
}

type checkSuite struct {
	ID         int64
	AppID      int64
	AppUser    string
	HeadSHA    string
	HeadBranch string
	CreatedAt  time.Time
}

type checkRun struct {
	ID          int64
	Suite       int64
	Name        string
	HeadSHA     string
	ExternalID  string
	DetailsURL  string
	Status      string
	Conclusion  string
	StartedAt   *time.Time
	CompletedAt *time.Time
	Title       *string
	Summary     *string
	Text        *string
	Annotations []annotation
	AppUser     string
}

type annotation struct {
	Path        string  `json:"path"`
	StartLine   int     `json:"start_line"`
	EndLine     int     `json:"end_line"`
	StartColumn *int    `json:"start_column"`
	EndColumn   *int    `json:"end_column"`
	Level       string  `json:"annotation_level"`
	Title       *string `json:"title"`
	Message     string  `json:"message"`
	RawDetails  *string `json:"raw_details"`
}

type status struct {
	ID          int64
	SHA         string
	State       string
	Context     string
	Description *string
	TargetURL   *string
	Creator     string
	CreatedAt   time.Time
}

type deployment struct {
	ID          int64
	SHA         string
	Ref         string
	Task        string
	Environment string
	Original    string
	Description *string
	Payload     json.RawMessage
	Transient   bool
	Production  bool
	Creator     string
	CreatedAt   time.Time
	UpdatedAt   time.Time
	Statuses    []*deploymentStatus
}

type deploymentStatus struct {
	ID             int64
	State          string
	Description    string
	Environment    string
	TargetURL      string
	EnvironmentURL string
	LogURL         string
	Creator        string
	CreatedAt      time.Time
}

type workflow struct {
	ID       int64
	Path     string
	Disabled bool
	At       time.Time
}

type workflowRun struct {
	ID         int64
	Number     int
	Path       string
	Name       string
	Event      string
	Status     string
	Conclusion string
	HeadSHA    string
	HeadBranch string
	Actor      string
	Attempt    int
	CreatedAt  time.Time
	UpdatedAt  time.Time
	Jobs       []Job
}

type variable struct {
	Name, Value          string
	CreatedAt, UpdatedAt time.Time
}

type queueEntry struct {
	ID       int64
	Number   int
	HeadSHA  string
	Base     string // what the group was formed on
	Group    string // the commit under trial
	Ref      string // the group's branch
	Enqueuer string
	At       time.Time
}

// loadState reads state.json, or gives an empty state when there is none yet.
func loadState(root string) (*state, error) {
	st := &state{Version: stateVersion, LastID: 1000, Users: map[string]*user{}, Tokens: map[string]*token{}, Repos: map[string]*repository{}}
	data, err := os.ReadFile(filepath.Join(root, "state.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return st, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the stored state: %w", err)
	}
	if err := json.Unmarshal(data, st); err != nil {
		return nil, fmt.Errorf("reading %s: %w", filepath.Join(root, "state.json"), err)
	}
	if st.Version != stateVersion {
		return nil, fmt.Errorf("reading %s: version %d, this program reads %d", filepath.Join(root, "state.json"), st.Version, stateVersion)
	}
	return st, nil
}

// store writes the state aside and renames it, so that a killed server leaves
// either the old state or the new one.
func (st *state) store(root string) error {
	data, err := json.Marshal(st)
	if err != nil {
		return fmt.Errorf("encoding the state: %w", err)
	}
	return writeAside(filepath.Join(root, "state.json"), data)
}

// writeAside replaces a file in one step. Mode 0600: the state holds tokens.
func writeAside(path string, data []byte) error {
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", tmp, err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("replacing %s: %w", path, err)
	}
	return nil
}

// nextID counts one sequence for every kind of object, so that ids never meet.
func (st *state) nextID() int64 {
	st.LastID++
	return st.LastID
}

func fold(s string) string { return strings.ToLower(s) }

func repoKey(owner, name string) string { return fold(owner + "/" + name) }

func (st *state) user(login string) *user { return st.Users[fold(login)] }

func (r *repository) full() string { return r.Owner + "/" + r.Name }

func (r *repository) label(id int64) *label {
	for _, l := range r.Labels {
		if l.ID == id {
			return l
		}
	}
	return nil
}

func (r *repository) labelNamed(name string) *label {
	for _, l := range r.Labels {
		if strings.EqualFold(l.Name, name) {
			return l
		}
	}
	return nil
}
