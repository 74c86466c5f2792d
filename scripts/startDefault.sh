#!/usr/bin/env bash
# A single instance that serves, from nothing: builds the image if it is not there, launches the
# default instance with SHARD_ID=0, and waits until it serves.
#
#   scripts/startDefault.sh [--dry-run] [--rebuild] [--package FILE] [CONFIGURATION]
set -euo pipefail
exec "$(dirname "${BASH_SOURCE[0]}")/../build/build.sh" --start "$@"
