"""The connection itself, configuration, introspection: what every client touches first."""
from dataclasses import replace

from kit.generators import Family, Step

connection = Family("connection", damage=0.05)


@connection.generator(weight=2)
def ping(g):
    return g.pick(((b"PING",), (b"PING", g.value()), (b"PING", b"a", b"b"), (b"ECHO", g.value()), (b"ECHO",)))


@connection.generator(weight=2)
def hello(g):
    # The protocol stays what the run wants; the other one has its own run.
    options = g.some((g.word(b"SETNAME"), name(g)), (g.word(b"AUTH"), b"default", b"x"), (b"AUTH", b"nosuch", b"x"), b"FOO", b"AUTH",
                     chance=0.12)
    version = g.pick(((), (b"1",), (b"4",), (b"x",), (b"",), (b"99999999999999999999",), (b"-2",)))
    return Step((b"HELLO", *version, *options), compare="hello")


@connection.generator(weight=1)
def auth(g):
    return b"AUTH", *g.pick(((b"x",), (b"default", b"x"), (b"nosuch", b"x"), (b"a", b"b", b"c"), ()))


def name(g):
    return g.pick((b"bob", b"", b"a b", b"a\nb", b"~!", b"\xc3\xa9", b"\x7f", b"0", b"\x00", b"a\x00\n"))


@connection.generator(weight=4)
def client(g):
    return g.pick((
        (b"CLIENT", g.word(b"GETNAME")), (b"CLIENT", g.word(b"SETNAME"), name(g)), (b"CLIENT", b"SETNAME"),
        (b"CLIENT", b"SETINFO", g.word(b"LIB-NAME"), name(g)), (b"CLIENT", b"SETINFO", g.word(b"LIB-VER"), name(g)),
        (b"CLIENT", b"SETINFO", b"FOO", b"x"), (b"CLIENT", b"SETINFO", b"LIB-NAME"),
        (b"CLIENT", b"NO-EVICT", g.pick((b"on", b"OFF", b"x"))), (b"CLIENT", b"NO-TOUCH", g.pick((b"off", b"OFF", b"x"))),
        (b"CLIENT", b"REPLY", b"x"), (b"CLIENT", b"REPLY", b"ON"), (b"CLIENT",), (b"CLIENT", b"FOO"),
        (b"CLIENT", b"MAINT_NOTIFICATIONS", b"ON"),
    ))


@connection.generator(weight=3, damage=False)
def client_administration(g):
    """Only forms that hit no client."""
    return g.pick((
        (b"CLIENT", b"ID", b"x"), (b"CLIENT", b"INFO", b"x"), (b"CLIENT", b"KILL"), (b"CLIENT", b"KILL", b"1.2.3.4:5"), (b"CLIENT", b"KILL", b"ID", b"x"), (b"CLIENT", b"KILL", b"ID", b"0"),
        (b"CLIENT", b"KILL", b"ID", b"-1"), (b"CLIENT", b"KILL", b"ID", b"999999999"), (b"CLIENT", b"KILL", b"TYPE", b"x"),
        (b"CLIENT", b"KILL", b"TYPE", b"pubsub"), (b"CLIENT", b"KILL", b"USER", b"nosuch"), (b"CLIENT", b"KILL", b"ID", b"5", b"x"),
        (b"CLIENT", b"KILL", b"ADDR", b"1.2.3.4:5"), (b"CLIENT", b"KILL", b"LADDR", b"x"), (b"CLIENT", b"KILL", b"SKIPME", b"x"),
        (b"CLIENT", b"KILL", b"MAXAGE", b"x"), (b"CLIENT", b"KILL", b"MAXAGE", b"-1"), (b"CLIENT", b"KILL", b"MAXAGE", b"999999"),
        (b"CLIENT", b"KILL", b"ID", b"999999999", b"TYPE", b"normal", b"SKIPME", b"no"), (b"CLIENT", b"KILL", b"FOO", b"x"),
        (b"CLIENT", b"LIST", b"TYPE", b"x"), (b"CLIENT", b"LIST", b"TYPE", b"pubsub"), (b"CLIENT", b"LIST", b"TYPE"), (b"CLIENT", b"LIST", b"ID"),
        (b"CLIENT", b"LIST", b"ID", b"x"), (b"CLIENT", b"LIST", b"ID", b"999999999", b"999999998"), (b"CLIENT", b"LIST", b"FOO"),
        (b"CLIENT", b"PAUSE"), (b"CLIENT", b"PAUSE", b"x"), (b"CLIENT", b"PAUSE", b"-1"), (b"CLIENT", b"PAUSE", b"0", b"x"), (b"CLIENT", b"PAUSE", b"0"),
        (b"CLIENT", b"UNPAUSE"), (b"CLIENT", b"UNPAUSE", b"x"),
    ))


