"""Strategies, the state machine, the random commands and the differential runner: they find what is planted, and show it small."""
import random
import subprocess
import sys

import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st
from hypothesis.stateful import rule, run_state_machine_as_test

import hutch
from hutch.testing import RedisStateMachine, strategies
from hutch.testing.diff import KEYS_USED, PREFIX, compare, main
from hutch.testing.grammar import FAMILIES, Command, quoted, random_command, shapes
from hutch.testing.model import COMMANDS, Model, Refused
from hutch.testing.replies import Error, Map, Null, Simple
from hutch.testing.comparing import same
from hutch.testing.wire import connect
from kit.json_oracle import MISSING, json_server

MODELLED = tuple(FAMILIES)
IN_REDIS = tuple(name for name in FAMILIES if name != "json")       # which has it from a module
QUICK = settings(max_examples=30, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck))


# ---- the grammar

def test_every_line_is_a_command_of_the_engine():
    r = hutch.Redis()
    for family in FAMILIES:
        for shape in shapes(family):
            name = shape.tree[1][0][1]
            assert r.execute_command("COMMAND", "INFO", name), name
    r.close()


@pytest.mark.parametrize("family", FAMILIES)
def test_most_commands_are_well_formed(family):
    r, rng = hutch.Redis(), random.Random(5)
    wire = connect(r)
    wrong = [command for command in (random_command(rng, (family,)) for _ in range(400))
             if isinstance(reply := wire.run(command.words), Error) and b"syntax" in reply.text + b" " or
             isinstance(reply, Error) and b"wrong number of arguments" in reply.text]
    assert not wrong, wrong[:5]
    r.close()


def test_the_same_seed_makes_the_same_commands():
    made = [[str(random_command(random.Random(seed))) for _ in range(5)] for seed in (1, 1, 2)]
    assert made[0] == made[1] != made[2]
    assert random_command(random.Random(3), ("hyperloglogs",), b"x:".__add__).words[1].startswith(b"x:")
    with pytest.raises(KeyError):
        random_command(random.Random(1), ("clouds",))


@given(st.lists(st.binary(max_size=20), min_size=1))
def test_commands_are_shown_as_redis_cli_reads_them(words):
    """Its quotes and backslashes are those of the engine's own configuration lines."""
    line = str(Command(tuple(words)))
    assert line.isascii() and line.isprintable()
    for word in words:
        text = quoted(word)
        plain = text[1:-1].encode().decode("unicode_escape").encode("latin-1") if text.startswith('"') else text.encode()
        assert plain == word


# ---- the model beside the engine and beside Redis

@pytest.mark.parametrize("seed", range(3))
def test_model_and_engine(seed):
    done, found = compare("model://", "hutch://", commands=6000, seed=seed, families=MODELLED)
    assert found is None, str(found)
    assert done == 6000


def test_model_engine_and_redis(oracle):
    url = f"redis://{oracle.host}:{oracle.port}/9"
    for other in ("model://", "hutch://"):
        done, found = compare(url, other, commands=3000, seed=11, families=IN_REDIS)
        assert found is None, str(found)
    with connect(url) as wire:
        assert wire.run(("DBSIZE",)) == 0 and wire.run(("CLIENT", "INFO")).split(b" db=")[1].startswith(b"9 ")


def test_json_model_and_module():
    server = json_server()
    if server is None:
        pytest.skip(MISSING)
    try:
        done, found = compare(f"redis://{server.host}:{server.port}/9", "model://", commands=3000, seed=3, families=("json",))
        assert found is None, str(found)
    finally:
        server.stop()


class Beside(RedisStateMachine):
    families = MODELLED


def test_the_state_machine_finds_nothing():
    run_state_machine_as_test(Beside, settings=QUICK)


# ---- bugs that are planted in a copy of the model

def lrem_forgets_negative_counts(self, name, args):
    return COMMANDS["lrem"][0](self, name, [args[0], args[1].lstrip(b"-"), args[2]])


def append_cuts(self, name, args):
    length = COMMANDS["append"][0](self, name, args)
    if length > 60:
        self.put(args[0], self.data[args[0]].value[:60])
    return length


def rename_keeps_the_old_deadline(self, name, args):
    old = self.data.get(args[1])
    reply = COMMANDS["rename"][0](self, name, args)
    if old is not None:
        self.data[args[1]].deadline_ms = old.deadline_ms
    return reply


def zincrby_of_sets_is_fine(self, name, args):
    try:
        return COMMANDS["zincrby"][0](self, name, args)
    except Refused:
        return b"0"


BUGS = {"lrem": lrem_forgets_negative_counts, "append": append_cuts, "rename": rename_keeps_the_old_deadline, "zincrby": zincrby_of_sets_is_fine}


def spoilt(name):
    return {**COMMANDS, name: (BUGS[name], *COMMANDS[name][1:])}


@pytest.mark.parametrize("name", ("rename", "zincrby"))
def test_the_state_machine_finds_a_planted_bug(name):
    class Spoilt(RedisStateMachine):
        families = {"rename": ("strings", "keys"), "zincrby": ("sorted_sets", "sets")}[name]
        keys = st.sampled_from((b"k1", b"k2"))

        def make_model(self, clock_ms):
            return Model(clock_ms, spoilt(name))

    with pytest.raises(AssertionError):
        run_state_machine_as_test(Spoilt, settings=settings(QUICK, max_examples=500, database=None, print_blob=False, phases=(Phase.generate,)))


