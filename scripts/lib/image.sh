# shellcheck shell=bash
# The image: a base with systemd, and the package installed in it.
# shellcheck disable=SC2016 # What instances run, expands there.
# Needs steps.sh, conf.sh, lxc.sh, need.sh and debian.sh.
# shellcheck disable=SC2154 # They set conf, client, made, bridge, image, pool and profile.

# The image that gets replaced, if any.
replaced=

# An instance that is only there while something is made.
temporary=

# Files of this run.
scratch=

# shellcheck disable=SC2034 # The caller reads image_wanted.
# Sets `image_wanted`: whether the image has to be made.
find_image() {
  image_wanted=true
  if ! has image show "$image"; then
    note "has to be made"
    return
  fi
  is_made image get-property "$image" ||
    die "the image $image was not made by this script" "another CONTAINER_NAME in build.conf"
  if [[ $rebuild == true ]]; then
    replaced=$(lx image info "$image" | sed -n 's/^Fingerprint: //p')
    note "is made anew"
    return
  fi
  image_wanted=false
  note "is there: $(lx image get-property "$image" shardflake.package)"
}

make_package() {
  package=${conf[PACKAGE]}
  if [[ -z $package && $dry_run == true ]]; then
    note "would run: build/deb.sh"
    return
  fi
  if [[ -z $package ]]; then
    note "building it: about two minutes, the first time"
    build/deb.sh >"$scratch/deb.log" 2>&1 || {
      tail -n 20 "$scratch/deb.log" >&2
      die "build/deb.sh failed"
    }
    package=$(tail -n 1 "$scratch/deb.log")
  fi
  [[ -f $package ]] || die "there is no package $package"
  note "${package##*/}, $(du -k "$package" | cut -f 1) kB"
}

# Sets `base` to an image to start from.
make_base() {
  base=${conf[IMAGE_SOURCE]}
  if [[ $base != debootstrap ]]; then
    note "$base"
    return
  fi
  base=${conf[CONTAINER_NAME]}-base-$debian_recipe
  if has image show "$base"; then
    note "$base is there"
    return
  fi
  if [[ $dry_run == true ]]; then
    note "would make a Debian 12 by debootstrap, and import it as $base"
    return
  fi
  note "a Debian 12 by debootstrap: about a minute, the first time"
  make_tree
  import_tree
  note "$base: Debian 12, $(du -sm "$tree" | cut -f 1) MB"
}

make_tree() {
  local status=0
  bootstrap_debian "${conf[DEBIAN_MIRROR]}" || status=$?
  ((status != 3)) ||
    die "this host's apt knows no Debian 12" "a mirror as DEBIAN_MIRROR in build.conf, or an IMAGE_SOURCE"
  ((status == 0)) || die "debootstrap failed"
}

# Without a host name of its own every instance has the one that it was given.
import_tree() {
  printf 'architecture: %s\ncreation_date: %s\nproperties:\n  description: Debian 12\n  %s: "true"\n' \
    "$(uname -m)" "$(date +%s)" "$made" >"$scratch/metadata.yaml"
  tar -C "$scratch" -cf "$scratch/metadata.tar" metadata.yaml
  tar -C "$tree" --numeric-owner --xattrs --exclude=./etc/hostname -cf "$scratch/root.tar" .
  change lx image import "$scratch/metadata.tar" "$scratch/root.tar" --alias "$base" "$made=true"
  rm "$scratch/root.tar"
}

# start_idle IMAGE NAME FLAG…: an instance in which nothing runs, to work in.
start_idle() {
  local from=$1 name=$2
  shift 2
  remove_instance "$name"
  ! instance_exists "$name" || die "an instance $name is in the way that this script did not make"
  change lx init "$from" "$name" --no-profiles "$@" \
    --config "$made=true" --config raw.lxc="lxc.init.cmd = /bin/sleep infinity"
  change lx start "$name"
}

publish_image() {
  local before after name
  if [[ $dry_run == true ]]; then
    note "would install the package in $base and publish it as $image"
    return
  fi
  start_idle "$base" "$temporary" --storage "$pool"
  equip_base
  before=$(root_kilobytes)
  change lx file push --quiet "$package" "$temporary/root/shardflake.deb"
  change lx exec "$temporary" -- env DEBIAN_FRONTEND=noninteractive dpkg --install /root/shardflake.deb
  # shellcheck disable=SC2016 # dpkg-query replaces the names, not the shell.
  name=$(lx exec "$temporary" -- dpkg-query --show --showformat='${Package} ${Version}' shardflake)
  after=$(root_kilobytes)
  fix_port
  enable_service
  clean_instance
  change lx stop --force "$temporary"
  change lx publish "$temporary" --alias "$image" --compression "$(compression)" \
    "$made=true" shardflake.package="$name" shardflake.added_kb="$((after - before))" \
    description="$name on Debian 12"
  remove_instance "$temporary"
  [[ -z $replaced ]] || change lx image delete "$replaced"
  # So that `lxc launch` alone makes a shard, too.
  lx image show "$image" | sed "s/^- default\$/- $profile/" | "$client" image edit "$image"
  note "$name adds $(((after - before + 1023) / 1024)) MB to the base image"
}

# What must not be the same in every instance, and what only takes room.
clean_instance() {
  change lx exec "$temporary" -- sh -euc '
    rm -f /root/shardflake.deb /var/lib/systemd/random-seed /var/lib/dbus/machine-id
    rm -rf /var/log/journal/* /var/lib/apt/lists/* /var/cache/apt/archives/*.deb
    : >/etc/machine-id'
}

# Whatever the profile: the proxies of instances lead to it.
fix_port() {
  change lx exec "$temporary" -- \
    sed -i 's/^listen = \["127.0.0.1"\]     /listen = ["127.0.0.1:7001"]/' /etc/shardflake/shardflake.toml
}

# Instances are to serve at boot, as soon as they have a number; until then the unit keeps quiet.
# And they are to start it on a full root, too: systemd makes folders in /tmp for the sandbox.
enable_service() {
  change lx exec "$temporary" -- systemctl --quiet enable shardflake.service
  change lx exec "$temporary" -- sh -euc '
    for folder in /tmp /var/tmp; do
      echo "tmpfs $folder tmpfs mode=1777,nosuid,nodev,size=10% 0 0" >>/etc/fstab
    done'
}

# What a Debian from debootstrap lacks in a container, and what only delays it there.
equip_base() {
  [[ ${conf[IMAGE_SOURCE]} == debootstrap ]] || return 0
  change lx exec "$temporary" -- sh -euc '
    printf "[Match]\nName=eth0\n\n[Network]\nDHCP=yes\n" >/etc/systemd/network/eth0.network
    printf "nameserver %s\n" "$1" >/etc/resolv.conf
    systemctl --quiet enable systemd-networkd.service
    systemctl --quiet mask e2scrub_reap.service systemd-modules-load.service' sh "$(bridge_address)"
}

# The name server of instances is the bridge's.
bridge_address() {
  ip -4 -oneline address show dev "$bridge" | sed -n 's|.* inet \([0-9.]*\)/.*|\1|p' | head -n 1
}

# What the root file system of the temporary instance holds.
root_kilobytes() {
  lx exec "$temporary" -- du -skx / | cut -f 1
}

compression() {
  if command -v zstd >/dev/null; then echo zstd; else echo gzip; fi
}
