# shellcheck shell=bash
# What the generator costs, without a server.
# shellcheck disable=SC2154 # lib.sh sets out.

core() {
  need_packages valgrind
  need_cargo_tool gungraun-runner 0.20.0
  GUNGRAUN_RUNNER=$(command -v gungraun-runner) cargo bench --quiet --bench instructions \
    >"$out/core.log" 2>&1
  awk '/single_ids|ids_of_a_run/ { name = $1; sub(/.*::/, "", name) } /Instructions:/ {
    gsub(/[^0-9|]/, "", $2); split($2, n, "|"); printf "%s %.1f\n", name, n[1] / 1000 }' \
    "$out/core.log" | while read -r name each; do
    row "instructions per ID, $name" "$each" "-"
  done
}
