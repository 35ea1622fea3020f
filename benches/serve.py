"""Many clients at once against `relaydrift serve`: throughput, latency, memory, and what is refused beyond the limits.

python3 benches/serve.py LAKE [--program target/release/relaydrift] [--clients 50] [--seconds 20] [--connections 100]

Needs adbc-driver-flightsql, adbc-driver-manager and pyarrow (in target/venv after .ci/run). A client is a thread with a
connection of its own that asks its questions one after the other, in an order of its own.
"""

import argparse
import random
import re
import signal
import statistics
import subprocess
import tempfile
import threading
import time
import warnings
from collections import Counter, defaultdict
from pathlib import Path

import adbc_driver_flightsql.dbapi as flight

warnings.simplefilter("ignore")
arguments = argparse.ArgumentParser()
arguments.add_argument("lake")
arguments.add_argument("--program", default="target/release/relaydrift")
arguments.add_argument("--clients", type=int, default=50)
arguments.add_argument("--seconds", type=float, default=20)
arguments.add_argument("--connections", type=int, default=100)
arguments = arguments.parse_args()

TOKEN = "benches-benches-benches"
QUESTIONS = {
    "drift": "select * from drift",
    "refusals by server": "select server, sum(refused) from sessions where refused > 0 group by 1",
    "one session": "select * from events where session_id = '{session}' order by sequence",
    "events of an hour": "select event_time, server, event, data from events where event_time between "
    "timestamp '{hour}' and timestamp '{hour}' + interval '1 hour'",
    "free question": "select connector_id, date_trunc('hour', event_time) as hour, count(*) from events "
    "where data like '550 5.7.64%' group by 1, 2",
}


def connect(uri):
    return flight.connect(uri, db_kwargs={"adbc.flight.sql.authorization_header": f"Bearer {TOKEN}"})


def ask(connection, query):
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetch_arrow_table()


def client(uri, number, until, facts, times, failures, rows):
    choice = random.Random(number)
    try:
        with connect(uri) as connection:
            while time.monotonic() < until:
                name = choice.choice(list(QUESTIONS))
                query = QUESTIONS[name].format(session=choice.choice(facts["sessions"]), hour=choice.choice(facts["hours"]))
                begun = time.monotonic()
                answer = ask(connection, query)
                times[name].append(time.monotonic() - begun)
                rows.append(answer.num_rows)
    except Exception as error:
        failures[str(error).splitlines()[0][:100]] += 1


def memory(server, what):
    return int(re.search(rf"{what}:\s+(\d+)", Path(f"/proc/{server.pid}/status").read_text())[1]) / 1024


def serve(folder, options):
    token = Path(folder) / "token"
    token.write_text(TOKEN)
    token.chmod(0o600)
    command = [arguments.program, "serve", "--lake", arguments.lake, "--listen", "127.0.0.1:0", "--token-file", token, *options]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    uri = server.stderr.readline().split(" answered at ")[1].strip()
    threading.Thread(target=server.stderr.read, daemon=True).start()
    return server, uri


def end(server):
    server.send_signal(signal.SIGTERM)
    assert server.wait(30) == 0


with tempfile.TemporaryDirectory() as folder:
    server, uri = serve(folder, ["--connections", str(arguments.connections)])
    with connect(uri) as connection:
        facts = {
            "sessions": ask(connection, "select session_id from sessions order by 1 limit 1000").column(0).to_pylist(),
            "hours": [str(hour) for hour in ask(connection, "select distinct cast(date_trunc('hour', start_time) as varchar) from sessions order by 1").column(0).to_pylist()],
        }
    times, failures, rows = defaultdict(list), Counter(), []
    until = time.monotonic() + arguments.seconds
    idle = memory(server, "VmRSS")
    threads = [threading.Thread(target=client, args=(uri, n, until, facts, times, failures, rows)) for n in range(arguments.clients)]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - begun
    peak = memory(server, "VmHWM")
    end(server)

    everything = [one for list_ in times.values() for one in list_]
    print(f"{arguments.clients} clients, {took:.1f} s: {len(everything)} answers ({len(everything) / took:.1f}/s), {sum(rows)} rows, "
          f"memory {idle:.0f} MiB before, {peak:.0f} MiB at the most; failures: {dict(failures) or 'none'}")
    print("| question | answers | median, s | 95 %, s | 99 %, s | longest, s |\n|---|---|---|---|---|---|")
    for name, one in [*sorted(times.items()), ("all", everything)]:
        cuts = statistics.quantiles(one, n=100) if len(one) > 1 else one * 99
        print(f"| {name} | {len(one)} | {statistics.median(one):.2f} | {cuts[94]:.2f} | {cuts[98]:.2f} | {max(one):.2f} |")

    # Beyond the limit, and without the token.
    few = max(arguments.clients // 5, 1)
    server, uri = serve(folder, ["--connections", str(few)])
    held, refused = [], 0
    for _ in range(arguments.clients):
        try:
            connection = connect(uri)
            ask(connection, "select 1")
            held.append(connection)
        except Exception:
            refused += 1
    print(f"{arguments.clients} connections where {few} are allowed: {len(held)} answered, {refused} refused")
    for connection in held:
        connection.close()
    served = 0
    for options in [{}, {"adbc.flight.sql.authorization_header": "Bearer " + "x" * len(TOKEN)}]:
        for _ in range(arguments.clients):
            try:
                with flight.connect(uri, db_kwargs=options) as connection:
                    ask(connection, "select 1")
                served += 1
            except Exception:
                pass
    print(f"without the token or with another: {served} of {2 * arguments.clients} answered")
    end(server)
