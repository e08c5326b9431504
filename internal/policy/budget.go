package policy

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/seedbed-dev/seedbed/internal/change"
	"github.com/seedbed-dev/seedbed/internal/finding"
	"github.com/seedbed-dev/seedbed/internal/seed"
)

// judgeBudget counts an agent's change against the limits of the seed: the
// change by itself, its share of the cycle, the day, what may be open at once.
//
// max_lines counts added and deleted lines together, without regard to git
// attributes. max_deleted_ratio is judged file by file: the share of its base
// lines by which a file that stays gets shorter. Against the whole change it
// could be diluted by adding lines elsewhere, and line for line a rewrite of a
// small file would look like a loss. A file deleted whole counts by its lines
// and raises the risk tier.
func judgeBudget(in input) Result {
	b := budgetJudge{in: in, limits: in.seed.Budgets.Change}
	b.count()
	b.files()
	b.changedLines()
	b.ratios()
	b.cycle()
	b.day()
	b.open()
	if len(b.found) > 0 {
		return Result{Outcome: Fail, Reason: fmt.Sprintf("%s, %s", plural(b.total.files, "file"), plural(b.total.lines, "changed line")), Findings: b.found}
	}
	return Result{Outcome: Pass, Reason: fmt.Sprintf("%d of %s, %d of %s", b.total.files, plural(b.limits.MaxFiles, "file"),
		b.total.lines, plural(b.limits.MaxLines, "changed line"))}
}

type budgetJudge struct {
	in     input
	limits seed.ChangeBudget
	total  folderCount
	found  []finding.Finding
	keep   string // the subset that would pass, found once
}

type folderCount struct {
	files, lines int
	blocked      bool // holds a file that other rules refuse, so alone it would not pass either
}

func (b *budgetJudge) add(path, key, message, hint string) {
	b.found = append(b.found, finding.Finding{Path: path, Severity: finding.Error, Message: message, Hint: hint,
		Seed: b.in.place(key), Who: b.in.owner() + " may raise the limit"})
}

func (b *budgetJudge) count() {
	b.total.files = len(b.in.change.Whole.Files)
	for _, f := range b.in.change.Whole.Files {
		b.total.lines += b.in.lines.of(f).changed()
		if !f.Loaded {
			b.add(f.Path, "budgets.change.max_lines", fmt.Sprintf("over %d MiB, so its lines cannot be counted", change.MaxBlob>>20),
				"leave this file out")
		}
	}
}

func (b *budgetJudge) files() {
	if b.total.files > b.limits.MaxFiles {
		b.add("", "budgets.change.max_files", fmt.Sprintf("%d files, at most %d", b.total.files, b.limits.MaxFiles), b.subset())
	}
}

func (b *budgetJudge) changedLines() {
	if b.total.lines > b.limits.MaxLines {
		b.add("", "budgets.change.max_lines", fmt.Sprintf("%d changed lines, limit %d", b.total.lines, b.limits.MaxLines), b.subset())
	}
}

func (b *budgetJudge) ratios() {
	for _, f := range b.in.change.Whole.Files {
		if lost, of, over := b.loses(f); over {
			b.add(f.Path, "budgets.change.max_deleted_ratio",
				fmt.Sprintf("loses %d of its %s (%d %%), at most %s", lost, plural(of, "line"), lost*100/of, percent(b.limits.MaxDeletedRatio)),
				fmt.Sprintf("keep %d of these lines, or split the change", of-int(float64(of)*b.limits.MaxDeletedRatio)))
		}
	}
}

// loses counts the lines by which a file that stays gets shorter.
func (b *budgetJudge) loses(f change.File) (lost, of int, over bool) {
	if f.Status != change.Modified {
		return 0, 0, false
	}
	lost, of = b.in.lines.of(f).lost(), countLines(f.Old)
	return lost, of, of > 0 && float64(lost) > float64(of)*b.limits.MaxDeletedRatio
}

func countLines(content []byte) int {
	n := strings.Count(string(content), "\n")
	if len(content) > 0 && content[len(content)-1] != '\n' {
		n++
	}
	return n
}

func percent(ratio float64) string {
	return strconv.FormatFloat(ratio*100, 'f', -1, 64) + " %"
}

func (b *budgetJudge) cycle() {
	limits, spent := b.in.seed.Budgets.Cycle, b.in.facts.Spent
	b.sum("budgets.cycle.max_files", "files", int64(b.total.files), spent.Files, int64(limits.MaxFiles))
	b.sum("budgets.cycle.max_lines", "changed lines", int64(b.total.lines), spent.Lines, int64(limits.MaxLines))
}

