# shellcheck shell=bash
# shellcheck disable=SC2154 # What the caller sets.
# The clients of packaging/clients, each by a program of its language that does what it is told. Needs
# need.sh, wait.sh and cases.sh; `scratch`, `launch`, `start` and `serves` are the caller's.

typescript=5.9.3
# What was started beside it; and the program, as coproc sets it.
started=()
program=()
program_PID=
# Node's fetch closes a connection that is idle for four seconds, which pass on a busy host.
most_connections=1
# Of this machine ID's mark, which all languages use one after the other.
shard=7

# short FILE: whether it is one that people copy.
short() {
  (($(wc -l <"packaging/clients/$1") <= 40)) || fail "$1 has more than 40 lines"
}

shipped_python() {
  need_commands python3 python3
  short client.py
  PYTHONPATH=packaging/clients client_cases python3 -B tests/clients/shipped/use.py
}

# Of Java 11, as whoever has no later one compiles it.
shipped_java() {
  need_commands default-jdk-headless javac java
  short Client.java
  javac --release 11 -Xlint:all,-serial -Werror -d "$scratch/java" packaging/clients/Client.java tests/clients/shipped/Use.java
  client_cases java -cp "$scratch/java" Use
}

# Neither another Go nor a module is fetched.
shipped_go() {
  need_commands golang-go go gofmt
  short client.go
  [[ -z $(gofmt -l packaging/clients tests/clients) ]] || fail "$(gofmt -d packaging/clients tests/clients)"
  mkdir -p "$scratch/go/shardflake"
  cp packaging/clients/client.go "$scratch/go/shardflake"
  cp tests/clients/shipped/use.go "$scratch/go"
  printf 'module clients\n\ngo 1.18\n' >"$scratch/go/go.mod"
  (cd "$scratch/go" && GOTOOLCHAIN=local GOPROXY=off GOFLAGS='' CGO_ENABLED=0 go build -o use .)
  client_cases "$scratch/go/use"
}

# As it is where Node takes types away by itself; its types are checked everywhere.
shipped_typescript() {
  local script=packaging/clients/client.ts
  need_commands nodejs node
  need_npm_tool tsc typescript "$typescript"
  short client.ts
  most_connections=4
  tsc --strict --erasableSyntaxOnly --noUnusedLocals --target es2022 --module esnext --lib es2022,dom \
    --outDir "$scratch/typescript" "$script"
  if [[ $(node -p 'process.features.typescript') != strip ]]; then
    script=$scratch/typescript/client.mjs
    mv "$scratch/typescript/client.js" "$script"
  fi
  client_cases node tests/clients/shipped/use.mjs "$(realpath "$script")"
}

# tell COMMAND: to the program.
tell() {
  printf '%s\n' "$1" >&"${program[1]}"
}

# reply FILE: what the program says to a command, added to the file. Within a minute, as a busy host is slow.
reply() {
  local line
  while read -r -t 60 line; do
    [[ $line != end ]] || return 0
    printf '%s\n' "$line"
  done <&"${program[0]}" >>"$1"
  fail "no end of a reply: $(tail -n 3 "$1") $(<"$scratch/told")"
}

# gets COUNT: whether the program has that many IDs in all, each above the one before.
gets() {
  reply "$scratch/got"
  [[ $(wc -l <"$scratch/got") == "$1" ]] || fail "$(wc -l <"$scratch/got") lines, not $1: $(tail -n 1 "$scratch/got")"
  if grep -vxE '[0-9]{18,19}' "$scratch/got"; then fail "no ID"; fi
  sort -cnu "$scratch/got" || fail "IDs are out of order"
}

# errs PATTERN: whether it gives such an error, and soon, also on a busy host.
errs() {
  local begun=$SECONDS
  : >"$scratch/error"
  reply "$scratch/error"
  grep -qE "^error $1" "$scratch/error" || fail "no error like '$1': $(<"$scratch/error")"
  ((SECONDS - begun <= 20)) || fail "'$1' took $((SECONDS - begun)) s"
}

# replies NAME ROUTE STATUS: how many there were, asked by the socket, so that the port is the client's alone.
replies() {
  curl -s --max-time 20 --unix-socket "$scratch/$1.socket" http://shard/metrics |
    awk -v series="shardflake_http_requests_total{route=\"$2\",code=\"$3\"}" '
      $1 == series { count = $2 }
      END { print count + 0 }'
}

