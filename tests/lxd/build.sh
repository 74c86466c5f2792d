# shellcheck shell=bash
# Cases: the image and what it needs. Needs cases.sh.
# shellcheck disable=SC2154 # tests/lxd/run and cases.sh set what is used here.

missing_prerequisites_stop() {
  local before said
  before=$(everything)
  if said=$(start_default "$(configuration 'NETWORK="nobridge0"')" 2>&1); then fail "went on: $said"; fi
  grep -qF "$SHARDFLAKE_CLIENT network create nobridge0" <<<"$said" || fail "no fix is told: $said"
  if said=$(LXD_DIR=$scratch/none INCUS_DIR=$scratch/none INCUS_SOCKET=$scratch/none/s start_default 2>&1); then fail "went on without a daemon"; fi
  grep -qF "a running daemon behind $SHARDFLAKE_CLIENT" <<<"$said" || fail "$said"
  [[ $(everything) == "$before" ]] || fail "something was made: $(everything)"
}

dry_run_changes_nothing() {
  local before said
  before=$(everything)
  said=$(start_default --dry-run) || fail "$said"
  grep -qF "would run: $SHARDFLAKE_CLIENT storage create shardflake btrfs" <<<"$said" || fail "does not tell: $said"
  grep -qF 'would launch shardflake-v1' <<<"$said" || fail "does not tell: $said"
  [[ $(everything) == "$before" ]] || fail "something was made: $(everything)"
}

failed_build_leaves_nothing() {
  local said cache left
  cache=$HOME/.cache/shardflake
  # As a killed build leaves it.
  left=$cache/build.leftover
  mkdir -p "$left"
  echo "no package" >"$scratch/broken.deb"
  if said=$(scripts/startDefault.sh --package "$scratch/broken.deb" 2>&1); then fail "went on: $said"; fi
  grep -qF 'dpkg' <<<"$said" || fail "does not say why: $said"
  grep -qF 'the next run goes on from there' <<<"$said" || fail "$said"
  ! lxc config show shardflake-build >/dev/null 2>&1 || fail "$(lxc list)"
  ! lxc image show shardflake-v1 >/dev/null 2>&1 || fail "$(lxc image list)"
  left=$(find "$cache" -maxdepth 1 -name 'build.*')
  [[ -z $left ]] || fail "files are left over: $left"
}

build_from_nothing() {
  local began=$SECONDS id
  start_default | sed 's/^/    /'
  id=$(curl -s http://localhost:7001/generate | sed -n 's/.*"id_str":"\([0-9]*\)".*/\1/p')
  [[ -n $id ]] || fail "no ID on the host's port 7001"
  echo "    to the first ID: $((SECONDS - began)) s"
  [[ $(machine_of "$id") == 0 ]] || fail "$id is not of shard 0"
  [[ $(lxc config get "$default" environment.SHARD_ID) == 0 ]] || fail "the instance has no number"
  lxc image show shardflake-v1 | grep -q SHARD_ID && fail "the image has a number"
  [[ $(lxc profile get shardflake environment.SHARD_ID) == "" ]] || fail "the profile has a number"
  is_small
}

is_small() {
  local added memory
  added=$(lxc image get-property shardflake-v1 shardflake.added_kb)
  # shellcheck disable=SC2016 # It expands there.
  memory=$(in_instance "$default" sh -c 'grep VmRSS "/proc/$(pidof shardflake)/status"' | tr -dc 0-9)
  echo "    the package adds $added kB to the base image; the service holds $memory kB"
  ((added <= 15 * 1024)) || fail "the package adds too much"
  ((memory <= 8 * 1024)) || fail "the service holds too much"
}

second_run_is_quick() {
  local before began=$SECONDS said
  before=$(everything)
  said=$(scripts/startDefault.sh) || fail "$said"
  [[ $(everything) == "$before" ]] || fail "something changed: $(everything)"
  echo "    the second run: $((SECONDS - began)) s"
  lxc delete --force "$default"
  began=$SECONDS
  scripts/startDefault.sh >/dev/null
  curl -sf http://localhost:7001/generate >/dev/null || fail "it does not serve"
  echo "    from the image to an ID: $((SECONDS - began)) s"
}

foreign_key_is_ignored() {
  local said file
  file=$(configuration 'GO_VERSION="1.21"' 'SERVICE_PORT="7001"')
  said=$(scripts/startDefault.sh "$file" 2>&1) || fail "$said"
  grep -qF "$file:1: warning: GO_VERSION is no setting of this build; ignored" <<<"$said" || fail "$said"
}

# Of the names that the scripts would use, but made by somebody else.
foreign_things_are_left_alone() {
  local said shown file
  lxc profile create sf-foreign >/dev/null
  lxc profile set sf-foreign user.note kept
  file=$(configuration 'CONTAINER_NAME="sf-foreign"')
  shown=$(lxc profile show sf-foreign)
  if said=$(build/build.sh "$file" 2>&1); then fail "went on: $said"; fi
  grep -qF 'the profile sf-foreign was not made by this script' <<<"$said" || fail "$said"
  [[ $(lxc profile show sf-foreign) == "$shown" ]] || fail "the profile was changed"
  lxc profile delete sf-foreign >/dev/null
  lxc init shardflake-v1 shardflake-shard9 >/dev/null
  if said=$(scripts/shard remove 9 2>&1); then fail "it was removed: $said"; fi
  grep -qF 'was not made by this script' <<<"$said" || fail "$said"
  lxc delete shardflake-shard9
}

# A real one: this LXD, asked over the network.
image_of_an_image_server() {
  local file
  [[ $own_lxd == true ]] || {
    echo "    left out: others use this LXD"
    return
  }
  # The list of servers is not to be the user's own. The first call with a new one says hello.
  export LXD_CONF=$scratch/client INCUS_CONF=$scratch/client
  lxc remote list >/dev/null 2>&1
  lxc config set core.https_address 127.0.0.1:8443
  lxc remote add sf-server https://127.0.0.1:8443 --public --accept-certificate >/dev/null
  lxc image show shardflake-base-2 | sed 's/^public: false/public: true/' | lxc image edit shardflake-base-2
  file=$(configuration 'VERSION="9"' 'IMAGE_SOURCE="sf-server:shardflake-base-2"')
  build/build.sh --package "$(package_of_image)" "$file" >/dev/null
  lxc launch shardflake-v9 shardflake-shard9 --config environment.SHARD_ID=9 >/dev/null
  serving shardflake-shard9
  [[ $(machine_of "$(id_of shardflake-shard9)") == 9 ]] || fail "not of shard 9"
  lxc delete --force shardflake-shard9
  lxc config unset core.https_address
}

# The package that the tests install.
package_of_image() {
  local built
  built=$(find "$PWD/target/debian" -maxdepth 1 -name '*.deb' | head -n 1)
  printf '%s' "${SHARDFLAKE_PACKAGE:-$built}"
}
