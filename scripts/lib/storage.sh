# shellcheck shell=bash
# The BTRFS pool, the volume of the marks, and the profile that instances are made with.
# Needs steps.sh, conf.sh and lxc.sh.
# shellcheck disable=SC2154 # They set conf, client, made and bridge.

# Where the marks of all shards lie in every instance.
marks_folder=/var/lib/shardflake

# Sets the names of what is made, from the configuration.
set_names() {
  pool=${conf[STORAGE_LOCATION_ID]}
  profile=${conf[CONTAINER_NAME]}
  marks=${conf[CONTAINER_NAME]}-marks
  image=${conf[CONTAINER_NAME]}-v${conf[VERSION]}
}

make_pool() {
  local driver source
  if has storage show "$pool"; then
    driver=$(lx storage show "$pool" | sed -n 's/^driver: //p')
    [[ $driver == btrfs ]] ||
      die "the storage pool $pool is $driver, not BTRFS" "another STORAGE_LOCATION_ID in build.conf"
    note "$pool is there"
    return
  fi
  if [[ -n ${conf[STORAGE_SOURCE]} ]]; then
    source=source=${conf[STORAGE_SOURCE]}
  else
    source=size=$(size_of "${conf[STORAGE_POOL_SIZE]}")
  fi
  change lx storage create "$pool" btrfs "$source" "$made=true"
  note "$pool: BTRFS, $source"
}

# The marks get no quota: under one, BTRFS fails even overwrites in place.
make_marks() {
  if has storage volume show "$pool" "$marks"; then
    is_made storage volume get "$pool" "$marks" ||
      die "the volume $marks in $pool was not made by this script" "another CONTAINER_NAME in build.conf"
    note "$marks is there"
  else
    change lx storage volume create "$pool" "$marks" "$made=true"
    note "for the marks of all shards, without a quota"
  fi
  if [[ $dry_run == false && -n $(lx storage volume get "$pool" "$marks" size) ]]; then
    change lx storage volume unset "$pool" "$marks" size
  fi
}

# Makes the marks of the shards to come, once: each first start would else wait six seconds.
prepare_marks() {
  local numbers=${conf[SHARD_NUMBERS]} key=user.shardflake.numbers
  [[ -n $numbers ]] || return 0
  if [[ $(lx storage volume get "$pool" "$marks" "$key" 2>/dev/null) == "$numbers" ]]; then
    note "the marks of shards $numbers are there"
    return
  fi
  if [[ $dry_run == true ]]; then
    note "would make the marks of shards $numbers"
    return
  fi
  start_idle "$image" "$temporary" --storage "$pool"
  change lx config device add "$temporary" marks disk "pool=$pool" "source=$marks" "path=$marks_folder"
  change lx exec "$temporary" -- install -d -o shardflake -g shardflake -m 750 "$marks_folder"
  change lx exec "$temporary" -- setpriv --reuid=shardflake --regid=shardflake --clear-groups \
    shardflake state init --shard-id "$numbers" --state-dir "$marks_folder"
  remove_instance "$temporary"
  change lx storage volume set "$pool" "$marks" "$key" "$numbers"
  note "made the marks of shards $numbers"
}

make_profile() {
  local wanted sum key=user.shardflake.sum
  wanted=$(profile_text)
  sum=$(sha256sum <<<"$wanted")
  if has profile show "$profile"; then
    is_made profile get "$profile" ||
      die "the profile $profile was not made by this script" "another CONTAINER_NAME in build.conf"
    if [[ $(lx profile get "$profile" "$key") == "${sum%% *}" ]]; then
      note "$profile is there"
      return
    fi
  else
    change lx profile create "$profile"
  fi
  if [[ $dry_run == true ]]; then
    note "would set profile $profile"
    return
  fi
  printf '%s\n' "$wanted" | "$client" profile edit "$profile"
  change lx profile set "$profile" "$key" "${sum%% *}"
  note "$profile: root of ${conf[STORAGE_QUOTA_SIZE]}, network $bridge, marks"
}

profile_text() {
  cat <<EOF_PROFILE
description: Shards of shardflake
config:
  $made: "true"
  environment.SERVICE_PORT: "7001"
devices:
  root:
    type: disk
    path: /
    pool: $pool
    size: $(size_of "${conf[STORAGE_QUOTA_SIZE]}")
  marks:
    type: disk
    path: $marks_folder
    pool: $pool
    source: $marks
  eth0:
    type: nic
    name: eth0
    $(profile_network)
EOF_PROFILE
}

# A bridge of the daemon's own, or one that the host made.
profile_network() {
  if has network show "$bridge" && grep -q '^managed: true' <<<"$(lx network show "$bridge")"; then
    printf 'network: %s\n' "$bridge"
  else
    printf 'nictype: bridged\n    parent: %s\n' "$bridge"
  fi
}
