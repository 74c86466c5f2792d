# shellcheck shell=bash
# Instances that serve: one is one shard. Needs steps.sh, conf.sh, lxc.sh, storage.sh and wait.sh.
# shellcheck disable=SC2154 # They set conf, client, made, image and profile.

# Seconds until an instance must serve.
serve_limit=60

# launch_shard NAME NUMBER PORT: makes and starts an instance of the image, unless it is there.
launch_shard() {
  local name=$1 number=$2 port=$3
  if instance_exists "$name"; then
    instance_is_made "$name" || die "the instance $name was not made by this script"
    note "$name is there: $(instance_state "$name")"
    [[ $(instance_state "$name") == RUNNING ]] || change lx start "$name"
    return
  fi
  if [[ $dry_run == true ]]; then
    note "would launch $name from $image with SHARD_ID=$number on port $port"
    return
  fi
  ! port_is_taken "$port" || die "port $port of ${conf[SERVICE_ADDRESS]} is in use" "another port (--port, or SERVICE_PORT)"
  unfinished=$name
  change lx init "$image" "$name" --profile "$profile" --config "$made=true" \
    --config "environment.SHARD_ID=$number" --config "user.shardflake.port=$port"
  change lx config device add "$name" http proxy \
    "listen=tcp:$(bracketed "${conf[SERVICE_ADDRESS]}"):$port" connect=tcp:127.0.0.1:7001
  change lx start "$name"
}

# An instance that is not known to serve yet; to be removed by the caller's trap.
unfinished=

# wait_for_shard NAME PORT: until it serves; else says why it does not.
wait_for_shard() {
  local name=$1 port=$2
  if [[ $dry_run == true ]]; then
    note "would wait until $name serves"
    return
  fi
  if ! wait_until "$serve_limit" serves "$port"; then
    lx exec "$name" -- journalctl --no-pager -n 20 -u shardflake >&2 || true
    die "$name does not serve after $serve_limit s: $(health "$port")"
  fi
  # shellcheck disable=SC2034 # The trap of the caller reads it.
  unfinished=
  note "$name serves: curl http://localhost:$port/generate"
}

serves() {
  [[ $(health "$1") == OK ]]
}

# health PORT: what the shard says of itself, in one line.
health() {
  curl -s -m 2 "http://$(reach):$1/health" 2>/dev/null | head -n 1 || true
}

# The address by which this host itself reaches what it answers on.
reach() {
  case ${conf[SERVICE_ADDRESS]} in
    0.0.0.0 | ::) echo localhost ;;
    *) bracketed "${conf[SERVICE_ADDRESS]}" ;;
  esac
}

bracketed() {
  if [[ $1 == *:* ]]; then printf '[%s]' "$1"; else printf '%s' "$1"; fi
}

port_is_taken() {
  (exec 3<>"/dev/tcp/$(reach)/$1") 2>/dev/null
}
