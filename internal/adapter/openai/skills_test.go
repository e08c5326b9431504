package openai

import (
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/seedbed-dev/seedbed/internal/llm"
)

func asking() llm.Request {
	req := hello()
	req.Schema = &llm.Schema{Name: "plan", JSON: json.RawMessage(`{"type":"object","properties":{"ok":{"type":"boolean"}}}`)}
	return req
}

func unsupported(what string) http.HandlerFunc {
	return status(400, fmt.Sprintf(`{"error":{"message":"%s is not supported with this model","type":"invalid_request_error","param":%q}}`, what, what))
}

// format is what the n-th request asked for: the type of its response_format,
// and whether the schema stood in the prompt.
func format(body map[string]any) string {
	kind := "text"
	if f, ok := body["response_format"].(map[string]any); ok {
		kind = f["type"].(string)
	}
	if strings.Contains(fmt.Sprint(body["messages"]), "JSON Schema") {
		kind += "+prompt"
	}
	return kind
}

func TestJSONIsAskedForAsTheEndpointCan(t *testing.T) {
	answer := streamed(said(`{"ok":true}`), stopEvent)
	e := newEndpoint(t, unsupported("response_format.json_schema"), unsupported("response_format"), answer, answer)
	c, clock := newTestClient(t, e.URL+"/v1", nil)
	for range 2 {
		if _, err := c.Complete(t.Context(), asking()); err != nil {
			t.Fatal(err)
		}
	}
	var have []string
	for _, body := range e.requests() {
		have = append(have, format(body))
	}
	want := []string{"json_schema", "json_object+prompt", "text+prompt", "text+prompt"}
	if !reflect.DeepEqual(have, want) || len(clock.waits) != 0 {
		t.Errorf("have %v, waits %v\nwant %v", have, clock.waits, want)
	}
}

func TestTheSchemaIsSentAsItIs(t *testing.T) {
	e := newEndpoint(t, good())
	c, _ := newTestClient(t, e.URL+"/v1", nil)
	if _, err := c.Complete(t.Context(), asking()); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"type": "json_schema", "json_schema": map[string]any{"name": "plan", "strict": true,
		"schema": map[string]any{"type": "object", "properties": map[string]any{"ok": map[string]any{"type": "boolean"}}}}}
	if have := e.requests()[0]["response_format"]; !reflect.DeepEqual(have, want) {
		t.Errorf("have %v\nwant %v", have, want)
	}
}

func TestParametersAnEndpointDoesNotKnowAreLeftOut(t *testing.T) {
	hot := 0.3
	req := hello()
	req.Temperature = &hot
	e := newEndpoint(t,
		status(422, `{"detail":[{"loc":["body","stream_options"],"msg":"Extra inputs are not permitted"}]}`),
		status(400, `{"error":{"message":"Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.","param":"max_tokens"}}`),
		unsupported("temperature"), good())
	c, _ := newTestClient(t, e.URL+"/v1", nil)
	if _, err := c.Complete(t.Context(), req); err != nil {
		t.Fatal(err)
	}
	last := e.requests()[3]
	for _, gone := range []string{"stream_options", "max_tokens", "temperature"} {
		if _, ok := last[gone]; ok {
			t.Errorf("%s is still sent", gone)
		}
	}
	if last["max_completion_tokens"] != 100.0 {
		t.Errorf("have %v", last)
	}
}

func TestAComplaintThatNothingCanBeDoneAboutIsNotRepeated(t *testing.T) {
	e := newEndpoint(t, unsupported("tools"), unsupported("tools"))
	c, _ := newTestClient(t, e.URL+"/v1", nil)
	req := hello()
	req.Tools = weatherTool()
	_, err := c.Complete(t.Context(), req)
	checkError(t, err, llm.Unknown, "tools is not supported")
}

func weatherTool() []llm.Tool {
	return []llm.Tool{{Name: "get_weather", Description: "weather of a place",
		Parameters: json.RawMessage(`{"type":"object","properties":{"location":{"type":"string"}}}`)}}
}

// toolTalk is a conversation in which a tool was used.
func toolTalk() llm.Request {
	req := hello()
	req.Tools = weatherTool()
	req.Messages = append(req.Messages,
		llm.Message{Role: llm.Assistant, ToolCalls: []llm.ToolCall{{ID: "c1", Name: "get_weather", Arguments: `{"location":"Oslo"}`}}},
		llm.Message{Role: llm.ToolRole, ToolCallID: "c1", Name: "get_weather", Content: "snow"})
	return req
}

