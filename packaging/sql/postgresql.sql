-- IDs of shardflake in PostgreSQL 14 or newer: their fields, and the bounds of a time span.
--
--   psql -v ON_ERROR_STOP=1 --single-transaction -f postgresql.sql DATABASE
--
-- Loading it again replaces the functions. The last two arguments of each are
--
--   layout  'sonyflake' unless given, 'sonyflake v2', 'snowflake', 'snowflake-node' or 'snowflake-dc'. Bits of
--           your own stand behind it as in [layout] of shardflake.toml:
--           'snowflake-node time_bits=39 sequence_bits=16 machine_bits=8 tick=10ms'
--   epoch   only if it is not the layout's own
--
-- NULL gives NULL, and so does a negative number, which is no ID. A layout, an epoch or a time that does not fit
-- is an error. Where the layout is a constant, the planner makes a few shifts and additions of all this.

-- What a layout is made of. JSON, as the planner would not compute a record beforehand.
create or replace function shardflake_layout(
  layout text default 'sonyflake',
  epoch timestamptz default null
)
returns jsonb
language plpgsql immutable parallel safe
-- In an index the names below have to mean the same for everybody.
set search_path = pg_catalog, pg_temp
as $$
declare
  words text[] := string_to_array(regexp_replace(layout, '^sonyflake v2\M', 'sonyflake-v2'), ' ');
  name text := words[1];
  word text;
  number int;
  time_bits int;
  sequence_bits int;
  machine_bits int;
  datacenter_bits int := case name when 'snowflake-dc' then 5 else 0 end;
  tick_ms int;
  given numeric := extract(epoch from epoch at time zone 'UTC') * 1000;
  epoch_ms bigint := case name
    when 'sonyflake' then 1409529600000
    when 'sonyflake-v2' then 1735689600000
    when 'snowflake' then 1705065354064
    when 'snowflake-node' then 1704067200000
    when 'snowflake-dc' then 1288834974657
  end;
begin
  if layout is null then
    return null;
  elsif epoch_ms is null then
    raise exception 'layout "%" is none of sonyflake, sonyflake v2, snowflake, snowflake-node and snowflake-dc', layout
      using errcode = 'invalid_parameter_value';
  elsif name like 'sonyflake%' then
    time_bits := 39; sequence_bits := 8; machine_bits := 16; tick_ms := 10;
  else
    time_bits := 41; sequence_bits := 12; machine_bits := 10; tick_ms := 1;
  end if;
  foreach word in array words[2:] loop
    if word !~ '^((time|sequence|machine)_bits=\d{1,2}|tick=\d{1,5}ms)$' then
      raise exception 'layout "%": "%" is none of time_bits=, sequence_bits=, machine_bits= and tick=…ms', layout, word
        using errcode = 'invalid_parameter_value';
    end if;
    number := substring(word from '\d+');
    case split_part(word, '=', 1)
      when 'time_bits' then time_bits := number;
      when 'sequence_bits' then sequence_bits := number;
      when 'machine_bits' then machine_bits := number;
      when 'tick' then tick_ms := number;
    end case;
  end loop;
  if time_bits + sequence_bits + machine_bits <> 63 or time_bits not between 28 and 53
    or sequence_bits not between 1 and 22 or machine_bits not between datacenter_bits + 1 and 22
    or tick_ms not between 1 and 60000
  then
    raise exception 'layout "%": no ID has % bits of time, % of sequence and % of machine ID, with a tick of % ms',
      layout, time_bits, sequence_bits, machine_bits, tick_ms
      using errcode = 'invalid_parameter_value',
        hint = 'Together they are 63: 28 to 53, 1 to 22 and 1 to 22. A tick is 1 to 60000 ms.';
  end if;
  if given <> trunc(given) or given not between 0 and 7258118399999 then
    raise exception 'epoch % is no whole millisecond of the years 1970 to 2199', epoch
      using errcode = 'invalid_parameter_value';
  end if;
  return jsonb_build_object(
    'time_bits', time_bits,
    'time_shift', 63 - time_bits,
    'sequence_bits', sequence_bits,
    -- Sonyflake has the sequence above the machine ID, Snowflake below it.
    'sequence_shift', case when name like 'sonyflake%' then machine_bits else 0 end,
    'machine_bits', machine_bits - datacenter_bits,
    'machine_shift', case when name like 'sonyflake%' then 0 else sequence_bits end,
    'datacenter_bits', datacenter_bits,
    'datacenter_shift', case when datacenter_bits > 0 then sequence_bits + machine_bits - datacenter_bits end,
    'tick_ms', tick_ms,
    'epoch_ms', coalesce(given::bigint, epoch_ms)
  );
end
$$;

comment on function shardflake_layout is 'shardflake: what a layout of IDs is made of';

-- The last tick of which /decode tells a date: later ones are after 9999.
create or replace function shardflake_last_dated(bits jsonb)
returns bigint
language sql immutable parallel safe
return (253402300799999 - (bits->'epoch_ms')::bigint) / (bits->'tick_ms')::bigint;

comment on function shardflake_last_dated is 'shardflake: for shardflake_datetime';

