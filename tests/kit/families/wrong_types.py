"""Keys of other types, for WRONGTYPE: used only where both servers answer the command without an error.

Each function makes a key of a type from a fresh name, so a probe can tell whether a server has the type.
"""

SEEDS = (
    lambda g: (b"RPUSH", g.key(), b"a", b"b"),
    lambda g: (b"HSET", g.key(), b"f", b"1"),
    lambda g: (b"SADD", g.key(), b"1", b"a"),
    lambda g: (b"ZADD", g.key(), b"1", b"a"),
    lambda g: (b"XADD", g.key(), b"1-1", b"f", b"1"),
)
