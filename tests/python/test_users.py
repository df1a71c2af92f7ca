"""Embedded clients that log in: the same rights by every way in, and none of the owner's."""
import asyncio
import subprocess
import sys
import threading
import time

import pytest
import redis
import redis.exceptions

import hutch
import hutch.asyncio
from kit.launch import HUTCH_ENVIRONMENT
from kit.waiting import SLOW

NO = redis.exceptions.NoPermissionError


@pytest.fixture
def store():
    with hutch.Store() as store:
        owner = hutch.Redis(store=store)
        owner.acl_setuser("app", enabled=True, passwords=["+p"], keys=["app:*"], categories=["+@all"], commands=["-flushall", "-decrby"])
        owner.acl_setuser("all", enabled=True, nopass=True, keys=["*"], categories=["+@all"], commands=["-unlink"])
        yield store


def as_user(store, name="app", password="p", **options):
    return hutch.Redis(store=store, username=name, password=password, **options)


def test_the_owner_needs_no_rights(store):
    owner = hutch.Redis(store=store)
    owner.execute_command("ACL", "SETUSER", "default", "off", "-@all")
    assert owner.set("x", 1) and owner.acl_whoami() == "default"
    assert hutch.Redis(store=store).get("x") == b"1"
    owner.execute_command("RESET")
    assert owner.get("x") == b"1"
    with pytest.raises(redis.exceptions.AuthenticationError):
        as_user(store, "default", "x").ping()


def test_logging_in(store):
    assert as_user(store).acl_whoami() == "app"
    assert as_user(store, decode_responses=True, protocol=3).client_info()["user"] == "app"
    for name, password in (("app", "wrong"), ("nobody", "p")):
        for protocol in (2, 3):
            with pytest.raises(redis.exceptions.AuthenticationError):
                as_user(store, name, password, protocol=protocol).ping()
    # After RESET it is any newcomer, and not the owner.
    user = as_user(store, single_connection_client=True)
    hutch.Redis(store=store).acl_setuser("default", enabled=True, nopass=True, categories=["-@all"], reset_keys=True)
    user.execute_command("RESET")
    with pytest.raises(NO):
        user.get("app:1")


CALLS = [
    ("get", "{}1"), ("set", "{}1", "x"), ("set", "{}1", "x", {"ex": 10}), ("delete", "{}1"), ("unlink", "{}1"), ("exists", "{}1"),
    ("ttl", "{}1"), ("pttl", "{}1"),
    ("incrby", "{}2", 1), ("incr", "{}2"), ("hset", "{}h", "f", "v"), ("hget", "{}h", "f"), ("hgetall", "{}h"), ("lpush", "{}l", 1, 2),
    ("lrange", "{}l", 0, -1), ("sadd", "{}s", 1), ("smembers", "{}s"), ("zadd", "{}z", {"a": 1}),
    ("zrange", "{}z", 0, -1), ("mget", ["{}1", "app:2"]),
    ("eval", "return redis.call('get', KEYS[1])", 1, "{}1"), ("expire", "{}1", 100), ("getdel", "{}1"), ("append", "{}1", "x"),
    ("rpop", "{}l"),
    ("sunion", ["{}s", "app:s"]), ("xadd", "{}x", {"a": 1}), ("json", "{}j"),
]


def run(client, call, prefix):
    def put(word):
        return [put(each) for each in word] if isinstance(word, list) else word.replace("{}", prefix) if isinstance(word, str) else word
    options = call[-1] if isinstance(call[-1], dict) and call[0] == "set" else {}
    arguments = [put(word) for word in (call[1:-1] if options else call[1:])]
    if call[0] == "json":
        return client.json().set(arguments[0], "$", [1])
    return getattr(client, call[0])(*arguments, **options)


@pytest.mark.parametrize("call", CALLS, ids=lambda call: call[0])
def test_compiled_methods_and_pipelines(store, call):
    user = as_user(store)
    run(user, call, "app:")
    with pytest.raises(NO):
        run(user, call, "other:")
    for transaction in (False, True):
        pipe = user.pipeline(transaction=transaction)
        run(pipe, call, "other:")
        pipe.set("app:after", str(transaction))
        if transaction:
            with pytest.raises((NO, redis.exceptions.ExecAbortError)):
                pipe.execute()
        else:
            refused, done = pipe.execute(raise_on_error=False)
            assert isinstance(refused, NO) and done is True
    assert user.get("app:after") == b"False"


