// Command tally counts the words, lines and bytes of files or of its standard
// input.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"

	"example.com/tally/internal/count"
	"example.com/tally/internal/report"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run is the program with its surroundings as arguments. It gives the exit
// code: 0, 1 when a file cannot be read, 2 for bad flags.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("tally", flag.ContinueOnError)
	flags.SetOutput(stderr)
	asJSON := flags.Bool("json", false, "print JSON")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	entries, err := read(flags.Args(), stdin)
	if err != nil {
		fmt.Fprintf(stderr, "tally: %v\n", err)
		return 1
	}
	fmt.Fprint(stdout, show(entries, *asJSON))
	return 0
}

func read(names []string, stdin io.Reader) ([]report.Entry, error) {
	if len(names) == 0 {
		data, err := io.ReadAll(stdin)
		return []report.Entry{{Counts: count.Of(string(data))}}, err
	}
	var entries []report.Entry
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		entries = append(entries, report.Entry{Name: name, Counts: count.Of(string(data))})
	}
	return entries, nil
}

func show(entries []report.Entry, asJSON bool) string {
	switch {
	case asJSON:
		return report.JSON(entries)
	case len(entries) == 1:
		return report.Text(entries[0].Counts) + "\n"
	}
	return report.Table(entries)
}
