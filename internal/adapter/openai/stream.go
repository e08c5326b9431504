package openai

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/openai/openai-go"
	"github.com/openai/openai-go/option"

	"github.com/seedbed-dev/seedbed/internal/llm"
)

// Bounds of what is read from an endpoint.
const (
	maxBody      = 8 << 20
	maxFault     = 64 << 10
	maxToolCalls = 128
)

// attempt sends the request once and reads the whole reply.
func (c *Client) attempt(ctx context.Context, req llm.Request, skill skill) (llm.Reply, *failure) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(c.stall, func() { cancel(errStalled) })
	defer silence.Stop()

	wire := &wire{client: c, heard: func() { silence.Reset(c.stall) }}
	// The service is built here and not by openai.NewClient, which would also
	// read addresses and organisations from the environment.
	chat := openai.NewChatCompletionService(c.options(wire)...)
	params, err := chatParams(req, skill)
	if err != nil {
		return llm.Reply{}, &failure{err: &llm.Error{Kind: llm.Unknown, Message: c.tidy(err.Error())}}
	}
	if stream := chat.NewStreaming(ctx, params); stream.Err() != nil {
		return llm.Reply{}, c.wireFailure(stream.Err(), context.Cause(ctx))
	}
	defer wire.body.Close()
	reply, fail := c.read(ctx, wire.body)
	if fail != nil {
		return llm.Reply{}, fail
	}
	return finished(reply, req, skill), nil
}

func (c *Client) options(wire *wire) []option.RequestOption {
	base := *c.base
	base.Path = strings.TrimSuffix(base.Path, "/") + "/"
	options := []option.RequestOption{
		option.WithBaseURL(base.String()),
		option.WithHTTPClient(wire),
		option.WithMaxRetries(0),
	}
	if c.key != "" {
		options = append(options, option.WithAPIKey(c.key))
	}
	for name, values := range c.base.Query() {
		for _, v := range values {
			options = append(options, option.WithQueryAdd(name, v))
		}
	}
	return options
}

// wire is the HTTP client given to openai-go for one attempt. It turns every
// answer but a good one into a failure, and watches and bounds the body.
type wire struct {
	client *Client
	heard  func()
	body   io.ReadCloser
}

// Do implements option.HTTPClient.
func (w *wire) Do(req *http.Request) (*http.Response, error) {
	res, err := w.client.http.Do(req)
	if err != nil {
		return nil, err
	}
	w.heard()
	res.Body = &heardBody{ReadCloser: res.Body, heard: w.heard, left: maxBody}
	if res.StatusCode != http.StatusOK {
		defer res.Body.Close()
		body, _ := io.ReadAll(io.LimitReader(res.Body, maxFault)) // what can be read of it will do
		return nil, &failureError{w.client.statusFailure(res, body)}
	}
	media, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	switch media {
	case "application/json":
		if err := asStream(res); err != nil {
			return nil, &failureError{w.client.wireFailure(err, context.Cause(req.Context()))}
		}
	case "text/html":
		res.Body.Close()
		message := "an HTML page instead of a reply: is this the address of a model endpoint?"
		return nil, &failureError{&failure{err: &llm.Error{Kind: llm.BadReply, Status: res.StatusCode, Message: message}}}
	}
	w.body = res.Body
	return res, nil
}

// heardBody reports each sign of life and ends a body that is too large.
type heardBody struct {
	io.ReadCloser
	heard func()
	left  int64
}

// Read implements io.Reader.
func (b *heardBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.heard()
	}
	if b.left -= int64(n); b.left < 0 {
		return 0, errTooLarge
	}
	return n, err
}

// asStream turns the answer of an endpoint that does not stream into a stream
// of one event.
func asStream(res *http.Response) error {
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	var whole map[string]json.RawMessage
	var choices []map[string]json.RawMessage
	if json.Unmarshal(data, &whole) != nil {
		whole = nil
	}
	if json.Unmarshal(whole["choices"], &choices) == nil {
		for _, choice := range choices {
			choice["delta"] = numbered(choice["message"])
			delete(choice, "message")
		}
		whole["choices"], _ = json.Marshal(choices)
		data, _ = json.Marshal(whole)
	}
	data = bytes.ReplaceAll(data, []byte("\n"), []byte(" ")) // between tokens: inside strings it is escaped
	res.Body = io.NopCloser(strings.NewReader("data: " + string(data) + "\n\n"))
	return nil
}

// numbered gives tool calls the index that only streams carry.
func numbered(message json.RawMessage) json.RawMessage {
	var fields map[string]json.RawMessage
	var calls []map[string]json.RawMessage
	if json.Unmarshal(message, &fields) != nil || json.Unmarshal(fields["tool_calls"], &calls) != nil {
		return message
	}
	for i, call := range calls {
		if call != nil {
			call["index"] = fmt.Append(nil, i)
		}
	}
	fields["tool_calls"], _ = json.Marshal(calls)
	out, _ := json.Marshal(fields)
	return out
}

// events reads server-sent events (WHATWG HTML, 9.2) and keeps their data.
// openai-go's own reader takes the comments that some endpoints send while they
// queue a request for broken events, and a null error for an error.
type events struct {
	scanner *bufio.Scanner
}

func newEvents(r io.Reader) *events {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 64<<10), maxBody+1)
	return &events{s}
}

