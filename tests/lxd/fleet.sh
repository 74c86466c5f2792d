# shellcheck shell=bash
# Cases: several shards on one host. Needs cases.sh.
# shellcheck disable=SC2154 # tests/lxd/run and cases.sh set what is used here.

# Somebody else listens on the shard's port.
failed_start_leaves_nothing() {
  local said
  if said=$(scripts/shard add 5 --port 7001 2>&1); then fail "went on: $said"; fi
  grep -qF 'port 7001 of 127.0.0.1 is in use' <<<"$said" || fail "$said"
  if lxc config show shardflake-shard5 >/dev/null 2>&1; then fail "the instance is left over"; fi
  if said=$(scripts/shard add 65536 2>&1); then fail "went on: $said"; fi
  grep -qF '"65536" is no shard number' <<<"$said" || fail "$said"
  if said=$(scripts/shard add 60000 2>&1); then fail "went on: $said"; fi
  grep -qF -e '--port PORT' <<<"$said" || fail "$said"
}

fleet_of_three() {
  local began number listed
  for number in 1 2; do
    began=$(date +%s%N)
    scripts/shard add "$number" >/dev/null
    echo "    shard $number: $((($(date +%s%N) - began) / 1000000)) ms"
    [[ $(curl -s "http://localhost:$((7001 + number))/id") == *"\"machine_id\":$number}" ]] ||
      fail "shard $number does not answer"
  done
  listed=$(scripts/shard list)
  printf '%s\n' "$listed" | sed 's/^/    /'
  [[ $(awk '{ print $1, $2, $3, $4, $5 }' <<<"$listed") == "NAME NUMBER PORT STATE HEALTH
shardflake-v1 0 7001 RUNNING OK
shardflake-shard1 1 7002 RUNNING OK
shardflake-shard2 2 7003 RUNNING OK" ]] || fail "the list is another"
  if scripts/shard --conf "$(configuration 'CONTAINER_NAME="sf-other"')" remove 1 2>/dev/null; then
    fail "it removed what is not there"
  fi
  grep -q 'shard 1' <<<"$(scripts/shard logs 1)" || fail "its journal does not tell"
}

# Some 100,000 IDs, from three shards at once.
ids_are_unique() {
  local shard pids=() pid each=35000
  # What is behind the # is not sent: it only makes many URLs of one.
  for shard in 0 1 2; do
    curl -sf "http://127.0.0.1:$((7001 + shard))/generate?format=text#[1-$each]" >"$scratch/ids.$shard" &
    pids+=("$!")
  done
  for pid in "${pids[@]}"; do wait "$pid" || fail "a request failed"; done
  for shard in 0 1 2; do
    [[ $(wc -l <"$scratch/ids.$shard") == "$each" ]] || fail "IDs of shard $shard are missing"
    rises "$scratch/ids.$shard"
  done
  [[ $(sort -u "$scratch"/ids.? | wc -l) == $((3 * each)) ]] || fail "an ID came twice"
}

quota_is_enforced() {
  local said name=shardflake-shard2 id
  if said=$(in_instance "$name" fallocate -l 6G /root/large 2>&1); then fail "6 GB in 5"; fi
  [[ $said == *"quota exceeded"* ]] || fail "$said"
  # Small enough to be filled for real.
  lxc config device override "$name" root size=400MiB >/dev/null
  if said=$(in_instance "$name" dd if=/dev/zero of=/root/large bs=1M count=500 conv=fsync 2>&1); then
    fail "500 MB in 400"
  fi
  [[ $said == *"quota exceeded"* ]] || fail "$said"
  id=$(id_of "$name")
  in_instance "$name" systemctl restart shardflake || fail "no restart on a full root"
  serving "$name"
  larger "$name" "$id"
  in_instance "$name" rm /root/large
  lxc config device remove "$name" root >/dev/null
}

upgrade_with_ids_flowing() {
  local file id
  file=$(configuration 'VERSION="2"')
  id=$(id_of shardflake-shard1)
  load flow 7003
  build/build.sh --package "$(package_of_image)" "$file" >/dev/null
  scripts/shard remove 1 >/dev/null
  scripts/shard --conf "$file" add 1 >/dev/null
  stop_load flow
  [[ ! -s $scratch/load.flow.bad ]] || fail "shard 2 was disturbed: $(<"$scratch/load.flow.bad")"
  rises "$scratch/load.flow.ids"
  echo "    $(wc -l <"$scratch/load.flow.ids") IDs of shard 2 meanwhile"
  larger shardflake-shard1 "$id"
  [[ $(lxc config get shardflake-shard1 volatile.base_image) == "$(fingerprint shardflake-v2)" ]] ||
    fail "shard 1 is not of the new image"
  [[ $(lxc config get shardflake-shard2 volatile.base_image) == "$(fingerprint shardflake-v1)" ]] ||
    fail "shard 2 is not of the old image"
  scripts/shard remove 1 >/dev/null
  scripts/shard remove 2 >/dev/null
}

fingerprint() {
  lxc image info "$1" | sed -n 's/^Fingerprint: //p'
}
