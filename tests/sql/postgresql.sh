# shellcheck shell=bash
# shellcheck disable=SC2154 # What the caller sets.
# PostgreSQL. Needs databases.sh, cases.sh and told.sh; `scratch` and `layouts` are the caller's.

postgresql_cases() {
  local folder=$scratch/postgresql number
  need_postgresql
  ((version >= 14)) || skip "this is PostgreSQL $version, and the functions want 14"
  postgresql_up "$folder"
  psql --version
  # What depends on the session's time zone would be seen.
  export PGHOST=$folder PGDATABASE=postgres PGOPTIONS="-c TimeZone=<-03>3"
  sql -c "create database ids"
  PGDATABASE=ids
  case_of "loads twice" postgresql_loads
  for number in "${!layouts[@]}"; do
    case_of "${layouts[number]}" postgresql_agrees "$number"
  done
  case_of "edges of time spans" postgresql_edges
  case_of "layouts from a column" postgresql_columns
  case_of "what is no ID, time or layout" postgresql_refusals
  case_of "an index, partitions, and both restored from a dump" postgresql_indexes
  case_of "examples of the document" postgresql_examples
  none_failed
}

sql() {
  psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"
}

postgresql_loads() {
  local round
  for round in 1 2; do
    sql --single-transaction -f packaging/sql/postgresql.sql >"$scratch/said" 2>&1 || fail "round $round: $(<"$scratch/said")"
    [[ ! -s $scratch/said ]] || fail "round $round: $(<"$scratch/said")"
  done
}