@connection.generator(weight=1, damage=False)
def client_figures(g):
    if g.chance(0.1):
        key = g.key()           # met first: MEMORY USAGE itself also sees a key whose time is over
        return [Step((b"EXISTS", key)), Step((b"MEMORY", b"USAGE", key), compare="shape")]
    return Step(g.pick(((b"CLIENT", b"ID"), (b"CLIENT", b"INFO"), (b"CLIENT", b"LIST"), (b"TIME",), (b"LOLWUT",), (b"INFO",), (b"INFO", b"server"),
                        (b"COMMAND", b"COUNT"))), compare="shape")


@connection.generator(weight=0.5)
def reset(g):
    """Back to a fresh connection, then to the protocol of the run (a step of the runner's own)."""
    return [Step((b"RESET",)), Step((b"@HELLO",), compare="hello")]


def some_commands(g, most):
    """Commands of the strings and keys families, without those that change the connection."""
    made = []
    for _ in range(g.random.randint(0, most)):
        made += [step for step in g.steps([Family.registry["strings"], Family.registry["keys"]])
                 if step.argv[0].upper() not in (b"SELECT", b"SCAN")]
    return made


@connection.generator(weight=0.7)
def protocols(g):
    """From one protocol to the other and back, between commands and in transactions."""
    versions = [Step((b"HELLO", g.pick((b"2", b"3"))), compare="hello") for _ in range(3)]
    first, second, third = ([version, *some_commands(g, 4)] for version in versions)
    if g.chance(0.3):
        second = [replace(step, connection=0) for step in second if b"REFCOUNT" not in step.argv]
        second = [Step((b"MULTI",)), *second, Step((b"EXEC",))]
    return [*first, *second, *third, Step((b"@HELLO",), compare="hello")]


@connection.generator(weight=0.5)
def silence(g):
    """CLIENT REPLY OFF and SKIP: what is not answered, and that it runs all the same."""
    at = g.pick((0, 1))

    def mute(*steps):
        return [replace(step, connection=at, silent=True) for step in steps]
    if g.chance(0.4):
        skip = Step((b"CLIENT", b"REPLY", g.word(b"SKIP")))
        skipped = g.pick(((b"PING",), (b"SET", g.key(), b"x"), (b"NOSUCH",), (b"GET",), (b"INCR", g.key())))
        return [*mute(*([skip] * g.pick((1, 1, 2))), Step(skipped)), Step((b"PING",), connection=at)]
    quiet = mute(Step((b"CLIENT", b"REPLY", g.word(b"OFF"))), *some_commands(g, 5))
    if g.chance(0.3):
        quiet += mute(Step(g.pick(((b"CLIENT", b"REPLY", b"SKIP"), (b"CLIENT", b"REPLY", b"OFF"), (b"CLIENT", b"REPLY", b"x"),
                                   (b"GET",), (b"NOSUCH",)))))
    if g.chance(0.2):
        return [*quiet, Step((b"RESET",), connection=at), Step((b"@HELLO",), compare="hello", connection=at)]
    return [*quiet, Step((b"CLIENT", b"REPLY", g.word(b"ON")), connection=at),
            *(replace(step, connection=at) for step in some_commands(g, 2))]


