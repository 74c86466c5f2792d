"""DuckDB: Parquet, JSON, comparisons, and frames of pandas."""

import json
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from fate import A, B, fate, found, row

db = duckdb.connect()


def column(query, parameters=None):
    return [value for (value,) in db.execute(query, parameters).fetchall()]


def search(condition, parameters=None):
    return found(column(f"select id from t where {condition} order by id", parameters))


def written(*values):
    Path("ids.json").write_text("\n".join(json.dumps({"id": value}) for value in values))
    return "from 'ids.json'"


db.execute(f"create table t as select unnest([{A}, {B}]) as id")
pq.write_table(pa.table({"id": pa.array([A, B, None], pa.int64())}), "ids.parquet")
row("`from 'ids.parquet'`, an ID missing", fate(*column("select id from 'ids.parquet'")[:2]))
written(A, B, None)
row("`from 'ids.json'` of numbers, an ID missing", fate(*column("select id from 'ids.json'")[:2]))
written(A, B, 0.5)
row("`from 'ids.json'` of numbers, one of them 0.5", fate(*column("select id from 'ids.json'")[:2]))
written(str(A), str(B))
row("`from 'ids.json'` of strings", fate(*column("select id from 'ids.json'")))
typed = "select id from read_json('ids.json', columns = {id: 'BIGINT'})"
row("`from read_json('ids.json', columns = {id: 'BIGINT'})` of strings", fate(*column(typed)))
row("`id between '647117817333678081' and '647117817333678081'`", search(f"id between '{A}' and '{A}'"))
row("`id = ?` with a Python `int`", search("id = ?", [A]))
row("`id = ?` with a Python `float`", search("id = ?", [float(A)]))
row("`id / 1`", fate(*[int(value) for value in column("select id / 1 from t")]))
row("`id // 1`", fate(*column("select id // 1 from t")))
row("`coalesce(id, 0e0)`", fate(*column("select coalesce(id, 0e0) from t")))
frame = db.execute("select id from t union all select null").df()
row("`.df()`, an ID missing", fate(*frame["id"].dropna().sort_values()))
missing = pd.DataFrame({"id": [A, B, None]})  # noqa: F841, DuckDB finds it by its name.
row("`from frame` of pandas, an ID missing", fate(*column("select id from missing")[:2]))
nullable = missing = pd.DataFrame({"id": pd.array([A, B, None], dtype="Int64")})
row("`from frame` of pandas with `Int64`, an ID missing", fate(*column("select id from nullable")[:2]))
