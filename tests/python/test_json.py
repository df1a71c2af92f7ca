"""`r.json()` of redis-py: one row of calls on a client, in pipelines, by asyncio and over TCP, in both protocols, has the results that it has
on a Redis with RedisJSON."""
import asyncio

import pytest
import redis
from redis.commands.json import JSON
from redis.exceptions import RedisError

import hutch
import hutch.asyncio
from kit.json_oracle import MISSING, json_server

pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated nummultby")

PERSON = {"name": "Alice", "age": 30, "balance": 2.5, "tags": ["a", "b"], "address": {"city": "Paris", "zip": "75001"}, "active": True,
          "nothing": None, "big": 2**63 - 1, "empty": {}, "text": "quote \" and \u00e9\U0001f600"}
ROWS = {"rows": [{"id": n, "price": n * 1.5, "name": f"row {n}"} for n in range(5)], "numbers": list(range(10)), "doubles": [0.5, 1.25, -3.0]}

# (method, arguments, keyword arguments) of json()
CALLS = [
    ("set", ("p", "$", PERSON), {}), ("set", ("r", "$", ROWS), {}), ("set", ("p", "$.age", 31), {}), ("set", ("p", "$.new", [1]), {}),
    ("set", ("p", "$.age", 1), {"nx": True}), ("set", ("p", "$.nope", 1), {"xx": True}), ("set", ("p", "$.age", 32), {"xx": True}),
    ("set", ("new", ".", {"a": 1}), {"nx": True}), ("set", ("p", "$.x.y", 1), {}), ("set", ("missing", "$.a", 1), {}),
    ("get", ("p",), {}), ("get", ("p", "$"), {}), ("get", ("p", "."), {}), ("get", ("p", "$.age"), {}), ("get", ("p", ".age"), {}),
    ("get", ("p", "$.address.city", "$.tags"), {}), ("get", ("p", ".name", ".age"), {}), ("get", ("p", "$..city"), {}), ("get", ("p", ".nope"), {}),
    ("get", ("p", "$.nope"), {}), ("get", ("missing",), {}), ("get", ("p", "$.text"), {"no_escape": True}), ("get", ("r", "$.rows[?(@.price>2)].name"), {}),
    ("get", ("r", "$.numbers[2:5]"), {}), ("mget", (["p", "r", "missing"], "$.age"), {}), ("mget", (["p", "missing"], ".name"), {}),
    ("mset", ([("m1", "$", {"a": 1}), ("m2", "$", [1, 2])],), {}), ("mset", ([("m1", "$.a", 5), ("missing", "$.a", 1)],), {}),
    ("merge", ("p", "$", {"age": 33, "nothing": None, "address": {"zip": None, "country": "FR"}}), {}), ("merge", ("p", "$.address", {"city": "Lyon"}), {}),
    ("type", ("p",), {}), ("type", ("p", "$"), {}), ("type", ("p", "$.*"), {}), ("type", ("p", ".age"), {}), ("type", ("missing",), {}), ("type", ("p", ".nope"), {}),
    ("numincrby", ("p", "$.age", 2), {}), ("numincrby", ("p", ".age", 2), {}), ("numincrby", ("p", "$.balance", 0.25), {}), ("numincrby", ("r", "$..price", 1), {}),
    ("numincrby", ("p", "$.name", 1), {}), ("nummultby", ("p", "$.age", 2), {}), ("nummultby", ("p", ".balance", 3), {}), ("numincrby", ("missing", "$", 1), {}),
    ("strappend", ("p", "!", "$.name"), {}), ("strappend", ("p", "?", ".name"), {}), ("strappend", ("p", "x", "$.*"), {}), ("strlen", ("p", "$.name"), {}),
    ("strlen", ("p", ".name"), {}), ("strlen", ("p", "$.*"), {}), ("strlen", ("missing", "."), {}),
    ("arrappend", ("p", "$.tags", "c", {"d": 1}), {}), ("arrappend", ("p", ".tags", 1), {}), ("arrappend", ("p", "$.name", 1), {}), ("arrindex", ("p", "$.tags", "b"), {}),
    ("arrindex", ("p", ".tags", "c"), {"start": 1, "stop": 3}), ("arrindex", ("r", "$.numbers", 7), {}), ("arrinsert", ("p", "$.tags", 0, "z"), {}),
    ("arrinsert", ("p", ".tags", 1, "y", "x"), {}), ("arrinsert", ("p", "$.tags", 99, "y"), {}), ("arrlen", ("p", "$.tags"), {}), ("arrlen", ("p", ".tags"), {}),
    ("arrlen", ("p", "$.*"), {}), ("arrpop", ("p", "$.tags"), {}), ("arrpop", ("p", ".tags", 0), {}), ("arrpop", ("p", "$.tags", -1), {}), ("arrpop", ("p", "$.new"), {}),
    ("arrpop", ("p", "$.new"), {}), ("arrtrim", ("r", "$.numbers", 1, 4), {}), ("arrtrim", ("r", ".numbers", 0, 1), {}),
    ("objkeys", ("p", "$"), {}), ("objkeys", ("p", "."), {}), ("objkeys", ("p", "$.*"), {}), ("objlen", ("p", "$.address"), {}), ("objlen", ("p", "."), {}),
    ("toggle", ("p", "$.active"), {}), ("toggle", ("p", ".active"), {}), ("toggle", ("p", "$.*"), {}), ("resp", ("p", "."), {}), ("resp", ("p", "$.tags"), {}),
    ("resp", ("r", ".doubles"), {}), ("clear", ("p", "$.address"), {}), ("clear", ("p", "$.age"), {}), ("clear", ("r", "$.*"), {}), ("clear", ("missing", "$"), {}),
    ("delete", ("p", "$.tags"), {}), ("delete", ("p", ".nope"), {}), ("forget", ("p", "$.name"), {}), ("delete", ("r",), {}), ("delete", ("missing",), {}),
    ("get", ("p",), {}), ("get", ("r",), {}), ("get", ("p", "$["), {}), ("set", ("p", "$.a b", 1), {}), ("arrindex", ("p", ".nope", 1), {}),
]
CALLS = [call for call in CALLS if hasattr(JSON, call[0])]


