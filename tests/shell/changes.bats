#!/usr/bin/env bats
# How scripts/mutants tells what came of each change, and which of them are excused: by
# scripts/lib/changes.sh, on reports as cargo-mutants writes them.

setup() {
  cd "$BATS_TEST_DIRNAME/../.."
  source scripts/lib/changes.sh
  work=$BATS_TEST_TMPDIR
  mkdir -p "$work/src" "$work/report/log"
  cat >"$work/src/id.rs" <<'SOURCE'
fn over(now: u64, ceiling: u64, last: u64) -> bool {
    // ² is one column.
    let early = "²" < "³" && now > ceiling || now > last;
    if now > last {
        return early;
    }
    if now > last {
        return false;
    }
    true
}
SOURCE
  changes=()
  : >"$work/argued.txt"
  : >"$work/retried"
  : >"$work/report/log/failing"
}

# What is tried after the unit tests, when it is: nothing notices.
retry() {
  echo "$1 $2" >>"$work/retried"
  echo "${further:-none}"
}

# change SUMMARY LINE COLUMN WIDTH [NAME]: one more of the report.
change() {
  local name="src/id.rs:$2:$3: ${5:-replace > with >= in over}" summary=$1
  changes+=("$(jq --null-input --compact-output --arg name "$name" --arg summary "$summary" \
    --argjson line "$2" --argjson from "$3" --argjson to "$(($3 + $4))" '{
      summary: $summary, diff_path: "diff/\($line):\($from)", log_path: "log/failing",
      scenario: {Mutant: {name: $name, file: "src/id.rs",
        span: {start: {line: $line, column: $from}, end: {line: $line, column: $to}}}}}')")
}

# argue KIND PLACE [NAME]: one more of the list.
argue() {
  printf 'src/id.rs: %s\n  %s: %s\n  It is so.\n' \
    "${3:-replace > with >= in over}" "$1" "$2" >>"$work/argued.txt"
}

judged() {
  printf '%s\n' '{"summary": "Success", "scenario": "Baseline"}' "${changes[@]}" |
    jq --slurp '{outcomes: .}' >"$work/report/outcomes.json"
  outcomes "$work" src/id.rs "$work/report/outcomes.json" >"$work/outcomes"
  argued_changes "$work/argued.txt" >"$work/argued"
  run judge "$work/argued" "$work/outcomes" src/id.rs
}

first='let early = "²" < "³" && now «>» ceiling || now > last;'
second='let early = "²" < "³" && now > ceiling || now «>» last;'

@test "an argued change is excused at its place, and not tried further" {
  change MissedMutant 3 34 1
  argue at "$first"
  judged
  [ "$status" -eq 0 ]
  [[ $output == "1 mutants: "*" 1 argued to change nothing, "*" 0 survive;"* ]]
  [ ! -s "$work/retried" ]
}

@test "a survivor beside an argued change, on the same line, is reported" {
  change CaughtMutant 3 34 1
  change MissedMutant 3 51 1
  argue at "$first"
  judged
  [ "$status" -ne 0 ]
  [[ $output == *"SURVIVES   src/id.rs:3:51 replace > with >= in over"* ]]
  [[ $output == *"  at: $second"* ]]
  [[ $output == *" 0 argued to change nothing, "*" 1 survive;"* ]]
  [ "$(<"$work/retried")" = "src/id.rs $work/report/diff/3:51" ]
}

@test "lines that read the same are told apart by their number" {
  change MissedMutant 7 12 1
  change MissedMutant 4 12 1
  argue at 'if now «>» last { (2 of 2)'
  judged
  [ "$status" -ne 0 ]
  [[ $output == *"SURVIVES   src/id.rs:4:12 "* ]]
  [[ $output != *"src/id.rs:7:12"* ]]
}

@test "another change at an argued place is reported" {
  change CaughtMutant 3 34 1
  change MissedMutant 3 34 1 "replace > with < in over"
  argue at "$first"
  judged
  [ "$status" -ne 0 ]
  [[ $output == *"SURVIVES   src/id.rs:3:34 replace > with < in over"* ]]
}

@test "what is argued and is not there any more is reported" {
  change CaughtMutant 3 34 1
  argue at 'let early = now «>» ceiling;'
  judged
  [ "$status" -ne 0 ]
  [[ $output == *"GONE "*"let early = now «>» ceiling;"* ]]
}

@test "what a test fails by is caught, also if another test does not end" {
  change CaughtMutant 3 34 1
  change Timeout 3 51 1
  echo "test id::tests::it_is_so ... FAILED" >"$work/report/log/failing"
  judged
  [ "$status" -eq 0 ]
  [[ $output == "2 mutants: 2 caught by unit tests, "* ]]
}

@test "a time-out is no proof, and an argument that nothing changes does not excuse it" {
  change Timeout 3 34 1
  argue at "$first"
  further=slow judged
  [ "$status" -ne 0 ]
  [[ $output == *"TIMES OUT  src/id.rs:3:34 "* ]]
  [[ $output == *" 1 time out, 0 survive;"* ]]
}

@test "a time-out may be caught by further tests" {
  change Timeout 3 34 1
  further=simulator judged
  [ "$status" -eq 0 ]
  [[ $output == *" 1 by the simulator, "* ]]
}

@test "a change that is argued to hang is excused at its place, and only if it does" {
  change Timeout 3 34 1
  change MissedMutant 3 51 1
  argue "hangs at" "$first"
  argue "hangs at" "$second"
  judged
  [ "$status" -ne 0 ]
  [[ $output == *"SURVIVES   src/id.rs:3:51 "* ]]
  [[ $output == *" 1 argued to hang, "* ]]
  [[ $output != *"src/id.rs:3:34"* ]]
}

@test "a change of several lines is marked to the end of its first" {
  change MissedMutant 4 5 1
  changes[0]=$(jq --compact-output '.scenario.Mutant.span.end = {line: 6, column: 6}' <<<"${changes[0]}")
  argue at '«if now > last {»'
  judged
  [ "$status" -eq 0 ]
}

@test "every argued change needs its place and its reason, once" {
  for entry in "src/id.rs: x" $'src/id.rs: x\n  It is so.' $'src/id.rs: x\n  at: «x»' \
    $'src/id.rs: x\nsrc/id.rs: y' "x" \
    $'src/id.rs: x\n  at: «x»\n  So.\nsrc/id.rs: x\n  hangs at: «x»\n  So.'; do
    echo "$entry" >"$work/argued.txt"
    run argued_changes "$work/argued.txt"
    [ "$status" -ne 0 ] || {
      echo "taken: $entry"
      false
    }
  done
}

@test "the list of the repository can be read" {
  run argued_changes tests/mutants/equivalent.txt
  [ "$status" -eq 0 ]
}
