"""What a server or a store tells of itself by INFO, as numbers. Needs nothing but Python."""
from __future__ import annotations

from typing import Any, Iterator, Mapping, NamedTuple


class CommandFigures(NamedTuple):
    """A command's counters: calls, microseconds, calls that were refused before and that failed."""

    calls: int
    usec: float
    rejected: int
    failed: int


class DatabaseFigures(NamedTuple):
    """A database: keys, how many of them have a deadline, and how far that is on average."""

    keys: int
    with_deadline: int
    average_ttl_ms: int


def read_info(text: "str | bytes") -> "dict[str, str]":
    """The fields of an INFO reply. O(bytes)

    >>> read_info("# Clients\\r\\nconnected_clients:2\\r\\n")
    {'connected_clients': '2'}
    """
    lines = (text.decode("utf-8", "replace") if isinstance(text, bytes) else text).splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))


def parts_of(value: str) -> "dict[str, str]":
    """The parts of a field such as `keys=1,expires=0`. O(bytes)"""
    return dict(part.split("=", 1) for part in value.split(",") if "=" in part)


def number_of(text: "str | None", otherwise: float = 0.0) -> float:
    """A field's number, percents included; `otherwise` for what is none."""
    try:
        return float((text or "").rstrip("%"))
    except ValueError:
        return otherwise


class Figures:
    """An INFO reply, looked at. Fields that a server does not have are 0, or empty.

    >>> Figures({"db0": "keys=3,expires=1,avg_ttl=10"}).databases
    {0: DatabaseFigures(keys=3, with_deadline=1, average_ttl_ms=10)}
    """

    def __init__(self, info: "Mapping[str, str] | str | bytes"):
        self.info: "Mapping[str, str]" = info if isinstance(info, Mapping) else read_info(info)

    def text(self, name: str, otherwise: str = "") -> str:
        """A field's text."""
        return self.info.get(name, otherwise)

    def number(self, name: str, otherwise: float = 0.0) -> float:
        """A field's number."""
        return number_of(self.info.get(name), otherwise)

    def has(self, name: str) -> bool:
        """Does the server tell this?"""
        return name in self.info

    def _of(self, prefix: str) -> "Iterator[tuple[str, dict[str, str]]]":
        for name, value in self.info.items():
            if name.startswith(prefix):
                yield name[len(prefix):], parts_of(value)

    @property
    def databases(self) -> "dict[int, DatabaseFigures]":
        """By number, those that have keys. O(fields)"""
        return {int(name): DatabaseFigures(*(int(number_of(parts.get(part))) for part in ("keys", "expires", "avg_ttl")))
                for name, parts in self._of("db") if name.isdigit()}

    @property
    def keys(self) -> int:
        """Keys of all databases. O(fields)"""
        return sum(database.keys for database in self.databases.values())

    @property
    def commands(self) -> "dict[str, CommandFigures]":
        """By name, those that were called; subcommands as config|get. O(fields)"""
        return {name: CommandFigures(
            int(number_of(parts.get("calls"))), number_of(parts.get("usec")), int(number_of(parts.get("rejected_calls"))),
            int(number_of(parts.get("failed_calls")))) for name, parts in self._of("cmdstat_")}

    @property
    def latencies(self) -> "dict[str, dict[str, float]]":
        """By command: percentiles ("p50") in microseconds. O(fields)"""
        return {name: {one: number_of(value) for one, value in parts.items()}
                for name, parts in self._of("latency_percentiles_usec_")}

    @property
    def errors(self) -> "dict[str, int]":
        """By first word, how many errors were answered. O(fields)"""
        return {name: int(number_of(parts.get("count"))) for name, parts in self._of("errorstat_")}


def check_source(source: Any) -> None:
    """TypeError for what `figures_of` cannot look at."""
    import inspect
    if callable(source) or hasattr(type(getattr(source, "store", source)), "is_shared"):
        return
    if not hasattr(source, "execute_command"):
        raise TypeError(f"a store, a server or a client is looked at, not {type(source).__name__}")
    if inspect.iscoroutinefunction(source.execute_command) or ".asyncio" in type(source).__module__:
        raise TypeError("a server elsewhere is looked at through a client of redis-py that is not asyncio's")


def figures_of(source: Any) -> Figures:
    """The figures of a hutch.Store, a hutch.Server, a client of Hutch's or redis-py's, or of a function that returns INFO's text.

    For a store of this process its engine is asked, in a session that is ended again. Raises what the source raises.
    """
    if callable(source):
        return Figures(source())
    store = getattr(source, "store", source)
    engine = getattr(store, "engine", None) if not getattr(store, "is_shared", False) or getattr(store, "is_owned", False) else None
    if engine is not None and hasattr(engine, "session"):
        session = engine.session(RuntimeError, decode=True)
        try:
            return Figures(session.execute(("INFO", "everything")))
        finally:
            session.close()
    if getattr(store, "is_shared", False):
        import hutch
        with hutch.Redis(store=store) as client:
            return _of_client(client)
    return _of_client(source)


def _of_client(client: Any) -> Figures:
    check_source(client)
    from redis.exceptions import ResponseError
    try:
        info = client.info("everything")
    except ResponseError:
        info = client.info()
    return Figures({name: _again(value) for name, value in info.items()})


def _again(value: Any) -> str:
    # redis-py has taken such fields apart.
    if isinstance(value, dict):
        return ",".join(f"{name}={part}" for name, part in value.items())
    return str(value)
