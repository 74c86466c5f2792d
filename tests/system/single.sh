# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # What the caller sets, and what its functions read.
# Cases of shardflake.service. Needs ask.sh; `root` and `scratch` are its caller's.

no_number_fails() {
  if inside systemctl start "$unit" 2>/dev/null; then
    fail "it started without a shard number"
  fi
  [[ $(property ActiveState) == failed ]] || fail "state: $(property ActiveState)"
  [[ $(property ExecMainStatus) == 78 ]] || fail "exit status: $(property ExecMainStatus)"
  [[ $(property NRestarts) == 0 ]] || fail "it was restarted"
  told 'SHARD_ID' || fail "the journal does not say what to set"
  told 'SHARD_ID' PRIORITY=3 MESSAGE_ID=ee73b18c55aa4caab34d34494cd7f9b7 ||
    fail "the reason is no record of its priority and kind"
}

environment_file_sets_number() {
  echo SHARD_ID=3 >"$root/etc/default/shardflake"
  inside systemctl start "$unit" || fail "it did not start"
  [[ $(property StatusText) =~ shard\ 3($|[^0-9]) ]] || fail "the status: $(property StatusText)"
  inside systemctl stop "$unit"
  [[ $(property Result) == success && $(property ExecMainStatus) == 0 ]] ||
    fail "stopped while it waited: $(property Result), exit status $(property ExecMainStatus)"
  rm "$root/etc/default/shardflake"
}

