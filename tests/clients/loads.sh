# shellcheck shell=bash
# shellcheck disable=SC2154 # What the caller sets.
# Programs that ask often. Needs need.sh and cases.sh; `scratch` and `address` are the caller's.

# loaded COMMAND…: runs it, and keeps what it tells.
loaded() {
  timeout 60 "$@" >"$scratch/told" 2>&1 || fail "$1 ended with $?: $(tail -n 20 "$scratch/told")"
}

# tells PATTERN: whether a line of what was told matches.
tells() {
  grep -qE "$1" "$scratch/told" || fail "no line like '$1' in: $(<"$scratch/told")"
}

# With HTTP/1.0 and connections that are kept, where their replies tell a length.
ab_cases() {
  local target
  need_commands apache2-utils ab
  # -l: IDs differ in length over the years, and machine IDs at once.
  for target in generate id 'id?format=text' ids/10 'ids/10?format=text' ranges/10; do
    loaded ab -q -k -l -n 1000 -c 50 "http://$address/$target"
    tells '^Complete requests: +1000$'
    tells '^Failed requests: +0$'
    tells '^Keep-Alive requests: +1000$'
    if grep -q 'Non-2xx' "$scratch/told"; then fail "$target: $(grep 'Non-2xx' "$scratch/told")"; fi
  done
  # Without a length the end of the connection is that of the reply.
  loaded ab -q -k -l -n 8 -c 2 "http://$address/ids/3000"
  tells '^Complete requests: +8$'
  tells '^Failed requests: +0$'
  tells '^Keep-Alive requests: +0$'
  # HEAD tells as much, and sends nothing.
  loaded ab -q -k -l -i -n 100 -c 10 "http://$address/ids/10"
  tells '^Keep-Alive requests: +100$'
}

# 1,000 small batches from 50 clients: 10,000 IDs, of which the layout has 25,600 a second.
hey_cases() {
  need_commands hey hey
  loaded hey -n 1000 -c 50 "http://$address/ids/10"
  tells '^ *\[200\]'$'\t''1000 responses$'
  loaded hey -n 1000 -c 50 -m POST "http://$address/ids/1"
  tells '^ *\[200\]'$'\t''1000 responses$'
}