has_refused() {
  (($(replies "$@") > 0))
}

# Those that are open, and those that the kernel still keeps for a minute. By port and address, as others on
# this host may come from the same port.
connections() {
  ss -Htan | awk -v server="$address" '
    $1 == "LISTEN" { next }
    $4 == server { seen[$5] }
    $5 == server { seen[$4] }
    END { print length(seen) }'
}

# With one place for long replies, which somebody has who takes his time.
waits_for_a_place() {
  local reader
  rm -f "$scratch/slow"
  curl -s --unix-socket "$scratch/shipped.socket" --limit-rate 20k -o "$scratch/slow" http://shard/ids/4096000 &
  reader=$!
  started+=("$reader")
  wait_until 30 test -s "$scratch/slow" || fail "no long reply begins"
  tell "many 5000"
  wait_until 30 has_refused shipped ids 429 || fail "the client was not refused: $(<"$scratch/told")"
  kill "$reader" 2>/dev/null || true
  gets 11000
}

# The server waits for one that has its machine ID. It refuses at once, so that a client that does the same
# would be refused often.
waits_for_a_start() {
  local first=$server
  ln -sfn shipped "$scratch/second"
  launch second "$shard" 127.0.0.1:0 SHARDFLAKE_HTTP__DEADLINE=20ms
  started+=("$server")
  tell "client $address"
  reply "$scratch/error"
  tell "one 1"
  wait_until 30 has_refused second id 503 || fail "the client was not refused: $(<"$scratch/second.log")"
  kill "$first"
  gets 11001
  (($(replies second id 503) < 4)) || fail "$(replies second id 503) tries: Retry-After is not waited for"
}

# is_stopped PID: each of its threads, which a signal reaches one after the other.
is_stopped() {
  ! cat /proc/"$1"/task/*/stat | grep -qv ') T '
}

# On the address where it was, with connections that are gone.
survives_a_restart() {
  kill "$server"
  wait "$server" || fail "the server ended with $?"
  start second "$shard" "$address"
  started+=("$server")
  tell "one 1"
  gets 11002
}

# Than it has the patience for: from a server whose mark is an hour ahead of the clock.
is_told_of_a_long_wait() {
  local last
  last=$(tail -n 1 "$scratch/got")
  env -i target/debug/shardflake state init --state-dir "$scratch/later" --shard-id 8 \
    --above $((last + (360000 << 24))) >"$scratch/told" 2>&1 || fail "$(<"$scratch/told")"
  launch later 8 127.0.0.1:0
  started+=("$server")
  tell "client $address"
  reply "$scratch/error"
  tell "one 1"
  errs "clock_behind_mark .*$address.* 503 .*choose another machine ID"
}

# Whatever there is of them.
end_shipped() {
  kill -CONT "${started[@]}" 2>/dev/null || true
  kill "${started[@]}" "$program_PID" 2>/dev/null || true
  wait
}

# client_cases COMMAND…: of the program, whose standard streams are in `program` then.
client_cases() {
  need_commands iproute2 ss
  trap end_shipped EXIT
  : >"$scratch/got"
  # An address that nobody else's server has had.
  start shipped "$shard" 127.73.1.1:0 SHARDFLAKE_HTTP__BULK_REPLIES=1
  started+=("$server")
  coproc program { exec "$@" 2>"$scratch/told"; }
  tell "client $address"
  reply "$scratch/error"
  tell "one 1000"
  gets 1000
  tell "many 5000"
  gets 6000
  tell "many 0"
  errs "bad_count .*400 .*ask for 1 to"
  waits_for_a_place
  (($(connections) <= most_connections)) || fail "$(connections) connections: $(ss -Htan | grep "$address")"
  waits_for_a_start
  survives_a_restart
  tell "hasty $address"
  reply "$scratch/error"
  kill -STOP "$server"
  wait_until 30 is_stopped "$server" || fail "the server does not stop"
  tell "one 1"
  errs "- .*$address"
  kill -CONT "$server"
  kill "$server"
  wait "$server" || fail "the server ended with $?"
  tell "one 1"
  errs "- .*$address"
  is_told_of_a_long_wait
}
