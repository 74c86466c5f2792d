# shellcheck shell=bash
# build.conf: KEY="value" lines, read as data; nothing in it is ever run. Needs steps.sh.

# What every key is by default, and what it may be.
declare -A conf=(
  [CONTAINER_NAME]=shardflake
  [VERSION]=1
  [STORAGE_LOCATION_ID]=shardflake
  [STORAGE_SOURCE]=""
  [STORAGE_POOL_SIZE]=20G
  [STORAGE_QUOTA_SIZE]=5G
  [SERVICE_PORT]=7001
  [SERVICE_ADDRESS]=127.0.0.1
  [SHARD_NUMBERS]=0-63
  [NETWORK]=""
  [IMAGE_SOURCE]=debootstrap
  [DEBIAN_MIRROR]=""
  [PACKAGE]=""
)
declare -A conf_form=(
  [CONTAINER_NAME]='^[a-z][a-z0-9-]{0,30}[a-z0-9]$'
  [VERSION]='^[0-9][0-9a-z.-]{0,15}$'
  [STORAGE_LOCATION_ID]='^[A-Za-z][A-Za-z0-9_-]{0,60}$'
  [STORAGE_SOURCE]='^(/[A-Za-z0-9_./@+-]+)?$'
  [STORAGE_POOL_SIZE]='^[1-9][0-9]*(M|G|T|MB|GB|TB|MiB|GiB|TiB)$'
  [STORAGE_QUOTA_SIZE]='^[1-9][0-9]*(M|G|T|MB|GB|TB|MiB|GiB|TiB)$'
  [SERVICE_PORT]='^[1-9][0-9]{0,4}$'
  [SERVICE_ADDRESS]='^[0-9a-fA-F.:]+$'
  [SHARD_NUMBERS]='^([0-9]+(-[0-9]+)?)?$'
  [NETWORK]='^[A-Za-z0-9_.-]{0,15}$'
  [IMAGE_SOURCE]='^(debootstrap|[A-Za-z0-9][A-Za-z0-9_./:-]*)$'
  [DEBIAN_MIRROR]='^((https?|file)://[A-Za-z0-9_./:@%+-]+)?$'
  [PACKAGE]='^(/[^[:cntrl:]]+)?$'
)
declare -A conf_line=()

# read_conf FILE: takes every value into `conf`, or says all that is wrong and ends the script.
read_conf() {
  local file=$1 line number=0 wrong=0
  [[ -f $file && -r $file ]] || die "there is no configuration $file"
  while IFS= read -r line || [[ -n $line ]]; do
    number=$((number + 1))
    conf_take "$file:$number" "${line%$'\r'}" || wrong=$((wrong + 1))
  done <"$file"
  ((wrong == 0)) || die "$wrong wrong lines in $file"
}

# conf_take PLACE LINE: one line.
conf_take() {
  local place=$1 line=$2 key value
  [[ ! $line =~ ^[[:space:]]*(#|$) ]] || return 0
  if [[ ! $line =~ ^[[:space:]]*([A-Za-z_][A-Za-z0-9_]*)=(.*)$ ]]; then
    echo "$place: not KEY=\"value\": $line" >&2
    return 1
  fi
  key=${BASH_REMATCH[1]}
  if ! value=$(conf_value "${BASH_REMATCH[2]}"); then
    echo "$place: $key: a quote is missing, or something follows the value" >&2
    return 1
  fi
  if [[ ! -v conf[$key] ]]; then
    echo "$place: warning: $key is no setting of this build; ignored" >&2
    return 0
  fi
  if [[ -n ${conf_line[$key]:-} ]]; then
    echo "$place: $key is set before, at ${conf_line[$key]}" >&2
    return 1
  fi
  conf_line[$key]=$place
  if ! conf_fits "$key" "$value"; then
    echo "$place: $key=\"$value\" does not fit $(conf_hint "$key")" >&2
    return 1
  fi
  conf[$key]=$value
}

# conf_value TEXT: the value, without its quotes and a comment after it.
conf_value() {
  local quoted='^"([^"]*)"[[:space:]]*(#.*)?$' single="^'([^']*)'[[:space:]]*(#.*)?\$"
  local bare='^([^[:space:]"#'\'']*)[[:space:]]*(#.*)?$'
  [[ $1 =~ $quoted || $1 =~ $single || $1 =~ $bare ]] || return 1
  printf '%s' "${BASH_REMATCH[1]}"
}

conf_fits() {
  local key=$1 value=$2
  [[ $value =~ ${conf_form[$key]} ]] || return 1
  case $key in
    SERVICE_PORT) ((value <= 65535)) ;;
    SHARD_NUMBERS) numbers_fit "$value" ;;
  esac
}

# numbers_fit NUMBERS: nothing, a shard number, or a range of them.
numbers_fit() {
  local first=${1%-*} last=${1#*-}
  [[ -n $1 ]] || return 0
  [[ ${#first} -le 5 && ${#last} -le 5 ]] && ((10#$first <= 10#$last && 10#$last <= 65535))
}

conf_hint() {
  case $1 in
    STORAGE_QUOTA_SIZE | STORAGE_POOL_SIZE) echo "(a size such as 5G)" ;;
    SERVICE_PORT) echo "(a port, 1 to 65535)" ;;
    SHARD_NUMBERS) echo "(a range of shard numbers such as 0-63, within 0 to 65535)" ;;
    STORAGE_SOURCE | PACKAGE) echo "(an absolute path, or empty)" ;;
    *) echo "(what it may be: ${conf_form[$1]})" ;;
  esac
}

# size_of SIZE: as LXD writes it; 5G are 5GiB.
size_of() {
  [[ $1 =~ ^[0-9]+[MGT]$ ]] && printf '%siB' "$1" || printf '%s' "$1"
}
