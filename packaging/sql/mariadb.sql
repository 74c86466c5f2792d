-- IDs of shardflake in MariaDB 10.6 or newer: their fields, and the bounds of a time span.
--
--   mariadb DATABASE < mariadb.sql
--
-- Loading it again replaces the functions. The last two arguments of each are
--
--   layout  'sonyflake', 'sonyflake v2', 'snowflake', 'snowflake-node' or 'snowflake-dc'. Bits of your own stand
--           behind it as in [layout] of shardflake.toml:
--           'snowflake-node time_bits=39 sequence_bits=16 machine_bits=8 tick=10ms'
--   epoch   NULL for the layout's own
--
-- Every time is a DATETIME in UTC, whatever the session's time zone is: a TIMESTAMP, and the functions that make
-- one, may end in 2038. NULL gives NULL, and so does a negative number, which is no ID. A layout, an epoch or a time
-- that does not fit is an error. So is an argument that is no number or time of MariaDB's, such as a time with an offset,
-- unless the session's sql_mode lets MariaDB cut it.

-- A function keeps the mode that it is made in.
set @shardflake_sql_mode = @@sql_mode, sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO';

delimiter $$

-- What a layout is made of, as JSON.
create or replace function shardflake_layout(layout varchar(200), epoch datetime(6))
returns varchar(500)
deterministic no sql sql security invoker
comment 'shardflake: what a layout of IDs is made of'
begin
  declare words varchar(200) default regexp_replace(layout, '^sonyflake v2\\b', 'sonyflake-v2');
  declare name varchar(200) default substring_index(words, ' ', 1);
  declare word varchar(200);
  declare problem varchar(300);
  declare number, time_bits, sequence_bits, machine_bits, tick_ms int;
  declare datacenter_bits int default if(name = 'snowflake-dc', 5, 0);
  declare given bigint default timestampdiff(microsecond, '1970-01-01', epoch);
  declare epoch_ms bigint default case name
    when 'sonyflake' then 1409529600000
    when 'sonyflake-v2' then 1735689600000
    when 'snowflake' then 1705065354064
    when 'snowflake-node' then 1704067200000
    when 'snowflake-dc' then 1288834974657
  end;
  if layout is null then
    return null;
  elseif epoch_ms is null then
    set problem = concat('layout "', layout, '" is unknown');
    signal sqlstate '22023' set message_text = problem;
  elseif name like 'sonyflake%' then
    set time_bits = 39, sequence_bits = 8, machine_bits = 16, tick_ms = 10;
  else
    set time_bits = 41, sequence_bits = 12, machine_bits = 10, tick_ms = 1;
  end if;
  while locate(' ', words) > 0 do
    set words = substring(words, locate(' ', words) + 1);
    set word = substring_index(words, ' ', 1);
    if word not regexp '^((time|sequence|machine)_bits=[0-9]{1,2}|tick=[0-9]{1,5}ms)$' then
      set problem = concat('layout "', layout, '": "', word, '" is unknown');
      signal sqlstate '22023' set message_text = problem;
    end if;
    set number = regexp_substr(word, '[0-9]+');
    case substring_index(word, '=', 1)
      when 'time_bits' then set time_bits = number;
      when 'sequence_bits' then set sequence_bits = number;
      when 'machine_bits' then set machine_bits = number;
      when 'tick' then set tick_ms = number;
    end case;
  end while;
  if time_bits + sequence_bits + machine_bits <> 63 or time_bits not between 28 and 53
    or sequence_bits not between 1 and 22 or machine_bits not between datacenter_bits + 1 and 22
    or tick_ms not between 1 and 60000
  then
    set problem = concat('layout "', layout, '": no ID has ', time_bits, ' bits of time, ', sequence_bits,
      ' of sequence and ', machine_bits, ' of machine ID, with a tick of ', tick_ms, ' ms');
    signal sqlstate '22023' set message_text = problem;
  end if;
  if given % 1000 <> 0 or given not between 0 and 7258118399999000 then
    set problem = concat('epoch ', epoch, ' is no whole millisecond of the years 1970 to 2199');
    signal sqlstate '22023' set message_text = problem;
  end if;
  -- A variable by itself would be text in it, a sum is a number.
  return json_object(
    'time_bits', time_bits + 0,
    'time_shift', 63 - time_bits,
    'sequence_bits', sequence_bits + 0,
    -- Sonyflake has the sequence above the machine ID, Snowflake below it.
    'sequence_shift', if(name like 'sonyflake%', machine_bits, 0),
    'machine_bits', machine_bits - datacenter_bits,
    'machine_shift', if(name like 'sonyflake%', 0, sequence_bits),
    'datacenter_bits', datacenter_bits + 0,
    'datacenter_shift', if(datacenter_bits > 0, sequence_bits + machine_bits - datacenter_bits, null),
    'tick_ms', tick_ms + 0,
    'epoch_ms', coalesce(given div 1000, epoch_ms)
  );
end $$

-- One field of an ID: 'time' (in ticks), 'sequence', 'machine' or 'datacenter'.
create or replace function shardflake_field(id bigint, bits varchar(500), field varchar(20))
returns bigint
deterministic no sql sql security invoker
comment 'shardflake: some bits of an ID'
begin
  declare shift int default json_value(bits, concat('$.', field, '_shift'));
  declare width int default json_value(bits, concat('$.', field, '_bits'));
  return if(id >= 0, id >> shift & (1 << width) - 1, null);
