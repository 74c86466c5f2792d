# shellcheck shell=bash
# Many connections: what each costs in memory, and whether all are served.
# shellcheck disable=SC2154 # lib.sh sets out, port, bare_port and served.

crowd=$PWD/target/release/examples/crowd
crowd_size=10000

# Resident memory of a process in kB.
resident() {
  awk '/VmRSS/ { print $2 }' "/proc/$1/status"
}

# crowded PORT PID: opens the connections to the server PID, then asks on all of them twice; prints
# seconds to open, resident kB when idle, when all were served, and seconds for a request each.
crowded() {
  local opened idle asked
  coproc CROWD { "$crowd" "127.0.0.1:$1" "$crowd_size" 2; }
  read -r opened <&"${CROWD[0]}"
  until (($(accepted "$1") == crowd_size)); do
    kill -0 "$2" || exit 1
  done
  idle=$(resident "$2")
  echo >&"${CROWD[1]}"
  read -r asked <&"${CROWD[0]}"
  echo >&"${CROWD[1]}"
  read -r asked <&"${CROWD[0]}"
  echo "$(field seconds <<<"$opened") $idle $(resident "$2") $(field seconds <<<"$asked")"
}

# Connections to a port that its server has taken; those that wait to be are counted as its queue.
accepted() {
  local open queued
  open=$(ss -Htn state established "sport = :$1" | wc -l)
  queued=$(ss -Htln "sport = :$1" | awk '{ print $2 }')
  echo $((open - queued))
}

connections() {
  need_packages curl
  need_commands iproute2 ss
  local ours theirs
  if (($(ulimit -Hn) < crowd_size + 200)); then
    skip "no process may have $crowd_size open files here (ulimit -Hn)"
  fi
  ulimit -n "$(ulimit -Hn)"
  SHARDFLAKE_HTTP__CONNECTIONS=$((crowd_size + 100)) serve 0-255
  read -r -a ours <<<"$(crowded "$port" "$served")"
  serve_bare
  read -r -a theirs <<<"$(crowded "$bare_port" "$served")"
  row "10,000 connections one after the other, seconds" "${ours[0]}" "bare ${theirs[0]}"
  row "  resident while idle, MB" "$(calc "${ours[1]} * 1024 / 1e6" 1)" "bare $(calc "${theirs[1]} * 1024 / 1e6" 1)"
  row "  resident after a request on each, MB" "$(calc "${ours[2]} * 1024 / 1e6" 1)" "bare $(calc "${theirs[2]} * 1024 / 1e6" 1)"
  row "  against bare hyper" "$(calc "${ours[2]} / ${theirs[2]}" 3)" "<= 1.1"
  row "  a request on each, all served, seconds" "${ours[3]}" "bare ${theirs[3]}"
}
