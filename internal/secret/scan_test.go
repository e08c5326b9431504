package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"
)

// Every token in these tests is made while they run, so that a scan of this
// repository finds none.

const (
	chars62  = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
	chars36  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	charsHex = "0123456789abcdef"
	chars64  = chars62 + "-_"
)

func random(r *rand.Rand, chars string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = chars[r.IntN(len(chars))]
	}
	return string(b)
}

func pemBlock(r *rand.Rand, label string) string {
	var b strings.Builder
	b.WriteString("-----BEGIN " + label + "-----\n")
	for range 12 {
		b.WriteString(random(r, chars62+"+/", 64) + "\n")
	}
	return b.String() + "-----END " + label + "-----\n"
}

func serviceAccount(r *rand.Rand) string {
	data, err := json.Marshal(map[string]string{"type": "service_account", "private_key": pemBlock(r, "PRIVATE KEY")})
	if err != nil {
		panic(err)
	}
	return string(data)
}

func jwtOf(r *rand.Rand) string {
	enc := base64.RawURLEncoding.EncodeToString
	return enc([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + enc([]byte(`{"sub":"`+random(r, chars62, 9)+`"}`)) + "." + random(r, chars64, 43)
}

// tokens is the table of formats: how a fresh token of each kind is made.
var tokens = []struct {
	kind string
	make func(r *rand.Rand) string
}{
	{"github_token", func(r *rand.Rand) string { return "ghp_" + random(r, chars62, 36) }},
	{"github_token", func(r *rand.Rand) string { return "gho_" + random(r, chars62, 36) }},
	{"github_token", func(r *rand.Rand) string { return "ghu_" + random(r, chars62, 36) }},
	{"github_token", func(r *rand.Rand) string { return "ghs_" + random(r, chars62, 36) }},
	{"github_token", func(r *rand.Rand) string { return "ghr_" + random(r, chars62, 76) }},
	{"github_token", func(r *rand.Rand) string {
		return "github_pat_" + random(r, chars62, 22) + "_" + random(r, chars62, 59)
	}},
	{"gitlab_token", func(r *rand.Rand) string { return "glpat-" + random(r, chars64, 20) }},
	{"gitlab_token", func(r *rand.Rand) string { return "gldt-" + random(r, chars64, 20) }},
	{"gitlab_token", func(r *rand.Rand) string { return "glrt-" + random(r, chars64, 20) }},
	{"gitlab_token", func(r *rand.Rand) string { return "glptt-" + random(r, charsHex, 40) }},
	{"gitlab_token", func(r *rand.Rand) string { return "glcbt-" + random(r, chars64, 24) }},
	{"openai_key", func(r *rand.Rand) string { return "sk-" + random(r, chars62, 20) + "T3BlbkFJ" + random(r, chars62, 20) }},
	{"openai_key", func(r *rand.Rand) string { return "sk-proj-" + random(r, chars64, 156) }},
	{"openai_key", func(r *rand.Rand) string { return "sk-svcacct-" + random(r, chars64, 120) }},
	{"openai_key", func(r *rand.Rand) string { return "sk-admin-" + random(r, chars64, 120) }},
	{"anthropic_key", func(r *rand.Rand) string { return "sk-ant-" + "api03-" + random(r, chars64, 95) }},
	{"openrouter_key", func(r *rand.Rand) string { return "sk-or-v1-" + random(r, charsHex, 64) }},
	{"groq_key", func(r *rand.Rand) string { return "gsk_" + random(r, chars62, 52) }},
	{"xai_key", func(r *rand.Rand) string { return "xai-" + random(r, chars62, 80) }},
	{"huggingface_token", func(r *rand.Rand) string { return "hf_" + random(r, chars62, 34) }},
	{"google_api_key", func(r *rand.Rand) string { return "AIza" + random(r, chars64, 35) }},
	{"google_oauth_secret", func(r *rand.Rand) string { return "GOCSPX-" + random(r, chars64, 28) }},
	{"gcp_service_account", serviceAccount},
	{"aws_access_key_id", func(r *rand.Rand) string { return "AKIA" + random(r, chars36, 16) }},
	{"aws_access_key_id", func(r *rand.Rand) string { return "ASIA" + random(r, chars36, 16) }},
	{"aws_secret_key", func(r *rand.Rand) string { return "aws_secret_access_key = " + random(r, chars62+"+/", 40) }},
	{"aws_secret_key", func(r *rand.Rand) string { return "AWS_SECRET_ACCESS_KEY=" + random(r, chars62+"+/", 40) }},
	{"aws_secret_key", func(r *rand.Rand) string { return `"SecretAccessKey": "` + random(r, chars62+"+/", 40) + `"` }},
	{"azure_storage_key", func(r *rand.Rand) string { return "AccountKey=" + random(r, chars62+"+/", 86) + "==" }},
	{"slack_token", func(r *rand.Rand) string {
		return "xoxb-" + random(r, "123456789", 12) + "-" + random(r, "123456789", 12) + "-" + random(r, chars62, 24)
	}},
	{"slack_token", func(r *rand.Rand) string { return "xapp-1-" + random(r, chars36, 11) + "-" + random(r, charsHex, 64) }},
	{"slack_webhook", func(r *rand.Rand) string {
		return "https://hooks.slack.com/services/T" + random(r, chars36, 8) + "/B" + random(r, chars36, 8) + "/" + random(r, chars62, 24)
	}},
	{"stripe_key", func(r *rand.Rand) string { return "sk_live_" + random(r, chars62, 24) }},
	{"stripe_key", func(r *rand.Rand) string { return "rk_live_" + random(r, chars62, 99) }},
	{"stripe_key", func(r *rand.Rand) string { return "sk_test_" + random(r, chars62, 24) }},
	{"stripe_webhook_secret", func(r *rand.Rand) string { return "whsec_" + random(r, chars62, 32) }},
	{"npm_token", func(r *rand.Rand) string { return "npm_" + random(r, chars62, 36) }},
	{"pypi_token", func(r *rand.Rand) string { return "pypi-AgE" + "IcHlwaS5vcmc" + random(r, chars64, 150) }},
	{"heroku_key", func(r *rand.Rand) string { return "HRKU-AA" + random(r, chars64, 58) }},
	{"heroku_key", func(r *rand.Rand) string {
		return "HEROKU_API_KEY=" + random(r, charsHex, 8) + "-" + random(r, charsHex, 4) + "-" + random(r, charsHex, 4) + "-" + random(r, charsHex, 4) + "-" + random(r, charsHex, 12)
	}},
	{"sendgrid_key", func(r *rand.Rand) string { return "SG." + random(r, chars64, 22) + "." + random(r, chars64, 43) }},
	{"twilio_key", func(r *rand.Rand) string { return "SK" + random(r, charsHex, 32) }},
	{"mailchimp_key", func(r *rand.Rand) string { return random(r, charsHex, 32) + "-us14" }},
	{"shopify_token", func(r *rand.Rand) string { return "shpat_" + random(r, charsHex, 32) }},
	{"digitalocean_token", func(r *rand.Rand) string { return "dop_v1_" + random(r, charsHex, 64) }},
	{"docker_token", func(r *rand.Rand) string { return "dckr_pat_" + random(r, chars64, 27) }},
	{"databricks_token", func(r *rand.Rand) string { return "dapi" + random(r, charsHex, 32) }},
	{"linear_key", func(r *rand.Rand) string { return "lin_api_" + random(r, chars62, 40) }},
	{"vault_token", func(r *rand.Rand) string { return "hvs." + random(r, chars64, 95) }},
	{"age_key", func(r *rand.Rand) string { return "AGE-SECRET-KEY-1" + random(r, chars36, 58) }},
	{"jwt", jwtOf},
	{"private_key", func(r *rand.Rand) string { return pemBlock(r, "RSA PRIVATE KEY") }},
	{"private_key", func(r *rand.Rand) string { return pemBlock(r, "OPENSSH PRIVATE KEY") }},
	{"private_key", func(r *rand.Rand) string { return pemBlock(r, "PGP PRIVATE KEY BLOCK") }},
}

// wrapped breaks a text into lines of n characters.
func wrapped(s string, n int) string {
	var lines []string
	for len(s) > n {
		lines, s = append(lines, s[:n]), s[n:]
	}
	return strings.Join(append(lines, s), "\n")
}

// encodings is the table of ways a token may be wrapped up.
var encodings = []struct {
	name   string
	wrap   func(string) string
	result string
}{
	{"plain", func(s string) string { return s }, "plain"},
	{"in JSON", func(s string) string { data, _ := json.Marshal(s); return string(data) }, "plain"},
	{"after an escape", func(s string) string { return `"x\n` + s + `"` }, "plain"},
	{"in a diff", func(s string) string { return "\n+" + s }, "plain"},
	{"assigned", func(s string) string { return "KEY=" + s }, "plain"},
	{"base64", func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }, "base64"},
	{"base64url", func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }, "base64"},
	{"base64 shifted by 1", func(s string) string { return base64.StdEncoding.EncodeToString([]byte(":" + s)) }, "base64"},
	{"base64 shifted by 2", func(s string) string { return base64.StdEncoding.EncodeToString([]byte("::" + s)) }, "base64"},
	{"base64 wrapped", func(s string) string { return wrapped(base64.StdEncoding.EncodeToString([]byte("u:"+s+"\n")), 64) }, "base64"},
	{"base64 glued to a word", func(s string) string { return "abc" + base64.StdEncoding.EncodeToString([]byte(s)) }, "base64"},
	{"base64 twice", func(s string) string {
		return base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString([]byte(s))))
	}, "base64"},
	{"hex", func(s string) string { return hex.EncodeToString([]byte(s)) }, "hex"},
	{"HEX", func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) }, "hex"},
	{"hex glued to a word", func(s string) string { return "x" + hex.EncodeToString([]byte(s)) }, "hex"},
}

