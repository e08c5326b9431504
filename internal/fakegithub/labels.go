package fakegithub

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
)

var colorPattern = regexp.MustCompile(`^[0-9a-fA-F]{6}$`)

func (c *call) listLabels() (reply, error) {
	return ok(page(c, c.repo.Labels, func(l *label) any { return c.label(l) }))
}

func (c *call) labelAt() (*label, error) {
	l := c.repo.labelNamed(c.params["name"])
	if l == nil {
		return nil, errNotFound
	}
	return l, nil
}

func (c *call) getLabel() (reply, error) {
	l, err := c.labelAt()
	if err != nil {
		return reply{}, err
	}
	return ok(c.label(l))
}

func (c *call) createLabel() (reply, error) {
	var in struct{ Name, Color, Description string }
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if strings.TrimSpace(in.Name) == "" {
		return reply{}, invalid("Label", "name", "missing_field", "")
	}
	if c.repo.labelNamed(in.Name) != nil {
		return reply{}, invalid("Label", "name", "already_exists", "")
	}
	if in.Color != "" && !colorPattern.MatchString(in.Color) {
		return reply{}, invalid("Label", "color", "invalid", "")
	}
	if len([]rune(in.Description)) > 100 {
		return reply{}, invalid("Label", "description", "custom", "description is too long (maximum is 100 characters)")
	}
	l := c.newLabel(in.Name, orElse(in.Color, "ededed"), in.Description)
	return createdAt(c.api("/labels/%s", url.PathEscape(l.Name)), c.label(l))
}

func (c *call) newLabel(name, color, description string) *label {
	l := &label{ID: c.st.nextID(), Name: name, Color: fold(color), Description: description}
	c.repo.Labels = append(c.repo.Labels, l)
	c.event("label", "created", obj{"label": c.label(l)})
	return l
}

func (c *call) editLabel() (reply, error) {
	l, err := c.labelAt()
	if err != nil {
		return reply{}, err
	}
	var in struct {
		NewName     *string `json:"new_name"`
		Color       *string `json:"color"`
		Description *string `json:"description"`
	}
	if err := c.decode(&in); err != nil {
		return reply{}, err
	}
	if in.NewName != nil {
		if other := c.repo.labelNamed(*in.NewName); other != nil && other != l {
			return reply{}, invalid("Label", "name", "already_exists", "")
		}
	}
	set(&l.Name, in.NewName)
	set(&l.Color, in.Color)
	set(&l.Description, in.Description)
	return ok(c.label(l))
}

func (c *call) deleteLabel() (reply, error) {
	l, err := c.labelAt()
	if err != nil {
		return reply{}, err
	}
	c.repo.Labels = filter(c.repo.Labels, func(o *label) bool { return o != l })
	for _, i := range c.repo.Issues {
		i.Labels = filter(i.Labels, func(id int64) bool { return id != l.ID })
	}
	return noContent()
}

func (c *call) listIssueLabels() (reply, error) {
	i, err := c.issueAt()
	if err != nil {
		return reply{}, err
	}
	return ok(page(c, i.Labels, func(id int64) any { return c.label(c.repo.label(id)) }))
}

// labelBody reads {"labels": [...]} and the bare list that GitHub takes too.
func (c *call) labelBody() (labelNames, error) {
	if strings.HasPrefix(strings.TrimSpace(string(c.body)), "[") {
		var names labelNames
		if err := json.Unmarshal(c.body, &names); err != nil {
			return nil, refuse(400, "Problems parsing JSON")
		}
		return names, nil
	}
	var in struct {
		Labels labelNames `json:"labels"`
	}
	err := c.decode(&in)
	return in.Labels, err
}

func (c *call) addLabels() (reply, error) {
	i, err := c.issueAt()
	if err != nil {
		return reply{}, err
	}
	names, err := c.labelBody()
	if err != nil {
		return reply{}, err
	}
	if err := c.addLabelNames(i, names); err != nil {
		return reply{}, err
	}
	return ok(c.labels(i))
}

func (c *call) setLabels() (reply, error) {
	i, err := c.issueAt()
	if err != nil {
		return reply{}, err
	}
	names, err := c.labelBody()
	if err != nil {
		return reply{}, err
	}
	if err := c.replaceLabels(i, names); err != nil {
		return reply{}, err
	}
	return ok(c.labels(i))
}

func (c *call) replaceLabels(i *issue, names labelNames) error {
	for _, id := range append([]int64{}, i.Labels...) {
		if l := c.repo.label(id); l != nil && !containsFold(names, l.Name) {
			c.takeLabel(i, l)
		}
	}
	return c.addLabelNames(i, names)
}

// addLabelNames puts labels on an issue, making those that do not exist yet.
func (c *call) addLabelNames(i *issue, names labelNames) error {
	for _, name := range names {
		if strings.TrimSpace(name) == "" || len([]rune(name)) > 50 {
			return invalid("Label", "name", "invalid", "")
		}
	}
	for _, name := range names {
		if c.hasLabel(i, name) {
			continue
		}
		l := c.repo.labelNamed(name)
		if l == nil {
			l = c.newLabel(name, "ededed", "")
		}
		i.Labels, i.UpdatedAt = append(i.Labels, l.ID), c.now
		once := *l
		c.record(i, &issueEvent{Event: "labeled", Label: &once})
		c.issueEvent(i, kindOf(i), "labeled", obj{"label": c.label(l)})
	}
	return nil
}

func (c *call) takeLabel(i *issue, l *label) {
	i.Labels = filter(i.Labels, func(id int64) bool { return id != l.ID })
	i.UpdatedAt = c.now
	once := *l
	c.record(i, &issueEvent{Event: "unlabeled", Label: &once})
	c.issueEvent(i, kindOf(i), "unlabeled", obj{"label": c.label(l)})
}

func (c *call) removeLabel() (reply, error) {
	i, err := c.issueAt()
	if err != nil {
		return reply{}, err
	}
	if !c.hasLabel(i, c.params["name"]) {
		return reply{}, refuse(404, "Label does not exist")
	}
	c.takeLabel(i, c.repo.labelNamed(c.params["name"]))
	return ok(c.labels(i))
}

func (c *call) clearLabels() (reply, error) {
	i, err := c.issueAt()
	if err != nil {
		return reply{}, err
	}
	if err := c.replaceLabels(i, nil); err != nil {
		return reply{}, err
	}
	return noContent()
}
