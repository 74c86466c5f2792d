#!/usr/bin/env bash
# A Cargo feature is on, and the type that it brings is not there: ferroid's atomic ULID generator does not
# exist on x86-64 Linux, whatever processor the compiler is told of.
#
#   findings/atomic-ulid-by-target.sh
#
# Versions:  ferroid 2.0.0, with stable Rust 1.95
# Behaviour: The feature `atomic` brings AtomicSnowflakeGenerator everywhere, and AtomicMonoUlidGenerator only
#            where target_has_atomic is 128. That is a property of the target: 64-bit Arm on Linux and Intel Macs
#            have it, x86-64 Linux has not, also with -C target-feature=+cmpxchg16b, though portable-atomic, which
#            the generator is built on, has 128 bits there. The message names neither the feature nor the target.
# Seen:      on x86-64 Linux, plain and with +cmpxchg16b:
#            error[E0432]: unresolved import `ferroid::generator::AtomicMonoUlidGenerator`
#            targets with atomics of 128 bits: aarch64-unknown-linux-gnu x86_64-apple-darwin
# Matters:   A library that offers ULIDs by it compiles on its author's Mac, and not on the servers that it is for;
#            and whoever compares with "ferroid's atomic ULID generator" there compares with the one behind a lock.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib/help.sh
help_of findings/atomic-ulid-by-target.sh "$@"
takes_no_arguments "$@"

target=x86_64-unknown-linux-gnu
if [[ $(rustc --print host-tuple) != "$target" ]]; then
  echo "this is not $target"
  exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT
mkdir "$folder/src"
cat >"$folder/Cargo.toml" <<'TOML'
[package]
name = "ulids"
version = "0.0.0"
edition = "2024"

[dependencies]
ferroid = { version = "=2.0.0", features = ["alloc", "atomic", "snowflake", "std", "ulid"] }

[workspace]
TOML
cat >"$folder/src/main.rs" <<'RUST'
use ferroid::generator::AtomicSnowflakeGenerator as _;
use ferroid::generator::AtomicMonoUlidGenerator as _;

fn main() {}
RUST
cd "$folder"
cargo fetch --quiet || exit 77

# What a build with these flags of the compiler says.
said() {
  env -u CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_BUILD_DIR="$folder/target" CARGO_TARGET_DIR="$folder/target" \
    RUSTFLAGS="$1" cargo check --quiet >"$folder/said" 2>&1
}

as_told=0
for flags in "" "-C target-feature=+cmpxchg16b"; do
  ! said "$flags" || as_told=1
  printf '%-32s %s\n' "${flags:-plain}" "$(grep -m 1 '^error' "$folder/said")"
  # One type is not there, the other one is, and nothing is said of the reason.
  grep -qE '^error\[E0432\]: .*AtomicMonoUlidGenerator.$' "$folder/said" || as_told=1
  ! grep -qE 'cmpxchg16b|target_has_atomic|AtomicSnowflakeGenerator.$' "$folder/said" || as_told=1
done
have=()
for other in aarch64-unknown-linux-gnu x86_64-apple-darwin "$target"; do
  ! rustc --print cfg --target "$other" | grep -qx 'target_has_atomic="128"' || have+=("$other")
done
echo "targets with atomics of 128 bits: ${have[*]}"
[[ ${have[*]} == "aarch64-unknown-linux-gnu x86_64-apple-darwin" ]] || as_told=1
exit "$as_told"
