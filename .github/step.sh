#!/bin/sh
# Runs the program as the input "run" says, makes sure that the outputs outcome
# and exit_code are set whatever happens, and turns the step red only for the
# exit codes of the input fail_on.
set -u

code=3
outcome=infrastructure_failed
child=
stopped=

# told prints the outcome the program wrote last, if any.
told() { awk '/^outcome<</ { getline v } /^outcome=/ { v = substr($0, 9) } END { print v }' "$GITHUB_OUTPUT"; }

finish() {
	last=$(told)
	case $code-$last in
	0-succeeded | 0-nothing_to_do | 0-advisory | 1-validation_blocked | 1-quality_rejected | 1-no_change | \
		3-environment_blocked | 4-needs_human | 4-needs_approval | 4-pending | 4-inconclusive | 4-rolled_back) outcome=$last ;;
	0-*) outcome=succeeded ;;
	1-*) outcome=validation_blocked ;;
	2-*) outcome=usage_error ;;
	4-*) outcome=needs_human ;;
	5-*) outcome=budget_exhausted ;;
	*) outcome=infrastructure_failed ;;
	esac
	printf 'outcome=%s\nexit_code=%s\n' "$outcome" "$code" >>"$GITHUB_OUTPUT"
	case ",$(printf %s "${INPUT_FAIL_ON:-2,3}" | tr -d ' ')," in
	*",$code,"*) exit "$code" ;;
	esac
	[ "$code" -le 5 ] || exit "$code"
	exit 0
}

# A cancelled job gets a signal and then has little time: pass it on, let the
# program save what it has, and still say how it ended. A signal that comes
# before the program's id is known is passed on as soon as it is.
pass() {
	stopped=yes
	[ -z "$child" ] || kill -TERM "$child" 2>/dev/null
}
trap pass INT TERM

set -f
# shellcheck disable=SC2086 # a list of words by design; globbing is off
set -- $INPUT_RUN
set +f
case ${2:-} in
'' | -*) ;;
*) set -- run "$@" ;;
esac
"$SEEDBED" "$@" &
child=$!
[ -z "$stopped" ] || pass
wait "$child"
code=$?
while kill -0 "$child" 2>/dev/null; do
	wait "$child"
	code=$?
done
finish
