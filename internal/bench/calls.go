package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// request is what is read of a line of requests.jsonl.
type request struct {
	Method   string `json:"method"`
	Path     string `json:"path"`
	Status   int    `json:"status"`
	Token    string `json:"token"`
	Mutation bool   `json:"mutation"`
}

// calls counts what one task asked of the forge.
type calls struct {
	toMerge   int // up to and with the merge
	all       int // up to the lease given back
	mutations int
}

func (w *world) requests() ([]request, error) {
	data, err := os.ReadFile(filepath.Join(w.hub(), "requests.jsonl"))
	if err != nil {
		return nil, fmt.Errorf("reading what was asked: %w", err)
	}
	var list []request
	for line := range bytes.Lines(data) {
		var r request
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, fmt.Errorf("reading requests.jsonl: %w", err)
		}
		list = append(list, r)
	}
	return list, nil
}

// counts says whether a request counts against GitHub's rate limit: made by a
// workflow, REST or GraphQL, and not answered by 304.
// https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api
func (r request) counts() bool {
	git := strings.HasSuffix(r.Path, "/info/refs") || strings.HasSuffix(r.Path, "/git-upload-pack") || strings.HasSuffix(r.Path, "/git-receive-pack")
	return r.Token == "actions" && !git && r.Status != http.StatusNotModified
}

func count(list []request) (calls, error) {
	var c calls
	for _, r := range list {
		if !r.counts() {
			continue
		}
		c.all++
		if r.Mutation {
			c.mutations++
		}
		if r.Method == http.MethodPut && strings.HasSuffix(r.Path, "/merge") && r.Status == http.StatusOK {
			c.toMerge = c.all
		}
	}
	if c.toMerge == 0 {
		return c, errors.New("no merge was asked for")
	}
	return c, nil
}
