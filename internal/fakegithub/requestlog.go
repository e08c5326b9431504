package fakegithub

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// logBody caps how much of a mutation's body is kept.
const logBody = 4096

// requestLine is one line of requests.jsonl. Fields may be added; readers must
// ignore those they do not know. It never holds a token.
type requestLine struct {
	Time     time.Time `json:"time"`
	ID       string    `json:"id"`
	Method   string    `json:"method"`
	Path     string    `json:"path"`
	Query    string    `json:"query,omitempty"`
	Status   int       `json:"status"` // 0: the connection was dropped before handling
	Actor    string    `json:"actor,omitempty"`
	Token    TokenKind `json:"token,omitempty"`
	Mutation bool      `json:"mutation"` // asked to change something: not for GraphQL queries and fetches
	Body     string    `json:"body,omitempty"`
	Fault    string    `json:"fault,omitempty"`
}

func (s *Server) openLog() error {
	path := filepath.Join(s.root, "requests.jsonl")
	old, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("reading the request log: %w", err)
	}
	s.lines = bytes.Count(old, []byte{'\n'})
	s.log, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("opening the request log: %w", err)
	}
	return nil
}

// nextRequest numbers requests on from the lines already in the log.
func (s *Server) nextRequest() string {
	s.logMu.Lock()
	defer s.logMu.Unlock()
	s.lines++
	return fmt.Sprintf("FAKE:%06X", s.lines)
}

// mutation tells whether a request asks for a change: by its method, except
// that GraphQL queries and git fetches are reads sent by POST.
func (c *call) mutation() bool {
	switch c.r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return false
	}
	if strings.HasSuffix(c.r.URL.Path, "/git-upload-pack") {
		return false
	}
	if strings.HasSuffix(c.r.URL.Path, "/graphql") {
		return isMutation(c.body)
	}
	return true
}

// logLine is written before the answer is sent: who has an answer finds its line.
func (c *call) logLine(status int, f *Fault) {
	line := requestLine{Time: c.s.opt.Now().UTC(), ID: c.id, Method: c.r.Method, Path: c.r.URL.Path, Query: c.redact(c.r.URL.RawQuery), Status: status, Mutation: c.mutation()}
	if c.actor != nil {
		line.Actor = c.actor.Login
	}
	if c.token != nil {
		line.Token = c.token.Kind
	}
	if f != nil {
		line.Fault = string(f.Kind)
	}
	if line.Mutation {
		line.Body = c.redact(string(c.body[:min(len(c.body), logBody)]))
	}
	data, err := json.Marshal(line)
	if err != nil {
		return // unreachable: strings, numbers and times only
	}
	c.s.logMu.Lock()
	defer c.s.logMu.Unlock()
	c.s.log.Write(append(data, '\n'))
}

// redact takes the caller's own token, and anything shaped like one of ours, out.
func (c *call) redact(text string) string {
	for _, prefix := range tokenPrefixes {
		for {
			at := strings.Index(text, prefix)
			if at < 0 {
				break
			}
			end := at + len(prefix)
			for end < len(text) && isWord(text[end]) {
				end++
			}
			text = text[:at] + "(token)" + text[end:]
		}
	}
	return text
}

func isWord(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b == '_'
}
