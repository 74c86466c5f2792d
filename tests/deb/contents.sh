# shellcheck shell=bash
# shellcheck disable=SC2154 # What the caller sets.
# What is in the package. Needs part.sh; `package` and `scratch` are its caller's.

# Kilobytes.
size_limit=$((15 * 1024))

check_contents() {
  dpkg-deb --raw-extract "$package" "$scratch/contents"
  part "lintian has nothing to say" lintian_is_silent
  part "what is installed, and what it needs" files_are_there
  part "manual pages" pages_are_there
  part "completions" completions_are_there
  part "notices of what is linked in" notices_are_there
}

fail() {
  printf '    %s\n' "$*"
  exit 1
}

lintian_is_silent() {
  [[ ! -e $scratch/contents/usr/share/lintian ]] || fail "the package overrides lintian"
  # Info is shown, and is no reason to fail.
  lintian --allow-root --display-info --pedantic --fail-on error,warning "$package"
}

files_are_there() {
  local path unit wanted owners
  wanted=(usr/bin/shardflake usr/lib/{sysusers.d/shardflake.conf,systemd/catalog/shardflake.catalog}
    usr/share/doc/shardflake/{changelog.gz,copyright,crates.txt.gz}
    usr/share/doc/shardflake/examples/{shardflake.example.toml,client.py,client.go,Client.java,client.ts}
    usr/share/shardflake/sql/{postgresql,mariadb,sqlite}.sql)
  while read -r unit; do
    wanted+=("usr/lib/systemd/system/$unit")
  done < <(cd systemd && find . -name '*.service' -o -name '*.socket' -o -path './*.d/*.conf')
  for path in "${wanted[@]}"; do
    [[ -f $scratch/contents/$path ]] || fail "/$path is missing"
  done
  documents_are_there
  [[ $(sort "$scratch/contents/DEBIAN/conffiles") == $'/etc/default/shardflake\n/etc/shardflake/shardflake.toml' ]] ||
    fail "conffiles: $(<"$scratch/contents/DEBIAN/conffiles")"
  if grep -qv '^\s*#\|^$' "$scratch/contents/etc/default/shardflake"; then
    fail "/etc/default/shardflake sets something"
  fi
  # Aliased to /usr/lib: dpkg would not know that they are the same.
  [[ ! -e $scratch/contents/lib ]] || fail "there is something in /lib"
  owners=$(dpkg-deb --contents "$package" | awk '$2 != "root/root" || $1 ~ /^.....w|^........w/' | grep -v '^l' || true)
  [[ -z $owners ]] || fail "not root's alone: $owners"
  needs_little
}

# Small ones are not compressed.
documents_are_there() {
  local path count=0
  for path in packaging/doc/*; do
    path=$scratch/contents/usr/share/doc/shardflake/${path##*/}
    [[ -f $path || -f $path.gz ]] || fail "${path#"$scratch/contents"} is missing"
    count=$((count + 1))
  done
  ((count > 10)) || fail "packaging/doc has $count files"
}

needs_little() {
  local size depends
  size=$(dpkg-deb --field "$package" Installed-Size)
  echo "    $size KiB installed, limit $size_limit"
  ((size <= size_limit)) || fail "too large"
  depends=$(dpkg-deb --field "$package" Depends | tr ',' '\n' | sed 's/^ *\([^ ]*\).*/\1/' | sort | xargs)
  [[ $depends == "libc6 libgcc-s1 passwd" ]] || fail "depends on: $depends"
}

pages_are_there() {
  local page command pages=() said
  pages=(man8/{shardflake,shardflake.service,shardflake@.service,shardflake.socket}.8 man5/shardflake.toml.5)
  while read -r command; do
    pages+=("man1/shardflake-$command.1")
  done < <("$scratch/contents/usr/bin/shardflake" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p' | grep -vx help)
  ((${#pages[@]} > 10)) || fail "--help tells no commands: ${pages[*]}"
  for page in "${pages[@]}"; do
    page=$scratch/contents/usr/share/man/$page.gz
    [[ -e $page ]] || fail "$page is missing"
    said=$(LC_ALL=C.UTF-8 MANROFFSEQ='' MANWIDTH=80 man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null)
    [[ -z $said ]] || fail "$page: $said"
  done
}

completions_are_there() {
  local share=$scratch/contents/usr/share
  bash -n "$share/bash-completion/completions/shardflake"
  # shellcheck disable=SC1091 # It is generated.
  (source "$share/bash-completion/completions/shardflake" && complete -p shardflake >/dev/null)
  [[ $(head -n 1 "$share/zsh/vendor-completions/_shardflake") == "#compdef shardflake" ]] ||
    fail "zsh would not load its completions"
  grep -q '^complete -c shardflake' "$share/fish/vendor_completions.d/shardflake.fish" ||
    fail "fish would not load its completions"
}

# Every library that is linked in is named, and its notice stands below.
notices_are_there() {
  local name text
  text=$(zcat "$scratch/contents/usr/share/doc/shardflake/crates.txt.gz")
  for name in tokio hyper serde_json clap nix; do
    grep -q "^=== $name [0-9]" <<<"$text" || fail "$name is not named"
  done
  awk '/^=== /{ if (name && lines < 5) print name; name = $2; lines = 0; next } NF { lines++ }
    END { if (lines < 5) print name }' <<<"$text" >"$scratch/without"
  [[ ! -s $scratch/without ]] || fail "without a notice: $(<"$scratch/without")"
}
