"""maxmemory and its policies, access counters and times."""
from kit.generators import Family, Step

memory = Family("memory", damage=0)
EVICTING = (b"allkeys-lru", b"allkeys-lfu", b"allkeys-random", b"volatile-lru", b"volatile-ttl", b"volatile-random", b"volatile-lfu")
# A counter that neither chance nor time touches.
LFU = (b"lfu-log-factor", b"0", b"lfu-decay-time", b"0")
LRU = Step((b"CONFIG", b"SET", b"maxmemory-policy", b"noeviction", b"lfu-log-factor", b"10", b"lfu-decay-time", b"1"))


def some_commands(g, most):
    made = []
    for _ in range(g.random.randint(1, most)):
        made += g.steps([Family.registry["strings"], Family.registry["keys"]])
    return made


@memory.generator(weight=0.5)
def full(g):
    """No room at all: what writes is refused, what reads or deletes is not, in transactions neither. A policy that
    evicts leaves nothing that it may take."""
    policy = b"noeviction" if g.chance(0.4) else g.pick(EVICTING)
    made = [*some_commands(g, 4), Step((b"CONFIG", b"SET", b"maxmemory-policy", policy, b"maxmemory", b"1")), *some_commands(g, 8)]
    if g.chance(0.4):
        queued = [step for step in some_commands(g, 3) if step.connection == 0 and step.argv[0].upper() != b"SCAN" and b"REFCOUNT" not in step.argv]
        made += [Step((b"MULTI",)), *queued, Step((b"EXEC",))]
    # A policy's access counters make no sense as the times of another.
    return [*made, Step((b"CONFIG", b"SET", b"maxmemory", b"0", b"maxmemory-policy", b"noeviction")), Step((b"SELECT", b"0")),
            Step((b"SELECT", b"0"), connection=1), Step((b"FLUSHALL",))]


@memory.generator(weight=0.5)
def frequency(g):
    """OBJECT FREQ to the last hit, whatever the command."""
    made = [Step((b"FLUSHALL",)), Step((b"SELECT", b"0"), connection=1), Step((b"SELECT", b"0")),
            Step((b"CONFIG", b"SET", b"maxmemory-policy", g.pick((b"allkeys-lfu", b"volatile-lfu")), *LFU))]
    for _ in range(g.random.randint(2, 12)):
        made += some_commands(g, 2)
        made.append(Step((b"OBJECT", b"FREQ", g.key())))
        if g.chance(0.1):
            made.append(Step((b"OBJECT", b"IDLETIME", g.key()), compare="seconds"))
    made += [Step((b"OBJECT", b"FREQ", key)) for key in g.KEYS[:5]]
    return [*made, LRU, Step((b"SELECT", b"0")), Step((b"SELECT", b"0"), connection=1), Step((b"FLUSHALL",))]


@memory.generator(weight=0.3)
def untouched(g):
    """CLIENT NO-TOUCH: looking at a key leaves its counter alone."""
    looks = ((b"GET", b"k0"), (b"EXISTS", b"k0"), (b"INCR", b"k0"), (b"TOUCH", b"k0"), (b"SET", b"k0", b"2"), (b"STRLEN", b"k0"), (b"APPEND", b"k0", b"0"),
             (b"GETEX", b"k0"), (b"MGET", b"k0", b"k0"), (b"GETRANGE", b"k0", b"0", b"1"), (b"SET", b"k0", b"3", b"GET"), (b"RENAME", b"k0", b"k0"),
             (b"COPY", b"k0", b"k1"), (b"LCS", b"k0", b"k0"), (b"GETSET", b"k0", b"1"), (b"OBJECT", b"FREQ", b"k0"), (b"MSET", b"k0", b"4"),
             (b"EXPIRE", b"k0", b"100000"), (b"PERSIST", b"k0"), (b"SETRANGE", b"k0", b"0", b"5"), (b"MOVE", b"k1", b"1"))
    made = [(b"FLUSHALL",), (b"SELECT", b"0"), (b"CONFIG", b"SET", b"maxmemory-policy", b"allkeys-lfu", *LFU), (b"SET", b"k0", b"1"), (b"CLIENT", b"NO-TOUCH", b"ON"),
            *(g.pick(looks) for _ in range(g.random.randint(1, 5))), (b"OBJECT", b"FREQ", b"k0"), (b"CLIENT", b"NO-TOUCH", b"OFF"), (b"GET", b"k0"),
            (b"OBJECT", b"FREQ", b"k0"), (b"OBJECT", b"FREQ", b"k1")]
    return [*map(Step, made), LRU, Step((b"FLUSHALL",))]


@memory.generator(weight=0.7)
def sizes(g):
    """How large the values are, after whatever happened to them."""
    return b"INFO", b"keysizes"
