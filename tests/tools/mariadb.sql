-- What finds which of two IDs, and what makes a floating-point number of one.
create database ids;
use ids;
create table t (id bigint primary key, text varchar(20));
insert into t values (647117817333678081, '647117817333678081'), (647117817333678082, '647117817333678082');
set @id = '647117817333678081';

create function found(found text) returns text deterministic
return case coalesce(found, '')
  when '647117817333678081' then 'finds that ID'
  when '647117817333678081,647117817333678082' then 'finds both'
  when '' then 'finds none'
  else found
end;

create function fate(a text, b text) returns text deterministic
return case concat(a, ',', b)
  when '647117817333678081,647117817333678082' then 'exact'
  when '6.471178173336781e17,6.471178173336781e17' then 'rounded'
  when '647117817333678080,647117817333678080' then 'rounded'
  else concat(a, ' and ', b)
end;

create procedure row_of(what text, became text)
select concat('| ', what, ' | ', became, ' |');

call row_of("`id = '647117817333678081'`", found((select group_concat(id) from t where id = '647117817333678081')));
call row_of("`id between '647117817333678081' and '647117817333678081'`", found((select group_concat(id) from t where id between '647117817333678081' and '647117817333678081')));
call row_of("`abs(id) = '647117817333678081'`", found((select group_concat(id) from t where abs(id) = '647117817333678081')));
call row_of("`abs(id) between '647117817333678081' and '647117817333678081'`", found((select group_concat(id) from t where abs(id) between '647117817333678081' and '647117817333678081')));
call row_of("`id + 0 between '647117817333678081' and '647117817333678081'`", found((select group_concat(id) from t where id + 0 between '647117817333678081' and '647117817333678081')));
call row_of("`abs(id) >= '647117817333678081' and abs(id) <= '647117817333678081'`", found((select group_concat(id) from t where abs(id) >= '647117817333678081' and abs(id) <= '647117817333678081')));
call row_of("`abs(id) between 647117817333678081 and 647117817333678081`", found((select group_concat(id) from t where abs(id) between 647117817333678081 and 647117817333678081)));
call row_of("`abs(id) between cast('647117817333678081' as signed) and cast('647117817333678081' as signed)`", found((select group_concat(id) from t where abs(id) between cast('647117817333678081' as signed) and cast('647117817333678081' as signed))));
call row_of("`a.id = b.text`, `b` a table with that ID as text", found((select group_concat(a.id) from t a join t b on a.id = b.text where b.text = @id)));
call row_of("`a.id between b.text and b.text`, likewise", found((select group_concat(a.id order by a.id) from t a, t b where a.id between b.text and b.text and b.text = concat(@id, ''))));
call row_of("`id between 647117817333678081e0 and 647117817333678081e0`", found((select group_concat(id) from t where id between 647117817333678081e0 and 647117817333678081e0)));
call row_of("`ifnull(id, 0e0)`", (select fate(min(ifnull(id, 0e0)), max(ifnull(id, 0e0))) from t));
call row_of("`ifnull(id, 0)`", (select fate(min(ifnull(id, 0)), max(ifnull(id, 0))) from t));
create table changed (id bigint);
insert into changed select id from t;
update changed set id = id + '0';
call row_of("`update changed set id = id + '0'`", (select fate(min(id), max(id)) from changed));
