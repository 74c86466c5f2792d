# shellcheck shell=bash
# Cases: what people type, before and after the boot. Needs cases.sh.
# shellcheck disable=SC2154 # tests/lxd/run and cases.sh set what is used here.

transcript=packaging/doc/lxc-transcript.md

flow_before_boot() {
  lxc init shardflake-v1 shardflake-shard1 >/dev/null
  lxc config set shardflake-shard1 environment.SHARD_ID=1
  lxc start shardflake-shard1 >/dev/null
  boot_of shardflake-shard1
  serving shardflake-shard1
  # Nothing more is needed, and asking for it does no harm.
  lxc exec shardflake-shard1 -- systemctl start shardflake
  [[ $(machine_of "$(id_of shardflake-shard1)") == 1 ]] || fail "not of shard 1"
  # No port of the host leads to it.
  [[ $(scripts/shard list | awk '{ print $1, $2, $3, $4, $5 }') == "NAME NUMBER PORT STATE HEALTH
shardflake-v1 0 7001 RUNNING OK
shardflake-shard1 1 - RUNNING -" ]] || fail "the list is another: $(scripts/shard list)"
  lxc delete --force shardflake-shard1
}

flow_after_boot() {
  local id
  lxc launch shardflake-v1 shardflake-shard1 >/dev/null
  boot_of shardflake-shard1
  [[ $(property shardflake-shard1 ActiveState) == inactive ]] ||
    fail "without a number: $(property shardflake-shard1 ActiveState)"
  [[ $(in_instance shardflake-shard1 systemctl is-system-running) == running ]] || fail "a unit failed"
  said shardflake-shard1 'lxc config set NAME environment.SHARD_ID=N' || fail "it does not say what to do"
  if lxc exec shardflake-shard1 -- systemctl start shardflake 2>/dev/null; then
    fail "it started without a number"
  fi
  lxc config set shardflake-shard1 environment.SHARD_ID=1
  lxc exec shardflake-shard1 -- systemctl start shardflake || fail "it did not start"
  serving shardflake-shard1
  id=$(id_of shardflake-shard1)
  [[ $(machine_of "$id") == 1 ]] || fail "$id is not of shard 1"
  survives_kill shardflake-shard1 "$id"
}

# What systemd restarts by itself has the same number; so has what is started by a boot.
survives_kill() {
  local pid
  pid=$(property "$1" MainPID)
  in_instance "$1" systemctl kill --kill-who=main --signal=KILL shardflake
  wait_until 20 is_other_process "$1" "$pid" || fail "it was not restarted"
  serving "$1"
  larger "$1" "$2"
  [[ $(machine_of "$(id_of "$1")") == 1 ]] || fail "the number is another after a crash"
  lxc restart "$1"
  boot_of "$1"
  serving "$1"
  larger "$1" "$2"
  [[ $(machine_of "$(id_of "$1")") == 1 ]] || fail "the number is another after a boot"
}

is_other_process() {
  local pid
  pid=$(property "$1" MainPID)
  [[ $pid != 0 && $pid != "$2" ]]
}

# Goes on with the instance of the case before: booted as shard 1.
sources_that_disagree() {
  local name=shardflake-shard1
  lxc config set "$name" environment.SHARD_ID=2
  if in_instance "$name" systemctl restart shardflake 2>/dev/null; then fail "it took one of two"; fi
  [[ $(property "$name" ExecMainStatus) == 78 ]] || fail "exit status $(property "$name" ExecMainStatus)"
  [[ $(property "$name" ActiveState) == failed ]] || fail "it is tried again"
  said "$name" 'SHARD_ID is 1 from the boot of this instance and 2 from the systemctl' ||
    fail "it does not name both: $(journal "$name" | tail -n 5)"
  lxc restart "$name"
  boot_of "$name"
  serving "$name"
  [[ $(machine_of "$(id_of "$name")") == 2 ]] || fail "not of shard 2 after the boot"
  in_instance "$name" sh -c 'echo SHARD_ID=3 >>/etc/default/shardflake'
  if in_instance "$name" systemctl restart shardflake 2>/dev/null; then fail "it took one of two"; fi
  said "$name" '2 from the boot of this instance and 3 from /etc/default/shardflake' ||
    fail "it does not name both: $(journal "$name" | tail -n 5)"
  lxc delete --force "$name"
}

# tell COMMAND: runs it, and writes it and what it prints into the transcript.
tell() {
  printf '$ %s\n' "$1" >>"$scratch/transcript"
  bash -c "$1" 2>&1 </dev/null | as_seen >>"$scratch/transcript"
  ((PIPESTATUS[0] == 0)) || fail "failed: $1"
}

# Without what the client wipes away again.
as_seen() {
  sed -e 's/.*\r *//' -e '/^$/d' -e 's/[[:space:]]*$//'
}

# text LINE…: what is said in between.
text() {
  printf '%s\n' "$@" >>"$scratch/transcript"
}

# The commands of packaging/doc/lxc.md, run for real. The file in the repository has the same commands.
transcript_is_current() {
  [[ $SHARDFLAKE_CLIENT == lxc ]] || {
    echo "    left out: the transcript is of LXD"
    return
  }
  : >"$scratch/transcript"
  text "# A session with LXC instances" "" \
    "Written by \`tests/lxd/run --write\` from a real run, and compared with one by \`tests/lxd/run\`." "" \
    "One instance, and a look at it:" "" '```console'
  lxc delete --force "$default"
  tell "scripts/startDefault.sh"
  tell "curl -s http://localhost:7001/generate && echo"
  tell "lxc exec shardflake-v1 -- systemctl --no-pager status shardflake"
  tell "lxc exec shardflake-v1 -- journalctl --no-pager -u shardflake"
  text '```' "" "More shards:" "" '```console'
  tell "scripts/shard add 1"
  tell "scripts/shard list"
  tell "curl -s http://localhost:7002/id && echo"
  tell "scripts/shard logs 1 -n 3"
  tell "scripts/shard remove 1"
  text '```' "" "By hand, the number set before the boot:" "" '```console'
  tell "lxc init shardflake-v1 shardflake-shard1"
  tell "lxc config set shardflake-shard1 environment.SHARD_ID=1"
  tell "lxc start shardflake-shard1"
  boot_of shardflake-shard1
  tell "lxc exec shardflake-shard1 -- systemctl start shardflake"
  tell "lxc exec shardflake-shard1 -- curl -s http://localhost:7001/id && echo"
  text '```' "" "And set when the instance runs already:" "" '```console'
  tell "lxc launch shardflake-v1 shardflake-shard2"
  boot_of shardflake-shard2
  tell "lxc config set shardflake-shard2 environment.SHARD_ID=2"
  tell "lxc exec shardflake-shard2 -- systemctl start shardflake"
  tell "lxc exec shardflake-shard2 -- curl -s http://localhost:7001/id && echo"
  text '```'
  lxc delete --force shardflake-shard1 shardflake-shard2
  compare_transcript
}

compare_transcript() {
  if [[ $write_transcript == true ]]; then
    mkdir -p "${transcript%/*}"
    cp "$scratch/transcript" "$transcript"
    return
  fi
  diff <(grep '^[$]' "$transcript") <(grep '^[$]' "$scratch/transcript") ||
    fail "$transcript has other commands: tests/lxd/run --write"
}
