"""Commands and replies as they are, to whatever place: an engine in this process, a server, a cluster.

A link is one connection to one database (a cluster's: one to each of its nodes). `run` sends a list of commands in one go and
returns the list of their replies in RESP2's plain values: bytes, integers, lists, None; an error reply is an exception in the list.
"""
from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import Any, Callable, Iterator, Sequence

from redis.connection import ConnectionPool, parse_url
from redis.crc import key_slot
from redis.exceptions import ConnectionError, ResponseError, TimeoutError

from ..client import Redis
from ..connecting import Target, target_of, without_password
from ..store import Store

Command = Sequence[Any]
SOCKET_TIMEOUT_S = 60.0          # a DUMP of a large value, or another client's script
MOVES_MAX = 16                   # how often one command is sent on, from node to node
TRIES = 9                        # ... and how often a lost connection is made anew: over some 25 s
FIRST_REST_S = 0.1
# Their key is the third word.
_CONTAINERS = frozenset({"MEMORY", "OBJECT", "XINFO", "XGROUP", "DEBUG"})
_PLAIN = {"protocol": 2, "decode_responses": False}


class LinkError(Exception):
    """A place that cannot be reached, or does not answer as it should; its text is for people."""


class Calling(ABC):
    """What the links below have in common."""

    name: str
    _features: dict[str, bool]

    @abstractmethod
    def run(self, commands: Sequence[Command], *, again: bool = False) -> list[Any]:
        """See Link.run."""

    @abstractmethod
    def close(self) -> None:
        """End what is connected."""

    def call(self, *words: Any) -> Any:
        """One command's reply; an error reply is raised as redis.ResponseError. LinkError when the place is not reached."""
        reply, = self.run([words])
        if isinstance(reply, Exception):
            raise reply
        return reply

    def can(self, feature: str, *words: Any) -> bool:
        """Does the place know this command? `words` is a call of it that does no harm; it is asked once a link."""
        if feature not in self._features:
            reply, = self.run([words], again=True)
            self._features[feature] = not (isinstance(reply, Exception) and is_unknown(reply))
        return self._features[feature]

    def __enter__(self):
        return self

    def __exit__(self, *exc_info):
        self.close()


