# shellcheck shell=bash
# shellcheck disable=SC2154 # What the caller sets.
# Servers that restart behind a proxy, one after the other, while it is asked. Needs wait.sh, cases.sh and
# proxies.sh; `scratch` and `start` are the caller's.

# How often each server restarts.
restarts=4
# Of the two servers, and of the proxy.
pids=()
addresses=()
proxy=

# Both servers are always tried: how long nginx leaves out one that refused is not what is looked at. What
# was sent to a server is not sent to another again, as it may have been done: so it is with nginx's POSTs.
balancing_nginx() {
  cat <<EOT
  upstream ids {
    server ${addresses[0]} max_fails=0;
    server ${addresses[1]} max_fails=0;
    keepalive 32;
  }
  server {
    listen unix:$scratch/proxy;
    location / {
      proxy_pass http://ids;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }
EOT
}

# Asks until $scratch/enough is there, 20 at a time; prints the status of each reply.
ask_on() {
  while [[ ! -e $scratch/enough ]]; do
    printf 'url = http://ids/generate\noutput = /dev/null\n%.0s' {1..500} |
      through --no-progress-meter --parallel --parallel-max 20 -X POST -w '%{http_code}\n' -K - || true
  done
}

# again INDEX: ends a server as systemd does, and starts it where it was.
again() {
  local ended=${pids[$1]}
  kill "$ended"
  wait "$ended" || fail "server $1 ended with $?"
  start "of two $1" "$((2 + $1))" "${addresses[$1]}" SHARDFLAKE_HTTP__LAME_DUCK=500ms
  pids[$1]=$server
}

end_all() {
  kill "${pids[@]}" "$proxy" 2>/dev/null || true
  wait
}

lame_duck_cases() {
  local index round asking total
  trap end_all EXIT
  for index in 0 1; do
    start "of two $index" "$((2 + index))" 127.0.0.1:0 SHARDFLAKE_HTTP__LAME_DUCK=500ms
    pids+=("$server")
    addresses+=("$address")
  done
  start_nginx < <(balancing_nginx)
  trap end_all EXIT
  ask_on >"$scratch/replies" &
  asking=$!
  for ((round = 0; round < restarts; round++)); do
    again 0
    again 1
  done
  : >"$scratch/enough"
  wait "$asking"
  total=$(wc -l <"$scratch/replies")
  echo "$total requests, $((2 * restarts)) restarts"
  ((total > 100 * restarts)) || fail "only $total requests were made"
  [[ $(sort -u "$scratch/replies") == 200 ]] || fail "$(sort "$scratch/replies" | uniq -c | head -n 20)"
}