func TestEveryFormatIsFoundInEveryEncoding(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, token := range tokens {
		for _, e := range encodings {
			for range 5 {
				value := token.make(r)
				hits := Scan([]byte("first line\n  " + e.wrap(value) + " rest\n"))
				if len(hits) == 0 || hits[0].Kind != token.kind || hits[0].Encoding != e.result || hits[0].Line < 2 {
					t.Errorf("%s %s: have %+v for a token of %d characters", token.kind, e.name, hits, len(value))
				}
				if shown := fmt.Sprintf("%+v", hits); strings.Contains(shown, value) {
					t.Errorf("%s: the hit shows the value", token.kind)
				}
			}
		}
	}
}

func TestEveryRowOfTheFormatTableHasAToken(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	made := map[string]bool{}
	for _, token := range tokens {
		made[token.kind] = true
		_ = token.make(r)
	}
	for _, f := range formats {
		if !made[f.kind] {
			t.Errorf("no test makes a %s", f.kind)
		}
	}
}

func TestThePlaceOfAHit(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	a, b := "ghp_"+random(r, chars62, 36), "npm_"+random(r, chars62, 36)
	text := "one\ntwo " + a + "\r\n\n" + b + " " + base64.StdEncoding.EncodeToString([]byte(a))
	want := []Hit{
		{"github_token", 2, 5, "plain"},
		{"npm_token", 4, 1, "plain"},
		{"github_token", 4, 42, "base64"},
	}
	if have := Scan([]byte(text)); !reflect.DeepEqual(have, want) {
		t.Errorf("have %+v\nwant %+v", have, want)
	}
}

