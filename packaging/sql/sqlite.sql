-- IDs of shardflake in SQLite 3.32 or newer: their fields. The bounds of a time span are an expression: see sql.md.
--
--   sqlite3 DATABASE < sqlite.sql
--
-- Loading it again keeps shardflake_ids and the layouts that you added, and replaces the rest.

begin immediate;

-- What layouts are made of. Add your own, here with another epoch (in milliseconds since 1970) and other bits:
--
--   insert into shardflake_layouts (name, time_bits, sequence_bits, machine_bits, sequence_above, tick_ms, epoch_ms)
--   values ('ours', 39, 16, 8, false, 10, 1735689600000);
create table if not exists shardflake_layouts (
  name text primary key not null,
  -- Together 63. Those of the datacenter are among those of the machine ID, and the upper ones.
  time_bits integer not null check (time_bits between 28 and 53),
  sequence_bits integer not null check (sequence_bits between 1 and 22),
  machine_bits integer not null check (machine_bits between 1 and 22),
  datacenter_bits integer not null default 0 check (datacenter_bits between 0 and machine_bits - 1),
  -- Sonyflake has the sequence above the machine ID, Snowflake below it.
  sequence_above integer not null check (sequence_above in (0, 1)),
  tick_ms integer not null check (tick_ms between 1 and 60000),
  epoch_ms integer not null check (epoch_ms between 0 and 7258118399999),
  time_shift integer generated always as (63 - time_bits),
  sequence_shift integer generated always as (iif(sequence_above, machine_bits, 0)),
  machine_shift integer generated always as (iif(sequence_above, 0, sequence_bits)),
  datacenter_shift integer generated always as (
    iif(datacenter_bits, iif(sequence_above, 0, sequence_bits) + machine_bits - datacenter_bits, null)
  ),
  check (time_bits + sequence_bits + machine_bits = 63)
) without rowid;

insert or replace into shardflake_layouts
  (name, time_bits, sequence_bits, machine_bits, datacenter_bits, sequence_above, tick_ms, epoch_ms)
values
  ('sonyflake', 39, 8, 16, 0, 1, 10, 1409529600000),
  ('sonyflake v2', 39, 8, 16, 0, 1, 10, 1735689600000),
  ('snowflake', 41, 12, 10, 0, 0, 1, 1705065354064),
  ('snowflake-node', 41, 12, 10, 0, 0, 1, 1704067200000),
  ('snowflake-dc', 41, 12, 10, 5, 0, 1, 1288834974657);

-- Where your IDs are, and in which layout. It has none yet: make your own in its place, such as
--
--   drop view shardflake_ids;
--   create view shardflake_ids as select id, 'sonyflake' as layout from orders;
create view if not exists shardflake_ids as select null as id, null as layout where false;

-- The fields of these IDs, by the names that they have in replies of /decode: time counts ticks, datetime is when the
-- tick began, in UTC. All are NULL where the ID is NULL or negative, or its layout unknown; datacenter_id where the
-- layout has none, datetime after the year 9999.
drop view if exists shardflake_decoded;
create view shardflake_decoded as
select
  id,
  layout,
  iif(id >= 0, id >> time_shift, null) as time,
  iif(id >= 0, id >> sequence_shift & (1 << sequence_bits) - 1, null) as sequence,
  iif(id >= 0, id >> machine_shift & (1 << machine_bits - datacenter_bits) - 1, null) as machine_id,
  iif(id >= 0, id >> datacenter_shift & (1 << datacenter_bits) - 1, null) as datacenter_id,
  -- Seconds and milliseconds apart, as strftime() would take both together for floating point.
  iif(id >= 0,
    strftime('%Y-%m-%dT%H:%M:%S', (epoch_ms + (id >> time_shift) * tick_ms) / 1000, 'unixepoch')
      || printf('.%03dZ', (epoch_ms + (id >> time_shift) * tick_ms) % 1000),
    null) as datetime
from shardflake_ids left join shardflake_layouts on name = layout;

commit;