@connection.generator(weight=3)
def command(g):
    target = g.pick((
        (b"GET", g.key()), (b"SET", g.key(), b"x", b"GET"), (b"SET", g.key(), b"x"), (b"MSET", b"a", b"1", b"b", b"2"), (b"MSET", b"a", b"1", b"b"), (b"MGET", *g.keys()),
        (b"COPY", b"a", b"b", b"DB", b"1"), (b"RENAME", b"a", b"b"), (b"LCS", b"a", b"b", b"IDX"), (b"OBJECT", b"ENCODING", b"a"), (b"OBJECT", b"FOO", b"a"),
        (b"PING",), (b"FOO", b"a"), (b"GET",), (b"DEL", *g.keys()), (b"MULTI",), (b"GETEX", b"a", b"PERSIST"), (b"WATCH", b"a", b"b"), (b"CONFIG", b"GET", b"x"),
    ))
    return b"COMMAND", g.pick((b"GETKEYS", b"GETKEYS", b"getkeys", b"GETKEYSANDFLAGS")), *target


@connection.generator(weight=1, damage=False)       # cut short, these would list every command
def command_other(g):
    return g.pick(((b"COMMAND", b"FOO"), (b"COMMAND", b"GETKEYS"), (b"COMMAND", b"INFO", b"nosuch"), (b"COMMAND", b"INFO", b"client|nosuch"), (b"COMMAND", b"DOCS", b"nosuch"),
                   (b"COMMAND", b"LIST", b"FOO"), (b"COMMAND", b"LIST", b"FILTERBY", b"FOO", b"x"), (b"COMMAND", b"LIST", b"FILTERBY", b"PATTERN", b"nosuch*"),
                   (b"COMMAND", b"LIST", b"FILTERBY", b"ACLCAT", b"nosuch"), (b"COMMAND", b"LIST", b"FILTERBY", b"MODULE", b"nosuch"),
                   (b"COMMAND", b"COUNT", b"x")))


# Harmless parameters of every type, with Redis's defaults: the runner restores them before each sequence.
SETTABLE = {
    b"maxmemory-samples": b"5", b"slowlog-max-len": b"128", b"hash-max-listpack-entries": b"512", b"lfu-log-factor": b"10",
    b"notify-keyspace-events": b"", b"lazyfree-lazy-user-del": b"no", b"slowlog-log-slower-than": b"10000", b"hz": b"10",
    b"list-max-listpack-size": b"-2", b"set-max-intset-entries": b"512", b"zset-max-listpack-value": b"64",
}
# What other families set, too.
RESTORED = {**SETTABLE, b"hll-sparse-max-bytes": b"3000", b"hash-max-listpack-value": b"64", b"maxmemory": b"0", b"maxmemory-policy": b"noeviction", b"lfu-decay-time": b"1", b"set-max-listpack-entries": b"128",
            b"set-max-listpack-value": b"64", b"stream-node-max-bytes": b"4096", b"stream-node-max-entries": b"100", b"zset-max-listpack-entries": b"128"}
READABLE = (*SETTABLE, b"maxmemory", b"maxmemory-policy", b"timeout", b"databases", b"tcp-keepalive", b"proto-max-bulk-len", b"requirepass",
            b"appendonly", b"client-output-buffer-limit", b"hash-max-listpack-value", b"list-compress-depth", b"maxclients",
            b"stream-node-max-entries", b"lfu-decay-time", b"repl-backlog-size", b"maxmemory-eviction-tenacity",
            b"stream-node-max-bytes", b"hll-sparse-max-bytes", b"active-expire-effort", b"busy-reply-threshold", b"client-query-buffer-limit")


@connection.generator(weight=3, damage=False)       # `*` would show every parameter
def config_get(g):
    patterns = g.pick(((g.pick(READABLE),), (g.pick(READABLE), g.pick(READABLE)), (b"nosuch",), (b"lfu-*",), (b"*max-intset*", b"lfu-[dl]*"),
                       (g.pick(READABLE).upper(),), (b"",), (b"set-max-*", b"zset-max-listpack-*"), ()))
    return Step((b"CONFIG", g.word(b"GET"), *patterns), compare="unordered")


