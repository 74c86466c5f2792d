# shellcheck shell=bash
# What a request costs, counted: the same for the same binary, whatever else the machine does.
# shellcheck disable=SC2154 # lib.sh sets out and the ports.

# slope MEASURE SERVE WHERE [PATH [FEW MANY]]: how much MEASURE grows a request, so that the start does
# not count. WHERE is what `requests` takes.
slope() {
  local measure=$1 start=$2 where=$3 path=${4:-/generate} few=${5:-500} many=${6:-5500} low high
  low=$("$measure" "$start" "$where" "$few" "$path")
  high=$("$measure" "$start" "$where" "$many" "$path")
  calc "($high - $low) / ($many - $few)"
}

start_ours() { serve 0-255 "$@"; }
start_bare() { serve_bare "$@"; }

# under TOOL START WHERE COUNT PATH: runs a server under valgrind for that many requests.
under() {
  local tool=$1 start=$2 where=$3 count=$4 path=$5 log
  log=$(mktemp "$out/valgrind.XXXXXX")
  "$start" valgrind "--tool=$tool" "--log-file=$log" --callgrind-out-file=/dev/null >&2
  requests "$where" "$count" "$path"
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
  local start=$1 where=$2 count=$3 path=$4 log
  log=$(mktemp "$out/valgrind.XXXXXX")
  "$start" valgrind --tool=memcheck --leak-check=no "--log-file=$log" >&2
  requests "$where" "$count" "$path"
  kill "$served"
  wait "$served" 2>/dev/null || true
  awk '/total heap usage/ { gsub(/,/, ""); print $5 }' "$log"
}

# kept PORT, loaded OPTION…: clients that make requests and tell how many.
kept() {
  requests "$1" 5000
  echo 5000
}

loaded() {
  wrk -t1 -c1 -d3s "$@" "http://127.0.0.1:$port/generate" | awk '/requests in/ { print $1 }'
}

# traced CLIENT…: the system calls of a server while that client works, those that come at least
# once in 20 requests, each with how many per request.
traced() {
  local log=$out/strace.log count
  serve 0-255 strace -f -c -o "$log"
  count=$("$@")
  # The server is the tracer's child; the tracer writes its counts when that ends.
  pkill -P "$served"
  wait "$served" || true
  awk -v count="$count" '$1 ~ /^[0-9.]+$/ && $NF != "total" && $4 / count >= 0.05 {
    printf "%s%s %.2f", comma, $NF, $4 / count
    comma = ", "
  }' "$log"
}

http() {
  need_packages valgrind
  need_packages strace
  need_packages curl
  need_packages wrk
  local ours theirs
  ours=$(slope instructions start_ours "$port")
  theirs=$(slope instructions start_bare "$bare_port")
  row "user instructions per /generate" "$ours" "bare $theirs"
  row "  against bare hyper" "$(calc "$ours / $theirs" 3)" "<= 1.05"
  ours=$(slope instructions start_ours "$port" /id)
  row "user instructions per /id, against bare hyper" "$(calc "$ours / $theirs" 3)" "<= 1.05"
  ours=$(slope allocations start_ours "$port")
  theirs=$(slope allocations start_bare "$bare_port")
  row "allocations per /generate" "$ours" "<= $(calc "$theirs + 1" 0)"
  row "user instructions per /generate, Unix socket" "$(slope instructions start_ours "$unix")" "-"
  row "system calls per request, kept alive" "$(traced kept "$port")" "1 receive, 1 send"
  row "  the same, Unix socket" "$(traced kept "$unix")" "1 receive, 1 send"
  row "  16 requests at a time" "$(traced loaded -s "$(pipelined)")" "1/16 of each"
  row "  each on a new connection" "$(traced loaded -H 'Connection: close')" "-"
}
