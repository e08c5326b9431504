package effect

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"
)

// The sizes in bytes that GitHub accepts, with room for our own mark.
const (
	maxBody     = 65536 - 512
	maxTitle    = 250
	maxSummary  = 65535 - 512
	maxLine     = 140 // description of a deployment or its status
	maxLabel    = 50
	maxName     = 1024
	maxLogEntry = 128 << 10
)

// manner is how the text of one sink is treated before it leaves.
type manner int

const (
	body     manner = iota // our Markdown with parts of strangers in it
	foreign                // Markdown all written by a model: its links are dead too
	title                  // one line, shown as Markdown in places
	message                // plain text of several lines
	data                   // JSON: nothing may be changed, so it is whole or refused
	name                   // an identifier: nothing may be changed
	unlooked               // searched elsewhere, for the reason given
)

// sink is one place where text leaves the process. Reason says why a text is
// not made harmless, where it is not.
type sink struct {
	manner manner
	max    int
	reason string
}

// sinks lists every text of every payload. A text that is not listed does not
// leave: see walk.
var sinks = map[string]sink{
	"OpenIssue.Title":    {title, maxTitle, ""},
	"OpenIssue.Body":     {body, maxBody, ""},
	"OpenIssue.Labels[]": {name, maxLabel, "labels are compared whole"},

	"EditIssue.Title": {title, maxTitle, ""},
	"EditIssue.Body":  {body, maxBody, ""},

	"CloseIssue.Why": {name, maxName, "one of two words"},

	"SetLabels.Add[]":    {name, maxLabel, "labels are compared whole"},
	"SetLabels.Remove[]": {name, maxName, "names what is there already"},

	"SyncLabel.Name":        {name, maxLabel, "labels are compared whole"},
	"SyncLabel.Color":       {name, maxName, "six digits"},
	"SyncLabel.Description": {title, 100, ""},

	"PutComment.Body":     {body, maxBody, ""},
	"PutReaction.Content": {name, maxName, "one of eight words"},

	"TakeLease.Lease.Task":   {name, maxName, "a digest"},
	"TakeLease.Lease.RunURL": {name, maxName, "an address, shown by nobody"},

	"PublishChange.Branch":          {name, maxName, "made of numbers"},
	"PublishChange.Onto":            {name, maxName, "an existing branch"},
	"PublishChange.Base":            {name, maxName, "a commit"},
	"PublishChange.Tree":            {name, maxName, "a tree"},
	"PublishChange.Title":           {title, maxTitle, ""},
	"PublishChange.Body":            {body, maxBody, ""},
	"PublishChange.Steps[].Tree":    {name, maxName, "a tree"},
	"PublishChange.Steps[].Message": {message, maxBody, ""},
	"PublishChange.Steps[].Edits[]": {unlooked, 0, "judged by the rules secrets and paths at exactly this tree; a cleaned file would be another tree"},

	"EditPull.Title":       {title, maxTitle, ""},
	"EditPull.Body":        {body, maxBody, ""},
	"EditPull.Reviewers[]": {name, maxName, "a login"},
	"EditPull.Assignees[]": {name, maxName, "a login"},

	"PostReview.SHA":             {name, maxName, "a commit"},
	"PostReview.Event":           {name, maxName, "one of two words"},
	"PostReview.Body":            {foreign, maxBody, ""},
	"PostReview.Comments[].Path": {name, 4096, "a path of the judged tree"},
	"PostReview.Comments[].Body": {foreign, maxBody, ""},

	"PostCheck.Report.Name":                  {name, maxName, "what branch protection compares"},
	"PostCheck.Report.HeadSHA":               {name, maxName, "a commit"},
	"PostCheck.Report.Status":                {name, maxName, "one of three words"},
	"PostCheck.Report.Conclusion":            {name, maxName, "one of a few words"},
	"PostCheck.Report.ExternalID":            {name, maxName, "replaced by the effect's key"},
	"PostCheck.Report.Title":                 {title, maxTitle, ""},
	"PostCheck.Report.Summary":               {body, maxSummary, ""},
	"PostCheck.Report.Annotations[].Path":    {name, 4096, "a path of the judged tree"},
	"PostCheck.Report.Annotations[].Level":   {name, maxName, "one of three words"},
	"PostCheck.Report.Annotations[].Title":   {title, maxTitle, ""},
	"PostCheck.Report.Annotations[].Message": {message, 60 << 10, ""},

	"MergePull.Head":    {name, maxName, "a commit"},
	"MergePull.Base":    {name, maxName, "a commit"},
	"MergePull.Onto":    {name, maxName, "an existing branch"},
	"MergePull.Tree":    {name, maxName, "a tree"},
	"MergePull.Method":  {name, maxName, "one of three words"},
	"MergePull.Title":   {title, maxTitle, ""},
	"MergePull.Message": {message, maxBody, ""},

	"DispatchWorkflow.File":        {name, maxName, "a file at base"},
	"DispatchWorkflow.Ref":         {name, maxName, "a branch"},
	"DispatchWorkflow.Inputs[]":    {name, maxName, "an input is compared, not shown"},
	"DispatchWorkflow.Inputs[key]": {name, maxName, "the name of an input"},

	"SetFreeze.What":   {name, maxName, "part of a reference"},
	"SetFreeze.SHA":    {name, maxName, "a commit"},
	"ClearFreeze.What": {name, maxName, "part of a reference"},

	"AppendLog.Branch": {name, maxName, "a branch"},
	"AppendLog.Entry":  {data, maxLogEntry, ""},

	"CreateDeployment.SHA":         {name, maxName, "a commit"},
	"CreateDeployment.Environment": {name, maxName, "compared whole"},
	"CreateDeployment.Task":        {name, maxName, "compared whole"},
	"CreateDeployment.Payload":     {data, maxBody, ""},
	"CreateDeployment.Description": {title, maxLine, ""},

	"SetDeployment.State":       {name, maxName, "one of a few words"},
	"SetDeployment.Environment": {name, maxName, "compared whole"},
	"SetDeployment.Description": {title, maxLine, ""},
	"SetDeployment.URL":         {name, maxName, "an address of the seed or the platform"},
}

