// Package journal reads and writes AUTOGEN_LOG.md, the committed record of what
// was done: one entry per cycle that had effects, readable by people, each with
// the same facts as one line of JSON and bound to the entry before by a hash.
//
// The text of an entry is a pure function of its facts, so that a changed byte
// anywhere, in the table as much as in the JSON, is found by writing the entry
// anew. A chain without a key can still be rewritten from its start by whoever
// may push; that is found in the file's git history, which the caller walks.
//
// The package maps bytes to bytes. Where the log is kept and who may write it
// is not its business.
package journal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Path is where the log lives in a repository.
const Path = "AUTOGEN_LOG.md"

// Version is the version of an entry. A field may be added at the end, left out
// when empty, and with a new version: a binary that does not know the field
// would take the entry for a changed one. Nothing is ever removed or renamed,
// since old entries stay for ever.
const Version = 1

// MaxSize is the size in bytes at which the log rolls into an archive.
const MaxSize = 512 << 10

const header = `# Seedbed log

Written by Seedbed, one entry for each cycle that did something. Each entry carries the hash of the one
before: ` + "`seedbed log verify --repo DIR`" + ` finds an entry that was changed, removed or put in between.
`

// Genesis is what the first entry of a log has in place of a hash before.
var Genesis = strings.Repeat("0", 64)

// Entry is one cycle. Prev and Hash are hexadecimal sha256.
type Entry struct {
	Version int       `json:"v"`
	Prev    string    `json:"prev"`
	Hash    string    `json:"hash"`
	Key     string    `json:"key"` // of the cycle: the same key is never entered twice
	At      time.Time `json:"at"`
	Run     int64     `json:"run"`
	RunURL  string    `json:"run_url,omitempty"`
	Binary  string    `json:"binary"`
	Base    string    `json:"base"`
	Tasks   []Line    `json:"tasks"`
	Effects []Count   `json:"effects,omitempty"`
	Tokens  int64     `json:"tokens"`
	Resumed bool      `json:"resumed,omitempty"`
}

// Line is one task of a cycle.
type Line struct {
	Issue    int      `json:"issue"`
	Pull     int      `json:"pull,omitempty"`
	Task     string   `json:"task"` // first eight digits of its key
	Type     string   `json:"type,omitempty"`
	Title    string   `json:"title"`
	Outcome  string   `json:"outcome"`  // merged | opened | refused | no_change | deployed | ...
	Decision string   `json:"decision"` // of the judge
	Rules    []string `json:"rules,omitempty"`
	Files    int      `json:"files"`
	Added    int      `json:"added"`
	Deleted  int      `json:"deleted"`
	Tokens   int64    `json:"tokens"`
	Tree     string   `json:"tree,omitempty"`
	Merge    string   `json:"merge,omitempty"`
	Steps    []string `json:"steps,omitempty"` // trees of the commits we published, in order
}

// Count is how many effects of a kind were done.
type Count struct {
	Kind string `json:"kind"`
	N    int    `json:"n"`
}

// ErrEntered means that the log already holds an entry with this key.
var ErrEntered = errors.New("already in the log")

// Append adds an entry to a log and gives the new log. An empty log begins
// with Genesis. The entry's Prev and Hash are filled in.
func Append(log []byte, e Entry) ([]byte, error) {
	return appendAfter(log, e, Genesis)
}

func appendAfter(log []byte, e Entry, start string) ([]byte, error) {
	entries, err := Parse(log)
	if err != nil {
		return nil, err
	}
	e.Version, e.Prev = Version, start
	for _, have := range entries {
		if have.Key == e.Key {
			return nil, fmt.Errorf("cycle %s: %w", e.Key, ErrEntered)
		}
		e.Prev = have.Hash
	}
	if len(log) == 0 {
		log = []byte(header)
	}
	text, err := seal(&e)
	if err != nil {
		return nil, err
	}
	return append(bytes.Clone(log), text...), nil
}

