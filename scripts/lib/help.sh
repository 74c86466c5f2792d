# shellcheck shell=bash
# What a script says of its use: the comment at its head.

# help_of SCRIPT ARGUMENT…: the script, as it is called from the top of the repository. Prints its
# help and ends the script if one of its arguments asks for that.
help_of() {
  local word
  helped=$1
  shift
  for word in "$@"; do
    [[ $word != --help && $word != -h ]] || {
      tell_use
      exit 0
    }
  done
}

tell_use() {
  sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$helped"
}

# Ends a script that was called wrongly.
usage() {
  tell_use >&2
  exit 64
}

# takes_no_arguments "$@"
takes_no_arguments() {
  (($# == 0)) || usage
}
