# shellcheck shell=bash
# A Debian 12 that boots in a container, also where systemd is not PID 1.
# Needs part.sh, need.sh and wait.sh.

source scripts/lib/debian.sh

# Sets `tree` to a pristine Debian 12; where the host's apt knows none, the part is skipped.
debian_tree() {
  local status=0
  # shellcheck disable=SC2119 # The mirror of the host is meant.
  bootstrap_debian || status=$?
  ((status != 3)) || skip "this host's apt knows no Debian 12 to boot"
  return "$status"
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
