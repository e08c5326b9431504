package deploy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// latency is how long a healthy target may take to answer.
const latency = 5 * time.Second

// Web probes by HTTP GET. 2xx passes; 429 is no data, since the target limits
// us and says nothing of itself; anything else it answers fails, redirects
// included, as do silence and a refused connection. A name that does not
// resolve, a network that is not there and an address that cannot be asked for
// are errors of the probe. A file: address passes when the file is there, for
// targets that are folders.
type Web struct{ client *http.Client }

// NewWeb makes a prober; timeout zero is five seconds.
func NewWeb(timeout time.Duration) Web {
	if timeout == 0 {
		timeout = latency
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.DisableKeepAlives = true // each probe asks whoever answers now
	t.RegisterProtocol("file", http.NewFileTransport(http.Dir("/")))
	return Web{&http.Client{Transport: t, Timeout: timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// Probe implements Prober.
func (w Web) Probe(ctx context.Context, url string) (Result, string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return Error, "address cannot be asked for"
	}
	req.Header.Set("User-Agent", "seedbed-deploy")
	res, err := w.client.Do(req)
	if err != nil {
		return notAnswered(err)
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20))
	switch {
	case err != nil:
		return Fail, "answer cut short"
	case res.StatusCode >= 200 && res.StatusCode < 300:
		return Pass, fmt.Sprintf("status %d", res.StatusCode)
	case res.StatusCode == http.StatusTooManyRequests:
		return NoData, "status 429"
	}
	return Fail, fmt.Sprintf("status %d", res.StatusCode)
}

func notAnswered(err error) (Result, string) {
	var name *net.DNSError
	var op *net.OpError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &name):
		return Error, "name does not resolve"
	case errors.As(err, &timeout) && timeout.Timeout():
		return Fail, "no answer in time"
	case refused(err):
		return Fail, "connection refused"
	case errors.As(err, &op) && op.Op == "dial":
		return Error, "no way to the target"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &op):
		return Fail, "connection cut"
	}
	return Error, "probe could not be made"
}
