# shellcheck shell=bash
# What an ID costs without a server: the generator alone, and the whole of what a request does for its
# ID, beside other generators.
# shellcheck disable=SC2154 # lib.sh sets out, rounds and generators.

# generate PEER THREADS COUNT [WRAPPER…]: nanoseconds per ID, of the wall's clock and the processor's.
generate() {
  local peer=$1 threads=$2 count=$3 state=$out/peers
  shift 3
  # A mark of another clock would be waited for; on the machine's clock it is worth keeping.
  case $peer in
    *-waiting) state+=-waiting ;;
    *) rm -rf "$state" ;;
  esac
  mkdir -p "$state"
  "$@" "$generators" "$peer" "$threads" "$count" "$state"
}

# counted PEER: instructions and allocations per ID, by how much they grow with the IDs.
counted() {
  local peer=$1 few=1000 many=101000 low high
  low=$(instructions_of "$peer" "$few")
  high=$(instructions_of "$peer" "$many")
  calc "($high - $low) / ($many - $few)"
}

instructions_of() {
  generate "$1" 1 "$2" valgrind --tool=callgrind --callgrind-out-file=/dev/null 2>&1 |
    awk '/Collected/ { print $NF }'
}

allocations_of() {
  generate "$1" 1 "$2" valgrind --tool=memcheck --leak-check=no 2>&1 |
    awk '/total heap usage/ { gsub(/,/, ""); print $5 }'
}

# Calls that wait for another thread, while two of them take IDs: a lock would show.
waits() {
  local log=$out/futex
  generate "$1" 2 1000000 strace -f -c -o "$log" -e trace=futex >/dev/null
  awk '$NF == "futex" { print $4 }' "$log"
}

counts() {
  local ferroid single run peer more
  ferroid=$(counted ferroid)
  single=$(counted generator)
  run=$(counted generator-run)
  row "instructions per ID, generator alone" "$single" "ferroid $ferroid"
  row "  against ferroid's atomic generator" "$(calc "$single / $ferroid")" "<= 1.15"
  row "instructions per ID of a run" "$run" "-"
  row "  ferroid's single against it" "$(calc "$ferroid / $run" 1)" ">= 15"
  row "instructions per ID, whole issuer" "$(counted issuer)" "-"
  for peer in snowflake_me rs-snowflake; do
    row "instructions per ID, $peer" "$(counted "$peer")" "-"
  done
  for peer in generator issuer; do
    more=$(($(allocations_of "$peer" 100000) - $(allocations_of "$peer" 1000)))
    row "allocations of 99,000 IDs, $peer" "$more" "0"
  done
  row "futex calls of two threads, 2,000,000 IDs, issuer" "$(waits issuer)" "a handful, to end"
}

# timed PEER THREADS COUNT: into a file of nanoseconds per ID.
timed() {
  generate "$@" | awk '{ print $1, $2 }' >>"$out/core-$1-$2"
}

# time_all THREADS COUNT PEER…: rounds of all of them in turn, and a row for each.
time_all() {
  local threads=$1 count=$2 peer i
  shift 2
  for peer in "$@"; do
    : >"$out/core-$peer-$threads"
  done
  for ((i = 0; i < rounds; i++)); do
    for peer in "$@"; do
      timed "$peer" "$threads" "$count"
    done
  done
  for peer in "$@"; do
    row "ns per ID, $threads threads, $peer" \
      "$(awk '{ print $1 }' "$out/core-$peer-$threads" | median)" \
      "CPU $(awk '{ print $2 }' "$out/core-$peer-$threads" | median)"
  done
}

# nanoseconds PEER THREADS: the median of what time_all has measured.
nanoseconds() {
  awk '{ print $1 }' "$out/core-$1-$2" | median
}

# The library on the machine's clock, beside one reading of that clock and beside other libraries.
kinds() {
  local threads limit
  for threads in 1 2; do
    time_all "$threads" 900000 boot-clock shard shard-uuid7 shard-ulid uuid ferroid-ulid
    limit=$([[ $threads == 1 ]] && echo 0.7 || echo 0.5)
    row "UUIDv7, $threads threads, against the crate uuid with fast-rng" \
      "$(calc "$(nanoseconds shard-uuid7 "$threads") / $(nanoseconds uuid "$threads")")" "<= $limit"
    row "ULID, $threads threads, against ferroid's behind a lock" \
      "$(calc "$(nanoseconds shard-ulid "$threads") / $(nanoseconds ferroid-ulid "$threads")")" "<= 1"
  done
  row "Shard::try_id above one reading of CLOCK_BOOTTIME, ns" \
    "$(calc "$(nanoseconds shard 1) - $(nanoseconds boot-clock 1)")" "<= 10"
}

core() {
  need_packages valgrind
  need_packages strace
  build_peers
  counts
  local threads
  for threads in 1 2; do
    time_all "$threads" 900000 generator generator-run issuer ferroid snowflake_me rs-snowflake
  done
  kinds
  # 4,096 IDs a millisecond are 244 ns each; Sonyflake has 256 in 10 ms.
  for threads in 1 2; do
    time_all "$threads" 400000 shardflake-waiting shardflake-run-waiting ferroid-waiting \
      snowflake_me-waiting rs-snowflake-waiting snowflaked-waiting
    time_all "$threads" 5000 sonyflake-waiting
  done
}
