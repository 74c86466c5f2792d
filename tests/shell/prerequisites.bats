#!/usr/bin/env bats
# What build/build.sh says is missing: scripts/lib/prerequisites.sh. Programs and /proc are stand-ins.

setup() {
  cd "$BATS_TEST_DIRNAME/../.."
  root=$BATS_TEST_TMPDIR/root
  bin=$BATS_TEST_TMPDIR/bin
  mkdir -p "$root/proc" "$root/sys/class/net/lxdbr0" "$bin"
  echo "	btrfs" >"$root/proc/filesystems"
  for name in mkfs.btrfs curl debootstrap lxc; do program "$name" true; done
  program modprobe false
  program df 'printf "Avail\n%s\n" "${FREE:-50000}"'
  for name in bash env grep sed tail tr cat; do ln -s "$(command -v "$name")" "$bin/$name"; done
}

# program NAME TEXT: a stand-in that runs the text.
program() {
  printf '#!/bin/bash\n%s\n' "$2" >"$bin/$1"
  chmod +x "$bin/$1"
}

# checked [LINE…]: the check, after these lines of shell.
checked() {
  run env PATH="$bin" bash -euo pipefail -c '
    source scripts/lib/steps.sh
    source scripts/lib/conf.sh
    source scripts/lib/lxc.sh
    source scripts/lib/prerequisites.sh
    system_root=$1
    # Who runs the tests does not matter.
    check_root() { :; }
    eval "${2:-}"
    check_prerequisites' build.sh "$root" "$@"
}

@test "all is there" {
  checked
  [ "$status" -eq 0 ]
  [[ $output == *"lxc, bridge lxdbr0, BTRFS"* ]]
}

@test "each missing part is told with what mends it" {
  rm "$bin/mkfs.btrfs" "$bin/curl" "$bin/debootstrap"
  : >"$root/proc/filesystems"
  checked
  [ "$status" -eq 1 ]
  [[ $output == *"the BTRFS tools"*"apt install btrfs-progs"* ]]
  [[ $output == *"BTRFS in the kernel"*"modprobe btrfs"* ]]
  [[ $output == *"missing: curl"*"apt install curl"* ]]
  [[ $output == *"missing: debootstrap"*"apt install debootstrap"* ]]
  [[ $output == *"4 prerequisites are missing"* ]]
}

@test "a module of the kernel's is enough" {
  : >"$root/proc/filesystems"
  program modprobe true
  checked
  [ "$status" -eq 0 ]
}

@test "debootstrap is not needed for an image of LXD's" {
  rm "$bin/debootstrap"
  checked 'conf[IMAGE_SOURCE]=images:debian/12'
  [ "$status" -eq 0 ]
}

@test "no client" {
  rm "$bin/lxc"
  checked
  [ "$status" -eq 1 ]
  [[ $output == *"LXD or Incus"*"apt install lxd lxd-client"* ]]
}

@test "a daemon that does not answer" {
  program lxc false
  checked
  [ "$status" -eq 1 ]
  [[ $output == *"a running daemon behind lxc"*"systemctl start lxd"* ]]
}

@test "incus where LXD does not answer" {
  program lxc false
  program incus true
  rmdir "$root/sys/class/net/lxdbr0"
  mkdir "$root/sys/class/net/incusbr0"
  checked
  [ "$status" -eq 0 ]
  [[ $output == *"incus, bridge incusbr0, BTRFS"* ]]
}

@test "no bridge, and not the named one" {
  rmdir "$root/sys/class/net/lxdbr0"
  checked
  [ "$status" -eq 1 ]
  [[ $output == *"the bridge lxdbr0, incusbr0 or lxcbr0"*"lxc network create lxdbr0"* ]]
  mkdir "$root/sys/class/net/lxcbr0"
  checked
  [ "$status" -eq 0 ]
  checked 'conf[NETWORK]=br7'
  [ "$status" -eq 1 ]
  [[ $output == *"the bridge br7"*"lxc network create br7"* ]]
}

@test "little space is a warning" {
  FREE=10239 checked
  [ "$status" -eq 0 ]
  [[ $output == *"warning: only 10239 MB are free"* ]]
  FREE=10240 checked
  [[ $output != *warning* ]]
}

@test "without root it stops" {
  checked 'check_root() { problem "the rights of root" "sudo"; }'
  [ "$status" -eq 1 ]
  [[ $output == *"the rights of root"* ]]
}
