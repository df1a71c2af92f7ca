"""The moment that a command sees: one for a whole EXEC or script, whoever sends it; a new one for who is served afterwards."""
import pytest

import hutch
from kit.backends import EmbeddedConnection

TIMES = "local first = redis.call('TIME') for i = 1, 300000 do end local last = redis.call('TIME') return {first[1], first[2], last[1], last[2]}"
FUNCTION = "#!lua name=moments\nredis.register_function('times', function() " + TIMES + " end)"


@pytest.fixture(params=("socket", "embedded"))
def caller(request, engine, client):
    return client if request.param == "socket" else EmbeddedConnection(engine.session())


def microseconds(reply):
    return int(reply[0]) * 1_000_000 + int(reply[1])


def test_a_transaction_has_one_moment(caller):
    """That of EXEC, not of the first command that asks."""
    replies = caller.run([("MULTI",), ("DEBUG", "SLEEP", "0.01"), ("TIME",), ("DEBUG", "SLEEP", "0.01"), ("TIME",),
                          ("EVAL", "return redis.call('TIME')", "0"), ("EXEC",), ("TIME",)])
    _, first, _, second, third = replies[-2].value
    assert first == second == third
    assert microseconds(replies[-1].value) - microseconds(first) >= 20_000


def test_a_script_has_one_moment(caller):
    caller.run([("FUNCTION", "LOAD", "REPLACE", FUNCTION)])
    for command in (("EVAL", TIMES, "0"), ("EVAL_RO", TIMES, "0"), ("FCALL", "times", "0")):
        times = caller.run([command])[0].value
        assert times[:2] == times[2:], command
    replies = caller.run([("MULTI",), ("EVAL", TIMES, "0"), ("DEBUG", "SLEEP", "0.002"), ("FCALL", "times", "0"), ("EXEC",)])
    assert replies[-1].value[0] == replies[-1].value[2]


def test_so_do_the_methods_of_a_client():
    with hutch.Redis(store=hutch.Store()) as r:
        script = r.register_script(TIMES)
        times = script()
        assert times[:2] == times[2:]
        with r.pipeline() as pipe:
            pipe.time()
            pipe.execute_command("DEBUG", "SLEEP", "0.002")
            script(client=pipe)
            pipe.time()
            first, _, times, last = pipe.execute()
        assert first == last == (int(times[0]), int(times[1]))


def test_commands_of_a_pipeline_have_their_own(caller):
    first, _, second = caller.run([("TIME",), ("DEBUG", "SLEEP", "0.002"), ("TIME",)])
    assert microseconds(second.value) - microseconds(first.value) >= 2_000
