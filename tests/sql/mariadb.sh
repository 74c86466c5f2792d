# shellcheck shell=bash
# shellcheck disable=SC2154 # What the caller sets.
# MariaDB. Needs databases.sh, cases.sh and told.sh; `scratch` and `layouts` are the caller's.

mariadb_cases() {
  local folder=$scratch/mariadb number
  unpack mariadb-server-core mariadb-client-core
  mariadb_up "$folder"
  mariadbd --version
  ask_mariadb -e "create database ids"
  case_of "loads twice" mariadb_loads
  for number in "${!layouts[@]}"; do
    case_of "${layouts[number]}" mariadb_agrees "$number"
  done
  case_of "edges of time spans" mariadb_edges
  case_of "BETWEEN text and text" mariadb_between
  case_of "the fields one by one" mariadb_fields
  case_of "what is no ID, time or layout" mariadb_refusals
  case_of "a range scan" mariadb_indexes
  case_of "examples of the document" mariadb_examples
  none_failed
}

# What depends on the session's time zone or on a lax mode would be seen.
ask_mariadb() {
  mariadb --no-defaults "--socket=$scratch/mariadb/socket" --user="$(id -un)" --skip-column-names --raw \
    --init-command="set time_zone = '-03:00', sql_mode = ''" "$@"
}

sql_mariadb() {
  ask_mariadb ids "$@"
}

mariadb_loads() {
  local round
  for round in 1 2; do
    sql_mariadb <packaging/sql/mariadb.sql >"$scratch/said" 2>&1 || fail "round $round: $(<"$scratch/said")"
    [[ ! -s $scratch/said ]] || fail "round $round: $(<"$scratch/said")"
  done
}

# Sets what names a layout there.
mariadb_names() {
  local epoch
  epoch=$(epoch_of "$1")
  printf "set @layout = '%s', @epoch = nullif('%s', '');\n" "$(layout_of "$1")" "${epoch%Z}"
}

# rows_of TABLE: inserts the lines of standard input, numbered, as they are but for what is no number.
rows_of() {
  awk -F '\t' -v table="$1" '{
    printf "%s(%d", NR % 500 == 1 ? "insert into " table " values " : ",", NR
    for (i = 1; i <= NF; i++) printf $i ~ /^[0-9]+$/ ? ",%s" : $i == "\\N" ? ",null" : ",\x27%s\x27", $i == "\\N" ? "" : $i
    printf ")%s\n", NR % 500 == 0 ? ";" : ""
  } END { print ";" }'
}

mariadb_agrees() {
  local folder=$scratch/$1
  {
    mariadb_names "$1"
    echo "create temporary table ids (n int primary key, id bigint);"
    rows_of ids <"$folder/ids"
    echo "select shardflake_decode(id, @layout, @epoch) from ids order by n;"
  } | sql_mariadb >"$folder/ids.seen"
  same "IDs" "$folder/decoded.json" "$folder/ids.seen"
  {
    mariadb_names "$1"
    mariadb_spans "$folder/spans.tsv"
    cat <<'SQL'
select
  concat(from_time, 'Z'), concat(to_time, 'Z'),
  -- Where /bounds has none, nothing is between.
  if(largest <> smallest - 1, smallest, '\\N'),
  if(largest <> smallest - 1, largest, '\\N')
from (
  select
    n, from_time, to_time,
    shardflake_smallest(from_time, @layout, @epoch) as smallest,
    shardflake_largest(to_time, @layout, @epoch) as largest
  from spans
) as bounds
order by n;
SQL
  } | sql_mariadb >"$folder/spans.seen"
  same "spans" "$folder/spans.tsv" "$folder/spans.seen"
}

# mariadb_spans FILE: makes a table of them, with times as MariaDB reads them.
mariadb_spans() {
  echo "create temporary table spans (n int primary key, from_time text, to_time text, smallest bigint, largest bigint);"
  sed 's/Z\t/\t/g' "$1" | rows_of spans
}

# Of each span the two IDs at its edges, and none of the two beside them.
mariadb_edges() {
  {
    mariadb_spans "$scratch/0/spans.tsv"
    cat <<'SQL'
-- Beside the first one, which is all time, there is nothing.
create table edges (n int, id bigint);
insert into edges
select n, smallest - 1 from spans where n > 1 and smallest is not null
union all select n, smallest from spans where n > 1 and smallest is not null
union all select n, largest from spans where n > 1 and smallest is not null
union all select n, largest + 1 from spans where n > 1 and smallest is not null;
select count(*) > 100 from edges;
select sum(id >= shardflake_smallest(from_time, 'sonyflake', null) and id <= shardflake_largest(to_time, 'sonyflake', null))
  * 2 - count(*)
from edges join spans using (n);
select count(*) from edges join spans using (n)
where id in (smallest, largest)
  <> (id >= shardflake_smallest(from_time, 'sonyflake', null) and id <= shardflake_largest(to_time, 'sonyflake', null));
drop table edges;
SQL
  } | sql_mariadb >"$scratch/seen"
  [[ $(<"$scratch/seen") == $'1\n0\n0' ]] || fail "$(<"$scratch/seen")"
}