@connection.generator(weight=3, damage=False)
def config_set(g):
    names = list(SETTABLE) + [b"maxmemory-policy", b"databases", b"nosuch", b"timeout", b"maxclients", b"appendonly", b"maxmemory", b"dir", b"enable-debug-command",
                              b"port", b"tcp-keepalive", b"proto-max-bulk-len", b"save", b"client-output-buffer-limit"]
    bad = (b"x", b"", b"-100000", b"1.5", b"99999999999999999999", b"1x", b"maybe")
    pairs = []
    for _ in range(g.pick((1, 1, 1, 2))):
        parameter = g.pick(names)
        good = {b"maxmemory-samples": (b"3", b"64", b"65", b"0"), b"slowlog-max-len": (b"5", b"1k", b"-1"), b"hash-max-listpack-entries": (b"5", b"1kb"),
                b"lfu-log-factor": (b"0", b"5"), b"notify-keyspace-events": (b"KEA", b"gKx", b"K$", b"Q"), b"lazyfree-lazy-user-del": (b"yes", b"NO"),
                b"slowlog-log-slower-than": (b"-1", b"5"), b"hz": (b"20", b"0", b"501"), b"list-max-listpack-size": (b"-5", b"-6", b"8"),
                b"set-max-intset-entries": (b"7", b"0"), b"zset-max-listpack-value": (b"10", b"1mb")}.get(parameter)
        if good is None:
            # Parameters that matter to the run only see values that are refused; an empty password or dir is never tried.
            value = g.pick((b"maybe", b"60", b"0 1", b"60 x", b"60 -1", b"x 1", b"60 1 60", b" 1", b" ")) if parameter == b"save" else \
                b"maybe" if parameter in (b"maxmemory-policy", b"appendonly", b"dir", b"client-output-buffer-limit", b"nosuch",
                                              b"enable-debug-command") else g.pick((b"x", b"1.5", b"-5000000000", b"99999999999999999999"))
        else:
            value = g.pick(good + good + bad)
        pairs += [g.pick((parameter, parameter, parameter.upper())), value]
    return b"CONFIG", b"SET", *pairs


@connection.generator(weight=0.5)
def config_other(g):
    return g.pick(((b"CONFIG", b"SET"), (b"CONFIG", b"SET", b"hz"), (b"CONFIG", b"SET", b"hz", b"10", b"hz"), (b"CONFIG", b"RESETSTAT", b"x"), (b"CONFIG", b"RESETSTAT"),
                   (b"CONFIG", b"FOO"), (b"CONFIG",), (b"CONFIG", b"GET")))


@connection.generator(weight=2, damage=False)
def unknown(g):
    return g.pick((
        (b"NOSUCH",), (b"nosuch", b"a", b"b"), (b"x" * 200, b"y" * 100, b"z" * 100, b"w"), (b"", b""), (b"a\r\nb", b"c\r\nd"), (b"\x00\xff", b"\x00"),
        (b"OBJECT",), (b"OBJECT", b"NOSUCH"), (b"MEMORY", b"NOSUCH"), (b"MEMORY",), (b"MEMORY", b"USAGE"), (b"MEMORY", b"USAGE", b"nosuch"),
        (b"MEMORY", b"USAGE", b"k0", b"SAMPLES", b"-1"), (b"MEMORY", b"USAGE", b"k0", b"SAMPLES", b"x"), (b"MEMORY", b"USAGE", b"k0", b"x"),
        (b"DEBUG",), (b"DEBUG", b"NOSUCH"), (b"DEBUG", b"ERROR", b"ERR some text"), (b"DEBUG", b"ERROR", b"TEXT"), (b"DEBUG", b"OBJECT", b"nosuch"),
        (b"SHUTDOWN", b"x"), (b"SHUTDOWN", b"NOSAVE", b"SAVE"), (b"SHUTDOWN", b"ABORT"), (b"TIME", b"x"), (b"LOLWUT", b"VERSION", b"x"),
        (b"x",) + tuple(b"%d" % number for number in range(60)), (b"GET" * 50, b"'quoted'"), (b"DBSIZE", b"x"), (b"INFO", b"nosuch"),
    ))
