# shellcheck shell=bash
# Many connections: what each costs in memory and instructions, and whether all are served.
# shellcheck disable=SC2154 # lib.sh sets out, port, bare_port and served.

crowd=$PWD/target/release/examples/crowd
crowd_size=10000
# The same server, but for connections that keep their buffers between requests.
unparked=$PWD/target/unparked/release/shardflake

# Resident memory of a process in kB.
resident() {
  awk '/VmRSS/ { print $2 }' "/proc/$1/status"
}

# gather PORT PID: opens the connections to the server PID, until it has taken all.
gather() {
  local opened
  coproc CROWD { "$crowd" "127.0.0.1:$1" "$crowd_size"; }
  read -r opened <&"${CROWD[0]}"
  until (($(accepted "$1") == crowd_size)); do
    kill -0 "$2" || exit 1
  done
}

# all WORD…: what all connections are to do, as `crowd` takes it. Fails unless all did.
all() {
  local said
  echo "$*" >&"${CROWD[1]}"
  read -r said <&"${CROWD[0]}" || {
    echo "not all connections did: $*${said:+, but $said}" >&2
    exit 1
  }
}

# Lets the connections go, so that the next crowd may be told of.
disperse() {
  local pid=$CROWD_PID input=${CROWD[1]}
  exec {input}>&-
  wait "$pid" || exit 1
}

# crowded PORT PID: prints resident kB when all were opened, and when all were answered 5 s ago. Nobody
# may be closed by the server: each has to answer again, and once more after half a head.
crowded() {
  local opened idle
  gather "$1" "$2"
  opened=$(resident "$2")
  all ask
  # This is what is measured, not waited for.
  sleep 5
  idle=$(resident "$2")
  all open
  all ask
  all half
  # So that each half is read by itself: what was read cannot be seen from here.
  sleep 2
  all rest
  all open
  disperse
  echo "$opened $idle"
}

# Connections to a port that its server has taken; those that wait to be are counted as its queue.
accepted() {
  local open queued
  open=$(ss -Htn state established "sport = :$1" | wc -l)
  queued=$(ss -Htln "sport = :$1" | awk '{ print $2 }')
  echo $((open - queued))
}

start_unparked() {
  # shellcheck disable=SC2034 # serve reads it.
  local server=$unparked
  serve 0-255 "$@"
}

# rare_requests PORT TIMES: so many on each connection, 2 s apart.
rare_requests() {
  gather "$1" "$served"
  all pace 2000 "$2"
  disperse
}

# rare START: instructions per such a request.
rare() {
  local low high log times
  for times in 1 4; do
    log=$(mktemp "$out/valgrind.XXXXXX")
    "$1" valgrind --tool=callgrind "--log-file=$log" --callgrind-out-file=/dev/null --max-threads=100 >&2
    rare_requests "$port" "$times"
    kill "$served"
    wait "$served" 2>/dev/null || true
    low=${high:-}
    high=$(awk '/Collected/ { print $NF }' "$log")
  done
  calc "($high - $low) / (3 * $crowd_size)"
}

# system_calls START: on a busy connection, per request.
system_calls() {
  local low high log=$out/strace.log count
  for count in 1000 11000; do
    "$1" strace -f -c -o "$log" >&2
    requests "$port" "$count"
    pkill -P "$served"
    wait "$served" || true
    low=${high:-}
    high=$(awk '$NF == "total" { print $4 }' "$log")
  done
  calc "($high - $low) / 10000" 4
}

resident_of_all() {
  local ours theirs
  serve 0-255
  read -r -a ours <<<"$(crowded "$port" "$served")"
  cleanup
  serve_bare
  read -r -a theirs <<<"$(crowded "$bare_port" "$served")"
  cleanup
  row "10,000 connections, just opened, MB resident" "$(calc "${ours[0]} * 1024 / 1e6" 1)" "bare $(calc "${theirs[0]} * 1024 / 1e6" 1)"
  row "  5 s after a request on each" "$(calc "${ours[1]} * 1024 / 1e6" 1)" "bare $(calc "${theirs[1]} * 1024 / 1e6" 1)"
  row "  against bare hyper" "$(calc "${ours[1]} / ${theirs[1]}" 3)" "<= 0.25"
}

# against_unparked FIGURE LIMIT MEASURE…: of this server, and of the one to compare with.
against_unparked() {
  local figure=$1 limit=$2 ours theirs
  shift 2
  ours=$("$1" start_ours "${@:2}")
  theirs=$("$1" start_unparked "${@:2}")
  row "$figure" "$ours" "with buffers kept $theirs"
  row "  against buffers kept" "$(calc "$ours / $theirs" 3)" "<= $limit"
}

# user_instructions START: per request, the least of three: what the server does by the clock, whoever
# asks, is counted as well, and is more on a machine that is slow at the moment.
user_instructions() {
  local least=() i
  for ((i = 0; i < 3; i++)); do
    least+=("$(slope instructions "$1" "$port")")
  done
  printf '%s\n' "${least[@]}" | sort -g | head -n 1
}

connections() {
  need_packages curl
  need_packages valgrind
  need_packages strace
  need_commands iproute2 ss
  if (($(ulimit -Hn) < crowd_size + 200)); then
    skip "no process may have $crowd_size open files here (ulimit -Hn)"
  fi
  ulimit -n "$(ulimit -Hn)"
  RUSTFLAGS="${RUSTFLAGS:-} --cfg unparked" CARGO_TARGET_DIR=target/unparked \
    cargo build --quiet --release --locked --bin shardflake
  export SHARDFLAKE_HTTP__CONNECTIONS=$((crowd_size + 100))
  resident_of_all
  against_unparked "user instructions per request, 10,000 ask once in 2 s" 1.15 rare
  against_unparked "user instructions per request, a busy connection" 1.01 user_instructions
  against_unparked "system calls per request, a busy connection" 1.01 system_calls
}
