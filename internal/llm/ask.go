package llm

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// Answer is what Ask heard: the reply that was used, and whether it took the
// repair round to get it.
type Answer struct {
	Reply    Reply
	Repaired bool
}

// Unusable says that neither the first reply nor the repaired one could be
// read. First and Second tell why, with the JSON path where there is one.
type Unusable struct {
	Role, Step string
	Schema     string // name of the schema, may be empty
	First      error
	Second     error
}

// Error names the schema and the reason of the second failure.
func (e *Unusable) Error() string {
	what := e.Schema
	if what == "" {
		what = "the asked format"
	}
	return fmt.Sprintf("%s/%s: unusable reply after one repair: reply does not match %s: %v", e.Role, e.Step, what, e.Second)
}

// Unwrap is the reason of the second failure.
func (e *Unusable) Unwrap() error { return e.Second }

// Next is one sentence saying what a person can do about it.
func (e *Unusable) Next() string { return (&Error{Kind: BadReply}).Next() }

// maxEcho bounds how much of a bad reply is sent back for repair.
const maxEcho = 32 << 10

// Ask completes req, decodes the reply into target (a pointer) with
// DecodeExact and lets check look at it. If decoding or check fails, the model
// is shown its reply and the error and asked once more; a second failure is
// *Unusable. A nil check accepts what decodes. target is set only on success.
//
// Nothing is repaired when there is nothing to repair: an empty reply is an
// *Error of kind BadReply, a withheld one of kind Refusal. Each call to c is
// metered and written down by whatever c is made of.
func Ask(ctx context.Context, c Completer, req Request, target any, check func() error) (Answer, error) {
	read := func(content string) error { return decodeChecked(content, target, check) }
	return AskText(ctx, c, req, read)
}

// AskText is Ask for replies in any format: read looks at the reply's text and
// says what is wrong with it.
func AskText(ctx context.Context, c Completer, req Request, read func(content string) error) (Answer, error) {
	reply, err := completeFull(ctx, c, req)
	if err != nil {
		return Answer{}, err
	}
	first := read(reply.Content)
	if first == nil {
		return Answer{Reply: reply}, nil
	}
	reply, err = completeFull(ctx, c, repair(req, reply, first))
	if err != nil {
		return Answer{}, err
	}
	if second := read(reply.Content); second != nil {
		u := &Unusable{Role: req.Role, Step: req.Step, First: first, Second: second}
		if req.Schema != nil {
			u.Schema = req.Schema.Name
		}
		return Answer{}, u
	}
	return Answer{Reply: reply, Repaired: true}, nil
}

// completeFull is Complete where no words are no answer.
func completeFull(ctx context.Context, c Completer, req Request) (Reply, error) {
	reply, err := c.Complete(ctx, req)
	if err != nil {
		return Reply{}, err
	}
	if reply.Finish == FinishFilter {
		return Reply{}, &Error{Kind: Refusal, Message: "the endpoint withheld the reply"}
	}
	if strings.TrimSpace(reply.Content) == "" {
		return Reply{}, &Error{Kind: BadReply, Message: "empty reply"}
	}
	return reply, nil
}

// repair is the same request with the bad reply and what is wrong with it.
func repair(req Request, reply Reply, why error) Request {
	said := reply.Content
	if len(said) > maxEcho {
		said = strings.ToValidUTF8(said[:maxEcho], "") + "\n[cut]"
	}
	note := "This reply cannot be used: " + why.Error()
	if reply.Finish == FinishLength {
		note += " (it was cut at the output limit; be shorter)"
	}
	messages := append([]Message(nil), req.Messages...)
	req.Messages = append(messages,
		Message{Role: Assistant, Content: said},
		Message{Role: User, Content: note + "\nAnswer again with the whole corrected reply and nothing else."})
	return req
}

// decodeChecked decodes into a fresh value first: a reply that fails half-way
// must leave nothing behind.
func decodeChecked(content string, target any, check func() error) error {
	dst := reflect.ValueOf(target)
	if dst.Kind() != reflect.Pointer || dst.IsNil() {
		return errors.New("target is not a pointer")
	}
	old := reflect.New(dst.Type().Elem()).Elem()
	old.Set(dst.Elem())
	dst.Elem().SetZero()
	err := DecodeExact([]byte(content), target)
	if err == nil && check != nil {
		err = check()
	}
	if err != nil {
		dst.Elem().Set(old)
	}
	return err
}
