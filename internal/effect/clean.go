package effect

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/secret"
)

// The sizes in bytes that GitHub accepts, with room for a mark.
const (
	maxBody    = 65536 - 256
	maxTitle   = 250
	maxSummary = 65535 - 256
)

// NewCleaner makes the cleaner for outgoing text. Text that holds a secret of
// this process, plain or encoded, or something in the shape of a known token is
// refused: what leaves is blocked, not redacted.
func NewCleaner(known *secret.Redactor) Cleaner {
	return func(text string, max int) (string, error) {
		if hits := secret.Scan([]byte(text)); len(hits) > 0 {
			return "", fmt.Errorf("text holds a %s at line %d [secrets]", hits[0].Kind, hits[0].Line)
		}
		if known != nil && string(known.Redact([]byte(text))) != text {
			return "", fmt.Errorf("text holds a secret of this run [secrets]")
		}
		return cut(strings.ToValidUTF8(visible(text), "\uFFFD"), max), nil
	}
}

// visible drops what people cannot see: control characters but for line ends
// and tabs, bidirectional and zero-width characters, tags.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0xad || r == 0xfeff,
			r >= 0x200b && r <= 0x200f, r >= 0x202a && r <= 0x202e, r >= 0x2060 && r <= 0x206f,
			r >= 0xfff9 && r <= 0xfffb, r >= 0xe0000 && r <= 0xe0fff:
			return -1
		}
		return r
	}, s)
}

func cut(s string, max int) string {
	if len(s) <= max {
		return s
	}
	note := fmt.Sprintf("\n\ntruncated: kept %d of %d bytes", max-64, len(s))
	at := max - 64
	for at > 0 && !utf8.RuneStart(s[at]) {
		at--
	}
	return s[:at] + note
}

// cleaned gives the effect with every text of it made harmless, or an error
// that names the text that may not leave.
func (a *Applier) cleaned(e Effect) (Effect, error) {
	if a.Clean == nil {
		return e, fmt.Errorf("no cleaner is set")
	}
	var firstErr error
	clean := func(what string, s *string, max int) {
		if s == nil {
			return
		}
		out, err := a.Clean(*s, max)
		if err != nil && firstErr == nil {
			firstErr = fmt.Errorf("%s: %w", what, err)
		}
		*s = out
	}
	switch p := e.Payload.(type) {
	case OpenIssue:
		clean("title", &p.Title, maxTitle)
		clean("body", &p.Body, maxBody)
		e.Payload = p
	case EditIssue:
		p.Title, p.Body = copied(p.Title), copied(p.Body)
		clean("title", p.Title, maxTitle)
		clean("body", p.Body, maxBody)
		e.Payload = p
	case PutComment:
		clean("comment", &p.Body, maxBody)
		e.Payload = p
	case PublishChange:
		clean("title", &p.Title, maxTitle)
		clean("body", &p.Body, maxBody)
		p.Steps = append([]PublishStep(nil), p.Steps...)
		for i := range p.Steps {
			clean("commit message", &p.Steps[i].Message, maxBody)
		}
		e.Payload = p
	case EditPull:
		p.Title, p.Body = copied(p.Title), copied(p.Body)
		clean("title", p.Title, maxTitle)
		clean("body", p.Body, maxBody)
		e.Payload = p
	case PostReview:
		clean("review", &p.Body, maxBody)
		p.Comments = append([]forge.LineComment(nil), p.Comments...)
		for i := range p.Comments {
			clean("line comment", &p.Comments[i].Body, maxBody)
		}
		e.Payload = p
	case PostCheck:
		clean("check title", &p.Report.Title, maxTitle)
		clean("check summary", &p.Report.Summary, maxSummary)
		p.Report.Annotations = append([]forge.Annotation(nil), p.Report.Annotations...)
		for i := range p.Report.Annotations {
			clean("annotation", &p.Report.Annotations[i].Message, maxSummary)
		}
		e.Payload = p
	case MergePull:
		clean("title", &p.Title, maxTitle)
		clean("message", &p.Message, maxBody)
		e.Payload = p
	case AppendLog:
		text := string(p.Entry)
		clean("log entry", &text, 128<<10)
		if firstErr == nil && !json.Valid([]byte(text)) {
			firstErr = fmt.Errorf("log entry: too large")
		}
		p.Entry = json.RawMessage(text)
		e.Payload = p
	case CreateDeployment:
		clean("description", &p.Description, 140)
		clean("payload", &p.Payload, maxBody)
		e.Payload = p
	case SetDeployment:
		clean("description", &p.Description, 140)
		e.Payload = p
	}
	return e, firstErr
}

func copied(s *string) *string {
	if s == nil {
		return nil
	}
	c := *s
	return &c
}

// alive matches what GitHub turns into something with an effect: links,
// mentions, references to issues.
var alive = regexp.MustCompile(`(?i)(?:https?://|www\.|javascript:|data:)\S+|[\w.+-]*@[\w][\w/-]*|(?:[\w.-]+/[\w.-]+)?#\d+|GH-\d+`)

// Inert makes words of a stranger or a model safe to show in one line of our
// Markdown: nobody is mentioned, nothing is closed, no HTML and no link is
// alive. What would be alive is shown as a code span. Used on every such part
// when a text is put together.
func Inert(s string) string {
	s = strings.Join(strings.Fields(strings.ReplaceAll(visible(s), "`", "'")), " ")
	var b strings.Builder
	for s != "" {
		at := alive.FindStringIndex(s)
		if at == nil {
			b.WriteString(escaped(s))
			break
		}
		b.WriteString(escaped(s[:at[0]]) + "`" + s[at[0]:at[1]] + "`")
		s = s[at[1]:]
	}
	return b.String()
}

func escaped(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "[", "\\[", "]", "\\]", "|", "\\|",
		"*", "\\*", "_", "\\_", "~", "\\~").Replace(s)
}
