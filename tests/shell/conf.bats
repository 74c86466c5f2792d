#!/usr/bin/env bats
# How build.conf is read: scripts/lib/conf.sh.

setup() {
  cd "$BATS_TEST_DIRNAME/../.."
  file=$BATS_TEST_TMPDIR/build.conf
}

# values OF…: reads the file, and prints what these keys then are.
values() {
  bash -euo pipefail -c '
    source scripts/lib/steps.sh
    source scripts/lib/conf.sh
    read_conf "$1"
    shift
    for key; do printf "%s=%s\n" "$key" "${conf[$key]}"; done' build.sh "$file" "$@"
}

@test "the shipped file has exactly the defaults" {
  run bash -euo pipefail -c '
    source scripts/lib/steps.sh
    source scripts/lib/conf.sh
    defaults=$(declare -p conf)
    read_conf build/build.conf
    [[ $(declare -p conf) == "$defaults" ]]
    for key in "${!conf[@]}"; do [[ -n ${conf_line[$key]:-} ]] || { echo "$key lacks"; exit 1; }; done'
  [ "$status" -eq 0 ]
  [ -z "$output" ]
}

@test "quotes, bare words, comments, blank lines and line ends of Windows" {
  printf '%s\n' '# comment' '' 'VERSION="2" # two' "CONTAINER_NAME='ids'" '  SERVICE_PORT=7100  ' \
    $'STORAGE_QUOTA_SIZE="3G"\r' >"$file"
  run values VERSION CONTAINER_NAME SERVICE_PORT STORAGE_QUOTA_SIZE
  [ "$status" -eq 0 ]
  [ "$output" = $'VERSION=2\nCONTAINER_NAME=ids\nSERVICE_PORT=7100\nSTORAGE_QUOTA_SIZE=3G' ]
}

@test "a last line without an end counts" {
  printf 'VERSION="7"' >"$file"
  run values VERSION
  [ "$output" = VERSION=7 ]
}

@test "a foreign key is warned about and ignored" {
  printf 'GO_VERSION="1.21"\nVERSION="2"\n' >"$file"
  run values VERSION
  [ "$status" -eq 0 ]
  [[ $output == *"$file:1: warning: GO_VERSION is no setting of this build; ignored"* ]]
  [[ $output == *VERSION=2 ]]
}

@test "nothing in the file is run" {
  local trap=$BATS_TEST_TMPDIR/ran
  for text in "CONTAINER_NAME=\"\$(touch $trap)\"" "CONTAINER_NAME=\`touch $trap\`" \
    "touch $trap" "CONTAINER_NAME=a; touch $trap" "CONTAINER_NAME[\$(touch $trap)]=1" \
    "SERVICE_PORT=\"x[\$(touch $trap)]\"" "SHARD_NUMBERS=\"x[\$(touch $trap)]\""; do
    printf '%s\n' "$text" >"$file"
    run values
    [ "$status" -ne 0 ]
    [ ! -e "$trap" ]
  done
}

@test "every wrong line is named, with the file and its number" {
  printf '%s\n' 'VERSION="1' 'SERVICE_PORT="70000"' 'nonsense' 'VERSION="1"' 'VERSION="2"' >"$file"
  run values
  [ "$status" -ne 0 ]
  [[ $output == *"$file:1: VERSION: a quote is missing"* ]]
  [[ $output == *"$file:2: SERVICE_PORT=\"70000\" does not fit (a port, 1 to 65535)"* ]]
  [[ $output == *"$file:3: not KEY=\"value\": nonsense"* ]]
  [[ $output == *"$file:5: VERSION is set before, at $file:4"* ]]
  [[ $output == *"4 wrong lines"* ]]
}

@test "values that do not fit are refused" {
  for line in 'SERVICE_PORT=0' 'SERVICE_PORT=07001' 'SERVICE_PORT=' 'STORAGE_QUOTA_SIZE=0G' \
    'STORAGE_QUOTA_SIZE="5 G"' 'STORAGE_QUOTA_SIZE=-5G' 'CONTAINER_NAME=-x' 'CONTAINER_NAME=Ab' \
    'SHARD_NUMBERS=5-4' 'SHARD_NUMBERS=65536' 'SHARD_NUMBERS=0-99999' 'STORAGE_SOURCE=relative' \
    'IMAGE_SOURCE=' 'PACKAGE=relative.deb' 'NETWORK=../x'; do
    printf '%s\n' "$line" >"$file"
    run values
    [ "$status" -ne 0 ] || {
      echo "taken: $line"
      false
    }
  done
}

@test "a missing file is an error" {
  run values
  [ "$status" -ne 0 ]
  [[ $output == *"there is no configuration $file"* ]]
}

@test "5G are 5GiB to LXD; other sizes stay" {
  run bash -euo pipefail -c 'source scripts/lib/conf.sh; for size in 5G 512M 1T 5GB 7MiB; do size_of $size; echo; done'
  [ "$output" = $'5GiB\n512MiB\n1TiB\n5GB\n7MiB' ]
}
