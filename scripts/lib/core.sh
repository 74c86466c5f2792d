# shellcheck shell=bash
# Copies of the source in which one thing after the other is broken, to see that a test notices.

# What the layers that keep IDs unique are made of, as src/lib.rs declares it.
core='atomic|clock|id|issuer|mark|syscall|timestamp'

# copy_source FOLDER: a copy of the source as it is now.
copy_source() {
  mkdir -p "$1"
  git ls-files -z --cached --others --exclude-standard |
    tar --create --null --files-from=- --ignore-failed-read |
    tar --extract --directory "$1"
}

# reached MODULE: the modules that it is built of, itself among them, as `core` has it.
reached() {
  local all=("$1") next module
  for ((next = 0; next < ${#all[@]}; next++)); do
    while IFS= read -r module; do
      [[ " ${all[*]} " == *" $module "* ]] || all+=("$module")
    done < <(find "src/${all[next]}" "src/${all[next]}.rs" -name '*.rs' -exec grep -hoE 'crate::[a-z_]+' {} + 2>/dev/null |
      sed 's/crate:://' | sort -u)
  done
  (
    IFS='|'
    printf '%s\n' "${all[*]}"
  )
}

# cut_down SECTIONS [MODULES]: leaves the ID core of the copy at hand, which builds in seconds, or these
# modules; sections of Cargo.toml whose heads match that expression go.
cut_down() {
  local manifest lib modules=${2:-$core}
  manifest=$(sections=$1 awk '/^\[/ { keep = $0 !~ ENVIRON["sections"] } keep && !/^build = /' Cargo.toml)
  lib=$(sed -nE "/^(pub )?mod ($modules);/p" src/lib.rs)
  # Tests in documentation would need a second build each time, without the unit tests.
  printf '%s\n' "${manifest/'[lib]'/$'[lib]\ndoctest = false'}" >Cargo.toml
  printf '%s\n' "$lib" >src/lib.rs
  rm -f src/main.rs
}
