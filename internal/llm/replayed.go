package llm

import (
	"context"
	"reflect"
	"slices"
	"sync"
)

// Replayed answers requests that earlier transcripts hold a reply for, by
// digest, and passes the rest on. The n-th asking of the same request gets the
// n-th recorded reply to it, so a conversation that asked twice on purpose is
// repeated as it was.
//
// A transcript is anyone's file: a replayed reply is read and judged exactly as
// a new one. Replies with secrets in them were redacted when written and come
// back so.
type Replayed struct {
	inner Completer

	mu      sync.Mutex
	replies map[string][]Reply
	hits    int
	misses  int
}

// NewReplayed takes the transcripts of earlier attempts. A later attempt that
// was itself served from an earlier transcript repeats its lines; per request
// the transcript with most replies counts.
func NewReplayed(inner Completer, earlier ...Transcript) *Replayed {
	r := &Replayed{inner: inner, replies: map[string][]Reply{}}
	for _, t := range earlier {
		for digest, replies := range byDigest(t) {
			if len(replies) > len(r.replies[digest]) {
				r.replies[digest] = replies
			}
		}
	}
	return r
}

// byDigest collects a transcript's replies. A cached line that repeats a reply of
// the same file was written when a killed process was rerun on it, and does not
// count twice.
func byDigest(t Transcript) map[string][]Reply {
	found := map[string][]Reply{}
	for _, line := range t.Lines {
		if line.Digest == "" || line.Reply == nil || line.Failure != nil {
			continue
		}
		reply := *line.Reply
		reply.Cached = false
		same := func(r Reply) bool { return reflect.DeepEqual(r, reply) }
		if line.Cached && slices.ContainsFunc(found[line.Digest], same) {
			continue
		}
		found[line.Digest] = append(found[line.Digest], reply)
	}
	return found
}

// Complete implements Completer.
func (r *Replayed) Complete(ctx context.Context, req Request) (Reply, error) {
	if reply, ok := r.take(Digest(req)); ok {
		return reply, ctx.Err()
	}
	return r.inner.Complete(ctx, req)
}

func (r *Replayed) take(digest string) (Reply, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	left := r.replies[digest]
	if len(left) == 0 {
		r.misses++
		return Reply{}, false
	}
	r.hits++
	r.replies[digest] = left[1:]
	reply := left[0]
	reply.Cached = true
	return reply, true
}

// Counts tells how many requests were answered from transcripts and how many
// were passed on.
func (r *Replayed) Counts() (hits, misses int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.hits, r.misses
}
