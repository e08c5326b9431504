package setup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/seedbed-dev/seedbed/internal/effect"
	"github.com/seedbed-dev/seedbed/internal/forge"
	"github.com/seedbed-dev/seedbed/internal/policy"
	"github.com/seedbed-dev/seedbed/internal/task"
)

// DoctorForge is what doctor asks the forge: the reads that the jobs need, and
// with Write one reference made and deleted. adapter/github.Client implements
// it.
type DoctorForge interface {
	effect.Runs
	Repository(ctx context.Context) (forge.Repository, error)
	Viewer(ctx context.Context) (forge.User, error)
	Permission(ctx context.Context, login string) (forge.Permission, error)
	Labels(ctx context.Context) ([]string, error)
	Ref(ctx context.Context, name string) (forge.Ref, error)
	RefsUnder(ctx context.Context, prefix string) ([]forge.Ref, error)
	File(ctx context.Context, path, ref string) (forge.File, error)
	CreateRef(ctx context.Context, name, sha string) error
	DeleteRef(ctx context.Context, name string) error
	IssuesWithLabel(ctx context.Context, label string) ([]forge.Issue, error)
	OpenPulls(ctx context.Context) ([]forge.Pull, error)
	Checks(ctx context.Context, sha string) ([]forge.Check, error)
	Deployments(ctx context.Context, environment string) ([]forge.Deployment, error)
}

// forge asks GitHub. Without a token everything there is unknown; without the
// repository nothing further is asked.
func (d *doctor) forge(ctx context.Context) {
	if d.Forge == nil {
		d.unknown("token", "%s", orWords(d.NoForge, "no token"))
		for _, name := range []string{"repository", "permissions", "labels", "leases", "pull requests"} {
			d.unknown(name, "no token")
		}
		return
	}
	repository, err := d.Forge.Repository(ctx)
	if err != nil {
		d.refused("token", err)
		return
	}
	d.ok("repository", "%s, default branch %s", repository.FullName(), repository.DefaultBranch)
	d.identity(ctx)
	head, err := d.Forge.Ref(ctx, "refs/heads/"+repository.DefaultBranch)
	if errors.Is(err, forge.ErrNotFound) {
		d.problem("default branch", "push a first commit", "%s has no commit", repository.DefaultBranch)
		return
	}
	d.permissions(ctx, head.SHA)
	d.branch(ctx, repository.DefaultBranch)
	d.pulls(ctx)
	d.labels(ctx)
	d.people(ctx)
	d.leases(ctx)
	d.customRefs(ctx, head.SHA)
}

