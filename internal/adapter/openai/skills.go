package openai

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/openai/openai-go"
	"github.com/openai/openai-go/shared"

	"github.com/seedbed-dev/seedbed/internal/llm"
)

// How a JSON reply is asked for, best first.
const (
	bySchema = iota // response_format json_schema
	byMode          // response_format json_object, schema in the prompt
	byText          // schema in the prompt, fenced block in the reply
)

// skill is what an endpoint is believed to be able to do with one model. The
// zero value is the most able.
type skill struct {
	format         int
	textTools      bool // tools by words instead of by field
	noStreamUsage  bool
	completionName bool // max_completion_tokens instead of max_tokens
	noTemperature  bool
}

// skills remembers, per model, what was learnt. It only ever lowers its
// opinion, so learning ends.
type skills struct {
	mu   sync.Mutex
	seen map[string]skill
}

func (s *skills) of(model string) skill {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[model]
}

// learn reports whether the request is worth sending again at once, because the
// failure named something in it that can be left out, or because another call
// has learnt so meanwhile.
func (s *skills) learn(req llm.Request, used skill, fail *failure) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[req.Model] != used {
		return namesAParameter(fail)
	}
	less, ok := lower(req, used, fail)
	if !ok {
		return false
	}
	if s.seen == nil {
		s.seen = map[string]skill{}
	}
	s.seen[req.Model] = less
	return true
}

func namesAParameter(fail *failure) bool {
	switch fail.err.Status {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusNotImplemented:
		return fail.err.Kind == llm.Unknown || fail.err.Kind == llm.Outage && fail.err.Status == http.StatusNotImplemented
	}
	return false
}

// lower is the skill without what the endpoint complained about.
func lower(req llm.Request, s skill, fail *failure) (skill, bool) {
	if !namesAParameter(fail) {
		return s, false
	}
	says := func(words ...string) bool {
		for _, w := range words {
			if strings.Contains(fail.body, w) {
				return true
			}
		}
		return false
	}
	switch {
	case req.Schema != nil && s.format == bySchema && says("response_format", "json_schema", "structured output"):
		s.format = byMode
	case req.Schema != nil && s.format == byMode && says("response_format", "json_object", "json mode"):
		s.format = byText
	case !s.noStreamUsage && says("stream_options", "include_usage"):
		s.noStreamUsage = true
	case !s.completionName && req.MaxOutputTokens > 0 && says("max_completion_tokens"):
		s.completionName = true
	case !s.noTemperature && req.Temperature != nil && says("temperature"):
		s.noTemperature = true
	case !s.textTools && len(req.Tools) > 0 && says("tool", "function"):
		s.textTools = true
	default:
		return s, false
	}
	return s, true
}

// chatParams writes the request in the endpoint's words.
func chatParams(req llm.Request, s skill) (openai.ChatCompletionNewParams, error) {
	p := openai.ChatCompletionNewParams{Model: req.Model}
	if notes := instructions(req, s); notes != "" {
		req.Messages = withInstructions(req.Messages, notes)
	}
	for _, m := range req.Messages {
		message, err := chatMessage(m, s)
		if err != nil {
			return p, err
		}
		p.Messages = append(p.Messages, message)
	}
	if !s.noStreamUsage {
		p.StreamOptions.IncludeUsage = openai.Bool(true)
	}
	if req.MaxOutputTokens > 0 && s.completionName {
		p.MaxCompletionTokens = openai.Int(int64(req.MaxOutputTokens))
	} else if req.MaxOutputTokens > 0 {
		p.MaxTokens = openai.Int(int64(req.MaxOutputTokens))
	}
	if req.Temperature != nil && !s.noTemperature {
		p.Temperature = openai.Float(*req.Temperature)
	}
	setFormat(&p, req.Schema, s)
	if !s.textTools {
		tools, err := chatTools(req.Tools)
		p.Tools = tools
		return p, err
	}
	return p, nil
}

func setFormat(p *openai.ChatCompletionNewParams, schema *llm.Schema, s skill) {
	if schema == nil {
		return
	}
	switch s.format {
	case bySchema:
		p.ResponseFormat.OfJSONSchema = &shared.ResponseFormatJSONSchemaParam{
			JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{
				Name: schema.Name, Schema: schema.JSON, Strict: openai.Bool(true),
			},
		}
	case byMode:
		format := shared.NewResponseFormatJSONObjectParam()
		p.ResponseFormat.OfJSONObject = &format
	}
}

func chatTools(tools []llm.Tool) ([]openai.ChatCompletionToolParam, error) {
	var out []openai.ChatCompletionToolParam
	for _, t := range tools {
		var parameters shared.FunctionParameters
		if len(t.Parameters) > 0 {
			if err := json.Unmarshal(t.Parameters, &parameters); err != nil {
				return nil, fmt.Errorf("parameters of tool %s: %w", t.Name, err)
			}
		}
		f := shared.FunctionDefinitionParam{Name: t.Name, Parameters: parameters}
		if t.Description != "" {
			f.Description = openai.String(t.Description)
		}
		out = append(out, openai.ChatCompletionToolParam{Function: f})
	}
	return out, nil
}

func chatMessage(m llm.Message, s skill) (openai.ChatCompletionMessageParamUnion, error) {
	switch m.Role {
	case llm.System:
		return openai.SystemMessage(m.Content), nil
	case llm.User:
		return openai.UserMessage(m.Content), nil
	case llm.Assistant:
		return assistantMessage(m, s), nil
	case llm.ToolRole:
		if s.textTools {
			return openai.UserMessage(toolResult(m)), nil
		}
		return openai.ToolMessage(m.Content, m.ToolCallID), nil
	default:
		return openai.ChatCompletionMessageParamUnion{}, fmt.Errorf("message with role %q", m.Role)
	}
}

func assistantMessage(m llm.Message, s skill) openai.ChatCompletionMessageParamUnion {
	if s.textTools {
		return openai.AssistantMessage(m.Content + toolWords(m.ToolCalls))
	}
	a := openai.ChatCompletionAssistantMessageParam{}
	if m.Content != "" || len(m.ToolCalls) == 0 {
		a.Content.OfString = openai.String(m.Content)
	}
	for _, c := range m.ToolCalls {
		a.ToolCalls = append(a.ToolCalls, openai.ChatCompletionMessageToolCallParam{
			ID:       c.ID,
			Function: openai.ChatCompletionMessageToolCallFunctionParam{Name: c.Name, Arguments: c.Arguments},
		})
	}
	return openai.ChatCompletionMessageParamUnion{OfAssistant: &a}
}
