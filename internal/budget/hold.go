package budget

import "errors"

// Claim is one reservation wanted of one ledger.
type Claim struct {
	Ledger *Ledger
	Kind   Kind
	Worst  int64
}

// Hold is a set of reservations made together, perhaps over several ledgers,
// and settled together.
type Hold struct {
	ledgers []*Ledger
	open    []Reservation
}

// ReserveAll makes every claim or none. The error is that of the first claim
// that does not fit; what had been set aside before it is given back.
func ReserveAll(claims ...Claim) (*Hold, error) {
	h := &Hold{}
	for _, c := range claims {
		r, err := c.Ledger.Reserve(c.Kind, c.Worst)
		if err != nil {
			return nil, errors.Join(err, h.Settle(nil))
		}
		h.ledgers = append(h.ledgers, c.Ledger)
		h.open = append(h.open, r)
	}
	return h, nil
}

// Settle closes every reservation: each kind is charged what used says, zero
// when used has no entry for it, the worst case when the entry is negative.
func (h *Hold) Settle(used map[Kind]int64) error {
	var errs []error
	for i, r := range h.open {
		errs = append(errs, h.ledgers[i].Settle(r, used[r.Kind]))
	}
	h.ledgers, h.open = nil, nil
	return errors.Join(errs...)
}
