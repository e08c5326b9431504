#!/bin/sh
# Builds this checkout and makes it the current release of staging. Run by
# `seedbed deploy`, which reads the JSON on the last line.
#
#   DEPLOY_ROOT      where releases are kept
#   DEPLOY_URL       address that serves this folder; by default it is read as files
#   SEEDBED_SHA      the commit that goes out
set -eu
root=${DEPLOY_ROOT:-$HOME/tally-releases}
release=$SEEDBED_SHA
dir=$root/releases/$release
mkdir -p "$dir" "$root/staging"
go build -buildvcs=false -trimpath -o "$dir/tally" . >&2
"$dir/tally" <README.md >"$dir/healthz"
ln -sfn "../releases/$release" "$root/staging/current"
printf '{"release": "%s", "url": "%s/staging/current"}\n' "$release" "${DEPLOY_URL:-file://$root}"
