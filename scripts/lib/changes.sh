# shellcheck shell=bash
# Judges what came of the changes that cargo-mutants made. A change is known by its name and its
# place together, so that none is excused by what was argued of another.
# Needs a function retry FILE DIFF, which prints which further tests notice a change: units,
# simulator, or none; or slow, if there are some that do not end and none that fail.

# outcomes SOURCE FILE REPORT…: what came of each change of that file; see outcomes.jq.
outcomes() {
  jq --null-input --raw-output --rawfile source "$1/$2" \
    --from-file "${BASH_SOURCE[0]%/*}/outcomes.jq" "${@:3}"
}

# argued_changes FILE: the argued changes, one a line: its name, its place, and `at` if it changes
# nothing or `hangs` if tests do not end by it; separated by tabs.
argued_changes() {
  awk '
    function fail(what) { print FILENAME ":" FNR ": " what >"/dev/stderr"; failed = 1; exit 1 }
    # Of an entry, in this order.
    function wants() { return name == "" ? "" : place == "" ? "place" : reason == "" ? "reason" : "" }
    /^src\// {
      if (wants()) fail("no " wants() " is given for: " name)
      name = $0
      place = reason = ""
      next
    }
    wants() == "place" {
      if (!match($0, /^  (hangs )?at: /)) fail("this is no place: " $0)
      place = substr($0, RLENGTH + 1)
      if (seen[name, place]++) fail("argued twice: " name)
      print name "\t" place "\t" ($1 == "at:" ? "at" : "hangs")
      next
    }
    name && /^ / { reason = $0; next }
    !/^(#|$)/ { fail("this is no change: " $0) }
    END {
      if (failed) exit 1
      if (wants()) fail("no " wants() " is given for: " name)
    }' "$1"
}

# has_failed LOG: whether a test failed, however the run ended.
has_failed() {
  grep -qE '^(test )?.* (\.\.\.|---) FAILED$' "$1"
}

# verdict WORD SUMMARY FILE DIFF LOG: what is to be said of a change of which that word is argued,
# or none: units or simulator, which notice it; argued or hangs, if it is excused; broken, if it does
# not compile; slow or none, if it is not noticed.
verdict() {
  local word=$1 result
  case $2:$word in
    Unviable:*) result=broken ;;
    CaughtMutant:*) result=units ;;
    MissedMutant:at) result=none ;;
    Timeout:*)
      # A time-out by itself tells nothing: a slow machine does the same.
      if has_failed "$5"; then
        result=units
      elif [[ $word == hangs ]]; then
        result=slow
      else
        result=$(retry "$3" "$4") || return 1
      fi
      ;;
    MissedMutant:*) result=$(retry "$3" "$4") || return 1 ;;
    *)
      echo "what is $2?" >&2
      return 1
      ;;
  esac
  case $result:$word in
    none:at) echo argued ;;
    slow:hangs) echo hangs ;;
    *) echo "$result" ;;
  esac
}

# judge ARGUED OUTCOMES FILE…: goes through the outcomes of all changes of these files, and counts.
# The last line says how it went.
judge() {
  local summary name place where diff log word result
  local -A argued=() known=()
  local -A counts=([units]=0 [simulator]=0 [argued]=0 [hangs]=0 [slow]=0 [none]=0 [broken]=0)
  while IFS=$'\t' read -r name place word; do
    argued[$name$'\t'$place]=$word
  done <"$1"
  while IFS=$'\t' read -r summary name place where diff log; do
    known[$name$'\t'$place]=yes
    word=${argued[$name$'\t'$place]:-}
    result=$(verdict "$word" "$summary" "${where%%:*}" "$diff" "$log") || return 1
    counts[$result]=$((${counts[$result]} + 1))
    case $result in
      simulator) echo "simulator  $where ${name#*: }" ;;
      slow) printf 'TIMES OUT  %s %s\n  at: %s\n' "$where" "${name#*: }" "$place" ;;
      none) printf 'SURVIVES   %s %s\n  at: %s\n' "$where" "${name#*: }" "$place" ;;
    esac
  done <"$2"
  local gone=0 file
  while IFS=$'\t' read -r name place word; do
    file=${name%%: *}
    [[ " ${*:3} " == *" $file "* || ! -e $file ]] || continue
    if [[ -z ${known[$name$'\t'$place]:-} ]]; then
      printf 'GONE       %s\n  at: %s\n' "$name" "$place"
      gone=$((gone + 1))
    fi
  done <"$1"
  summarise
}

# The last line, of what judge has counted: it is well if nothing is left to be argued.
summarise() {
  local count all=0
  for count in "${counts[@]}"; do
    all=$((all + count))
  done
  all=$((all - counts[broken]))
  echo "$all mutants: ${counts[units]} caught by unit tests, ${counts[simulator]} by the simulator," \
    "${counts[argued]} argued to change nothing, ${counts[hangs]} argued to hang," \
    "${counts[slow]} time out, ${counts[none]} survive;" \
    "${counts[broken]} more do not compile, $gone argued are gone"
  ((all > 0 && counts[slow] == 0 && counts[none] == 0 && gone == 0))
}
