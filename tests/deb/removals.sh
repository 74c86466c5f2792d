# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034 # What the caller sets, and what its functions read.
# Cases of removing and purging. Needs ask.sh; `root` and `scratch` are its caller's, and the
# functions that they use.

removal_cases() {
  case_of "removed: stopped; configuration, marks and user stay" removal_keeps
  case_of "installed again: started, as it was enabled; IDs grow" reinstall_starts
  case_of "purged: nothing is left but the marks and the user" purge_leaves_marks
  case_of "purged and installed again: IDs grow" marks_outlive_a_purge
}

removal_keeps() {
  inside systemctl --quiet enable "$unit" shardflake@2.service
  inside systemctl start shardflake@2.service
  take_larger
  inside dpkg --remove shardflake >"$scratch/said" 2>&1 || fail "dpkg: $(<"$scratch/said")"
  says_nothing
  [[ -z $(inside systemctl list-units --no-legend --state=active 'shardflake*') ]] ||
    fail "still there: $(inside systemctl list-units --no-legend 'shardflake*')"
  [[ $(status_of /health) == 000 ]] || fail "something serves"
  grep -qx 'SHARD_ID=1' "$root/etc/default/shardflake" || fail "/etc/default/shardflake is gone"
  [[ -s $root/var/lib/shardflake/1.mark ]] || fail "the mark is gone"
  inside test ! -e /run/shardflake || fail "/run/shardflake is left over"
  inside id shardflake >/dev/null || fail "the user is gone"
}

reinstall_starts() {
  install_package old
  says_nothing
  is_enabled || fail "it is not enabled"
  wait_until 10 is_serving || fail "it does not serve: $(property ActiveState)"
  take_larger
  unit=shardflake@2.service is_state active
}

purge_leaves_marks() {
  inside dpkg --purge shardflake >"$scratch/said" 2>&1 || fail "dpkg: $(<"$scratch/said")"
  said "the marks in /var/lib/shardflake are kept"
  said "rm -r /var/lib/shardflake"
  list_files >"$scratch/after"
  LC_ALL=C comm -13 "$scratch/before" "$scratch/after" >"$scratch/left"
  if grep -vE '^/var/lib/shardflake($|/)' "$scratch/left"; then
    fail "left over: $(<"$scratch/left")"
  fi
  grep -qx '/var/lib/shardflake/1.mark' "$scratch/left" || fail "the mark is gone: $(<"$scratch/left")"
  [[ $(inside stat -c '%U' /var/lib/shardflake/1.mark) == shardflake ]] || fail "the mark has no owner"
  [[ $(inside systemctl is-system-running) == running ]] || fail "$(inside systemctl --failed)"
}

marks_outlive_a_purge() {
  install_package old
  echo 'SHARD_ID=1' >>"$root/etc/default/shardflake"
  inside systemctl start "$unit" || fail "it did not start"
  # At once: the mark is an old one.
  wait_until 3 is_serving || fail "it waits as if it had no mark: $(fetch /health)"
  take_larger
  inside dpkg --purge shardflake >"$scratch/said" 2>&1 || fail "dpkg: $(<"$scratch/said")"
}
