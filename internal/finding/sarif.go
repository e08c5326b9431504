package finding

import (
	"encoding/json"
	"io"
	"net/url"
	"slices"
)

// The part of SARIF 2.1.0 that findings fill
// (https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html). It is
// written with plain structs, as this package imports nothing but the standard
// library: the part is small and only ever written.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool     `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version,omitempty"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID string `json:"id"`
	}
	sarifResult struct {
		RuleID     string            `json:"ruleId"`
		RuleIndex  int               `json:"ruleIndex"`
		Level      string            `json:"level"`
		Message    sarifMessage      `json:"message"`
		Locations  []sarifLocation   `json:"locations,omitempty"`
		Properties map[string]string `json:"properties,omitempty"`
	}
	sarifMessage struct {
		Text string `json:"text"`
	}
	sarifLocation struct {
		Physical sarifPhysical `json:"physicalLocation"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI       string `json:"uri"`
		URIBaseID string `json:"uriBaseId"`
	}
	sarifRegion struct {
		StartLine int `json:"startLine"`
	}
)

// SARIF writes findings as one SARIF 2.1.0 log with one run. version is that of
// Seedbed. Hint, limit and who stand in the message, where viewers show them,
// and as properties.
func SARIF(w io.Writer, version string, list []Finding) error {
	run := sarifRun{ColumnKind: "unicodeCodePoints", Results: []sarifResult{},
		Tool: sarifTool{Driver: sarifDriver{Name: "seedbed", Version: version, Rules: []sarifRule{}}}}
	names := ruleNames(list)
	for _, n := range names {
		run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, sarifRule{ID: n})
	}
	for _, f := range list {
		run.Results = append(run.Results, f.sarif(slices.Index(names, f.Rule)))
	}
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(sarifLog{Schema: "https://json.schemastore.org/sarif-2.1.0.json", Version: "2.1.0", Runs: []sarifRun{run}})
}

func ruleNames(list []Finding) []string {
	var names []string
	for _, f := range list {
		names = append(names, f.Rule)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (f Finding) sarif(rule int) sarifResult {
	r := sarifResult{RuleID: f.Rule, RuleIndex: rule, Level: string(f.Severity), Message: sarifMessage{Text: clean(f.annotation())}}
	if f.Severity != Error && f.Severity != Warning {
		r.Level = "note"
	}
	if f.Path != "" {
		at := sarifPhysical{Artifact: sarifArtifact{URI: (&url.URL{Path: f.Path}).String(), URIBaseID: "%SRCROOT%"}}
		if f.Line > 0 {
			at.Region = &sarifRegion{StartLine: f.Line}
		}
		r.Locations = []sarifLocation{{Physical: at}}
	}
	for key, value := range map[string]string{"hint": f.Hint, "limit": f.Seed, "unblocks": f.Who} {
		if value != "" {
			if r.Properties == nil {
				r.Properties = map[string]string{}
			}
			r.Properties[key] = clean(value)
		}
	}
	return r
}
