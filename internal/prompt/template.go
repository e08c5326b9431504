package prompt

import (
	"fmt"
	"io/fs"
	"reflect"
	"strings"
	"text/template/parse"
)

// page is the parsed *.tmpl files, by the name each define gives. They are Go
// templates, read by the standard library's own parser and written out here.
//
// Package text/template is not used: it may call any exported method by its
// name, so a program that holds it must keep every exported method of every
// type it holds, a quarter of this binary. These templates call none. Passed
// over: fasttemplate and os.Expand know no sections; mustache libraries look
// methods up like text/template does; quicktemplate and templ want a generator.
//
// They may use: text, fields, dot, strings, the functions below, and if, else,
// with, range, template and white-space trimming. Anything else panics, which
// tests would show: no input of a user reaches a template's own text.
type page map[string]*parse.Tree

// functions are what templates may call, for the parser, which wants to know
// only that they are there.
var functions = map[string]any{"data": true, "lines": true, "join": true, "indent": true, "eq": true}

func parsePage(files fs.FS) page {
	names, err := fs.Glob(files, "*.tmpl")
	if err != nil {
		panic(err) // unreachable: the pattern is well formed
	}
	all := page{}
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			panic(err) // unreachable: the files are embedded
		}
		trees, err := parse.Parse(name, string(text), "", "", functions)
		if err != nil {
			panic(err)
		}
		for defined, tree := range trees {
			all[defined] = tree
		}
	}
	return all
}

// write renders one template with dot; quote is what data does.
func (p page) write(name string, dot any, quote func(label, text string) string) string {
	w := &pageWriter{page: p, quote: quote}
	w.template(name, dot)
	return w.out.String()
}

type pageWriter struct {
	page  page
	quote func(label, text string) string
	out   strings.Builder
}

func (w *pageWriter) template(name string, dot any) {
	tree, ok := w.page[name]
	if !ok {
		panic(fmt.Sprintf("prompt: no template %q", name))
	}
	w.list(dot, tree.Root)
}

func (w *pageWriter) list(dot any, l *parse.ListNode) {
	if l == nil { // no else
		return
	}
	for _, n := range l.Nodes {
		w.node(dot, n)
	}
}

func (w *pageWriter) node(dot any, node parse.Node) {
	switch n := node.(type) {
	case *parse.TextNode:
		w.out.Write(n.Text)
	case *parse.ActionNode:
		fmt.Fprint(&w.out, w.value(dot, n.Pipe))
	case *parse.IfNode:
		w.branch(dot, dot, &n.BranchNode)
	case *parse.WithNode:
		w.branch(dot, w.value(dot, n.Pipe), &n.BranchNode)
	case *parse.RangeNode:
		w.each(dot, &n.BranchNode)
	case *parse.TemplateNode:
		w.template(n.Name, w.value(dot, n.Pipe))
	default:
		panic(fmt.Sprintf("prompt: template uses %s", node))
	}
}

// branch writes one side or the other, the first with its own dot.
func (w *pageWriter) branch(dot, inner any, b *parse.BranchNode) {
	if filled(w.value(dot, b.Pipe)) {
		w.list(inner, b.List)
		return
	}
	w.list(dot, b.ElseList)
}

func (w *pageWriter) each(dot any, b *parse.BranchNode) {
	items := reflect.ValueOf(w.value(dot, b.Pipe))
	for i := range items.Len() {
		w.list(items.Index(i).Interface(), b.List)
	}
	if items.Len() == 0 {
		w.list(dot, b.ElseList)
	}
}

// filled is what if and with ask: neither zero nor empty.
func filled(v any) bool {
	value := reflect.ValueOf(v)
	if value.Kind() == reflect.Slice {
		return value.Len() > 0
	}
	return value.IsValid() && !value.IsZero()
}

// value is what a pipeline of one command gives; no pipeline gives nothing.
func (w *pageWriter) value(dot any, pipe *parse.PipeNode) any {
	if pipe == nil {
		return nil
	}
	if len(pipe.Cmds) != 1 || len(pipe.Decl) != 0 {
		panic(fmt.Sprintf("prompt: template uses %s", pipe))
	}
	args := pipe.Cmds[0].Args
	if name, ok := args[0].(*parse.IdentifierNode); ok {
		return w.call(name.Ident, dot, args[1:])
	}
	if len(args) != 1 {
		panic(fmt.Sprintf("prompt: template uses %s", pipe))
	}
	return operand(dot, args[0])
}

func operand(dot any, node parse.Node) any {
	switch n := node.(type) {
	case *parse.DotNode:
		return dot
	case *parse.FieldNode:
		return field(dot, n.Ident)
	case *parse.StringNode:
		return n.Text
	}
	panic(fmt.Sprintf("prompt: template uses %s", node))
}

func field(of any, path []string) any {
	v := reflect.ValueOf(of)
	for _, name := range path {
		if v = v.FieldByName(name); !v.IsValid() {
			panic(fmt.Sprintf("prompt: %T has no %s", of, strings.Join(path, ".")))
		}
	}
	return v.Interface()
}

func (w *pageWriter) call(name string, dot any, args []parse.Node) any {
	arg := func(i int) any { return operand(dot, args[i]) }
	switch name {
	case "data":
		return w.quote(arg(0).(string), arg(1).(string))
	case "lines":
		return lines(arg(0).([]string))
	case "join":
		return strings.Join(arg(0).([]string), arg(1).(string))
	case "indent":
		return indent(arg(0).(string))
	case "eq":
		return arg(0) == arg(1)
	}
	panic("prompt: no function " + name) // unreachable: the parser knows the same names
}

// lines writes a list with a dash before each entry.
func lines(list []string) string {
	var b strings.Builder
	for _, l := range list {
		b.WriteString("- " + indent(l) + "\n")
	}
	return b.String()
}

// indent keeps a text of several lines inside its list entry.
func indent(s string) string {
	return strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ")
}