func (b *budgetJudge) sum(key, what string, now, before, limit int64) {
	if now+before > limit {
		b.add("", key, fmt.Sprintf("%d %s in this cycle, limit %d: %d here, %d before", now+before, what, limit, now, before),
			fmt.Sprintf("at most %d here, or wait for the next cycle", max(0, limit-before)))
	}
}

func (b *budgetJudge) day() {
	limits, spent := b.in.seed.Budgets.Day, b.in.facts.Spent
	if spent.DayTokens > int64(limits.Tokens) {
		b.add("", "budgets.day.tokens", fmt.Sprintf("%d tokens today, limit %d", spent.DayTokens, limits.Tokens), "wait for the next day (UTC)")
	}
	if spent.DayCycles > int64(limits.Cycles) {
		b.add("", "budgets.day.cycles", fmt.Sprintf("%d cycles today, limit %d", spent.DayCycles, limits.Cycles), "wait for the next day (UTC)")
	}
}

// open counts the pull request that this change would open; one that is open
// already takes no further place.
func (b *budgetJudge) open() {
	limit, others := b.in.seed.Budgets.Open.PullRequests, b.in.facts.Open
	if b.in.facts.Pull != 0 || len(others)+1 <= limit {
		return
	}
	message := fmt.Sprintf("this would be pull request %d of agents open at once, at most %d", len(others)+1, limit)
	hint := "a person raises the limit"
	if len(others) > 0 {
		message += " (" + numbers(others) + ")"
		hint = "merge or close one of them first"
	}
	b.add("", "budgets.open.pull_requests", message, hint)
}

func numbers(list []int) string {
	sorted := append([]int(nil), list...)
	sort.Ints(sorted)
	var words []string
	for i, n := range sorted {
		if i == 5 {
			words = append(words, fmt.Sprintf("and %d more", len(sorted)-i))
			break
		}
		words = append(words, "#"+strconv.Itoa(n))
	}
	return strings.Join(words, " ")
}

// subset names the largest folder whose part of the change would pass by
// itself, so that a person or a model knows what to keep.
func (b *budgetJudge) subset() string {
	if b.keep == "" {
		b.keep = b.largestFolder()
	}
	return b.keep
}

func (b *budgetJudge) largestFolder() string {
	best, count := "", folderCount{}
	for folder, c := range b.folders() {
		if c.blocked || c.files > b.limits.MaxFiles || c.lines > b.limits.MaxLines {
			continue
		}
		if best == "" || c.lines > count.lines || c.lines == count.lines && less(folder, best) {
			best, count = folder, c
		}
	}
	if best == "" {
		return "split it: no folder of it passes alone"
	}
	return fmt.Sprintf("%s alone is %s and passes", finding.Quote(best), plural(count.lines, "line"))
}

// less prefers the shorter, then the earlier name, so that the hint does not
// depend on the order of a map.
func less(a, b string) bool {
	if len(a) != len(b) {
		return len(a) < len(b)
	}
	return a < b
}

// maxFolderDepth bounds the folders tried for each file.
const maxFolderDepth = 8

func (b *budgetJudge) folders() map[string]folderCount {
	counts := map[string]folderCount{}
	for _, f := range b.in.change.Whole.Files {
		lines, blocked := b.in.lines.of(f).changed(), b.refusedElsewhere(f)
		for i, depth := 0, 0; i < len(f.Path) && depth < maxFolderDepth; i++ {
			if f.Path[i] != '/' {
				continue
			}
			depth++
			c := counts[f.Path[:i]]
			c.files, c.lines, c.blocked = c.files+1, c.lines+lines, c.blocked || blocked
			counts[f.Path[:i]] = c
		}
	}
	return counts
}

func (b *budgetJudge) refusedElsewhere(f change.File) bool {
	if _, _, over := b.loses(f); over || !f.Loaded {
		return true
	}
	access := b.in.seed.AutomationContract.AIAccess
	for _, path := range sides(f) {
		j := judged(path)
		if b.in.refused[path] {
			return true
		}
		if _, denied := forbidsAny(access.DisallowedWrites, j); denied {
			return true
		}
		if _, ok := coversAny(access.WritePaths, path); !ok && access.WritePaths != nil {
			return true
		}
	}
	return false
}
