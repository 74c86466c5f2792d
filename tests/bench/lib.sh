# shellcheck shell=bash
# What the parts of scripts/bench share: servers that are started and ended, rounds that are
# interleaved, rows of the table. Needs part.sh and need.sh.

out=$PWD/target/bench
server=$PWD/target/release/shardflake
bare=$PWD/target/release/bare_hyper
# shellcheck disable=SC2034 # Parts read these.
load=$PWD/target/release/examples/load
# shellcheck disable=SC2034
generators=$PWD/target/peers/release/generators
epoll=$PWD/target/peers/release/epoll
actix=$PWD/target/peers/release/actix
port=7301
unix=$out/http.sock
bare_port=7302
epoll_port=7303
actix_port=7304
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

# measured PART: runs it, and ends what it started. Fails if a figure is beyond its limit.
measured() {
  trap cleanup EXIT
  rm -f "$out/missed"
  "$@"
  [[ ! -e $out/missed ]]
}

# row FIGURE VALUE TARGET: a line of the table.
row() {
  local note=$3
  if ! keeps "$2" "$3"; then
    note+="   MISSED"
    : >"$out/missed"
  fi
  printf '%-58s %14s   %s\n' "$1" "$2" "$note" | tee -a "$out/table"
}

# keeps VALUE TARGET: whether the value is within the target, if that is a limit.
keeps() {
  [[ $2 =~ ^([<>]=)\ ([0-9.]+)$ ]] || return 0
  awk "BEGIN { exit !($1 ${BASH_REMATCH[1]} ${BASH_REMATCH[2]}) }"
}

# calc EXPRESSION [DIGITS]
calc() {
  awk "BEGIN { printf \"%.${2:-2}f\", $1 }"
}

# field NAME: of each line of JSON on standard input.
field() {
  sed -n "s/.*\"$1\":\([0-9.]*\).*/\1/p"
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
  if ! [[ -d $state ]]; then
    "$server" state init --shard-id "$shard" --state-dir "$state" >/dev/null
    # The wait of a new mark is not to be measured.
    SHARD_ID=$shard serve_from "$state"
    kill "$served"
    wait "$served" || true
  fi
  SHARD_ID=$shard serve_from "$state" "$@"
}

# serve_from STATE [WRAPPER…]: the same, as the environment has it.
serve_from() {
  local state=$1
  shift
  "$@" "$server" --state-dir "$state" --listen "127.0.0.1:$port" --listen "unix:$unix" \
    >>"$out/server.log" 2>&1 &
  served=$!
  pids+=("$served")
  answers "$port"
  # A new mark is ahead of the clock for some seconds, and issuing ahead costs more.
  until curl -sf "http://127.0.0.1:$port/readyz" | grep -q '"ahead_seconds":0.0,'; do
    kill -0 "$served" || exit 1
  done
}

# serve_bare [WRAPPER…]: the bare server; its process ID is in $served.
serve_bare() {
  "$@" "$bare" "127.0.0.1:$bare_port" "$(nproc)" >>"$out/bare.log" 2>&1 &
  served=$!
  pids+=("$served")
  answers "$bare_port"
}

# Builds the product and the bare server, each as it is by itself, and then what loads them: built together
# they would have the features that tests want of their dependencies.
build_ours() {
  cargo build --quiet --release --locked --bin shardflake
  cargo build --quiet --release --locked -p shardflake-bare
  cargo build --quiet --release --locked --example bulk --example crowd --example load --example openloop
}

# Builds what this product is compared with.
build_peers() {
  CARGO_TARGET_DIR=target/peers cargo build --quiet --release --locked \
    --manifest-path tests/bench/peers/Cargo.toml
}

# serve_epoll, serve_actix: these servers; their process ID is in $served.
serve_epoll() {
  "$epoll" "127.0.0.1:$epoll_port" "$(nproc)" >>"$out/epoll.log" 2>&1 &
  served=$!
  pids+=("$served")
  answers "$epoll_port"
}

serve_actix() {
  "$actix" "127.0.0.1:$actix_port" "$(nproc)" 1 >>"$out/actix.log" 2>&1 &
  served=$!
  pids+=("$served")
  answers "$actix_port"
}

# requests PORT COUNT [PATH]: that many requests for an ID on one connection, to a port or the path of
# a Unix socket.
requests() {
  local path=${3:-/generate}
  awk -v port="$1" -v count="$2" -v path="$path" 'BEGIN {
    if (port ~ "^/") {
      printf "unix-socket = %s\n", port
      port = 80
    }
    while (count--) printf "url = http://127.0.0.1:%s%s\n", port, path }' |
    curl -sf --max-time 300 -K - >/dev/null
}

# The path of a script for wrk that sends 16 requests at a time.
pipelined() {
  cat >"$out/pipeline.lua" <<'LUA'
init = function()
  local each = wrk.format("GET", wrk.path)
  sixteen = string.rep(each, 16)
end
request = function() return sixteen end
LUA
  echo "$out/pipeline.lua"
}

# CPU time of a process so far, in nanoseconds; of threads that have not ended.
cpu() {
  cat /proc/"$1"/task/*/schedstat | awk '{ sum += $1 } END { printf "%.0f\n", sum }'
}
