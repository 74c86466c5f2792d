# shellcheck shell=bash
# What the parts of scripts/bench share: servers that are started and ended, rounds that are
# interleaved, rows of the table. Needs part.sh and need.sh.

out=$PWD/target/bench
server=$PWD/target/release/shardflake
bare=$PWD/target/release/examples/bare_hyper
# shellcheck disable=SC2034 # Parts read these.
load=$PWD/target/release/examples/load
port=7301
bare_port=7302
# How often a timed figure is taken; --rounds sets it.
# shellcheck disable=SC2034
rounds=20
pids=()

# Ends what this script started, and nothing else.
cleanup() {
  local pid
  for pid in "${pids[@]}"; do
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  pids=()
}

# measured PART: runs it, and ends what it started.
measured() {
  trap cleanup EXIT
  "$@"
}

# row FIGURE VALUE TARGET: a line of the table.
row() {
  printf '%-58s %14s   %s\n' "$1" "$2" "$3" | tee -a "$out/table"
}

# calc EXPRESSION [DIGITS]
calc() {
  awk "BEGIN { printf \"%.${2:-2}f\", $1 }"
}

median() {
  sort -g | awk '{ a[NR] = $1 } END { print (NR % 2) ? a[(NR + 1) / 2] : (a[NR / 2] + a[NR / 2 + 1]) / 2 }'
}

# answers PORT: waits until 200 comes from /health.
answers() {
  curl -sf --retry 200 --retry-delay 0 --retry-max-time 120 --retry-all-errors -o /dev/null \
    "http://127.0.0.1:$1/health"
}

# serve SHARD [WRAPPER…]: a server that issues; its process ID is in $served.
serve() {
  local shard=$1 state
  shift
  state=$out/state-$shard
  [[ -d $state ]] || "$server" state init --shard-id "$shard" --state-dir "$state" >/dev/null
  SHARD_ID=$shard "$@" "$server" --state-dir "$state" --listen "127.0.0.1:$port" \
    >>"$out/server.log" 2>&1 &
  served=$!
  pids+=("$served")
  answers "$port"
  # A new mark is ahead of the clock for some seconds, and issuing ahead costs more.
  until curl -sf "http://127.0.0.1:$port/readyz" | grep -q '"ahead_seconds":0.0,'; do
    kill -0 "$served"
  done
}

# serve_bare [WRAPPER…]: the bare server; its process ID is in $served.
serve_bare() {
  "$@" "$bare" "127.0.0.1:$bare_port" "$(nproc)" >>"$out/bare.log" 2>&1 &
  served=$!
  pids+=("$served")
  answers "$bare_port"
}

# requests PORT COUNT: that many requests for an ID on one connection.
requests() {
  local urls=$out/urls-$1-$2
  awk -v port="$1" -v count="$2" 'BEGIN {
    while (count--) printf "url = http://127.0.0.1:%s/generate\n", port }' >"$urls"
  curl -sf --max-time 300 -K "$urls" >/dev/null
}

# CPU time of a process so far, in clock ticks.
cpu() {
  awk '{ print $14 + $15 }' "/proc/$1/stat"
}
