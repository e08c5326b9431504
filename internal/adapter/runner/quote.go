package runner

import (
	"io"
	"sync"
)

// Quoted is a stretch of the log in which the runner obeys no command. What
// children print goes through it. Close it to get the commands back; writing
// after that is an error.
type Quoted struct {
	r      *Runner
	w      io.Writer
	token  string // "" outside Actions
	mu     sync.Mutex
	closed bool
	fresh  bool // at the beginning of a line
}

// StopCommands begins a quoted stretch under a token that the quoted text cannot
// know (https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands#stopping-and-starting-workflow-commands).
// Outside Actions the text goes to stderr as it is.
func (r *Runner) StopCommands() (*Quoted, error) {
	if !r.inside {
		return &Quoted{r: r, w: r.stderr, fresh: true}, nil
	}
	token, err := r.token()
	if err != nil {
		return nil, err
	}
	if err := r.issue("stop-commands", nil, token); err != nil {
		return nil, err
	}
	return &Quoted{r: r, w: r.out, token: token, fresh: true}, nil
}

// Write passes text on.
func (q *Quoted) Write(p []byte) (int, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return 0, io.ErrClosedPipe
	}
	n, err := q.w.Write(p)
	if n > 0 {
		q.fresh = p[n-1] == '\n'
	}
	return n, err
}

// Close lets commands work again. It ends an unfinished line first, because a
// command counts only at the beginning of one. Closing twice is once.
func (q *Quoted) Close() error {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return nil
	}
	q.closed = true
	if !q.fresh {
		if _, err := io.WriteString(q.w, "\n"); err != nil {
			return err
		}
	}
	if q.token == "" {
		return nil
	}
	return q.r.issue(q.token, nil, "")
}