# BETWEEN with bounds that are text, in ways that the document warns of: 4 rows for 2 where no index is used.
mariadb_between() {
  sql_mariadb >"$scratch/seen" <<'SQL'
create temporary table plain (id bigint);
insert into plain values (547205677055999999), (547205677056000000), (547205677072777215), (547205677072777216);
create temporary table indexed (id bigint primary key) select id from plain;
create temporary table spans (smallest text, largest text);
insert into spans values ('547205677056000000', '547205677072777215'), ('1', '2');
select count(*) from plain join spans where id between smallest and largest;
select count(*) from indexed join spans where id between smallest and largest;
select count(*) from indexed where coalesce(id, 0) between '547205677056000000' and '547205677072777215';
select count(*) from plain join spans where id >= smallest and id <= largest;
select count(*) from indexed join spans where id >= smallest and id <= largest;
select count(*) from indexed where coalesce(id, 0) >= '547205677056000000' and coalesce(id, 0) <= '547205677072777215';
SQL
  [[ $(xargs <"$scratch/seen") == "4 2 4 2 2 2" ]] || fail "$(<"$scratch/seen")"
}

# What /decode tells in one reply.
mariadb_fields() {
  local number folder
  for ((number = 0; number < built_in; number++)); do
    folder=$scratch/$number
    {
      mariadb_names "$number"
      echo "create temporary table ids (n int primary key, id bigint);"
      tail -n 300 "$folder/ids" | rows_of ids
      cat <<'SQL'
select
  id, shardflake_sequence(id, @layout), shardflake_machine_id(id, @layout),
  coalesce(shardflake_datacenter_id(id, @layout), '\\N'),
  concat(replace(shardflake_datetime(id, @layout, @epoch), ' ', 'T'), 'Z')
from ids order by n;
SQL
    } | sql_mariadb >"$folder/fields.seen"
    tail -n 300 "$folder/decoded.tsv" | cut -f 1,3- >"$folder/fields.told"
    same "IDs" "$folder/fields.told" "$folder/fields.seen"
  done
}

mariadb_refusals() {
  local none
  for none in null -1 -9223372036854775808; do
    [[ $(sql_mariadb -e "select shardflake_decode($none, 'snowflake-dc', null)") == NULL ]] || fail "$none is decoded"
    [[ $(sql_mariadb -e "select shardflake_datetime($none, 'sonyflake', null)") == NULL ]] || fail "$none has a time"
  done
  [[ $(sql_mariadb -e "select shardflake_decode(1, null, null)") == NULL ]] || fail "no layout"
  [[ $(sql_mariadb -e "select shardflake_smallest(null, 'sonyflake', null)") == NULL ]] || fail "no time"
  # The caller's mode decides on arguments.
  local strict="set sql_mode = 'STRICT_ALL_TABLES';"
  refuses "Out of range" sql_mariadb -e "$strict select shardflake_decode(9223372036854775808, 'sonyflake', null)"
  refuses "truncated" sql_mariadb -e "$strict select shardflake_decode('647117817333743617x', 'sonyflake', null)"
  refuses "Incorrect datetime" sql_mariadb -e "$strict select shardflake_smallest('2026-11-01T00:00Z', 'sonyflake', null)"
  refuses "before the epoch" sql_mariadb -e "select shardflake_smallest('2014-08-31 23:59:59.999999', 'sonyflake', null)"
  refuses "not after the epoch" sql_mariadb -e "select shardflake_largest('2014-09-01', 'sonyflake', null)"
  refuses "beyond the end" sql_mariadb -e "select shardflake_smallest('2400-01-01', 'sonyflake', null)"
  refuses "beyond the end" sql_mariadb -e "select shardflake_largest('2400-01-01', 'sonyflake', null)"
  refuses '"sony" is unknown' sql_mariadb -e "select shardflake_layout('sony', null)"
  refuses '"v3" is unknown' sql_mariadb -e "select shardflake_layout('sonyflake v3', null)"
  refuses '"tick=1s" is unknown' sql_mariadb -e "select shardflake_layout('sonyflake tick=1s', null)"
  refuses "40 bits of time" sql_mariadb -e "select shardflake_decode(1, 'sonyflake time_bits=40', null)"
  refuses "5 of machine ID" sql_mariadb -e "select shardflake_decode(1, 'snowflake-dc machine_bits=5 sequence_bits=17', null)"
  refuses "no whole millisecond" sql_mariadb -e "select shardflake_decode(1, 'sonyflake', '2014-09-01 00:00:00.0001')"
  refuses "years 1970" sql_mariadb -e "select shardflake_decode(1, 'sonyflake', '1969-12-31')"
}

mariadb_indexes() {
  local plan
  plan=$(
    sql_mariadb <<'SQL'
create table orders (id bigint primary key, what int);
insert into orders select 644180669890560000 + seq * 16777216 * 100, seq from seq_0_to_9999;
analyze table orders;
explain select * from orders
where id >= shardflake_smallest('2026-11-01 00:00:10', 'sonyflake', null)
  and id <= shardflake_largest('2026-11-01 00:00:20', 'sonyflake', null);
drop table orders;
SQL
  )
  [[ $plan == *$'\trange\tPRIMARY\tPRIMARY\t8\tNULL\t10\t'* ]] || fail "$plan"
}

mariadb_examples() {
  sql_mariadb -e "create table orders (id bigint primary key); insert into orders values (647117817333743617), (-1)"
  examples MariaDB >"$scratch/examples"
  [[ -s $scratch/examples ]] || fail "there are none"
  sql_mariadb <"$scratch/examples" >"$scratch/seen" 2>&1 || fail "$(<"$scratch/seen")"
  grep -q '38571227630' "$scratch/seen" || fail "the ID is not decoded: $(<"$scratch/seen")"
}
