package policy

import (
	"fmt"

	"github.com/seedbed-dev/seedbed/internal/finding"
)

// judgeIntegrity wants the head of an agent's branch to descend from the judged
// base by one line of commits, each recorded by us or a person's, ending in the
// judged tree. A person's own branch may have any shape. The log's chain must
// hold for both.
func judgeIntegrity(in input) Result {
	var found []finding.Finding
	if broken := in.facts.LogBroken; broken != "" {
		found = append(found, in.broken("AUTOGEN_LOG.md: "+cut(broken), "restore the log from its git history"))
	}
	if in.facts.HeadCommit == "" && len(in.facts.Commits) == 0 {
		if len(found) > 0 {
			return Result{Outcome: Fail, Reason: "the log's chain is broken", Findings: found}
		}
		return Result{Outcome: NotApplicable, Reason: "nothing is published yet"}
	}
	found = append(found, in.headFindings()...)
	if in.facts.Agent {
		found = append(found, in.chainFindings()...)
	}
	if len(found) > 0 {
		return Result{Outcome: Fail, Reason: plural(len(found), "finding"), Findings: found}
	}
	if !in.facts.Agent {
		return Result{Outcome: Pass, Reason: "log chain valid; a person's branch may have any shape"}
	}
	foreign := foreignCommits(in)
	reason := plural(len(in.facts.Commits), "commit") + " in one line from the base"
	if len(foreign) > 0 {
		reason += fmt.Sprintf(", %d by people", len(foreign))
	}
	return Result{Outcome: Pass, Reason: reason, Findings: in.foreignNotes(foreign)}
}

func (in input) broken(message, hint string) finding.Finding {
	return finding.Finding{Severity: finding.Error, Message: message, Hint: hint, Seed: "built in", Who: "a person: " + in.owner()}
}

// headFindings compares the last commit with what is judged.
func (in input) headFindings() []finding.Finding {
	commits := in.facts.Commits
	if len(commits) == 0 {
		if in.facts.Agent {
			return []finding.Finding{in.broken("no commit is known between base and head "+short(in.facts.HeadCommit), "read the branch again")}
		}
		return nil
	}
	var found []finding.Finding
	last := commits[len(commits)-1]
	if in.facts.HeadCommit != "" && last.SHA != in.facts.HeadCommit {
		found = append(found, in.broken(fmt.Sprintf("the last commit is %s, the head is %s", short(last.SHA), short(in.facts.HeadCommit)),
			"judge the branch again as it stands now"))
	}
	if last.Tree != in.change.Whole.Head.SHA {
		found = append(found, in.broken(fmt.Sprintf("the head's tree is %s, judged was %s", short(last.Tree), short(in.change.Whole.Head.SHA)),
			"judge the branch again as it stands now"))
	}
	return found
}

func (in input) chainFindings() []finding.Finding {
	var found []finding.Finding
	parent, what := in.change.Whole.Base.Commit, "base"
	for _, c := range in.facts.Commits {
		switch {
		case len(c.Parents) > 1:
			found = append(found, in.broken(fmt.Sprintf("commit %s is a merge", short(c.SHA)), "rebase the branch onto the base"))
		case len(c.Parents) == 0:
			found = append(found, in.broken(fmt.Sprintf("commit %s has no parent, %s is %s", short(c.SHA), what, short(parent)), "begin the branch at the base"))
		case c.Parents[0] != parent:
			found = append(found, in.broken(fmt.Sprintf("commit %s: parent is %s, %s is %s", short(c.SHA), short(c.Parents[0]), what, short(parent)),
				"rebase the branch onto the base"))
		}
		if !c.Recorded && !c.byPerson() {
			found = append(found, in.broken(fmt.Sprintf("commit %s is neither recorded nor a person's", short(c.SHA)),
				"a person looks at this commit; nothing is overwritten"))
		}
		parent, what = c.SHA, "the commit before"
	}
	return found
}

// byPerson goes by the accounts the forge associates with author and committer.
// That proves nobody's authorship: such a commit is shown and the tree needs an
// approval by somebody else.
func (c CommitFact) byPerson() bool {
	return c.Author.ID != 0 && !c.Author.Bot && !c.Committer.Bot
}

// foreignCommits are those on an agent's branch that people put there.
func foreignCommits(in input) []CommitFact {
	if !in.facts.Agent {
		return nil
	}
	var list []CommitFact
	for _, c := range in.facts.Commits {
		if !c.Recorded && c.byPerson() {
			list = append(list, c)
		}
	}
	return list
}

func (in input) foreignNotes(commits []CommitFact) []finding.Finding {
	var notes []finding.Finding
	for _, c := range commits {
		notes = append(notes, finding.Finding{Severity: finding.Note, Seed: "built in", Who: in.approvers(),
			Message: fmt.Sprintf("commit %s is by %s, not by an agent", short(c.SHA), at(c.Author)), Hint: "somebody else approves the tree as it stands now"})
	}
	return notes
}