// harmless is text that looks a little like a secret and is none.
var harmless = []string{
	"ghp_" + strings.Repeat("x", 36),
	"ghp_" + strings.Repeat("X", 36),
	"ghp_" + "1234567890abcdefghijklmnopqrstuvwxyz",
	"ghp_" + "yourtokenhereyourtokenhereyourtokenh",
	"ghp_short",
	"AKIA" + "IOSFODNN7EXAMPLE",
	"aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEKEY",
	"sk-your-api-key-here",
	"sk-" + strings.Repeat("abcd", 12),
	"sk-proj-" + strings.Repeat("0", 50),
	"task-" + "aB3dE6gH9jK2mN5pQ8rS1tU4vW7xY0zCq4",
	"risk-management-and-desk-planning-for-everybody-in-the-office",
	"xoxb-" + "your-slack-bot-token-goes-here",
	"SG." + "short.one",
	"glpat-" + strings.Repeat("xxxx", 5),
	"SK" + strings.Repeat("0", 32),
	"npm_config_registry npm_lifecycle_event npm_package_version",
	"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9." + "eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ." + "SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c",
	"-----BEGIN CERTIFICATE-----\n" + strings.Repeat("MIIB9TCCAWACAQAwgbgxGTAX", 20) + "\n-----END CERTIFICATE-----",
	"-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
	"-----BEGIN RSA PRIVATE KEY-----",
	"h1:ijPCKaaWIMsxIVPOdUxUrMmbVMlzV4nPPeCCJ8wV0cQ=",
	"sha512-" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7, 200, 31, 9}, 16)),
	"0123456789abcdef0123456789abcdef01234567",
	"AKIAAAAAAAAAAAAAAAAA",
}

