"""pandas: what columns are read as where an ID is missing."""

import io
import json

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from fate import A, B, fate, row


def first_two(frame):
    return fate(frame["id"].iloc[0], frame["id"].iloc[1])


def csv(**options):
    return first_two(pd.read_csv(io.StringIO(f"key,id\n1,{A}\n2,{B}\n3,\n"), **options))


def read_json(kind, **options):
    text = json.dumps([{"id": kind(A)}, {"id": kind(B)}, {"id": None}])
    return first_two(pd.read_json(io.StringIO(text), **options))


NULLABLE = {"dtype": {"id": "Int64"}}
row("`read_csv(f)`, all IDs there", first_two(pd.read_csv(io.StringIO(f"id\n{A}\n{B}\n"))))
row("`read_csv(f)`", csv())
row('`read_csv(f, dtype={"id": "Int64"})`', csv(**NULLABLE))
row("`read_json(f)` of numbers", read_json(int))
row('`read_json(f, dtype={"id": "Int64"})` of numbers', read_json(int, **NULLABLE))
row("`read_json(f)` of strings", read_json(str))
row('`read_json(f, dtype={"id": "Int64"})` of strings', read_json(str, **NULLABLE))

pq.write_table(pa.table({"id": pa.array([A, B, None], pa.int64())}), "ids.parquet")
row("`read_parquet(f)`", first_two(pd.read_parquet("ids.parquet")))
row(
    '`read_parquet(f, dtype_backend="numpy_nullable")`',
    first_two(pd.read_parquet("ids.parquet", dtype_backend="numpy_nullable")),
)

orders = pd.DataFrame({"key": [1, 2, 3]})
ids = pd.DataFrame({"key": [1, 2], "id": [A, B]})
row('`orders.merge(ids, how="left")`', first_two(orders.merge(ids, how="left")))
row(
    '`orders.merge(ids.astype({"id": "Int64"}), how="left")`',
    first_two(orders.merge(ids.astype({"id": "Int64"}), how="left")),
)
