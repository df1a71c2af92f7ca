"""The compiled methods that the declarations describe: redis-py's signatures, its words, its exceptions; and they are what runs."""
import asyncio
import inspect
import random
import re
import sys
from pathlib import Path

import pytest
import redis
import redis.asyncio
from kit.compiled_calls import redis_py_calls
from kit.random_calls import PREPARED, random_call

import hutch
import hutch.asyncio

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import compiled_methods                                                     # noqa: E402
import declarations                                                         # noqa: E402

DECLARED = [command for command in declarations.load(ROOT / "engine/hutch_engine/commands") if command.python]
METHODS = sorted(name for command in DECLARED for name in (command.python.name, *command.python.aliases))
# redis-py wraps these to warn of options that are new.
WRAPPED = {"set"}


def test_there_are_many():
    assert len(METHODS) > 110 and len(set(METHODS)) == len(METHODS)


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("mine, theirs", [(hutch.Redis, redis.Redis), (hutch.client.Pipeline, redis.client.Pipeline),
                                          (hutch.asyncio.Redis, redis.asyncio.Redis)], ids=["client", "pipeline", "asyncio"])
def test_signatures(mine, theirs, name):
    function = getattr(theirs, name)
    assert not hasattr(function, "__wrapped__") or name in WRAPPED, "redis-py has something to say of that method itself"
    theirs = inspect.signature(function).parameters
    found = inspect.signature(getattr(mine, name)).parameters
    if redis.VERSION >= (8, 1):
        assert list(found) == list(theirs)
    shared = [parameter for parameter in theirs if parameter != "self"]
    assert [found[p].default for p in shared] == [theirs[p].default for p in shared]
    assert [found[p].kind for p in shared] == [theirs[p].kind for p in shared]
    assert getattr(mine, name).__doc__ and getattr(mine, name).__name__ in (name, function.__name__)


ENCODER = redis.Redis().get_encoder()


def spelled(words):
    """As it goes over the wire; what cannot go stays as it is."""
    found = []
    for word in words:
        try:
            found.append(ENCODER.encode(word))
        except redis.DataError:
            found.append(word)
    return found


@pytest.mark.parametrize("name", METHODS)
def test_pipelines_gather_redis_pys_words(name):
    r = random.Random(name)
    client = hutch.Redis()
    client.ping()
    far = redis.Redis()                      # no connection is made until a pipeline is executed
    compiled = 0
    for i in range(300):
        method, args, options = random_call(r, 0.3 if i % 2 else 0, [name])
        mine, theirs = client.pipeline(), far.pipeline()
        calls, found = redis_py_calls(getattr(mine, method), *args, **options)
        _, expected = redis_py_calls(getattr(theirs, method), *args, **options)
        assert found[0] == expected[0] and (found[0] in ("value", TypeError) or found[1] == expected[1]), (args, options)
        gathered, wanted = ([spelled(words) for words, _ in pipe.command_stack] for pipe in (mine, theirs))
        assert gathered == wanted, (args, options)
        compiled += found[0] == "value" and not calls
    assert compiled >= (1 if name in WRAPPED else 10)


@pytest.mark.parametrize("name", METHODS)
def test_a_client_runs_them(name):
    r = random.Random(name)
    client = hutch.Redis()
    for method, args, options in PREPARED:
        getattr(client, method)(*args, **options)
    compiled = 0
    for _ in range(100):
        method, args, options = random_call(r, 0, [name])
        calls, found = redis_py_calls(getattr(client, method), *args, **options)
        compiled += not calls            # an error reply, too
    assert compiled >= 5

    async def awaited():
        other = hutch.asyncio.Redis(store=client.store)
        await other.ping()
        found = 0
        for _ in range(100):
            method, args, options = random_call(r, 0, [name])
            found += not redis_py_calls(run_at_once, getattr(other, method), args, options)[0]
        return found
    assert asyncio.run(awaited()) >= 5


def run_at_once(method, args, options):
    """Await what does not suspend."""
    try:
        method(*args, **options).send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waits")


