#!/usr/bin/env bats
# What scripts say of their use: to whoever asks, and to who calls them wrongly.

# Every script that is called by people or by other scripts. A package's own are called by dpkg alone.
scripts() {
  local file
  cd "$BATS_TEST_DIRNAME/../.."
  git ls-files --cached --others --exclude-standard | while read -r file; do
    if [[ -x $file && $file != *.bats && $file != packaging/debian/* ]] &&
      head -n 1 "$file" | grep -qE '^#!.*\b(ba)?sh\b'; then
      printf '%s\n' "$PWD/$file"
    fi
  done
}

# called FROM SCRIPT [ARGUMENT…]: with the outputs apart, and for no longer than a usage takes to print.
called() {
  cd "$1"
  status=0
  timeout 20 "${@:2}" >"$BATS_TEST_TMPDIR/out" 2>"$BATS_TEST_TMPDIR/err" </dev/null || status=$?
}

@test "--help prints the use of every script, from anywhere, and exits 0" {
  local script word count=0
  while read -r script; do
    for word in --help -h; do
      called / "$script" "$word"
      echo "$script $word: $status, $(cat "$BATS_TEST_TMPDIR/err")"
      [ "$status" -eq 0 ]
      [ ! -s "$BATS_TEST_TMPDIR/err" ]
      grep -qE "^ +([A-Z_]+=[^ ]+ )?[a-zA-Z./]*${script##*/}( |$)" "$BATS_TEST_TMPDIR/out"
      ! grep -qE '^(#|set )' "$BATS_TEST_TMPDIR/out"
    done
    count=$((count + 1))
  done < <(scripts)
  [ "$count" -gt 20 ]
}

@test "wrong use prints the same on standard error, and exits 64" {
  local script
  while read -r script; do
    # Its flags are the server's, which has to be built before it can refuse them.
    [[ $script != */scripts/run ]] || continue
    called / "$script" --no-such-option
    echo "$script: $status"
    [ "$status" -eq 64 ]
    [ ! -s "$BATS_TEST_TMPDIR/out" ]
    grep -q "${script##*/}" "$BATS_TEST_TMPDIR/err"
  done < <(scripts)
}

@test "help is given by a script that is called by its name in its own folder" {
  called "$BATS_TEST_DIRNAME/../../scripts" ./test --help
  [ "$status" -eq 0 ]
  grep -q 'scripts/test --system' "$BATS_TEST_TMPDIR/out"
}
