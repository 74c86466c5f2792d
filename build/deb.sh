#!/usr/bin/env bash
# Builds the Debian package and prints its path as the last line; all else goes to standard error.
#
#   build/deb.sh [--arch amd64|arm64] [--binary PATH]
#
#   --arch    what it is for; this host's own unless said
#   --binary  packages this program instead of building one
#
# Twice the same source gives twice the same bytes: the date is the changelog's.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib/help.sh
help_of build/deb.sh "$@"
source scripts/lib/need.sh
exec 3>&1 >&2

arch=
binary=
changelog=packaging/debian/changelog
out=target/debian

# Without what it needs, nothing is built.
skip() {
  die "$1"
}

die() {
  printf 'build/deb.sh: %s\n' "$1"
  exit 1
}

arguments() {
  while (($#)); do
    (($# >= 2)) || usage
    case "$1" in
      --arch) arch=$2 ;;
      --binary) binary=$2 ;;
      *) usage ;;
    esac
    shift 2
  done
  [[ -z $binary || -x $binary ]] || die "$binary is not a program"
}

tools() {
  need_commands dpkg-dev dpkg-buildpackage dpkg-parsechangelog dpkg-architecture
  need_packages debhelper
  if ! command -v cargo >/dev/null; then
    PATH=${HOME:-/root}/.cargo/bin:$PATH
    command -v cargo >/dev/null || die "cargo is not installed; see https://rustup.rs"
  fi
}

# Sets `version` and the date of everything.
read_changelog() {
  local crate
  version=$(dpkg-parsechangelog -l "$changelog" -S Version)
  SOURCE_DATE_EPOCH=$(dpkg-parsechangelog -l "$changelog" -S Timestamp)
  export SOURCE_DATE_EPOCH
  crate=$(sed -n 's/^version = "\(.*\)"$/\1/p' Cargo.toml | sed -n 1p)
  [[ $version == "$crate" ]] ||
    die "$changelog begins with version $version, Cargo.toml has $crate: write an entry for it"
}

# Sets `triple` for the architecture, and what its linker needs.
target() {
  local host
  host=$(dpkg --print-architecture)
  arch=${arch:-$host}
  case "$arch" in
    amd64) triple=x86_64-unknown-linux-gnu ;;
    arm64) triple=aarch64-unknown-linux-gnu ;;
    *) die "packages are made for amd64 and arm64, not for $arch" ;;
  esac
  foreign=
  [[ $arch != "$host" ]] || return 0
  foreign=$arch
  cross_tools
}

# A linker and the standard library for another architecture.
cross_tools() {
  local gnu
  gnu=$(dpkg-architecture -a "$arch" -q DEB_HOST_GNU_TYPE 2>/dev/null)
  need_packages "gcc-${gnu//_/-}" "libc6-dev-$arch-cross"
  export "CARGO_TARGET_$(tr a-z- A-Z_ <<<"$triple")_LINKER=$gnu-gcc"
  [[ -d $(rustc --print sysroot)/lib/rustlib/$triple/lib ]] ||
    { command -v rustup >/dev/null && rustup target add "$triple"; } ||
    die "this Rust has no standard library for $triple, and rustup could not add it; build on $arch itself, or on a host with that target"
}

# In a folder of its own: the date is built in, and would make every other release build start anew.
build() {
  local cargo_home=${CARGO_HOME:-${HOME:-/root}/.cargo}
  CARGO_TARGET_DIR=$out/cargo \
    RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix=$cargo_home=/cargo --remap-path-prefix=$PWD=/shardflake" \
    cargo build --release --locked --bin shardflake --target "$triple"
}

# Sets `binary` to what is packaged, and `speaker` to the same for this host, which tells its own
# manual pages and completions.
programs() {
  if [[ -z $binary ]]; then
    build
    binary=$out/cargo/$triple/release/shardflake
  fi
  speaker=$binary
  [[ -n $foreign ]] || return 0
  cargo build --locked --bin shardflake
  speaker=target/debug/shardflake
}

