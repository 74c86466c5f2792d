"""polars: missing IDs, comparisons, and the way to pandas and NumPy."""

import io
import json

import polars as pl
from fate import A, B, fate, found, row

both = pl.DataFrame({"id": [A, B]})
some = pl.DataFrame({"id": [A, B, None]})


def first_two(frame):
    return fate(*frame["id"].to_list()[:2])


def search(condition):
    return found(both.filter(condition)["id"].to_list())


some.write_parquet("ids.parquet")
row("`read_parquet(f)`, an ID missing", first_two(pl.read_parquet("ids.parquet")))
text = json.dumps([{"id": A}, {"id": B}, {"id": None}]).encode()
row("`read_json(f)` of numbers, an ID missing", first_two(pl.read_json(io.BytesIO(text))))
text = json.dumps([{"id": str(A)}, {"id": str(B)}]).encode()
row("`read_json(f)` of strings", first_two(pl.read_json(io.BytesIO(text))))
cast = pl.read_json(io.BytesIO(text)).cast({"id": pl.Int64})
row('`read_json(f).cast({"id": pl.Int64})` of strings', first_two(cast))
row('`col("id") == 647117817333678081`', search(pl.col("id") == A))
row('`col("id") == 647117817333678081.0`', search(pl.col("id") == float(A)))
row('`col("id").fill_null(0.0)`', first_two(some.select(pl.col("id").fill_null(0.0))))
row('`col("id").fill_null(0)`', first_two(some.select(pl.col("id").fill_null(0))))
row('`col("id") / 1`', first_two(both.select(pl.col("id") / 1)))
row('`col("id") // 1`', first_two(both.select(pl.col("id") // 1)))
row("`.to_numpy()`, an ID missing", fate(*some["id"].to_numpy()[:2]))
row("`.to_pandas()`, an ID missing", fate(*some.to_pandas()["id"][:2]))
row(
    "`.to_pandas(use_pyarrow_extension_array=True)`, an ID missing",
    fate(*some.to_pandas(use_pyarrow_extension_array=True)["id"][:2]),
)
