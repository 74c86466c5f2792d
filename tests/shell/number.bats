#!/usr/bin/env bats
# How an LXC instance finds its shard number: packaging/lxc/lxc-number, on a /proc of files.

setup() {
  cd "$BATS_TEST_DIRNAME/../.."
  root=$BATS_TEST_TMPDIR/root
  mkdir -p "$root/run/systemd" "$root/proc/self/ns" "$root/etc/shardflake"
  echo lxc >"$root/run/systemd/container"
  : >"$root/proc/self/ns/pid"
  unset SHARD_ID SHARDFLAKE_SHARD__ID WORKER_ID MACHINE_ID DATACENTER_ID POD_NAME
  process 1 systemd /sbin/init
}

# process PID NAME COMMAND…: one of root's, in this namespace, without SHARD_ID.
process() {
  local folder=$root/proc/$1
  mkdir -p "$folder/ns"
  echo "$2" >"$folder/comm"
  shift 2
  printf '%s\0' "$@" >"$folder/cmdline"
  printf 'PATH=/usr/bin\0' >"$folder/environ"
  printf 'Name:\tx\nUid:\t0\t0\t0\t0\n' >"$folder/status"
  ln -f "$root/proc/self/ns/pid" "$folder/ns/pid"
}

# given PID NUMBER: the process was started with this SHARD_ID.
given() {
  printf 'SHARD_ID=%s\0' "$2" >>"$root/proc/$1/environ"
}

asker() {
  process 40 systemctl systemctl start shardflake
  given 40 "$1"
}

number() {
  run packaging/lxc/lxc-number "$root"
}

# written: what the service gets.
written() {
  cat "$root/run/shardflake-lxc/environment" 2>/dev/null || true
}

# The unit removes the answer to the last start before each start.
next_start() {
  rm -f "$root/run/shardflake-lxc/environment"
}

@test "outside of LXC nothing is done" {
  given 1 5
  for kind in docker systemd-nspawn ""; do
    echo "$kind" >"$root/run/systemd/container"
    number
    [ "$status" -eq 0 ]
    [ ! -e "$root/run/shardflake-lxc" ]
  done
  rm "$root/run/systemd/container"
  number
  [ "$status" -eq 0 ]
  [ ! -e "$root/run/shardflake-lxc" ]
}

@test "the number of the boot" {
  given 1 5
  number
  [ "$status" -eq 0 ]
  [ "$(written)" = 'SHARD_ID="5"' ]
}

@test "the number of the systemctl that asks for the start, kept for the next start" {
  asker 16-31
  number
  [ "$(written)" = 'SHARD_ID="16-31"' ]
  rm -r "$root/proc/40"
  next_start
  number
  [ "$status" -eq 0 ]
  [ "$(written)" = 'SHARD_ID="16-31"' ]
}

@test "a later systemctl changes what was kept" {
  asker 1
  number
  next_start
  asker 2
  number
  [ "$status" -eq 0 ]
  [ "$(written)" = 'SHARD_ID="2"' ]
}

@test "every way to start is seen" {
  for words in "start shardflake" "restart shardflake.service" "try-restart shardflake" \
    "--no-pager reload-or-restart shardflake" "enable --now shardflake" "start ssh shardflake"; do
    next_start
    rm -f "$root/run/shardflake-lxc/number"
    # shellcheck disable=SC2086 # The words one by one.
    process 40 systemctl systemctl $words
    given 40 3
    number
    [ "$(written)" = 'SHARD_ID="3"' ] || {
      echo "not seen: $words"
      false
    }
  done
}

@test "who does not ask for this start is no source" {
  given 1 5
  process 40 systemctl systemctl status shardflake
  process 41 systemctl systemctl start ssh
  process 42 bash bash -c "systemctl start shardflake"
  process 43 systemctl systemctl stop shardflake
  for pid in 40 41 42 43; do given "$pid" 9; done
  number
  [ "$(written)" = 'SHARD_ID="5"' ]
}

