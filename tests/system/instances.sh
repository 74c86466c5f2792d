# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # What the caller sets, and what its functions read.
# Cases of shardflake@.service. Needs ask.sh; `root` is its caller's.

several_start_at_once() {
  inside bash -c 'systemctl start shardflake@{1..4} shardflake@16-31' || fail "they did not start"
  local number port
  for number in 1 2 3 4 16-31; do
    port=$((7000 + ${number%-*}))
    (
      unit=shardflake@$number.service
      url=http://127.0.0.1:$port
      wait_until 20 is_serving || fail "$unit does not serve on port $port"
      grep -q "\"machine_id\":${number%-*}}" <<<"$(fetch /id)" || fail "$unit: $(fetch /id)"
      [[ $(property StatusText) =~ shard\ $number: ]] || fail "$unit: $(property StatusText)"
    )
  done
}

sockets_are_the_groups() {
  local number said
  for number in 1 2 3 4 16-31; do
    said=$(inside stat -c '%a %U %G' "/run/shardflake/$number.sock")
    [[ $said == '660 shardflake shardflake' ]] || fail "socket of $number: $said"
    [[ $(fetch_unix "/run/shardflake/$number.sock" /health) == OK ]] || fail "$number does not serve"
  done
}

# The directories are the instances' together.
one_stops_and_the_others_stay() {
  inside systemctl stop shardflake@2.service
  [[ $(fetch_unix /run/shardflake/1.sock /health) == OK ]] || fail "1 went with 2"
  [[ $(fetch_unix /run/shardflake/16-31.sock /health) == OK ]] || fail "16-31 went with 2"
  inside systemctl start shardflake@2.service || fail "2 did not start again"
  [[ $(fetch_unix /run/shardflake/2.sock /health) == OK ]] || fail "2 does not serve"
}

# The number is the instance's, whatever files say; the addresses are what its own file says.
own_file_sets_addresses() {
  unit=shardflake@3.service
  mkdir -p "$root/etc/shardflake"
  printf '[shard]\nid = 9\n[http]\nlisten = ["127.0.0.1:7099"]\n' \
    >"$root/etc/shardflake/shardflake.toml"
  inside systemctl restart "$unit" || fail "it did not start"
  grep -q '"machine_id":3}' <<<"$(url=http://127.0.0.1:7003 fetch /id)" || fail "not on port 7003"
  printf 'SHARD_ID=8\nSHARDFLAKE_HTTP__LISTEN=127.0.0.1:8000+N\n' >"$root/etc/default/shardflake-3"
  inside systemctl restart "$unit" || fail "it did not start"
  grep -q '"machine_id":3}' <<<"$(url=http://127.0.0.1:8003 fetch /id)" || fail "not on port 8003"
  rm "$root/etc/default/shardflake-3" "$root/etc/shardflake/shardflake.toml"
}

too_large_a_number_fails() {
  unit=shardflake@60000.service
  if inside systemctl start "$unit" 2>/dev/null; then
    fail "it started without a port"
  fi
  [[ $(property ExecMainStatus) == 78 ]] || fail "exit status: $(property ExecMainStatus)"
  told '7000+N' || fail "the journal does not say why"
}

# units_of FIELD=VALUE: whose records match in the journal, of the services alone.
units_of() {
  inside journalctl --sync
  inside journalctl --no-pager -o json "$1" _COMM=shardflake |
    sed -n 's/.*"_SYSTEMD_UNIT":"\([^"]*\)".*/\1/p' | sort -u
}

journal_tells_them_apart() {
  local number
  for number in 1 2 16-31; do
    [[ $(units_of "SHARD_ID=$number") == "shardflake@$number.service" ]] ||
      fail "SHARD_ID=$number finds: $(units_of "SHARD_ID=$number")"
  done
  unit=shardflake@2.service
  told '"MESSAGE_ID":"282ad63331d247b1a1657b9bc04387ff"' SHARD_ID=2 ||
    fail "no record of 2 tells that it serves"
}

# It owns what an instance holds: refused, and told by whom.
overlap_is_refused() {
  unit=shardflake@20.service
  inside systemctl start --no-block "$unit"
  wait_until 10 told 'machine ID 20 is in use' || fail "nobody says that 20 is taken"
  [[ $(status_of_port 7020) == 503 ]] || fail "20 serves: $(status_of_port 7020)"
  inside systemctl stop "$unit"
  [[ $(fetch_unix /run/shardflake/16-31.sock /health) == OK ]] || fail "16-31 does not serve"
}

status_of_port() {
  url=http://127.0.0.1:$1 status_of /generate
}

stop_all() {
  inside systemctl stop 'shardflake@*.service'
  inside systemctl reset-failed 'shardflake@*.service'
  rm "$root"/var/lib/shardflake/*
}
