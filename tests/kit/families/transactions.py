"""MULTI, EXEC, DISCARD, WATCH and UNWATCH over two connections."""
from dataclasses import replace

from kit.generators import Family, Step

transactions = Family("transactions", damage=0)


def some_command(g) -> Step:
    """One command of the strings or keys family that changes no connection's state."""
    while True:
        steps = g.steps([Family.registry["strings"], Family.registry["keys"]])
        if len(steps) == 1 and steps[0].argv[0].upper() not in (b"SELECT", b"SCAN", b"FLUSHALL") and \
                b"REFCOUNT" not in steps[0].argv:       # Redis's queue and keyspace share the value until EXEC is over
            return steps[0]


@transactions.generator(weight=4)
def block(g):
    """WATCH some keys, let the other connection write, MULTI, commands, EXEC or DISCARD."""
    mine, other = (0, 1) if g.chance(0.8) else (1, 0)
    made = []
    if g.chance(0.5):
        made.append(Step((b"WATCH", *g.keys(3)), connection=mine))
        for _ in range(g.random.randint(0, 2)):
            made.append(replace(some_command(g), connection=g.pick((mine, other))))
        if g.chance(0.15):
            made.append(Step((b"UNWATCH",), connection=mine))
    made.append(Step((b"MULTI",), connection=mine))
    for _ in range(g.random.randint(0, 6)):
        made.append(replace(some_command(g), connection=other if g.chance(0.15) else mine))
    if g.chance(0.2):
        made.append(Step(g.pick(((b"MULTI",), (b"WATCH", b"k0"), (b"UNWATCH",), (b"PING",), (b"ECHO", b"x"), (b"SELECT", b"1"), (b"GET",),
                                 (b"NOSUCH",), (b"CLIENT", b"NOSUCH"), (b"EXEC", b"x"), (b"DISCARD", b"x"), (b"RESET",), (b"HELLO", b"9"),
                                 (b"HELLO",), (b"CONFIG", b"GET", b"maxmemory-samples"), (b"SWAPDB", b"0", b"1"), (b"FLUSHDB",),
                                 (b"OBJECT", b"ENCODING"), (b"COMMAND", b"GETKEYS", b"GET", b"a"))),
                         compare="hello", connection=mine))
    made.append(Step((b"EXEC",) if g.chance(0.85) else (b"DISCARD",), connection=mine))
    made.append(Step((b"SELECT", b"0"), connection=mine))
    return made


def interference(g, key, other):
    """What may happen to a watched key: changes of every kind, and what only looks like one."""
    return g.pick((
        (b"FLUSHALL",), (b"FLUSHDB",), (b"FLUSHALL", b"ASYNC"), (b"SWAPDB", b"0", b"1"), (b"SWAPDB", b"1", b"2"), (b"SWAPDB", b"0", b"0"),
        (b"MOVE", key, b"1"), (b"MOVE", other, b"1"), (b"RENAME", key, other), (b"RENAME", other, key), (b"RENAME", key, key),
        (b"RENAMENX", other, key), (b"RENAMENX", key, other), (b"COPY", other, key), (b"COPY", other, key, b"REPLACE"),
        (b"COPY", key, other, b"REPLACE"), (b"COPY", other, key, b"DB", b"1", b"REPLACE"), (b"COPY", key, key, b"DB", b"1"),
        (b"GET", key), (b"EXISTS", key), (b"DEL", key), (b"UNLINK", key), (b"GETDEL", key), (b"TOUCH", key), (b"TYPE", key), (b"TTL", key),
        (b"SET", key, b"x"), (b"SET", key, b"x", b"NX"), (b"SET", key, b"x", b"XX"), (b"SET", key, b"x", b"PXAT", b"1"),
        (b"SETNX", key, b"x"), (b"MSETNX", key, b"1", other, b"2"), (b"MSET", key, b"1"), (b"MSET", other, b"1"), (b"GETSET", key, b"x"),
        (b"SETEX", key, b"100000", b"x"), (b"EXPIRE", key, b"-1"), (b"EXPIRE", key, b"100000"), (b"EXPIRE", key, b"100000", b"XX"),
        (b"PEXPIREAT", key, b"1"), (b"PERSIST", key), (b"GETEX", key), (b"GETEX", key, b"PERSIST"), (b"GETEX", key, b"PXAT", b"1"),
        (b"APPEND", key, b""), (b"APPEND", key, b"x"), (b"SETRANGE", key, b"0", b""), (b"SETRANGE", key, b"1", b"a"), (b"INCR", key),
        (b"INCRBY", key, b"0"), (b"INCRBYFLOAT", key, b"0"), (b"DECRBY", key, b"-9223372036854775808"), (b"OBJECT", b"ENCODING", key),
        (b"KEYS", b"*"), (b"KEYS", key), (b"MGET", key, other), (b"LCS", key, other), (b"STRLEN", key), (b"DBSIZE",),
        (b"SELECT", b"1"), (b"SELECT", b"0"), (b"WATCH", key), (b"WATCH", other), (b"UNWATCH",),
    ))


@transactions.generator(weight=1.5)
def watched(g):
    """A watched key that is there, absent, with a deadline, or over already though nobody has met it: Redis tells a
    key that was due before WATCH from one that came due after it."""
    key, other = g.random.sample(g.KEYS[:5], 2)
    database = g.pick((b"0", b"0", b"0", b"1", b"2"))
    late = g.chance(0.04)           # the deadline comes between WATCH and EXEC
    states = ((b"DEL", key), (b"SET", key, b"1"), (b"SET", key, b"1", b"EX", b"100000"), (b"SET", key, b"1", b"PXAT", b"1"))

    def meddle(most, *who):
        made = [Step(interference(g, key, other), connection=g.pick(who)) for _ in range(g.random.randint(0, most))]
        return [replace(step, compare="unordered") if step.argv[0] == b"KEYS" else step for step in made]
    made = [Step((b"DEBUG", b"SET-ACTIVE-EXPIRE", b"0")), Step((b"FLUSHALL",)), Step((b"SELECT", database)), Step((b"SELECT", g.pick((b"0", database))), connection=1),
            Step((b"SET", key, b"1", b"PX", b"40") if late else g.pick(states)),
            Step(g.pick(((b"DEL", other), (b"SET", other, b"2"), (b"SET", other, b"2", b"PXAT", b"1"))))]
    if g.chance(0.3):
        made.append(Step(g.pick(states), connection=1))
    made.append(Step((b"WATCH", *g.pick(((key,), (key, other), (other, key, key))))))
    if late and g.chance(0.8):
        made.append(Step((b"@SLEEP", b"60")))
    made += meddle(3, 0, 1, 1)
    if late:
        made.append(Step((b"@SLEEP", b"60")))
    made += [Step((b"MULTI",)), Step((b"GET", key)), *meddle(2, 0, 1), Step((b"EXEC",) if g.chance(0.9) else (b"DISCARD",)),
             Step((b"DEBUG", b"SET-ACTIVE-EXPIRE", b"1")), Step((b"SELECT", b"0")), Step((b"SELECT", b"0"), connection=1)]
    # Due keys that nobody met: Redis may or may not have collected them before somebody counts.
    return [*made, Step((b"FLUSHALL",))]


@transactions.generator(weight=1)
def loose(g):
    """Each of the commands where it does not belong."""
    return g.pick(((b"EXEC",), (b"DISCARD",), (b"UNWATCH",), (b"WATCH",), (b"WATCH", *g.keys()), (b"MULTI", b"x"), (b"EXEC", b"x"),
                   (b"DISCARD", b"x"), (b"UNWATCH", b"x")))
