# shellcheck shell=bash
# An engine in namespaces of its own. Needs wait.sh and nspawn.sh; `scratch` is its caller's.
# shellcheck disable=SC2154 # That.

# engine_up CGROUP: a daemon that answers, with its files in `scratch`.
engine_up() {
  machine_mounts
  # What belongs to the new network namespace is seen only in a new one.
  mount -t sysfs sysfs /sys
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
  # Its own processes not in the group itself: controllers are passed on to inner groups only then.
  mkdir -p "/sys/fs/cgroup/$1/engine"
  echo "$$" >"/sys/fs/cgroup/$1/engine/cgroup.procs"
  ip link set lo up
  # Of the distribution, not what else may be first.
  PATH=/usr/sbin:/usr/bin:/sbin:/bin
  export DOCKER_HOST=unix:///run/docker.sock DOCKER_BUILDKIT=1 COMPOSE_DOCKER_CLI_BUILD=1
  export DOCKER_CONFIG=$scratch/client
  dockerd --data-root "$scratch/engine" --cgroup-parent "/$1" --host "$DOCKER_HOST" \
    </dev/null >"$scratch/engine.log" 2>&1 &
  if ! wait_until 60 answers; then
    echo "the engine does not answer:"
    tail -n 20 "$scratch/engine.log"
    return 1
  fi
}

answers() {
  docker info >/dev/null 2>&1
}

# The last words of every container.
show_containers() {
  local name
  for name in $(docker ps --all --format '{{.Names}}'); do
    echo "--- $name"
    docker logs --tail 10 "$name" 2>&1
  done
}