def test_all_keys_but_not_all_commands(store):
    user = as_user(store, "all", "x")
    assert user.set("a", 1) and user.get("a") == b"1" and user.incr("a") == 2
    with pytest.raises(NO):
        user.unlink("a")
    with pytest.raises(NO):
        as_user(store).decr("app:1")
    with pytest.raises(NO):
        as_user(store).flushall()


def test_rights_that_change_while_compiled_methods_run(store):
    user = as_user(store)
    owner = hutch.Redis(store=store)
    assert user.set("app:1", 1)
    owner.execute_command("ACL", "SETUSER", "app", "-set")
    with pytest.raises(NO):
        user.set("app:1", 1)
    owner.execute_command("ACL", "SETUSER", "app", "+set", "~other*")
    assert user.set("other", 1)
    owner.execute_command("ACL", "SETUSER", "app", "allkeys", "allchannels", "allcommands")
    assert user.flushall()
    owner.acl_deluser("app")
    with pytest.raises(redis.exceptions.RedisError):
        user.get("app:1")


def test_a_waiting_caller_whose_rights_go(store):
    owner = hutch.Redis(store=store)
    found = []

    def wait():
        try:
            found.append(as_user(store).blpop("app:l", 10))
        except Exception as error:
            found.append(error)
    thread = threading.Thread(target=wait)
    thread.start()
    while not owner.info("clients")["blocked_clients"]:
        time.sleep(0.01)
    owner.execute_command("ACL", "SETUSER", "app", "resetkeys", "~b*")
    owner.rpush("app:l", 1)
    thread.join(20)
    assert isinstance(found[0], NO) and owner.llen("app:l") == 1


def test_asyncio(store):
    async def main():
        async with hutch.asyncio.Redis(store=store, username="app", password="p") as user:
            assert await user.set("app:1", 1) and await user.get("app:1") == b"1"
            for _ in range(3):
                with pytest.raises(NO):
                    await user.set("x", 1)
            with pytest.raises(NO):
                await asyncio.gather(*[user.get(f"app:{i}") for i in range(20)], user.get("x"))
            pipe = user.pipeline(transaction=False).set("app:2", 2).set("x", 1)
            with pytest.raises(NO):
                await pipe.execute()
            assert await user.get("app:2") == b"2"
            with pytest.raises(NO):
                await user.blpop("x", 1)
        async with hutch.asyncio.Redis(store=store, username="app", password="wrong") as user:
            with pytest.raises(redis.exceptions.AuthenticationError):
                await user.ping()
    asyncio.run(main())


def test_messages(store):
    owner = hutch.Redis(store=store)
    owner.execute_command("ACL", "SETUSER", "app", "&news")
    listener = as_user(store).pubsub(ignore_subscribe_messages=True)
    with pytest.raises(NO):
        listener.subscribe("other")
        listener.get_message(timeout=1)
    listener = as_user(store).pubsub(ignore_subscribe_messages=True)
    listener.subscribe("news")
    assert listener.get_message(timeout=0.1) is None
    owner.publish("news", "x")
    assert listener.get_message(timeout=5)["data"] == b"x"


def test_over_a_socket(store):
    with hutch.Server(store=store, port=0) as server:
        user = redis.Redis(port=server.port, username="app", password="p")
        assert user.set("app:1", 1)
        with pytest.raises(NO):
            user.get("x")
        with pytest.raises(redis.exceptions.AuthenticationError):
            redis.Redis(port=server.port, username="app", password="wrong").ping()


OTHER = """
import sys
import hutch, redis
user = hutch.Redis(sys.argv[1], username="app", password="p")
print(user.acl_whoami(), user.set("app:1", 1))
try:
    user.set("other", 1)
except redis.exceptions.NoPermissionError as error:
    print(error)
"""


def test_a_store_that_another_process_owns(tmp_path):
    owner = hutch.Redis(tmp_path / "store")
    owner.acl_setuser("app", enabled=True, passwords=["+p"], keys=["app:*"], categories=["+@all"])
    with pytest.raises(NO):
        hutch.Redis(tmp_path / "store", username="app", password="p").set("other", 1)
    other = subprocess.run([sys.executable, "-c", OTHER, str(tmp_path / "store")], env=HUTCH_ENVIRONMENT, capture_output=True, text=True,
                           timeout=60 * SLOW)
    assert other.stdout.splitlines() == ["app True", "No permissions to access a key"], other.stderr
    owner.close()
