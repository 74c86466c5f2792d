# shellcheck shell=bash
# What an ID costs that the client has buffered, and calls while a server is slow to reply.
# shellcheck disable=SC2154 # lib.sh sets out, port and rounds.

client() {
  cargo build --quiet --release --locked -p shardflake-client --example buffered
  serve 1
  target/release/examples/buffered "127.0.0.1:$port" "$rounds" >"$out/buffered"
  row "ns per buffered ID, one thread" "$(field ns <"$out/buffered")" "<= 10"
  row "ns that 99.9 % of such calls stay below" "$(field p999_ns <"$out/buffered")" "<= 200"
  row "of $(field slow_calls <"$out/buffered") calls at 100/s, replies after 500 ms: waits" \
    "$(field slow_waits <"$out/buffered")" "<= 0"
  cleanup
}