func TestPlaceholdersAndLookalikesAreNotHits(t *testing.T) {
	for _, text := range harmless {
		for _, e := range encodings {
			if hits := Scan([]byte(e.wrap(text))); len(hits) > 0 {
				t.Errorf("%s %q: have %+v", e.name, text, hits)
			}
		}
	}
}

func TestATokenCannotHideBehindTheWordExample(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	for range 200 {
		for _, text := range []string{
			"ghp_" + random(r, chars62, 36) + "EXAMPLE",
			"sk-proj-" + random(r, chars64, 100) + "-example",
			"x" + "ghp_" + random(r, chars62, 36),
		} {
			if len(Scan([]byte(text))) != 1 {
				t.Fatalf("not found: a text of %d characters", len(text))
			}
		}
	}
}

// TestRandomTokensAreHardlyEverMissed guards the rules against placeholders:
// they must not eat real tokens.
func TestRandomTokensAreHardlyEverMissed(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	const rounds = 300
	missed, all := 0, 0
	for _, token := range tokens {
		for range rounds {
			all++
			if len(Scan([]byte(token.make(r)))) == 0 {
				missed++
			}
		}
	}
	if missed*2000 > all {
		t.Errorf("missed %d of %d", missed, all)
	}
}

func TestScanStaysCheapOnHostileText(t *testing.T) {
	for _, part := range []string{"-----BEGIN PRIVATE KEY-----", "xoxb-", "eyJ.", " sk-", "AKIA", "whsec_/", "A", "ab"} {
		text := bytes.Repeat([]byte(part), 1<<17/len(part))
		start := time.Now()
		Scan(text)
		NewRedactor(Known{"model_key", testKey()}).Redact(text)
		if took := time.Since(start); took > 10*time.Second { // takes some hundredths, seconds under -race
			t.Errorf("%q repeated: %v for 128 KiB", part, took)
		}
	}
}

func FuzzScan(f *testing.F) {
	r := rand.New(rand.NewPCG(11, 12))
	for _, token := range tokens {
		f.Add([]byte(token.make(r)))
	}
	for _, text := range harmless {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		lines := bytes.Split(text, []byte("\n"))
		last := Hit{}
		for _, hit := range Scan(text) {
			if hit.Line < 1 || hit.Line > len(lines) || hit.Column < 1 || hit.Column > len(lines[hit.Line-1])+1 {
				t.Fatalf("place outside the text: %+v", hit)
			}
			if hit.Line < last.Line {
				t.Fatalf("out of order: %+v after %+v", hit, last)
			}
			last = hit
		}
		if left := Scan((*Redactor)(nil).Redact(text)); len(left) > 0 && len(Scan(text)) < maxHits {
			again := (*Redactor)(nil).Redact((*Redactor)(nil).Redact(text))
			if left := Scan((*Redactor)(nil).Redact(again)); len(left) > 0 {
				t.Fatalf("redacting never ends: %+v", left)
			}
		}
	})
}
