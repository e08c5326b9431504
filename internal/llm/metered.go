package llm

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/seedbed-dev/seedbed/internal/budget"
)

// DefaultMaxOutput is the output limit of a metered request that names none.
// Without a limit there is no worst case to reserve.
const DefaultMaxOutput = 4096

// Metered reserves one call and the worst case of tokens in every ledger before
// it lets a request through, and settles afterwards with what the reply says it
// used. Usage that is unknown, negative or zero is charged at the worst case,
// as is a call that failed after it may have reached a model. A reservation
// that does not fit returns *budget.Exceeded and nothing is sent.
type Metered struct {
	Inner     Completer
	Ledgers   []*budget.Ledger // such as the task's and the cycle's
	MaxOutput int              // for requests that name none; zero: DefaultMaxOutput

	// Save, when set, stores the ledgers. It runs after every reservation, before
	// anything is sent, so that a process that dies during the call has been
	// charged for it; an error there stops the call. It runs again after settling,
	// where an error is not told: what was stored before charges more, and the
	// next reservation will meet it again.
	Save func() error
}

// Complete implements Completer.
func (m *Metered) Complete(ctx context.Context, req Request) (Reply, error) {
	if req.MaxOutputTokens <= 0 {
		req.MaxOutputTokens = m.MaxOutput
	}
	if req.MaxOutputTokens <= 0 {
		req.MaxOutputTokens = DefaultMaxOutput
	}
	meter := &meter{ledgers: m.Ledgers, save: m.Save, worst: int64(EstimateTokens(req)) + int64(req.MaxOutputTokens)}
	if err := meter.reserve(); err != nil {
		return Reply{}, fmt.Errorf("reserving for %s/%s: %w", req.Role, req.Step, err)
	}
	reply, err := m.Inner.Complete(context.WithValue(ctx, meterKey{}, meter), req)
	meter.settle(cost(reply, err))
	return reply, err
}

// cost is how many tokens to charge. Requests that were turned away at the door
// cost nothing; everything else that failed may have cost all it could.
func cost(reply Reply, err error) int64 {
	var e *Error
	if errors.As(err, &e) && e.Unspent {
		return 0
	}
	if err != nil {
		return budget.Unknown
	}
	u := reply.Usage
	if reply.Cached {
		return 0
	}
	if !u.Known || u.Input < 0 || u.Output < 0 || u.Total() <= 0 {
		return budget.Unknown
	}
	return u.Total()
}

type meterKey struct{}

// meter holds the open reservation of one call in flight.
type meter struct {
	ledgers []*budget.Ledger
	save    func() error
	worst   int64

	mu   sync.Mutex
	hold *budget.Hold
}

func (m *meter) reserve() error {
	var claims []budget.Claim
	for _, l := range m.ledgers {
		claims = append(claims,
			budget.Claim{Ledger: l, Kind: budget.Calls, Worst: 1},
			budget.Claim{Ledger: l, Kind: budget.Tokens, Worst: m.worst})
	}
	hold, err := budget.ReserveAll(claims...)
	if err != nil {
		return err
	}
	if m.save != nil {
		if err := m.save(); err != nil {
			return errors.Join(fmt.Errorf("storing the ledgers: %w", err), hold.Settle(nil))
		}
	}
	m.hold = hold
	return nil
}

// settle charges an attempt. An overrun is no error here: the tokens are spent
// and counted, and the next reservation is the one that will be refused.
func (m *meter) settle(tokens int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.hold != nil {
		_ = m.hold.Settle(map[budget.Kind]int64{budget.Calls: 1, budget.Tokens: tokens})
		m.hold = nil
		if m.save != nil {
			_ = m.save() // see Metered.Save
		}
	}
}

// again charges the attempt in flight at its worst case and reserves another.
func (m *meter) again() error {
	m.settle(budget.Unknown)
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.reserve()
}

// Again is called by adapters before they repeat an attempt that the endpoint
// may have worked on: such an attempt may have cost all it could, so it is
// charged so and the next one is reserved anew. An attempt that is Unspent
// needs no call. Without a Metered around, Again allows
// everything.
func Again(ctx context.Context) error {
	m, ok := ctx.Value(meterKey{}).(*meter)
	if !ok {
		return nil
	}
	if err := m.again(); err != nil {
		return fmt.Errorf("reserving for another attempt: %w", err)
	}
	return nil
}

// OverBudget reports whether err says that a budget does not allow the call.
func OverBudget(err error) bool {
	var e *budget.Exceeded
	return errors.As(err, &e)
}
