"""Certificate and address drift of Exchange send connectors, from SMTP send-protocol logs.

    import relaydrift

    found = relaydrift.check("/logs")                    # what is wrong now, nothing stored
    relaydrift.ingest("/logs", lake="/lake")             # each line exactly once
    lake = relaydrift.connect("/lake")
    lake.sql("select * from drift").to_pandas()

Tables, views and functions are those of the program ``relaydrift``; its README lists them.
"""

import json as _json
import os as _os
import warnings as _warnings

from . import _native
from ._native import Error, __version__

__all__ = [
    "Connection",
    "Error",
    "Rows",
    "UnreadWarning",
    "__version__",
    "check",
    "connect",
    "ingest",
    "logs",
    "register",
]


class UnreadWarning(UserWarning):
    """A log could not be read, or not to its end; the others were."""


def connect(lake, *, organization=None, expect=(), settings=None, threads=None):
    """Opens a lake: a folder, or a URL in an object store (``s3://``, ``az://``, ``abfss://``, ``gs://``).

    The rows are those that were committed when a table is asked first; connect again for later ones.

    organization: whose expectations ``expect`` holds, where there are several.
    expect: exported connectors, domains and certificates that count for the questions asked here.
    settings: thresholds and severities by name, such as ``{"expiry_first_days": 30}``.
    threads: into how many parts an answer in SQL is cut; one per core, unless it is given. Logs are read with all cores.

    Raises Error where there is no lake.
    """
    words = _words(lake=_path(lake), organization=organization, expect=expect, set=settings, threads=threads)
    return Connection(_native.open(words))


def logs(*paths, organization=None, server=None, server_from=None, expect=(), settings=None, threads=None):
    """Opens raw logs: files, folders, globs, archives, URLs. They are read once, when a question needs them.

    server: the server of every file given.
    server_from: a pattern with a group ``server`` that finds it in each path.

    For the other parameters see connect. Raises Error where there is no log.
    """
    words = _words(
        logs=_paths(paths),
        organization=organization,
        server_from=server_from,
        server=server,
        expect=expect,
        set=settings,
        threads=threads,
    )
    return Connection(_native.open(words))


def check(
    *paths, since=None, as_of=None, organization=None, server=None, server_from=None, expect=(), settings=None, threads=None
):
    """Says what is wrong, from raw logs, with nothing stored: what ``relaydrift check --format json`` prints, as a dict.

    since: changes before this are history (``"7d"``, ``"2026-10-05"``, a datetime).
    as_of: what "now" is; the time of the latest row, unless it is given.

    For the other parameters see logs. Warns with UnreadWarning of files that could not be read.
    """
    words = _words(
        since=since,
        as_of=as_of,
        organization=organization,
        server_from=server_from,
        server=server,
        expect=expect,
        set=settings,
        threads=threads,
    )
    return _found(_native.check([*words, "--quiet", "--", *_paths(paths)]))


def ingest(*paths, lake, organization=None, server=None, server_from=None, progress=False):
    """Reads what is new in logs into a lake, each line exactly once; creates the lake where there is none.

    progress: a bar and a summary on stderr.

    After Ctrl-C what is being read is read to its end and thrown away; what was committed stays.

    Returns what was read, as ``relaydrift ingest --format json`` prints it, as a dict. Warns with
    UnreadWarning of files that could not be read.
    """
    words = _words(lake=_path(lake), organization=organization, server_from=server_from, server=server)
    quiet = [] if progress else ["--quiet"]
    return _found(_native.ingest([*words, *quiet, "--", *_paths(paths)]))


def register(ctx, connection):
    """Puts the tables, views and functions of a connection (or of the lake of this name) into a
    ``datafusion.SessionContext``.

    Needs the package datafusion of the same major version that this one was built with.
    """
    if not isinstance(connection, Connection):
        connection = connect(connection)
    connection.register(ctx)


