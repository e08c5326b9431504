package llm

// Strike marks the entries that a transcript says were answered already, so
// that a later process of the same run goes on where the earlier one stopped.
// An entry is recognised by the reply it gave.
func (r *Recorded) Strike(before Transcript) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, line := range before.Lines {
		if line.Reply == nil || line.Cached {
			continue
		}
		for i := range r.entries {
			e := &r.entries[i]
			if !e.used && e.Reply != nil && e.Reply.Content == line.Reply.Content && sameCall(e.Match, line) {
				e.used = true
				break
			}
		}
	}
}

func sameCall(m *Match, line Line) bool {
	return (m.Role == "" || m.Role == line.Role) && (m.Step == "" || m.Step == line.Step)
}
