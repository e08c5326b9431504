package openai

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/llm"
)

// instructions say in words what the endpoint has no field for.
func instructions(req llm.Request, s skill) string {
	var notes []string
	if req.Schema != nil && s.format != bySchema {
		note := "Answer with one JSON value that fits this JSON Schema, and with nothing else"
		if s.format == byText {
			note += ", in a block fenced by ```json and ```"
		}
		notes = append(notes, note+":\n"+string(req.Schema.JSON))
	}
	if len(req.Tools) > 0 && s.textTools {
		notes = append(notes, toolList(req.Tools))
	}
	return strings.Join(notes, "\n\n")
}

func toolList(tools []llm.Tool) string {
	var b strings.Builder
	b.WriteString("You may use one tool at a time. To use it, answer with nothing but a block fenced by ```json and ```, " +
		"holding {\"tool\": NAME, \"arguments\": OBJECT}. Tools, with the JSON Schema of their arguments:\n")
	for _, t := range tools {
		fmt.Fprintf(&b, "- %s: %s %s\n", t.Name, t.Description, t.Parameters)
	}
	return b.String()
}

// withInstructions adds them to the first system message, or puts one in front:
// many endpoints take a system message only there.
func withInstructions(messages []llm.Message, notes string) []llm.Message {
	if len(messages) > 0 && messages[0].Role == llm.System {
		out := append([]llm.Message(nil), messages...)
		out[0].Content += "\n\n" + notes
		return out
	}
	return append([]llm.Message{{Role: llm.System, Content: notes}}, messages...)
}

// spokenCall is a tool call in words.
type spokenCall struct {
	Tool      string          `json:"tool"`
	Arguments json.RawMessage `json:"arguments"`
}

// toolWords is how an earlier tool call looks in a conversation held in words.
func toolWords(calls []llm.ToolCall) string {
	var b strings.Builder
	for _, c := range calls {
		arguments := json.RawMessage(c.Arguments)
		if !json.Valid(arguments) {
			arguments = json.RawMessage("{}")
		}
		data, err := json.Marshal(spokenCall{c.Name, arguments})
		if err == nil {
			fmt.Fprintf(&b, "```json\n%s\n```\n", data)
		}
	}
	return b.String()
}

func toolResult(m llm.Message) string {
	return fmt.Sprintf("Result of %s:\n%s", m.Name, m.Content)
}

// finished understands a tool call that was made in words.
func finished(reply llm.Reply, req llm.Request, s skill) llm.Reply {
	if reply.Finish == "function_call" {
		reply.Finish = llm.FinishTools
	}
	if !s.textTools || len(req.Tools) == 0 || len(reply.ToolCalls) > 0 {
		return reply
	}
	var call spokenCall
	if llm.DecodeExact([]byte(reply.Content), &call) != nil {
		return reply
	}
	for _, t := range req.Tools {
		if t.Name == call.Tool {
			reply.ToolCalls = []llm.ToolCall{{ID: "spoken", Name: call.Tool, Arguments: string(call.Arguments)}}
			reply.Content, reply.Finish = "", llm.FinishTools
		}
	}
	return reply
}
