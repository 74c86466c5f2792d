# shellcheck shell=bash
# From the process to readiness.
# shellcheck disable=SC2154 # lib.sh sets out and server.

start() {
  local i log
  log=$out/start
  : >"$log"
  serve 7
  kill "$served"
  wait "$served" || true
  for ((i = 0; i < 20; i++)); do
    SHARD_ID=7 python3 - "$server" "$out/state-7" "$port" >>"$log" <<'PYTHON'
import os, socket, subprocess, sys, tempfile, time
server, state, port = sys.argv[1:]
with tempfile.TemporaryDirectory() as directory:
    path = os.path.join(directory, "notify")
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(path)
    begin = time.monotonic()
    child = subprocess.Popen([server, "--state-dir", state, "--listen", "127.0.0.1:" + port],
                             env={**os.environ, "NOTIFY_SOCKET": path}, stderr=subprocess.DEVNULL)
    while b"READY=1" not in manager.recv(4096):
        pass
    print((time.monotonic() - begin) * 1000)
    child.terminate()
    child.wait()
PYTHON
  done
  row "start to READY with a clean mark, ms" "$(calc "$(median <"$log")")" "<= 20"
}
