#!/bin/sh
# Makes the release that was watched in staging the current one of production:
# the very same files, nothing is built again.
#
#   SEEDBED_RELEASE  what release.sh called it
set -eu
root=${DEPLOY_ROOT:-$HOME/tally-releases}
test -x "$root/releases/$SEEDBED_RELEASE/tally"
mkdir -p "$root/production"
ln -sfn "../releases/$SEEDBED_RELEASE" "$root/production/current"
printf '{"release": "%s", "url": "%s/production/current"}\n' "$SEEDBED_RELEASE" "${DEPLOY_URL:-file://$root}"
