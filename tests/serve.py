"""Asks `relaydrift serve` with a driver that knows nothing of relaydrift, and prints what came as JSON.

serve.py URI OPTIONS WHAT, and on stdin a list:
  ask    QUERY...         the rows of each query, or its error
  bind   QUERY VALUES     the rows of a query with values for its placeholders
  hold   COUNT            that many connections at once: how each fared
  lists                   what catalogs and tables there are, and what the server is
  same   PROGRAM LAKE     names of tables and views whose rows differ from the program's, and by engine those whose
                          rows and sums it reads otherwise from a file that the program wrote

OPTIONS is an object of driver options; QUERY is SQL, VALUES a list.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import adbc_driver_flightsql.dbapi as flight
import pyarrow.parquet

warnings.simplefilter("ignore")
uri, options, what = sys.argv[1:]
options = json.loads(options)
rest = json.load(sys.stdin)


def ask(connection, query, values=None):
    """Rows as lists, or the error as text."""
    try:
        with connection.cursor() as cursor:
            cursor.execute(query, values)
            return [[str(value) for value in row] for row in cursor.fetchall()]
    except Exception as error:
        return str(error)


def compare(connection, program, lake):
    """Every row of every table and view, against those of the program."""
    names = [name for (name,) in rows(connection, "select table_name from information_schema.tables where table_schema = 'public'")]

    def ours(name):
        file = Path(folder) / f"{name}.parquet"
        subprocess.run([program, "sql", "--lake", lake, "-o", file, f"select * from {name}"], check=True)
        return pyarrow.parquet.read_table(file)

    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        differ, count, engines = [], 0, {engine: [] for engine in ENGINES}
        for name, local in zip(names, pool.map(ours, names)):
            with connection.cursor() as cursor:
                cursor.execute(f"select * from {name}")
                served = cursor.fetch_arrow_table()
            count += served.num_rows
            if served.column_names != local.column_names or lines(served) != lines(local):
                differ.append(name)
            for engine, others in engines.items():
                if ENGINES[engine](f"{folder}/{name}.parquet", served) != sums(served):
                    others.append(name)
    return {"tables": len(names), "rows": count, "differ": differ, "engines": engines}


def sums(table):
    """Rows, values of each column that are not null, and the sum of each that holds whole numbers."""
    counts = [len(column) - column.null_count for column in table.columns]
    return [table.num_rows, *counts, *(pyarrow.compute.sum(table[name]).as_py() or 0 for name in numbers(table))]


def numbers(table):
    return [field.name for field in table.schema if pyarrow.types.is_integer(field.type)]


def in_sql(table, quote):
    """What SQL is asked in place of `sums`."""
    named = [f"{quote}{name}{quote}" for name in table.column_names]
    whole = [f"coalesce(sum({quote}{name}{quote}), 0)" for name in numbers(table)]
    return ["count(*)", *(f"count({name})" for name in named), *whole]


def by_duckdb(file, table):
    asked = ", ".join(in_sql(table, '"'))
    return [int(value) for value in duckdb.execute(f"select {asked} from '{file}'").fetchone()]


def by_polars(file, table):
    whole = [polars.col(name).cast(polars.Int128).sum().alias(f"sum {name}") for name in numbers(table)]
    read = polars.scan_parquet(file).select(polars.len().alias("rows of it"), polars.all().count(), *whole)
    return [int(value) for value in read.collect().row(0)]


def by_spark(file, table):
    return [int(value) for value in spark.read.parquet(file).selectExpr(*in_sql(table, "`")).first()]


ENGINES, spark = {}, None
if what == "same":
    import duckdb
    import polars
    import pyarrow.compute

    ENGINES = {"DuckDB": by_duckdb, "Polars": by_polars}
    if shutil.which("java"):
        from pyspark.sql import SparkSession

        spark = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false").getOrCreate()
        spark.sparkContext.setLogLevel("ERROR")
        ENGINES["Spark"] = by_spark


def rows(connection, query):
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchall()


def lines(table):
    return sorted(map(repr, table.to_pylist()))


def connect():
    return flight.connect(uri, db_kwargs=options)


if what == "hold":
    held, told = [], []
    for _ in range(rest[0]):
        try:
            held.append(connect())
            told.append(ask(held[-1], "select 1"))
        except Exception as error:
            told.append(str(error))
    print(json.dumps(told))
    sys.stdout.flush()
    # Without the complaints of what is still open.
    os._exit(0)
with connect() as connection:
    if what == "ask":
        print(json.dumps([ask(connection, query) for query in rest]))
    elif what == "bind":
        print(json.dumps(ask(connection, rest[0], rest[1])))
    elif what == "lists":
        objects = connection.adbc_get_objects(depth="columns").read_all().to_pylist()
        tables = [table for catalog in objects for schema in catalog["catalog_db_schemas"] for table in schema["db_schema_tables"]]
        print(json.dumps({
            "catalogs": [catalog["catalog_name"] for catalog in objects],
            "tables": {table["table_name"]: [table["table_type"], len(table["table_columns"])] for table in tables},
            "kinds": connection.adbc_get_table_types(),
            "server": connection.adbc_get_info()["vendor_name"],
        }))
    elif what == "same":
        print(json.dumps(compare(connection, *rest)))
