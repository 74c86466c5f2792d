# shellcheck shell=bash
# What it takes on disk and in memory.
# shellcheck disable=SC2154 # lib.sh sets server and port.

size() {
  local kib
  row "binary, stripped, bytes" "$(stat -c %s "$server")" "<= 2500000"
  row "crates" "$(cargo tree --locked -e normal --prefix none | sed 's/ (\*)$//' | sort -u | wc -l)" "<= 66"
  serve 7
  curl -sf -o /dev/null "http://127.0.0.1:$port/generate"
  kib=$(awk '/VmRSS/ { print $2 }' "/proc/$served/status")
  row "resident when idle, MB" "$(calc "$kib * 1024 / 1000000")" "<= 6"
}