class Link(Calling):
    """One connection to one database. `no_touch`: what is read is not noted as used (CLIENT NO-TOUCH, Redis 7.2 and newer)."""

    is_cluster = False

    def __init__(self, pool: Any, name: str, *, no_touch: bool = False):
        self.name = name
        self.no_touch = no_touch
        self._pool = pool
        self._connection = None
        self._features: dict[str, bool] = {}

    def _open(self):
        connection = self._connection
        if connection is None:
            self._connection = connection = self._pool.get_connection()
            self._greet()
        elif getattr(connection, "_sock", None) is None:
            connection.connect()
            self._greet()
        return connection

    def _greet(self):
        if self.no_touch:
            self._send([("CLIENT", "NO-TOUCH", "ON")])

    def _send(self, commands):
        connection = self._connection
        if hasattr(connection, "execute_many"):
            return connection.execute_many(commands)
        connection.send_packed_command(connection.pack_commands(commands))
        replies = []
        for _ in commands:
            try:
                replies.append(connection.read_response(disable_decoding=True))
            except ResponseError as error:
                replies.append(error)
        return replies

    def run(self, commands: Sequence[Command], *, again: bool = False) -> list[Any]:
        """The replies of all commands, in their order. With `again`, a lost connection is made anew and all of them are sent once
        more: for what may be done twice. LinkError when the place is not reached."""
        if not commands:
            return []
        rest = FIRST_REST_S
        for left in range(TRIES if again else 1, 0, -1):
            try:
                self._open()
                return self._send(commands)
            except (ConnectionError, TimeoutError, OSError) as error:
                if self._connection is not None:
                    self._connection.disconnect()
                if left == 1:
                    raise LinkError(f"{self.name}: {error}") from error
                time.sleep(rest)
                rest *= 2
        raise AssertionError

    def transact(self, key: bytes, commands: Sequence[Command]) -> list[Any]:
        """Run the commands, all of which have this key, between MULTI and EXEC. An error reply of any of them is raised as
        redis.ResponseError, and then none has been done that EXEC did not do. LinkError when the place is not reached."""
        replies = self.run([("MULTI",), *commands, ("EXEC",)])
        for reply in (*replies[1:-1], replies[-1], *(replies[-1] if isinstance(replies[-1], list) else ())):
            if isinstance(reply, Exception):
                raise reply
        return replies[-1]

    def masters(self) -> "list[tuple[str, Link]]":
        """The nodes that hold keys, by name: here this one."""
        return [("", self)]

    def identity(self) -> str:
        """Changes when the place has begun anew, and its SCAN cursors mean nothing any more."""
        return str(info(self, "server").get("run_id", ""))

    def databases(self) -> list[int]:
        """The numbers of the databases that hold keys."""
        return sorted(int(name[2:]) for name in info(self, "keyspace") if name.startswith("db") and name[2:].isdigit())

    def close(self) -> None:
        """End the connection. May be called again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()
            self._pool.release(connection)
        if hasattr(self._pool, "close"):
            self._pool.close()
        else:
            self._pool.disconnect()


class ClusterLink(Calling):
    """A cluster: each command goes to the node that has its first key's slot, and on to where it is sent (MOVED, ASK)."""

    is_cluster = True

    def __init__(self, options: dict, seeds: list[tuple[str, int]], name: str, *, no_touch: bool = False):
        self.name = name
        self.no_touch = no_touch
        self._options = options
        self._seeds = seeds
        self._nodes: dict[tuple[str, int], Link] = {}
        self._slots: list[tuple[str, int] | None] = [None] * 16384
        self._features: dict[str, bool] = {}
        self._look()

    def _node(self, place):
        link = self._nodes.get(place)
        if link is None:
            options = {**self._options, "host": place[0], "port": place[1]}
            link = Link(ConnectionPool(**options), f"{place[0]}:{place[1]}", no_touch=self.no_touch)
            self._nodes[place] = link
        return link

    def _look(self):
        """Ask the nodes for the slots' places, one after the other, until one tells."""
        wrong = None
        for place in [*self._nodes, *self._seeds]:
            try:
                ranges = self._node(place).call("CLUSTER", "SLOTS")
            except (LinkError, ResponseError) as error:
                wrong = error
                continue
            slots: list[tuple[str, int] | None] = [None] * 16384
            for first, last, master, *_ in ranges:
                # A node that does not know its own address leaves it out: it is the one that was asked.
                node = (master[0].decode() or place[0], master[1])
                slots[first:last + 1] = [node] * (last + 1 - first)
            if None not in slots:
                self._slots = slots
                return
            wrong = LinkError("not all slots are served")
        raise LinkError(f"{self.name}: {wrong or 'no node to ask'}")

    def run(self, commands: Sequence[Command], *, again: bool = False) -> list[Any]:
        """See Link.run. A command that has no key goes to any node."""
        replies: list[Any] = [None] * len(commands)
        left = [(at, self._place(command), False) for at, command in enumerate(commands)]
        for _ in range(MOVES_MAX):
            by_place: dict[Any, list] = {}
            for item in left:
                by_place.setdefault(item[1], []).append(item)
            left = []
            moved = False
            for place, items in by_place.items():
                sent = [words for at, _, asks in items
                        for words in ([("ASKING",), commands[at]] if asks else [commands[at]])]
                try:
                    answered = iter(self._node(place).run(sent, again=again))
                except LinkError:
                    if not again:
                        raise
                    # Perhaps it is no master any more; the others know.
                    self._forget(place)
                    self._look()
                    left += [(at, self._place(commands[at]), False) for at, *_ in items]
                    continue
                for at, _, asks in items:
                    if asks:
                        next(answered)
                    reply = next(answered)
                    told = _redirection(reply, place)
                    if told is None:
                        replies[at] = reply
                    else:
                        left.append((at, told[0], told[1]))
                        moved = moved or not told[1]
            if not left:
                return replies
            if moved:
                self._look()
            time.sleep(0.05)
        raise LinkError(f"{self.name}: keys' slots keep moving")

    def _place(self, command):
        at = 2 if command[0] in _CONTAINERS else 1
        key = command[at] if len(command) > at else b""
        return self._slots[key_slot(key if isinstance(key, bytes) else str(key).encode())]

    def _forget(self, place):
        link = self._nodes.pop(place, None)
        if link is not None:
            link.close()

    def transact(self, key: bytes, commands: Sequence[Command]) -> list[Any]:
        """See Link.transact."""
        for _ in range(MOVES_MAX):
            place = self._place(("", key))
            try:
                return self._node(place).transact(key, commands)
            except ResponseError as error:
                if _redirection(error, place) is None:
                    raise
                self._look()
                time.sleep(0.05)
        raise LinkError(f"{self.name}: a key's slot keeps moving")

    def masters(self) -> list[tuple[str, Link]]:
        """The nodes that hold slots, by address."""
        return [(f"{host}:{port}", self._node((host, port))) for host, port in sorted(set(self._slots))]  # type: ignore[type-var, misc]

    def identity(self) -> str:
        """See Link.identity: that of all nodes."""
        return " ".join(link.identity() for _, link in self.masters())

    def databases(self) -> list[int]:
        """A cluster has one."""
        return [0]

    def close(self) -> None:
        """End all connections. May be called again."""
        for link in self._nodes.values():
            link.close()
        self._nodes.clear()


