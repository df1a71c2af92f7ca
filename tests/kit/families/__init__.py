"""The families of random commands; importing this package registers all of them.

A new family of commands adds its file here, and its name to DEFAULT once Hutch has the commands.
"""
from kit.generators import Family

from . import (  # noqa: F401  (each registers itself)
    bitmaps, connection, dump, geo, hashes, hyperloglogs, keys, lists, memory, scripting, sets, sort, sorted_sets, streams, strings,
    transactions, wrong_types)

DEFAULT = ("strings", "keys", "sets", "hashes", "lists", "sorted_sets", "streams", "sort", "bitmaps", "hyperloglogs", "geo", "memory",
           "connection", "transactions", "scripting", "dump")
EMBEDDED = tuple(name for name in DEFAULT if name != "connection")     # in a process of its own more is allowed


def families(*names: str) -> list[Family]:
    return [Family.registry[name] for name in names or DEFAULT]
