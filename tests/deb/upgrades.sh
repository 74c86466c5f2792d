# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # What the caller sets, and what its functions read.
# Cases of upgrades and downgrades: what runs is restarted, and nothing else is started.
# Needs ask.sh and sockets.sh of tests/system; `root` and `scratch` are its caller's, and the functions
# that they use.

upgrade_cases() {
  case_of "an upgrade restarts it, keeps changed files, takes new ones; IDs grow" upgrade_restarts
  case_of "a downgrade restarts it; IDs grow" downgrade_restarts
  case_of "instances that run are restarted, others are not started" instances_are_restarted
  case_of "what is stopped stays stopped, enabled or not" stopped_stays_stopped
  case_of "what is disabled, and runs, is restarted and stays disabled" disabled_is_restarted
  case_of "what is masked is left alone" masked_is_left_alone
  case_of "policy-rc.d is obeyed" policy_is_obeyed
  case_of "an open socket stays open" socket_stays_open
  case_of "1,000 requests a second meanwhile, one connection each: none fails, no ID twice" upgrades_under_load
}

# restarted_by COMMAND…: fails unless it gives the unit another process.
restarted_by() {
  local pid
  pid=$(property MainPID)
  "$@"
  main_pid_is_other_than "$pid" || fail "$unit was not restarted: $(<"$scratch/said")"
  wait_until 10 is_serving || fail "$unit does not serve"
}

# spared_by COMMAND…: fails unless the unit's process stays.
spared_by() {
  local pid
  pid=$(property MainPID)
  "$@"
  [[ $(property MainPID) == "$pid" ]] || fail "$unit was restarted"
  is_serving || fail "$unit does not serve"
}

upgrade_restarts() {
  take_larger
  restarted_by install_package new
  says_nothing
  take_larger
  grep -qx 'SHARD_ID=1' "$root/etc/default/shardflake" || fail "/etc/default/shardflake was not kept"
  grep -q '^# As of .*+1$' "$root/etc/default/shardflake.dpkg-dist" || fail "the new one is not beside it"
  grep -q '^# As of .*+1$' "$root/etc/shardflake/shardflake.toml" ||
    fail "shardflake.toml is not the new one, though nobody changed the old"
  [[ $(inside stat -c '%a %U %G' /etc/shardflake/shardflake.toml) == "640 root shardflake" ]] ||
    fail "shardflake.toml: $(inside stat -c '%a %U %G' /etc/shardflake/shardflake.toml)"
  [[ $(property Description) == "IDs of "*+1 && $(property NeedDaemonReload) == no ]] ||
    fail "the new unit is not in force: $(property Description)"
  ! is_enabled || fail "the upgrade enabled it"
}

downgrade_restarts() {
  take_larger
  restarted_by install_package old
  says_nothing
  take_larger
  grep -qx 'SHARD_ID=1' "$root/etc/default/shardflake" || fail "/etc/default/shardflake was not kept"
}

second_is_restarted() {
  local unit=shardflake@2.service url=http://127.0.0.1:7002
  wait_until 20 is_serving || fail "$unit does not serve"
  restarted_by other_version
}

instances_are_restarted() {
  inside systemctl start shardflake@2.service || fail "shardflake@2 did not start"
  inside systemctl --quiet enable shardflake@3.service
  second_is_restarted
  unit=shardflake@3.service is_state inactive
  inside systemctl --quiet disable shardflake@3.service
  inside systemctl stop shardflake@2.service
}

stopped_stays_stopped() {
  inside systemctl stop "$unit"
  other_version
  says_nothing
  is_state inactive
  inside systemctl --quiet enable "$unit"
  other_version
  is_state inactive
  is_enabled || fail "it is no longer enabled"
  inside systemctl --quiet disable "$unit"
}

disabled_is_restarted() {
  inside systemctl start "$unit"
  restarted_by other_version
  ! is_enabled || fail "the upgrade enabled it"
  take_larger
}

masked_is_left_alone() {
  inside systemctl --quiet mask "$unit"
  spared_by other_version
  [[ $(inside systemctl is-enabled "$unit" || true) == masked ]] || fail "the upgrade unmasked it"
  inside systemctl stop "$unit"
  other_version
  is_state inactive
  inside systemctl --quiet unmask "$unit"
  inside systemctl start "$unit"
}

policy_is_obeyed() {
  printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
  chmod 755 "$root/usr/sbin/policy-rc.d"
  spared_by other_version
  rm "$root/usr/sbin/policy-rc.d"
}

# socket_property NAME
socket_property() {
  unit=shardflake.socket property "$1"
}

socket_stays_open() {
  local since
  inside systemctl stop "$unit"
  inside systemctl start shardflake.socket
  inside systemctl start "$unit"
  since=$(socket_property ActiveEnterTimestampMonotonic)
  restarted_by other_version
  [[ $(socket_property ActiveState) == active && $(socket_property ActiveEnterTimestampMonotonic) == "$since" ]] ||
    fail "the socket was closed meanwhile"
  take_larger
}

upgrades_under_load() {
  start_load
  restarted_by other_version
  wait_until 20 asked_at_least 500 || fail "no load after the first change"
  restarted_by other_version
  wait_until 20 asked_at_least 500 || fail "no load after the second change"
  load_lost_nothing
  inside systemctl stop shardflake.socket "$unit"
  inside systemctl start "$unit"
}
