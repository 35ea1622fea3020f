#!/usr/bin/env python3
"""relaydrift beside DuckDB on the same logs, by turns, two threads each: raw logs to the certificate-and-address
answer, raw logs to Parquet, and questions to what was stored.

    python3 -m venv /tmp/versus && /tmp/versus/bin/pip install duckdb
    /tmp/versus/bin/python benches/versus.py [FOLDER] [--runs N]

FOLDER is a fleet's logs; without it one of 1 GB is generated and removed. RELAYDRIFT names the binary,
target/release/relaydrift unless given. Each run is a process of its own on warm files. Where both sides answer the
same question their answers must be the same, or the script fails.
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


# An analyst's free question, in both dialects.
FREE = """
select connector_id, date_trunc('hour', event_time) as hour, count(*) as replies
from {events} where data like '550 5.7.64%' group by 1, 2 order by 1, 2
"""


def duckdb_side(work, folder, target):
    """This process as DuckDB's: the answer as JSON lines."""
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
    for row in connection.execute(query).fetchall():
        print(json.dumps([str(value) for value in row]))


def run(command):
    """Wall and CPU seconds of one process, and what it printed."""
    before, start = os.times(), time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wall, after = time.perf_counter() - start, os.times()
    # `check` exits with 1 where it finds something.
    if done.returncode not in (0, 1) or (done.returncode == 1 and "check" not in command):
        sys.exit(f"{' '.join(command)}: {done.stderr[-2000:]}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, cpu, done.stdout


def ours(*words):
    return [COMMAND, *words, "--threads", THREADS, "--quiet"]


def theirs(work, folder, target=""):
    return [sys.executable, __file__, folder, "--duckdb", work, "--target", target]


def table(title, sides, runs, before=lambda: None):
    """Medians of some runs by turns; the last side is the one that the others are held against."""
    rounds = []
    for _ in range(runs):
        rounds.append([])
        for command in sides.values():
            before()
            rounds[-1].append(run(command))
    print(f"\n{title:<42}{'wall, s':>8}{'CPU, s':>8}{'last / this: wall':>19}{'CPU':>6}")
    for at, name in enumerate(sides):
        wall, cpu = (statistics.median(turn[at][figure] for turn in rounds) for figure in (0, 1))
        ratios = [statistics.median(turn[-1][f] / turn[at][f] for turn in rounds) for f in (0, 1)]
        print(f"{name:<42}{wall:>8.2f}{cpu:>8.2f}{ratios[0]:>19.2f}{ratios[1]:>6.2f}")


def same(one, other):
    if one != other:
        sys.exit(f"the answers differ: {sorted(one ^ other, key=str)[:10]}")
    return len(one)


def rows(command, columns):
    """The answer of a side as a set of rows of text, its first columns."""
    lines = map(json.loads, run(command)[2].splitlines())
    return {tuple(str(v) for v in list(line.values() if isinstance(line, dict) else line)[:columns]) for line in lines}


def compare(folder, runs, scratch):
    lake, parquet = f"{scratch}/lake", f"{scratch}/logs.parquet"
    ndjson = ("--format", "ndjson")
    answer = {
        "relaydrift check, every finding": ours("check", folder, "--format", "json"),
        "relaydrift, the same question": ours("sql", "--logs", folder, *ndjson, ANSWER),
        "DuckDB, the same question": theirs("answer", folder),
    }
    _, mine, other = answer.values()
    count = same(rows(mine, 4), rows(other, 4))
    print(f"{count} certificates and addresses, the same on both sides; medians of {runs} runs by turns")
    table("raw logs to an answer", answer, runs)
    two = answer["relaydrift check, every finding"]
    one = ["1" if word == THREADS else word for word in two]
    table("threads", {"relaydrift check, two": two, "relaydrift check, one": one}, runs)

    def clean():
        shutil.rmtree(lake, ignore_errors=True)

    store = {
        "relaydrift, the whole lake": ours("ingest", folder, "--lake", lake),
        "DuckDB, nine columns, zstd Parquet": theirs("store", folder, parquet),
    }
    table("raw logs to Parquet", store, min(runs, 3), clean)
    run(store["relaydrift, the whole lake"])
    sizes = [sum(os.path.getsize(os.path.join(at, name)) for at, _, names in os.walk(lake) for name in names)]
    sizes.append(os.path.getsize(parquet))
    print(f"{sizes[0] / 1e6:.0f} MB of lake, {sizes[1] / 1e6:.0f} MB of DuckDB's Parquet")

    stored = {
        "relaydrift, the same question": ours("sql", "--lake", lake, *ndjson, ANSWER),
        "relaydrift, select * from drift": ours("sql", "--lake", lake, *ndjson, "select * from drift"),
        "relaydrift, select * from refusals": ours("sql", "--lake", lake, *ndjson, "select * from refusals"),
        "relaydrift, certificate_expiry": ours("sql", "--lake", lake, *ndjson, "select * from certificate_expiry"),
        "DuckDB, the same question to its Parquet": theirs("stored", folder, parquet),
    }
    same(rows(next(iter(stored.values())), 4), rows(stored["DuckDB, the same question to its Parquet"], 4))
    table("what was stored to an answer", stored, runs)
    free = {
        "relaydrift": ours("sql", "--lake", lake, *ndjson, FREE.format(events="events")),
        "DuckDB over the same lake": theirs("free", folder, lake),
    }
    mine, other = free.values()
    hours = same({(row[0], row[2]) for row in rows(mine, 3)}, {(row[0], row[2]) for row in rows(other, 3)})
    table(f"a free question to events, {hours} rows", free, runs)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--runs", type=int, default=5)
    for hidden in ("--duckdb", "--target"):
        parser.add_argument(hidden, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.duckdb:
        return duckdb_side(given.duckdb, given.folder, given.target)
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.folder
        if not folder:
            folder = f"{scratch}/fleet"
            run([COMMAND, "generate", folder, "--servers", "9", "--days", "9", "--bytes", "1GB"])
        compare(folder.rstrip("/"), given.runs, scratch)


if __name__ == "__main__":
    main()
