# shellcheck shell=bash
# What a script needs: found, or installed where that is allowed, or the part is skipped.
# Needs part.sh.

# The folder for what is kept between runs.
cache_dir() {
  printf '%s/shardflake\n' "${XDG_CACHE_HOME:-${HOME:?}/.cache}"
}

# scratch_folder VARIABLE KIND: sets the variable to a new folder in the cache, locked until this process
# and all that it starts are gone. Folders of the kind that nobody locks go: a killed run left them.
scratch_folder() {
  local -n made=$1
  local kind=$2 cache all own left
  cache=$(cache_dir)
  mkdir -p "$cache"
  # One at a time, so that nobody takes away what is made here and not locked yet.
  exec {all}<"$cache"
  flock "$all"
  for left in "$cache/$kind".????????; do
    [[ -d $left ]] || continue
    exec {own}<"$left"
    ! flock --nonblock "$own" || rm -rf --one-file-system "$left"
    exec {own}<&-
  done
  made=$(mktemp -d -p "$cache" "$kind.XXXXXXXX")
  # Never closed: the lock goes with the last process that has it.
  exec {own}<"$made"
  flock "$own"
  exec {all}<&-
}

# need_packages PACKAGE…: Debian packages, installed when missing and when run as root.
need_packages() {
  local package missing=()
  command -v dpkg-query >/dev/null || skip "dpkg is not here; install by hand: $*"
  for package in "$@"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
      missing+=("$package")
  done
  ((${#missing[@]})) || return 0
  ((EUID == 0)) || skip "needs: apt install ${missing[*]}"
  apt_install "${missing[@]}" || skip "apt-get could not install ${missing[*]}"
}

# Installs packages, with fresh lists only if the ones at hand do not do.
apt_install() {
  local install=(env DEBIAN_FRONTEND=noninteractive
    apt-get install -y -qq --no-install-recommends "$@")
  "${install[@]}" || { apt-get update -qq && "${install[@]}"; }
}

# need_commands PACKAGE COMMAND…: the package, unless the commands are here in another way.
need_commands() {
  local package=$1 command
  shift
  for command in "$@"; do
    command -v "$command" >/dev/null || need_packages "$package"
  done
}

# need_cargo_tool NAME VERSION: a program of exactly that version from the Rust package registry,
# a cargo subcommand or not, put first in PATH.
need_cargo_tool() {
  local name=$1 version=$2 root
  root="$(cache_dir)/tools/$name-$version"
  PATH="$root/bin:$PATH"
  [[ $(cargo "${name#cargo-}" --version 2>/dev/null || "$name" --version 2>/dev/null) == "$name $version" ]] &&
    return 0
  echo "installing $name $version into $root"
  cargo install --locked --quiet --root "$root" --version "$version" "$name" ||
    skip "$name $version is not here and could not be installed"
}

# need_npm_tool PROGRAM PACKAGE VERSION: a program of exactly that version from Node's package registry, put
# first in PATH.
need_npm_tool() {
  local program=$1 name=$2 version=$3 root
  need_commands npm npm
  root="$(cache_dir)/tools/$name-$version"
  PATH="$root/node_modules/.bin:$PATH"
  [[ $("$program" --version 2>/dev/null) != *" $version" ]] || return 0
  echo "installing $name $version into $root"
  npm install --silent --prefix "$root" --no-audit --no-fund --ignore-scripts --save-exact "$name@$version" ||
    skip "$name $version is not here and could not be installed"
}

# need_component NAME: a component of the Rust toolchain in use.
need_component() {
  command -v rustup >/dev/null || return 0
  grep -q "^$1\b" <<<"$(rustup component list --installed)" ||
    rustup component add "$1" || skip "rustup could not add $1"
}

# need_namespaces FLAG…: of mounts, and of what unshare's flags name.
need_namespaces() {
  unshare "$@" --mount --fork --propagation private sh -c 'mount -t tmpfs tmpfs /run' 2>/dev/null ||
    skip "this host lets nobody mount in a namespace of its own"
}
