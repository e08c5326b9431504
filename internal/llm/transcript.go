package llm

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/seedbed-dev/seedbed/internal/secret"
)

// Privacy says how much of a conversation is written down; it is the seed's
// privacy.transcript.
type Privacy string

// The three privacy modes. With NoWords nothing can be replayed, so a rerun
// pays again.
const (
	Full    Privacy = "full"   // prompts and replies
	Digests Privacy = "digest" // replies; prompts only as digest
	NoWords Privacy = "none"   // neither, only that a call was made and its cost
)

// transcriptVersion changes when a field changes its meaning. Readers refuse
// other versions and unknown fields, since what they answer stands for a paid
// reply.
const transcriptVersion = 1

// Line is the stored form of one call: a line of transcript.jsonl. Fields may
// be added together with a new version; Match stands only in recordings written
// by hand.
type Line struct {
	Version  int       `json:"v"`
	Match    *Match    `json:"match,omitempty"`
	At       string    `json:"at,omitempty"` // start, RFC 3339 in UTC
	Digest   string    `json:"digest,omitempty"`
	Role     string    `json:"role,omitempty"`
	Step     string    `json:"step,omitempty"`
	Messages []Message `json:"messages,omitempty"`
	Reply    *Reply    `json:"reply,omitempty"`
	Failure  *Failure  `json:"failure,omitempty"`
	Usage    *Usage    `json:"usage,omitempty"`
	Cached   bool      `json:"cached,omitempty"`
	Millis   int64     `json:"ms"`
}

// Failure is how a call failed, in a transcript.
type Failure struct {
	Kind    Kind   `json:"kind"`
	Status  int    `json:"status,omitempty"`
	Message string `json:"message"`
}

// Match tells which request a recorded reply belongs to: the role and step, and
// texts that the prompt must all contain, such as a file name or a sentence of
// the issue. An empty role or step matches any.
type Match struct {
	Role     string   `json:"role,omitempty"`
	Step     string   `json:"step,omitempty"`
	Contains []string `json:"contains,omitempty"`
}

// Transcribed appends one line per call to Out, in one Write each, redacted.
// Calls are written whether they succeed or fail. A line that cannot be written
// fails the call: words that leave no trace must not be used.
type Transcribed struct {
	Inner    Completer
	Out      io.Writer
	Privacy  Privacy          // empty: Digests
	Redactor *secret.Redactor // nil: well-known token formats only
	Now      func() time.Time

	mu sync.Mutex
}

// Complete implements Completer.
func (t *Transcribed) Complete(ctx context.Context, req Request) (Reply, error) {
	start := t.Now()
	reply, err := t.Inner.Complete(ctx, req)
	if werr := t.write(t.line(req, reply, err, start)); werr != nil {
		return Reply{}, errors.Join(fmt.Errorf("writing the transcript of %s/%s: %w", req.Role, req.Step, werr), err)
	}
	return reply, err
}

func (t *Transcribed) line(req Request, reply Reply, err error, start time.Time) Line {
	line := Line{
		Version: transcriptVersion,
		At:      start.UTC().Format(time.RFC3339),
		Digest:  Digest(req),
		Role:    t.clean(req.Role),
		Step:    t.clean(req.Step),
		Millis:  t.Now().Sub(start).Milliseconds(),
	}
	if t.Privacy == Full {
		line.Messages = t.cleanMessages(req.Messages)
	}
	if err != nil {
		line.Failure = t.failure(err)
		return line
	}
	line.Usage, line.Cached = &reply.Usage, reply.Cached
	if t.Privacy != NoWords {
		line.Reply = t.cleanReply(reply)
	}
	return line
}

func (t *Transcribed) failure(err error) *Failure {
	f := &Failure{Kind: KindOf(err)}
	var e *Error
	if errors.As(err, &e) {
		f.Status = e.Status
	}
	if t.Privacy != NoWords {
		f.Message = t.clean(err.Error())
	}
	return f
}

func (t *Transcribed) clean(s string) string {
	return string(t.Redactor.Redact([]byte(s)))
}

