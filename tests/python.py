"""Uses the package relaydrift as people do, and prints what came as JSON.

python.py FUNCTION VALUES: VALUES is a list of what the function takes.
"""

import inspect
import json
import signal
import subprocess
import sys
import tempfile
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import relaydrift


def first(logs, lake):
    found = {"check": relaydrift.check(logs), "first": relaydrift.ingest(logs, lake=lake), "again": relaydrift.ingest(logs, lake=Path(lake))}
    # Without pyarrow: any reader of Arrow streams takes the rows; here nobody reads them.
    connection = relaydrift.connect(lake)
    rows = connection.sql("select key from drift")
    assert "key" in repr(rows) and rows.columns == ["key"]
    rows.__arrow_c_stream__()
    return found


def same(program, lake):
    """Every row of every table and view by pyarrow, pandas and polars, against those of the program."""
    import polars
    import pyarrow.parquet

    connection = relaydrift.connect(lake)
    names = connection.tables()

    def ours(name):
        file = Path(folder) / f"{name}.parquet"
        subprocess.run([program, "sql", "--lake", lake, "-o", file, f"select * from {name}"], check=True)
        return pyarrow.parquet.read_table(file)

    differ, count = [], 0
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(2) as pool:
        for name, local in zip(names, pool.map(ours, names)):
            rows = connection.sql(f"select * from {name}")
            table = rows.to_pyarrow()
            count += table.num_rows
            if table.column_names != local.column_names or lines(table) != lines(local):
                differ.append(name)
            shape = (table.num_rows, table.num_columns)
            if rows.to_pandas().shape != shape or rows.to_polars().shape != shape:
                differ.append(f"{name}: shape")
            if polars.DataFrame(rows).height != table.num_rows:
                differ.append(f"{name}: stream")
    return {"tables": len(names), "rows": count, "differ": differ}


def lines(table):
    return sorted(map(repr, table.to_pylist()))


def host(program, lake):
    """Every table and view, and questions with our functions, asked by the DataFusion of Python."""
    import datafusion
    import pyarrow

    ctx = datafusion.SessionContext()
    ctx.from_pydict({"server": ["EX01", "EX02"], "owner": ["ann", "bob"]}, name="owners")
    connection = relaydrift.connect(lake)
    relaydrift.register(ctx, lake)
    # Once more: what is there is replaced.
    relaydrift.register(ctx, connection)
    differ = []
    names = connection.tables()
    for name in names:
        ours = connection.sql(f"select * from {name}").to_pyarrow()
        theirs = ctx.sql(f"select * from {name}").to_arrow_table()
        if lines(ours) != lines(theirs):
            differ.append(name)
    questions = []
    for query in [
        "select count(*) from events",
        "select server, count(*) from events where server = 'EX02' and data like '%TenantAttribution%' group by server",
        "select server, kind, class from drift where breaking and server in ('EX01', 'EX02') order by first_seen, server, kind limit 3",
        "select smtp_enhanced('550 5.7.64 TenantAttribution; Relay Access Denied'), smtp_code('550 5.7.64 x')",
        "select x509_thumbprint(null) is null, ip_in('203.0.113.7', '203.0.113.0/24'), ip_scope('10.0.0.1')",
        "select tls_sender_name_matches('mail.contoso.com', '*.contoso.com')",
        "select server, min_row(session_id, start_time) from sessions group by server order by server",
        "select connector_id, attributed, sum(sessions) from rehearse('*.contoso.com', '203.0.113.0/24') group by 1, 2 order by 1, 2",
        "select max(event_time) from events",
    ]:
        try:
            ours = connection.sql(query).to_pyarrow().to_pylist()
            theirs = pyarrow.Table.from_batches(ctx.sql(query).collect()).to_pylist()
            if [list(row.values()) for row in ours] != [list(row.values()) for row in theirs]:
                questions.append([query, str(ours), str(theirs)])
        except Exception as error:
            questions.append([query, str(error)])
    joined = ctx.sql("select o.owner, count(*) from owners o join refusals r using (server) group by 1 order by 1").to_pydict()
    if joined["owner"] != ["ann", "bob"]:
        questions.append(str(joined))
    return {"tables": len(names), "differ": differ, "questions": questions}


def error(what, lake, word):
    """The name of the exception and its text."""
    try:
        if what == "connect":
            relaydrift.connect("no-such-lake")
        elif what == "check":
            relaydrift.check(word)
        elif what == "option":
            relaydrift.check("tests/fleet", since="yesterday-ish")
        else:
            relaydrift.connect(lake).sql(word)
    except relaydrift.Error as error:
        return [type(error).__name__, str(error)]


def warned(logs):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        relaydrift.check(logs)
        connection = relaydrift.logs(logs)
        connection.sql("select * from drift")
        connection.sql("select * from drift")
        relaydrift.logs(path for path in [logs]).sql("select * from drift")
    assert all(issubclass(each.category, relaydrift.UnreadWarning) for each in caught), caught
    assert all(each.filename == __file__ for each in caught), caught
    return [str(each.message) for each in caught]


def forked():
    """What a fork says that cannot answer, and what paths say that are none."""
    import multiprocessing

    relaydrift.logs("tests/fleet")
    with multiprocessing.get_context("fork").Pool(1) as pool:
        told = [pool.apply(error, ("check", "", "tests/fleet"))]
    for lake in (None, 7):
        try:
            relaydrift.connect(lake)
        except TypeError as error_:
            told.append(str(error_))
    for paths in ([], [b"tests/fleet"]):
        try:
            relaydrift.check(*paths)
        except (relaydrift.Error, TypeError) as error_:
            told.append(str(error_))
    return told


def long(logs):
    """Work that goes on until it is ended."""
    # Whoever runs the tests in the background may have them ignore it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    print("begun", flush=True)
    try:
        while True:
            relaydrift.check(logs)
    except KeyboardInterrupt:
        print("KeyboardInterrupt", flush=True)
    sys.exit()


def undocumented():
    """Public names without a docstring."""
    missing = []
    for name in relaydrift.__all__:
        value = getattr(relaydrift, name)
        if isinstance(value, str):
            continue
        if not inspect.getdoc(value):
            missing.append(name)
        if inspect.isclass(value):
            for member, function in vars(value).items():
                if not member.startswith("_") and not inspect.getdoc(function):
                    missing.append(f"{name}.{member}")
    return missing


def notebook(path, folder):
    """Runs every cell in a kernel."""
    import nbclient
    import nbformat

    document = nbformat.read(path, as_version=4)
    nbformat.validate(document)
    import os

    os.environ["LOGS"] = str(Path("tests/fleet").resolve())
    os.environ["LAKE"] = str(Path(folder) / "lake")
    errors = []
    try:
        nbclient.NotebookClient(document, timeout=300, kernel_name="python3", resources={"metadata": {"path": folder}}).execute()
    except nbclient.exceptions.CellExecutionError as error:
        errors.append(str(error))
    outputs = [output for cell in document.cells if cell.cell_type == "code" for output in cell.outputs]
    pictures = sum("image/png" in output.get("data", {}) for output in outputs)
    text = "\n".join(output.get("text", "") + output.get("data", {}).get("text/plain", "") for output in outputs)
    return {"errors": errors, "pictures": pictures, "text": text}


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*json.loads(sys.argv[2])), default=str))
