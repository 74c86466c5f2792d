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

# wait_for_end SECONDS PID: of a child of this shell; its status, or 1 if it is not over by then.
wait_for_end() {
  wait_until "$1" has_ended "$2" || {
    echo "not over after $1 s"
    return 1
  }
  wait "$2"
}

has_ended() {
  ! kill -0 "$1" 2>/dev/null
}
