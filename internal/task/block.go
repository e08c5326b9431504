package task

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/command"
)

// BlockVersion is the version of the hidden block. Readers refuse a newer one
// and rebuild from git and the forge when it is older, cut or doubled.
const BlockVersion = 1

// MaxBlock is the size in bytes above which a block is not written or read.
const MaxBlock = 16 << 10

const (
	blockOpen  = "<!-- seedbed:v1 "
	blockClose = " -->"
)

// Block is what a pull request's body carries, hidden, about the task it came
// from. It is a hint and never authority: anyone who may write the body, and
// every workflow of the repository, can write one.
type Block struct {
	Version  int            `json:"version"`
	Task     string         `json:"task"` // key
	Issue    int            `json:"issue"`
	Type     string         `json:"type,omitempty"`
	Attempt  int            `json:"attempt"`
	Base     string         `json:"base"` // commit
	Tree     string         `json:"tree"` // judged tree of the head
	Policy   string         `json:"policy"`
	Binary   string         `json:"binary"`
	Risk     string         `json:"risk"`
	Steps    []BlockStep    `json:"steps"`
	Runs     []string       `json:"runs,omitempty"` // links
	Review   string         `json:"review,omitempty"`
	Reported []BlockCommand `json:"reported,omitempty"`
	Tokens   int64          `json:"tokens,omitempty"`
	// Sandbox is what kept the repository's code in, for people to read again.
	Sandbox []command.Layer `json:"sandbox,omitempty"`
}

// BlockStep is one commit: the tree it has and its subject.
type BlockStep struct {
	Tree    string `json:"tree"`
	Subject string `json:"subject"`
}

// BlockCommand is one command measured in a fresh clone.
type BlockCommand struct {
	Command string `json:"command"`
	Base    string `json:"base"`
	Head    string `json:"head"`
	Passed  int    `json:"passed,omitempty"`
	Total   int    `json:"total,omitempty"`
}

// Render writes the block as an HTML comment that no text inside can close.
func (b Block) Render() (string, error) {
	b.Version = BlockVersion
	data, err := json.Marshal(b) // escapes <, > and & by itself
	if err != nil {
		return "", fmt.Errorf("writing the hidden block: %w", err)
	}
	data = bytes.ReplaceAll(data, []byte("--"), []byte(`-\u002d`))
	if len(data) > MaxBlock {
		return "", fmt.Errorf("writing the hidden block: %d bytes, at most %d", len(data), MaxBlock)
	}
	return blockOpen + string(data) + blockClose, nil
}

// ErrNewerBlock means that a block was written by a newer Seedbed: it is left
// alone, and a newer binary is needed.
var ErrNewerBlock = errors.New("written by a newer version")

// ReadBlock finds the one block in a body. The error says why a block was not
// taken: none, two, cut, older, or ErrNewerBlock.
func ReadBlock(body string) (Block, error) {
	found := blockStart.FindAllStringSubmatch(body, 3)
	if len(found) != 1 {
		return Block{}, fmt.Errorf("hidden block: found %d, want 1", len(found))
	}
	if err := known(found[0][1]); err != nil {
		return Block{}, err
	}
	_, rest, _ := strings.Cut(body, found[0][0])
	data, _, ok := strings.Cut(rest, blockClose)
	if !ok || len(data) > MaxBlock {
		return Block{}, fmt.Errorf("hidden block: cut or larger than %d bytes", MaxBlock)
	}
	var version struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal([]byte(data), &version); err != nil {
		return Block{}, fmt.Errorf("hidden block: %w", err)
	}
	if err := known(strconv.Itoa(version.Version)); err != nil {
		return Block{}, err
	}
	var b Block
	dec := json.NewDecoder(strings.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&b); err != nil {
		return Block{}, fmt.Errorf("hidden block: %w", err)
	}
	return b, nil
}

// blockStart finds blocks of any version, whatever the spaces, so that a second
// one is seen that another reader might take.
var blockStart = regexp.MustCompile(`<!--\s*seedbed:v?([0-9]*)\s*`)

func known(version string) error {
	n, err := strconv.Atoi(version)
	switch {
	case err == nil && n > BlockVersion:
		return fmt.Errorf("hidden block: version %d, this binary knows %d: %w", n, BlockVersion, ErrNewerBlock)
	case err != nil || n < BlockVersion:
		return fmt.Errorf("hidden block: version %q, want %d", version, BlockVersion)
	}
	return nil
}