class Connection:
    """A lake or raw logs, open for questions. Made by connect and logs."""

    def __init__(self, source):
        self._source = source
        self._warned = set()

    def sql(self, query):
        """Plans a query that only reads; the rows come when they are asked for.

        Raises Error where it is no SQL, names what is not there, or would write.
        """
        answer = self._source.ask(query)
        self._warn()
        return Rows(answer)

    def tables(self):
        """The names of all tables and views."""
        return [name for name, _ in self._source.tables()]

    def register(self, ctx):
        """Puts the tables, views and functions into a ``datafusion.SessionContext``, in place of those of the same name."""
        import datafusion

        self._source.read()
        self._warn()
        ours, theirs = _DATAFUSION, datafusion.__version__
        if theirs.split(".")[0] != ours:
            raise Error(f"datafusion {theirs} cannot take tables of version {ours}: pip install 'datafusion>={ours},<{int(ours) + 1}'")
        kinds = {
            "scalar": (datafusion.udf, ctx.register_udf),
            "aggregate": (datafusion.udaf, ctx.register_udaf),
            "window": (datafusion.udwf, ctx.register_udwf),
        }
        for kind, _, function in _native.all_functions():
            of_host, put = kinds[kind]
            put(of_host(function))
        ctx.register_udtf(datafusion.udtf(self._source.rehearse(), "rehearse"))
        for name, table in self._source.tables():
            if ctx.table_exist(name):
                ctx.deregister_table(name)
            ctx.register_table(name, table)

    def _warn(self):
        for path, reason in self._source.unread():
            if path not in self._warned:
                self._warned.add(path)
                _warnings.warn(f"cannot read {path}: {reason}", UnreadWarning, stacklevel=3)

    def __repr__(self):
        return "<relaydrift.Connection>"


class Rows:
    """The answer to a query. Each of its methods has it answered anew.

    It is an Arrow stream too: ``polars.DataFrame(rows)``, ``pyarrow.table(rows)`` and DuckDB take it as it is.
    """

    def __init__(self, answer):
        self._answer = answer

    @property
    def columns(self):
        """The names of the columns."""
        return [name for name, _ in self._answer.columns()]

    def to_pyarrow(self):
        """All rows as a ``pyarrow.Table``."""
        import pyarrow

        return pyarrow.table(self._answer.rows())

    def to_polars(self):
        """All rows as a ``polars.DataFrame``."""
        import polars

        return polars.DataFrame(self._answer.rows())

    def to_pandas(self):
        """All rows as a ``pandas.DataFrame``."""
        return self.to_pyarrow().to_pandas()

    def to_pylist(self):
        """All rows as a list of dicts."""
        return self.to_pyarrow().to_pylist()

    def __arrow_c_stream__(self, requested_schema=None):
        return self._answer.__arrow_c_stream__(requested_schema)

    def __repr__(self):
        columns = ", ".join(f"{name} {kind}" for name, kind in self._answer.columns())
        return f"<relaydrift.Rows: {columns}>\nfor the rows: .to_pandas(), .to_polars(), .to_pyarrow(), .to_pylist()"


# The major version of DataFusion in this package.
_DATAFUSION = _native.DATAFUSION.split(".")[0]


def _words(**options):
    """Options as the words of a command line."""
    words = []
    for name, value in options.items():
        if name == "set":
            value = [f"{key}={text}" for key, text in (value or {}).items()]
        if value is None:
            continue
        for each in _flat(value):
            # One word: a value may begin with a hyphen.
            words.append(f"--{name.replace('_', '-')}={each}")
    return words


def _flat(value):
    """One value or many, as texts."""
    if hasattr(value, "isoformat"):
        # Times without a zone are UTC, as everywhere here.
        return [value.isoformat()]
    if isinstance(value, (str, _os.PathLike)):
        return [_os.fspath(value)]
    if value is None or isinstance(value, (bytes, bytearray)):
        raise TypeError(f"{value!r} is no text")
    if hasattr(value, "__iter__"):
        return [text for each in value for text in _flat(each)]
    return [str(value)]


def _path(value):
    """One path, as a text."""
    if not isinstance(value, (str, _os.PathLike)):
        raise TypeError(f"{value!r} is no path")
    return _os.fspath(value)


def _paths(values):
    """Paths of logs, one at the least: where there is none, the configuration would tell others."""
    paths = list(_paths_in(values))
    if not paths:
        raise Error("no path: name files, folders or globs of send logs")
    return paths


def _paths_in(values):
    for value in values:
        if isinstance(value, (str, bytes, _os.PathLike)) or not hasattr(value, "__iter__"):
            yield _path(value)
        else:
            yield from _paths_in(value)


def _found(found):
    document, unread = found
    for path, reason in unread:
        _warnings.warn(f"cannot read {path}: {reason}", UnreadWarning, stacklevel=3)
    return _json.loads(document)
