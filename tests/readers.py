"""Reads every table of a lake with engines that know nothing of relaydrift: prints rows and sums as JSON.

readers.py LAKE [spark]
"""

import json
import os
import sys

import deltalake
import duckdb
import polars
import pyarrow
import pyarrow.compute
import pyarrow.dataset

lake = sys.argv[1]


def sums(files, numbers):
    """[rows, sum of each column of numbers] by engine."""
    together = ", ".join(["count(*)", *(f"sum({name})" for name in numbers)])
    if not files:
        return {"duckdb": [0] + [0] * len(numbers)}
    data = pyarrow.dataset.dataset(files).to_table(columns=numbers)
    frame = polars.scan_parquet(files).select(polars.len(), *(polars.col(name).cast(polars.Int64).sum() for name in numbers))
    found = {
        "duckdb": duckdb.execute(f"select {together} from read_parquet({files})").fetchone(),
        "polars": frame.collect().row(0),
        "pyarrow": [data.num_rows, *(pyarrow.compute.sum(data[name]).as_py() for name in numbers)],
    }
    if spark:
        found["spark"] = spark.read.parquet(*files).selectExpr(*together.split(", ")).first()
    return {engine: [int(value or 0) for value in row] for engine, row in found.items()}


spark = None
if "spark" in sys.argv[2:]:
    from pyspark.sql import SparkSession

    spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")

tables = {}
for name in sorted(os.listdir(lake)):
    folder = os.path.join(lake, name)
    if not os.path.isdir(os.path.join(folder, "_delta_log")):
        continue
    table = deltalake.DeltaTable(folder)
    files = [uri.removeprefix("file://") for uri in table.file_uris()]
    fields = pyarrow.schema(table.schema().to_arrow())
    numbers = [field.name for field in fields if pyarrow.types.is_integer(field.type)]
    tables[name] = {"numbers": numbers, "engines": sums(files, numbers)}
    if files:
        data = pyarrow.table(table.to_pyarrow_table(columns=numbers))
        tables[name]["engines"]["deltalake"] = [data.num_rows, *(pyarrow.compute.sum(data[number]).as_py() or 0 for number in numbers)]
print(json.dumps(tables))
