# shellcheck shell=bash
# Waiting: always for a condition, always with a bound.

# wait_until SECONDS COMMAND…: asks ten times a second; fails if it never held.
wait_until() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS <= end)) || return 1
    sleep 0.1
  done
}
