# shellcheck shell=bash
# shellcheck disable=SC2154 # What the caller sets.
# Programs of a client's own. Needs need.sh and cases.sh; `scratch` and `address` are the caller's.

# fetch ARGUMENTS…: of curl, with the status in a line behind the body.
fetch() {
  curl -s --max-time 20 -w '\n%{http_code}\n' "$@"
}

# The preface of HTTP/2 is met with an end, not with silence; and versions that are spoken do.
curl_cases() {
  local begun=$SECONDS
  if curl -s --max-time 30 --http2-prior-knowledge "http://$address/id" >/dev/null; then
    fail "HTTP/2 is spoken"
  fi
  ((SECONDS - begun < 10)) || fail "HTTP/2 is left without an answer"
  [[ $(fetch --http2 "http://$address/id" | tail -n 1) == 200 ]] || fail "an upgrade to HTTP/2"
  [[ $(fetch --http1.0 "http://$address/ids/1?format=text" | tail -n 1) == 200 ]] || fail "HTTP/1.0"
  [[ $(fetch --unix-socket "$scratch/one.socket" http://shard/id | tail -n 1) == 200 ]] || fail "a Unix socket"
  [[ $(fetch -H 'Host:' "http://$address/id" | tail -n 1) == 400 ]] || fail "no Host"
  [[ $(fetch --request-target '*' -X OPTIONS "http://$address" | tail -n 1) == 204 ]] || fail "OPTIONS *"
}

# Both of Java's clients, without a header of the program's own.
java_cases() {
  need_commands default-jdk-headless javac java
  timeout 120 java tests/clients/Ask.java "http://$address" >"$scratch/told" 2>&1 ||
    fail "$(tail -n 20 "$scratch/told")"
}

# Times as Python writes them, in an URL as Python makes it.
python_cases() {
  need_commands python3 python3
  timeout 60 python3 tests/clients/ask.py "http://$address" >"$scratch/told" 2>&1 ||
    fail "$(tail -n 20 "$scratch/told")"
}
