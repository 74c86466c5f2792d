# shellcheck shell=bash
# An LXD for the tests: the host's own where one runs, else one that is brought up here and taken
# down again. The same with Incus where only that is installed, or with SHARDFLAKE_CLIENT=incus.
# Needs part.sh, need.sh and wait.sh.

if [[ -z ${SHARDFLAKE_CLIENT:-} ]]; then
  SHARDFLAKE_CLIENT=lxc
  command -v lxc >/dev/null || ! command -v incus >/dev/null || SHARDFLAKE_CLIENT=incus
fi
export SHARDFLAKE_CLIENT

# Whether the daemon is ours.
own_lxd=false
lxd_home=
# The process that holds the daemon's mount namespace.
lxd_space=

case $SHARDFLAKE_CLIENT in
  lxc)
    product=lxd
    daemon=lxd
    lxd_packages=(lxd lxd-client lxcfs dnsmasq-base nftables iptables uidmap btrfs-progs squashfs-tools)
    ;;
  incus)
    product=incus
    daemon=incusd
    # Where Debian has it.
    PATH+=:/usr/libexec/incus
    lxd_packages=(incus-base lxcfs dnsmasq-base nftables iptables uidmap btrfs-progs squashfs-tools)
    # So that the cases read the same.
    lxc() {
      incus "$@"
    }
    ;;
esac
bridge=${product}br0

# lxd_up FOLDER: a daemon that answers, with a bridge.
lxd_up() {
  if lxc info >/dev/null 2>&1; then
    echo "using the daemon that runs here"
    return
  fi
  need_packages "${lxd_packages[@]}"
  if [[ -d /run/systemd/system ]]; then
    systemctl start "$product.socket"
  else
    lxd_start_own "$1"
  fi
  [[ -d /sys/class/net/$bridge ]] ||
    lxc network create "$bridge" ipv4.address=198.18.71.1/24 ipv6.address=none >/dev/null
}

# Where systemd is not PID 1: in a mount namespace of its own, with an empty /run and the host's
# control groups, so that limits hold.
lxd_start_own() {
  lxd_home=$1
  own_lxd=true
  mkdir -p "$lxd_home" /var/lib/lxcfs
  # One that the host itself runs must not be met.
  export LXD_DIR=$lxd_home INCUS_DIR=$lxd_home INCUS_SOCKET=$lxd_home/unix.socket
  unshare --mount --propagation private "$PWD/tests/lxd/space" "$lxd_home" \
    </dev/null >"$lxd_home/space.log" 2>&1 &
  lxd_space=$!
  wait_until 10 test -e "$lxd_home/ready"
  lxd_daemon
}

# Starts the daemon in its namespace, and waits until it answers.
lxd_daemon() {
  nsenter --mount="/proc/$lxd_space/ns/mnt" "$PWD/tests/lxd/space" --daemon "$lxd_home" "$daemon" \
    </dev/null >>"$lxd_home/lxd.out" 2>&1 &
  # In a file, as a case that restarts it runs in a shell of its own.
  echo "$!" >"$lxd_home/pid"
  "$daemon" waitready --timeout=30
}

# Restarts the daemon; instances go on meanwhile.
lxd_restart() {
  lxd_end
  lxd_daemon
}

lxd_end() {
  local pid
  pid=$(<"$lxd_home/pid")
  kill -TERM "$pid" 2>/dev/null || true
  wait_until 30 is_gone "$pid"
}

# Ended, also if nobody has waited for it yet.
is_gone() {
  ! readlink "/proc/$1/exe" >/dev/null
}

# Takes down what lxd_up brought up. Instances are gone by then.
lxd_down() {
  [[ $own_lxd == true ]] || return 0
  lxc network delete "$bridge" >/dev/null 2>&1 || true
  lxd_end || true
  # Takes lxcfs along, and with the last process of the namespace its mounts go.
  kill -TERM "$lxd_space" 2>/dev/null || true
  wait "$lxd_space" 2>/dev/null || true
  # What the daemon leaves; only where it is empty, that is, nobody else's.
  [[ $(nft list table inet "$product" 2>/dev/null) != "table inet $product {"$'\n}' ]] ||
    nft delete table inet "$product"
  rmdir /sys/fs/cgroup/lxc.pivot /sys/fs/cgroup/*/lxc.pivot 2>/dev/null || true
  own_lxd=false
}
