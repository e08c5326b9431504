package fakegithub

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

func (c *call) createBlob() (reply, error) {
	var in struct {
		Content  *string
		Encoding string
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if in.Content == nil {
		return reply{}, invalid("Blob", "content", "missing_field", "")
	}
	data := []byte(*in.Content)
	switch in.Encoding {
	case "", "utf-8", "utf8":
	case "base64":
		var err error
		if data, err = decode64(*in.Content); err != nil {
			return reply{}, refuse(422, "content is not valid Base64")
		}
	default:
		return reply{}, invalid("Blob", "encoding", "invalid", "")
	}
	sha, err := c.git.writeObject("blob", data)
	if err != nil {
		return reply{}, err
	}
	return createdAt(c.api("/git/blobs/%s", sha), obj{"sha": sha, "url": c.api("/git/blobs/%s", sha)})
}

func decode64(s string) ([]byte, error) {
	return base64.StdEncoding.DecodeString(strings.Join(strings.Fields(s), ""))
}

func (c *call) getBlob() (reply, error) {
	data, err := c.objectOf(c.params["sha"], "blob")
	if err != nil {
		return reply{}, err
	}
	if strings.Contains(c.r.Header.Get("Accept"), "raw") {
		return reply{status: 200, raw: data, header: map[string]string{"Content-Type": "application/vnd.github.raw"}}, nil
	}
	sha := c.params["sha"]
	return ok(obj{"sha": sha, "node_id": "B_" + sha, "size": len(data), "url": c.api("/git/blobs/%s", sha), "content": base64Lines(data), "encoding": "base64"})
}

// objectOf reads an object of one kind by full name.
func (c *call) objectOf(sha, kind string) ([]byte, error) {
	if !isSHA(sha) {
		return nil, refuse(422, "The sha parameter must be exactly 40 characters and contain only [0-9a-f].")
	}
	_, have, data, err := c.git.object(sha)
	if errors.Is(err, errNoObject) || err == nil && have != kind {
		return nil, errNotFound
	}
	return data, err
}

func (c *call) getTree() (reply, error) {
	sha := c.params["ref"]
	if k := c.git.commitish(sha); k != nil {
		sha = k.Tree
	}
	if _, err := c.objectOf(sha, "tree"); err != nil {
		return reply{}, errNotFound
	}
	_, recursive := c.query["recursive"]
	return c.treeReply(200, sha, recursive)
}

// treeLimit is how many entries GitHub lists before it says "truncated".
const treeLimit = 100000

func (c *call) treeReply(status int, sha string, recursive bool) (reply, error) {
	entries, err := c.git.tree(sha, recursive)
	if err != nil {
		return reply{}, err
	}
	truncated := len(entries) > treeLimit
	if truncated {
		entries = entries[:treeLimit]
	}
	list := render(entries, func(e treeEntry) any {
		o := obj{"path": e.Path, "mode": e.Mode, "type": e.Type, "sha": e.SHA}
		switch e.Type {
		case "blob":
			o["size"], o["url"] = e.Size, c.api("/git/blobs/%s", e.SHA)
		case "tree":
			o["url"] = c.api("/git/trees/%s", e.SHA)
		}
		return o
	})
	return reply{status: status, body: obj{"sha": sha, "url": c.api("/git/trees/%s", sha), "tree": list, "truncated": truncated}}, nil
}

type treeInput struct {
	Path, Mode, Type string
	SHA              json.RawMessage
	Content          *string
}

func (c *call) createTree() (reply, error) {
	var in struct {
		BaseTree string `json:"base_tree"`
		Tree     []treeInput
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if len(in.Tree) == 0 {
		return reply{}, refuse(422, "Invalid tree info")
	}
	base, err := c.baseTree(in.BaseTree)
	if err != nil {
		return reply{}, err
	}
	var changes []treeChange
	for _, t := range in.Tree {
		one, err := c.treeChange(base, t)
		if err != nil {
			return reply{}, err
		}
		changes = append(changes, one)
	}
	sha, err := c.git.writeTree(base, changes)
	var ge *gitError
	if errors.As(err, &ge) {
		return reply{}, refuse(422, "Invalid tree info")
	}
	if err != nil {
		return reply{}, err
	}
	out, err := c.treeReply(201, sha, false)
	out.header = map[string]string{"Location": c.api("/git/trees/%s", sha)}
	return out, err
}

// baseTree takes a tree or a commit, as GitHub does.
func (c *call) baseTree(sha string) (string, error) {
	if sha == "" {
		return "", nil
	}
	if !isSHA(sha) {
		return "", refuse(422, "base_tree is not a valid tree oid")
	}
	if k, err := c.git.commit(sha); err == nil {
		return k.Tree, nil
	}
	if _, kind, _, err := c.git.object(sha); err != nil || kind != "tree" {
		return "", refuse(404, "Not Found")
	}
	return sha, nil
}

var treeModes = map[string]string{"100644": "blob", "100755": "blob", "120000": "blob", "040000": "tree", "160000": "commit"}

// treeChange checks one entry of a create-tree request and stores its content.
func (c *call) treeChange(base string, t treeInput) (treeChange, error) {
	if !cleanPath(t.Path) {
		return treeChange{}, refuse(422, "tree.path contains a malformed path component")
	}
	kind := treeModes[t.Mode]
	if kind == "" && t.Mode != "" {
		return treeChange{}, refuse(422, "tree.mode must be one of 100644, 100755, 040000, 160000 or 120000")
	}
	if string(t.SHA) == "null" && t.Content == nil {
		if base == "" || c.git.entry(base, t.Path) == nil {
			return treeChange{}, refuse(422, "GitRPC::BadObjectState")
		}
		return treeChange{Path: t.Path}, nil
	}
	if kind == "" {
		return treeChange{}, refuse(422, "Must supply a valid tree.mode")
	}
	if t.Content != nil {
		if len(t.SHA) > 0 && string(t.SHA) != "null" {
			return treeChange{}, refuse(422, "Must supply either tree.sha or tree.content")
		}
		sha, err := c.git.writeObject("blob", []byte(*t.Content))
		return treeChange{t.Mode, sha, t.Path}, err
	}
	var sha string
	if json.Unmarshal(t.SHA, &sha) != nil || !isSHA(sha) {
		return treeChange{}, refuse(422, "Must supply either tree.sha or tree.content")
	}
	if _, have, _, err := c.git.object(sha); kind != "commit" && (err != nil || have != kind) {
		return treeChange{}, refuse(422, "tree.sha %s is not a valid %s", sha, kind)
	}
	return treeChange{t.Mode, sha, t.Path}, nil
}

// cleanPath refuses what git itself would not check out: empty, dotted and
// .git components, absolute paths, control characters.
func cleanPath(p string) bool {
	if p == "" || len(p) > 4096 || strings.ContainsAny(p, "\x00\n") {
		return false
	}
	for _, part := range strings.Split(p, "/") {
		if part == "" || part == "." || part == ".." || strings.EqualFold(part, ".git") {
			return false
		}
	}
	return true
}

type personInput struct {
	Name, Email string
	Date        *time.Time
}

func (c *call) createCommit() (reply, error) {
	var in struct {
		Message           *string
		Tree              string
		Parents           []string
		Author, Committer *personInput
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if in.Message == nil {
		return reply{}, invalid("Commit", "message", "missing_field", "")
	}
	if _, kind, _, err := c.git.object(in.Tree); err != nil || kind != "tree" || !isSHA(in.Tree) {
		return reply{}, refuse(422, "Tree SHA does not exist")
	}
	for _, p := range in.Parents {
		if _, kind, _, err := c.git.object(p); err != nil || kind != "commit" || !isSHA(p) {
			return reply{}, refuse(422, "Parent SHA does not exist or is not a commit object")
		}
	}
	sha, err := c.newCommit(in.Tree, in.Parents, *in.Message, in.Author, in.Committer)
	if err != nil {
		return reply{}, err
	}
	k, err := c.git.commit(sha)
	if err != nil {
		return reply{}, err
	}
	return createdAt(c.api("/git/commits/%s", sha), c.gitCommitShape(k))
}

// newCommit writes a commit in the caller's name. Where the caller is an
// integration and names nobody, GitHub is the committer and signs.
func (c *call) newCommit(tree string, parents []string, message string, author, committer *personInput) (string, error) {
	who := c.s.signature(c.actor, c.now)
	k := gitCommit{Tree: tree, Parents: parents, Message: message, Author: who, Committer: who}
	if author != nil {
		k.Author = author.signature(who)
		k.Committer = k.Author
	}
	if committer != nil {
		k.Committer = committer.signature(who)
	}
	signed := author == nil && committer == nil && c.byIntegration()
	if signed {
		k.Committer = signature{webFlowName, webFlowEmail, c.now}
	}
	for _, s := range []signature{k.Author, k.Committer} {
		if strings.ContainsAny(s.Name+s.Email, "<>\n\x00") || s.Email == "" {
			return "", refuse(422, "Invalid author or committer")
		}
	}
	sha, err := c.git.writeCommit(k)
	if err != nil {
		return "", fmt.Errorf("writing a commit: %w", err)
	}
	if signed {
		c.repo.Signed[sha] = true
	}
	return sha, nil
}

func (p *personInput) signature(missing signature) signature {
	s := signature{orElse(p.Name, missing.Name), orElse(p.Email, missing.Email), missing.When}
	if p.Date != nil {
		s.When = p.Date.UTC()
	}
	return s
}

func (c *call) getGitCommit() (reply, error) {
	if _, err := c.objectOf(c.params["sha"], "commit"); err != nil {
		return reply{}, err
	}
	k, err := c.git.commit(c.params["sha"])
	if err != nil {
		return reply{}, err
	}
	return ok(c.gitCommitShape(k))
}

func (c *call) createTag() (reply, error) {
	var in struct {
		Tag, Message, Object, Type string
		Tagger                     *personInput
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if _, kind, _, err := c.git.object(in.Object); err != nil || kind != in.Type || !isSHA(in.Object) {
		return reply{}, refuse(422, "Object does not exist or is not a %s", in.Type)
	}
	if !plainRef(in.Tag) {
		return reply{}, invalid("Tag", "tag", "invalid", "")
	}
	who := c.s.signature(c.actor, c.now)
	if in.Tagger != nil {
		who = in.Tagger.signature(who)
	}
	sha, err := c.git.writeObject("tag", []byte(fmt.Sprintf("object %s\ntype %s\ntag %s\ntagger %s\n\n%s", in.Object, in.Type, in.Tag, who, in.Message)))
	if err != nil {
		return reply{}, err
	}
	data, err := c.objectOf(sha, "tag")
	if err != nil {
		return reply{}, err
	}
	return createdAt(c.api("/git/tags/%s", sha), c.tagShape(sha, string(data)))
}

func (c *call) getTag() (reply, error) {
	data, err := c.objectOf(c.params["sha"], "tag")
	if err != nil {
		return reply{}, err
	}
	return ok(c.tagShape(c.params["sha"], string(data)))
}

func (c *call) tagShape(sha, data string) obj {
	head, message, _ := strings.Cut(data, "\n\n")
	fields := map[string]string{}
	for _, line := range strings.Split(head, "\n") {
		k, v, _ := strings.Cut(line, " ")
		fields[k] = v
	}
	return obj{"sha": sha, "node_id": "T_" + sha, "url": c.api("/git/tags/%s", sha), "tag": fields["tag"], "message": message, "tagger": signatureShape(parseSignature(fields["tagger"])),
		"object":       obj{"sha": fields["object"], "type": fields["type"], "url": c.api("/git/%ss/%s", fields["type"], fields["object"])},
		"verification": obj{"verified": false, "reason": "unsigned", "signature": nil, "payload": nil, "verified_at": nil}}
}
