package command

import (
	"fmt"
	"sync"
)

// Capture is an io.Writer that keeps the beginning and the end of what is
// written and forgets the middle, so that a child can print without end. A
// test's first failure and its summary both survive. It is safe for several
// writers at once and never fails, because a child must not learn from a broken
// pipe that nobody listens.
type Capture struct {
	mu    sync.Mutex
	half  int
	head  []byte
	tail  []byte // ring of at most half bytes
	next  int    // where the ring is written next, once it is full
	total int64
}

// NewCapture keeps at most limit bytes (DefaultMaxOutput if limit is not
// positive), half of them from the beginning.
func NewCapture(limit int64) *Capture {
	if limit <= 0 {
		limit = DefaultMaxOutput
	}
	return &Capture{half: int(max(limit/2, 1))}
}

// Write takes all of p.
func (c *Capture) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := len(p)
	c.total += int64(n)
	if room := c.half - len(c.head); room > 0 {
		k := min(room, len(p))
		c.head = append(c.head, p[:k]...)
		p = p[k:]
	}
	c.keepTail(p)
	return n, nil
}

func (c *Capture) keepTail(p []byte) {
	if len(p) > c.half {
		p = p[len(p)-c.half:]
	}
	if room := c.half - len(c.tail); room > 0 {
		k := min(room, len(p))
		c.tail = append(c.tail, p[:k]...)
		p = p[k:]
	}
	for len(p) > 0 {
		k := copy(c.tail[c.next:], p)
		c.next = (c.next + k) % c.half
		p = p[k:]
	}
}

// Total is the number of bytes written so far, kept or not.
func (c *Capture) Total() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.total
}

// Bytes returns what was kept. Where the middle is missing a line of its own
// says so: "[truncated: kept N of M bytes]".
func (c *Capture) Bytes() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	kept := int64(len(c.head) + len(c.tail))
	out := append([]byte(nil), c.head...)
	if kept < c.total {
		if len(out) > 0 && out[len(out)-1] != '\n' {
			out = append(out, '\n')
		}
		out = fmt.Appendf(out, "[truncated: kept %d of %d bytes]\n", kept, c.total)
	}
	out = append(out, c.tail[c.next:]...)
	return append(out, c.tail[:c.next]...)
}
