package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
)

// class is a set of characters as bits in classes.
type class uint8

// Character sets of token bodies.
const (
	digit class = 1 << iota
	lowerHex
	upper
	lower
	dash
	underscore
	plusSlash // + / =
	dot

	letters = upper | lower
	word    = letters | digit
	url64   = word | dash | underscore
	std64   = word | plusSlash
	hexLow  = digit | lowerHex
	base32U = upper | digit
)

var classes = func() (table [256]class) {
	for c := '0'; c <= '9'; c++ {
		table[c] = digit
	}
	for c := 'a'; c <= 'z'; c++ {
		table[c] = lower
		if c <= 'f' {
			table[c] |= lowerHex
		}
		table[c+'A'-'a'] = upper
	}
	table['-'], table['_'], table['.'] = dash, underscore, dot
	table['+'], table['/'], table['='] = plusSlash, plusSlash, plusSlash
	return table
}()

// format is the shape of one kind of token: a prefix, then least to most
// characters of body. A format that is weak (its prefix turns up inside
// ordinary words) must begin where a word begins. When the shape needs more
// than that, match looks at the text from the prefix on and says how long the
// token is, zero for none.
type format struct {
	kind   string
	prefix string
	body   class
	least  int
	most   int
	weak   bool
	match  func(text []byte, at int) int
}

// longBody is the most of a body without a published length.
const longBody = 512

// formats is the visible list: one row per prefix. Lengths are those of the
// vendors' manuals and of tokens in the wild; where vendors reserve the right
// to grow them, only the lower bound counts.
var formats = []format{
	{kind: "github_token", prefix: "ghp_", body: word, least: 36, most: 36},
	{kind: "github_token", prefix: "gho_", body: word, least: 36, most: 36},
	{kind: "github_token", prefix: "ghu_", body: word, least: 36, most: 36},
	{kind: "github_token", prefix: "ghs_", body: word, least: 36, most: 36},
	{kind: "github_token", prefix: "ghr_", body: word, least: 36, most: 76},
	{kind: "github_token", prefix: "github_pat_", body: word | underscore, least: 82, most: 82},
	{kind: "gitlab_token", prefix: "glpat-", body: url64 | dot, least: 20, most: longBody},
	{kind: "gitlab_token", prefix: "gldt-", body: url64, least: 20, most: longBody},
	{kind: "gitlab_token", prefix: "glrt-", body: url64 | dot, least: 20, most: longBody},
	{kind: "gitlab_token", prefix: "glptt-", body: hexLow, least: 40, most: 40},
	{kind: "gitlab_token", prefix: "glcbt-", body: url64, least: 20, most: longBody},
	{kind: "openai_key", prefix: "sk-proj-", body: url64, least: 40, most: longBody},
	{kind: "openai_key", prefix: "sk-svcacct-", body: url64, least: 40, most: longBody},
	{kind: "openai_key", prefix: "sk-admin-", body: url64, least: 40, most: longBody},
	{kind: "anthropic_key", prefix: "sk-ant-", body: url64, least: 32, most: longBody},
	{kind: "openrouter_key", prefix: "sk-or-v1-", body: hexLow, least: 64, most: 64},
	{kind: "openai_key", prefix: "sk-", body: word, least: 32, most: longBody, weak: true},
	{kind: "groq_key", prefix: "gsk_", body: word, least: 52, most: 52},
	{kind: "xai_key", prefix: "xai-", body: word, least: 80, most: 80},
	{kind: "huggingface_token", prefix: "hf_", body: word, least: 34, most: 40, weak: true},
	{kind: "google_api_key", prefix: "AIza", body: url64, least: 35, most: 35},
	{kind: "google_oauth_secret", prefix: "GOCSPX-", body: url64, least: 28, most: 28},
	{kind: "aws_access_key_id", prefix: "AKIA", body: base32U, least: 16, most: 16},
	{kind: "aws_access_key_id", prefix: "ASIA", body: base32U, least: 16, most: 16, weak: true},
	{kind: "aws_secret_key", prefix: "aws_secret_access_key", match: awsSecret},
	{kind: "aws_secret_key", prefix: "AWS_SECRET_ACCESS_KEY", match: awsSecret},
	{kind: "aws_secret_key", prefix: "aws_secret_key", match: awsSecret},
	{kind: "aws_secret_key", prefix: "AWS_SECRET_KEY", match: awsSecret},
	{kind: "aws_secret_key", prefix: "SecretAccessKey", match: awsSecret},
	{kind: "aws_secret_key", prefix: "secretAccessKey", match: awsSecret},
	{kind: "azure_storage_key", prefix: "AccountKey=", body: std64, least: 86, most: 88},
	{kind: "slack_token", prefix: "xoxb-", body: word | dash, least: 24, most: longBody},
	{kind: "slack_token", prefix: "xoxp-", body: word | dash, least: 24, most: longBody},
	{kind: "slack_token", prefix: "xoxa-", body: word | dash, least: 24, most: longBody},
	{kind: "slack_token", prefix: "xoxr-", body: word | dash, least: 24, most: longBody},
	{kind: "slack_token", prefix: "xoxs-", body: word | dash, least: 24, most: longBody},
	{kind: "slack_token", prefix: "xoxe.xox", body: word | dash, least: 24, most: longBody},
	{kind: "slack_token", prefix: "xapp-", body: word | dash, least: 40, most: longBody},
	{kind: "slack_webhook", prefix: "hooks.slack.com/services/", body: word | plusSlash, least: 40, most: 80},
	{kind: "stripe_key", prefix: "sk_live_", body: word, least: 24, most: longBody},
	{kind: "stripe_key", prefix: "rk_live_", body: word, least: 24, most: longBody},
	{kind: "stripe_key", prefix: "sk_test_", body: word, least: 24, most: longBody},
	{kind: "stripe_key", prefix: "rk_test_", body: word, least: 24, most: longBody},
	{kind: "stripe_webhook_secret", prefix: "whsec_", body: word | plusSlash, least: 32, most: longBody},
	{kind: "npm_token", prefix: "npm_", body: word, least: 36, most: 36},
	{kind: "pypi_token", prefix: "pypi-AgE", body: url64, least: 50, most: longBody},
	{kind: "heroku_key", prefix: "HRKU-", body: url64, least: 36, most: 64},
	{kind: "heroku_key", prefix: "HEROKU_API_KEY", match: uuidValue},
	{kind: "heroku_key", prefix: "heroku_api_key", match: uuidValue},
	{kind: "sendgrid_key", prefix: "SG.", match: sendGrid},
	{kind: "twilio_key", prefix: "SK", body: hexLow, least: 32, most: 32, weak: true},
	{kind: "mailchimp_key", prefix: "-us", match: mailchimp},
	{kind: "shopify_token", prefix: "shpat_", body: hexLow | upper, least: 32, most: 32},
	{kind: "shopify_token", prefix: "shpss_", body: hexLow | upper, least: 32, most: 32},
	{kind: "digitalocean_token", prefix: "dop_v1_", body: hexLow, least: 64, most: 64},
	{kind: "docker_token", prefix: "dckr_pat_", body: url64, least: 27, most: 27},
	{kind: "databricks_token", prefix: "dapi", body: hexLow, least: 32, most: 32},
	{kind: "linear_key", prefix: "lin_api_", body: word, least: 40, most: 40},
	{kind: "vault_token", prefix: "hvs.", body: url64, least: 90, most: longBody},
	{kind: "age_key", prefix: "AGE-SECRET-KEY-1", body: upper | digit, least: 58, most: 58},
	{kind: "jwt", prefix: "eyJ", match: jwt, weak: true},
	{kind: "private_key", prefix: "-----BEGIN ", match: privateKey},
}

