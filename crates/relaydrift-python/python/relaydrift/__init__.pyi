from collections.abc import Iterable, Mapping
from datetime import date, datetime
from os import PathLike
from typing import Any, TypeAlias

import datafusion
import pandas
import polars
import pyarrow

_Path: TypeAlias = str | PathLike[str]
_Paths: TypeAlias = _Path | Iterable[_Path]
_Time: TypeAlias = str | date | datetime
_Settings: TypeAlias = Mapping[str, object]

__version__: str
__all__: list[str]

class Error(Exception): ...
class UnreadWarning(UserWarning): ...

def connect(
    lake: _Path,
    *,
    organization: str | None = None,
    expect: _Paths = (),
    settings: _Settings | None = None,
    threads: int | None = None,
) -> Connection: ...
def logs(
    *paths: _Paths,
    organization: str | None = None,
    server: str | None = None,
    server_from: str | None = None,
    expect: _Paths = (),
    settings: _Settings | None = None,
    threads: int | None = None,
) -> Connection: ...
def check(
    *paths: _Paths,
    since: _Time | None = None,
    as_of: _Time | None = None,
    organization: str | None = None,
    server: str | None = None,
    server_from: str | None = None,
    expect: _Paths = (),
    settings: _Settings | None = None,
    threads: int | None = None,
) -> dict[str, Any]: ...
def ingest(
    *paths: _Paths,
    lake: _Path,
    organization: str | None = None,
    server: str | None = None,
    server_from: str | None = None,
    progress: bool = False,
) -> dict[str, Any]: ...
def register(ctx: datafusion.SessionContext, connection: Connection | _Path) -> None: ...

class Connection:
    def __init__(self, source: Any) -> None: ...
    def sql(self, query: str) -> Rows: ...
    def tables(self) -> list[str]: ...
    def register(self, ctx: datafusion.SessionContext) -> None: ...

class Rows:
    def __init__(self, answer: Any) -> None: ...
    @property
    def columns(self) -> list[str]: ...
    def to_pyarrow(self) -> pyarrow.Table: ...
    def to_polars(self) -> polars.DataFrame: ...
    def to_pandas(self) -> pandas.DataFrame: ...
    def to_pylist(self) -> list[dict[str, Any]]: ...
    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...
