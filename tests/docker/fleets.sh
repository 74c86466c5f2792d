# shellcheck shell=bash
# Cases: the compose files. Needs images.sh.
# shellcheck disable=SC2154 # tests/docker/cases sets scratch.

# IDs of each of the three instances: asked one by one as documented, and by /ids.
singles=20000
rest=80000

# compose WORD…: for the fleet at hand.
compose() {
  if docker compose version >/dev/null 2>&1; then
    docker compose -f "packaging/docker/$fleet/compose.yaml" "$@"
  else
    docker-compose -f "packaging/docker/$fleet/compose.yaml" "$@"
  fi >"$scratch/compose.out" 2>"$scratch/compose.log" || fail "compose $*: $(tail -n 20 "$scratch/compose.log")"
  cat "$scratch/compose.out"
}

# fleet_cases FOLDER ROUTE REPLY PORT SERVICE…: ROUTE is the documented one, REPLY what it answers;
# the first service is on PORT of the host, the others on those after it.
fleet_cases() {
  fleet=$1
  route=$2
  reply=$3
  port=$4
  shift 4
  services=("$@")
  export RUST_IMAGE=shardflake-builder
  case_of "$fleet: three instances, built and healthy" fleet_is_up
  case_of "$fleet: 300,000 IDs, none twice" fleet_is_unique
  case_of "$fleet: killed under load and up again: larger IDs" fleet_survives_kills
  case_of "$fleet: a lost volume: waits, and says so" lost_volume_waits
  compose down --volumes >/dev/null
}

container_of() {
  compose ps -q "$1"
}

all_healthy() {
  local service
  for service in "${services[@]}"; do is_healthy "$(container_of "$service")" || return; done
}

fleet_is_up() {
  local i
  compose up --detach --build
  wait_until 60 all_healthy || fail "not healthy: $(compose ps)"
  for i in 0 1 2; do
    [[ $(ask $((port + i)) | sed 's/[0-9]\{5,\}/N/; s/:[0-9]\+}/:M}/') == "$reply" ]] ||
      fail "${services[i]} replied $(ask $((port + i)))"
  done
}

# ask PORT [COUNT]: the documented request, one after the other, until one fails; bodies have no line
# ends.
ask() {
  curl -s -m 100 --fail-early "http://localhost:$1$route#[1-${2:-1}]"
}

# ids_of REPLIES: the numbers in it, one a line; not of a reply that was cut off.
ids_of() {
  grep -o '"id":[0-9]*[,}]' "$1" | tr -dc '0-9\n'
}

# From all three at once.
fleet_is_unique() {
  local i all unique pids=()
  for i in 0 1 2; do
    take_ids "$i" &
    pids+=("$!")
  done
  for i in "${pids[@]}"; do wait "$i"; done
  for i in 0 1 2; do
    # In the order in which they came.
    sort -n -u -c "$scratch/ids.$i" || fail "${services[i]}: they do not rise"
  done
  all=$(cat "$scratch"/ids.[012] | wc -l)
  unique=$(cat "$scratch"/ids.[012] | sort -u | wc -l)
  echo "    $all IDs, $((3 * singles)) of them one by one, $((all - unique)) twice"
  ((all == 3 * (singles + rest))) || fail "not as many as were asked for"
  ((all == unique)) || fail "not unique"
}

# take_ids INSTANCE: what it refuses, as an overloaded disk makes it, is asked for again.
take_ids() {
  local missing=$singles
  : >"$scratch/ids.$1"
  while ((missing)); do
    ask $((port + $1)) "$missing" >"$scratch/replies.$1"
    # All of them at once: it does not serve.
    grep -q '"id":' "$scratch/replies.$1" || fail "no ID: $(head -c 200 "$scratch/replies.$1")"
    ids_of "$scratch/replies.$1" >>"$scratch/ids.$1"
    missing=$((singles - $(wc -l <"$scratch/ids.$1")))
    ((missing == 0)) || echo "    refused: $missing, $(grep -o '"error":"[^"]*"' "$scratch/replies.$1" | sort | uniq -c)"
  done
  curl -sf -m 100 "http://localhost:$((port + $1))/ids/$rest?format=text" >>"$scratch/ids.$1"
}

fleet_survives_kills() {
  local i before pids=()
  for i in 0 1 2; do
    # More than it gets to answer.
    ask $((port + i)) 1000000 >"$scratch/replies.$i" &
    pids+=("$!")
  done
  wait_until 20 loads_flow || fail "no IDs"
  for i in 0 1 2; do docker kill "$(container_of "${services[i]}")" >/dev/null; done
  for i in "${pids[@]}"; do wait "$i" || true; done
  compose up --detach
  for i in 0 1 2; do
    wait_until 20 answers_at $((port + i)) || fail "${services[i]} does not serve again"
    ask $((port + i)) 1000 >"$scratch/new.$i"
    ids_of "$scratch/replies.$i" >>"$scratch/ids.$i"
    before=$(wc -l <"$scratch/ids.$i")
    ids_of "$scratch/new.$i" >>"$scratch/ids.$i"
    (($(wc -l <"$scratch/ids.$i") == before + 1000)) || fail "${services[i]} gave not all"
    sort -n -u -c "$scratch/ids.$i" || fail "${services[i]}: not above those before"
  done
  echo "    $(cat "$scratch"/replies.[012] | grep -o '"id":' | wc -l) IDs while they were killed"
}

loads_flow() {
  local i
  for i in 0 1 2; do (($(stat -c %s "$scratch/replies.$i") > 50000)) || return; done
}

lost_volume_waits() {
  local name=${services[0]} volume id last
  last=$(tail -n 1 "$scratch/ids.0")
  volume=$(docker inspect --format '{{range .Mounts}}{{.Name}}{{end}}' "$(container_of "$name")")
  # All of them: it is one volume.
  compose rm --stop --force >/dev/null
  docker volume rm "$volume" >/dev/null
  compose up --detach
  wait_until 20 is_up_at "$port" || fail "it is not up"
  grep -qF 'the mark is new: IDs begin in' <<<"$(curl -s -m 5 "http://localhost:$port/health")" ||
    fail "it does not wait for a new mark"
  said "$(container_of "$name")" 'the mark is new: IDs begin in'
  wait_until 20 answers_at "$port" || fail "it does not serve"
  id=$(ask "$port" | ids_of /dev/stdin)
  ((id > last)) || fail "$id is not above $last"
}
