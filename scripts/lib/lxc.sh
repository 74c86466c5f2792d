# shellcheck shell=bash
# LXD or Incus, whichever is here, and what these scripts have made in it. Needs steps.sh.

# Stands in the configuration of everything that these scripts make; what lacks it is not touched.
made=user.shardflake.made

# `lxc` (LXD) or `incus`; set by pick_client.
client=

# pick_client: the first that answers, else the first that is installed; 1 if none is.
pick_client() {
  local name
  client=
  for name in ${SHARDFLAKE_CLIENT:-lxc incus}; do
    command -v "$name" >/dev/null || continue
    : "${client:=$name}"
    if "$name" info >/dev/null 2>&1; then
      client=$name
      return 0
    fi
  done
  [[ -n $client ]]
}

# lx ARGUMENT…: the client; what it runs in an instance gets no input.
lx() {
  "$client" "$@" </dev/null
}

# Whether there is such a thing: storage, profile, image or network, and whether it is ours.
has() {
  lx "$@" >/dev/null 2>&1
}

is_made() {
  [[ $(lx "$@" "$made" 2>/dev/null) == true ]]
}

instance_exists() {
  has config show "$1"
}

instance_is_made() {
  is_made config get "$1"
}

# instance_state NAME: RUNNING, STOPPED or another of LXD's words.
instance_state() {
  lx list "^$1\$" --format csv --columns s
}

# remove_instance NAME: one of ours. LXD refuses for a moment what it is still busy with.
remove_instance() {
  ! instance_is_made "$1" || wait_until 20 has delete --force "$1"
}

# Where the daemon keeps its files.
daemon_folder() {
  local folder
  for folder in "${LXD_DIR:-}" "${INCUS_DIR:-}" /var/snap/lxd/common/lxd "/var/lib/${client/lxc/lxd}"; do
    if [[ -n $folder && -d $folder ]]; then
      printf '%s' "$folder"
      return
    fi
  done
  printf '/var/lib'
}
