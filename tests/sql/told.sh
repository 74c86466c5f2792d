# shellcheck shell=bash
# shellcheck disable=SC2154 # What the caller sets.
# What the server tells of IDs and time spans, as files in a folder for each layout:
#
#   ids            one a line
#   decoded.json   what /decode replies to each
#   decoded.tsv    the same, its fields apart
#   spans.tsv      from, to, the smallest and the largest ID; \N where no tick begins in the span
#
# Needs cases.sh, part.sh and wait.sh; `scratch`, `server` and what is to be told are the caller's.

all_told() {
  local number
  for number in "${!layouts[@]}"; do
    case_of "${layouts[number]}" told "$number"
  done
  none_failed
}

told() {
  local number=$1 folder=$scratch/$1
  mkdir "$folder"
  trap stop_server EXIT
  serve "$number"
  if ((number < built_in)); then
    random_ids "$ids" >"$folder/ids"
  else
    random_ids "$ids_of_own" >"$folder/ids"
  fi
  decode
  bounds "$number"
}

# epoch_of NUMBER: of that layout, where it is not its own.
epoch_of() {
  printf '%s' "${layouts[$1]#*|}"
}

# layout_of NUMBER
layout_of() {
  printf '%s' "${layouts[$1]%|*}"
}

# serve NUMBER: a server of that layout; the words of the layout are settings of the server.
serve() {
  local words epoch word settings=()
  epoch=$(epoch_of "$1")
  read -ra words <<<"$(layout_of "$1")"
  for word in "${words[@]:1}"; do
    case $word in
      # It is a profile's with another epoch.
      v2) epoch=2025-01-01T00:00:00Z ;;
      *) settings+=("SHARDFLAKE_LAYOUT__$(tr '[:lower:]' '[:upper:]' <<<"${word%=*}")=${word#*=}") ;;
    esac
  done
  [[ -z $epoch ]] || settings+=("SHARDFLAKE_EPOCH=$epoch")
  env -i PATH="$PATH" "${settings[@]}" target/debug/shardflake serve --profile "${words[0]}" --shard-id 1 \
    --listen "$folder/socket" --state-dir "$folder/state" 2>"$folder/log" &
  server=$!
  wait_until 20 ask /livez -o "$folder/live" || fail "$(<"$folder/log")"
}

stop_server() {
  [[ -n $server ]] || return 0
  kill "$server" 2>/dev/null || true
  wait "$server" 2>/dev/null || true
  server=
}

# ask PATH [OPTION…]
ask() {
  curl -s --fail --max-time 60 --unix-socket "$folder/socket" "http://shard$1" "${@:2}"
}

# ask_all: the replies to all paths of standard input, one a line, also those that refuse.
ask_all() {
  sed 's|.*|url = "http://shard&"|' >"$folder/urls"
  curl -sS --max-time 300 --unix-socket "$folder/socket" --globoff -w '\n' -K "$folder/urls"
}

# random_numbers COUNT: of 63 bits.
random_numbers() {
  local number
  od -An -v -t d8 -w8 -N "$((8 * $1))" /dev/urandom | while read -r number; do
    printf '%s\n' "$((number & 0x7fffffffffffffff))"
  done
}

# random_ids COUNT: and those where one bit more is set.
random_ids() {
  local bit
  random_numbers "$1"
  for ((bit = 0; bit < 64; bit++)); do
    printf '%s\n' "$(((1 << bit) - 1 & 0x7fffffffffffffff))"
    ((bit == 63)) || printf '%s\n' "$((1 << bit))"
  done
}

decode() {
  sed 's|^|/decode/|' "$folder/ids" | ask_all >"$folder/decoded.json"
  jq -r '[.id, .time, .sequence, .machine_id, .datacenter_id // "\\N", .datetime] | map(tostring) | join("\t")' \
    "$folder/decoded.json" >"$folder/decoded.tsv"
  [[ $(cut -f 1 "$folder/decoded.tsv") == "$(<"$folder/ids")" ]] || fail "not all IDs are decoded"
}

# Spans between the epoch and the end of the time field or of the year 9999, which is the first one. Half of
# the others are of whole milliseconds.
bounds() {
  local epoch end tick
  epoch=$(date -ud "$(ask /decode/0 | jq -r .datetime)" +%s%6N)
  end=$(ask /decode/9223372036854775807 | jq -r .datetime)
  case $(layout_of "$1") in
    *tick=*) tick=$(layout_of "$1" | sed 's/.*tick=\([0-9]*\)ms.*/\1/') ;;
    sonyflake*) tick=10 ;;
    *) tick=1 ;;
  esac
  if [[ $end == after* ]]; then
    end=253402300799999000
  else
    end=$(($(date -ud "$end" +%s%6N) + tick * 1000))
  fi
  span_times "$epoch" "$end" "$((tick * 1000))" >"$folder/moments"
  sed 's/^/@/; s/\(......\)$/.\1/' "$folder/moments" |
    date -u -f - +%Y-%m-%dT%H:%M:%S.%6NZ | paste - - >"$folder/times"
  sed 's|\(.*\)\t\(.*\)|/bounds?from=\1\&to=\2|' "$folder/times" | ask_all >"$folder/bounds.json"
  if jq -r 'select(.code) | .error' "$folder/bounds.json" | grep -v '^no tick'; then
    fail "these spans were not meant to be refused"
  fi
  jq -r '[.smallest // "\\N", .largest // "\\N"] | join("\t")' "$folder/bounds.json" |
    paste "$folder/times" - >"$folder/spans.tsv"
  grep -q 'N$' "$folder/spans.tsv" || fail "no span lies within a tick"
  (($(grep -cv 'N$' "$folder/spans.tsv") > spans / 2)) || fail "few spans have bounds"
}

# span_times EPOCH END TICK: in microseconds since 1970, by turns where a span begins and where it ends.
span_times() {
  local epoch=$1 end=$2 tick=$3 i unit from to numbers
  printf '%s\n' "$epoch" "$end"
  mapfile -t numbers < <(random_numbers "$((2 * spans))")
  for ((i = 0; i < spans; i++)); do
    unit=$((i < spans / 2 ? 1000 : 1))
    from=$((epoch + numbers[2 * i] % ((end - epoch - 4 * tick) / unit) * unit))
    # By threes: up to anywhere, up to three ticks later, and from where a tick begins.
    case $((i % 3)) in
      0) to=$((from + unit + numbers[2 * i + 1] % ((end - from) / unit) * unit)) ;;
      1) to=$((from + unit + numbers[2 * i + 1] % (3 * tick / unit) * unit)) ;;
      2)
        from=$((from - (from - epoch) % tick))
        to=$((from + unit + numbers[2 * i + 1] % (2 * tick / unit) * unit))
        ;;
    esac
    printf '%s\n' "$from" "$((to < end ? to : end))"
  done
}
