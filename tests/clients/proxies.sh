# shellcheck shell=bash
# shellcheck disable=SC2154 # What the caller sets.
# Proxies in front of the server. Needs need.sh, wait.sh and cases.sh; `scratch` and `address` are the caller's.

# through ARGUMENTS…: of curl, by the proxy at hand.
through() {
  curl -s --max-time 20 --unix-socket "$scratch/proxy" "$@"
}

# Seven checks, each by a backend of its own, and a way to the first one.
haproxy_configuration() {
  cat <<EOT
global
  log stderr format raw local0 warning
defaults
  mode http
  timeout connect 5s
  timeout client 30s
  timeout server 30s
  default-server inter 100ms
frontend ids
  bind unix@$scratch/proxy
  use_backend statistics if { path_beg /statistics }
  default_backend usual
backend statistics
  stats enable
  stats uri /statistics
backend usual
  option httpchk
  server one $address check
backend asterisk
  option httpchk OPTIONS *
  server one $address check
backend health
  option httpchk GET /health
  server one $address check
backend options
  option httpchk OPTIONS /health
  server one $address check
backend head
  option httpchk HEAD /readyz
  server one $address check
backend newer
  option httpchk
  http-check send meth OPTIONS uri / ver HTTP/1.1 hdr Host ids.example.org
  server one $address check
backend socket
  option httpchk
  server one unix@$scratch/one.socket check
EOT
}

# state_of BACKEND: in HAProxy's words, such as UP and L7OK. While a check is under way it marks what the
# last one found with an asterisk.
state_of() {
  through 'http://haproxy/statistics;csv' |
    awk -F, -v backend="$1" '$1 == backend && $2 == "one" {sub(/^\* /, "", $37); print $18, $37}'
}

# Checked at least once: until then it is taken for up.
is_checked() {
  [[ $(state_of "$1") == *' L7'* || $(state_of "$1") == DOWN* ]]
}

haproxy_cases() {
  local proxy backend
  need_commands haproxy haproxy
  haproxy_configuration >"$scratch/haproxy.cfg"
  haproxy -q -db -f "$scratch/haproxy.cfg" 2>"$scratch/told" &
  proxy=$!
  # shellcheck disable=SC2064 # Now.
  trap "kill $proxy" EXIT
  for backend in usual asterisk health options head newer socket; do
    wait_until 20 is_checked "$backend" || fail "$backend is not checked: $(<"$scratch/told")"
    [[ $(state_of "$backend") == 'UP L7OK' ]] || fail "$backend: $(state_of "$backend")"
  done
  [[ $(through -o "$scratch/body" -w '%{http_code}' http://ids/generate) == 200 ]] || fail "/generate"
  [[ $(through 'http://ids/ids/2000?format=text' | wc -l) == 2000 ]] || fail "2,000 lines"
  [[ $(through 'http://ids/ids/3000?format=text' | wc -l) == 3000 ]] || fail "3,000 lines"
}

# nginx_configuration: nginx as installed, with what is to stand in its http block on standard input.
nginx_configuration() {
  # Else its workers are nobody, who may not use the socket.
  ((EUID != 0)) || echo 'user root;'
  cat <<EOT
daemon off;
worker_processes 1;
pid $scratch/nginx.pid;
error_log stderr warn;
events {}
http {
  access_log off;
  client_body_temp_path $scratch/nginx-1;
  proxy_temp_path $scratch/nginx-2;
  fastcgi_temp_path $scratch/nginx-3;
  uwsgi_temp_path $scratch/nginx-4;
  scgi_temp_path $scratch/nginx-5;
$(cat)
}
EOT
}

# start_nginx: with that configuration, until this shell ends. Its process ID is in `proxy`.
start_nginx() {
  need_commands nginx nginx
  nginx_configuration >"$scratch/nginx.conf"
  rm -f "$scratch/proxy"
  nginx -e stderr -c "$scratch/nginx.conf" 2>"$scratch/told" &
  proxy=$!
  # shellcheck disable=SC2064 # Now.
  trap "kill $proxy" EXIT
  wait_until 20 answers || fail "nginx does not answer: $(<"$scratch/told")"
}

# As it is without further words: to what is behind, nginx speaks HTTP/1.0 and keeps no connection.
plain_nginx() {
  cat <<EOT
  upstream socket {
    server unix:$scratch/one.socket;
  }
  server {
    listen unix:$scratch/proxy;
    location / {
      proxy_pass http://$address;
    }
    location /socket/ {
      proxy_pass http://socket/;
    }
  }
EOT
}

answers() {
  [[ $(through -o /dev/null -w '%{http_code}' http://ids/health) == 200 ]]
}

nginx_cases() {
  local proxy target
  start_nginx < <(plain_nginx)
  for target in generate id ids/1 ids/3000 ranges/10 'ids/1?format=text' 'ids/3000?format=binary' \
    socket/id 'socket/ids/1?format=text'; do
    [[ $(through -o "$scratch/body" -w '%{http_code}' "http://ids/$target") == 200 ]] ||
      fail "$target: $(<"$scratch/body")"
  done
  [[ $(through 'http://ids/ids/2000?format=text' | wc -l) == 2000 ]] || fail "2,000 lines"
  [[ $(through 'http://ids/ids/3000?format=text&encoding=hex' | wc -l) == 3000 ]] || fail "3,000 lines"
  through http://ids/ids/3000 | grep -qE '^\{"ids":\[("[0-9]+",){2999}"[0-9]+"\]\}$' || fail "3,000 IDs"
  [[ $(through -o "$scratch/body" -w '%{http_code}' -X OPTIONS http://ids/) == 204 ]] || fail "OPTIONS"
  [[ $(through -I http://ids/ids/10 | grep -ci '^content-length: ') == 1 ]] || fail "HEAD"
}
