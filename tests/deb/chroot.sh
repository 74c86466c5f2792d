# shellcheck shell=bash
# shellcheck disable=SC2154 # What the caller sets.
# The package where systemd does not run: a chroot, the build of an image.
# Needs part.sh and contents.sh; `scratch` is its caller's, `fresh_root` its function.

check_chroot() {
  fresh_root
  root=$scratch/root
  part "in a chroot: installed, told what is missing" chroot_installs
  part "in a chroot: upgraded, downgraded, removed, purged" chroot_changes
  part "in a chroot: a number that is there already" chroot_with_a_number
  part "in a chroot: no systemd-sysusers" chroot_without_sysusers
  part "in a chroot: the user's number belongs to somebody else" chroot_with_a_conflict
  part "in a chroot: a user of that name with another number" chroot_with_another_user
}

# within COMMAND…: runs it in the chroot; what it says is kept in a file.
within() {
  chroot "$root" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
    DEBIAN_FRONTEND=noninteractive "$@" </dev/null >"$scratch/said" 2>&1
}

# succeeds COMMAND…
succeeds() {
  within "$@" || fail "$*: $(<"$scratch/said")"
}

said() {
  grep -qF -e "$1" "$scratch/said" || fail "nobody says \"$1\": $(<"$scratch/said")"
}

is_enabled() {
  [[ -L $root/etc/systemd/system/multi-user.target.wants/shardflake.service ]]
}

# modes PATH: mode, user and group.
modes() {
  within stat -c '%a %U %G' "$1"
  cat "$scratch/said"
}

# What a purge leaves, as documented, goes too.
purge_all() {
  succeeds dpkg --purge shardflake
  within userdel shardflake || true
  rm -rf "$root/var/lib/shardflake" "$root"/etc/{default/shardflake,shardflake}
}

chroot_installs() {
  succeeds dpkg --install /root/old.deb
  said "no shard number yet. Set SHARD_ID in /etc/default/shardflake"
  said "systemctl enable --now shardflake"
  ! is_enabled || fail "it is enabled without a number"
  succeeds id -u shardflake
  said 547
  [[ $(modes /etc/shardflake/shardflake.toml) == "640 root shardflake" ]] ||
    fail "shardflake.toml: $(modes /etc/shardflake/shardflake.toml)"
  [[ $(modes /var/lib/shardflake) == "750 shardflake shardflake" ]] ||
    fail "/var/lib/shardflake: $(modes /var/lib/shardflake)"
  succeeds shardflake --version
}

chroot_changes() {
  local instance=$root/etc/systemd/system/multi-user.target.wants/shardflake@7.service
  succeeds dpkg --install /root/new.deb
  succeeds dpkg --install /root/old.deb
  succeeds dpkg --remove shardflake
  [[ -f $root/etc/default/shardflake ]] || fail "removing took the configuration"
  # Who has instances needs no other number.
  ln -s /usr/lib/systemd/system/shardflake@.service "$instance"
  succeeds dpkg --install /root/old.deb
  if grep -q 'not started' "$scratch/said"; then fail "$(<"$scratch/said")"; fi
  succeeds dpkg --purge shardflake
  [[ ! -L $instance ]] || fail "an instance is still enabled"
  [[ ! -e $root/etc/default/shardflake && ! -e $root/etc/shardflake ]] || fail "the configuration is still there"
  # Nothing was ever in it.
  [[ ! -e $root/var/lib/shardflake ]] || fail "the empty state directory is still there"
  succeeds id shardflake
  purge_all
}

chroot_with_a_number() {
  echo 'SHARD_ID="3"' >"$root/etc/default/shardflake"
  succeeds dpkg --force-confold --install /root/old.deb
  is_enabled || fail "it is not enabled: $(<"$scratch/said")"
  if grep -q 'not started' "$scratch/said"; then fail "$(<"$scratch/said")"; fi
  purge_all
  ! is_enabled || fail "a purge leaves it enabled"
  echo 'SHARD_ID=70000' >"$root/etc/default/shardflake"
  succeeds dpkg --force-confold --install /root/old.deb
  said 70000
  said "Mend this"
  ! is_enabled || fail "it is enabled with a wrong number"
  purge_all
  mkdir "$root/etc/shardflake"
  printf '[shard]\nid = 4\n' >"$root/etc/shardflake/shardflake.toml"
  succeeds dpkg --force-confold --install /root/old.deb
  is_enabled || fail "the number in shardflake.toml does not count: $(<"$scratch/said")"
  purge_all
}

chroot_without_sysusers() {
  # shellcheck disable=SC2016 # The inner shell expands it.
  within sh -c 'mv "$(command -v systemd-sysusers)" /root'
  succeeds dpkg --install /root/old.deb
  succeeds getent passwd shardflake
  said 'shardflake:x:547:547:shardflake ID service:/var/lib/shardflake:/usr/sbin/nologin'
  purge_all
  mv "$root/root/systemd-sysusers" "$root/usr/bin"
}

chroot_with_a_conflict() {
  succeeds useradd --system --uid 547 other
  if within dpkg --install /root/old.deb; then fail "it was installed: $(<"$scratch/said")"; fi
  said '547'
  said 'belongs to "other"'
  said 'usermod --uid'
  [[ ! -e $root/usr/bin/shardflake ]] || fail "something was unpacked"
  succeeds userdel other
  within dpkg --purge shardflake || true
}

chroot_with_another_user() {
  succeeds useradd --system --uid 600 --user-group shardflake
  succeeds dpkg --install /root/old.deb
  said "has the number 600, not 547"
  [[ $(modes /var/lib/shardflake) == "750 shardflake shardflake" ]] ||
    fail "/var/lib/shardflake: $(modes /var/lib/shardflake)"
  purge_all
}
