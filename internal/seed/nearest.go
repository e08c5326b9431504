package seed

import "strings"

// nearest is the candidate with the fewest single-character edits from word;
// the first of equals. Empty when there is no candidate or all are further than
// the longer of the two words is long, which means nothing in common. The case
// of letters does not count.
func nearest(word string, candidates []string) string {
	word = strings.ToLower(word)
	best, bestDistance := "", -1
	for _, c := range candidates {
		d := distance(word, strings.ToLower(c))
		if d >= max(len(word), len(c)) {
			continue
		}
		if bestDistance < 0 || d < bestDistance {
			best, bestDistance = c, d
		}
	}
	return best
}

// distance is the Levenshtein distance in bytes; a swap of neighbours counts
// one. Long words are cut, since nothing known is long.
func distance(a, b string) int {
	a, b = a[:min(len(a), 64)], b[:min(len(b), 64)]
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		next := make([]int, len(b)+1)
		next[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			next[j] = min(row[j]+1, next[j-1]+1, row[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				next[j] = min(next[j], before[j-2]+1)
			}
		}
		before, row = row, next
	}
	return row[len(b)]
}
