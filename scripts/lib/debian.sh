# shellcheck shell=bash
# A pristine Debian 12 with systemd, made once and kept: what containers are made of.
# Needs need.sh.

debian_suite=bookworm
# udev and what is after it: for containers with a network.
debian_packages=systemd,systemd-sysv,dbus,libnss-systemd,iproute2,procps,curl
debian_packages+=,udev,netbase,ca-certificates
# To be changed with anything else that bootstrap_debian does.
debian_recipe=2

# Prints where the host's own apt gets Debian 12 from; nothing if it does not.
debian_mirror() {
  # shellcheck disable=SC2016 # apt-get replaces the name, not the shell.
  apt-get indextargets --format '$(REPO_URI)' \
    'Created-By: Packages' 'Origin: Debian' "Codename: $debian_suite" 'Component: main' | sed -n 1p
}

# What bootstrap_debian is making; to be removed by the caller's trap.
tree_part=

# bootstrap_debian [MIRROR]: sets `tree` to the folder of the Debian. Without a mirror, the one that the
# host's apt uses; 3 if that knows none.
bootstrap_debian() {
  local key mirror=${1:-} proxy
  key=$(sha256sum <<<"$debian_suite $debian_packages $debian_recipe $(dpkg --print-architecture)")
  tree="$(cache_dir)/debian-${key:0:16}"
  [[ ! -d $tree ]] || return 0
  [[ -n $mirror ]] || mirror=$(debian_mirror)
  # Without package lists apt does not tell.
  [[ -n $mirror ]] || { apt-get update -qq && mirror=$(debian_mirror); } || true
  [[ -n $mirror ]] || return 3
  proxy=$(apt-config dump --format '%v' Acquire::http::Proxy)
  scratch_folder tree_part debian
  # In a mount namespace of its own, so that no mount of debootstrap's can be left over.
  if ! http_proxy=${proxy:-${http_proxy:-}} unshare --mount --propagation private \
    debootstrap --variant=minbase --include="$debian_packages" \
    "$debian_suite" "$tree_part/root" "$mirror" >"$tree_part/log" 2>&1; then
    tail -n 20 "$tree_part/log"
    return 1
  fi
  rm -f "$tree_part"/root/var/cache/apt/archives/*.deb
  # Empty: every boot of a copy draws its own.
  : >"$tree_part/root/etc/machine-id"
  # Somebody else may have made it meanwhile.
  mv -T "$tree_part/root" "$tree" || [[ -d $tree ]]
}
