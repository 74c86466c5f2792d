# shellcheck shell=bash
# Parts of a test run: each prints a heading and a result, a failing one does not hide later ones.
# Sourced by scripts/test and by the tests that it calls.

passed=0
failed=0
skipped=0
# Where a run that is a part of another one tells what it skipped.
outer_skips=${PART_SKIP:-}

# skip WHY: ends the part at hand as one that cannot run here.
skip() {
  if [[ -n ${PART_SKIP:-} ]]; then
    printf '%s\n' "$1" >"$PART_SKIP"
  else
    printf 'SKIPPED: %s\n' "$1"
  fi
  exit 0
}

# Whether all that can run has to: as root in continuous integration a skip would hide something.
nothing_may_skip() {
  [[ ${CI:-} == true ]] && ((EUID == 0))
}

# part NAME COMMAND…: runs the command in a shell of its own, tells how long it took, and counts how it
# went.
part() {
  local name=$1 status=0 why
  # Of what runs in containers and machines, the processor time is counted only in part.
  local TIMEFORMAT="took %0R s, %0U s + %0S s of processor: $name"
  shift
  printf '\n== %s\n' "$name"
  PART_SKIP=$(mktemp)
  export PART_SKIP
  # Not in a condition: there `set -e` would be without effect in the command.
  set +e
  time (
    set -e
    "$@"
  )
  status=$?
  set -e
  if ((status != 0)); then
    printf 'FAILED: %s\n' "$name"
    failed=$((failed + 1))
  elif [[ -s $PART_SKIP ]]; then
    why=$(<"$PART_SKIP")
    printf 'SKIPPED: %s\n' "$why"
    skipped=$((skipped + 1))
    [[ -z $outer_skips ]] || printf '%s: %s\n' "$name" "$why" >>"$outer_skips"
  else
    printf 'passed: %s\n' "$name"
    passed=$((passed + 1))
  fi
  rm -f "$PART_SKIP"
  PART_SKIP=$outer_skips
}

# Prints the counts, as the last line; fails if a part failed.
finish() {
  printf '\n%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
  ((failed == 0))
}
