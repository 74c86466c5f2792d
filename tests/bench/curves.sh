# shellcheck shell=bash
# How what an ID costs grows: with the IDs of a reply, the machine IDs of a shard, the connections that
# are open, and the requests served since the start. Draws packaging/doc/cost-*.svg.
# shellcheck disable=SC2154 # lib.sh sets out, ports, pids and served; connections.sh sets crowd.

figures=$PWD/packaging/doc

# draw NAME TITLE X Y SETTINGS PLOT: a picture with these names; PLOT is what gnuplot is to plot.
draw() {
  gnuplot <<GNUPLOT
set terminal svg size 720,360 font "sans-serif,12" background "white" noenhanced
set output "$figures/cost-$1.svg"
set title "$2"
set xlabel "$3"
set ylabel "$4"
set yrange [0:*]
set grid
set key outside right top vertical
set style data linespoints
$5
plot $6
GNUPLOT
  row "cost by $1" "packaging/doc/cost-$1.svg" "-"
}

start_widest() { serve 0-65535 "$@"; }
start_width() { serve "$width" "$@"; }

# Instructions per ID of replies with ever more of them.
curve_of_count() {
  local count many form data=$out/curve-count
  : >"$data"
  for count in 1 10 100 1000 10000 100000 1000000; do
    many=$((count < 1000 ? 1002 : 6))
    {
      echo "$count"
      for form in json binary; do
        calc "$(slope instructions start_widest "$port" "/ids/$count?format=$form" 2 "$many") / $count"
        echo
      done
    } | paste -sd ' ' >>"$data"
  done
  draw count "A reply with many IDs, SHARD_ID=0-65535" "IDs in the reply" "user instructions per ID" \
    'set logscale xy; set yrange [1:*]; set format x "%.0f"' \
    "'$data' using 1:2 title 'JSON', '$data' using 1:3 title 'binary'"
}

# Instructions per request with ever more machine IDs.
curve_of_width() {
  local machines width constant data=$out/curve-width
  constant=$(slope instructions start_bare "$bare_port")
  for machines in 1 2 16 256 4096 65536; do
    width=0-$((machines - 1))
    ((machines > 1)) || width=0
    echo "$machines $(slope instructions start_width "$port") $constant"
  done >"$data"
  draw width "/generate on a range of machine IDs" "machine IDs in SHARD_ID" "user instructions per request" \
    'set logscale x 2' "'$data' using 1:2 title 'shardflake', '$data' using 1:3 title 'bare hyper'"
}

# cost_of_crowd PORT PID COUNT: asks 20,000 times in all on that many connections; prints CPU
# microseconds per request, and resident kB.
cost_of_crowd() {
  local times=$((20000 / $3)) before i
  coproc CROWD { "$crowd" "127.0.0.1:$1" "$3" "$times"; }
  read -r _ <&"${CROWD[0]}"
  before=$(cpu "$2")
  for ((i = 0; i < times; i++)); do
    echo >&"${CROWD[1]}"
    read -r _ <&"${CROWD[0]}"
  done
  echo "$(calc "($(cpu "$2") - $before) / 1000 / ($times * $3)") $(resident "$2")"
}

# CPU and memory with ever more connections.
curve_of_connections() {
  local count ours constant data=$out/curve-connections
  ulimit -n "$(ulimit -Hn)"
  for count in 1 10 100 1000 10000; do
    SHARDFLAKE_HTTP__CONNECTIONS=$((crowd_size + 100)) serve 0-255
    ours=$(cost_of_crowd "$port" "$served" "$count")
    serve_bare
    constant=$(cost_of_crowd "$bare_port" "$served" "$count")
    echo "$count $ours $constant"
    cleanup
  done >"$data"
  draw connections-cpu "/generate on many connections, all of them asking" "connections" "CPU µs per request" \
    'set logscale x' "'$data' using 1:2 title 'shardflake', '$data' using 1:4 title 'bare hyper'"
  draw connections-memory "Many connections, all of which have asked" "connections" "resident memory, MB" \
    'set logscale x' "'$data' using 1:(\$3 / 976.6) title 'shardflake', '$data' using 1:(\$5 / 976.6) title 'bare hyper'"
}

# CPU and memory over the time that a server runs under load.
curve_of_uptime() {
  local window begin before count all=0 data=$out/curve-uptime
  serve 0-255
  begin=$SECONDS
  for ((window = 0; window < 30; window++)); do
    before=$(cpu "$served")
    count=$(wrk -t1 -c32 -d2s "http://127.0.0.1:$port/generate" | awk '/requests in/ { print $1 }')
    all=$((all + count))
    echo "$(calc "$all / 1e6") $(calc "($(cpu "$served") - $before) / 1000 / $count")" \
      "$(resident "$served") $((SECONDS - begin))"
  done >"$data"
  draw uptime "32 connections for a minute" "million requests served" "" \
    '' "'$data' using 1:2 title 'CPU µs per request', '$data' using 1:(\$3 / 976.6) title 'resident MB'"
}

curves() {
  need_packages gnuplot-nox
  need_packages valgrind
  need_packages wrk
  curve_of_count
  curve_of_width
  curve_of_connections
  curve_of_uptime
}
