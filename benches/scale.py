"""One process and clusters of 1, 2 and 4 executors over lakes of 10 million, 100 million and 1 billion events.

python3 benches/scale.py FOLDER [--program target/release/relaydrift] [--lakes 10,100,1000] [--runs 3] [--bytes 1620MB] [--questions NAME,...]

Makes the lakes in FOLDER unless they are there: the first from generated logs, the others by appending the rows of
its sessions, transactions and observations, later by its length each time (and its events, for the second alone; the
third would hold 20 GB of them). Needs pyarrow and deltalake (in target/venv after .ci/run). Prints tables in
Markdown: medians of wall time, bytes that executors kept for each other, peak memory of a process.
"""

import argparse
import datetime
import json
import os
import re
import signal
import statistics
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import deltalake
import pyarrow as pa
import pyarrow.compute as pc

arguments = argparse.ArgumentParser()
arguments.add_argument("folder", type=Path)
arguments.add_argument("--program", default="target/release/relaydrift")
arguments.add_argument("--lakes", default="10,100,1000")
arguments.add_argument("--runs", type=int, default=3)
arguments.add_argument("--bytes", default="1620MB")
arguments.add_argument("--questions", help="names, with commas between; all unless given")
arguments = arguments.parse_args()

QUESTIONS = {
    "drift": "select count(*) as n from drift",
    "sessions by day": "select server, connector_id, date_trunc('day', start_time) as day, count(*) as n, sum(refused) as r "
    "from sessions group by 1, 2, 3",
    "sessions with their messages": "select s.server, s.tls_protocol, count(*) as n, sum(t.accepted) as a from sessions s join "
    "transactions t on s.session_id = t.session_id and s.server = t.server and s.start_time <= t.start_time group by 1, 2",
    "refusals in events": "select server, count(*) as n from events where data like '550 5.7.64%' group by 1",
}


def run(*args):
    return subprocess.run([arguments.program, *map(str, args)], check=True, capture_output=True, text=True).stdout


def ask(lake, query, *options):
    """Seconds, the answer, and the peak memory of the asking process in MiB."""
    begun = time.monotonic()
    child = subprocess.Popen(
        [arguments.program, "sql", "--lake", lake, "--format", "ndjson", "--quiet", *options, query], stdout=subprocess.PIPE, text=True)
    answer = sorted(child.stdout.read().splitlines())
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0, query
    return time.monotonic() - begun, answer, usage.ru_maxrss / 1024


def shifted(table, by):
    for at, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            table = table.set_column(at, field, pc.add(table.column(at), pa.scalar(by, pa.duration("us"))).cast(field.type))
    return table


def replicate(source, target, times, tables):
    """A lake with the rows of another, so many times."""
    subprocess.run(["cp", "-r", source, target], check=True)
    for name in tables:
        rows = deltalake.DeltaTable(f"{source}/{name}").to_pyarrow_table()
        for number in range(1, times):
            by = datetime.timedelta(days=9) * number
            deltalake.write_deltalake(f"{target}/{name}", shifted(rows, by), mode="append")


def lake(millions):
    lake = arguments.folder / f"lake-{millions}"
    if (lake / "whole").exists():
        return str(lake)
    begun = time.monotonic()
    if millions == 10:
        logs = arguments.folder / "logs"
        run("generate", logs, "--servers", 9, "--days", 9, "--bytes", arguments.bytes, "--force")
        run("ingest", logs, "--lake", lake)
    else:
        tables = ["sessions", "transactions", "observations"] + ["events"] * (millions <= 100)
        replicate(arguments.folder / "lake-10", lake, millions // 10, tables)
    (lake / "whole").touch()
    print(f"made {lake} in {time.monotonic() - begun:.0f} s", flush=True)
    return str(lake)


class Cluster:
    def __init__(self, executors):
        self.folder = tempfile.TemporaryDirectory()
        environment = {**os.environ, "TMPDIR": self.folder.name}
        start = lambda *args: subprocess.Popen([arguments.program, *args], stderr=subprocess.PIPE, text=True, env=environment)
        self.parts = [start("scheduler", "--listen", "127.0.0.1:0")]
        self.address = self.parts[0].stderr.readline().split(" at ")[1].strip()
        for _ in range(executors):
            self.parts.append(start("executor", "--scheduler", self.address, "--threads", "1"))
            self.parts[-1].stderr.readline()
        for part in self.parts:
            threading.Thread(target=part.stderr.read, daemon=True).start()
        self.kept, self.over = 0, False
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        while not self.over:
            total = 0
            for folder, _, files in os.walk(self.folder.name):
                for file in files:
                    try:
                        total += os.stat(os.path.join(folder, file)).st_size
                    except FileNotFoundError:
                        pass
            self.kept = max(self.kept, total)
            time.sleep(0.02)

    def memory(self):
        peak = lambda part: int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{part.pid}/status").read_text())[1]) / 1024
        return max(map(peak, self.parts[1:]))

    def end(self):
        self.over = True
        for part in reversed(self.parts):
            part.send_signal(signal.SIGTERM)
            part.wait(60)
        self.folder.cleanup()


def measured(lake, query, options, runs):
    asked = [ask(lake, query, *options) for _ in range(runs)]
    return statistics.median(one[0] for one in asked), asked[0][1], max(one[2] for one in asked)


for millions in map(int, arguments.lakes.split(",")):
    path = lake(millions)
    counted = {name: json.loads(run("sql", "--lake", path, "--format", "ndjson", f"select count(*) as n from {name}"))["n"]
               for name in ("events", "sessions", "transactions", "observations")}
    size = sum(file.stat().st_size for file in Path(path).rglob("*.parquet"))
    print(f"\n{millions} million events: {counted}, {size / 1e6:.0f} MB of Parquet\n", flush=True)
    print("| question | engine | median, s | kept for each other, MB | peak of a process, MiB |\n|---|---|---|---|---|")
    for name, query in QUESTIONS.items():
        wanted_one = not arguments.questions or name in arguments.questions.split(",")
        if not wanted_one or name == "refusals in events" and millions > 100:
            continue
        wanted = None
        for threads in (1, 2):
            seconds, answer, memory = measured(path, query, ["--threads", str(threads)], arguments.runs)
            assert wanted in (None, answer)
            wanted = answer
            print(f"| {name} | one process, {threads} thread{'s' * (threads > 1)} | {seconds:.2f} | | {memory:.0f} |", flush=True)
        for executors in (1, 2, 4):
            cluster = Cluster(executors)
            seconds, answer, memory = measured(path, query, ["--cluster", cluster.address, "--cluster-from-mb", "0"], arguments.runs)
            assert answer == wanted, (name, executors)
            print(f"| {name} | {executors} executor{'s' * (executors > 1)} | {seconds:.2f} | {cluster.kept / 1e6 / arguments.runs:.1f} "
                  f"| {max(memory, cluster.memory()):.0f} |", flush=True)
            cluster.end()
