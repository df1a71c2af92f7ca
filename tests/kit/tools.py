"""The tools of the command line, as a test calls them, and stores with something of everything in them."""
from __future__ import annotations

from pathlib import Path

import hutch
from hutch import cli
from hutch.tools.places import open_place
from hutch.tools.selection import Selection

DATA = Path(__file__).resolve().parents[1] / "persistence" / "data"
FILES = sorted(DATA.glob("*.rdb"))
LIBRARY = "#!lua name=shop\nredis.register_function('answer', function(keys, args) return 42 end)"
LATER_MS = 4_102_444_800_000
PAST_MS = 1_600_000_000_000


def tool(capsys, *words):
    """Run `hutch WORDS` in this process: (exit code, standard output, standard error)."""
    capsys.readouterr()
    try:
        code = cli.main([str(word) for word in words])
    except SystemExit as end:        # argparse's
        code = end.code
    out, err = capsys.readouterr()
    return code, out, err


def everything(source):
    """All that is in a file or a store: {(database, key): Record}, and the libraries of functions."""
    with open_place(str(source), skip_unknown=True) as place:
        keys = {(db, record.key): record for db in place.databases() for records in Selection().records(place, db) for record in records}
        return keys, place.libraries()


def fill(execute, *, json=True, field_deadlines=True, many=True):
    """Something of each type, its awkward forms among them; `execute(*words)` sends a command."""
    execute("SET", "string", "hello")
    execute("SET", b"binary\xff\x00\r\n", bytes(range(256)))
    execute("SET", "number", 12345)
    execute("SET", "empty", "")
    execute("SET", "dated", "x", "PXAT", LATER_MS)
    execute("RPUSH", "list", "a", "b", "a", b"\xff\xfe", "")
    execute("SADD", "set", "x", "y", b"\x80")
    execute("SADD", "intset", 1, 2, 3)
    execute("ZADD", "zset", "-inf", "least", 0.1, "tenth", -0.0, "zero", 1e300, "large", 3, "three", "inf", "most")
    execute("HSET", "hash", "f", "v", b"\xff", b"\x00", "", "empty field")
    execute("PFADD", "hyperloglog", "a", "b")
    execute("GEOADD", "places", 13.361389, 38.115556, "Palermo")
    if field_deadlines:
        execute("HSET", "hash:dated", "a", 1, "b", 2, "c", 3)
        execute("HPEXPIREAT", "hash:dated", LATER_MS, "FIELDS", 2, "a", "b")
    fill_streams(execute)
    if json:
        execute("JSON.SET", "document", "$", '{"b":[1,2.5,"\u00e9\\n",null,true,1e300],"a":{"deep":{}},"n":9007199254740993}')
    if many:
        for at in range(0, 3000, 500):
            execute("RPUSH", "list:long", *(f"element {number}" for number in range(at, at + 500)))
            execute("HSET", "hash:long", *(word for number in range(at, at + 500) for word in (f"f{number}", number)))
            execute("ZADD", "zset:long", *(word for number in range(at, at + 500) for word in (number / 7, f"m{number}")))
            execute("SADD", "set:long", *(f"m{number}" for number in range(at, at + 500)))


def fill_streams(execute):
    """Streams with groups, with what is pending, deleted, and both."""
    for number in range(1, 251):
        words = ("a", number, "b", "x" * (number % 50)) if number % 7 else ("other", number)
        execute("XADD", "stream", f"{number}-{number % 3}", *words)
    execute("XGROUP", "CREATE", "stream", "first", "0", "ENTRIESREAD", 0)
    execute("XGROUP", "CREATE", "stream", b"\xff", "$")
    execute("XREADGROUP", "GROUP", "first", "ann", "COUNT", 20, "STREAMS", "stream", ">")
    execute("XREADGROUP", "GROUP", "first", "bob", "COUNT", 5, "STREAMS", "stream", ">")
    execute("XGROUP", "CREATECONSUMER", "stream", "first", "idle")
    execute("XACK", "stream", "first", "3-0")
    execute("XDEL", "stream", "5-2", "40-1", "250-1")
    execute("XADD", "stream:emptied", "5-5", "f", "v")
    execute("XGROUP", "CREATE", "stream:emptied", "g", "0")
    execute("XREADGROUP", "GROUP", "g", "ann", "STREAMS", "stream:emptied", ">")
    execute("XDEL", "stream:emptied", "5-5")
    execute("XGROUP", "CREATE", "stream:never", "g", "$", "MKSTREAM")


def saved(path, *, past=False, databases=(0, 3), **options):
    """An RDB file with something of everything, in these databases; `past`: with keys and a field whose deadlines are over."""
    with hutch.Store() as store:
        for db in databases:
            r = hutch.Redis(store=store, db=db)
            r.response_callbacks.clear()
            fill(r.execute_command, **options)
        r = hutch.Redis(store=store)
        r.function_load(LIBRARY)
        if past:
            store.engine.set_clock_ms(PAST_MS - 1000)
            r.set("over", "x", pxat=PAST_MS)
            r.hset("hash:over", mapping={"gone": "1", "stays": "2"})
            r.hpexpireat("hash:over", PAST_MS, "gone")
        store.engine.configure("dir", str(path.parent))
        store.engine.configure("dbfilename", path.name)
        store.engine.save()
    return path
