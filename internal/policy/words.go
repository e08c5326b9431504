package policy

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/forge"
)

// The words that findings of several rules share.

// place names the line of seed.yaml behind a key: "seed.yaml:10" or "default".
// An entry of a list that has no line of its own stands where its list stands.
func (in input) place(key string) string {
	if p := in.seed.At(key); p.Line != 0 {
		return p.String()
	}
	if i := strings.LastIndexByte(key, '['); i > 0 {
		key = key[:i]
	}
	return in.seed.At(key).String()
}

// mender says who can mend a breach: the implementer again, or the author.
func (in input) mender() string {
	if in.facts.Agent {
		return "a new attempt, or a person's own commit"
	}
	return "the author"
}

// owner names who may change the seed.
func (in input) owner() string {
	if names := in.ownerNames(); len(names) > 0 {
		return strings.Join(names, " or ")
	}
	return "anyone who may change seed.yaml"
}

func (in input) ownerNames() []string {
	var names []string
	for _, o := range in.seed.Project.Owners {
		names = append(names, "@"+o.Handle)
	}
	return names
}

func at(u forge.User) string {
	if u.Login == "" {
		return "account " + strconv.FormatInt(u.ID, 10)
	}
	return "@" + u.Login
}

// short is the part of an object id that people read.
func short(sha string) string {
	if len(sha) > 7 {
		return sha[:7]
	}
	return sha
}

// quoted shows a foreign text as a Go string, cut to what a line can hold.
func quoted(s string) string { return strconv.Quote(cut(s)) }

// quotedASCII also escapes what is not ASCII, for names that look alike.
func quotedASCII(s string) string { return strconv.QuoteToASCII(cut(s)) }

// cut keeps the begin of an over-long text, at a rune's edge.
func cut(s string) string {
	const most = 200
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// plural is "1 file", "2 files".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	if strings.HasSuffix(noun, "ch") {
		noun += "e"
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
