# shellcheck shell=bash
# What must be there before anything is made: every problem is told, each with what mends it.
# Needs steps.sh, conf.sh and lxc.sh.
# shellcheck disable=SC2154 # They set conf and client.

# Stands before /proc and /sys; for tests.
system_root=
problems=0

# problem TEXT FIX
problem() {
  problems=$((problems + 1))
  printf '      missing: %s\n        to fix it: %s\n' "$1" "$2" >&2
}

check_prerequisites() {
  problems=0
  check_root
  check_btrfs
  check_commands
  check_daemon
  check_space
  ((problems == 0)) || die "$problems prerequisites are missing"
  note "$client, bridge $bridge, BTRFS"
}

check_root() {
  ((EUID == 0)) || problem "the rights of root" "sudo $0"
}

check_btrfs() {
  command -v mkfs.btrfs >/dev/null ||
    problem "the BTRFS tools (mkfs.btrfs)" "apt install btrfs-progs"
  grep -qw btrfs "$system_root/proc/filesystems" || modprobe --quiet --dry-run btrfs 2>/dev/null ||
    problem "BTRFS in the kernel" "modprobe btrfs, or a kernel that has it"
}

check_commands() {
  command -v curl >/dev/null || problem "curl" "apt install curl"
  [[ ${conf[IMAGE_SOURCE]} != debootstrap ]] || command -v debootstrap >/dev/null ||
    problem "debootstrap" "apt install debootstrap, or an IMAGE_SOURCE of LXD's in build.conf"
}

check_daemon() {
  bridge=
  if ! pick_client; then
    problem "LXD or Incus" "apt install lxd lxd-client (Debian 12), snap install lxd, or apt install incus"
  elif ! lx info >/dev/null 2>&1; then
    problem "a running daemon behind $client" "systemctl start ${client/lxc/lxd}, or $client info for why not"
  elif ! find_bridge; then
    problem "the bridge ${conf[NETWORK]:-lxdbr0, incusbr0 or lxcbr0}" \
      "$client network create ${conf[NETWORK]:-${client/lxc/lxd}br0}"
  fi
}

# Sets `bridge` to the one of build.conf, or to the first that exists.
find_bridge() {
  local name
  for name in ${conf[NETWORK]:-lxdbr0 incusbr0 lxcbr0}; do
    if [[ -d $system_root/sys/class/net/$name ]]; then
      bridge=$name
      return 0
    fi
  done
  return 1
}

check_space() {
  local folder free
  folder=$(daemon_folder)
  free=$(free_megabytes "$folder")
  ((free >= 10240)) || warn "only $free MB are free in $folder; 10 GB and more are advised"
}

free_megabytes() {
  df --output=avail --block-size=1M "$1" | tail -n 1 | tr -d ' '
}