func TestToolCallsInAStream(t *testing.T) {
	delta := func(s string) string { return `{"choices":[{"index":0,"delta":{"tool_calls":[` + s + `]}}]}` }
	e := newEndpoint(t, streamed(
		delta(`{"index":1,"id":"b","type":"function","function":{"name":"get_weather","arguments":"{}"}}`),
		delta(`{"index":0,"id":"a","type":"function","function":{"name":"get_weather","arguments":"{\"location\":"}}`),
		delta(`{"index":0,"function":{"arguments":"\"Oslo\"}"}}`),
		`{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}`))
	c, _ := newTestClient(t, e.URL+"/v1", nil)
	reply, err := c.Complete(t.Context(), toolTalk())
	want := []llm.ToolCall{{ID: "a", Name: "get_weather", Arguments: `{"location":"Oslo"}`}, {ID: "b", Name: "get_weather", Arguments: `{}`}}
	if err != nil || !reflect.DeepEqual(reply.ToolCalls, want) || reply.Finish != llm.FinishTools {
		t.Fatalf("have %+v, %v", reply, err)
	}
	messages := e.requests()[0]["messages"].([]any)
	if call := fmt.Sprint(messages[1]); !strings.Contains(call, "c1") || !strings.Contains(call, "Oslo") {
		t.Errorf("assistant's message: have %s", call)
	}
	if result := messages[2].(map[string]any); result["role"] != "tool" || result["tool_call_id"] != "c1" || result["content"] != "snow" {
		t.Errorf("tool's message: have %v", result)
	}
}

func TestToolCallsThatAreBadlyNumbered(t *testing.T) {
	e := newEndpoint(t, streamed(strings.ReplaceAll(`{"choices":[{"index":0,"finish_reason":"tool_calls","delta":{"tool_calls":[
		{"index":0,"id":"a","function":{"name":"get_weather","arguments":"{}"}},
		{"index":0,"id":"b","function":{"name":"get_weather","arguments":"{}"}},
		{"index":3,"function":{"name":"get_weather","arguments":"{}"}}]}}]}`, "\n", " ")))
	c, _ := newTestClient(t, e.URL+"/v1", nil)
	reply, err := c.Complete(t.Context(), toolTalk())
	call := func(id string) llm.ToolCall { return llm.ToolCall{ID: id, Name: "get_weather", Arguments: "{}"} }
	if want := []llm.ToolCall{call("a"), call("b"), call("call_3")}; err != nil || !reflect.DeepEqual(reply.ToolCalls, want) {
		t.Fatalf("have %+v, %v", reply, err)
	}
}

func TestToolCallsInAReplyThatIsNotStreamed(t *testing.T) {
	e := newEndpoint(t, status(200, `{"choices":[{"index":0,"finish_reason":"tool_calls","message":{"content":null,"tool_calls":[
		{"id":"a","type":"function","function":{"name":"get_weather","arguments":"{}"}},
		{"id":"b","type":"function","function":{"name":"get_weather","arguments":"{}"}}]}}]}`, "Content-Type", "application/json"))
	c, _ := newTestClient(t, e.URL+"/v1", nil)
	reply, err := c.Complete(t.Context(), toolTalk())
	if err != nil || len(reply.ToolCalls) != 2 {
		t.Fatalf("have %+v, %v", reply, err)
	}
}

func TestToolsInWords(t *testing.T) {
	answer := streamed(said("I look it up.\n```json\n{\"tool\":\"get_weather\",\"arguments\":{\"location\":\"Oslo\"}}\n```\n"), stopEvent)
	e := newEndpoint(t, unsupported("tools"), answer)
	c, _ := newTestClient(t, e.URL+"/v1", nil)
	reply, err := c.Complete(t.Context(), toolTalk())
	want := []llm.ToolCall{{ID: "spoken", Name: "get_weather", Arguments: `{"location":"Oslo"}`}}
	if err != nil || !reflect.DeepEqual(reply.ToolCalls, want) || reply.Finish != llm.FinishTools || reply.Content != "" {
		t.Fatalf("have %+v, %v", reply, err)
	}
	body := e.requests()[1]
	if _, ok := body["tools"]; ok {
		t.Error("tools are still sent")
	}
	talk := fmt.Sprint(body["messages"])
	for _, want := range []string{"weather of a place", `{"tool":"get_weather","arguments":{"location":"Oslo"}}`, "Result of get_weather:\nsnow"} {
		if !strings.Contains(talk, want) {
			t.Errorf("messages do not hold %q:\n%s", want, talk)
		}
	}
}

func TestTooManyToolCalls(t *testing.T) {
	var calls []string
	for i := range maxToolCalls + 1 {
		calls = append(calls, fmt.Sprintf(`{"index":%d,"function":{"name":"x"}}`, i))
	}
	e := newEndpoint(t, streamed(`{"choices":[{"index":0,"delta":{"tool_calls":[`+strings.Join(calls, ",")+`]}}]}`))
	c, _ := newTestClient(t, e.URL+"/v1", nil)
	_, err := c.Complete(t.Context(), toolTalk())
	checkError(t, err, llm.BadReply, "more than 128 tool calls")
}
