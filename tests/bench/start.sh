# shellcheck shell=bash
# A server's life: from the process to readiness, through a reload, to the exit.
# shellcheck disable=SC2154 # lib.sh sets out, port, rounds, served and server.

# lifetime: starts a server as systemd does, reloads and stops it; prints milliseconds to READY, of
# the reload, and to the exit.
lifetime() {
  python3 - "$server" "$out/state-7" "$port" <<'PYTHON'
import os, signal, socket, subprocess, sys, tempfile, time
server, state, port = sys.argv[1:]
with tempfile.TemporaryDirectory() as directory:
    path = os.path.join(directory, "notify")
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(path)

    def hears(word, since):
        while word not in manager.recv(4096):
            pass
        return (time.monotonic() - since) * 1000

    since = time.monotonic()
    child = subprocess.Popen([server, "--state-dir", state, "--listen", "127.0.0.1:" + port],
                             env={**os.environ, "NOTIFY_SOCKET": path}, stderr=subprocess.DEVNULL)
    ready = hears(b"READY=1", since)
    since = time.monotonic()
    child.send_signal(signal.SIGHUP)
    hears(b"RELOADING=1", since)
    reloaded = hears(b"READY=1", since)
    since = time.monotonic()
    child.terminate()
    child.wait()
    print(ready, reloaded, (time.monotonic() - since) * 1000)
PYTHON
}

start() {
  local i log
  log=$out/start
  : >"$log"
  serve 7
  kill "$served"
  wait "$served" || true
  for ((i = 0; i < rounds; i++)); do
    SHARD_ID=7 lifetime >>"$log"
  done
  row "start to READY with a clean mark, ms" "$(calc "$(cut -d ' ' -f 1 "$log" | median)")" "<= 20"
  row "reload, ms" "$(calc "$(cut -d ' ' -f 2 "$log" | median)")" "-"
  row "stop, to the exit, ms" "$(calc "$(cut -d ' ' -f 3 "$log" | median)")" "-"
}
