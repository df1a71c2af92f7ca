"""What a call does to others: events, broken WATCHes, invalidation messages and served waits are the same whether a compiled method
runs the command or redis-py does. And the compiled methods do run it, whoever watches, tracks or listens."""
import threading

import pytest
import redis
from kit.compiled_calls import redis_py_calls

import hutch

# Each is run on the keys of `prepare`.
CALLS = {
    "set": lambda r: r.set("text", "other"),
    "set anew": lambda r: r.set("new", "x"),
    "set over a list": lambda r: r.set("list", "x"),
    "set ex": lambda r: r.set("text", "x", ex=100),
    "incr": lambda r: r.incr("number"),
    "incr anew": lambda r: r.incr("new", 7),
    "incr text that is a number": lambda r: r.incr("digits"),
    "decrby": lambda r: r.decrby("number", 3),
    "delete": lambda r: r.delete("text"),
    "delete many": lambda r: r.delete("text", "absent", "list", "text"),
    "delete none": lambda r: r.delete("absent"),
    "unlink": lambda r: r.unlink("hash", "number"),
    "exists": lambda r: r.exists("text", "absent"),
    "ttl": lambda r: (r.ttl("text"), r.ttl("mortal"), r.pttl("mortal"), r.ttl("absent")),
    "get": lambda r: (r.get("text"), r.get("absent")),
    "expire": lambda r: r.expire("text", 100),
    "expire at once": lambda r: r.expire("text", -1),
    "hset": lambda r: r.hset("hash", "field", "x"),
    "lpush": lambda r: r.lpush("list", "x"),
    "rpop": lambda r: r.rpop("list"),
    "sadd": lambda r: r.sadd("set", "x"),
    "zadd": lambda r: r.zadd("zset", {"x": 1}),
    "xadd": lambda r: r.xadd("stream", {"x": 1}, "1-1"),
}
KEYS = ["text", "digits", "number", "mortal", "list", "hash", "set", "zset", "stream", "new", "absent"]


class General(hutch.Redis):
    def execute_command(self, *args, **options):
        return super().execute_command(*args, **options)


def prepare(r):
    r.set("text", "x")
    r.set("number", 5)
    r.append("digits", "12")
    r.set("mortal", "x", px=10 ** 6)
    r.rpush("list", "a", "b")
    r.hset("hash", "f", "v")


def messages(pubsub):
    found = []
    while (message := pubsub.get_message()) is not None:
        found.append((message["channel"], message["data"]))
    return found


def effects(kind, call):
    """What others hear of the call: the reply, keyspace events, broken WATCHes, invalidated keys (of one client that has read the
    keys, and of one that hears of all)."""
    store = hutch.Store(notify_keyspace_events="KEAn")
    store.engine.set_clock_ms(1_700_000_000_000)
    others = hutch.Redis(store=store)
    client = kind(store=store)
    prepare(client)
    heard = others.pubsub(ignore_subscribe_messages=True)
    heard.psubscribe("__key*__:*")
    watching = {key: others.pipeline() for key in KEYS}
    for key, pipe in watching.items():
        pipe.watch(key)
    tracking = [store.engine.session(), store.engine.session()]
    for session, mode in zip(tracking, (("ON",), ("ON", "BCAST"))):
        session.protocol = 3
        session.execute(["CLIENT", "TRACKING", *mode])
        for key in KEYS:
            session.execute(["TYPE", key])
    messages(heard)
    assert client.ping()
    general, (_, reply) = redis_py_calls(call, client)
    assert general == 0 if kind is hutch.Redis else general > 0
    return reply, messages(heard), [pushes(session) for session in tracking], broken(watching)


def pushes(session):
    found = []
    while (replies := session.receive(0)) is not None:
        while replies:
            found.append(replies.read())
    return found


def broken(watching):
    found = []
    for key, pipe in watching.items():
        pipe.multi()
        pipe.ping()
        try:
            pipe.execute()
        except redis.WatchError:
            found.append(key)
    return found


@pytest.mark.parametrize("name", CALLS)
def test_others_hear_the_same(name):
    mine, general = effects(hutch.Redis, CALLS[name]), effects(General, CALLS[name])
    assert mine == general
    if name not in ("delete none", "exists", "ttl", "get"):
        _, events, told, broken = mine
        assert events and broken and all(told)


def test_what_others_hear_of_an_increment():
    reply, events, told, broken = effects(hutch.Redis, CALLS["incr"])
    assert reply == 6 and broken == ["number"] and told == [[[b"invalidate", [b"number"]]]] * 2
    assert events == [(b"__keyspace@0__:number", b"incrby"), (b"__keyevent@0__:incrby", b"number")]


@pytest.mark.parametrize("kind", (hutch.Redis, General))
@pytest.mark.parametrize("method", ("delete", "unlink"))
def test_who_waits_for_a_stream_hears_of_its_end(kind, method):
    store = hutch.Store()
    r = kind(store=store)
    r.xgroup_create("stream", "group", mkstream=True)
    heard = []

    def wait():
        try:
            heard.append(hutch.Redis(store=store).xreadgroup("group", "me", {"stream": ">"}, block=0))
        except redis.ResponseError as error:
            heard.append(str(error))
    thread = threading.Thread(target=wait)
    thread.start()
    while not r.info("clients")["blocked_clients"]:
        pass
    calls, (_, removed) = redis_py_calls(getattr(r, method), "stream")
    assert removed == 1 and (calls == 0) == (kind is hutch.Redis)
    thread.join(10)
    assert len(heard) == 1 and heard[0].startswith("NOGROUP")
