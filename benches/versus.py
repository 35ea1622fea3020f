#!/usr/bin/env python3
"""Raw logs to the certificate-and-address answer: relaydrift beside DuckDB, by turns, two threads each.

    python3 -m venv /tmp/versus && /tmp/versus/bin/pip install duckdb
    /tmp/versus/bin/python benches/versus.py [FOLDER] [--runs N]

FOLDER is a fleet's logs; without it one of 1 GB is generated and removed. RELAYDRIFT names the binary,
target/release/relaydrift unless given. Each run is a process of its own on warm files. Both sides must
name the same certificates and addresses, or the script fails.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

THREADS = "2"
COMMAND = os.environ.get("RELAYDRIFT", "target/release/relaydrift")
SUFFIXES = r"\.(protection\.outlook\.com|prod\.outlook\.com|mx\.microsoft|office365\.us|partner\.outlook\.cn)$"

# What each connector of each server showed, when first and when last: of a session the certificate sent
# (one row, or a heading and a row per attribute) and the address greeted by Exchange Online.
QUERY = rf"""
with lines as (
    select
        regexp_extract(filename, '{{folder}}/([^/]+)/', 1) as server, connector, session,
        try_cast(time as timestamp) as time, try_cast(sequence as bigint) as sequence, event, data, context
    from read_csv('{{folder}}/**/*.LOG', header = false, auto_detect = false, delim = ',', quote = '"',
        escape = '"', comment = '#', null_padding = true, strict_mode = false, ignore_errors = true,
        filename = true, columns = {{{{
            'time': 'varchar', 'connector': 'varchar', 'session': 'varchar', 'sequence': 'varchar',
            'local': 'varchar', 'remote': 'varchar', 'event': 'varchar', 'data': 'varchar',
            'context': 'varchar'}}}})
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


def duckdb_side(folder):
    """This process as DuckDB's: the answer as JSON lines."""
    import duckdb

    connection = duckdb.connect(config={"threads": THREADS})
    for row in connection.execute(QUERY.format(folder=folder)).fetchall():
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


def compare(folder, runs):
    sides = {
        "relaydrift, the same question": [
            COMMAND, "sql", "--logs", folder, "--threads", THREADS, "--format", "ndjson", "--quiet", ANSWER],
        "relaydrift check, every finding": [
            COMMAND, "check", folder, "--threads", THREADS, "--format", "json", "--quiet"],
        "DuckDB, the same question": [sys.executable, __file__, folder, "--duckdb"],
    }
    ours, _, theirs = sides.values()
    known = {tuple(json.loads(line).values()) for line in run(ours)[2].splitlines()}
    found = {tuple(json.loads(line)[:4]) for line in run(theirs)[2].splitlines()}
    if known != found:
        sys.exit(f"the answers differ: {sorted(known ^ found, key=str)[:10]}")
    print(f"{len(known)} certificates and addresses, the same on both sides; medians of {runs} runs by turns")
    rounds = [[run(command) for command in sides.values()] for _ in range(runs)]
    print(f"{'':<34}{'wall, s':>8}{'CPU, s':>8}{'DuckDB / this: wall':>21}{'CPU':>6}")
    for at, name in enumerate(sides):
        wall, cpu = (statistics.median(turn[at][figure] for turn in rounds) for figure in (0, 1))
        ratios = [statistics.median(turn[2][f] / turn[at][f] for turn in rounds) for f in (0, 1)]
        print(f"{name:<34}{wall:>8.2f}{cpu:>8.2f}{ratios[0]:>21.2f}{ratios[1]:>6.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--duckdb", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.duckdb:
        return duckdb_side(given.folder)
    if given.folder:
        return compare(given.folder.rstrip("/"), given.runs)
    with tempfile.TemporaryDirectory() as folder:
        run([COMMAND, "generate", folder, "--servers", "9", "--days", "9", "--bytes", "1GB"])
        compare(folder, given.runs)


if __name__ == "__main__":
    main()
