# shellcheck shell=bash
# Database servers of Debian's packages, without rights and without a trace: unpacked, not installed, each
# with its data in a folder of the caller's and on a Unix socket there alone.
# Needs need.sh and wait.sh.

# unpack PACKAGE…: these, and what they need that is not installed here, are unpacked in the cache and put
# first in PATH; the folder is in `unpacked`. What is installed is used as it is.
unpack() {
  local wanted=() key package part
  unpacked=
  command -v apt-get >/dev/null || skip "there is no apt-get to have $* from"
  mapfile -t wanted < <(missing "$@")
  if ((${#wanted[@]} == 0)) && ! missing "$@" >/dev/null; then
    ((EUID != 0)) || apt-get update -qq || true
    missing "$@" >/dev/null || skip "this host's apt does not have $*"
    mapfile -t wanted < <(missing "$@")
  fi
  ((${#wanted[@]})) || return 0
  key=$(sha256sum <<<"${wanted[*]}")
  unpacked=$(cache_dir)/unpacked-${key:0:16}
  if [[ ! -d $unpacked ]]; then
    scratch_folder part unpacking
    mkdir "$part/debs" "$part/root"
    (cd "$part/debs" && apt-get download -qq "${wanted[@]}") >"$part/log" 2>&1 ||
      skip "apt-get could not download ${wanted[*]}: $(tail -n 1 "$part/log")"
    for package in "$part"/debs/*.deb; do
      dpkg-deb --extract "$package" "$part/root"
    done
    # Somebody else may have made it meanwhile.
    mv -T "$part/root" "$unpacked" 2>/dev/null || [[ -d $unpacked ]]
    rm -rf --one-file-system "$part"
  fi
  PATH=$unpacked/usr/bin:$unpacked/usr/sbin:$PATH
  LD_LIBRARY_PATH=$(printf '%s:' "$unpacked"/usr/lib/*-linux-gnu)${LD_LIBRARY_PATH:-}
  export LD_LIBRARY_PATH
}

# missing PACKAGE…: what apt would install for them, as NAME=VERSION.
missing() {
  local plan
  plan=$(apt-get --simulate --no-install-recommends install "$@" 2>/dev/null) || return
  # With a version in brackets it is here, and would be replaced.
  sed -n 's/^Inst \([^ ]*\) (\([^ ]*\) .*/\1=\2/p' <<<"$plan"
}

# mariadb_up FOLDER: MariaDB with its data and its socket there, until this shell ends.
mariadb_up() {
  local folder=$1 base server options
  base=$(dirname "$(dirname "$(command -v mariadbd)")")
  options=(--no-defaults "--basedir=$base" "--datadir=$folder/data" "--user=$(id -un)")
  mkdir -p "$folder"
  mariadb-install-db "${options[@]}" --auth-root-authentication-method=normal --skip-test-db \
    >"$folder/log" 2>&1 || {
    tail -n 5 "$folder/log"
    return 1
  }
  mariadbd "${options[@]}" --skip-networking "--socket=$folder/socket" "--pid-file=$folder/pid" \
    --innodb-flush-method=nosync >"$folder/log" 2>&1 &
  server=$!
  # shellcheck disable=SC2064 # This one.
  trap "kill $server; wait $server || true" EXIT
  wait_until 30 test -S "$folder/socket" || {
    tail -n 5 "$folder/log"
    return 1
  }
}

# Sets `version` to the newest PostgreSQL that is installed, or that Debian has, and puts it first in PATH.
need_postgresql() {
  local name bin
  # shellcheck disable=SC2012 # Numbers.
  version=$(ls /usr/lib/postgresql 2>/dev/null | sort -n | tail -n 1)
  if [[ -z $version ]]; then
    name=$(apt-cache depends postgresql 2>/dev/null | sed -n 's/^ *Depends: \(postgresql-[0-9]*\)$/\1/p')
    [[ -n $name ]] || skip "this host's apt does not have postgresql"
    version=${name#*-}
    unpack "$name" "postgresql-client-$version"
    bin=${unpacked:?}/usr/lib/postgresql/$version/bin
  else
    bin=/usr/lib/postgresql/$version/bin
  fi
  [[ -x $bin/initdb && -x $bin/postgres && -x $bin/psql ]] || skip "$bin is not complete"
  PATH=$bin:$PATH
}

# postgresql_up FOLDER: PostgreSQL with its data and its socket there, until this shell ends.
postgresql_up() {
  local folder=$1 server unprivileged=()
  # It refuses to be root's; in a namespace root looks like somebody else, and may write its folders still.
  if ((EUID == 0)); then
    unprivileged=(unshare --user --map-user=65534 --map-group=65534)
    "${unprivileged[@]}" true 2>/dev/null || skip "PostgreSQL refuses to run as root, and here root cannot be somebody else"
  fi
  mkdir -p "$folder"
  "${unprivileged[@]}" initdb -D "$folder/data" -U "$(id -un)" -A trust -E UTF8 --locale=C -N >"$folder/log" 2>&1 || {
    tail -n 5 "$folder/log"
    return 1
  }
  "${unprivileged[@]}" postgres -D "$folder/data" -k "$folder" -c listen_addresses= -c fsync=off -c jit=off \
    >"$folder/log" 2>&1 &
  server=$!
  # shellcheck disable=SC2064 # This one. SIGINT: without waiting for clients.
  trap "kill -INT $server; wait $server || true" EXIT
  wait_until 30 psql -X -q -h "$folder" -d postgres -c '' 2>/dev/null || {
    tail -n 5 "$folder/log"
    return 1
  }
}
