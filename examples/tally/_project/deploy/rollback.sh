#!/bin/sh
# Goes back to an earlier release, which is still in its folder.
#
#   SEEDBED_RELEASE      the release to go back to
#   SEEDBED_ENVIRONMENT  staging or production
set -eu
root=${DEPLOY_ROOT:-$HOME/tally-releases}
test -x "$root/releases/$SEEDBED_RELEASE/tally"
ln -sfn "../releases/$SEEDBED_RELEASE" "$root/$SEEDBED_ENVIRONMENT/current"
printf '{"release": "%s", "url": "%s/%s/current"}\n' "$SEEDBED_RELEASE" "${DEPLOY_URL:-file://$root}" "$SEEDBED_ENVIRONMENT"
