# shellcheck shell=bash
# Cases of a test: each in a shell of its own, and one that fails does not hide later ones.
# `after_failure` is its caller's: it tells what more there is to know, and tidies up.

bad=0

# fail WHY: ends the case at hand.
fail() {
  printf '    %s\n' "$*"
  exit 1
}

# case_of TITLE COMMAND…
case_of() {
  local title=$1 status began=$SECONDS
  shift
  set +e
  (
    set -e
    "$@"
  )
  status=$?
  set -e
  if ((status == 0)); then
    printf '  ok      %s (%d s)\n' "$title" $((SECONDS - began))
    return
  fi
  printf '  FAILED  %s\n' "$title"
  bad=$((bad + 1))
  after_failure
}

# Fails if a case has.
none_failed() {
  ((bad == 0)) || echo "  $bad cases failed"
  ((bad == 0))
}
