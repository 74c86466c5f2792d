# shellcheck shell=bash
# Numbered steps that a person can follow, and commands that a dry run only tells.

# Whether nothing may be changed.
dry_run=false
step_number=0
step_count=0

# step TITLE COMMAND…: says what is done now, does it, and says how long it took. The command is not
# in a condition, so that its own failures end the script.
step() {
  local title=$1 began=$SECONDS
  shift
  step_number=$((step_number + 1))
  printf '[%d/%d] %s\n' "$step_number" "$step_count" "$title"
  "$@"
  ((SECONDS - began < 2)) || printf '      %d s\n' "$((SECONDS - began))"
}

# note TEXT: what a step found or did.
note() {
  printf '      %s\n' "$*"
}

warn() {
  printf '      warning: %s\n' "$*" >&2
}

# die PROBLEM [FIX]: ends the script.
die() {
  printf '%s: %s\n' "${0##*/}" "$1" >&2
  [[ $# -lt 2 ]] || printf '  to fix it: %s\n' "$2" >&2
  exit 1
}

# change COMMAND…: runs what changes something, quietly; in a dry run it is only told.
change() {
  local said
  if [[ $dry_run == true ]]; then
    note "would run: ${*/#lx/$client}"
    return
  fi
  said=$("$@" 2>&1) || {
    printf '%s\n' "$said" >&2
    die "failed: $*"
  }
}
