#!/bin/sh
# Finds or fetches the program and writes its path to the output "binary":
#   1. seedbed on PATH, put there by an earlier step or by the runner's owner;
#   2. the release named in checksums.txt, its digest compared before anything
#      can execute it;
#   3. a build of the checkout this action stands in.
# Digests live in the action's own commit: whoever pins the commit pins the
# binary, and nothing downloaded beside a binary vouches for it. Ends with 3 when
# no binary can be had or when one is not what it should be.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$here")
table=$here/checksums.txt
bin=${RUNNER_TEMP:?the runner sets RUNNER_TEMP}/seedbed-bin
new=

fail() {
	[ -z "$new" ] || rm -f "$new"
	printf '::error title=Seedbed was not installed::%s\n' "$1"
	exit 3
}

found() {
	printf 'binary=%s\n' "$1" >>"$GITHUB_OUTPUT"
	printf 'seedbed: %s\n' "$2"
	exit 0
}

# keep moves a finished binary to its place and makes it findable for later steps.
keep() {
	chmod 0755 "$new"
	mv -f "$new" "$bin/seedbed"
	printf '%s\n' "$bin" >>"$GITHUB_PATH"
	found "$bin/seedbed" "$1"
}

if path=$(command -v seedbed); then found "$path" "using $path"; fi

case $(uname -s)-$(uname -m) in
Linux-x86_64) arch=amd64 machine=3e00 ;;
Linux-aarch64 | Linux-arm64) arch=arm64 machine=b700 ;;
*) fail "no release for $(uname -s) on $(uname -m); put seedbed on PATH before this step" ;;
esac
mkdir -p "$bin"
new=$(mktemp "$bin/.download-XXXXXX")

line=$(grep -E "^[0-9a-f]{64}  seedbed_[A-Za-z0-9.+-]+_linux_$arch\$" "$table" || true)
[ "$(printf '%s\n' "$line" | wc -l)" -eq 1 ] || fail "$table names more than one binary for linux $arch"

if [ -z "$line" ]; then
	[ -f "$root/go.mod" ] || fail "$table names no release for linux $arch and $root holds no source; put seedbed on PATH before this step"
	command -v go >/dev/null || fail "$table names no release for linux $arch and there is no go to build one"
	printf 'seedbed: no release for linux %s is pinned; building %s\n' "$arch" "$root"
	(cd "$root" && CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o "$new" ./cmd/seedbed) || fail "go build in $root did not succeed"
	keep "built from $root"
fi

want=${line%% *}
name=${line##* }
version=${name#seedbed_}
url=${INPUT_RELEASE_URL:?}/${version%%_*}/$name

host() { printf '%s\n' "$1" | sed -E 's|^(https?://[^/?#]*).*|\1|'; }

# allowed says whether an answer may come from another address than was asked:
# the same host, or the two from which GitHub hands out release files.
allowed() {
	[ "$(host "$1")" != "$(host "$url")" ] || return 0
	[ "$(host "$url")" = https://github.com ] || return 1
	case $(host "$1") in
	https://release-assets.githubusercontent.com | https://objects.githubusercontent.com) return 0 ;;
	esac
	return 1
}

case $(host "$url") in
https://*) proto='=https' ;;
http://127.0.0.1:* | http://localhost:*) proto='=http' ;;
*) fail "$url is neither https nor on this machine" ;;
esac
ask=$url
hops=0
while :; do
	answer=$(curl --silent --show-error --proto "$proto" --retry 2 --connect-timeout 20 --max-time 300 --max-filesize 104857600 \
		--output "$new" --write-out '%{http_code} %{redirect_url}' "$ask") || fail "downloading $url did not succeed"
	status=${answer%% *}
	case $status in
	200) break ;;
	301 | 302 | 303 | 307 | 308) ;;
	*) fail "$url answered $status" ;;
	esac
	ask=${answer#* }
	hops=$((hops + 1))
	allowed "$ask" || fail "$url leads to another host, $(host "$ask"); expected sha256 $want, nothing was downloaded"
	[ $hops -le 3 ] || fail "$url leads on and on"
done

have=$(sha256sum "$new" | cut -d ' ' -f 1)
[ "$have" = "$want" ] || fail "$url is not what this commit pins: expected sha256 $want, found $have"
header=$(od -An -tx1 -N20 "$new" | tr -d ' \n')
case $header in
7f454c46????????????????????????????"$machine") ;;
*) fail "$url is no program for linux $arch: expected machine $machine, found header $header; sha256 $have, expected $want" ;;
esac
keep "$name, sha256 $want"