@pytest.fixture(scope="module")
def module():
    server = json_server()
    if server is None:
        pytest.skip(MISSING)
    yield server
    server.stop()


def told(error):
    """A pipeline says which command it was."""
    return type(error), str(error).partition(" of pipeline caused error: ")[2] or str(error)


def outcome(call):
    try:
        return call()
    except RedisError as error:
        return told(error)


def run(json):
    return [outcome(lambda: getattr(json, method)(*arguments, **options)) for method, arguments, options in CALLS]


def run_pipeline(client, transaction):
    pipe = client.pipeline(transaction=transaction)
    json = pipe.json()
    for method, arguments, options in CALLS:
        getattr(json, method)(*arguments, **options)
    return [told(item) if isinstance(item, Exception) else item for item in pipe.execute(raise_on_error=False)]


@pytest.fixture(params=(2, 3))
def protocol(request):
    return request.param


@pytest.fixture
def theirs(module, protocol):
    with redis.Redis(host=module.host, port=module.port, protocol=protocol) as client:
        client.flushall()
        yield client


def compare(ours, wanted):
    for call, mine, other in zip(CALLS, ours, wanted, strict=True):
        # The order in which the module answers several paths is that of a hash table.
        assert mine == other and type(mine) is type(other), call


def test_client(theirs, protocol):
    with hutch.Redis(protocol=protocol) as client:
        compare(run(client.json()), run(theirs.json()))


def test_tcp(theirs, protocol):
    with hutch.Server(port=0) as server, redis.Redis(host="127.0.0.1", port=server.port, protocol=protocol) as client:
        compare(run(client.json()), run(theirs.json()))


@pytest.mark.parametrize("transaction", (False, True))
def test_pipelines(theirs, protocol, transaction):
    with hutch.Redis(protocol=protocol) as client:
        compare(run_pipeline(client, transaction), run_pipeline(theirs, transaction))


def test_asyncio(theirs, protocol):
    async def run_all():
        async with hutch.asyncio.Redis(protocol=protocol) as client:
            json, results = client.json(), []
            for method, arguments, options in CALLS:
                try:
                    results.append(await getattr(json, method)(*arguments, **options))
                except RedisError as error:
                    results.append(told(error))
            return results
    compare(asyncio.run(run_all()), run(theirs.json()))


def test_asyncio_pipeline(theirs, protocol):
    async def run_all():
        async with hutch.asyncio.Redis(protocol=protocol) as client:
            pipe = client.pipeline()
            json = pipe.json()
            for method, arguments, options in CALLS:
                getattr(json, method)(*arguments, **options)
            return [told(item) if isinstance(item, Exception) else item for item in await pipe.execute(raise_on_error=False)]
    compare(asyncio.run(run_all()), run_pipeline(theirs, True))


def test_decoded(protocol):
    with hutch.Redis(protocol=protocol, decode_responses=True) as client:
        client.json().set("k", "$", PERSON)
        assert client.json().get("k") == PERSON
        assert client.json().get("k", "$.address.city") == ["Paris"]
        assert client.type("k") == "ReJSON-RL"
        assert list(client.scan_iter(_type="ReJSON-RL")) == ["k"]


def test_what_clients_look_for():
    """Object mappers and user interfaces ask in one of these ways whether a server knows JSON."""
    with hutch.Redis(decode_responses=True) as client:
        assert [module["name"] for module in client.module_list()] == ["ReJSON"]
        modules = client.info("modules")["modules"]
        assert [(module["name"], module["ver"]) for module in modules] == [("ReJSON", 20803)]
        assert client.execute_command("COMMAND", "INFO", "JSON.SET")
        assert client.execute_command("HELLO", 3)["modules"][0]["name"] == "ReJSON"


def test_precision_of_arrays_is_taken_and_kept_exactly():
    """Newer ones of redis-py may name a precision for arrays of doubles."""
    with hutch.Redis() as client:
        assert client.execute_command("JSON.SET", "k", "$", "[0.1,0.2]", "FPHA", "FP16") in (b"OK", True)
        assert client.json().get("k") == [0.1, 0.2]
        with pytest.raises(redis.ResponseError, match="syntax error"):
            client.execute_command("JSON.SET", "k", "$", "[0.1,0.2]", "FPHA", "FP128")
