// Package budget counts what a run may still spend: tokens, model calls,
// commands, minutes, money and whatever else a seed limits.
//
// Spending is reserved before it happens, at the most it can cost, and settled
// afterwards at what it did cost. While every use stays within its reservation
// the sum of used and reserved never exceeds a limit, also when many
// goroutines spend at once. A use nobody could measure is charged in full.
//
// The package reads no clock and no file. A process hands its ledger to the
// next one as bytes (Save, Load); the limits always come from the seed, never
// from those bytes.
package budget

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
)

// Kind names a quantity. Ledgers take any name; these are the common ones.
type Kind string

// Common kinds. Amounts are whole numbers, so money is counted in millionths.
const (
	Tokens   Kind = "tokens"   // model tokens, input and output together
	Calls    Kind = "calls"    // model calls, one per attempt that reached a model
	Commands Kind = "commands" // child processes started
	Minutes  Kind = "minutes"  // wall-clock minutes, rounded up
	USD      Kind = "usd"      // millionths of a US dollar
)

// Unknown is the use to settle with when it could not be measured: the whole
// reservation is charged. Every negative number means the same.
const Unknown int64 = -1

// Limits is the most that may be spent of each kind. A kind without an entry is
// counted and not limited; zero (or less) allows nothing.
type Limits map[Kind]int64

// Exceeded says that a reservation does not fit, with the numbers a person
// needs to see why. Ledger is the name given to New, such as "task".
type Exceeded struct {
	Ledger   string
	Kind     Kind
	Limit    int64
	Used     int64
	Reserved int64
	Wanted   int64
}

// Error states limit, use, open reservations and the wanted amount.
func (e *Exceeded) Error() string {
	name := e.Ledger
	if name != "" {
		name += " "
	}
	return fmt.Sprintf("%sbudget for %s exceeded: limit %d, used %d, reserved %d, wanted %d more",
		name, e.Kind, e.Limit, e.Used, e.Reserved, e.Wanted)
}

// Overrun says that a use was larger than its reservation. The whole use has
// been charged all the same, so the ledger may now stand above its limit and
// refuses what comes next.
type Overrun struct {
	Ledger   string
	Kind     Kind
	Reserved int64
	Used     int64
}

// Error states what was reserved and what was used.
func (e *Overrun) Error() string {
	return fmt.Sprintf("%s used more %s than reserved: reserved %d, used %d", e.Ledger, e.Kind, e.Reserved, e.Used)
}

// ErrNotOpen is returned for a reservation that this ledger did not give out or
// that was settled before. Nothing is charged.
var ErrNotOpen = errors.New("reservation is not open")

// ErrNegative is returned when a negative amount is to be reserved.
var ErrNegative = errors.New("cannot reserve a negative amount")

// Reservation is a claim on a ledger, to be settled exactly once. The zero
// value belongs to no ledger.
type Reservation struct {
	id    uint64
	Kind  Kind
	Worst int64
}

// Ledger counts against limits. It is safe for concurrent use; the zero value
// is not usable, see New and Load.
type Ledger struct {
	name   string
	limits Limits

	mu       sync.Mutex
	used     map[Kind]int64
	reserved map[Kind]int64
	open     map[uint64]Reservation
	last     uint64
}

// New returns an empty ledger. The name ("task", "cycle", "day") appears in
// errors; limits is copied.
func New(name string, limits Limits) *Ledger {
	own := make(Limits, len(limits))
	for kind, limit := range limits {
		own[kind] = max(limit, 0)
	}
	return &Ledger{
		name:     name,
		limits:   own,
		used:     map[Kind]int64{},
		reserved: map[Kind]int64{},
		open:     map[uint64]Reservation{},
	}
}

// Name is the name given to New.
func (l *Ledger) Name() string { return l.name }

// Reserve sets worst aside, or returns *Exceeded and sets nothing aside.
func (l *Ledger) Reserve(kind Kind, worst int64) (Reservation, error) {
	if worst < 0 {
		return Reservation{}, fmt.Errorf("reserving %d %s: %w", worst, kind, ErrNegative)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if limit, limited := l.limits[kind]; limited {
		// Compared by subtraction, each step within int64: sums could wrap.
		free := limit - min(add(l.used[kind], l.reserved[kind]), limit)
		if worst > free {
			return Reservation{}, &Exceeded{
				Ledger: l.name, Kind: kind, Limit: limit,
				Used: l.used[kind], Reserved: l.reserved[kind], Wanted: worst,
			}
		}
	}
	l.last++
	r := Reservation{id: l.last, Kind: kind, Worst: worst}
	l.open[r.id] = r
	l.reserved[kind] = add(l.reserved[kind], worst)
	return r, nil
}

// Settle closes a reservation and charges what was used: the whole reservation
// when used is negative (Unknown). A use above the reservation is charged as it
// is and reported as *Overrun.
func (l *Ledger) Settle(r Reservation, used int64) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	held, ok := l.open[r.id]
	if !ok || held != r {
		return fmt.Errorf("settling %d %s in the %s ledger: %w", r.Worst, r.Kind, l.name, ErrNotOpen)
	}
	delete(l.open, r.id)
	l.reserved[r.Kind] = l.sumOpen(r.Kind)
	if used < 0 {
		used = held.Worst
	}
	l.used[r.Kind] = add(l.used[r.Kind], used)
	if used > held.Worst {
		return &Overrun{Ledger: l.name, Kind: r.Kind, Reserved: held.Worst, Used: used}
	}
	return nil
}

// sumOpen adds up what is open, instead of subtracting from a total that may
// have been cut at the largest number.
func (l *Ledger) sumOpen(kind Kind) int64 {
	var sum int64
	for _, r := range l.open {
		if r.Kind == kind {
			sum = add(sum, r.Worst)
		}
	}
	return sum
}

// Used is what has been charged so far.
func (l *Ledger) Used(kind Kind) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.used[kind]
}

// Reserved is what open reservations hold.
func (l *Ledger) Reserved(kind Kind) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.reserved[kind]
}

// Left is what a reservation could still get; limited is false, and left the
// largest number, for a kind without a limit.
func (l *Ledger) Left(kind Kind) (left int64, limited bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	limit, limited := l.limits[kind]
	if !limited {
		return math.MaxInt64, false
	}
	return limit - min(add(l.used[kind], l.reserved[kind]), limit), true
}

// Kinds lists, sorted, every kind that has a limit or was ever spent.
func (l *Ledger) Kinds() []Kind {
	l.mu.Lock()
	defer l.mu.Unlock()
	var kinds []Kind
	for kind := range l.limits {
		kinds = append(kinds, kind)
	}
	for kind := range l.used {
		kinds = append(kinds, kind)
	}
	for kind := range l.reserved {
		kinds = append(kinds, kind)
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// add is a sum of two amounts that stays at the largest number.
func add(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
