#!/usr/bin/env bash
# Makes the image that shards are launched from, in LXD or Incus, and what they need: a BTRFS pool,
# a volume for the marks of all shards, a profile. What is there already is kept.
#
#   build/build.sh [--dry-run] [--rebuild] [--package FILE] [CONFIGURATION]
#
#   --dry-run       only tells what would be done
#   --rebuild       makes the image anew, also if it is there
#   --package FILE  installs this .deb instead of building one
#
# The configuration is build/build.conf unless another is named. `--start` is for
# scripts/startDefault.sh: launches the default instance, too.
set -euo pipefail
here=$PWD
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source scripts/lib/help.sh
help_of build/build.sh "$@"
source scripts/lib/steps.sh
source scripts/lib/conf.sh
source scripts/lib/lxc.sh
source scripts/lib/prerequisites.sh
source scripts/lib/need.sh
source scripts/lib/wait.sh
source scripts/lib/debian.sh
source scripts/lib/image.sh
source scripts/lib/storage.sh
source scripts/lib/shards.sh

rebuild=false
start=false
configuration=build/build.conf
package=

# absolute PATH: as it was meant where the caller stood.
absolute() {
  if [[ $1 == /* ]]; then printf '%s' "$1"; else printf '%s/%s' "$here" "$1"; fi
}

read_arguments() {
  local named=false
  while (($#)); do
    case $1 in
      --dry-run) dry_run=true ;;
      --rebuild) rebuild=true ;;
      --start) start=true ;;
      --package)
        [[ $# -ge 2 ]] || usage
        package=$(absolute "$2")
        shift
        ;;
      -*) usage ;;
      *)
        [[ $named == false ]] || usage
        named=true
        configuration=$(absolute "$1")
        ;;
    esac
    shift
  done
}

# shellcheck disable=SC2317 # Called by the trap.
cleanup() {
  local status=$?
  trap - EXIT
  if [[ -n $temporary && -n $client ]]; then remove_instance "$temporary" || true; fi
  if [[ -n $unfinished ]]; then
    echo "removing $unfinished, which did not get to serve" >&2
    remove_instance "$unfinished" || true
  fi
  [[ -z $scratch ]] || rm -rf --one-file-system "$scratch"
  [[ -z $tree_part ]] || rm -rf --one-file-system "$tree_part"
  ((status == 0)) || echo "stopped; what is finished is kept, and the next run goes on from there" >&2
  exit "$status"
}

configure() {
  read_conf "$configuration"
  [[ -z $package ]] || conf[PACKAGE]=$package
  set_names
  note "$configuration"
}

main() {
  read_arguments "$@"
  trap cleanup EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
  step_count=7
  [[ $start == false ]] || step_count=9
  step "configuration" configure
  step "prerequisites" check_prerequisites
  scratch_folder scratch build
  temporary=${conf[CONTAINER_NAME]}-build
  step "storage pool $pool" make_pool
  step "volume $marks" make_marks
  step "profile $profile" make_profile
  step "image $image" find_image
  if [[ $image_wanted == true ]]; then
    step_count=$((step_count + 3))
    step "package" make_package
    step "base image" make_base
    step "publish $image" publish_image
  fi
  step "marks of shards ${conf[SHARD_NUMBERS]:-(none)}" prepare_marks
  if [[ $start == true ]]; then
    step "default instance $image" launch_shard "$image" 0 "${conf[SERVICE_PORT]}"
    step "serving" wait_for_shard "$image" "${conf[SERVICE_PORT]}"
  fi
}

main "$@"