def test_arguments_in_all_forms():
    r = hutch.Redis()
    r.ping()
    key = "".join(["va", "lue"])             # not the name that the table knows, but equal to it
    for call in (lambda: r.hset("h", "f", "v"), lambda: r.hset("h", key="g", value="v"), lambda: r.hset(name="h", mapping={"x": 1}),
                 lambda: r.hset("h", "k", **{key: "v"})):
        assert call() == 1
    assert r.hgetall("h") == {b"f": b"v", b"g": b"v", b"x": b"1", b"k": b"v"}
    assert r.lmove("no", "list", dest="LEFT") is None and r.mget(("h1", "h2"), "h3") == [None] * 3
    for wrong in (lambda: r.hget("h"), lambda: r.hget("h", "f", "g"), lambda: r.hget("h", name="h"), lambda: r.hget("h", no=1),
                  lambda: r.hexpire("h", 5, "f", seconds=5)):
        with pytest.raises(TypeError):
            wrong()


class General(hutch.Redis):
    def execute_command(self, *args, **options):
        return super().execute_command(*args, **options)


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1"])
def test_other_encodings(encoding):
    def outcomes(client):
        for method, args, options in (
                ("hset", ("ü",), {"mapping": {"ä": "ö"}}), ("hgetall", ("ü",), {}), ("zadd", ("z", {"é": 1.5}), {}),
                ("zscore", ("z", "é"), {}), ("zrange", ("z", 0, -1), {}), ("zrangebyscore", ("z", 0, 5, 0, 1), {}),
                ("xadd", ("x", {"ä": 1}, "1-1", 10), {}),
                ("expire", ("ü", 100), {"nx": True}), ("getex", ("ü",), {"ex": 5}), ("type", ("z",), {})):
            yield redis_py_calls(getattr(client, method), *args, **options)[1]
            pipe = client.pipeline(transaction=False)
            getattr(pipe, method)(*args, **options)
            yield redis_py_calls(pipe.execute)[1]
    mine, general = (list(outcomes(kind(encoding=encoding, decode_responses=encoding == "latin-1")))
                     for kind in (hutch.Redis, General))
    assert mine == general and any(found[0] == "value" for found in mine)


def test_a_dict_that_changes_while_it_is_read():
    class Restless(str):
        def encode(self, *args):
            mapping.clear()
            return b"x"
    r = hutch.Redis(encoding="latin-1")
    r.ping()
    mapping = {"a": Restless("v"), "b": 1, "c": 2}
    with pytest.raises(RuntimeError, match="changed size"):
        r.hset("h", mapping=mapping)
    assert not r.exists("h")


def test_the_tables_agree():
    door = ROOT / "engine/hutch_engine/door"
    kinds = re.findall(r"^    WORD_([A-Z_]+) ", (door / "method_table.pxd").read_text(), re.M)
    named = {"one": "word", "integer": "int"}
    assert [named.get(kind.lower(), kind.lower()) for kind in kinds] == compiled_methods.WORD_KINDS
    shapes = re.findall(r"^    SHAPE_([A-Z]+) ", (door / "replies.pxd").read_text(), re.M)
    assert [shape.lower() for shape in shapes] == compiled_methods.SHAPES == list(declarations.PYTHON_REPLIES)


@pytest.mark.parametrize("table, says", [
    ({"method": "get(name", "words": ["name"], "reply": "value"}, "no signature"),
    ({"method": "get(name)", "words": ["key"], "reply": "value"}, "key is no parameter"),
    ({"method": "get(name)", "words": [], "reply": "value"}, "must be a way"),
    ({"method": "get(name)", "words": ["name!"], "reply": "value"}, "says nothing"),
    ({"method": "get(name)", "words": ["name*"], "reply": "value"}, "needs a \\*name"),
    ({"method": "get(name)", "words": ["name"], "reply": "bytes"}, "none of value"),
    ({"method": "get(name)", "words": ["name"], "reply": "value", "by_hand": ["server"]}, "none of client, pipeline"),
])
def test_mistakes_in_declarations(table, says):
    with pytest.raises(declarations.DeclarationError, match=says):
        declarations._python(table, "here")