# Lays out in `stage` what packaging/debian/rules expects.
lay_out() {
  rm -rf "$out/stage-$arch"
  mkdir -p "$stage"/{bin,drop-ins,etc,lxc,man,completions,sysusers}
  cp -r packaging/debian "$stage/debian"
  install -m 755 "$binary" "$stage/bin/shardflake"
  cp packaging/etc/*.toml "$stage/etc"
  install -m 755 packaging/lxc/lxc-number "$stage/lxc"
  cp packaging/etc/shardflake.default "$stage/debian/shardflake.default"
  cp systemd/*.service systemd/*.socket "$stage/debian"
  cp -r systemd/*.d "$stage/drop-ins"
  cp systemd/shardflake.sysusers.conf "$stage/sysusers/shardflake.conf"
  cp systemd/shardflake.catalog "$stage"
  cp -r packaging/doc packaging/sql packaging/clients "$stage"
  manual_pages
  completions
  crates >"$stage/crates.txt"
}

# Those that are kept in the repository, that of the program (8), and one for each command (1).
manual_pages() {
  local command
  cp packaging/man/*.[158] "$stage/man"
  "$speaker" man >"$stage/man/shardflake.8"
  sed -n 's/^shardflake\\-\([a-z\\-]*\)(1)$/\1/p' "$stage/man/shardflake.8" | tr -d \\\\ |
    while read -r command; do
      "$speaker" man "$command" >"$stage/man/shardflake-$command.1"
    done
}

completions() {
  "$speaker" completions bash >"$stage/completions/shardflake"
  "$speaker" completions zsh >"$stage/completions/_shardflake"
  "$speaker" completions fish >"$stage/completions/shardflake.fish"
}

# What the program is made of, with the notices that its licenses ask to be passed on.
crates() {
  local crate name version license sources folder file
  cargo fetch --quiet --locked --target "$triple"
  sources=$(echo "${CARGO_HOME:-${HOME:-/root}/.cargo}"/registry/src/*/)
  echo "The libraries that shardflake is made of. Each is used under MIT where it may be."
  cargo tree --locked --offline --target "$triple" --edges normal,no-proc-macro --prefix none \
    --format '{p} {l}' | sed 's/ (\*)$//' | LC_ALL=C sort -u | while read -r name version license; do
    [[ $name != shardflake && $name != shardflake-server ]] || continue
    printf '\n=== %s %s: %s\n\n' "$name" "${version#v}" "$license"
    for folder in $sources; do
      crate=$folder$name-${version#v}
      for file in "$crate"/LICENSE-MIT* "$crate"/LICENSE* "$crate"/license*; do
        [[ ! -f $file ]] || {
          tr -d '\r' <"$file"
          break 2
        }
      done
    done
  done
}

# What dpkg-shlibdeps cannot know of another architecture's libraries, whose packages are not
# installed here: which ones they are in, and from which version the program can use them.
foreign_libraries() {
  local glibc
  glibc=$(objdump -T "$binary" | grep -o 'GLIBC_[0-9.]*' | sort -Vu | tail -n 1)
  printf '%s\n' "libc 6 libc6 (>= ${glibc#GLIBC_})" "libm 6 libc6 (>= ${glibc#GLIBC_})" \
    "ld-linux-aarch64 1 libc6 (>= ${glibc#GLIBC_})" "libgcc_s 1 libgcc-s1 (>= 4.2)" \
    >"$stage/debian/shlibs.local"
  export SHLIBDEPS=-l/usr/${triple/-unknown/}/lib
}

package() {
  local flags=(--build=binary --no-sign)
  if [[ -n $foreign ]]; then
    foreign_libraries
    flags+=("--host-arch=$foreign")
  fi
  (cd "$stage" && dpkg-buildpackage "${flags[@]}")
  mv "$out/stage-$arch/$deb" "$out/$deb"
}

arguments "$@"
tools
read_changelog
target
programs
stage=$out/stage-$arch/shardflake-$version
deb=shardflake_${version}_$arch.deb
lay_out
package
printf '%s\n' "$out/$deb" >&3
