package deploy

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Result is what one probe says.
type Result string

// The results of a probe. Fail is about the target, Error about the probe
// itself; NoData is neither: the target answered that it will not say.
const (
	Pass   Result = "pass"
	Fail   Result = "fail"
	NoData Result = "no_data"
	Error  Result = "error"
)

// Sample is one probe and when it was made.
type Sample struct {
	At     time.Time `json:"at"`
	Result Result    `json:"result"`
	Detail string    `json:"detail,omitempty"` // "status 503", for people
}

// Prober asks a target once. It bounds its own time, does not repeat, and gives
// what it could not do as a result, not as an error. Implementation: Web; in
// tests a function.
type Prober interface {
	Probe(ctx context.Context, url string) (Result, string)
}

// Verdicts about an environment.
const (
	healthy      = "healthy"
	bad          = "bad"
	inconclusive = "inconclusive"
)

// watch waits for a release to settle and probes it until the window is over,
// by the clock: what a probe takes does not push the next one back, and probes
// slower than the interval are fewer.
// Failures beyond deploy.watch.max_failures end it at once and stay, whatever
// would come after.
func (d *deployer) watch(ctx context.Context, environment string, said answer) (Watched, error) {
	w, began := d.seed.Deploy.Watch, d.Now()
	seen := Watched{Environment: environment, Release: said.Release, URL: healthURL(said.URL, d.target(environment).Health)}
	if seen.URL == "" {
		seen.Verdict, seen.Reason = inconclusive, "no address to probe: neither deploy."+environment+".url nor the script names one"
		d.watched(began, seen)
		return seen, nil
	}
	if err := d.pause(ctx, w.Settle); err != nil {
		return seen, err
	}
	first := d.Now()
	for next := first; ; next = next.Add(w.Interval) {
		if err := d.pause(ctx, next.Sub(d.Now())); err != nil {
			return seen, err
		}
		result, detail := d.Probe.Probe(ctx, seen.URL)
		if err := ctx.Err(); err != nil {
			return seen, err // a probe that was cut off says nothing
		}
		d.redact(&detail)
		seen.Samples = append(seen.Samples, Sample{At: d.Now().UTC(), Result: result, Detail: clip(detail, 200)})
		if seen.count(Fail) > w.MaxFailures || next.Add(w.Interval).Sub(first) > w.Window || d.Now().Sub(first) > w.Window+w.Interval {
			break
		}
	}
	seen.conclude(w.MaxFailures, w.MinSamples)
	d.watched(began, seen)
	return seen, nil
}

func (d *deployer) pause(ctx context.Context, long time.Duration) error {
	if long <= 0 {
		return ctx.Err()
	}
	return d.Sleep(ctx, long)
}

func (w *Watched) count(r Result) (n int) {
	for _, s := range w.Samples {
		if s.Result == r {
			n++
		}
	}
	return n
}

// conclude weighs the samples. Probes that could not be made count against a
// conclusion as failures do against the release.
func (w *Watched) conclude(maxFailures, minSamples int) {
	failed, said := w.count(Fail), w.count(Pass)+w.count(Fail)
	w.Passed = w.count(Pass)
	switch {
	case failed > maxFailures:
		w.Verdict, w.Reason = bad, fmt.Sprintf("%d of %d probes failed, at most %d: %s", failed, len(w.Samples), maxFailures, w.last(Fail))
	case w.count(Error) > maxFailures:
		w.Verdict, w.Reason = inconclusive, fmt.Sprintf("%d of %d probes could not be made: %s", w.count(Error), len(w.Samples), w.last(Error))
	case said < minSamples:
		w.Verdict, w.Reason = inconclusive, fmt.Sprintf("%d of %d samples say something, at least %d wanted", said, len(w.Samples), minSamples)
	default:
		w.Verdict = healthy
	}
}

func (w Watched) last(r Result) string {
	for i := len(w.Samples) - 1; i >= 0; i-- {
		if w.Samples[i].Result == r {
			return w.Samples[i].Detail
		}
	}
	return ""
}

// line is "10/10 healthy".
func (w Watched) line() string {
	if w.Verdict == healthy && len(w.Samples) == 0 {
		return healthy
	}
	if w.Verdict == healthy {
		return fmt.Sprintf("%d/%d healthy", w.Passed, len(w.Samples))
	}
	return w.Verdict + ": " + w.Reason
}

// healthURL puts the path of the probe below an address.
func healthURL(base, path string) string {
	if base == "" {
		return ""
	}
	return strings.TrimRight(base, "/") + "/" + strings.TrimLeft(path, "/")
}