func (t *Transcribed) cleanMessages(messages []Message) []Message {
	clean := make([]Message, len(messages))
	for i, m := range messages {
		m.Content, m.Name, m.ToolCallID = t.clean(m.Content), t.clean(m.Name), t.clean(m.ToolCallID)
		m.ToolCalls = t.cleanCalls(m.ToolCalls)
		clean[i] = m
	}
	return clean
}

func (t *Transcribed) cleanCalls(calls []ToolCall) []ToolCall {
	var clean []ToolCall
	for _, c := range calls {
		clean = append(clean, ToolCall{ID: t.clean(c.ID), Name: t.clean(c.Name), Arguments: t.clean(c.Arguments)})
	}
	return clean
}

func (t *Transcribed) cleanReply(r Reply) *Reply {
	r.Content, r.ToolCalls, r.Model = t.clean(r.Content), t.cleanCalls(r.ToolCalls), t.clean(r.Model)
	return &r
}

func (t *Transcribed) write(line Line) error {
	data, err := json.Marshal(line)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_, err = t.Out.Write(append(data, '\n'))
	return err
}

// maxLine and maxTranscript bound what is read back; a transcript comes as an
// artifact, and anyone may have made it.
const (
	maxLine       = 16 << 20
	maxTranscript = 256 << 20
)

// Transcript is what ReadTranscript found. Cut is the number of bytes of a last
// line without its newline, left by a process that died while writing; they are
// not used, and whoever reads should say so.
type Transcript struct {
	Lines []Line
	Cut   int
}

// ReadTranscript reads a transcript or a recording. name is used in errors,
// which give the line number.
func ReadTranscript(name string, r io.Reader) (Transcript, error) {
	var t Transcript
	in := bufio.NewReaderSize(io.LimitReader(r, maxTranscript+1), 64<<10)
	size := 0
	for n := 1; ; n++ {
		data, err := readLine(in)
		size += len(data)
		switch {
		case err == io.EOF:
			t.Cut = len(data)
			return t, nil
		case err != nil:
			return t, fmt.Errorf("%s:%d: %w", name, n, err)
		case size > maxTranscript:
			return t, fmt.Errorf("%s:%d: more than %d bytes", name, n, maxTranscript)
		case len(bytes.TrimSpace(data)) == 0:
			continue
		}
		line, err := parseLine(data)
		if err != nil {
			return t, fmt.Errorf("%s:%d: %w", name, n, err)
		}
		t.Lines = append(t.Lines, line)
	}
}

// readLine returns a line with its newline; io.EOF comes with what is left.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxLine {
			return nil, fmt.Errorf("line longer than %d bytes", maxLine)
		}
		if err != bufio.ErrBufferFull {
			return line, err
		}
	}
}

func parseLine(data []byte) (Line, error) {
	var line Line
	if err := decodeExact(data, &line, maxLine); err != nil {
		return line, err
	}
	if line.Version != transcriptVersion {
		return line, fmt.Errorf("$.v: version %d, this program reads version %d", line.Version, transcriptVersion)
	}
	return line, nil
}

// OpenTranscript opens path for appending, makes it if needed (readable by its
// owner alone) and takes off a last line that a dying process left without its
// newline; cut is how many bytes that were.
func OpenTranscript(path string) (f *os.File, cut int, err error) {
	f, err = os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, 0, fmt.Errorf("opening the transcript: %w", err)
	}
	cut, err = trimTail(f)
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("opening the transcript %s: %w", path, err), f.Close())
	}
	return f, cut, nil
}

// trimTail truncates f after its last newline.
func trimTail(f *os.File) (int, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	size := info.Size()
	block := make([]byte, 64<<10)
	for end := size; end > 0; {
		start := max(end-int64(len(block)), 0)
		part := block[:end-start]
		if _, err := f.ReadAt(part, start); err != nil {
			return 0, err
		}
		if i := bytes.LastIndexByte(part, '\n'); i >= 0 {
			keep := start + int64(i) + 1
			if keep == size {
				return 0, nil
			}
			return int(size - keep), f.Truncate(keep)
		}
		end = start
	}
	return int(size), f.Truncate(0)
}
