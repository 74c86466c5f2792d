#!/usr/bin/env bats
# What scripts keep between runs, and what a killed one left: scripts/lib/need.sh.

setup() {
  cd "$BATS_TEST_DIRNAME/../.."
  export XDG_CACHE_HOME=$BATS_TEST_TMPDIR/cache
  cache=$XDG_CACHE_HOME/shardflake
  mkdir -p "$cache"
}

# scratch KIND: the name of a folder that a script makes, which ends without removing it.
scratch() {
  bash -euo pipefail -c '
    source scripts/lib/need.sh
    scratch_folder folder "$1"
    touch "$folder/file"
    echo "$folder"' script "$1"
}

@test "what a killed run left goes with the next of its kind" {
  left=$(scratch build)
  [[ -e $left/file ]]
  other=$(scratch deb)
  [[ -e $left/file ]]
  next=$(scratch build)
  [[ ! -e $left && -e $next/file && -e $other/file ]]
}

@test "what a run still has in hand stays, also if only what it started lives" {
  mkfifo "$BATS_TEST_TMPDIR/end"
  held=$(bash -euo pipefail -c '
    source scripts/lib/need.sh
    scratch_folder folder build
    cat >/dev/null 2>&1 3>&- <"$1" &
    echo "$folder"' script "$BATS_TEST_TMPDIR/end")
  next=$(scratch build)
  [[ -d $held && -d $next ]]
  # Opened for both, so that this does not wait for the other side.
  exec {end}<>"$BATS_TEST_TMPDIR/end"
  exec {end}>&-
}

@test "folders with other names are left alone" {
  mkdir "$cache/build.conf" "$cache/debian-0123456789abcdef"
  touch "$cache/build.12345678"
  scratch build
  [[ -d $cache/build.conf && -d $cache/debian-0123456789abcdef && -f $cache/build.12345678 ]]
}
