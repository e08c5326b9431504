package fakegithub

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"strings"
	"sync"
	"time"
)

// FaultKind is one way of going wrong.
type FaultKind string

// The kinds of fault.
const (
	// FaultStatus answers with Fault.Status instead of handling the request.
	FaultStatus FaultKind = "status"
	// FaultDelay waits Fault.Delay, then handles the request.
	FaultDelay FaultKind = "delay"
	// FaultCut handles the request and sends half of the answer's body.
	FaultCut FaultKind = "cut"
	// FaultDropBefore closes the connection without handling the request.
	FaultDropBefore FaultKind = "drop_before"
	// FaultDropAfter handles the request, then closes the connection without
	// an answer.
	FaultDropAfter FaultKind = "drop_after"
)

// Fault breaks some requests. All given conditions must hold; of several
// faults that match one request the first acts.
type Fault struct {
	// Method is an HTTP method; empty matches all.
	Method string `json:"method,omitempty"`
	// Path is a glob on the path in which * stands for one segment and ** for
	// any number; empty matches all.
	Path string `json:"path,omitempty"`
	// Request is the n-th request of all, counted from 1 when the server
	// opened or when SetFaults was last called; 0 is any.
	Request int `json:"request,omitempty"`
	// Mutation is the n-th request of all that asks for a change; 0 is any.
	Mutation int `json:"mutation,omitempty"`
	// Nth is the n-th request that meets the conditions above; 0 is every one.
	Nth int `json:"nth,omitempty"`
	// Kind is what happens.
	Kind FaultKind `json:"kind"`
	// Status, Header and Body are the answer of a FaultStatus.
	Status int               `json:"status,omitempty"`
	Header map[string]string `json:"header,omitempty"`
	Body   string            `json:"body,omitempty"`
	// Delay is waited before the request is handled, whatever the kind.
	Delay Duration `json:"delay,omitempty"`
}

// Duration is a time.Duration written as "250ms" in JSON.
type Duration time.Duration

// UnmarshalJSON reads a duration in Go's notation, such as "1.5s".
func (d *Duration) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf("reading a delay: want text such as %q: %w", "250ms", err)
	}
	v, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("reading a delay: %w", err)
	}
	*d = Duration(v)
	return nil
}

// MarshalJSON writes a duration in Go's notation.
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(d).String()) }

// ReadFaults reads a fault plan: a JSON list of faults. Unknown fields and
// kinds are errors, so that a mistyped plan does not pass as a quiet one.
func ReadFaults(file string) ([]Fault, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("reading the fault plan: %w", err)
	}
	defer f.Close()
	var faults []Fault
	d := json.NewDecoder(f)
	d.DisallowUnknownFields()
	if err := d.Decode(&faults); err != nil {
		return nil, fmt.Errorf("reading the fault plan %s: %w", file, err)
	}
	for i, fault := range faults {
		if err := fault.check(); err != nil {
			return nil, fmt.Errorf("reading the fault plan %s: fault %d: %w", file, i+1, err)
		}
	}
	return faults, nil
}

func (f *Fault) check() error {
	switch f.Kind {
	case FaultDelay, FaultCut, FaultDropBefore, FaultDropAfter:
	case FaultStatus:
		if f.Status < 200 || f.Status > 599 {
			return fmt.Errorf("kind status needs a status from 200 to 599, not %d", f.Status)
		}
	default:
		return fmt.Errorf("unknown kind %q: want cut, delay, drop_after, drop_before or status", f.Kind)
	}
	return nil
}

// SetFaults replaces the fault plan and starts its counters again.
func (s *Server) SetFaults(faults ...Fault) { s.plan.set(faults) }

// plan counts requests and picks the fault for each.
type plan struct {
	mu        sync.Mutex
	faults    []Fault
	matched   []int
	requests  int
	mutations int
}

func newPlan(faults []Fault) *plan {
	p := &plan{}
	p.set(faults)
	return p
}

func (p *plan) set(faults []Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults, p.matched, p.requests, p.mutations = append([]Fault{}, faults...), make([]int, len(faults)), 0, 0
}

// next counts one request and gives its fault, or nil.
func (p *plan) next(method, target string, mutation bool) *Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.requests++
	if mutation {
		p.mutations++
	}
	var hit *Fault
	for i := range p.faults {
		f := &p.faults[i]
		if f.Method != "" && !strings.EqualFold(f.Method, method) || f.Path != "" && !globPath(f.Path, target) ||
			f.Request != 0 && f.Request != p.requests || f.Mutation != 0 && (!mutation || f.Mutation != p.mutations) {
			continue
		}
		p.matched[i]++
		if hit == nil && (f.Nth == 0 || f.Nth == p.matched[i]) {
			hit = f
		}
	}
	if hit == nil {
		return nil
	}
	one := *hit
	return &one
}

// globPath matches segment by segment; ** takes any number of segments.
func globPath(glob, target string) bool {
	return globParts(strings.Split(strings.Trim(glob, "/"), "/"), strings.Split(strings.Trim(target, "/"), "/"))
}

func globParts(glob, parts []string) bool {
	if len(glob) == 0 {
		return len(parts) == 0
	}
	if glob[0] == "**" {
		for i := 0; i <= len(parts); i++ {
			if globParts(glob[1:], parts[i:]) {
				return true
			}
		}
		return false
	}
	if len(parts) == 0 {
		return false
	}
	hit, err := path.Match(glob[0], parts[0])
	return err == nil && hit && globParts(glob[1:], parts[1:])
}

// before does what comes ahead of handling; false means: drop the connection.
func (f *Fault) before(ctx context.Context) bool {
	if f == nil {
		return true
	}
	if f.Delay > 0 {
		t := time.NewTimer(time.Duration(f.Delay))
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return false
		}
	}
	return f.Kind != FaultDropBefore
}

func (f *Fault) answer() reply {
	body := f.Body
	if body == "" {
		body = fmt.Sprintf(`{"message":"fault plan: status %d","documentation_url":"https://docs.github.com/rest"}`, f.Status)
	}
	h := map[string]string{"Content-Type": "application/json; charset=utf-8"}
	for k, v := range f.Header {
		h[k] = v
	}
	return reply{status: f.Status, raw: []byte(body), header: h}
}
