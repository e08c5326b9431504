package github

import (
	"container/list"
	"net/http"
	"sync"
)

// Bounds of the ETag cache, which lives as long as the process.
const (
	cacheEntries = 512
	cacheBytes   = 32 << 20
)

// cache remembers the last answer to each read with its ETag. Every read still
// asks GitHub; an unchanged answer comes back as an empty 304 that costs no
// rate limit (https://docs.github.com/rest/using-the-rest-api/best-practices-for-using-the-rest-api).
// The least recently used entries go first.
type cache struct {
	mu    sync.Mutex
	byKey map[string]*list.Element
	order *list.List // of *cached, most recently used first
	bytes int
}

type cached struct {
	key    string
	etag   string
	header http.Header
	body   []byte
}

func newCache() *cache { return &cache{byKey: map[string]*list.Element{}, order: list.New()} }

func (e *cached) response(req *http.Request) *http.Response {
	return answer(req, http.StatusOK, e.header, e.body)
}

func cacheKey(req *http.Request) string {
	if req.Method != http.MethodGet {
		return ""
	}
	return req.Header.Get("Accept") + " " + req.URL.String()
}

// offer puts the known ETag on a read and gives the entry that a 304 stands
// for, or nil.
func (c *cache) offer(req *http.Request) *cached {
	key := cacheKey(req)
	if key == "" {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	el, ok := c.byKey[key]
	if !ok {
		return nil
	}
	c.order.MoveToFront(el)
	e := el.Value.(*cached)
	req.Header.Set("If-None-Match", e.etag)
	return e
}

// keep remembers a successful read.
func (c *cache) keep(req *http.Request, res *http.Response, body []byte) {
	key, etag := cacheKey(req), res.Header.Get("Etag")
	if key == "" || etag == "" || res.StatusCode != http.StatusOK || len(body) > cacheBytes/4 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if old, ok := c.byKey[key]; ok {
		c.drop(old)
	}
	c.byKey[key] = c.order.PushFront(&cached{key, etag, res.Header.Clone(), body})
	c.bytes += len(body)
	for len(c.byKey) > cacheEntries || c.bytes > cacheBytes {
		c.drop(c.order.Back())
	}
}

func (c *cache) drop(el *list.Element) {
	e := c.order.Remove(el).(*cached)
	delete(c.byKey, e.key)
	c.bytes -= len(e.body)
}
