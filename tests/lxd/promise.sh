# shellcheck shell=bash
# Cases: an ID is never handed out twice, whatever is done to instances. Needs cases.sh.
# The shards 1 and 2 of fleet.sh run.
# shellcheck disable=SC2154 # cases.sh sets what is used here.

# The copy shares the volume, and so the lock and the marks.
copy_is_refused() {
  local id
  id=$(id_of shardflake-shard1)
  lxc copy shardflake-shard1 sf-copy --instance-only >/dev/null
  # Else LXD itself refuses: the port of the host is taken.
  lxc config device remove sf-copy http >/dev/null
  lxc start sf-copy >/dev/null
  wait_until 60 said sf-copy 'is in use in' || fail "the copy is not refused: $(journal sf-copy | tail -n 5)"
  said sf-copy 'shardflake-shard1' || fail "the holder is not named: $(journal sf-copy | tail -n 5)"
  if serves_inside sf-copy; then fail "the copy serves"; fi
  journal sf-copy | grep -F 'is in use in' | head -n 1 | sed 's/^/    /'
  larger shardflake-shard1 "$id"
  id=$(id_of shardflake-shard1)
  # Once the original is gone, the copy is the shard: above all that was issued.
  lxc stop shardflake-shard1
  serving sf-copy
  larger sf-copy "$id"
  id=$(id_of sf-copy)
  lxc delete --force sf-copy
  lxc start shardflake-shard1
  serving shardflake-shard1
  larger shardflake-shard1 "$id"
}

# launch_alone NAME NUMBER: an instance whose marks lie in its own root file system.
launch_alone() {
  lxc init shardflake-v1 "$1" --config "environment.SHARD_ID=$2" >/dev/null
  lxc config device add "$1" marks none >/dev/null
  lxc start "$1" >/dev/null
  serving "$1"
}

copy_without_volume_is_refused() {
  local id
  launch_alone sf-alone 40
  id=$(id_of sf-alone)
  lxc copy sf-alone sf-copy --instance-only >/dev/null
  larger sf-alone "$id"
  lxc start sf-copy >/dev/null
  is_refused_as_copy sf-copy
  # Nor once the original is stopped: what that issued since, no mark of the copy tells.
  lxc stop sf-alone
  in_instance sf-copy systemctl restart shardflake 2>/dev/null || true
  is_refused_as_copy sf-copy
  lxc delete --force sf-copy sf-alone
}

is_refused_as_copy() {
  wait_until 40 has_ended "$1" || fail "$1: $(property "$1" ActiveState)"
  [[ $(property "$1" ExecMainStatus) == 78 ]] || fail "exit status $(property "$1" ExecMainStatus)"
  said "$1" 'shardflake state adopt' || fail "it does not say what to do: $(journal "$1" | tail -n 5)"
}

has_ended() {
  [[ $(property "$1" ActiveState) == failed ]]
}

# snapshot NAME, and restore NAME: to what it was then.
snapshot() {
  if [[ $SHARDFLAKE_CLIENT == incus ]]; then set -- create "$1"; fi
  lxc snapshot "$@" before
}

restore() {
  if [[ $SHARDFLAKE_CLIENT == incus ]]; then
    lxc snapshot restore "$1" before
  else
    lxc restore "$1" before
  fi
}

restore_with_volume() {
  local id name=shardflake-shard2
  snapshot "$name"
  id=$(id_of "$name")
  restore "$name"
  serving "$name"
  larger "$name" "$id"
}

restore_without_volume() {
  local id adopt
  launch_alone sf-alone 41
  snapshot sf-alone
  id=$(id_of sf-alone)
  restore sf-alone
  is_refused_as_copy sf-alone
  # Exactly what it says is to be done.
  # shellcheck disable=SC2016 # Quotes of Markdown.
  adopt=$(journal sf-alone | sed -n 's/.*run `\(shardflake state adopt [^`]*\)`.*/\1/p' | tail -n 1)
  [[ -n $adopt ]] || fail "no command is told"
  # shellcheck disable=SC2086 # The words one by one.
  in_instance sf-alone runuser -u shardflake -- $adopt >/dev/null || fail "failed: $adopt"
  in_instance sf-alone systemctl start shardflake
  serving sf-alone
  larger sf-alone "$id"
  lxc delete --force sf-alone
}

instance_restarts() {
  local id name=shardflake-shard1
  id=$(id_of "$name")
  lxc restart "$name"
  serving "$name"
  larger "$name" "$id"
  id=$(id_of "$name")
  # As if the power went: nothing is told to stop.
  lxc stop --force "$name"
  lxc start "$name"
  serving "$name"
  larger "$name" "$id"
}

daemon_restart() {
  local id
  [[ $own_lxd == true ]] || {
    echo "    left out: others use this LXD"
    return
  }
  id=$(id_of shardflake-shard1)
  load daemon 7002
  lxd_restart
  # A while with the daemon that has come back.
  wait_until 10 has_grown daemon "$(wc -l <"$scratch/load.daemon.ids")" || fail "no IDs after the restart"
  stop_load daemon
  [[ ! -s $scratch/load.daemon.bad ]] || fail "requests failed: $(<"$scratch/load.daemon.bad")"
  rises "$scratch/load.daemon.ids"
  echo "    $(wc -l <"$scratch/load.daemon.ids") IDs meanwhile"
  larger shardflake-shard1 "$id"
}

has_grown() {
  (($(wc -l <"$scratch/load.$1.ids") >= $2 + 50))
}

# All shards down, the pool unmounted and mounted again, as when the host boots.
volume_restart() {
  local name ids=()
  for name in "$default" shardflake-shard1 shardflake-shard2; do ids+=("$(id_of "$name")"); done
  lxc stop "$default" shardflake-shard1 shardflake-shard2
  if [[ $own_lxd == true ]]; then
    nsenter --mount="/proc/$lxd_space/ns/mnt" umount "$lxd_home/storage-pools/shardflake"
    lxd_restart
  fi
  lxc start "$default" shardflake-shard1 shardflake-shard2
  for name in "$default" shardflake-shard1 shardflake-shard2; do
    serving "$name"
    larger "$name" "${ids[0]}"
    ids=("${ids[@]:1}")
  done
}