// gcpKind is what a private key is called inside a service account's JSON file.
const gcpKind = "gcp_service_account"

// awsSecret matches NAME, some punctuation, then forty base64 characters.
func awsSecret(text []byte, at int) int {
	return assigned(text, at, std64, 40)
}

// uuidValue matches NAME, some punctuation, then a UUID.
func uuidValue(text []byte, at int) int {
	end := assigned(text, at, hexLow|dash, 36)
	if end == 0 {
		return 0
	}
	uuid := text[at+end-36 : at+end]
	for _, i := range []int{8, 13, 18, 23} {
		if uuid[i] != '-' {
			return 0
		}
	}
	return end
}

// assigned matches a value of exactly size characters behind a name and at most
// eight characters of quotes, spaces and signs.
func assigned(text []byte, at int, body class, size int) int {
	i := at
	for i < len(text) && classes[text[i]]&(word|underscore) != 0 {
		i++
	}
	stop := min(i+8, len(text))
	for i < stop && bytes.IndexByte([]byte(" \t\"'`:=>(,\\"), text[i]) >= 0 {
		i++
	}
	run := runLength(text[i:], body, size+1)
	if run != size || !secretive(text[i:i+size], size) {
		return 0
	}
	return i + size - at
}

// sendGrid matches SG., 22 characters, a dot, 43 characters.
func sendGrid(text []byte, at int) int {
	const first, second = 22, 43
	body := text[at+len("SG."):]
	if len(body) < first+1+second || body[first] != '.' ||
		runLength(body, url64, first) < first || runLength(body[first+1:], url64, second) < second ||
		!secretive(body[first+1:first+1+second], second) {
		return 0
	}
	return len("SG.") + first + 1 + second
}

