# shellcheck shell=bash
# Many IDs in one reply: how fast, in how much memory, and what single requests beside it wait.
# shellcheck disable=SC2154 # lib.sh sets out, port, load, rounds and served.

bulk_client=$PWD/target/release/examples/bulk
sender_port=7305
many=4096000

# The most memory that the server has taken so far, in MB.
peak() {
  calc "$(awk '/VmHWM/ { print $2 }' "/proc/$served/status") * 1024 / 1000000" 1
}

# seconds PORT PATH: of one reading.
seconds() {
  "$bulk_client" read "127.0.0.1:$1" "$2" 1 | field seconds
}

# checked: reads all IDs once; fails unless they increase.
checked() {
  "$bulk_client" check "127.0.0.1:$port" "/ids/$many" | field ids
}

# beside READERS: that many readers for ten seconds, and single requests beside them; a row of these.
beside() {
  local singles reader readers=()
  while ((${#readers[@]} < $1)); do
    "$bulk_client" read "127.0.0.1:$port" "/ids/$many" 10000 >>"$out/bulk.log" &
    readers+=("$!")
  done
  pids+=("${readers[@]}")
  singles=$("$load" "127.0.0.1:$port" 1 10)
  echo "$singles" >>"$out/bulk.log"
  # All of them to the end, or there was less beside the single requests than the row says.
  for reader in "${readers[@]}"; do
    kill -0 "$reader"
  done
  row "  /generate beside $1 reading that, p50, ms" "$(field p50_ms <<<"$singles")" "-"
  row "  /generate beside $1 reading that, p99, ms" "$(field p99_ms <<<"$singles")" "<= 20"
  row "  resident, most, MB" "$(peak)" "<= 20"
  cleanup
}

# As much as 256 machine IDs have: the layout is the limit.
bulk_limit() {
  serve 0-255
  row "SHARD_ID=0-255, /ids/$many: increasing IDs" "$(checked)" "$many"
  beside 1
}

# One worker of profile snowflake: 4,096 IDs a millisecond.
bulk_worker() {
  local state=$out/state-snowflake i
  export SHARDFLAKE_PROFILE=snowflake WORKER_ID=1
  [[ -d $state ]] || "$server" state init --state-dir "$state" >/dev/null
  serve_from "$state"
  row "profile snowflake, /ids/$many: increasing IDs" "$(checked)" "$many"
  for ((i = 0; i < rounds; i++)); do
    seconds "$port" "/ids/$many"
  done >"$out/bulk-worker"
  unset SHARDFLAKE_PROFILE WORKER_ID
  row "  seconds, median" "$(median <"$out/bulk-worker")" "<= 1.02"
  row "  seconds, longest" "$(sort -g "$out/bulk-worker" | tail -n 1)" "<= 1.05"
  cleanup
}

# Every machine ID there is: the layout is no limit, the socket is.
bulk_wire() {
  local i words text
  serve 0-65535
  "$bulk_client" send "127.0.0.1:$sender_port" "$((8 * many))" &
  pids+=("$!")
  for ((i = 0; i < rounds; i++)); do
    words=$(seconds "$port" "/ids/$many?format=binary")
    text=$(seconds "$port" "/ids/$many")
    echo "$words $(seconds "$sender_port" /) $text"
  done >"$out/bulk-wire"
  row "SHARD_ID=0-65535, /ids/$many: increasing IDs" "$(checked)" "$many"
  row "  binary against a sender of the same bytes, speed" \
    "$(awk '{ print $2 / $1 }' "$out/bulk-wire" | median)" ">= 0.4"
  row "  binary, GB/s" "$(awk -v n="$many" '{ print 8 * n / $1 / 1e9 }' "$out/bulk-wire" | median)" "-"
  row "  decimal JSON, million IDs/s" \
    "$(awk -v n="$many" '{ print n / $3 / 1e6 }' "$out/bulk-wire" | median)" ">= 40"
  row "  resident, most, MB" "$(peak)" "<= 20"
  # As many as the server lets read at a time.
  beside 4
}

bulk() {
  need_packages curl
  : >"$out/bulk.log"
  bulk_limit
  bulk_worker
  bulk_wire
}
