# shellcheck shell=bash
# A Debian 12 that boots in a container, also where systemd is not PID 1.
# Needs part.sh, need.sh and wait.sh.

nspawn_suite=bookworm
nspawn_packages=systemd,systemd-sysv,dbus,libnss-systemd,iproute2,procps,curl
# To be changed with anything else that debian_tree does.
nspawn_recipe=1

# Prints where the host's own apt gets Debian 12 from; nothing if it does not.
debian_mirror() {
  # shellcheck disable=SC2016 # apt-get replaces the name, not the shell.
  apt-get indextargets --format '$(REPO_URI)' \
    'Created-By: Packages' "Codename: $nspawn_suite" 'Component: main' | sed -n 1p
}

# Sets `tree` to the folder of a pristine Debian 12, made once and kept.
debian_tree() {
  local key mirror part proxy
  key=$(sha256sum <<<"$nspawn_suite $nspawn_packages $nspawn_recipe $(dpkg --print-architecture)")
  tree="$(cache_dir)/debian-${key:0:16}"
  [[ ! -d $tree ]] || return 0
  mirror=$(debian_mirror)
  [[ -n $mirror ]] || skip "this host's apt knows no Debian 12 ($nspawn_suite) to boot"
  proxy=$(apt-config dump --format '%v' Acquire::http::Proxy)
  part="$tree.part.$$"
  mkdir -p "$(cache_dir)"
  if ! http_proxy=${proxy:-${http_proxy:-}} debootstrap --variant=minbase \
    --include="$nspawn_packages" "$nspawn_suite" "$part" "$mirror" >"$part.log" 2>&1; then
    tail -n 20 "$part.log"
    rm -rf --one-file-system "$part" "$part.log"
    return 1
  fi
  rm -f "$part.log" "$part"/var/cache/apt/archives/*.deb
  # Empty: every boot of a copy draws its own.
  : >"$part/etc/machine-id"
  mv -T "$part" "$tree"
}

# In a mount namespace of its own: an empty /run and a pure cgroup2 tree, as systemd-nspawn wants.
machine_mounts() {
  umount -R /sys/fs/cgroup
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  mount -t tmpfs -o mode=755 tmpfs /run
}

# remove_cgroup NAME: what a machine leaves behind, seen from outside of its mount namespace.
remove_cgroup() {
  # shellcheck disable=SC2016 # The inner shell expands it.
  unshare --mount --propagation private sh -c '
    umount -R /sys/fs/cgroup
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    [ ! -d "/sys/fs/cgroup/$1" ] || find "/sys/fs/cgroup/$1" -depth -type d -exec rmdir {} +
  ' sh "$1"
}

# boot ROOT CGROUP LOG [FLAG…]: starts the machine and waits until its units are up.
# Sets `machine` (systemd-nspawn) and `leader` (the machine's PID 1).
boot() {
  local root=$1 cgroup=/sys/fs/cgroup/$2 log=$3
  shift 3
  mkdir -p "$cgroup"
  (
    echo "$BASHPID" >"$cgroup/cgroup.procs"
    exec systemd-nspawn --quiet --directory="$root" --boot --register=no --keep-unit \
      --console=pipe --private-network "$@"
  ) </dev/null >>"$log" 2>&1 &
  machine=$!
  leader=
  # The bus must be there before systemctl can wait for the rest.
  if ! wait_until 30 find_leader ||
    ! wait_until 30 test -S "/proc/$leader/root/run/dbus/system_bus_socket" ||
    ! wait_until 30 is_up; then
    echo "the machine did not boot:"
    tail -n 30 "$log"
    return 1
  fi
}

# The machine's PID 1 is 1 in a PID namespace below this one.
find_leader() {
  local status pid
  kill -0 "$machine" 2>/dev/null || return 1
  for status in /proc/[0-9]*/status; do
    pid=${status//[!0-9]/}
    if grep -qsE '^NSpid:\s+[0-9]+\s+1$' "$status"; then
      leader=$pid
      return 0
    fi
  done
  return 1
}

is_up() {
  local state
  state=$(inside systemctl is-system-running 2>/dev/null) || true
  [[ $state == running || $state == degraded ]]
}

# inside COMMAND…: runs it in the machine.
inside() {
  nsenter --target "$leader" --all -- \
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 "$@"
}

# Shuts the machine down in an orderly way.
power_off() {
  kill -s RTMIN+3 "$leader"
  if ! wait_until 30 is_off; then
    kill -KILL "$machine"
    wait "$machine" || true
    echo "the machine did not power off"
    return 1
  fi
  wait "$machine" || true
}

is_off() {
  ! kill -0 "$machine" 2>/dev/null
}
