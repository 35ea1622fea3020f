"""Parquet below a folder, read by pyarrow and DuckDB: rows, order and codec of each source, as JSON."""
import glob
import json
import sys

import duckdb
import pyarrow.parquet

found = {}
for path in sorted(glob.glob(sys.argv[1] + "/ext/*/region=*/accountId=*/eventDay=*/*.parquet")):
    source, day = path.split("/ext/")[1].split("/")[0], path.split("eventDay=")[1].split("/")[0]
    file = pyarrow.parquet.ParquetFile(path)
    times = file.read(columns=["time"]).column("time").to_pylist()
    assert times == sorted(times), "not sorted by time"
    group = file.metadata.row_group(0)
    codecs = {group.column(at).compression for at in range(group.num_columns)}
    assert codecs == {"ZSTD"}, codecs
    days = duckdb.sql(f"select distinct strftime(make_timestamp(time * 1000), '%Y%m%d') from '{path}'").fetchall()
    assert days == [(day,)], days
    columns = duckdb.sql(f"select class_uid, metadata.uid, unmapped.key from '{path}'").fetchall()
    entry = found.setdefault(source, {"classes": [], "keys": [], "schemas": []})
    entry["classes"] = sorted({row[0] for row in columns} | set(entry["classes"]))
    entry["keys"] += [row[1] for row in columns if row[1] == row[2]]
    schema = str(file.schema_arrow)
    entry["schemas"] = sorted({schema} | set(entry["schemas"]))
print(json.dumps({source: {"classes": entry["classes"], "keys": entry["keys"], "schemas": len(entry["schemas"])} for source, entry in found.items()}))