AnyLink = Link | ClusterLink


def _redirection(reply, place):
    """(where to, whether only this once) of a MOVED or ASK, or None."""
    words = str(reply).split() if isinstance(reply, ResponseError) else []
    # redis-py makes classes of these: their text has lost the first word.
    kind = type(reply).__name__
    if kind in ("MovedError", "AskError"):
        return (reply.host or place[0], reply.port), kind == "AskError"
    if words[:1] in (["MOVED"], ["ASK"]) and len(words) == 3:
        host, _, port = words[2].rpartition(":")
        return (host or place[0], int(port)), words[0] == "ASK"
    if kind in ("TryAgainError", "ClusterDownError"):
        return place, True
    return None


def is_unknown(error: Exception) -> bool:
    """Is it the reply to a command that the server does not have, or that this user may not use?"""
    text = str(error).lower()
    return "unknown command" in text or "unknown subcommand" in text or "no permission" in text or "noperm" in text


def info(link: AnyLink, section: str) -> dict[str, str]:
    """INFO's fields of a section."""
    text = link.call("INFO", section)
    lines = text.decode("utf-8", "replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))


def scan(link: AnyLink, *, match: bytes | None = None, kind: str | None = None, count: int = 500,
         begin: dict[str, int] | None = None) -> Iterator[tuple[dict[str, int], list[bytes]]]:
    """Walk all keys of the link's database with SCAN, by pieces: what a piece holds, and where to go on behind it.

    That is a dict of cursors by node: what is given as `begin` to go on there, -1 for a node that is done. Keys that are there all
    the time come at least once.
    """
    cursors = dict(begin or {})
    for name, node in link.masters():
        cursor = cursors.get(name, 0)
        while cursor >= 0:
            words: list[Any] = ["SCAN", cursor, "COUNT", count]
            if match is not None:
                words += ["MATCH", match]
            if kind is not None:
                words += ["TYPE", kind]
            reply, = node.run([words], again=True)
            if isinstance(reply, Exception):
                raise LinkError(f"{link.name}: {reply}")
            cursor = int(reply[0]) or -1
            cursors[name] = cursor
            yield dict(cursors), reply[1]


def link_to_store(store: Store, db: int = 0) -> Link:
    """A link to a store in this process."""
    client = Redis(store=store, db=db, protocol=2)
    link = Link(client.connection_pool, store.name or "store")
    link.client = client                 # type: ignore[attr-defined]  # which would end its pool
    return link


def opener(url: str, *, no_touch: bool = False) -> Callable[[int], AnyLink]:
    """A function that opens a link to a database of the place at this URL, whose own database's number does not count. ValueError for
    a URL that is not one; what it opens raises LinkError when the place cannot be reached."""
    target = target_of(url)
    name = without_password(url)
    if target.kind == "hutch":
        return _opener_inside(target, name, no_touch)
    options = {"socket_timeout": SOCKET_TIMEOUT_S, "socket_connect_timeout": 10.0, **parse_url(target.url), **_PLAIN}
    options["retry"] = _no_retry()
    if target.kind == "server":
        return lambda db: Link(ConnectionPool(**{**options, "db": db}), name, no_touch=no_touch)
    seeds = [(options.pop("host", "localhost"), options.pop("port", 6379)), *target.nodes]
    options.pop("db", None)

    def cluster(db):
        if db:
            raise LinkError(f"{name}: a cluster has one database only, 0; choose with --db")
        return ClusterLink(options, seeds, name, no_touch=no_touch)
    return cluster


def database_in(url: str) -> int | None:
    """The number of the database that a URL names; None when it names none. ValueError for a URL that is not one."""
    target = target_of(url)
    if target.kind == "hutch":
        from ..url import parse_url as parse_hutch_url
        return parse_hutch_url(target.url).get("db")
    return parse_url(target.url).get("db")


def _opener_inside(target: Target, name: str, no_touch: bool) -> Callable[[int], Link]:
    from ..url import parse_url as parse_hutch_url
    options = {**parse_hutch_url(target.url), **_PLAIN}
    if "name" not in options:
        raise ValueError("hutch:// without a name or a path is a store that nobody else can have anything in: give hutch:///path/to/store")

    def inside(db):
        client = Redis(options["name"], **{**{key: value for key, value in options.items() if key != "name"}, "db": db})
        link = Link(client.connection_pool, name, no_touch=no_touch)
        link.client = client             # type: ignore[attr-defined]
        return link
    return inside


def _no_retry():
    from redis.backoff import NoBackoff
    from redis.retry import Retry
    return Retry(NoBackoff(), 0)
