"""ClickHouse, as it is in chdb: input, output, comparisons, and its own idea of a Snowflake."""

import json
import sys
from pathlib import Path

import chdb
from fate import A, B, fate, found, row

BOTH = f"(select arrayJoin([toInt64({A}), toInt64({B})]) as id)"


def lines(query, form="TSV"):
    return str(chdb.query(query, form)).split("\n")[:-1]


def of_both(expression):
    return fate(*[int(value) for value in lines(f"select {expression} from {BOTH} order by id")])


def search(condition):
    return found([int(id) for id in lines(f"select id from {BOTH} where {condition} order by id")])


def written(*values):
    Path("ids.json").write_text("\n".join(json.dumps({"id": value}) for value in values))
    return lines("select id from file('ids.json', JSONEachRow)")[:2]


def output(settings=""):
    return fate(
        *[json.loads(line)["id"] for line in lines(f"select id from {BOTH} {settings}", "JSONEachRow")]
    )


def extracted(function):
    values = [lines(f"select {function}('{{\"id\":{id}}}', 'id')")[0] for id in (A, B)]
    return fate(*[int(value) for value in values])


if sys.argv[1:] == ["version"]:
    print(lines("select version()")[0])
    sys.exit()
row("`file('ids.json')` of numbers, an ID missing", fate(*[int(id) for id in written(A, B, None)]))
row("`file('ids.json')` of numbers, one of them 0.5", fate(*[int(id) for id in written(A, B, 0.5)]))
row("`file('ids.json')` of strings", fate(*written(str(A), str(B))))
row("`FORMAT JSONEachRow`", output().replace("exact", "exact, numbers"))
row(
    "`FORMAT JSONEachRow SETTINGS output_format_json_quote_64bit_integers = 1`",
    output("settings output_format_json_quote_64bit_integers = 1"),
)
row("`JSONExtractInt(text, 'id')`", extracted("JSONExtractInt"))
row("`JSONExtractFloat(text, 'id')`", extracted("JSONExtractFloat"))
row("`id = '647117817333678081'`", search(f"id = '{A}'"))
row("`id between '647117817333678081' and '647117817333678081'`", search(f"id between '{A}' and '{A}'"))
row("`id = 647117817333678081.0`", search(f"id = {A}.0"))
row("`toFloat64(id) = 647117817333678081`", search(f"toFloat64(id) = {A}"))
row("`id / 1`", of_both("toInt64(id / 1)"))
row("`intDiv(id, 1)`", of_both("intDiv(id, 1)"))
row("`median(id)` of one ID", fate(*[int(lines(f"select median(toInt64({id}))")[0]) for id in (A, B)]))
row(
    "`quantileExact(id)` of one ID",
    fate(*[int(lines(f"select quantileExact(toInt64({id}))")[0]) for id in (A, B)]),
)

MOMENT = "2026-11-21 06:17:56.300"
epoch = 1409529600000
seen = lines(f"select snowflakeIDToDateTime64(toUInt64({A}), {epoch}, 'UTC')")[0]
row(
    "`snowflakeIDToDateTime64(id, 1409529600000)` of profile `sonyflake`",
    "right" if seen == MOMENT else "another time",
)
seen = lines(f"select fromUnixTimestamp64Milli(toInt64(intDiv({A}, 16777216) * 10 + {epoch}), 'UTC')")[0]
row(
    "`fromUnixTimestamp64Milli(toInt64(intDiv(id, 16777216) * 10 + 1409529600000))`",
    "right" if seen == MOMENT else "another time",
)
epoch = 1705065354064
snowflake = (1795241876300 - epoch) << 22 | 1 << 12 | 5
seen = lines(f"select snowflakeIDToDateTime64(toUInt64({snowflake}), {epoch}, 'UTC')")[0]
row(
    "`snowflakeIDToDateTime64(id, 1705065354064)` of profile `snowflake`",
    "right" if seen == MOMENT else "another time",
)