@test "other users, and processes of nested containers, are no source" {
  asker 9
  printf 'Name:\tx\nUid:\t1000\t0\t0\t0\n' >"$root/proc/40/status"
  process 41 systemctl systemctl start shardflake
  given 41 9
  rm "$root/proc/41/ns/pid"
  : >"$root/proc/41/ns/pid"
  number
  [ "$status" -eq 1 ]
  [ -z "$(written)" ]
}

@test "boot and systemctl disagree: no number, and both are named" {
  given 1 5
  asker 6
  number
  [ "$status" -eq 0 ]
  [[ $output == *"5 from the boot of this instance and 6 from the systemctl that asks"* ]]
  [ "$(written)" = 'SHARD_ID="5 from the boot of this instance and 6 from the systemctl that asks for the start"' ]
  [ ! -e "$root/run/shardflake-lxc/number" ]
}

@test "the unit's environment disagrees with the boot" {
  given 1 5
  SHARD_ID=7 number
  [[ $(written) == *"5 from the boot of this instance and 7 from /etc/default/shardflake or a drop-in"* ]]
}

@test "the unit's environment disagrees with what was kept" {
  asker 1
  number
  rm -r "$root/proc/40"
  next_start
  SHARD_ID=2 number
  [[ $(written) == *"2 from /etc/default/shardflake or a drop-in and 1 from the last systemctl start"* ]]
}

@test "sources that agree make one number" {
  given 1 5
  asker 5
  SHARD_ID=5 number
  [ "$status" -eq 0 ]
  [ "$(written)" = 'SHARD_ID="5"' ]
}

@test "two that ask at once, with different numbers" {
  asker 1
  process 41 systemctl systemctl restart shardflake
  given 41 2
  number
  [[ $(written) == *"1 from the systemctl"*"2 from the systemctl"* ]]
}

@test "no number at boot: left out, and said" {
  number
  [ "$status" -eq 1 ]
  [[ $output == *"no shard number yet"*"lxc config set NAME environment.SHARD_ID=N"* ]]
  [ -z "$(written)" ]
}

@test "no number at boot: the variables of the profile are said" {
  SHARDFLAKE_PROFILE=snowflake-dc number
  [ "$status" -eq 1 ]
  [[ $output == *"environment.DATACENTER_ID=N environment.MACHINE_ID=N then: lxc restart NAME"* ]]
}

@test "no number, but somebody asks: the service says it" {
  process 40 systemctl systemctl start shardflake
  number
  [ "$status" -eq 0 ]
  [ -z "$(written)" ]
}

@test "the number of the configuration file is the service's own matter" {
  printf '[shard]\n# id = 1\n' >"$root/etc/shardflake/shardflake.toml"
  number
  [ "$status" -eq 1 ]
  printf '[shard]\nid = 1\n' >"$root/etc/shardflake/shardflake.toml"
  number
  [ "$status" -eq 0 ]
  [ -z "$(written)" ]
}

@test "so is one by another profile's variable" {
  for variable in WORKER_ID MACHINE_ID DATACENTER_ID POD_NAME SHARDFLAKE_SHARD__ID; do
    export "$variable=1"
    number
    unset "$variable"
    [ "$status" -eq 0 ] || {
      echo "left out: $variable"
      false
    }
    [ -z "$(written)" ]
  done
  number
  [ "$status" -eq 1 ]
}

@test "a value stays one value, whatever is in it" {
  asker $'1"\nSHARDFLAKE_PROFILE="x'
  number
  [ "$(wc -l <"$root/run/shardflake-lxc/environment")" -eq 1 ]
  [ "$(written)" = 'SHARD_ID="1?"' ]
}

@test "a variable that only looks like it is another" {
  printf 'NO_SHARD_ID=3\0A=\nSHARD_ID=4\0' >>"$root/proc/1/environ"
  number
  [ "$status" -eq 1 ]
}