-- When the tick of an ID began; NULL after the year 9999. A sum of days and of a timestamp without time zone: what
-- depends on a session's time zone may not be in an index, and to_timestamp() would go by floating point.
create or replace function shardflake_datetime(
  id bigint,
  layout text default 'sonyflake',
  epoch timestamptz default null
)
returns timestamptz
language sql immutable parallel safe
return case
  when id >= 0 and id >> (shardflake_layout(layout, epoch)->'time_shift')::int
    <= shardflake_last_dated(shardflake_layout(layout, epoch))
  then (
    date '1970-01-01'
    + ((
      (shardflake_layout(layout, epoch)->'epoch_ms')::bigint
      + (id >> (shardflake_layout(layout, epoch)->'time_shift')::int)
        * (shardflake_layout(layout, epoch)->'tick_ms')::bigint
    ) / 86400000)::int
    + (
      (shardflake_layout(layout, epoch)->'epoch_ms')::bigint
      + (id >> (shardflake_layout(layout, epoch)->'time_shift')::int)
        * (shardflake_layout(layout, epoch)->'tick_ms')::bigint
    ) % 86400000 * interval '1 millisecond'
  ) at time zone 'UTC'
end;

comment on function shardflake_datetime is 'shardflake: when the tick of an ID began';

-- One field of an ID.
create or replace function shardflake_field(id bigint, shift int, bits int)
returns bigint
language sql immutable parallel safe
return case when id >= 0 then id >> shift & (1::bigint << bits) - 1 end;

comment on function shardflake_field is 'shardflake: some bits of an ID';

-- The fields of an ID, by the names that they have in replies of /decode: "time" counts ticks, datetime is when the
-- tick began, datacenter_id is NULL where the layout has none. Always one row:
--
--   select orders.*, fields.* from orders cross join shardflake_decode(orders.id) as fields;
create or replace function shardflake_decode(
  id bigint,
  layout text default 'sonyflake',
  epoch timestamptz default null
)
returns table ("time" bigint, sequence int, machine_id int, datacenter_id int, datetime timestamptz)
language sql immutable parallel safe rows 1
begin atomic
  select
    shardflake_field(
      id,
      (shardflake_layout(layout, epoch)->'time_shift')::int,
      (shardflake_layout(layout, epoch)->'time_bits')::int
    ),
    shardflake_field(
      id,
      (shardflake_layout(layout, epoch)->'sequence_shift')::int,
      (shardflake_layout(layout, epoch)->'sequence_bits')::int
    )::int,
    shardflake_field(
      id,
      (shardflake_layout(layout, epoch)->'machine_shift')::int,
      (shardflake_layout(layout, epoch)->'machine_bits')::int
    )::int,
    shardflake_field(
      id,
      (shardflake_layout(layout, epoch)->>'datacenter_shift')::int,
      (shardflake_layout(layout, epoch)->'datacenter_bits')::int
    )::int,
    shardflake_datetime(id, layout, epoch);
end;

comment on function shardflake_decode is 'shardflake: the fields of an ID, as /decode tells them';

-- The first tick that begins at a moment or after it or, to end a span, the last one that begins before it.
create or replace function shardflake_tick(moment timestamptz, bits jsonb, is_end boolean)
returns bigint
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  since_epoch numeric := extract(epoch from moment at time zone 'UTC') * 1000 - (bits->'epoch_ms')::bigint;
  tick numeric := ceil(since_epoch / (bits->'tick_ms')::bigint) - is_end::int;
begin
  if since_epoch < 0 or tick < 0 then
    raise exception '% is % the epoch', moment, case when is_end then 'not after' else 'before' end
      using errcode = 'datetime_field_overflow';
  elsif tick >= 1::bigint << (bits->'time_bits')::int then
    raise exception '% is beyond the end of the time field', moment
      using errcode = 'datetime_field_overflow';
  end if;
  return tick;
end
$$;

comment on function shardflake_tick is 'shardflake: for shardflake_smallest and shardflake_largest';

-- The bounds of the IDs from one moment, included, to another, excluded, as /bounds tells them. A span in which no
-- tick begins, for which /bounds has none, gets a largest below its smallest: nothing is between.
--
--   where id >= shardflake_smallest('2026-11-01Z') and id <= shardflake_largest('2026-12-01Z')
create or replace function shardflake_smallest(
  from_time timestamptz,
  layout text default 'sonyflake',
  epoch timestamptz default null
)
returns bigint
language sql immutable parallel safe
return shardflake_tick(from_time, shardflake_layout(layout, epoch), false)
  << (shardflake_layout(layout, epoch)->'time_shift')::int;

comment on function shardflake_smallest is 'shardflake: the smallest ID from a moment on';

create or replace function shardflake_largest(
  to_time timestamptz,
  layout text default 'sonyflake',
  epoch timestamptz default null
)
returns bigint
language sql immutable parallel safe
-- The shift goes first: one tick more might be too large for it.
return (
  shardflake_tick(to_time, shardflake_layout(layout, epoch), true)
  << (shardflake_layout(layout, epoch)->'time_shift')::int
) | (1::bigint << (shardflake_layout(layout, epoch)->'time_shift')::int) - 1;

comment on function shardflake_largest is 'shardflake: the largest ID before a moment';