fresh_state_waits() {
  local body
  inside systemctl start "$unit" || fail "it did not start"
  [[ $(property ActiveState) == active ]] || fail "not READY while it waits: $(property ActiveState)"
  [[ $(status_of /health) == 503 ]] || fail "/health: $(status_of /health) on a fresh state directory"
  [[ $(status_of /livez) == 200 ]] || fail "/livez: $(status_of /livez)"
  [[ $(status_of /generate) == 503 ]] || fail "/generate: $(status_of /generate)"
  body=$(fetch /health)
  ((${#body} > 10)) || fail "/health gives no reason: $body"
  printf '    503: %s\n' "$body"
  wait_until 20 is_serving || fail "it never served"
  # The wait is longer than the watchdog's limit here.
  [[ $(property NRestarts) == 0 ]] || fail "the watchdog did not spare it"
  take_larger
}

status_tells_shard_and_state() {
  local text
  text=$(property StatusText)
  printf '    %s\n' "$text"
  [[ $text =~ shard\ 1($|[^0-9]) ]] || fail "the status does not name the shard"
  [[ ${#text} -gt 10 ]] || fail "the status does not tell the state"
}

routes_answer() {
  [[ $(fetch /health) == OK ]] || fail "/health: $(fetch /health)"
  [[ $(status_of /readyz) == 200 ]] || fail "/readyz: $(status_of /readyz)"
  grep -q '^shardflake_ids_issued_total' <<<"$(fetch /metrics)" || fail "/metrics tells no IDs"
  take_larger
}

journal_has_fields() {
  told '"MESSAGE_ID":"[0-9a-f]\{32\}"' SHARD_ID=1 || fail "no record has SHARD_ID=1 and MESSAGE_ID"
  # Stable numbers are what operators search by: this is `Serving`.
  told . SHARD_ID=1 MESSAGE_ID=282ad63331d247b1a1657b9bc04387ff ||
    fail "no record tells that it serves"
}

catalogue_explains() {
  inside journalctl --update-catalog
  grep -q 'Shard 1 issues IDs' <<<"$(
    inside journalctl --no-pager -x -u "$unit" MESSAGE_ID=282ad63331d247b1a1657b9bc04387ff
  )" || fail "journalctl -x does not explain"
}

was_reloaded() {
  told . SHARD_ID=1 MESSAGE_ID=486a6c5e42ea444ab5c0c5bad7cd60a3
}

reload_keeps_it_up() {
  local pid
  pid=$(property MainPID)
  inside systemctl reload "$unit" || fail "the reload failed"
  wait_until 10 was_reloaded || fail "the journal does not tell of the reload"
  [[ $(property ActiveState) == active && $(property MainPID) == "$pid" ]] || fail "the process is another"
  is_serving || fail "it does not serve"
  take_larger
}

restart_goes_on() {
  take_larger
  inside systemctl restart "$unit" || fail "the restart failed"
  wait_until 10 is_serving || fail "it does not serve"
  take_larger
}

# signal_main SIGNAL: by systemd, which knows whether there is a process.
signal_main() {
  inside systemctl kill --kill-who=main --signal="$1" "$unit" || fail "there is no process to signal"
}

kill_is_survived() {
  local pid
  pid=$(property MainPID)
  take_larger
  signal_main KILL
  wait_until 10 main_pid_is_other_than "$pid" || fail "it was not restarted"
  wait_until 10 is_serving || fail "it does not serve"
  take_larger
}

watchdog_restarts() {
  local pid
  pid=$(property MainPID)
  signal_main STOP
  wait_until 30 main_pid_is_other_than "$pid" || fail "the watchdog did nothing"
  told 'Watchdog timeout' _PID=1 || fail "something else restarted it"
  wait_until 10 is_serving || fail "it does not serve"
  take_larger
}

second_process_is_refused() {
  local status=0 pid said=$scratch/second
  pid=$(property MainPID)
  inside setpriv --reuid=shardflake --regid=shardflake --clear-groups env SHARD_ID=1 \
    timeout 30 shardflake serve --state-dir /var/lib/shardflake --listen 127.0.0.1:7099 \
    </dev/null >"$said" 2>&1 || status=$?
  ((status == 75)) || fail "exit status $status: $(<"$said")"
  grep -qw "$pid" "$said" || fail "the holder's pid $pid is not named: $(<"$said")"
  grep -q 'shardflake-test' "$said" || fail "the holder's host is not named: $(<"$said")"
  take_larger
}

stop_writes_exact_mark() {
  local bound tick
  take_larger
  tick=$(($(<"$scratch/last") >> 24))
  inside systemctl stop "$unit"
  [[ $(property Result) == success && $(property ExecMainStatus) == 0 ]] ||
    fail "result: $(property Result), exit status $(property ExecMainStatus)"
  inside env SHARD_ID=1 shardflake state show --json --state-dir /var/lib/shardflake >"$scratch/show" ||
    fail "state show failed"
  bound=$(grep -o '"bound": *"\?[0-9]*' "$scratch/show" | grep -o '[0-9]*$' | sed -n 1p)
  [[ $bound == "$tick" ]] || fail "the mark is $bound, the last ID's tick $tick: $(<"$scratch/show")"
}

reboot_goes_on() {
  wait_until 20 is_serving || fail "it does not serve after the boot: $(property ActiveState)"
  take_larger
}

wrong_usage_fails() {
  override 'ExecStart=' 'ExecStart=/usr/bin/shardflake serve --no-such-flag'
  if inside systemctl start "$unit" 2>/dev/null; then
    fail "it started with a wrong command line"
  fi
  [[ $(property ExecMainStatus) == 64 ]] || fail "exit status: $(property ExecMainStatus)"
  [[ $(property ActiveState) == failed ]] || fail "state: $(property ActiveState)"
  [[ $(property NRestarts) == 0 ]] || fail "it was restarted"
  override_nothing
}

watchdog_was_fed_for() {
  local begun fed
  begun=$(property ActiveEnterTimestampMonotonic)
  fed=$(property WatchdogTimestampMonotonic)
  ((fed - begun >= $1 * 1000000))
}

# A mark from a clock that was ten minutes fast, under a watchdog of 3 s.
watchdog_spares_who_waits() {
  local pid
  faketime '+10 minutes' target/release/shardflake state init \
    --shard-id 7 --state-dir "$root/var/lib/shardflake" >/dev/null
  chown 547:547 "$root/var/lib/shardflake/7.mark"
  override 'Environment=SHARDFLAKE_SHARD__ID=7' 'PassEnvironment=' 'WatchdogSec=3'
  inside systemctl start "$unit" || fail "it did not start"
  pid=$(property MainPID)
  wait_until 60 watchdog_was_fed_for 12 || fail "nothing feeds the watchdog"
  [[ $(property MainPID) == "$pid" && $(property NRestarts) == 0 ]] || fail "it was restarted"
  [[ $(status_of /livez) == 200 ]] || fail "/livez: $(status_of /livez)"
  grep -q '"code":"clock_behind_mark"' <<<"$(fetch /readyz)" || fail "/readyz: $(fetch /readyz)"
  printf '    %s\n' "$(property StatusText)"
  inside systemctl stop "$unit"
  override_nothing
  rm "$root/var/lib/shardflake/7.mark"
}

stray_sigterm_is_survived() {
  local pid
  pid=$(property MainPID)
  take_larger
  inside kill -TERM "$pid"
  wait_until 10 main_pid_is_other_than "$pid" || fail "it was not restarted"
  wait_until 10 is_serving || fail "it does not serve"
  take_larger
}

reload_was_refused() {
  told 'not reloaded' SHARD_ID=1 MESSAGE_ID=486a6c5e42ea444ab5c0c5bad7cd60a3
}

bad_reload_changes_nothing() {
  local pid
  pid=$(property MainPID)
  mkdir -p "$root/etc/shardflake"
  echo '[http] listen = 7' >"$root/etc/shardflake/shardflake.toml"
  inside systemctl reload "$unit" || fail "the reload failed"
  wait_until 10 reload_was_refused || fail "the journal does not tell of it"
  [[ $(property ActiveState) == active && $(property MainPID) == "$pid" ]] ||
    fail "the process is another"
  rm "$root/etc/shardflake/shardflake.toml"
  is_serving || fail "it does not serve"
  take_larger
}

clock_can_be_asked() {
  grep -qE '"synchronised":(true|false)' <<<"$(fetch /readyz)" ||
    fail "the unit hides whether the clock is synchronised: $(fetch /readyz)"
}

# A service that has the clock set, as a time client's wait service does, and takes its time.
slow_time_sync() {
  cat >"$root/etc/systemd/system/slow-time-sync.service" <<'END'
[Unit]
DefaultDependencies=no
Wants=time-sync.target
Before=time-sync.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sleep 2

[Install]
WantedBy=sysinit.target
END
  inside systemctl enable --quiet slow-time-sync.service
}

started_after_time_sync() {
  local set started
  set=$(inside systemctl show --value --property=ActiveEnterTimestampMonotonic time-sync.target)
  started=$(property InactiveExitTimestampMonotonic)
  ((set > 0 && started >= set)) || fail "started at $started, the clock was set at $set"
}
