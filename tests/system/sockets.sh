# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # What the caller sets, and what its functions read.
# Cases of shardflake.socket. Needs ask.sh; `root` and `scratch` are its caller's.

passed_sockets_serve() {
  local said
  inside systemctl start shardflake.socket || fail "the socket unit did not start"
  [[ $(property ActiveState) == inactive ]] || fail "it runs before anybody came"
  wait_until 20 is_serving || fail "nothing serves on the passed TCP socket"
  take_larger
  said=$(inside stat -c '%a %U %G' /run/shardflake/shardflake.sock)
  [[ $said == '660 shardflake shardflake' ]] || fail "the Unix socket: $said"
  [[ $(fetch_unix /run/shardflake/shardflake.sock /health) == OK ]] ||
    fail "nothing serves on the passed Unix socket"
  told 'sockets that the service manager passed' SHARD_ID=1 || fail "the journal does not say so"
}

has_given_up() {
  [[ $(unit=shardflake.socket property Result) == trigger-limit-hit ]]
}

# Whoever waits for an answer would start it again and again.
socket_without_a_number_gives_up() {
  inside systemctl start shardflake.socket || fail "the socket unit did not start"
  [[ $(status_of /generate) == 000 ]] || fail "/generate: $(status_of /generate)"
  wait_until 20 has_given_up || fail "it goes on: $(unit=shardflake.socket property Result)"
  [[ $(property ExecMainStatus) == 78 ]] || fail "exit status: $(property ExecMainStatus)"
  inside systemctl stop shardflake.socket "$unit"
  inside systemctl reset-failed shardflake.socket "$unit"
}

# binary_is FILE: whether the main process runs these very bytes.
binary_is() {
  inside cmp -s "/proc/$(property MainPID)/exe" "$1"
}

# replace_by FILE: as dpkg does, under the feet of the running process; then as its script does.
replace_by() {
  inside cp "$1" /usr/bin/shardflake.new
  inside mv /usr/bin/shardflake.new /usr/bin/shardflake
  inside systemctl restart "$unit" || fail "the restart failed"
  binary_is "$1" || fail "it does not run $1"
}

asked_at_least() {
  (($(fetch /metrics | sed -n 's/^shardflake_ids_issued_total //p') >= $1))
}

# 1,000 requests a second, a connection each.
start_load() {
  # Its own unit, so that a signal to it, its result and its output are systemd's to keep.
  inside systemd-run --quiet --unit=paced -p LimitNOFILE=65536 \
    -p StandardOutput=file:/var/tmp/paced -p StandardError=file:/var/tmp/paced-failures \
    -p RemainAfterExit=yes /usr/local/bin/paced 127.0.0.1:7001 1000
  wait_until 20 asked_at_least 1000 || fail "there is no load"
}

# Ends it; no request may have failed.
load_lost_nothing() {
  local status
  inside systemctl kill --kill-who=main --signal=TERM paced.service
  wait_until 30 load_is_over || fail "the load does not end"
  status=$(unit=paced.service property ExecMainStatus)
  sed 's/^/    /' "$root/var/tmp/paced" "$root/var/tmp/paced-failures"
  [[ $status == 0 ]] || fail "requests failed"
  inside systemctl stop paced.service
}

upgrades_lose_nothing() {
  local round
  inside cp /usr/bin/shardflake /usr/bin/shardflake.v1
  start_load
  for round in 1 2 3 4; do
    replace_by /usr/bin/shardflake.v2
    wait_until 20 asked_at_least 500 || fail "no load after upgrade $round"
    replace_by /usr/bin/shardflake.v1
    wait_until 20 asked_at_least 500 || fail "no load after downgrade $round"
  done
  load_lost_nothing
  take_larger
}

load_is_over() {
  [[ $(unit=paced.service property SubState) == exited || $(unit=paced.service property SubState) == failed ]]
}

sockets_go() {
  inside systemctl stop shardflake.socket "$unit"
  inside test ! -e /run/shardflake/shardflake.sock || fail "the Unix socket is left over"
}
