# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # What the caller sets, and what its functions read.
# Cases of the units' protections. Needs ask.sh; `root` and `scratch` are its caller's.

# In tenths of 10.
most_exposed=15

units_are_clean() {
  local name said
  for name in shardflake.service shardflake@1.service shardflake.socket; do
    # Not whether the manual pages are there: the package installs them.
    said=$(inside systemd-analyze verify --man=no "$name" 2>&1) || fail "$name: $said"
    [[ -z $said ]] || fail "$name: $said"
  done
  [[ $(inside id -u shardflake) == 547 ]] || fail "the user has the number $(inside id -u shardflake)"
}

units_are_hardened() {
  local name
  for name in shardflake.service shardflake@1.service; do
    inside systemd-analyze security --no-pager --threshold="$most_exposed" "$name" \
      >"$scratch/security" || fail "$(cat "$scratch/security")"
    printf '    '
    grep -a 'Overall exposure' "$scratch/security" | sed 's/^[^O]*//'
  done
}

# What LXC images put over every service: written into /run by their generator.
lxc_drop_in() {
  printf '%s\n' '[Service]' ProcSubset=all ProtectProc=default ProtectControlGroups=no \
    ProtectKernelTunables=no NoNewPrivileges=no LoadCredential= PrivateNetwork=no
}

# What they add in a privileged container.
lxc_privileged_drop_in() {
  lxc_drop_in
  printf '%s\n' ProtectHome=no ProtectSystem=no PrivateDevices=no PrivateTmp=no \
    ProtectKernelLogs=no ProtectKernelModules=no ReadWritePaths=
}

# serves_under DROP-IN: whether the service starts and serves with its lines over the unit's.
serves_under() {
  local folder=$root/etc/systemd/system/service.d
  mkdir -p "$folder"
  "$1" >"$folder/zzz-lxc-service.conf"
  inside systemctl daemon-reload
  [[ $(property NoNewPrivileges) == no ]] || fail "the drop-in is not in force"
  inside systemctl restart "$unit" || fail "it did not start"
  wait_until 10 is_serving || fail "it does not serve"
  take_larger
  rm -r "$folder"
  inside systemctl daemon-reload
  inside systemctl restart "$unit"
  [[ $(property NoNewPrivileges) == yes ]] || fail "the drop-in is still in force"
}

serves_under_lxc() {
  serves_under lxc_drop_in
  serves_under lxc_privileged_drop_in
}
