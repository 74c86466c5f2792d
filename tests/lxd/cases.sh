# shellcheck shell=bash
# What the cases are written with. Needs wait.sh.
# shellcheck disable=SC2154 # tests/lxd/run sets scratch.

# The instance that scripts/startDefault.sh makes.
# shellcheck disable=SC2034 # The cases read it.
default=shardflake-v1

# What there is; and the next case is to find what it expects.
after_failure() {
  lxc list --format csv --columns ns || true
  lxc delete --force sf-alone sf-copy >/dev/null 2>&1 || true
}

# Things of the same names that are not the tests' own must not get lost.
refuse_to_meddle() {
  local found
  found=$(lxc list --format csv --columns n | grep '^shardflake' || true)
  found+=$(lxc profile list --format csv | grep '^shardflake' || true)
  found+=$(lxc storage list --format csv | grep '^shardflake' || true)
  [[ -z $found ]] || skip "the LXD of this host runs shardflake already"
}

# Everything that the cases and the scripts made.
remove_all() {
  local name
  for name in $(lxc list --format csv --columns n | grep -E '^(shardflake|sf-)'); do
    lxc delete --force "$name"
  done
  for name in $(lxc image list --format csv --columns lf | sed -n 's/^shardflake-[^,]*,//p'); do
    lxc image delete "$name"
  done
  for name in $(lxc profile list --format csv | sed -n 's/^\(\(shardflake\|sf-\)[^,]*\),.*/\1/p'); do
    lxc profile delete "$name" >/dev/null
  done
  if lxc storage show shardflake >/dev/null 2>&1; then
    for name in $(lxc storage volume list shardflake --format csv | sed -n 's/^custom,\([^,]*\),.*/\1/p'); do
      lxc storage volume delete shardflake "$name" >/dev/null
    done
    lxc storage delete shardflake >/dev/null
  fi
}

# What there is in LXD, as text.
everything() {
  lxc list --format csv --columns ns
  lxc image list --format csv --columns lfu
  lxc profile list --format csv
  lxc storage list --format csv
  lxc storage volume list "$(lxc storage list --format csv | sed -n '1s/,.*//p')" --format csv 2>/dev/null || true
  lxc network list --format csv | cut -d , -f 1
}

# start_default FLAG…: scripts/startDefault.sh, with the package that is built already if there is one.
start_default() {
  local flags=()
  [[ -z ${SHARDFLAKE_PACKAGE:-} ]] || flags=(--package "$SHARDFLAKE_PACKAGE")
  scripts/startDefault.sh "${flags[@]}" "$@"
}

# configuration LINE…: prints the path of a build.conf with these lines.
configuration() {
  local file
  file=$(mktemp -p "$scratch" build.XXXX.conf)
  printf '%s\n' "$@" >"$file"
  printf '%s' "$file"
}

# in_instance NAME COMMAND…
in_instance() {
  local name=$1
  shift
  lxc exec "$name" -- "$@" </dev/null
}

has_booted() {
  local state
  state=$(in_instance "$1" systemctl is-system-running 2>/dev/null) || true
  [[ $state == running || $state == degraded ]]
}

# boot_of NAME: waits until its units are up.
boot_of() {
  wait_until 40 has_booted "$1" || fail "$1 did not boot"
}

# property NAME PROPERTY: of its service.
property() {
  in_instance "$1" systemctl show --value --property="$2" shardflake 2>/dev/null
}

# journal NAME: what its service said.
journal() {
  in_instance "$1" journalctl --no-pager -u shardflake
}

# said NAME TEXT: whether its service said so.
said() {
  grep -qF -e "$2" <<<"$(journal "$1")"
}

# answer NAME PATH: of the service, asked within the instance.
answer() {
  in_instance "$1" curl -s -m 5 "http://127.0.0.1:7001$2"
}

serves_inside() {
  [[ $(answer "$1" /health) == OK ]]
}

# serving NAME: waits until it serves.
serving() {
  wait_until 40 serves_inside "$1" || fail "$1 does not serve: $(journal "$1" | tail -n 5)"
}

# id_of NAME: the next ID.
id_of() {
  local id
  id=$(answer "$1" '/generate?format=text')
  [[ $id =~ ^[0-9]+$ ]] || fail "$1 gave no ID: $id"
  printf '%s' "$id"
}

# larger NAME ID: its next ID is above that one.
larger() {
  local id
  id=$(id_of "$1")
  ((id > $2)) || fail "$1: $id is not above $2"
}

# machine_of ID: the shard that an ID is of.
machine_of() {
  echo $(($1 & 65535))
}

# load NAME PORT: asks one after the other on the host, until told to stop. Answers go to one file,
# failures to another.
load() {
  local file=$scratch/load.$1
  : >"$file.ids"
  : >"$file.bad"
  : >"$file.run"
  (
    while [[ -e $file.run ]]; do
      curl -sf -m 5 "http://127.0.0.1:$2/generate?format=text" >>"$file.ids" || echo "$?" >>"$file.bad"
    done
  ) &
  echo "$!" >"$file.pid"
}

# stop_load NAME: ends it, and waits for its last answer.
stop_load() {
  rm -f "$scratch/load.$1.run"
  wait "$(<"$scratch/load.$1.pid")"
}

# shellcheck disable=SC2317 # Called by the trap.
stop_loads() {
  [[ -z $scratch ]] || rm -f "$scratch"/load.*.run
}

# rises FILE: each number in it is above the one before.
rises() {
  [[ -s $1 ]] || fail "$1 holds no ID"
  sort -n -u -c "$1" || fail "$1 does not rise"
}