func orWords(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// refused tells a call that did not work. Only a refusal is a problem of
// settings; anything else may be over in a minute.
func (d *doctor) refused(name string, err error) {
	var e *forge.Error
	errors.As(err, &e)
	switch {
	case errors.Is(err, forge.ErrUnauthorized):
		d.problem(name, "a token that is valid: it may have expired", "%v", err)
	case errors.Is(err, forge.ErrForbidden) && e != nil && e.Needs != "":
		d.problem(name, "give the token "+e.Needs, "%v", err)
	case errors.Is(err, forge.ErrForbidden):
		d.problem(name, "give the token the permissions of seedbed doctor --permissions", "%v", err)
	case errors.Is(err, forge.ErrInvalid):
		d.problem(name, "what the answer names", "%v", err)
	case errors.Is(err, forge.ErrNotFound):
		d.problem(name, "--repository OWNER/NAME, or a token that may see it", "%v", err)
	default:
		d.unknown(name, "%v", err)
	}
}

// identity tells who the token acts as, and what that account may do.
func (d *doctor) identity(ctx context.Context) {
	who, err := d.Forge.Viewer(ctx)
	if err != nil {
		d.refused("token", err)
		return
	}
	if who.Bot {
		d.ok("token", "acts as %s; its rights are those of the job", who.Login)
		return
	}
	may, err := d.Forge.Permission(ctx, who.Login)
	switch {
	case err != nil:
		d.unknown("token", "acts as %s; what that account may do: %v", who.Login, err)
	case !may.Push:
		d.problem("token", "write access for "+who.Login, "acts as %s, who may not write here", who.Login)
	default:
		d.ok("token", "acts as %s, who may write%s", who.Login, map[bool]string{true: " and administer"}[may.Admin])
	}
}

// reading is one read by which a permission is tried.
type reading struct {
	permissions []string
	try         func(ctx context.Context, f DoctorForge, trigger, head string) error
}

var readings = []reading{
	{[]string{"contents"}, func(ctx context.Context, f DoctorForge, _, _ string) error {
		_, err := f.RefsUnder(ctx, "refs/heads/")
		return err
	}},
	{[]string{"issues"}, func(ctx context.Context, f DoctorForge, trigger, _ string) error {
		_, err := f.IssuesWithLabel(ctx, trigger)
		return err
	}},
	{[]string{"pull_requests"}, func(ctx context.Context, f DoctorForge, _, _ string) error {
		_, err := f.OpenPulls(ctx)
		return err
	}},
	{[]string{"checks", "statuses"}, func(ctx context.Context, f DoctorForge, _, head string) error {
		_, err := f.Checks(ctx, head)
		return err
	}},
	{[]string{"actions"}, func(ctx context.Context, f DoctorForge, _, _ string) error {
		if _, err := f.WorkflowRun(ctx, 1); !errors.Is(err, forge.ErrNotFound) {
			return err
		}
		return nil // no such run, but the question was allowed
	}},
	{[]string{"deployments"}, func(ctx context.Context, f DoctorForge, _, _ string) error {
		_, err := f.Deployments(ctx, "staging")
		return err
	}},
}

// permissions tries the reads of the jobs. Whether a token may also write is
// only known to who tries, so that is said and not guessed.
func (d *doctor) permissions(ctx context.Context, head string) {
	for _, r := range readings {
		name := strings.Join(r.permissions, ", ")
		readers, writers := d.jobsWith(r.permissions)
		if len(readers)+len(writers) == 0 {
			continue
		}
		err := r.try(ctx, d.Forge, d.trigger(), head)
		if err != nil {
			d.lacks(name, append(readers, writers...), err)
			continue
		}
		words := "may be read"
		if len(writers) > 0 {
			words += "; that it may be written, as " + strings.Join(writers, ", ") + " must, is not tried"
		}
		d.ok(name, "%s", words)
	}
}

// jobsWith lists the jobs whose row has one of the permissions. Deployments
// matter only to those who deploy.
func (d *doctor) jobsWith(permissions []string) (readers, writers []string) {
	for job, row := range Permissions {
		if d.Job != "" && job != d.Job {
			continue
		}
		if d.Job == "" && (job == "deploy" || job == "record") && (d.seed == nil || d.seed.Deploy.Provider == "none") {
			continue
		}
		level := ""
		for _, p := range permissions {
			level = max(level, row[p]) // "write" sorts behind "read"
		}
		switch level {
		case "read":
			readers = append(readers, job)
		case "write":
			writers = append(writers, job)
		}
	}
	slices.Sort(readers)
	slices.Sort(writers)
	return readers, writers
}

func (d *doctor) lacks(name string, jobs []string, err error) {
	var e *forge.Error
	if !errors.Is(err, forge.ErrForbidden) || !errors.As(err, &e) {
		d.refused(name, err)
		return
	}
	needs := orWords(e.Needs, name+": read")
	d.problem(name, "permissions: "+needs+", in the workflow's job or the token's settings", "%v (needed by %s)", err, strings.Join(jobs, ", "))
}

func (d *doctor) trigger() string {
	if d.seed == nil {
		return "ai-task"
	}
	return d.seed.AutomationContract.TaskLabels.Triggers[0]
}

// branch asks what guards the default branch: where it is protected the log
// needs a branch of its own, or no cycle could be recorded.
func (d *doctor) branch(ctx context.Context, name string) {
	settings, able := d.Forge.(Settings)
	if !able {
		d.unknown("default branch", "whether %s is protected", name)
		return
	}
	guarded, checks, err := settings.Protection(ctx, name)
	switch {
	case err != nil:
		d.unknown("default branch", "whether %s is protected: %v", name, err)
	case guarded && d.seed != nil && d.seed.Log.Branch == "":
		d.problem("default branch", "log: {branch: seedbed/log} in seed.yaml", "%s is protected and the log would be committed to it", name)
	case guarded && d.judges && !slices.Contains(checks, policy.CheckName):
		d.problem("default branch", "make "+policy.CheckName+" a required check of "+name, "%s is protected, but may be merged to without the judge; it requires %s",
			name, orWords(strings.Join(checks, ", "), "no check"))
	case guarded:
		d.ok("default branch", "%s is protected; it requires %s", name, orWords(strings.Join(checks, ", "), "no check"))
	default:
		d.ok("default branch", "%s is not protected", name)
	}
}

// pulls asks for the one setting that GitHub leaves off in a new repository.
func (d *doctor) pulls(ctx context.Context) {
	settings, able := d.Forge.(Settings)
	if !able {
		d.unknown("pull requests", "whether Actions may open them")
		return
	}
	may, err := settings.ActionsMayOpenPulls(ctx)
	switch {
	case errors.Is(err, forge.ErrForbidden), errors.Is(err, forge.ErrNotFound):
		d.unknown("pull requests", "whether Actions may open them: only an administrator's token may ask")
	case err != nil:
		d.unknown("pull requests", "%v", err)
	case !may:
		d.problem("pull requests", "Settings > Actions > General > Allow GitHub Actions to create and approve pull requests",
			"Actions may not open them: a change would end at its branch")
	default:
		d.ok("pull requests", "Actions may open them")
	}
}

func (d *doctor) labels(ctx context.Context) {
	have, err := d.Forge.Labels(ctx)
	if err != nil {
		d.refused("labels", err)
		return
	}
	trigger := d.trigger()
	if !slices.ContainsFunc(have, func(l string) bool { return strings.EqualFold(l, trigger) }) {
		d.problem("labels", "make the label "+trigger+" (Issues > Labels)", "there is no label %s: nobody can start a task", trigger)
		return
	}
	ours := 0
	for _, s := range task.States {
		if slices.Contains(have, s.Label()) {
			ours++
		}
	}
	d.ok("labels", "%s is there; %d of %d state labels, the others come when first used", trigger, ours, len(task.States))
}

// leases lists the claims. A stale one is given back by the next sweep.
func (d *doctor) leases(ctx context.Context) {
	refs, err := d.Forge.RefsUnder(ctx, "refs/seedbed/leases/")
	if err != nil {
		d.refused("leases", err)
		return
	}
	open := 0
	for _, ref := range refs {
		issue, err := strconv.Atoi(strings.TrimPrefix(ref.Name, "refs/seedbed/leases/"))
		if err != nil {
			d.problem("leases", "delete "+ref.Name, "%s is no lease", ref.Name)
			continue
		}
		lease, err := d.lease(ctx, ref)
		if err != nil {
			d.problem("leases", "delete "+ref.Name, "the lease of #%d cannot be read: %v", issue, err)
			continue
		}
		stale, err := effect.Stale(ctx, d.Forge, lease, d.Now())
		switch {
		case err != nil:
			d.unknown("leases", "#%d is held by run %d; whether that has ended: %v", issue, lease.Run, err)
		case stale:
			d.ok("leases", "#%d: run %d has ended without giving it back; the next sweep does", issue, lease.Run)
		default:
			open++
			d.ok("leases", "#%d is held by run %d until %s", issue, lease.Run, task.Clock(lease.Expires))
		}
	}
	if len(refs) == 0 {
		d.ok("leases", "none open")
	}
}

func (d *doctor) lease(ctx context.Context, ref forge.Ref) (task.Lease, error) {
	var l task.Lease
	file, err := d.Forge.File(ctx, "lease.json", ref.SHA)
	if err != nil {
		return l, err
	}
	return l, json.Unmarshal(file.Content, &l)
}

// customRefs makes and deletes a reference outside of branches and tags, where
// leases live.
func (d *doctor) customRefs(ctx context.Context, head string) {
	if !d.Write {
		d.unknown("lease refs", "whether refs/seedbed/* may be created: --write tries it")
		return
	}
	name := fmt.Sprintf("refs/seedbed/doctor/%d", d.Now().UnixNano())
	if err := d.Forge.CreateRef(ctx, name, head); err != nil {
		if errors.Is(err, forge.ErrForbidden) {
			d.refused("lease refs", err)
			return
		}
		d.problem("lease refs", "a ruleset that lets refs/seedbed/** be created", "%v", err)
		return
	}
	if err := d.Forge.DeleteRef(ctx, name); err != nil {
		d.problem("lease refs", "delete "+name+" yourself", "it was made and cannot be deleted: %v", err)
		return
	}
	d.ok("lease refs", "refs/seedbed/* can be created and deleted (contents may be written)")
}

// openaiAddress is the endpoint when nobody names another.
const openaiAddress = "https://api.openai.com/v1"

// model asks the endpoint for its list of models, which costs nothing. The key
// goes nowhere but to that address and into no message.
func (d *doctor) model(ctx context.Context) {
	base, name := d.ModelURL, d.Model
	base, name = orWords(base, d.Env("OPENAI_BASE_URL")), orWords(name, d.Env("SEEDBED_MODEL"))
	if d.seed != nil {
		base, name = orWords(base, d.seed.Model.BaseURL), orWords(name, d.seed.Model.Name)
	}
	address, local, err := modelAddress(orWords(base, openaiAddress))
	switch {
	case err != nil:
		d.problem("model", "OPENAI_BASE_URL or model.base_url", "%v", err)
	case d.Key == "" && !local && d.Actions:
		d.problem("model", "the secret OPENAI_API_KEY, handed over as model_key", "no key: steps with a model end environment_blocked; workers with a command do not need it")
	case d.Key == "" && !local:
		d.unknown("model", "OPENAI_API_KEY is not set here; in Actions it comes from the secret of that name")
	default:
		d.listModels(ctx, address, name)
	}
}

func modelAddress(base string) (u *url.URL, local bool, err error) {
	u, err = url.Parse(base)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, false, errors.New("the address of the model is no plain http(s) URL")
	}
	ip := net.ParseIP(u.Hostname())
	local = u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme == "http" && !local {
		return nil, false, fmt.Errorf("%s would get the key in the clear: want https", u.Host)
	}
	return u.JoinPath("models"), local, nil
}