// mailchimp matches 32 hex digits in front of -us and a number; the length is
// counted from the prefix, so only the data centre is covered here and the
// caller widens the range backwards.
func mailchimp(text []byte, at int) int {
	const size = 32
	if at < size || runLength(text[at-size:], hexLow, size) < size || !secretive(text[at-size:at], size) {
		return 0
	}
	if !wordStart(text, at-size) {
		return 0
	}
	digits := runLength(text[at+len("-us"):], digit, 3)
	if digits == 0 || digits > 2 {
		return 0
	}
	return len("-us") + digits
}

// jwt matches header.payload.signature where the header is JSON that names an
// algorithm.
func jwt(text []byte, at int) int {
	const most = 16 << 10
	head := runLength(text[at:], url64, most)
	payload := at + head + 1
	if payload >= len(text) || text[payload-1] != '.' {
		return 0
	}
	body := runLength(text[payload:], url64, most)
	sign := payload + body + 1
	if body < 8 || sign >= len(text) || text[sign-1] != '.' {
		return 0
	}
	signature := runLength(text[sign:], url64, most)
	if signature < 20 || !jwtHeader(text[at:at+head]) || documentedJWT(text[payload:payload+body]) {
		return 0
	}
	return sign + signature - at
}

func jwtHeader(encoded []byte) bool {
	data, err := base64.RawURLEncoding.AppendDecode(nil, encoded)
	var header struct {
		Alg string `json:"alg"`
	}
	return err == nil && json.Unmarshal(data, &header) == nil && header.Alg != ""
}

// documentedJWT knows the payloads that manuals use.
func documentedJWT(encoded []byte) bool {
	data, err := base64.RawURLEncoding.AppendDecode(nil, encoded)
	return err == nil && (bytes.Contains(data, []byte("1234567890")) || bytes.Contains(data, []byte("John Doe")))
}

// privateKey matches a PEM block of any private key, also one whose line breaks
// are written as \n and one that is cut before its end.
func privateKey(text []byte, at int) int {
	const mostLabel, mostBlock, least = 60, 16 << 10, 64
	label := text[at+len("-----BEGIN "):]
	label = label[:min(len(label), mostLabel)]
	end := bytes.Index(label, []byte("-----"))
	if end < 0 || !bytes.Contains(label[:end], []byte("PRIVATE KEY")) {
		return 0
	}
	start := at + len("-----BEGIN ") + end + len("-----")
	block := text[start:min(len(text), start+mostBlock)]
	if next := bytes.Index(block, []byte("-----BEGIN ")); next >= 0 {
		block = block[:next] // keeps a text of nothing but first lines cheap
	}
	size := bytes.Index(block, []byte("-----END "))
	if size < 0 {
		size = pemRun(block)
	}
	if !secretive(pemBody(block[:size]), least) {
		return 0
	}
	total := start + size
	if closing := closingLine(text[total:]); closing > 0 {
		total += closing
	}
	return total - at
}

// pemRun is how far an unfinished block goes on looking like one.
func pemRun(block []byte) int {
	for i, c := range block {
		if classes[c]&std64 == 0 && bytes.IndexByte([]byte(" \t\r\n\\\":,-"), c) < 0 {
			return i
		}
	}
	return len(block)
}

// pemBody is the base64 of a block: line breaks, written out or escaped, and
// header lines taken out.
func pemBody(block []byte) []byte {
	var body []byte
	lines := bytes.Split(bytes.ReplaceAll(block, []byte(`\n`), []byte("\n")), []byte("\n"))
	for _, line := range lines {
		line = bytes.TrimSpace(line)
		if bytes.IndexByte(line, ':') >= 0 {
			continue
		}
		for _, c := range line {
			if classes[c]&std64 != 0 {
				body = append(body, c)
			}
		}
	}
	return body
}

// closingLine is the length of a "-----END ...-----" at the start of text.
func closingLine(text []byte) int {
	const most = 80
	if !bytes.HasPrefix(text, []byte("-----END ")) {
		return 0
	}
	if i := bytes.Index(text[len("-----END "):min(len(text), most)], []byte("-----")); i >= 0 {
		return len("-----END ") + i + len("-----")
	}
	return 0
}

// runLength is how many characters of the class text begins with, at most most.
func runLength(text []byte, c class, most int) int {
	n := 0
	for n < len(text) && n < most && classes[text[n]]&c != 0 {
		n++
	}
	return n
}
