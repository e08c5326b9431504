package git

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"strings"
	"sync"
)

// MaxBlob is the largest blob Blobs.Read gives, in bytes.
const MaxBlob = 64 << 20

// Blobs reads objects through one git process. Read is a change.BlobReader.
type Blobs struct {
	mu   sync.Mutex
	cmd  *exec.Cmd
	in   io.WriteCloser
	out  *bufio.Reader
	stop context.CancelFunc
	ctx  context.Context
}

// Blobs starts a reader; Close ends it, as does the context.
func (r *Repo) Blobs(ctx context.Context) (*Blobs, error) {
	ctx, stop := context.WithCancel(ctx)
	cmd := command{args: []string{"cat-file", "--batch"}, dir: r.dir}.start(ctx)
	in, err := cmd.StdinPipe()
	if err != nil {
		stop()
		return nil, fmt.Errorf("starting blob reader: %w", err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		stop()
		return nil, fmt.Errorf("starting blob reader: %w", err)
	}
	if err := cmd.Start(); err != nil {
		stop()
		return nil, fmt.Errorf("starting blob reader: %w", err)
	}
	return &Blobs{cmd: cmd, in: in, out: bufio.NewReaderSize(out, 64<<10), stop: stop, ctx: ctx}, nil
}

// Read gives a blob's content. A blob above MaxBlob is ErrTooLarge, an unknown
// id ErrNotFound; the reader stays usable after both.
func (b *Blobs) Read(sha string) ([]byte, error) {
	data, kind, err := b.object(sha)
	if err != nil {
		return nil, fmt.Errorf("reading blob %.8s: %w", sha, err)
	}
	if kind != "blob" {
		return nil, fmt.Errorf("reading blob %.8s: is a %s", sha, kind)
	}
	return data, nil
}

func (b *Blobs) object(sha string) ([]byte, string, error) {
	if !isSHA(sha) { // a line break in it would ask two questions
		return nil, "", errors.New("not an object id")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, err := io.WriteString(b.in, sha+"\n"); err != nil {
		return nil, "", b.broken(err)
	}
	header, err := b.out.ReadString('\n')
	if err != nil {
		return nil, "", b.broken(err)
	}
	fields := strings.Fields(header)
	if len(fields) != 3 || fields[0] != sha {
		return nil, "", ErrNotFound // "<sha> missing"
	}
	size, err := strconv.ParseInt(fields[2], 10, 64)
	if err != nil || size < 0 {
		return nil, "", fmt.Errorf("size %q is not a number", fields[2])
	}
	if size > MaxBlob {
		if _, err := io.CopyN(io.Discard, b.out, size+1); err != nil {
			return nil, "", b.broken(err)
		}
		return nil, "", fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, size, MaxBlob)
	}
	data := make([]byte, size+1) // git ends each answer with a line feed
	if _, err := io.ReadFull(b.out, data); err != nil {
		return nil, "", b.broken(err)
	}
	return data[:size:size], fields[1], nil
}

func (b *Blobs) broken(err error) error {
	if cause := context.Cause(b.ctx); cause != nil {
		return cause
	}
	return fmt.Errorf("blob reader ended: %w", err)
}

// Close ends the process. It is safe to call twice.
func (b *Blobs) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.cmd == nil {
		return nil
	}
	b.in.Close()
	b.stop()
	_ = b.cmd.Wait() // killed by us: its exit code says nothing
	b.cmd = nil
	return nil
}

// Blob reads one blob.
func (r *Repo) Blob(ctx context.Context, sha string) ([]byte, error) {
	b, err := r.Blobs(ctx)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	return b.Read(sha)
}