end $$

create or replace function shardflake_sequence(id bigint, layout varchar(200))
returns int
deterministic no sql sql security invoker
comment 'shardflake: the sequence of an ID'
return shardflake_field(id, shardflake_layout(layout, null), 'sequence') $$

-- Without the datacenter's bits.
create or replace function shardflake_machine_id(id bigint, layout varchar(200))
returns int
deterministic no sql sql security invoker
comment 'shardflake: the machine ID of an ID'
return shardflake_field(id, shardflake_layout(layout, null), 'machine') $$

-- NULL where the layout has none.
create or replace function shardflake_datacenter_id(id bigint, layout varchar(200))
returns int
deterministic no sql sql security invoker
comment 'shardflake: the datacenter of an ID'
return shardflake_field(id, shardflake_layout(layout, null), 'datacenter') $$

-- When a tick began, in UTC; NULL after the year 9999.
create or replace function shardflake_begin(tick bigint, bits varchar(500))
returns datetime(3)
deterministic no sql sql security invoker
comment 'shardflake: for shardflake_datetime and shardflake_decode'
begin
  -- From JSON come texts, and arithmetic makes floating point of a text: hence these.
  declare tick_ms, epoch_ms bigint;
  set tick_ms = json_value(bits, '$.tick_ms'), epoch_ms = json_value(bits, '$.epoch_ms');
  if tick > (253402300799999 - epoch_ms) div tick_ms then
    return null;
  end if;
  return timestampadd(microsecond, (epoch_ms + tick * tick_ms) * 1000, '1970-01-01');
end $$

-- When the tick of an ID began, in UTC; NULL after the year 9999.
create or replace function shardflake_datetime(id bigint, layout varchar(200), epoch datetime(6))
returns datetime(3)
deterministic no sql sql security invoker
comment 'shardflake: when the tick of an ID began'
begin
  declare bits varchar(500) default shardflake_layout(layout, epoch);
  return shardflake_begin(shardflake_field(id, bits, 'time'), bits);
end $$

-- What /decode replies, letter by letter.
create or replace function shardflake_decode(id bigint, layout varchar(200), epoch datetime(6))
returns varchar(250)
deterministic no sql sql security invoker
comment 'shardflake: the fields of an ID, as /decode tells them'
begin
  declare bits varchar(500) default shardflake_layout(layout, epoch);
  declare tick bigint default shardflake_field(id, bits, 'time');
  return concat(
    '{"id":"', id, '","time":', tick,
    ',"sequence":', shardflake_field(id, bits, 'sequence'),
    ',"machine_id":', shardflake_field(id, bits, 'machine'),
    coalesce(concat(',"datacenter_id":', shardflake_field(id, bits, 'datacenter')), ''),
    ',"datetime":"',
    coalesce(concat(left(date_format(shardflake_begin(tick, bits), '%Y-%m-%dT%H:%i:%s.%f'), 23), 'Z'), 'after 9999'),
    '"}'
  );
end $$

-- The first tick that begins at a moment or after it or, to end a span, the last one that begins before it.
create or replace function shardflake_tick(moment datetime(6), bits varchar(500), is_end boolean)
returns bigint
deterministic no sql sql security invoker
comment 'shardflake: for shardflake_smallest and shardflake_largest'
begin
  declare problem varchar(200);
  declare tick_us, since_epoch, tick bigint;
  set tick_us = json_value(bits, '$.tick_ms'), since_epoch = json_value(bits, '$.epoch_ms');
  set tick_us = tick_us * 1000, since_epoch = timestampdiff(microsecond, '1970-01-01', moment) - since_epoch * 1000;
  set tick = since_epoch div tick_us + (since_epoch % tick_us > 0) - is_end;
  if since_epoch < 0 or tick < 0 then
    set problem = concat(moment, ' is ', if(is_end, 'not after', 'before'), ' the epoch');
    signal sqlstate '22008' set message_text = problem;
  elseif tick >= 1 << json_value(bits, '$.time_bits') then
    set problem = concat(moment, ' is beyond the end of the time field');
    signal sqlstate '22008' set message_text = problem;
  end if;
  return tick;
end $$

-- The bounds of the IDs from one moment, included, to another, excluded, as /bounds tells them. A span in which no
-- tick begins, for which /bounds has none, gets a largest below its smallest: nothing is between.
--
--   where id >= shardflake_smallest('2026-11-01', 'sonyflake', null)
--     and id <= shardflake_largest('2026-12-01', 'sonyflake', null)
create or replace function shardflake_smallest(from_time datetime(6), layout varchar(200), epoch datetime(6))
returns bigint
deterministic no sql sql security invoker
comment 'shardflake: the smallest ID from a moment on'
begin
  declare bits varchar(500) default shardflake_layout(layout, epoch);
  return shardflake_tick(from_time, bits, false) << json_value(bits, '$.time_shift');
end $$

create or replace function shardflake_largest(to_time datetime(6), layout varchar(200), epoch datetime(6))
returns bigint
deterministic no sql sql security invoker
comment 'shardflake: the largest ID before a moment'
begin
  declare bits varchar(500) default shardflake_layout(layout, epoch);
  return shardflake_tick(to_time, bits, true) << json_value(bits, '$.time_shift')
    | (1 << json_value(bits, '$.time_shift')) - 1;
end $$

delimiter ;

set sql_mode = @shardflake_sql_mode, @shardflake_sql_mode = null;
