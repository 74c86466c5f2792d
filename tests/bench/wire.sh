# shellcheck shell=bash
# What a request costs, timed.
# shellcheck disable=SC2154 # lib.sh sets out and the ports.

# One round of wrk: requests per second, and clock ticks of CPU per million requests.
round() {
  local pid=$1 port=$2 before after total
  before=$(cpu "$pid")
  total=$(wrk -t1 -c32 -d3s "http://127.0.0.1:$port/generate" |
    awk '/requests in/ { n = $1 } END { print n }')
  after=$(cpu "$pid")
  echo "$(calc "$total / 3") $(calc "($after - $before) * 1000000 / $total")"
}

wire() {
  need_packages wrk
  local ours theirs a b i
  serve 0-255
  ours=$served
  serve_bare
  theirs=$served
  round "$ours" "$port" >/dev/null
  round "$theirs" "$bare_port" >/dev/null
  : >"$out/wire"
  for ((i = 0; i < rounds; i++)); do
    read -r -a a <<<"$(round "$ours" "$port")"
    read -r -a b <<<"$(round "$theirs" "$bare_port")"
    echo "$(calc "${a[0]} / ${b[0]}" 3) $(calc "${a[1]} / ${b[1]}" 3) ${a[0]} ${b[0]}" >>"$out/wire"
  done
  row "requests per second against bare hyper" "$(awk '{ print $1 }' "$out/wire" | median)" "-"
  row "CPU per request against bare hyper" "$(awk '{ print $2 }' "$out/wire" | median)" "-"
  row "requests per second" "$(awk '{ print $3 }' "$out/wire" | median)" "bare $(awk '{ print $4 }' "$out/wire" | median)"
}
