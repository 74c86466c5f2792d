# shellcheck shell=bash
# What the virtual machine boots: Debian's kernel for clouds, and a file system in memory with the
# server, the guest program and what they need. Needs part.sh and need.sh.

# Modules that the machine loads, and those that the modules want.
vm_modules=(
  virtio_pci virtio_blk virtio_console
  dm-mod dm-log-writes dm-delay
  btrfs
)

# Prints the package that the kernel comes from.
kernel_package() {
  apt-cache depends --important linux-image-cloud-amd64 2>/dev/null |
    sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1
}

# unpacked FOLDER PACKAGE: sets `unpacked` to where the package lies, fetched once. Nothing of it is
# installed: this host keeps its kernel, and its clock.
unpacked() {
  local part
  unpacked="$1/$2"
  [[ ! -d $unpacked ]] || return 0
  part=$(mktemp -d -p "$1" package.XXXXXXXX)
  if ! (cd "$part" && apt-get download -qq "$2" && dpkg -x ./*.deb root) >"$part/log" 2>&1; then
    cat "$part/log"
    rm -rf --one-file-system "$part"
    skip "the package $2 could not be had"
  fi
  mv -T "$part/root" "$unpacked"
  rm -rf --one-file-system "$part"
}

# add ROOT PROGRAM [PLACE]: copies a program and the libraries that it is linked with.
add() {
  local root=$1 program=$2 place=${3:-$2} library
  install -D -m 755 "$program" "$root/$place"
  while read -r library; do
    [[ -e $root/$library ]] || install -D -m 755 "$library" "$root/$library"
  done < <(ldd "$program" 2>/dev/null | grep -o '/[^ ]*')
}

# add_modules ROOT: all that might be wanted is a third of a megabyte more than what is.
add_modules() {
  local root=$1 version module from
  version=$(basename "$vm_kernel"/lib/modules/*)
  from="$vm_kernel/lib/modules/$version"
  mkdir -p "$root/lib/modules/$version"
  for module in drivers/virtio drivers/block/virtio_blk drivers/char/virtio_console \
    drivers/md/dm-mod drivers/md/dm-log-writes drivers/md/dm-delay fs/btrfs \
    crypto/xor lib/raid6 lib/zstd lib/libcrc32c; do
    find "$from/kernel" -path "$from/kernel/$module*" -name '*.ko' \
      -exec cp -t "$root/lib/modules/$version" {} +
  done
  busybox depmod -b "$root" "$version"
}

init_script() {
  cat <<INIT
#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /data /tmp /run
/bin/busybox --install -s /bin
export PATH=/bin:/usr/sbin:/usr/bin DM_DISABLE_UDEV=1
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
for module in ${vm_modules[*]}; do modprobe "\$module"; done
ip link set lo up
until grep -qsx in /sys/class/virtio-ports/*/name && grep -qsx out /sys/class/virtio-ports/*/name &&
  [ -e /dev/vda ] && [ -e /dev/vdb ]; do usleep 20000; done
exec /vm-guest
INIT
}

# initramfs SERVER GUEST: prints the archive.
initramfs() (
  set -e
  root=$(mktemp -d)
  trap 'rm -rf --one-file-system "$root"' EXIT
  add "$root" "$(command -v busybox)" /bin/busybox
  add "$root" "$(command -v dmsetup)" /usr/sbin/dmsetup
  add "$root" "$vm_adjtimex/sbin/adjtimex" /sbin/adjtimex
  add "$root" "$1" /shardflake
  add "$root" "$2" /vm-guest
  # One that is built for debugging takes up memory that has to be saved.
  strip "$root/shardflake" "$root/vm-guest"
  add_modules "$root"
  init_script >"$root/init"
  chmod 755 "$root/init"
  cd "$root" || exit
  find . -print0 | sort -z | cpio --null --create --format=newc --quiet
)

# vm_image FOLDER SERVER GUEST: sets `vm_lab` to a folder with `vmlinuz` and `initrd`; what was made
# of the same parts before is used again.
vm_image() {
  local key package
  package=$(kernel_package)
  # Without package lists apt does not tell.
  [[ -n $package ]] || { apt-get update -qq && package=$(kernel_package); } || true
  [[ -n $package ]] || skip "this host's apt knows no linux-image-cloud-amd64"
  mkdir -p "$1"
  unpacked "$1" adjtimex
  vm_adjtimex=$unpacked
  unpacked "$1" "$package"
  vm_kernel=$unpacked
  key=$(cat "$2" "$3" tests/vm/image.sh | sha256sum)
  vm_lab="$1/$package-${key:0:16}"
  [[ ! -e $vm_lab/initrd ]] || return 0
  mkdir -p "$vm_lab"
  ln -sf "$(realpath "$vm_kernel")"/boot/vmlinuz-* "$vm_lab/vmlinuz"
  initramfs "$2" "$3" >"$vm_lab/initrd.part"
  mv "$vm_lab/initrd.part" "$vm_lab/initrd"
}
