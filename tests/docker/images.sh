# shellcheck shell=bash
# Cases: what images are made of, and one container of each. Needs wait.sh and engine.sh.
# shellcheck disable=SC2154 # tests/docker/cases sets scratch.

# Bytes.
image_limit=4000000

import_builder() {
  tar -c --numeric-owner -C "$scratch/builder" . |
    docker import --change 'ENV PATH=/usr/local/bin:/usr/bin:/bin' \
      --change 'ENV CARGO_HOME=/usr/local/cargo' - shardflake-builder >/dev/null
  rm -rf --one-file-system "$scratch/builder"
}

# builds DOCKERFILE TAG: exactly as its users do, but for where it comes from.
builds() {
  docker build --build-arg RUST_IMAGE=shardflake-builder \
    -f "packaging/docker/$1" -t "$2" . >"$scratch/build.log" 2>&1 || fail "$(tail -n 30 "$scratch/build.log")"
  echo "    $(docker image inspect --format '{{.Size}}' "$2") bytes"
}

is_small() {
  local size
  size=$(docker image inspect --format '{{.Size}}' shardflake)
  ((size <= image_limit)) || fail "$size bytes, limit $image_limit"
}

# But for the mount points that the engine makes in every container.
holds_nothing_else() {
  local container files
  container=$(docker create shardflake)
  files=$(docker export "$container" | tar -tv --numeric-owner | awk '{print $1, $2, $6}' |
    grep -vE ' (\.dockerenv|(dev|proc|sys)/.*|etc/(hostname|hosts|mtab|resolv\.conf)|etc/)$' | LC_ALL=C sort)
  docker rm "$container" >/dev/null
  [[ $files == "-rw-r--r-- 0/0 etc/shardflake/shardflake.toml
-rwxr-xr-x 0/0 shardflake
drwxr-x--- 547/547 var/lib/shardflake/
drwxr-xr-x 0/0 etc/shardflake/
drwxr-xr-x 0/0 var/
drwxr-xr-x 0/0 var/lib/" ]] || fail "$files"
  if docker run --rm --entrypoint /bin/sh shardflake -c true 2>/dev/null; then fail "there is a shell"; fi
}

# image_cases IMAGE: its life as a container.
image_cases() {
  case_of "$1: healthy after the wait of a new mark, not root, told" becomes_healthy "$1"
  case_of "$1: stops by itself when told, and goes on above" stops_and_goes_on "$1"
  docker rm --force --volumes one >/dev/null
  docker volume rm state >/dev/null
}

becomes_healthy() {
  local users
  docker run --detach --name one --env SHARD_ID=1 --volume state:/var/lib/shardflake \
    --publish 7001:7001 "$1" >/dev/null
  # The development image compiles first.
  wait_until 600 is_healthy one || fail "not healthy: $(docker inspect --format '{{json .State}}' one)"
  users=$(docker top one -o pid,uid,gid | awk 'NR > 1 {print $2, $3}' | sort -u)
  [[ $users == "547 547" ]] || fail "it runs as $users"
  [[ $(docker inspect --format '{{.Config.User}}' "$1") == 547:547 ]] || fail "the image's user is another"
  said one 'the mark is new: IDs begin in'
  said one 'issuing IDs from tick'
  curl -sf -m 5 'http://localhost:7001/generate?format=text' >"$scratch/last" || fail "no ID"
}

# Nothing that a person would stumble over: the time, the level, the text.
said() {
  docker logs "$1" >"$scratch/out" 2>"$scratch/err"
  grep -qE "^[0-9T:.-]+Z [A-Z]+ +(.*[^ ] )?$2" "$scratch/err" || fail "nobody says \"$2\": $(<"$scratch/err")"
  [[ ! -s $scratch/out ]] || fail "on standard output: $(<"$scratch/out")"
}

is_healthy() {
  [[ $(docker inspect --format '{{.State.Health.Status}}' "$1") == healthy ]]
}

has_ended() {
  [[ $(docker inspect --format '{{.State.Running}}' "$1") == false ]]
}

# Whom the engine has to kill after ten seconds, exits with 137.
stops_and_goes_on() {
  local id last
  docker stop one >/dev/null
  [[ $(docker inspect --format '{{.State.ExitCode}}' one) == 0 ]] ||
    fail "exit code $(docker inspect --format '{{.State.ExitCode}}' one)"
  said one 'wrote the exact mark'
  docker start one >/dev/null
  wait_until 60 answers_at 7001 || fail "it does not serve again"
  id=$(curl -sf -m 5 'http://localhost:7001/generate?format=text')
  last=$(<"$scratch/last")
  ((id > last)) || fail "$id is not above $last"
}

answers_at() {
  [[ $(curl -s -m 5 -o /dev/null -w '%{http_code}' "http://localhost:$1/health") == 200 ]]
}

# A listener that `serve` was given is known to the image's own health check.
listener_by_flag() {
  docker run --detach --name two --publish 8888:9000 --env SHARD_ID=1 shardflake serve --listen 0.0.0.0:9000 >/dev/null
  wait_until 60 is_healthy two || fail "not healthy: $(docker inspect --format '{{json .State}}' two)"
  answers_at 8888 || fail "it does not listen where it was told"
  docker rm --force --volumes two >/dev/null
}

ports_by_variables() {
  port_by_variable 7001 SHARD_ID=1
  port_by_variable 9000 SHARD_ID=1 SERVICE_PORT=9000
  port_by_variable 8080 SHARDFLAKE_PROFILE=snowflake WORKER_ID=1
  port_by_variable 9000 SHARDFLAKE_PROFILE=snowflake-node MACHINE_ID=1 PORT=9000
  port_by_variable 9000 SHARDFLAKE_PROFILE=snowflake-dc DATACENTER_ID=1 MACHINE_ID=1 PORT=9000
}

# port_by_variable PORT VARIABLE…: it listens there, on all addresses, and its health knows.
port_by_variable() {
  local port=$1 variable flags=()
  shift
  for variable in "$@"; do flags+=(--env "$variable"); done
  docker run --detach --name two --publish "8888:$port" "${flags[@]}" shardflake >/dev/null
  wait_until 20 is_up_at 8888 || fail "$*: not on port $port: $(docker logs two 2>&1)"
  # The mark is new: it may not issue yet, and says so.
  docker exec two /shardflake health >"$scratch/health" || true
  grep -qF 'the mark is new' "$scratch/health" || fail "$*: health says: $(<"$scratch/health")"
  docker rm --force --volumes two >/dev/null
}

is_up_at() {
  curl -sf -m 5 -o /dev/null "http://localhost:$1/livez"
}

second_owner_refuses() {
  local name
  for name in two three; do
    docker run --detach --name "$name" --env SHARD_ID=1 --volume shared:/var/lib/shardflake shardflake >/dev/null
    wait_until 20 has_begun "$name" || fail "$name did not start"
  done
  wait_until 30 has_ended three || fail "it goes on: $(docker logs three 2>&1)"
  [[ $(docker inspect --format '{{.State.ExitCode}}' three) == 75 ]] || fail "$(docker logs three 2>&1)"
  said three 'is in use in'
  docker rm --force --volumes two three >/dev/null
  docker volume rm shared >/dev/null
}

has_begun() {
  docker logs "$1" 2>&1 | grep -q 'state directory'
}
