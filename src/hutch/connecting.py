"""hutch.connect: one URL says where the data are, in this process, in a directory, on a server or in a cluster.

    hutch://  hutch://name/2  hutch:///path/to/store?db=1      inside: see hutch.url
    redis://host:port/2   rediss://   valkey://   valkeys://   a server; those with an s by TLS
    unix:///path/to/socket?db=2                                a server's Unix socket
    redis+cluster://host:port,host:port                        a cluster, of which these nodes are asked first; also
    valkey+cluster://  rediss+cluster://  valkeys+cluster://   ... and any of a server's with ?cluster=true
"""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Union
from urllib.parse import parse_qsl, urlencode

if TYPE_CHECKING:
    import redis
    import redis.asyncio
    import redis.asyncio.cluster
    import redis.cluster

    Client = Union[redis.Redis, redis.cluster.RedisCluster]
    AsyncClient = Union[redis.asyncio.Redis, redis.asyncio.cluster.RedisCluster]

SCHEMES = {"redis": "redis", "valkey": "redis", "rediss": "rediss", "valkeys": "rediss"}
TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off"})
KNOWN = ("hutch://, redis://, rediss://, valkey://, valkeys://, unix://, or a cluster's redis+cluster://, rediss+cluster://, "
         "valkey+cluster:// or valkeys+cluster://")


@dataclass(frozen=True)
class Target:
    """Where a URL leads: `kind` is "hutch", "server" or "cluster", `url` what that kind's own client understands; `nodes` are a
    cluster's further ones, as (host, port)."""

    kind: str
    url: str
    nodes: list[tuple[str, int]] = field(default_factory=list)


def target_of(url: str) -> Target:
    """Where the URL leads. ValueError when its scheme is not known, and for a cluster where there can be none. O(length)

    >>> target_of("valkeys://cache.example/2")
    Target(kind='server', url='rediss://cache.example/2', nodes=[])
    >>> target_of("redis+cluster://a:7000,b:7001")
    Target(kind='cluster', url='redis://a:7000', nodes=[('b', 7001)])
    """
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise ValueError(f"{without_password(url)!r} is no URL. One begins with {KNOWN}")
    scheme = scheme.lower()
    if scheme == "hutch":
        return Target("hutch", "hutch://" + rest)
    name, plus, form = scheme.partition("+")
    if plus and form != "cluster" or name not in SCHEMES and (name != "unix" or plus):
        raise ValueError(f"Hutch knows no URLs that begin with {scheme}://. It knows {KNOWN}")
    rest, cluster = _without_cluster_option(rest)
    if plus and cluster is False:
        raise ValueError(f"{scheme}:// is a cluster, and cluster=false says that it is none")
    cluster = bool(plus) or bool(cluster)
    if name == "unix":
        if cluster:
            raise ValueError("a cluster is reached by its nodes' addresses, not by a Unix socket")
        return Target("server", "unix://" + rest)
    places, more = _split_hosts(rest)
    if more and not cluster:
        raise ValueError("several hosts are a cluster's: say redis+cluster://, or cluster=true")
    return Target("cluster" if cluster else "server", f"{SCHEMES[name]}://{places}", more)


def without_password(url: str) -> str:
    """A URL as it may be shown: a password in it becomes ***.

    >>> without_password("redis://ann:secret@example/1")
    'redis://ann:***@example/1'
    """
    scheme, separator, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    if separator and "@" in place:
        credentials, _, host = place.rpartition("@")
        name, colon, _ = credentials.partition(":")
        place = f"{name}{':***' if colon else ''}@{host}"
    path, question, query = path.partition("?")
    if question:
        query = "&".join("password=***" if part.startswith("password=") else part for part in query.split("&"))
    return f"{scheme}{separator}{place}{slash}{path}{question}{query}"


def connect(url: str, **options: Any) -> "Client":
    """A client of the store, server or cluster at that URL (hutch.connect)."""
    target = target_of(url)
    if target.kind == "hutch":
        from .client import Redis
        return Redis.from_url(target.url, **options)
    if target.kind == "server":
        import redis
        return redis.Redis.from_url(target.url, **options)
    from redis.cluster import ClusterNode, RedisCluster
    _refuse_databases(target, options)
    nodes = [ClusterNode(host, port) for host, port in target.nodes]
    return RedisCluster.from_url(target.url, startup_nodes=nodes or None, **options)


def connect_async(url: str, **options: Any) -> "AsyncClient":
    """The same for asyncio (hutch.asyncio.connect). Nothing is connected before the first call is awaited."""
    target = target_of(url)
    if target.kind == "hutch":
        from .asyncio import Redis
        return Redis.from_url(target.url, **options)
    if target.kind == "server":
        import redis.asyncio
        return redis.asyncio.Redis.from_url(target.url, **options)
    from redis.asyncio.cluster import ClusterNode, RedisCluster
    _refuse_databases(target, options)
    nodes = [ClusterNode(host, port) for host, port in target.nodes]
    return RedisCluster.from_url(target.url, startup_nodes=nodes or None, **options)


def _without_cluster_option(rest):
    """The URL's rest without `cluster=...`, and what that said: True, False, or None where it is not there."""
    place, question, query = rest.partition("?")
    words = parse_qsl(query, keep_blank_values=True)
    said = [value.lower() for name, value in words if name == "cluster"]
    if not said:
        return rest, None
    if said[-1] not in TRUE | FALSE:
        raise ValueError("Invalid value for 'cluster' in connection URL.")
    kept = urlencode([(name, value) for name, value in words if name != "cluster"])
    return place + (question + kept if kept else ""), said[-1] in TRUE


def _split_hosts(rest):
    """What is left of "user:password@a:1,b:2/0?x" with its first host only, and the other hosts."""
    end = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
    place, tail = rest[:end], rest[end:]
    credentials, at, hosts = place.rpartition("@")
    first, *others = hosts.split(",")
    return credentials + at + first + tail, [_host_and_port(one) for one in others]


def _host_and_port(text):
    host, colon, port = text.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = text, "6379"
    if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise ValueError(f"{text!r} is no host and port")
    return host.strip("[]"), int(port)


def _refuse_databases(target, options):
    from redis.connection import parse_url
    number = parse_url(target.url).get("db", options.get("db"))
    if number not in (None, 0, "0"):
        raise ValueError(f"a cluster has no database {number}: it has one only, 0")
    options.pop("db", None)
