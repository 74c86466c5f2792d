# shellcheck shell=bash
# Where cargo builds in a test run. Needs need.sh.

# share_dependencies: what cargo makes on its way goes to one folder in the cache, so that the crates of
# others are compiled once for all packages here and all clones of the repository; what it was asked for
# still ends up in target/. A cargo older than 1.91 takes no notice, and builds in target/ as ever.
share_dependencies() {
  local lock
  CARGO_BUILD_BUILD_DIR=$(cache_dir)/build
  export CARGO_BUILD_BUILD_DIR
  mkdir -p "$CARGO_BUILD_BUILD_DIR"
  # Held until this process and all that it starts are gone.
  exec {lock}<"$CARGO_BUILD_BUILD_DIR"
  ! flock --nonblock "$lock" || forget_own_builds "$CARGO_BUILD_BUILD_DIR"
  flock --shared "$lock"
}

# own_dependencies: builds by itself from here on, where several cargos build side by side: in one folder
# each would wait for the other.
own_dependencies() {
  unset CARGO_BUILD_BUILD_DIR
}

# forget_own_builds FOLDER: of the packages here each clone has builds of its own in that folder, for which
# there is no use once the clone is gone. Those that are a day old go.
forget_own_builds() {
  local folder=$1 name of=() built profile hash
  while read -r name; do
    of+=(-o -name "$name-????????????????")
  done < <(git ls-files '*Cargo.toml' | xargs sed -n '/^\[package\]/,/^$/s/^name = "\(.*\)"$/\1/p')
  find "$folder" -path '*/.fingerprint/*' -prune -type d -mmin +1440 \( -false "${of[@]}" \) -print0 |
    while IFS= read -r -d '' built; do
      profile=${built%/.fingerprint/*}
      hash=${built##*-}
      rm -rf "$built" "$profile"/{deps,examples,build}/*-"$hash"*
    done
  find "$folder" -path '*/incremental/*' -prune -type d -mmin +1440 -exec rm -rf {} +
}