// cleaned gives the effect with every text of it made harmless, or an error
// that names the text that may not leave.
func (a *Applier) cleaned(e Effect) (Effect, error) {
	if a.Clean == nil {
		return e, fmt.Errorf("no cleaner is set")
	}
	if err := checkKey(e.Key); err != nil {
		return e, err
	}
	if _, err := a.Clean(e.Key, maxName); err != nil {
		return e, fmt.Errorf("key: %w", err)
	}
	v := reflect.ValueOf(e.Payload)
	out := reflect.New(v.Type()).Elem()
	if err := a.walk(v.Type().Name(), v, out); err != nil {
		return e, err
	}
	e.Payload = out.Interface().(Payload)
	return e, nil
}

// keyForm is what a key may be made of: it stands in hidden marks and records.
var keyForm = regexp.MustCompile(`^[A-Za-z0-9 ._:/#@+=-]{1,256}$`)

func checkKey(key string) error {
	if !keyForm.MatchString(key) || strings.Contains(key, "--") {
		return fmt.Errorf("key %.40q: want 1 to 256 letters, digits and . _ : / # @ + = or single -", key)
	}
	return nil
}

// walk copies v to out, text by text through its sink. Nothing is shared with
// the effect that was proposed.
func (a *Applier) walk(path string, v, out reflect.Value) error {
	if s, ok := sinks[path]; ok && s.manner == unlooked {
		out.Set(v)
		return nil
	}
	switch v.Kind() {
	case reflect.String:
		s, err := a.through(path, v.String())
		out.SetString(s)
		return err
	case reflect.Struct:
		return a.walkStruct(path, v, out)
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		out.Set(reflect.New(v.Type().Elem()))
		return a.walk(path, v.Elem(), out.Elem())
	case reflect.Slice:
		return a.walkSlice(path, v, out)
	case reflect.Map:
		return a.walkMap(path, v, out)
	case reflect.Bool, reflect.Int, reflect.Int64:
		out.Set(v)
		return nil
	}
	return fmt.Errorf("%s: no way to look at a %s", path, v.Type()) // unreachable: a test walks every payload
}

func (a *Applier) walkStruct(path string, v, out reflect.Value) error {
	if v.Type() == reflect.TypeFor[time.Time]() {
		out.Set(v)
		return nil
	}
	for i := range v.NumField() {
		if err := a.walk(path+"."+v.Type().Field(i).Name, v.Field(i), out.Field(i)); err != nil {
			return err
		}
	}
	return nil
}

func (a *Applier) walkSlice(path string, v, out reflect.Value) error {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		s, err := a.through(path, string(v.Bytes()))
		out.SetBytes([]byte(s))
		return err
	}
	if v.IsNil() {
		return nil
	}
	out.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
	for i := range v.Len() {
		if err := a.walk(path+"[]", v.Index(i), out.Index(i)); err != nil {
			return err
		}
	}
	return nil
}