// next is the data of the next event that has any; io.EOF at the end.
func (e *events) next() ([]byte, error) {
	var data []byte
	for e.scanner.Scan() {
		line := bytes.TrimSuffix(e.scanner.Bytes(), []byte("\r"))
		if len(line) == 0 {
			if len(data) > 0 {
				return data, nil
			}
			continue
		}
		if value, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			if len(data) > 0 {
				data = append(data, '\n')
			}
			data = append(data, bytes.TrimPrefix(value, []byte(" "))...)
		}
	}
	if err := e.scanner.Err(); err != nil {
		return nil, err
	}
	if len(data) > 0 {
		return data, nil
	}
	return nil, io.EOF
}

// read puts a streamed reply together.
func (c *Client) read(ctx context.Context, body io.Reader) (llm.Reply, *failure) {
	r := &reading{}
	in := newEvents(body)
	for {
		data, err := in.next()
		if err == io.EOF || err == nil && string(data) == "[DONE]" {
			return r.end()
		}
		if err != nil {
			return llm.Reply{}, c.wireFailure(err, context.Cause(ctx))
		}
		if isFault(data) {
			return llm.Reply{}, c.streamFailure(data)
		}
		var chunk openai.ChatCompletionChunk
		if err := json.Unmarshal(data, &chunk); err != nil {
			return llm.Reply{}, badReply("an event of the stream is not JSON")
		}
		if fail := r.add(chunk); fail != nil {
			return llm.Reply{}, fail
		}
	}
}

func badReply(message string) *failure {
	return &failure{err: &llm.Error{Kind: llm.BadReply, Message: message}}
}

func isFault(data []byte) bool {
	var event struct {
		Error json.RawMessage `json:"error"`
	}
	return json.Unmarshal(data, &event) == nil && len(event.Error) > 0 && string(event.Error) != "null"
}

// reading is a reply half heard.
type reading struct {
	reply   llm.Reply
	content strings.Builder
	refusal strings.Builder
	calls   []*toolCall
	any     bool
}

type toolCall struct {
	index     int64
	id, name  string
	arguments strings.Builder
}

func (r *reading) add(chunk openai.ChatCompletionChunk) *failure {
	if chunk.Model != "" {
		r.reply.Model = chunk.Model
	}
	if chunk.JSON.Usage.Valid() {
		r.reply.Usage = usage(chunk.Usage)
	}
	for _, choice := range chunk.Choices {
		if choice.Index != 0 {
			continue
		}
		r.any = true
		r.content.WriteString(choice.Delta.Content)
		r.refusal.WriteString(choice.Delta.Refusal)
		if choice.FinishReason != "" {
			r.reply.Finish = choice.FinishReason
		}
		for _, call := range choice.Delta.ToolCalls {
			if fail := r.addCall(call); fail != nil {
				return fail
			}
		}
	}
	return nil
}

func (r *reading) addCall(delta openai.ChatCompletionChunkChoiceDeltaToolCall) *failure {
	call := r.callOf(delta)
	if call == nil {
		if len(r.calls) == maxToolCalls {
			return badReply(fmt.Sprintf("more than %d tool calls", maxToolCalls))
		}
		call = &toolCall{index: delta.Index}
		r.calls = append(r.calls, call)
	}
	if delta.ID != "" {
		call.id = delta.ID
	}
	if delta.Function.Name != "" {
		call.name = delta.Function.Name
	}
	call.arguments.WriteString(delta.Function.Arguments)
	return nil
}

// callOf is the call that a piece belongs to: the last of its index, unless the
// piece brings another id. Some endpoints number every call zero.
func (r *reading) callOf(delta openai.ChatCompletionChunkChoiceDeltaToolCall) *toolCall {
	for _, call := range slices.Backward(r.calls) {
		if call.index == delta.Index {
			if delta.ID != "" && call.id != "" && delta.ID != call.id {
				return nil
			}
			return call
		}
	}
	return nil
}

// usage is known only when both numbers came and make sense.
func usage(u openai.CompletionUsage) llm.Usage {
	const most = 1 << 31
	known := u.JSON.PromptTokens.Valid() && u.JSON.CompletionTokens.Valid() &&
		u.PromptTokens >= 0 && u.CompletionTokens >= 0 && u.PromptTokens < most && u.CompletionTokens < most &&
		u.PromptTokens+u.CompletionTokens > 0
	if !known {
		return llm.Usage{}
	}
	return llm.Usage{Input: int(u.PromptTokens), Output: int(u.CompletionTokens), Known: true}
}

// end judges whether what was heard is a whole reply.
func (r *reading) end() (llm.Reply, *failure) {
	switch {
	case !r.any:
		return llm.Reply{}, badReply("no reply in what the endpoint sent")
	case r.refusal.Len() > 0:
		return llm.Reply{}, &failure{err: &llm.Error{Kind: llm.Refusal, Message: "the model declined"}}
	case r.reply.Finish == llm.FinishFilter:
		return llm.Reply{}, &failure{err: &llm.Error{Kind: llm.Refusal, Message: "the endpoint's content filter stopped the reply"}}
	case r.reply.Finish == "":
		// Every complete reply gives its reason to end; without one the
		// connection was closed in the middle, even if it closed cleanly.
		return llm.Reply{}, &failure{err: &llm.Error{Kind: llm.Outage, Message: cutReply}}
	}
	r.reply.Content = r.content.String()
	slices.SortStableFunc(r.calls, func(a, b *toolCall) int { return cmp.Compare(a.index, b.index) })
	for i, call := range r.calls {
		if call.id == "" {
			call.id = fmt.Sprintf("call_%d", i+1) // the result has to name it
		}
		r.reply.ToolCalls = append(r.reply.ToolCalls, llm.ToolCall{ID: call.id, Name: call.name, Arguments: call.arguments.String()})
	}
	return r.reply, nil
}
