// Package llm holds the words exchanged with any language model: a Request, a
// Reply, what it cost and how it failed.
//
// One interface, Completer, stands for every model. Decorators add what each
// call needs, one thing each, from the outside in:
//
//	Transcribed   writes one line per call, redacted
//	Replayed      answers from earlier transcripts, so that reruns pay nothing
//	Metered       reserves the worst case in every ledger before the call
//	adapter       talks to an endpoint
//
// Ask puts one structured question and allows one repair. DecodeExact reads a
// reply strictly: models, endpoints and stored files are all strangers.
//
// The package opens no connection and knows no vendor. It does not build
// prompts and does not judge what a reply says.
package llm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
)

// Roles of a message, as in the chat completions format.
const (
	System    = "system"
	User      = "user"
	Assistant = "assistant"
	ToolRole  = "tool"
)

// Reasons for which a model stops, as in the chat completions format.
const (
	FinishStop    = "stop"           // said what it had to say
	FinishLength  = "length"         // cut at the output limit
	FinishTools   = "tool_calls"     // waits for the results of its tool calls
	FinishFilter  = "content_filter" // the endpoint withheld the rest
	FinishUnknown = ""               // the endpoint did not say
)

// Completer answers one request. An error is an *Error or the context's own;
// whoever implements it has done all retrying before it returns one, so callers
// do not retry. It must be safe for concurrent use.
//
// adapter/openai.Client talks to real endpoints; Metered, Transcribed and
// Replayed wrap another Completer; Scripted and Recorded are the doubles.
type Completer interface {
	Complete(ctx context.Context, req Request) (Reply, error)
}

// Request is everything that determines a reply. Role is the agent's role
// ("implementer"), Step the place in its work ("edit"); both are for people,
// scripts and transcripts and are not sent. Model is empty for the endpoint's
// configured model. MaxOutputTokens is zero for the default of whoever meters
// the call.
type Request struct {
	Role            string    `json:"role"`
	Step            string    `json:"step"`
	Messages        []Message `json:"messages"`
	Tools           []Tool    `json:"tools,omitempty"`
	Schema          *Schema   `json:"schema,omitempty"`
	MaxOutputTokens int       `json:"max_output_tokens,omitempty"`
	Temperature     *float64  `json:"temperature,omitempty"`
	Model           string    `json:"model,omitempty"`
}

// Message is one turn. ToolCalls stand only in an assistant's message;
// ToolCallID and Name only in a tool's, answering the call of that id.
type Message struct {
	Role       string     `json:"role"`
	Content    string     `json:"content"`
	ToolCalls  []ToolCall `json:"tool_calls,omitempty"`
	ToolCallID string     `json:"tool_call_id,omitempty"`
	Name       string     `json:"name,omitempty"`
}

// Tool is something a model may ask for. Parameters is a JSON Schema object.
type Tool struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Parameters  json.RawMessage `json:"parameters,omitempty"`
}

// ToolCall is a model's wish to use a tool. Arguments is JSON text as the model
// wrote it: read it with DecodeExact.
type ToolCall struct {
	ID        string `json:"id,omitempty"`
	Name      string `json:"name"`
	Arguments string `json:"arguments"`
}

// Schema asks for a reply that is one JSON value of this shape. Name is made of
// letters, digits, underscores and dashes, at most 64. Endpoints may ignore it.
type Schema struct {
	Name string          `json:"name"`
	JSON json.RawMessage `json:"json"`
}

// Usage is what a call cost in tokens. Known is false when the endpoint did not
// say or said nonsense; then the numbers mean nothing.
type Usage struct {
	Input  int  `json:"input"`
	Output int  `json:"output"`
	Known  bool `json:"known"`
}

// Total is input and output together. It is meaningful only for known usage.
func (u Usage) Total() int64 { return int64(u.Input) + int64(u.Output) }

// Reply is what came back. Model is the name the endpoint gave; Cached says
// that the words come from an earlier transcript and cost nothing now.
type Reply struct {
	Content   string     `json:"content"`
	ToolCalls []ToolCall `json:"tool_calls,omitempty"`
	Finish    string     `json:"finish,omitempty"`
	Usage     Usage      `json:"usage"`
	Model     string     `json:"model,omitempty"`
	Cached    bool       `json:"cached,omitempty"`
}

// digestVersion is hashed in front of the request. Change it when the canonical
// form changes, so that old transcripts are not taken for answers.
const digestVersion = "seedbed request 1\n"

// Digest names a request by the SHA-256 of its canonical JSON, in hex. Raw JSON
// inside it (schemas, tool parameters) counts by meaning: spacing and the order
// of keys do not matter.
func Digest(req Request) string {
	req.Tools = append([]Tool(nil), req.Tools...)
	for i, t := range req.Tools {
		req.Tools[i].Parameters = canonical(t.Parameters)
	}
	if req.Schema != nil {
		req.Schema = &Schema{Name: req.Schema.Name, JSON: canonical(req.Schema.JSON)}
	}
	data, err := json.Marshal(req)
	if err != nil {
		// unreachable: plain fields marshal, raw ones were checked above, and a
		// temperature that is no number is sent to nobody.
		data = fmt.Appendf(nil, "%#v", req)
	}
	sum := sha256.Sum256(append([]byte(digestVersion), data...))
	return hex.EncodeToString(sum[:])
}

// canonical sorts keys and drops spacing; text that is no JSON is kept as a
// JSON string, so that it still tells requests apart.
func canonical(raw json.RawMessage) json.RawMessage {
	if len(raw) == 0 {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	var value any
	if err := dec.Decode(&value); err != nil || dec.More() {
		value = string(raw)
	}
	data, err := json.Marshal(value)
	if err != nil {
		return nil // unreachable: the value came out of a decoder
	}
	return data
}

// bytesPerToken is close to what common vocabularies reach on code and English.
const bytesPerToken = 3.5

// tokensPerMessage covers what chat formats add around each message and tool.
const tokensPerMessage = 8

// tokensInWords covers what an adapter says in words when an endpoint has no
// field for schemas or tools.
const tokensInWords = 96

// EstimateTokens is about how many tokens the request's input takes, rounded
// up, without a vocabulary: bytes/3.5 plus a little for each message and tool.
func EstimateTokens(req Request) int {
	size, parts := 0, len(req.Messages)+len(req.Tools)
	for _, m := range req.Messages {
		size += len(m.Role) + len(m.Content) + len(m.ToolCallID) + len(m.Name)
		for _, c := range m.ToolCalls {
			size += len(c.ID) + len(c.Name) + len(c.Arguments)
		}
	}
	for _, t := range req.Tools {
		size += len(t.Name) + len(t.Description) + len(t.Parameters)
	}
	if req.Schema != nil {
		size += len(req.Schema.Name) + len(req.Schema.JSON)
		parts++
	}
	extra := parts * tokensPerMessage
	if req.Schema != nil || len(req.Tools) > 0 {
		extra += tokensInWords
	}
	return int(math.Ceil(float64(size)/bytesPerToken)) + extra
}
