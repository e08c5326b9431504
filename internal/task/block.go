package task

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
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

// ReadBlock finds the one block in a body. The error says why a block was not
// taken: none, two, cut, older or newer.
func ReadBlock(body string) (Block, error) {
	if n := strings.Count(body, "<!-- seedbed:"); n != 1 {
		return Block{}, fmt.Errorf("hidden block: found %d, want 1", n)
	}
	_, rest, ok := strings.Cut(body, blockOpen)
	if !ok {
		return Block{}, fmt.Errorf("hidden block: not version %d", BlockVersion)
	}
	data, _, ok := strings.Cut(rest, blockClose)
	if !ok || len(data) > MaxBlock {
		return Block{}, fmt.Errorf("hidden block: cut or larger than %d bytes", MaxBlock)
	}
	var b Block
	dec := json.NewDecoder(strings.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&b); err != nil {
		return Block{}, fmt.Errorf("hidden block: %w", err)
	}
	if b.Version != BlockVersion {
		return Block{}, fmt.Errorf("hidden block: version %d, want %d", b.Version, BlockVersion)
	}
	return b, nil
}
