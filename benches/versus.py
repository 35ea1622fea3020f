#!/usr/bin/env python3
"""relaydrift beside DuckDB, Polars and ClickHouse (chdb) on the same logs, by turns, two threads each: raw logs to the
certificate-and-address answer, raw logs to Parquet, and questions to what was stored.

    python3 benches/versus.py [FOLDER] [--runs N]

The other engines come from PyPI into target/versus. FOLDER is a fleet's logs; without it one of 1 GB is generated and
removed. RELAYDRIFT names the binary, target/release/relaydrift unless given. Each run is a process of its own on warm
files. Where sides answer the same question their answers must be the same, or the script fails.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv

THREADS = "2"
COMMAND = os.environ.get("RELAYDRIFT", "target/release/relaydrift")
SUFFIXES = r"\.(protection\.outlook\.com|prod\.outlook\.com|mx\.microsoft|office365\.us|partner\.outlook\.cn)$"

# The rows of the logs, all nine fields.
LOGS = """read_csv('{folder}/**/*.LOG', header = false, auto_detect = false, delim = ',', quote = '"',
    escape = '"', comment = '#', null_padding = true, strict_mode = false, ignore_errors = true,
    filename = true, columns = {{
        'time': 'varchar', 'connector': 'varchar', 'session': 'varchar', 'sequence': 'varchar',
        'local': 'varchar', 'remote': 'varchar', 'event': 'varchar', 'data': 'varchar',
        'context': 'varchar'}})"""

# What each connector of each server showed, when first and when last: of a session the certificate sent
# (one row, or a heading and a row per attribute) and the address greeted by Exchange Online.
QUERY = rf"""
with lines as (
    select
        regexp_extract(filename, '{{folder}}/([^/]+)/', 1) as server, connector, session,
        try_cast(time as timestamp) as time, try_cast(sequence as bigint) as sequence, event, data, context
    from {{source}}
),
told as (
    select *, case when data is null and context like '% certificate' then context end as heading
    from lines
    where event = '*' and (context like '% certificate%' or context like 'Certificate thumbprint%')
),
under as (
    select *, last_value(heading ignore nulls) over (
        partition by server, session order by sequence
        rows between unbounded preceding and current row) as above
    from told
),
shown as (
    select server, connector, time, 'certificate' as kind,
        regexp_extract(data, '(^| )([0-9A-F]{{{{40}}}})( |$)', 2) as value
    from under
    where data is not null and (context like 'Sending certificate%'
        or context = 'Certificate thumbprint' and above = 'Sending certificate')
    union all
    select server, connector, time, 'egress', regexp_extract(data, 'Hello \[([^\]]+)\]', 1)
    from lines
    where event = '<' and data like '250%Hello [%'
        and regexp_matches(regexp_extract(data, '^250[- ]+(\S+) Hello', 1), '{SUFFIXES}')
)
select kind, connector, server, value, min(time), max(time), count(*)
from shown where value <> '' group by all
"""

ANSWER = """
select distinct 'certificate' as kind, connector_id, server, thumbprint as value from certificate_spans
union all
select distinct 'egress', connector_id, server, egress_ip from egress_spans
"""

VIEWS = ["drift", "refusals", "certificate_expiry"]

# An analyst's free question, in both dialects.
FREE = """
select connector_id, cast(extract(epoch from date_trunc('hour', event_time)) as bigint) as hour, count(*) as replies
from {events} where data like '550 5.7.64%' group by 1, 2 order by 1, 2
"""


def duckdb_side(work, folder, target):
    import duckdb

    connection = duckdb.connect(config={"threads": THREADS})
    logs = LOGS.format(folder=folder)
    match work:
        case "answer":
            query = QUERY.format(folder=folder, source=logs)
        case "store":
            query = f"copy (select * from {logs}) to '{target}' (format parquet, compression zstd)"
        case "stored":
            query = QUERY.format(folder=folder, source=f"read_parquet('{target}')")
        case _:
            query = "set timezone = 'UTC'; " + FREE.format(events=f"read_parquet('{target}/events/*.parquet')")
    return connection.execute(query).fetchall()


NAMES = ["time", "connector", "session", "sequence", "local", "remote", "event", "data", "context"]


def polars_side(work, folder, target):
    os.environ["POLARS_MAX_THREADS"] = THREADS
    import polars as pl

    if work == "stored":
        lines = pl.scan_parquet(target)
    else:
        lines = pl.scan_csv(
            f"{folder}/**/*.LOG", has_header=False, schema={name: pl.String for name in NAMES}, comment_prefix="#",
            truncate_ragged_lines=True, include_file_paths="filename", encoding="utf8-lossy", ignore_errors=True)
    if work == "store":
        lines.sink_parquet(target, compression="zstd")
        return []
    col = pl.col
    lines = lines.with_columns(server=col("filename").str.extract(folder + "/([^/]+)/", 1))
    thumbprint = col("context").str.starts_with("Certificate thumbprint")
    told = lines.filter((col("event") == "*") & (col("context").str.contains(" certificate", literal=True) | thumbprint))
    heading = pl.when(col("data").is_null() & col("context").str.ends_with(" certificate")).then(col("context"))
    told = told.with_columns(sequence=col("sequence").cast(pl.Int64, strict=False), heading=heading)
    under = told.sort("server", "session", "sequence").with_columns(
        above=col("heading").forward_fill().over("server", "session"))
    sent = col("context").str.starts_with("Sending certificate") | (
        (col("context") == "Certificate thumbprint") & (col("above") == "Sending certificate"))
    certificates = under.filter(col("data").is_not_null() & sent).select(
        "server", "connector", "time", kind=pl.lit("certificate"),
        value=col("data").str.extract("(^| )([0-9A-F]{40})( |$)", 2))
    host = col("data").str.extract(r"^250[- ]+(\S+) Hello", 1)
    greeted = col("data").str.starts_with("250") & col("data").str.contains("Hello [", literal=True)
    addresses = lines.filter((col("event") == "<") & greeted & host.str.contains(SUFFIXES)).select(
        "server", "connector", "time", kind=pl.lit("egress"), value=col("data").str.extract(r"Hello \[([^\]]+)\]", 1))
    shown = pl.concat([certificates, addresses]).filter(col("value").is_not_null())
    spans = shown.group_by("kind", "connector", "server", "value").agg(
        first=col("time").min(), last=col("time").max(), count=pl.len())
    return spans.collect(engine="streaming").rows()


CLICKHOUSE = r"""
with lines as (select *, extract({path}, '{folder}/([^/]+)/') as server from {source} where session != ''),
told as (
    select *, if(data = '' and endsWith(context, ' certificate'), context, null) as heading
    from lines
    where event = '*' and (position(context, ' certificate') > 0 or startsWith(context, 'Certificate thumbprint'))
),
under as (
    select *, last_value(heading) ignore nulls over (
        partition by server, session order by toInt64OrNull(sequence)
        rows between unbounded preceding and current row) as above
    from told
),
shown as (
    select 'certificate' as kind, connector, server, extract(data, '(?:^| )([0-9A-F]{{40}})(?: |$)') as value, time
    from under
    where data != '' and (startsWith(context, 'Sending certificate')
        or context = 'Certificate thumbprint' and above = 'Sending certificate')
    union all
    select 'egress', connector, server, extract(data, 'Hello \\[([^\\]]+)\\]'), time
    from lines
    where event = '<' and data like '250%Hello [%'
        and match(extract(data, '^250[- ]+(\\S+) Hello'), '{suffixes}')
)
select kind, connector, server, value, min(time), max(time), count() from shown where value != '' group by 1, 2, 3, 4
"""


def chdb_side(work, folder, target):
    from chdb import session

    columns = ", ".join(f"{name} String" for name in NAMES)
    logs = f"file('{folder}/**/*.LOG', 'CSV', '{columns}')"
    settings = f"""settings max_threads = {THREADS}, input_format_csv_allow_variable_number_of_columns = 1,
        input_format_allow_errors_num = 1000000000, output_format_parquet_compression_method = 'zstd'"""
    suffixes = SUFFIXES.replace("\\", "\\\\")
    match work:
        case "store":
            query = f"insert into function file('{target}') select *, _path as path from {logs} where session != ''"
        case "stored":
            query = CLICKHOUSE.format(path="path", folder=folder, source=f"file('{target}')", suffixes=suffixes)
        case _:
            query = CLICKHOUSE.format(path="_path", folder=folder, source=logs, suffixes=suffixes)
    answer = str(session.Session().query(f"{query} {settings}", "JSONCompactEachRow"))
    return map(json.loads, answer.splitlines())


SIDES = {"DuckDB": duckdb_side, "Polars": polars_side, "chdb": chdb_side}


def run(command):
    """Wall and CPU seconds and peak MiB of one process, and what it printed."""
    start = time.perf_counter()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        process = subprocess.Popen(command, stdout=out, stderr=err)
        _, status, used = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = code = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        # `check` exits with 1 where it finds something.
        if code not in (0, 1) or (code == 1 and "check" not in command):
            sys.exit(f"{' '.join(command)}: {err.read().decode()[-2000:]}")
        return (wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024), out.read().decode()


def ours(*words):
    return [COMMAND, *words, "--threads", THREADS, "--quiet"]


def theirs(engine, work, folder, target=""):
    return [sys.executable, __file__, folder, "--side", engine, "--work", work, "--target", target]


def table(title, sides, runs, before=lambda: None):
    """Medians of some runs by turns; each side is held against the first."""
    rounds = []
    for _ in range(runs):
        rounds.append([])
        for command in sides.values():
            before()
            rounds[-1].append(run(command)[0])
    print(f"\n{title:<44}{'wall, s':>9}{'CPU, s':>9}{'peak MiB':>10}{'wall / first':>14}{'CPU':>7}")
    for at, name in enumerate(sides):
        wall, cpu, peak = (statistics.median(turn[at][figure] for turn in rounds) for figure in range(3))
        ratios = [statistics.median(turn[at][f] / turn[0][f] for turn in rounds) for f in (0, 1)]
        print(f"{name:<44}{wall:>9.2f}{cpu:>9.2f}{peak:>10.0f}{ratios[0]:>14.2f}{ratios[1]:>7.2f}", flush=True)


def rows(command, columns):
    """The answer of a side as a set of rows of text, its first columns."""
    lines = map(json.loads, run(command)[1].splitlines())
    return {tuple(str(v) for v in list(line.values() if isinstance(line, dict) else line)[:columns]) for line in lines}


def same(sides, columns=4):
    """How many rows all sides answer with."""
    first, *others = ((name, rows(command, columns)) for name, command in sides.items())
    for name, other in others:
        if other != first[1]:
            sys.exit(f"{name} answers otherwise than {first[0]}: {sorted(first[1] ^ other)[:10]}")
    return len(first[1])


def compare(folder, runs, scratch):
    lake = f"{scratch}/lake"
    parquet = {engine: f"{scratch}/{engine}.parquet" for engine in SIDES}
    ndjson = ("--format", "ndjson")
    answer = {"relaydrift, the same question": ours("sql", "--logs", folder, *ndjson, ANSWER)}
    answer |= {f"{engine}, the same question": theirs(engine, "answer", folder) for engine in SIDES}
    print(f"{same(answer)} certificates and addresses, the same on all sides; medians of {runs} runs by turns")
    check = ours("check", folder, "--format", "json")
    table("raw logs to an answer", {"relaydrift check, every finding": check} | answer, runs)
    one = ["1" if word == THREADS else word for word in check]
    table("threads", {"relaydrift check, two": check, "relaydrift check, one": one}, runs)

    store = {"relaydrift, the whole lake": ours("ingest", folder, "--lake", lake)}
    store |= {f"{engine}, nine columns": theirs(engine, "store", folder, parquet[engine]) for engine in SIDES}

    def clean():
        shutil.rmtree(lake, ignore_errors=True)
        for file in parquet.values():
            if os.path.exists(file):
                os.remove(file)

    table("raw logs to zstd Parquet", store, runs, clean)
    one = ["1" if word == THREADS else word for word in ours("ingest", folder, "--lake", lake)]
    table("threads", {"ingest, two": ours("ingest", folder, "--lake", lake), "ingest, one": one}, runs, clean)
    clean()
    for command in store.values():
        run(command)
    size = sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(lake) for name in names)
    sizes = [f"{os.path.getsize(file) / 1e6:.0f} MB of {engine}'s" for engine, file in parquet.items()]
    print(f"\n{size / 1e6:.0f} MB of lake, {', '.join(sizes)}")

    stored = {"relaydrift, the same question": ours("sql", "--lake", lake, *ndjson, ANSWER)}
    stored |= {f"{engine}, to its Parquet": theirs(engine, "stored", folder, parquet[engine]) for engine in SIDES}
    same(stored)
    views = {f"relaydrift, {view}": ours("sql", "--lake", lake, *ndjson, f"select * from {view}") for view in VIEWS}
    table("what was stored to an answer", stored | views, runs)
    free = {
        "relaydrift": ours("sql", "--lake", lake, *ndjson, FREE.format(events="events")),
        "DuckDB over the same lake": theirs("DuckDB", "free", folder, lake),
    }
    count = same(free, 3)
    table(f"a free question to events, {count} rows", free, runs)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--runs", type=int, default=5)
    for hidden in ("--side", "--work", "--target"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.side:
        for row in SIDES[given.side](given.work, given.folder, given.target):
            print(json.dumps([str(value) for value in row]))
        return
    engines = os.path.abspath("target/versus")
    if sys.prefix != engines:
        if not os.path.exists(engines):
            venv.create(engines, with_pip=True)
        subprocess.run([f"{engines}/bin/pip", "install", "--quiet", "duckdb", "polars", "chdb"], check=True)
        os.execv(f"{engines}/bin/python", [f"{engines}/bin/python", *sys.argv])
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.folder
        if not folder:
            folder = f"{scratch}/fleet"
            run([COMMAND, "generate", folder, "--servers", "9", "--days", "9", "--bytes", "1GB"])
        compare(os.path.abspath(folder), given.runs, scratch)


if __name__ == "__main__":
    main()
