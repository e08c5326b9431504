package budget

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// snapshotVersion changes when a field changes its meaning. Adding a field
// changes it too: readers refuse fields they do not know, because an amount
// that is not counted is money spent twice.
const snapshotVersion = 1

// maxSnapshot bounds the bytes Load looks at.
const maxSnapshot = 64 << 10

// snapshot is the stored form of a ledger. Limits are left out on purpose: they
// are the seed's to give, and a file can be edited.
type snapshot struct {
	Version  int            `json:"version"`
	Name     string         `json:"name"`
	Used     map[Kind]int64 `json:"used"`
	Reserved map[Kind]int64 `json:"reserved,omitempty"`
}

// Save writes the ledger as JSON, same state same bytes. Save after reserving
// and again after settling: a process that dies in between has then been
// charged for what it held.
func (l *Ledger) Save() ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := snapshot{Version: snapshotVersion, Name: l.name, Used: l.used, Reserved: map[Kind]int64{}}
	for kind, amount := range l.reserved {
		if amount > 0 {
			s.Reserved[kind] = amount
		}
	}
	data, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("saving the %s ledger: %w", l.name, err)
	}
	return append(data, '\n'), nil
}

// Load continues the ledger called name from what Save wrote, under the limits
// given. Reservations that were open when it was saved belong to a process that
// is gone; nobody knows what it used, so they are charged in full.
func Load(name string, limits Limits, data []byte) (*Ledger, error) {
	s, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("loading the %s ledger: %w", name, err)
	}
	if s.Name != name {
		return nil, fmt.Errorf("loading the %s ledger: these are the numbers of %q", name, s.Name)
	}
	l := New(name, limits)
	for _, amounts := range []map[Kind]int64{s.Used, s.Reserved} {
		for kind, amount := range amounts {
			if amount < 0 {
				return nil, fmt.Errorf("loading the %s ledger: %s is negative: %d", name, kind, amount)
			}
			l.used[kind] = add(l.used[kind], amount)
		}
	}
	return l, nil
}

func parse(data []byte) (snapshot, error) {
	var s snapshot
	if len(data) > maxSnapshot {
		return s, fmt.Errorf("%d bytes, at most %d are read", len(data), maxSnapshot)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return s, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return s, fmt.Errorf("data after the snapshot")
	}
	if s.Version != snapshotVersion {
		return s, fmt.Errorf("version %d, this program reads version %d", s.Version, snapshotVersion)
	}
	// The standard decoder folds case and keeps the last of two equal keys;
	// either could make an amount smaller than another reader sees it.
	if again, err := json.Marshal(s); err != nil || !bytes.Equal(again, bytes.TrimSpace(data)) {
		return s, fmt.Errorf("not as it was saved")
	}
	return s, nil
}
