# shellcheck shell=bash
# Latency under loads that do not wait for answers, beside bare hyper under the same load.
# shellcheck disable=SC2154 # lib.sh sets out, port, bare_port and rounds.

openloop=$PWD/target/release/examples/openloop

# open PORT RATE: one second of that many requests a second on 32 connections.
open() {
  "$openloop" "127.0.0.1:$1" 32 "$2" 1
}

# quantiles PERCENT: medians over the rounds of ours, of bare hyper, and of their ratio.
quantiles() {
  local name
  for name in p50_us p99_us p999_us; do
    paste <(field "$name" <"$out/latency-$1") <(field "$name" <"$out/latency-$1-bare") >"$out/latency.pairs"
    row "  at $1 %, ${name%_us}, µs" "$(cut -f 1 "$out/latency.pairs" | median)" \
      "bare $(cut -f 2 "$out/latency.pairs" | median)"
    [[ $1:$name != 50:p99_us ]] ||
      row "  at 50 %, p99 against bare hyper" "$(awk '{ print $1 / $2 }' "$out/latency.pairs" | median)" "<= 1.25"
  done
}

latency() {
  need_packages curl
  local capacity percent rate i
  serve 0-255
  serve_bare
  # The lesser of what the two can do.
  for i in 1 2 3; do
    open "$port" 0
    open "$bare_port" 0
  done >"$out/latency-capacity"
  capacity=$(field rate <"$out/latency-capacity" | sort -g | head -n 1)
  row "capacity of 32 connections beside their client, requests/s" "$capacity" "-"
  for percent in 25 50 75 90; do
    rate=$((capacity * percent / 100))
    : >"$out/latency-$percent"
    : >"$out/latency-$percent-bare"
    for ((i = 0; i < rounds; i++)); do
      open "$port" "$rate" >>"$out/latency-$percent"
      open "$bare_port" "$rate" >>"$out/latency-$percent-bare"
    done
    quantiles "$percent"
  done
}