# In the order of the file, whose rows these are.
postgresql_agrees() {
  local folder=$scratch/$1
  sql -v "layout=$(layout_of "$1")" -v "epoch=$(epoch_of "$1")" -v "ids=$folder/ids" -v "spans=$folder/spans.tsv" \
    >"$folder/seen" <<'SQL'
create temporary table ids (n int generated always as identity, id bigint);
create temporary table spans (n int generated always as identity, from_time text, to_time text, smallest bigint, largest bigint);
\set copy_ids '\\copy ids (id) from ' :'ids'
:copy_ids
\set copy_spans '\\copy spans (from_time, to_time, smallest, largest) from ' :'spans'
:copy_spans
set parallel_setup_cost = 0;
\pset fieldsep '\t'
\pset null '\\N'
\o :ids.seen
select
  id, "time", sequence, machine_id, datacenter_id,
  coalesce(to_char(datetime at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'after 9999')
from ids cross join shardflake_decode(id, :'layout', nullif(:'epoch', '')::timestamptz)
order by n;
\o :spans.seen
select
  from_time, to_time,
  -- Where /bounds has none, nothing is between.
  case when largest <> smallest - 1 then smallest end,
  case when largest <> smallest - 1 then largest end
from (
  select
    n, from_time, to_time,
    shardflake_smallest(from_time::timestamptz, :'layout', nullif(:'epoch', '')::timestamptz) as smallest,
    shardflake_largest(to_time::timestamptz, :'layout', nullif(:'epoch', '')::timestamptz) as largest
  from spans
) as bounds
order by n;
\o
select count(*) from ids, shardflake_decode(id, :'layout', nullif(:'epoch', '')::timestamptz) as told
where told.datetime is distinct from shardflake_datetime(id, :'layout', nullif(:'epoch', '')::timestamptz);
SQL
  same "IDs" "$folder/decoded.tsv" "$folder/ids.seen"
  same "spans" "$folder/spans.tsv" "$folder/spans.tsv.seen"
  [[ $(<"$folder/seen") == 0 ]] || fail "shardflake_datetime differs from shardflake_decode"
}

# Of each span the two IDs at its edges, and none of the two beside them.
postgresql_edges() {
  sql -v "spans=$scratch/0/spans.tsv" >"$scratch/seen" <<'SQL'
create temporary table spans (n int generated always as identity, from_time timestamptz, to_time timestamptz, smallest bigint, largest bigint);
\set copy_spans '\\copy spans (from_time, to_time, smallest, largest) from ' :'spans'
:copy_spans
-- Beside the first one, which is all time, there is nothing.
create temporary table edges as
select n, unnest(array[smallest - 1, smallest, largest, largest + 1]) as id from spans where smallest is not null and n > 1;
select count(*) > 100 from edges;
select count(*) filter (where id >= shardflake_smallest(from_time) and id <= shardflake_largest(to_time)) * 2 - count(*)
from edges join spans using (n);
select count(*) from edges join spans using (n)
where id in (smallest, largest) <> (id >= shardflake_smallest(from_time) and id <= shardflake_largest(to_time));
SQL
  [[ $(<"$scratch/seen") == $'t\n0\n0' ]] || fail "$(<"$scratch/seen")"
}

# The planner cannot compute these beforehand.
postgresql_columns() {
  local number
  for number in "${!layouts[@]}"; do
    printf '%s\t%s\t%s\n' "$(layout_of "$number")" "$(epoch_of "$number")" "$(head -n 1 "$scratch/$number/ids")"
    head -n 1 "$scratch/$number/decoded.tsv" | cut -f 2- >>"$scratch/columns.told"
  done >"$scratch/columns"
  sql -v "columns=$scratch/columns" -v "seen=$scratch/columns.seen" <<'SQL'
create temporary table columns (n int generated always as identity, layout text, epoch text, id bigint);
\set copy_columns '\\copy columns (layout, epoch, id) from ' :'columns'
:copy_columns
\pset fieldsep '\t'
\pset null '\\N'
\o :seen
select
  "time", sequence, machine_id, datacenter_id,
  coalesce(to_char(datetime at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'after 9999')
from columns cross join shardflake_decode(id, layout, nullif(epoch, '')::timestamptz)
order by n;
SQL
  same "IDs" "$scratch/columns.told" "$scratch/columns.seen"
}

postgresql_refusals() {
  local none
  for none in null -1 -9223372036854775808; do
    [[ $(sql -c "select d is null from shardflake_decode($none) as d") == t ]] || fail "$none is decoded"
    [[ $(sql -c "select shardflake_datetime($none) is null") == t ]] || fail "$none has a time"
  done
  [[ $(sql -c "select shardflake_decode(1, null) is null") == t ]] || fail "no layout"
  [[ $(sql -c "select shardflake_smallest(null) is null and shardflake_largest(null) is null") == t ]] || fail "no time"
  refuses "before the epoch" sql -c "select shardflake_smallest('2014-08-31 23:59:59.999999Z')"
  refuses "not after the epoch" sql -c "select shardflake_largest('2014-09-01Z')"
  refuses "beyond the end" sql -c "select shardflake_smallest('2400-01-01Z')"
  refuses "beyond the end" sql -c "select shardflake_largest('infinity')"
  refuses "none of sonyflake" sql -c "select shardflake_layout('sony')"
  refuses "none of time_bits" sql -c "select shardflake_layout('sonyflake v3')"
  refuses "none of time_bits" sql -c "select shardflake_layout('sonyflake tick=1s')"
  refuses "40 bits of time" sql -c "select shardflake_decode(1, 'sonyflake time_bits=40')"
  refuses "5 of machine ID" sql -c "select shardflake_decode(1, 'snowflake-dc machine_bits=5 sequence_bits=17')"
  refuses "no whole millisecond" sql -c "select shardflake_decode(1, epoch => '2014-09-01 00:00:00.0001Z')"
  refuses "years 1970" sql -c "select shardflake_decode(1, epoch => 'infinity')"
}

# A dump is restored without a search path: functions that look for others by name are not found then.
postgresql_indexes() {
  local plan
  sql >"$scratch/seen" <<'SQL'
create table orders (id bigint primary key) partition by range (id);
create table orders_2026_11 partition of orders
  for values from (shardflake_smallest('2026-11-01Z')) to (shardflake_smallest('2026-12-01Z'));
insert into orders select shardflake_smallest('2026-11-01Z') + i::bigint * 16777216 from generate_series(0, 999) as i;
create index on orders (shardflake_datetime(id));
alter table orders add check (id >= shardflake_smallest('2020-01-01Z'));
analyze orders;
select count(*) from orders
where shardflake_datetime(id) >= '2026-11-01 00:00:01Z' and shardflake_datetime(id) < '2026-11-01 00:00:02Z';
set enable_seqscan = off;
explain (costs off) select id from orders where id >= shardflake_smallest(now()) and shardflake_datetime(id) > now();
explain (costs off) select id from orders where id >= shardflake_smallest('2026-11-01 00:00:01Z') and id <= shardflake_largest('2026-11-01 00:00:02Z');
SQL
  plan=$(<"$scratch/seen")
  [[ $plan == 100$'\n'* ]] || fail "$plan"
  [[ $plan == *"Index Cond: ((id >= '644180671568281600'::bigint) AND (id <= '644180673246003199'::bigint))"* ]] ||
    fail "no constants in an index: $plan"
  pg_dump ids >"$scratch/dump"
  sql -c "create database restored"
  sql -d restored -f "$scratch/dump" >"$scratch/seen" 2>&1 || fail "$(<"$scratch/seen")"
  [[ $(sql -d restored -c "select count(*) from orders where shardflake_datetime(id) < '2026-11-01 00:00:02Z'") == 200 ]] ||
    fail "not all is restored"
  sql -c "drop database restored" -c "drop table orders"
}

postgresql_examples() {
  sql -c "create table orders (id bigint primary key)" -c "insert into orders values (647117817333743617), (-1)"
  examples PostgreSQL >"$scratch/examples"
  [[ -s $scratch/examples ]] || fail "there are none"
  sql --single-transaction -f "$scratch/examples" >"$scratch/seen" 2>&1 || fail "$(<"$scratch/seen")"
  grep -q '38571227630' "$scratch/seen" || fail "the ID is not decoded: $(<"$scratch/seen")"
}