// Roll moves a full log into an archive named by the month of its last entry
// and begins a new one with entry e, which carries the archive's last hash.
// taken tells the archive names in use.
func Roll(log []byte, e Entry, taken func(path string) bool) (archive string, fresh []byte, err error) {
	entries, err := Parse(log)
	if err != nil {
		return "", nil, err
	}
	if len(entries) == 0 {
		return "", nil, fmt.Errorf("%s: nothing to roll", Path)
	}
	last := entries[len(entries)-1]
	for _, have := range entries {
		if have.Key == e.Key {
			return "", nil, fmt.Errorf("cycle %s: %w", e.Key, ErrEntered)
		}
	}
	fresh, err = appendAfter(nil, e, last.Hash)
	return archiveName(last.At, taken), fresh, err
}

func archiveName(at time.Time, taken func(string) bool) string {
	name := "docs/autogen-log/" + at.UTC().Format("2006-01")
	path := name + ".md"
	for n := 2; taken(path); n++ {
		path = fmt.Sprintf("%s-%d.md", name, n)
	}
	return path
}

// seal fills in the hash and gives the entry's text. The entry is first brought
// to what a reader of its JSON will have, or it would not be found unchanged:
// bytes that are no UTF-8 come back as U+FFFD.
func seal(e *Entry) ([]byte, error) {
	e.Hash = ""
	data, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("writing a log entry: %w", err)
	}
	*e = Entry{}
	if err := json.Unmarshal(data, e); err != nil {
		return nil, fmt.Errorf("writing a log entry: %w", err)
	}
	bare, err := render(*e)
	if err != nil {
		return nil, err
	}
	e.Hash = sum(bare)
	return render(*e)
}

func sum(text []byte) string {
	h := sha256.Sum256(text)
	return hex.EncodeToString(h[:])
}

func render(e Entry) ([]byte, error) {
	var b bytes.Buffer
	fmt.Fprintf(&b, "\n## %s", e.At.UTC().Format("2006-01-02 15:04:05Z"))
	switch {
	case e.RunURL != "":
		fmt.Fprintf(&b, " · [run %d](%s)", e.Run, link(e.RunURL))
	case e.Run != 0:
		fmt.Fprintf(&b, " · run %d", e.Run)
	}
	b.WriteString("\n\n| task | outcome | verdict | change | tokens |\n|---|---|---|---|---|\n")
	for _, t := range e.Tasks {
		fmt.Fprintf(&b, "| #%d %s | %s | %s | %d files +%d -%d | %d |\n",
			t.Issue, cell(t.Title), outcome(t), verdict(t), t.Files, t.Added, t.Deleted, t.Tokens)
	}
	data, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("writing a log entry: %w", err)
	}
	fmt.Fprintf(&b, "\n```json\n%s\n```\n", data)
	return b.Bytes(), nil
}

func outcome(t Line) string {
	if t.Pull != 0 {
		return fmt.Sprintf("%s #%d", cell(t.Outcome), t.Pull)
	}
	return cell(t.Outcome)
}

func verdict(t Line) string {
	if len(t.Rules) == 0 {
		return cell(t.Decision)
	}
	return cell(t.Decision + ": " + strings.Join(t.Rules, ", "))
}

// cell makes text of strangers harmless inside a Markdown table: it can end
// neither the cell nor the row, mentions nobody and links nowhere.
func cell(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029:
			b.WriteByte(' ')
		case unseen(r):
		case strings.ContainsRune("|`<>[]()*_~#@\\&!", r):
			fmt.Fprintf(&b, "&#%d;", r)
		default:
			b.WriteRune(r)
		}
		if b.Len() > 400 {
			return b.String() + "… truncated"
		}
	}
	return b.String()
}

// unseen are characters that change how a row reads without being seen.
func unseen(r rune) bool {
	return r == 0xad || r == 0x61c || r == 0xfeff || r >= 0x200b && r <= 0x200f || r >= 0x202a && r <= 0x202e ||
		r >= 0x2060 && r <= 0x206f || r >= 0xe0000 && r <= 0xe0fff
}

