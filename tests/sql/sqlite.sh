# shellcheck shell=bash
# shellcheck disable=SC2154 # What the caller sets.
# SQLite. Needs databases.sh, cases.sh and told.sh; `scratch` and `layouts` are the caller's.

sqlite_cases() {
  command -v sqlite3 >/dev/null || unpack sqlite3
  echo "SQLite $(sqlite3 --version | cut -d ' ' -f 1)"
  case_of "loads twice" sqlite_loads
  case_of "IDs of every layout" sqlite_agrees
  case_of "time spans of every layout" sqlite_bounds
  case_of "edges of time spans" sqlite_edges
  case_of "the expressions of the document's table" sqlite_expressions
  case_of "what is no ID or layout" sqlite_refusals
  case_of "an index" sqlite_indexes
  case_of "examples of the document" sqlite_examples
  none_failed
}

# What depends on the time zone would be seen.
sql_lite() {
  TZ='<-03>3' sqlite3 -bail -tabs -nullvalue '\N' "$scratch/database" "$@"
}

sqlite_loads() {
  local round number
  for round in 1 2; do
    sql_lite <packaging/sql/sqlite.sql >"$scratch/said" 2>&1 || fail "round $round: $(<"$scratch/said")"
    [[ ! -s $scratch/said ]] || fail "round $round: $(<"$scratch/said")"
    # Which the second round has to keep.
    ((round == 1)) || continue
    sql_lite <<'SQL'
drop view shardflake_ids;
create table ids (n integer primary key, id integer, layout text);
create view shardflake_ids as select id, layout from ids;
SQL
    for ((number = built_in; number < ${#layouts[@]}; number++)); do
      sqlite_own "$number"
    done
  done
}

# sqlite_own NUMBER: adds that layout under its number: the first word's, with what the others set.
sqlite_own() {
  local words word epoch set=()
  read -ra words <<<"$(layout_of "$1")"
  epoch=$(epoch_of "$1")
  for word in "${words[@]:1}"; do
    case $word in
      tick=*) set+=("tick_ms = $(tr -dc 0-9 <<<"$word")") ;;
      *) set+=("${word%=*} = ${word#*=}") ;;
    esac
  done
  [[ -z $epoch ]] || set+=("epoch_ms = $(date -ud "$epoch" +%s%3N) + 0")
  sql_lite <<SQL
insert into shardflake_layouts
  (name, time_bits, sequence_bits, machine_bits, datacenter_bits, sequence_above, tick_ms, epoch_ms)
select '$1', time_bits, sequence_bits, machine_bits, datacenter_bits, sequence_above, tick_ms, epoch_ms
from shardflake_layouts where name = '${words[0]}';
update shardflake_layouts set $(printf '%s, ' "${set[@]}") name = name where name = '$1';
SQL
}

# sqlite_name NUMBER: of that layout there.
sqlite_name() {
  if (($1 < built_in)); then layout_of "$1"; else printf '%s' "$1"; fi
}

# All layouts at once, as the view has them.
sqlite_agrees() {
  local number
  for number in "${!layouts[@]}"; do
    sed "s/\$/\t$(sqlite_name "$number")/" "$scratch/$number/ids" >>"$scratch/rows"
    sed 's/after 9999/\\N/' "$scratch/$number/decoded.tsv" >>"$scratch/sqlite.told"
  done
  sql_lite "create temporary table imported (id integer, layout text)" ".import $scratch/rows imported" \
    "insert into ids (id, layout) select id, layout from imported order by rowid"
  sql_lite >"$scratch/sqlite.seen" <<'SQL'
select decoded.id, time, sequence, machine_id, datacenter_id, datetime
from ids left join (select distinct * from shardflake_decoded) as decoded using (id, layout)
order by n;
SQL
  same "IDs" "$scratch/sqlite.told" "$scratch/sqlite.seen"
}

# The expression of the document, with columns in place of its constants.
sqlite_bounds() {
  local number
  for number in "${!layouts[@]}"; do
    # Of whole milliseconds.
    head -n $((spans / 2)) "$scratch/$number/spans.tsv" | sed "s/\$/\t$(sqlite_name "$number")/"
  done >"$scratch/spans"
  {
    printf '%s\n' "create temporary table spans (from_time, to_time, smallest_told, largest_told, layout);" \
      ".import $scratch/spans spans"
    examples SQLite | sed -n '/^with span as/,/^)$/p' |
      sed "s/'2026-11-01T00:00:00Z'/from_time/; s/'2026-12-01T00:00:00Z'/to_time/
        s/where name = 'sonyflake'/join spans on name = layout/; s/^  select/& spans.rowid as n, spans.*,/"
    # Where /bounds has none, nothing is between.
    cat <<'SQL'
select
  from_time, to_time, iif(largest <> smallest - 1, smallest, null), iif(largest <> smallest - 1, largest, null), layout
from span order by n;
SQL
  } | sql_lite >"$scratch/sqlite.seen"
  same "spans" "$scratch/spans" "$scratch/sqlite.seen"
}

# The two IDs at the edges of a span, and none of the two beside them; the index on IDs is used.
sqlite_edges() {
  local plan
  sql_lite "create table orders (id integer primary key)" \
    "insert into orders values (644180669890559999), (644180669890560000), (648529324277759999), (648529324277760000)"
  examples SQLite | sed -n '/^with span as/,/;$/p' >"$scratch/span.sql"
  [[ $(sql_lite <"$scratch/span.sql") == $'644180669890560000\n648529324277759999' ]] || fail "$(sql_lite <"$scratch/span.sql")"
  plan=$(sed '1s/^/explain query plan /' "$scratch/span.sql" | sql_lite)
  [[ $plan == *"SEARCH orders USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"* ]] || fail "$plan"
  sql_lite "drop table orders"
}

# A row of the table for every built-in layout, each against what is told.
sqlite_expressions() {
  local number name row sequence machine_id datacenter_id ms
  for ((number = 0; number < built_in; number++)); do
    name=$(layout_of "$number")
    row=$(grep -F "| \`$name\` |" packaging/doc/sql.md) || fail "$name has no row"
    IFS='|' read -r _ _ ms sequence machine_id datacenter_id _ <<<"${row//\`/}"
    [[ $datacenter_id == *[0-9]* ]] || datacenter_id=null
    sql_lite "select id, $sequence, $machine_id, $datacenter_id,
        strftime('%Y-%m-%dT%H:%M:%S', ($ms) / 1000, 'unixepoch') || printf('.%03dZ', ($ms) % 1000)
      from ids where layout = '$name' order by n" >"$scratch/sqlite.seen"
    cut -f 1,3- "$scratch/$number/decoded.tsv" >"$scratch/sqlite.told"
    same "$name" "$scratch/sqlite.told" "$scratch/sqlite.seen"
  done
}

sqlite_refusals() {
  sql_lite >"$scratch/seen" <<'SQL'
delete from ids;
insert into ids (id, layout) values (null, 'sonyflake'), (-1, 'snowflake-dc'), (1, 'sony'), (2, null);
select count(*), count(time), count(sequence), count(machine_id), count(datacenter_id), count(datetime)
from shardflake_decoded;
SQL
  [[ $(<"$scratch/seen") == $'4\t0\t0\t0\t0\t0' ]] || fail "$(sql_lite "select * from shardflake_decoded")"
  refuses "CHECK" sql_lite "update shardflake_layouts set time_bits = 40 where name = 'sonyflake'"
  refuses "CHECK" sql_lite "update shardflake_layouts set tick_ms = 0 where name = 'sonyflake'"
}

sqlite_indexes() {
  local plan
  sql_lite "drop table ids" "create table ids (id integer primary key, layout text)"
  plan=$(sql_lite "explain query plan select * from shardflake_decoded where id >= 1 and id <= 2")
  [[ $plan == *"SEARCH ids USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"* ]] || fail "$plan"
}

sqlite_examples() {
  sql_lite "create table orders (id integer primary key)" "insert into orders values (647117817333743617), (-1)"
  examples SQLite >"$scratch/examples"
  [[ -s $scratch/examples ]] || fail "there are none"
  sql_lite <"$scratch/examples" >"$scratch/seen" 2>&1 || fail "$(<"$scratch/seen")"
  grep -q '38571227630' "$scratch/seen" || fail "the ID is not decoded: $(<"$scratch/seen")"
}
