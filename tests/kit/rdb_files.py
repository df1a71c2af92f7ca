"""Files in Redis's RDB format: built by hand, and what a store holds as plain values to compare."""
import struct

from kit.rdb_forms import crc64, length, string

AUX, RESIZE, SELECT, END, FUNCTION = b"\xfa", b"\xfb", b"\xfe", b"\xff", b"\xf5"


def magic(version=11):
    return b"VALKEY%03d" % version if version >= 80 else b"REDIS%04d" % version


def finished(body, version=11, sum=None):
    """A whole file around records: magic, end and checksum (of versions that have one)."""
    body = magic(version) + body + END
    if version < 5:
        return body
    return body + struct.pack("<Q", crc64(body) if sum is None else sum)


def resealed(data):
    """The checksum made right again, after damage in front of it."""
    return data[:-8] + struct.pack("<Q", crc64(data[:-8]))


def selected(number):
    return SELECT + length(number)


def aux(name, value):
    return AUX + string(name) + string(value)


def key(form, name, value):
    """A record: the form's number, the key's name, the bytes of the value."""
    return bytes([form]) + string(name) + value


def deadline(ms):
    return b"\xfc" + struct.pack("<q", ms)


# ---- what is in a store

STREAM_FIGURES = ("last-generated-id", "max-deleted-entry-id", "entries-added")


def text(value):
    return value.decode("latin-1") if isinstance(value, bytes) else value


def pairs(reply):
    """A map's reply as a dict, whatever the protocol."""
    items = iter(reply.items() if isinstance(reply, dict) else zip(reply[::2], reply[1::2]))
    return {text(name): value for name, value in items}


def stream_value(execute, name):
    info = pairs(execute("XINFO", "STREAM", name, "FULL", "COUNT", 0))
    groups = []
    for group in map(pairs, info["groups"]):
        consumers = {text(pairs(one)["name"]): pairs(one) for one in group["consumers"]}
        groups.append((text(group["name"]), text(group["last-delivered-id"]), group["entries-read"],
                       [(text(id), text(consumer), count) for id, consumer, _, count in group["pending"]],
                       sorted((one, len(about["pending"])) for one, about in consumers.items())))
    entries = [(text(id), [text(word) for word in words]) for id, words in execute("XRANGE", name, "-", "+")]
    return {"entries": entries, "groups": sorted(groups), **{one: text(info[one]) for one in STREAM_FIGURES}}


def value_of(execute, name):
    """Type and value of a key, in plain Python; `execute(*words)` sends a command and returns bytes, ints and lists."""
    kind = text(execute("TYPE", name))
    if kind == "string":
        return kind, execute("GET", name)
    if kind == "list":
        return kind, execute("LRANGE", name, 0, -1)
    if kind == "set":
        return kind, sorted(execute("SMEMBERS", name))
    if kind == "zset":
        found = execute("ZRANGE", name, 0, -1, "WITHSCORES")
        return kind, [(member, float(score)) for member, score in zip(found[::2], found[1::2])]
    if kind == "hash":
        found = execute("HGETALL", name)
        fields = dict(zip(found[::2], found[1::2])) if isinstance(found, list) else dict(found)
        names = sorted(fields)
        try:
            times = execute("HPEXPIRETIME", name, "FIELDS", len(names), *names)
        except Exception:            # a server of the time before fields had deadlines
            times = [-1] * len(names)
        return kind, (fields, {one: ms for one, ms in zip(names, times) if ms >= 0})
    assert kind == "stream", kind
    return kind, stream_value(execute, name)


def contents(execute, databases=(0,)):
    """Everything that is in these databases: (database, key) -> type, value, deadline in ms or -1."""
    found = {}
    for database in databases:
        execute("SELECT", database)
        for name in execute("KEYS", "*"):
            found[database, name] = (*value_of(execute, name), execute("PEXPIRETIME", name))
    execute("SELECT", 0)
    return found
