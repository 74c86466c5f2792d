# shellcheck shell=bash
# What a request costs, counted: the same for the same binary, whatever else the machine does.
# shellcheck disable=SC2154 # lib.sh sets out and the ports.

# slope MEASURE SERVE PORT [PATH]: how much MEASURE grows a request, so that the start does not count.
slope() {
  local measure=$1 start=$2 port=$3 few=500 many=5500 low high
  shift 3
  low=$("$measure" "$start" "$port" "$few" "$@")
  high=$("$measure" "$start" "$port" "$many" "$@")
  calc "($high - $low) / ($many - $few)"
}

start_ours() { serve 0-255 "$@"; }
start_bare() { serve_bare "$@"; }

# under TOOL START PORT COUNT [PATH]: runs a server under valgrind for that many requests.
under() {
  local tool=$1 start=$2 port=$3 count=$4 log
  log=$(mktemp "$out/valgrind.XXXXXX")
  "$start" valgrind "--tool=$tool" "--log-file=$log" --callgrind-out-file=/dev/null >&2
  requests "$port" "$count" "${5:-/generate}"
  kill "$served"
  wait "$served" 2>/dev/null || true
  cat "$log"
}

instructions() {
  local start=$1
  shift
  under callgrind "$start" "$@" | awk '/Collected/ { print $NF }'
}

allocations() {
  local start=$1 port=$2 count=$3 log
  log=$(mktemp "$out/valgrind.XXXXXX")
  "$start" valgrind --tool=memcheck --leak-check=no "--log-file=$log" >&2
  requests "$port" "$count"
  kill "$served"
  wait "$served" 2>/dev/null || true
  awk '/total heap usage/ { gsub(/,/, ""); print $5 }' "$log"
}

http() {
  need_packages valgrind
  need_packages strace
  need_packages curl
  local ours theirs calls
  ours=$(slope instructions start_ours "$port")
  theirs=$(slope instructions start_bare "$bare_port")
  row "user instructions per /generate" "$ours" "bare $theirs"
  row "  against bare hyper" "$(calc "$ours / $theirs" 3)" "<= 1.05"
  ours=$(slope instructions start_ours "$port" /id)
  row "user instructions per /id, against bare hyper" "$(calc "$ours / $theirs" 3)" "<= 1.05"
  ours=$(slope allocations start_ours "$port")
  theirs=$(slope allocations start_bare "$bare_port")
  row "allocations per /generate" "$ours" "<= bare $theirs + 1"
  calls=$out/strace.log
  serve 0-255 strace -f -c -o "$calls" -e trace=network,read,write,readv,writev
  requests "$port" 5000
  # The server is the tracer's child; the tracer writes its counts when that ends.
  pkill -P "$served"
  wait "$served" || true
  awk '$NF ~ /^(recvfrom|writev|sendto|write|read)$/ { print $NF, $4 }' "$calls" |
    while read -r name count; do
      ((count < 1000)) || row "$name per /generate" "$(calc "$count / 5000")" "1 receive, 1 send"
    done
}