@pytest.mark.parametrize("name", BUGS)
def test_the_runner_finds_a_planted_bug_and_shows_it_small(name):
    done, found = compare(Model(commands=spoilt(name)), Model(), commands=100_000, seed=1, shrink_seconds=10, families=(*{
        "lrem": ("lists",), "append": ("strings",), "rename": ("strings", "keys"), "zincrby": ("sorted_sets", "sets")}[name],))
    assert found is not None and len(found.commands) <= 8, str(found)
    text = str(found).splitlines()
    assert text[0].startswith("DEL hutch:diff:k1") and text[-2].startswith("# the one: ") and text[-1].startswith("# the other: ")
    assert any(name.upper() in line for line in text), text


def test_code_that_is_tested_by_extending_the_machine():
    class Cart:
        """With a mistake: what is taken out below zero stays."""

        def __init__(self, redis):
            self.redis = redis

        def add(self, item):
            self.redis.hincrby("cart", item, 1)

        def remove(self, item):
            self.redis.hincrby("cart", item, -1)

    class Carts(RedisStateMachine):
        families = ()

        @rule(item=strategies.fields())
        def add(self, item):
            Cart(self.redis).add(item)
            self.expect("HINCRBY", "cart", item, 1)

        @rule(item=strategies.fields())
        def remove(self, item):
            Cart(self.redis).remove(item)
            if self.expect("HINCRBY", "cart", item, -1) <= 0:
                self.expect("HDEL", "cart", item)

    with pytest.raises(AssertionError):
        run_state_machine_as_test(Carts, settings=settings(QUICK, database=None, print_blob=False, phases=(Phase.generate,)))


# ---- strategies

@settings(max_examples=50, deadline=None)
@given(strategies.lists_of_commands("strings", "lists", keys=st.sampled_from((b"x", b"y"))), strategies.keys(), strategies.values(),
       strategies.elements(), strategies.members(), strategies.fields(), strategies.scores())
def test_strategies(commands, key, value, element, member, field, score):
    r = hutch.Redis()
    for words in commands:
        assert all(isinstance(word, bytes) for word in words)
        try:
            r.execute_command(*words)
        except hutch.ResponseError:
            pass
    assert set(r.keys()) <= {b"x", b"y"}
    r.flushall()
    r.set(b"s" + key, value)
    assert r.get(b"s" + key) == value
    r.rpush(b"l" + key, element), r.hset(b"h" + key, field, value), r.zadd(b"z" + key, {member: score})
    assert r.lindex(b"l" + key, 0) == element and r.hget(b"h" + key, field) == value and r.zscore(b"z" + key, member) == score
    r.close()


# ---- comparing, connecting, the program

def test_same():
    assert same(Map(((b"a", 1),)), [b"a", 1]) and same(Null(b"$-1"), Null(b"*-1")) and same(Error(b"ERR a"), Error(b"ERR b"))
    assert not same(Error(b"ERR a"), Error(b"WRONGTYPE b")) and not same(b"OK", Simple(b"OK")) and not same(1, True)
    assert same([1, 2], [2, 1], "unordered") and not same([1, 2], [2, 1]) and same(100, 101, "near") and not same(-1, 0, "near")
    assert same([b"a"], [b"b"], "shape") and not same([b"a"], [], "shape") and not same(Error(b"ERR a"), 1, "shape")


def test_connecting(tmp_path):
    with hutch.Server(port=0, unixsocket=str(tmp_path / "socket"), password="secret") as server:
        for url in (server.url, f"unix://:secret@{tmp_path}/socket?db=0", server.url.replace("/0", "/3")):
            with connect(url) as wire:
                assert wire.run((b"PING",)) == Simple(b"PONG")
        with pytest.raises(ConnectionError, match="AUTH"):
            connect(f"redis://:wrong@127.0.0.1:{server.port}")
        with connect(server.client()) as wire:
            assert wire.run(("SET", "key", 5)) == Simple(b"OK")
    with pytest.raises(ValueError):
        connect("http://localhost")


def test_the_program(capsys, tmp_path):
    with hutch.Server(port=0) as server:
        mine = server.client()
        mine.set("mine", "stays")
        assert main([server.url, "--commands", "500", "--seed", "5", "--families", "strings,sets"]) == 0
        assert capsys.readouterr().out == "500 commands, seed 5: no difference\n"
        assert mine.keys() == [b"mine"]
        done = subprocess.run([sys.executable, "-m", "hutch.testing", "diff", server.url, "--against", "model://", "--commands", "300"],
                              capture_output=True, text=True, timeout=300)
        assert done.returncode == 0 and "no difference" in done.stdout, done.stdout + done.stderr
    assert main(["redis://127.0.0.1:1"]) == 2
    with pytest.raises(SystemExit):
        main(["model://", "--families", "clouds"])
    assert all(key.startswith(PREFIX) for key in KEYS_USED)
    done = subprocess.run([sys.executable, "-m", "hutch.testing"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 1 and "usage" in done.stderr


def test_the_program_tells_of_a_difference(capsys, monkeypatch):
    monkeypatch.setitem(COMMANDS, "strlen", (lambda self, name, args: 7, *COMMANDS["strlen"][1:]))
    assert main(["model://", "--seed", "1", "--families", "strings"]) == 1
    out = capsys.readouterr().out
    assert "model:// and hutch:// differ (seed 1" in out and "\nSTRLEN hutch:diff:k1\n# the one: 7\n# the other: 0\n" in out
