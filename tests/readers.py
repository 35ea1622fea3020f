"""Counts the rows of every table of a lake with engines that know nothing of relaydrift."""

import json
import os
import sys

import deltalake
import duckdb
import polars

lake = sys.argv[1]
counts = {}
for name in sorted(os.listdir(lake)):
    folder = os.path.join(lake, name)
    if not os.path.isdir(os.path.join(folder, "_delta_log")):
        continue
    table = deltalake.DeltaTable(folder)
    files = table.file_uris()
    counts[name] = {
        "deltalake": sum(table.get_add_actions(flatten=True).column("num_records").to_pylist()) if files else 0,
        "duckdb": duckdb.execute(f"select count(*) from read_parquet({files})").fetchall()[0][0] if files else 0,
        "polars": polars.scan_parquet(files).select(polars.len()).collect().item() if files else 0,
    }
print(json.dumps(counts))
