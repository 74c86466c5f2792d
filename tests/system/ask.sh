# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # What the caller sets, and what its functions read.
# Asking the unit, the service and the journal in the machine.
# Needs wait.sh, cases.sh and nspawn.sh; `root`, `scratch`, `unit` and `url` are its caller's.

# What the service said.
after_failure() {
  inside systemctl --no-pager --lines=0 status "$unit" || true
  inside journalctl --no-pager -u "$unit" -n 15 || true
}

# property NAME: of the unit.
property() {
  inside systemctl show --value --property="$1" "$unit"
}

# fetch PATH: the body, whatever the status.
fetch() {
  inside curl -sS -m 5 "$url$1"
}

# fetch_unix PATH ROUTE: the body, from a Unix socket.
fetch_unix() {
  inside curl -sS -m 5 --unix-socket "$1" "http://localhost$2"
}

# status_of PATH: the HTTP status, 000 without an answer.
status_of() {
  inside curl -s -m 5 -o /dev/null -w '%{http_code}' "$url$1" || true
}

is_serving() {
  [[ $(status_of /health) == 200 ]]
}

# Takes an ID: only digits, of machine 1, above every one that was taken before in this run.
# The last is kept in a file, so that it outlives cases and boots.
take_larger() {
  local last=0 id
  [[ ! -f $scratch/last ]] || last=$(<"$scratch/last")
  id=$(fetch /generate | sed -n 's/.*"id_str":"\([0-9]*\)".*/\1/p')
  [[ -n $id ]] || fail "/generate gave no ID: $(fetch /generate)"
  ((id > last)) || fail "$id is not above $last"
  (((id & 65535) == 1)) || fail "$id is not of machine 1"
  printf '%s' "$id" >"$scratch/last"
}

# override TEXT…: lines for the unit's [Service] section, until override_nothing.
override() {
  local folder=$root/etc/systemd/system/$unit.d
  mkdir -p "$folder"
  printf '%s\n' '[Service]' "$@" >"$folder/test.conf"
  inside systemctl daemon-reload
}

override_nothing() {
  rm "$root/etc/systemd/system/$unit.d/test.conf"
  inside systemctl daemon-reload
}

main_pid_is_other_than() {
  local pid
  pid=$(property MainPID)
  [[ $pid != 0 && $pid != "$1" && $(property ActiveState) == active ]]
}

# journal_of FIELD=VALUE…: records of the unit, as JSON.
journal_of() {
  inside journalctl --sync
  inside journalctl --no-pager -o json -u "$unit" "$@"
}

# told PATTERN FIELD=VALUE…: whether such a record holds the pattern.
told() {
  local pattern=$1
  shift
  # Not a pipe: grep leaves at the first match, and what then fails to write would fail the case.
  grep -q -e "$pattern" <<<"$(journal_of "$@")"
}