func (a *Applier) walkMap(path string, v, out reflect.Value) error {
	if v.IsNil() {
		return nil
	}
	out.Set(reflect.MakeMap(v.Type()))
	for _, key := range v.MapKeys() {
		k, err := a.through(path+"[key]", key.String())
		if err != nil {
			return err
		}
		s, err := a.through(path+"[]", v.MapIndex(key).String())
		if err != nil {
			return err
		}
		out.SetMapIndex(reflect.ValueOf(k), reflect.ValueOf(s))
	}
	return nil
}

// through sends one text through its sink.
func (a *Applier) through(path, text string) (string, error) {
	s, ok := sinks[path]
	if !ok {
		return "", fmt.Errorf("%s: nothing says how this text leaves", path) // unreachable: a test walks every payload
	}
	if _, err := a.Clean(text, len(text)+1024); err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	out, err := s.apply(text)
	if err == nil && s.manner == data {
		err = a.decoded(text)
	}
	if err == nil {
		out, err = a.Clean(out, max(s.max, len(out)))
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return out, nil
}

// decoded searches JSON as its reader will see it, escapes undone.
func (a *Applier) decoded(text string) error {
	words := json.NewDecoder(strings.NewReader(text))
	for {
		word, err := words.Token()
		if err != nil {
			return nil // its end: the text was found valid before
		}
		if s, ok := word.(string); ok {
			if _, err := a.Clean(s, len(s)+1024); err != nil {
				return err
			}
		}
	}
}

func (s sink) apply(text string) (string, error) {
	switch s.manner {
	case body:
		return bodyText(text, s.max), nil
	case foreign:
		return sized(visible(text), s.max, func(t string) string { return defused(t, false) }), nil
	case title:
		return titleText(text, s.max), nil
	case message:
		return sized(visible(text), s.max, unlinked), nil
	case data:
		return dataText(text, s.max)
	}
	if visible(text) != text || strings.ContainsAny(text, "\n\t") {
		return "", fmt.Errorf("%.60q holds characters that nobody can see", text)
	}
	if len(text) > s.max {
		return "", fmt.Errorf("%.40q: %d bytes, at most %d", text, len(text), s.max)
	}
	return text, nil
}

// ownBlock is the hidden block at the very end of a pull request's body. It is
// JSON that no text inside can close: see task.Block.
var ownBlock = regexp.MustCompile(`(?:^|\n)<!-- seedbed:v[0-9]+ \{[^<>\n]*\} -->\s*$`)

func bodyText(text string, limit int) string {
	text, block := visible(text), ""
	if at := ownBlock.FindStringIndex(text); at != nil && len(text)-at[0] < limit/2 {
		text, block = text[:at[0]], text[at[0]:]
	}
	return sized(text, limit-len(block), func(t string) string { return defused(t, true) }) + block
}

// sized makes a text harmless and holds it to its size. It is cut before it is
// treated, for a cut can bring to life what stood in a code span.
func sized(text string, limit int, treat func(string) string) string {
	if len(text) <= limit {
		if out := treat(text); len(out) <= limit {
			return out
		}
	}
	for keep := limit - 128; ; keep -= max(keep/8, 1) {
		kept := head(text, keep)
		note := fmt.Sprintf("\n\ntruncated: kept %d of %d bytes", len(kept), len(text))
		if out := treat(kept) + note; len(out) <= limit || keep <= 0 {
			return out
		}
	}
}

func titleText(text string, limit int) string {
	text = strings.Join(strings.Fields(visible(text)), " ")
	return sizedLine(text, limit)
}

func sizedLine(text string, limit int) string {
	const note = " … truncated"
	out := unlinked(codeOnly(text))
	for keep := limit - len(note); len(out) > limit; keep -= max(keep/8, 1) {
		out = unlinked(codeOnly(head(text, keep))) + note
	}
	return out
}

// codeOnly leaves a title as it is but for what would be HTML.
func codeOnly(s string) string {
	return strings.NewReplacer("<!--", "&lt;!--").Replace(s)
}

// dataText passes JSON on only as it is.
func dataText(text string, limit int) (string, error) {
	if text == "" {
		return "", nil
	}
	if !json.Valid([]byte(text)) {
		return "", fmt.Errorf("not JSON")
	}
	if len(text) > limit {
		return "", fmt.Errorf("%d bytes, at most %d", len(text), limit)
	}
	if strings.ToValidUTF8(text, "") != text {
		return "", fmt.Errorf("not UTF-8")
	}
	return text, nil
}
