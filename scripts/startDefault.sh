#!/usr/bin/env bash
# A single instance that serves, from nothing: builds the image if it is not there, launches the
# default instance with SHARD_ID=0, and waits until it serves.
#
#   scripts/startDefault.sh [--dry-run] [--rebuild] [--package FILE] [CONFIGURATION]
set -euo pipefail
here=$(dirname "${BASH_SOURCE[0]}")
# shellcheck source=scripts/lib/help.sh
source "$here/lib/help.sh"
help_of "${BASH_SOURCE[0]}" "$@"
exec "$here/../build/build.sh" --start "$@"
