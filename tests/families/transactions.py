"""MULTI, EXEC, DISCARD, WATCH and UNWATCH over two connections."""
from dataclasses import replace

from generators import Family, Step

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


@transactions.generator(weight=1)
def loose(g):
    """Each of the commands where it does not belong."""
    return g.pick(((b"EXEC",), (b"DISCARD",), (b"UNWATCH",), (b"WATCH",), (b"WATCH", *g.keys()), (b"MULTI", b"x"), (b"EXEC", b"x"),
                   (b"DISCARD", b"x"), (b"UNWATCH", b"x")))
