# shellcheck shell=bash
# The image that images are built from: there is no registry of images to ask, so it is made here, of
# a Debian with a C compiler, this host's Rust, and the sources of all dependencies.
# Needs need.sh and debian.sh.

# make_builder FOLDER: lays the image out in FOLDER, which is not there yet.
make_builder() {
  # shellcheck disable=SC2034 # Instead of those of a Debian that boots.
  debian_packages=gcc,libc6-dev
  # shellcheck disable=SC2119 # The mirror of the host is meant.
  bootstrap_debian || {
    (($? != 3)) || skip "this host's apt knows no Debian 12 to build in"
    return 1
  }
  # shellcheck disable=SC2154 # Set by bootstrap_debian.
  cp -a --reflink=auto "$tree" "$1"
  mkdir -p "$1/usr/local/cargo"
  copy_rust "$1/usr/local"
  # Not --quiet: then it does not tell the configuration that makes cargo look there.
  cargo vendor --locked --versioned-dirs "$1/usr/local/vendor" 2>"$1.log" |
    sed 's|^directory = .*|directory = "/usr/local/vendor"|' >"$1/usr/local/cargo/config.toml"
}

# copy_rust PREFIX: what it takes to compile for this host.
copy_rust() {
  local from host
  from=$(rustc --print sysroot)
  host=$(rustc --print host-tuple)
  mkdir -p "$1/bin" "$1/lib/rustlib"
  cp "$from"/bin/{cargo,rustc} "$1/bin"
  cp "$from"/lib/lib{rustc_driver,LLVM}* "$1/lib"
  cp -r "$from/lib/rustlib/$host" "$1/lib/rustlib"
}
