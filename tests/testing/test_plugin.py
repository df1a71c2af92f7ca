"""The pytest plugin, in runs of pytest of its own: fixtures, marker, ini options, workers."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[2] / "src"


@pytest.fixture
def run(tmp_path):
    """Run pytest on a file; returns its output, and asserts how it ended: `outcome` is what its last line says."""
    def run(text, outcome, *args, ini=""):
        (tmp_path / "test_it.py").write_text("import pytest\n" + text)
        (tmp_path / "pytest.ini").write_text("[pytest]\n" + ini)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
        done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *args], cwd=tmp_path, text=True,
                              capture_output=True, env=environment)
        assert outcome in done.stdout.strip().splitlines()[-1], done.stdout + done.stderr
        return done.stdout
    return run


def test_every_test_has_a_store_of_its_own(run):
    run('''
import asyncio, redis

@pytest.mark.parametrize("again", range(3))
def test_nothing_is_left(hutch_redis, hutch_async, hutch_server, again):
    r = hutch_redis
    assert r.dbsize() == 0 and r.config_get("maxmemory") == {"maxmemory": "0"} and r.script_exists(SHA) == [False]
    assert r.function_list() == [] and r.pubsub_channels() == [] and r.info("stats")["total_commands_processed"] < 20
    assert "marked" not in vars(r) and r.response_callbacks["GET2"] is None if "GET2" in r.response_callbacks else True
    r.set("key", "v"); r.config_set("maxmemory", "1gb"); r.script_load("return 1"); r.subscriber = r.pubsub(); r.subscriber.subscribe("c")
    r.function_load("#!lua name=l\\nredis.register_function('f', function() return 1 end)")
    r.marked = True
    r.set_response_callback("GET2", None)
    assert asyncio.run(hutch_async.get("key")) == b"v"
    assert redis.from_url(hutch_server.url).get("key") == b"v"
    r.execute_command = None

SHA = "e0e1f9fabfc9d4800c877a703b823ac0578ff8db"
''', "3 passed")


def test_marker_and_options(run):
    run('''
import hutch

pytestmark = pytest.mark.hutch(decode_responses=True)

def test_module(hutch_redis):
    hutch_redis.set("key", "v")
    assert hutch_redis.get("key") == "v"

@pytest.mark.hutch(protocol=3, db=2, parameters={"maxmemory": "5mb"})
def test_function(hutch_redis, hutch_async):
    hutch_redis.set("key", "v")
    assert hutch_redis.get("key") == "v" and hutch_redis.config_get("maxmemory") == {"maxmemory": "5242880"}
    assert hutch_redis.client_info()["db"] == 2 and int(hutch_redis.client_info()["resp"]) == 3

@pytest.mark.hutch(name="sessions")
def test_name(hutch_redis):
    hutch_redis.set("key", "v")
    assert hutch.Redis("sessions").get("key") == b"v"

def test_name_is_gone(hutch_redis):
    assert hutch.Redis("sessions").get("key") is None

@pytest.mark.hutch(decode_responses=False)
def test_nearest_marker(hutch_redis):
    hutch_redis.set("key", "v")
    assert hutch_redis.get("key") == b"v"
''', "5 passed")
    run('''
def test_options(hutch_redis):
    assert int(hutch_redis.client_info()["resp"]) == 3 and hutch_redis.echo("x") == "x"
''', "1 passed", ini="hutch_decode_responses = true\nhutch_protocol = 3\n")
    assert "the marker hutch takes" in run("@pytest.mark.hutch(speed=3)\ndef test_it(hutch_redis): pass\n", "1 error")


def test_clock(run):
    run('''
import redis

def test_held(hutch_redis, hutch_clock, hutch_server):
    hutch_redis.set("key", "v", ex=60)
    hutch_clock.advance(seconds=60)
    assert hutch_redis.get("key") is None and redis.from_url(hutch_server.url).time() == hutch_redis.time()

@pytest.mark.hutch(clock="running")
def test_running(hutch_redis, hutch_clock):
    assert not hutch_clock.is_held

@pytest.mark.hutch(clock="follow")
def test_following(hutch_redis, hutch_clock):
    freezegun = pytest.importorskip("freezegun")
    with freezegun.freeze_time("2030-01-01"):
        assert hutch_redis.time() == (1893456000, 0)

def test_with_patch(hutch_redis, hutch_clock, hutch_patch):
    r = redis.Redis()
    r.set("key", "v", ex=60)
    hutch_clock.advance(seconds=60)
    assert r.get("key") is None and r.time() == hutch_redis.time()
''', "4 passed")
    assert "held, running, follow" in run("def test_it(hutch_clock): pass\n", "1 error", ini="hutch_clock = fast\n")


def test_patch(run):
    test = '''
import redis

client = redis.Redis(port=1)

@pytest.mark.parametrize("again", range(2))
def test_it(again):
    r = redis.Redis("some.host")
    assert r.incr("n") == 1

@pytest.mark.hutch(patch=False)
def test_not_here():
    assert redis.Redis().connection_pool.connection_class is redis.Connection
'''
    run(test, "3 passed", ini="hutch_patch = true\n")
    run('''
import redis

@pytest.fixture
def app():
    return redis.Redis("some.host")          # before the test's body, and under the patch

@pytest.mark.hutch(patch=True)
def test_it(app):
    assert app.ping()

def test_fixture(hutch_patch, app):
    app.set("key", "v")
    assert hutch_patch.client("redis://some.host").get("key") == b"v"
''', "2 passed")


def test_workers_have_nothing_to_do_with_each_other(run):
    pytest.importorskip("xdist")
    run('''
import redis

@pytest.mark.parametrize("number", range(40))
@pytest.mark.hutch(name="shared")
def test_it(hutch_redis, hutch_server, number):
    assert hutch_redis.incr("n") == 1
    assert redis.from_url(hutch_server.url).incr("n") == 2
''', "40 passed", "-n", "2")


def test_the_plugin_alone_loads_no_engine(run):
    run('''
import sys

def test_it():
    assert "hutch_pytest" in sys.modules and "hutch" not in sys.modules and "redis" not in sys.modules
''', "1 passed")


def test_one_patch_for_the_whole_run(run):
    text = '''
import redis
client = redis.Redis(host="there")
client.set("at import", 1)

class TestIt:
    @classmethod
    def setup_class(cls):
        cls.before = client.get("at import")

    def test_one(self):
        assert self.before == b"1" and client.incr("at import") == 2

    def test_two(self, hutch_patch):                 # a patch of its own, within
        assert client.get("at import") in (None, b"2") and redis.Redis(host="there").get("at import") is None
'''
    run(text, "2 passed", ini="hutch_patch = session\n")
    run(text, "2 passed", ini="hutch_patch = session-sockets\n")
