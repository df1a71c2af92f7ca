"""The compiled methods: redis-py's signatures, the slow path's results, and out of the way when asked."""
import inspect

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

import hutch
from hutch.connection import BYTEARRAYS
from kit.compiled_calls import CALLS

METHODS = ["get", "set", "incr", "incrby", "decr", "decrby", "delete", "unlink", "exists", "ttl", "pttl"]


class General(hutch.Redis):
    """The same client on the slow path: whoever overrides execute_command must see every command."""

    def execute_command(self, *args, **options):
        return super().execute_command(*args, **options)


@pytest.mark.parametrize("name", METHODS)
def test_signature(name):
    mine = inspect.signature(getattr(hutch.Redis, name)).parameters
    theirs = inspect.signature(getattr(redis.Redis, name)).parameters
    if redis.VERSION >= (8, 1):
        assert list(mine) == list(theirs)
    shared = [parameter for parameter in theirs if parameter != "self"]
    assert [mine[p].default for p in shared] == [theirs[p].default for p in shared]
    assert [mine[p].kind for p in shared] == [theirs[p].kind for p in shared]
    assert getattr(hutch.Redis, name).__doc__


def outcome(client, call):
    call, options = (call[:-1], call[-1]) if isinstance(call[-1], dict) else (call, {})
    try:
        return getattr(client, call[0])(*call[1:], **options)
    except Exception as error:
        return type(error), str(error)


@settings(max_examples=100, deadline=None)
@given(st.booleans(), st.lists(CALLS, max_size=30))
def test_same_as_the_general_way(decode, calls):
    hot, general = hutch.Redis(decode_responses=decode), General(decode_responses=decode)
    hot.ping()
    general.ping()
    assert hot._hot and not general._hot
    for call in calls:
        assert outcome(hot, call) == outcome(general, call), call
    # A reply that cannot be decoded makes redis-py connect anew: the handshakes may differ.
    mine, theirs = ({name: stat["calls"] for name, stat in client.info("commandstats").items()
                     if name not in ("cmdstat_hello", "cmdstat_client|setinfo")} for client in (hot, general))
    assert mine == theirs
    for section, fields in (("stats", ("keyspace_hits", "keyspace_misses")),
                            ("persistence", ("rdb_changes_since_last_save",))):
        mine, theirs = hot.info(section), general.info(section)
        assert {f: mine[f] for f in fields} == {f: theirs[f] for f in fields}


def test_customised_callbacks():
    r = hutch.Redis()
    r.set("k", "v")
    assert r._hot
    r.set_response_callback("GET", lambda response, **options: ("mine", response))
    assert r.get("k") == ("mine", b"v")
    other = hutch.Redis()
    other.response_callbacks["get"] = lambda response, **options: "lower"
    assert other.get("k") == "lower"
    third = hutch.Redis()
    third.response_callbacks = {"GET": lambda response, **options: "replaced"}
    assert third.get("k") == "replaced"


def test_patched_instance():
    r = hutch.Redis()
    r.set("k", "v")
    seen = []
    original = r.execute_command
    r.execute_command = lambda *args, **options: seen.append(args) or original(*args, **options)
    assert r.get("k") == b"v" and seen == [("GET", "k")]
    del r.execute_command
    assert r.get("k") == b"v" and len(seen) == 1


def test_subclass_sees_commands():
    seen = []

    class Prefixed(hutch.Redis):
        def execute_command(self, *args, **options):
            seen.append(args[0])
            return super().execute_command(*args, **options)

    r = Prefixed()
    r.set("k", 1)
    r.incr("k")
    r.delete("k")
    assert seen == ["SET", "INCRBY", "DEL"]


def test_a_tcp_pool_is_the_general_way(oracle):
    pool = redis.ConnectionPool(host=oracle.host, port=oracle.port)
    r = hutch.Redis(connection_pool=pool)
    r.set("over", "tcp")
    assert r.get("over") == b"tcp" and not r._hot


def test_expiry_is_kept():
    store = hutch.Store()
    r = hutch.Redis(store=store)
    store.engine.set_clock_ms(1_700_000_000_000)
    r.set("k", "v", px=100)
    store.engine.advance_clock_ms(100)
    assert r.get("k") == b"v"
    store.engine.advance_clock_ms(1)
    assert r.get("k") is None and r.exists("k") == 0
    r.set("k", "v", px=100)
    assert r.pttl("k") == 100 and r.ttl("k") == 0
    r.set("k", "w")
    assert r.ttl("k") == -1


@pytest.mark.parametrize("left", (1, 499, 500, 999, 1499, 1500, 10**15 + 500, 2**63 - 1 - 1_700_000_000_000))
def test_seconds_to_live_are_rounded_as_by_the_command(left):
    store = hutch.Store()
    with hutch.Redis(store=store) as r:
        store.engine.set_clock_ms(1_700_000_000_000)
        r.set("k", "v")
        r.pexpireat("k", 1_700_000_000_000 + left)
        assert r._hot and r.ttl("k") == r.execute_command("TTL", "k") == (left + 500) // 1000
        assert r.pttl("k") == r.execute_command("PTTL", "k") == left
        with r.pipeline(transaction=False) as pipe:
            assert pipe.ttl("k").pttl("k").execute() == [(left + 500) // 1000, left]


def test_memory_limit():
    r = hutch.Redis(store=hutch.Store(maxmemory_policy="noeviction"))
    r.set("k", "v")
    r.config_set("maxmemory", 1)
    for attempt in (lambda: r.set("a", 1), lambda: r.incr("a")):
        with pytest.raises(redis.exceptions.OutOfMemoryError):
            attempt()
    assert r.get("k") == b"v" and r.delete("k") == 1
    r.config_set("maxmemory", 0)
    assert r.set("a", 1)


def test_wrong_type_and_not_an_integer():
    r = hutch.Redis()
    r.set("s", "text")
    with pytest.raises(redis.exceptions.ResponseError, match="not an integer or out of range"):
        r.incr("s")
    r.set("n", 2 ** 63 - 1)
    with pytest.raises(redis.exceptions.ResponseError, match="increment or decrement would overflow"):
        r.incr("n")


def test_words_that_are_none():
    r = hutch.Redis()
    r.set("k", 1)
    for attempt in (lambda: r.get(None), lambda: r.set(None, 1), lambda: r.set("k", None), lambda: r.delete(None),
                    lambda: r.exists(object()), lambda: r.set("k", True)):
        with pytest.raises(redis.exceptions.DataError, match="Convert to a"):
            attempt()
    for attempt in (lambda: r.get(), lambda: r.set("k"), lambda: r.set("k", 1, nonsense=2), lambda: r.get("a", "b")):
        with pytest.raises(TypeError):
            attempt()


def test_bytearrays():
    r = hutch.Redis()
    name = bytearray(b"name")
    if not BYTEARRAYS:                      # this redis-py takes none, and so its clients in this process take none
        with pytest.raises(redis.DataError, match="'bytearray'"):
            r.set(name, b"value")
        return
    assert r.set(name, bytearray(b"value")) and r.get("name") == b"value" and r.get(memoryview(name)) == b"value"
    name += b"more"              # it was pinned during the call only
    assert r.exists(name) == 0