func (d *doctor) listModels(ctx context.Context, address *url.URL, name string) {
	client := &http.Client{Transport: d.HTTP, Timeout: 10 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address.String(), nil)
	if err != nil {
		d.problem("model", "OPENAI_BASE_URL or model.base_url", "%v", err)
		return
	}
	if d.Key != "" {
		req.Header.Set("Authorization", "Bearer "+d.Key)
	}
	res, err := client.Do(req)
	if err != nil {
		d.problem("model", "OPENAI_BASE_URL or model.base_url, or start the server", "%s", d.withoutKey(err.Error()))
		return
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 4<<20))
	var list struct {
		Data []struct {
			ID string `json:"id"`
		} `json:"data"`
	}
	switch {
	case res.StatusCode == http.StatusUnauthorized, res.StatusCode == http.StatusForbidden:
		d.problem("model", "the secret OPENAI_API_KEY", "%s does not accept the key (%d)", address.Host, res.StatusCode)
	case res.StatusCode == http.StatusNotFound:
		d.unknown("model", "%s answers, but lists no models (404)", address.Host)
	case res.StatusCode != http.StatusOK:
		d.problem("model", "OPENAI_BASE_URL or model.base_url", "%s answers %d", address.Host, res.StatusCode)
	case err != nil || json.Unmarshal(body, &list) != nil:
		d.unknown("model", "%s answers with something that is no list of models", address.Host)
	case name == "":
		d.problem("model", "SEEDBED_MODEL, or model.name in seed.yaml", "%s answers and has %d models; none is chosen", address.Host, len(list.Data))
	case !slices.ContainsFunc(list.Data, func(m struct {
		ID string `json:"id"`
	}) bool {
		return m.ID == name
	}):
		d.unknown("model", "%s answers; %s is not in its list of %d", address.Host, name, len(list.Data))
	default:
		d.ok("model", "%s answers and has %s", address.Host, name)
	}
}

func (d *doctor) withoutKey(s string) string {
	if d.Key == "" {
		return s
	}
	return strings.ReplaceAll(s, d.Key, "[key]")
}
