# shellcheck shell=bash
# What a request costs, timed: rounds of all servers in turn, so that what else the machine does falls
# on all of them.
# shellcheck disable=SC2154 # lib.sh sets out, rounds and the ports.

# round NAME PID URL [OPTION…]: one round of wrk; requests per second, and CPU ns per request.
round() {
  local name=$1 pid=$2 url=$3 before after total
  shift 3
  before=$(cpu "$pid")
  total=$(wrk -t1 -c32 -d2s "$@" "http://127.0.0.1:$url" |
    awk '/requests in/ { n = $1 } END { print n }')
  after=$(cpu "$pid")
  echo "$(calc "$total / 2") $(calc "($after - $before) / $total")" >>"$out/wire-$name"
}

# against NAME OTHER COLUMN: the median of the rounds' ratios.
against() {
  paste "$out/wire-$1" "$out/wire-$2" | awk -v column="$3" '{ print $column / $(column + 2) }' | median
}

of() {
  awk -v column="$2" '{ print $column }' "$out/wire-$1" | median
}

rounds_of_all() {
  local i
  for ((i = 0; i < rounds; i++)); do
    round ours "${pid[ours]}" "$port/generate"
    round bare "${pid[bare]}" "$bare_port/generate"
    round epoll "${pid[epoll]}" "$epoll_port/generate"
    round id "${pid[ours]}" "$port/id"
    round actix "${pid[actix]}" "$actix_port/id"
    round pipelined "${pid[ours]}" "$port/generate" -s "$(pipelined)"
    round new "${pid[ours]}" "$port/generate" -H 'Connection: close'
    round bare-new "${pid[bare]}" "$bare_port/generate" -H 'Connection: close'
  done
}

wire() {
  need_packages wrk
  build_peers
  local -A pid=()
  serve 0-255
  pid[ours]=$served
  serve_bare
  pid[bare]=$served
  serve_epoll
  pid[epoll]=$served
  serve_actix
  pid[actix]=$served
  round warm "${pid[ours]}" "$port/generate"
  round warm "${pid[bare]}" "$bare_port/generate"
  rm -f "$out"/wire-*
  rounds_of_all
  row "requests per second, /generate" "$(of ours 1)" "bare $(of bare 1), epoll $(of epoll 1)"
  row "CPU ns per request" "$(of ours 2)" "bare $(of bare 2), epoll $(of epoll 2)"
  row "  against bare hyper" "$(calc "$(against ours bare 2)" 3)" "<= 1.10"
  row "  against the epoll loop" "$(calc "$(against ours epoll 2)" 3)" "<= 1.35"
  row "requests per CPU second against actix-web, /id" "$(calc "1 / $(against id actix 2)" 3)" ">= 1.15"
  row "16 requests at a time against one, per second" "$(calc "$(against pipelined ours 1)")" ">= 3"
  row "CPU per request on new connections against bare" "$(calc "$(against new bare-new 2)" 3)" "-"
}
