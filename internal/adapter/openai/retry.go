package openai

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/seedbed-dev/seedbed/internal/llm"
)

// Pauses grow from firstPause by doubling up to lastPause. An endpoint that
// asks for more than longestAsked is not waited for: asking again earlier would
// only keep it busy.
const (
	firstPause   = time.Second
	lastPause    = 30 * time.Second
	longestAsked = 2 * time.Minute
)

// retry repeats attempts by the policy in the package comment.
//
// It is written out rather than taken from cenkalti/backoff: that library reads
// the clock, the timer and the random source from globals, so its waits can be
// neither compared with a golden list nor be kept under our own total.
func (c *Client) retry(ctx context.Context, req llm.Request) (llm.Reply, error) {
	start := c.now()
	for attempt := 1; ; {
		skill := c.skills.of(req.Model)
		reply, fail := c.attempt(ctx, req, skill)
		if fail == nil {
			return reply, nil
		}
		if c.skills.learn(req, skill, fail) {
			continue // costs no attempt: the endpoint told what to leave out
		}
		if !fail.again() {
			return llm.Reply{}, fail.err
		}
		pause := c.pause(attempt, fail.err.RetryAfter)
		if attempt >= c.maxAttempts || fail.err.RetryAfter > longestAsked || c.now().Sub(start)+pause > c.maxTotal {
			return llm.Reply{}, c.gaveUp(fail.err, attempt)
		}
		if !fail.err.Unspent {
			if err := llm.Again(ctx); err != nil {
				return llm.Reply{}, err
			}
		}
		if err := c.sleep(ctx, pause); err != nil {
			return llm.Reply{}, c.gaveUp(fail.err, attempt)
		}
		attempt++
	}
}

// pause is what the endpoint asked for, else between half and all of the
// doubled time.
func (c *Client) pause(attempt int, asked time.Duration) time.Duration {
	if asked > 0 {
		return asked
	}
	full := lastPause
	if shift := attempt - 1; shift < 5 {
		full = min(firstPause<<shift, lastPause)
	}
	return full/2 + time.Duration(c.rand()*float64(full/2))
}

func (c *Client) gaveUp(last *llm.Error, attempts int) error {
	gone := *last
	gone.Message = fmt.Sprintf("%s; gave up after %s", last.Message, times(attempts))
	return &gone
}

func times(n int) string {
	if n == 1 {
		return "1 attempt"
	}
	return strconv.Itoa(n) + " attempts"
}

// failure is a failed attempt with what the policy needs to know.
type failure struct {
	err   *llm.Error
	body  string // the endpoint's words, lower case, to learn from
	final bool   // our own patience is over
}

func (f *failure) again() bool { return f.err.Kind == llm.Outage && !f.final }

// retryAfter reads Retry-After (RFC 9110, 10.2.3: seconds or a date) and the
// retry-after-ms some endpoints add; zero when there is none.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if ms, err := strconv.ParseFloat(h.Get("Retry-After-Ms"), 64); err == nil && ms > 0 {
		return seconds(ms / 1000)
	}
	value := strings.TrimSpace(h.Get("Retry-After"))
	if s, err := strconv.ParseFloat(value, 64); err == nil && s > 0 {
		return seconds(s)
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// seconds converts without wrapping; more than a day is a day.
func seconds(s float64) time.Duration {
	const day = 24 * 60 * 60
	return time.Duration(min(s, day) * float64(time.Second))
}
