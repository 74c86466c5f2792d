# shellcheck shell=bash
# A shard at its layout's limit.
# shellcheck disable=SC2154 # lib.sh sets out and load.

# limit_round SHARD: the load's line, and clock ticks of CPU per million answered requests.
limit_round() {
  local before after line ids refused
  serve "$1"
  before=$(cpu "$served")
  line=$("$load" "127.0.0.1:$port" 1024 20)
  after=$(cpu "$served")
  ids=$(field ids <<<"$line")
  refused=$(field refused <<<"$line")
  echo "$line $(calc "($after - $before) * 1000000 / ($ids + $refused)")"
  cleanup
}

limit() {
  local at free short rate
  at=$(limit_round 1)
  free=$(limit_round 0-255)
  echo "$at" >"$out/limit"
  echo "$free" >>"$out/limit"
  rate=$(field ids_per_second <<<"$at")
  row "SHARD_ID=1, 1,024 connections: IDs/s" "$rate" "25600"
  row "  share of the layout's limit, percent" "$(calc "$rate / 256")" ">= 99"
  # 1,024 clients share 25,600 IDs a second: each would ideally wait for 40 ms.
  row "  wait of a client, p50, ms" "$(field p50_ms <<<"$at")" "40.0 ideally"
  row "  wait of a client, p99, ms" "$(field p99_ms <<<"$at")" "-"
  row "  /health p99 beside it, ms" "$(field health_p99_ms <<<"$at")" "<= 20"
  row "  CPU per request, limit against unsaturated" "$(calc "${at##* } / ${free##* }")" "<= 1.5"
  short=$(SHARDFLAKE_HTTP__DEADLINE=20ms limit_round 1)
  echo "$short" >>"$out/limit"
  row "deadline=20ms: longest wait of an ID, ms" "$(field max_ms <<<"$short")" "20, and the client's own time"
  row "  refused with 503" "$(field refused <<<"$short")" "> 0"
  row "  of these without Retry-After" "$(field refused_without_retry_after <<<"$short")" "0"
}