// link makes an address one that cannot end the link it stands in.
func link(url string) string {
	var b strings.Builder
	for i := range len(url) {
		if c := url[i]; c <= ' ' || c >= 0x7f || strings.IndexByte("()<>[]\\`|\"", c) >= 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// Broken is a fault in a log, at its N-th entry, counted from 1; 0 is the head
// of the file.
type Broken struct {
	N    int
	What string
}

// Error names the entry.
func (b *Broken) Error() string {
	if b.N == 0 {
		return Path + ": " + b.What
	}
	return fmt.Sprintf("%s: entry %d %s", Path, b.N, b.What)
}

// Parse reads a log and checks every entry and the chain between them. An
// empty log has no entries. Whether the first entry follows an archive is
// checked by Follows.
func Parse(log []byte) ([]Entry, error) {
	if len(log) == 0 {
		return nil, nil
	}
	if !bytes.HasPrefix(log, []byte(header)) {
		return nil, &Broken{0, "does not begin as Seedbed writes it"}
	}
	var entries []Entry
	for rest := log[len(header):]; len(rest) > 0; {
		n := len(entries) + 1
		text, after, ok := cutEntry(rest)
		if !ok {
			return nil, &Broken{n, "is cut short"}
		}
		e, err := parseEntry(text, n)
		if err != nil {
			return nil, err
		}
		if n > 1 && e.Prev != entries[n-2].Hash {
			return nil, &Broken{n, fmt.Sprintf("does not follow entry %d", n-1)}
		}
		entries, rest = append(entries, e), after
	}
	return entries, nil
}

// cutEntry splits after the fence that closes the entry's JSON.
func cutEntry(log []byte) (entry, rest []byte, ok bool) {
	open := bytes.Index(log, []byte("\n```json\n"))
	if open < 0 {
		return nil, nil, false
	}
	end := bytes.Index(log[open+9:], []byte("\n```\n"))
	if end < 0 {
		return nil, nil, false
	}
	at := open + 9 + end + 5
	return log[:at], log[at:], true
}

func parseEntry(text []byte, n int) (Entry, error) {
	_, data, _ := bytes.Cut(text, []byte("\n```json\n"))
	data = bytes.TrimSuffix(data, []byte("\n```\n"))
	var e Entry
	if err := json.Unmarshal(data, &e); err != nil {
		return Entry{}, &Broken{n, "was changed: its JSON does not read"}
	}
	if e.Version > Version {
		return Entry{}, &Broken{n, fmt.Sprintf("has version %d; this binary knows %d", e.Version, Version)}
	}
	hash := e.Hash
	want, err := seal(&e)
	if err != nil || e.Hash != hash || !bytes.Equal(want, text) {
		return Entry{}, &Broken{n, fmt.Sprintf("was changed (%s)", e.At.UTC().Format("2006-01-02 15:04:05Z"))}
	}
	return e, nil
}

// Follows checks that a log continues its archives, oldest first.
func Follows(archives [][]Entry, log []Entry) error {
	prev := Genesis
	for i, part := range append(slices.Clone(archives), log) {
		if len(part) == 0 {
			continue
		}
		if part[0].Prev != prev {
			return &Broken{1, fmt.Sprintf("of part %d does not follow the archive before it", i+1)}
		}
		prev = part[len(part)-1].Hash
	}
	return nil
}

// Extends checks that the next version of the log only adds to the one before,
// or begins anew with its last hash.
func Extends(before, after []byte) error {
	if bytes.HasPrefix(after, before) {
		return nil
	}
	old, err := Parse(before)
	if err != nil {
		return err
	}
	fresh, err := Parse(after)
	if err != nil {
		return err
	}
	if len(old) > 0 && len(fresh) > 0 && fresh[0].Prev == old[len(old)-1].Hash {
		return nil
	}
	return &Broken{firstDifference(old, fresh), "is not as it was committed before"}
}

func firstDifference(old, fresh []Entry) int {
	for i := range old {
		if i >= len(fresh) || fresh[i].Hash != old[i].Hash {
			return i + 1
		}
	}
	return len(old)
}

// Totals sums what was spent since a moment.
func Totals(entries []Entry, since time.Time) (tokens, cycles, effects int64) {
	for _, e := range entries {
		if e.At.Before(since) {
			continue
		}
		cycles++
		tokens += e.Tokens
		for _, c := range e.Effects {
			effects += int64(c.N)
		}
	}
	return tokens, cycles, effects
}
