"""Scripts that mean harm: none may end the process, spoil memory, or leave the engine unable to run the next script.

What a plain Lua 5.1.5 does with some of them is known (CVE-2014-5461, CVE-2025-46817, CVE-2025-49844), hence a process of
their own for those that would end it."""
import os
import subprocess
import sys

import pytest

from hutch_engine.door.engine import Engine
from kit.rdb_forms import crc64

pytest.importorskip("lupa.lua51")
MANY = ",".join(f"a{i}" for i in range(190))

# In a process of their own: each once did, or in plain Lua 5.1.5 does, overrun a stack.
OVERRUNS = {
    "fixed parameters before varargs":
        f"local function f({MANY}, ...) local x = ... end "
        "for i = 0, 400 do coroutine.wrap(function(...) f() f() f(1) end)(unpack({}, 1, i)) end return 'end'",
    "the same, frame upon frame":
        f"local function f(n, {MANY}, ...) local x = ... if n > 0 then f(n - 1) end collectgarbage('step') return x end "
        "for i = 0, 60 do coroutine.wrap(function(...) f(i) end)(unpack({}, 1, i)) end return 'end'",
    "the same, few parameters":
        "local function f(n, a, b, c, d, e, g, h, i, ...) local x = ... if n > 0 then f(n - 1) end return x end "
        "for i = 0, 300 do coroutine.wrap(function(...) f(i) end)(unpack({}, 1, i)) end return 'end'",
    "unpack from 0": "pcall(unpack, {}, 0, 2147483647) return 'end'",
    "unpack of all": "pcall(unpack, {}, -2147483648, 2147483647) return 'end'",
    "unpack of the negative": "pcall(unpack, {}, -2147483648, 0) return 'end'",
    "unpack past what an int holds": "pcall(unpack, {}, -1, 2147483646) return 'end'",
    "pattern of many ?": "pcall(string.find, ('a'):rep(1e6), ('a?'):rep(1e6)) return 'end'",
    "pattern of many -": "pcall(string.gsub, ('a'):rep(1e6), ('a-'):rep(1e6) .. 'b', '') return 'end'",
    "pattern of many *": "pcall(string.match, ('a'):rep(1e6), ('a*'):rep(1e6)) return 'end'",
    "iterator of a pattern of many": "pcall(function() for x in ('a'):rep(1e6):gmatch(('a?'):rep(1e6)) do end end) return 'end'",
    "reader that collects": "for i = 1, 1000 do load(function() collectgarbage() end) end "
                            "return load(function() collectgarbage() return '' end) and 'end'",
    "reader that errs after collecting": "local n = 0 load(function() n = n + 1 collectgarbage() "
                                         "return n < 2000 and 'x=x(' or n == 2000 and ')))' or nil end) return 'end'",
    "coroutines within coroutines": "local function f() return coroutine.wrap(f)() end pcall(f) return 'end'",
    "callbacks within callbacks": "local function f() return (('a'):gsub('a', f)) end pcall(f) return 'end'",
    "parentheses": "loadstring(('('):rep(1e5)) loadstring('return ' .. ('{'):rep(1e5)) return 'end'",
    "operators": "loadstring('return ' .. ('-'):rep(1e5) .. '1') loadstring('return ' .. ('1 ..'):rep(1e5)) return 'end'",
    "functions": "loadstring(('function() '):rep(1e5)) return 'end'",
    "JSON": "pcall(cjson.decode, ('['):rep(1e6)) local t = {} for i = 1, 1e5 do t = {t} end pcall(cjson.encode, t) return 'end'",
    "MessagePack": "pcall(cmsgpack.unpack, ('\\145'):rep(1e6)) local t = {} for i = 1, 1e5 do t = {t} end cmsgpack.pack(t) return 'end'",
}
RUN = """
import sys
from hutch_engine.door.engine import Engine
engine = Engine()
print(engine.session().execute(("EVAL", sys.argv[1], 0)))
engine.close()
"""

# What they leave must not be the next script's trouble.
GREEDY = {
    "tables": "local t = {} while true do t[#t + 1] = {} end",
    "coroutines": "local t = {} while true do t[#t + 1] = coroutine.wrap(function() coroutine.yield() end) t[#t]() end",
    "one string": "local s = 'x' while true do s = s .. s end",
    "without a collector": "collectgarbage('stop') while true do local t = {} end",
    "a reply": "local t = {} pcall(function() while true do t[#t + 1] = {} end end) return t",
    "an error": "local t = {} pcall(function() while true do t[#t + 1] = {} end end) error({err = t})",
    "a call": "local t = {} pcall(function() while true do t[#t + 1] = {} end end) return redis.call('SET', 'k', 'v')",
}


def run(engine, script, *words):
    return bytes(engine.session().execute_raw(["EVAL", script, "0", *words]))


@pytest.fixture
def engine():
    made = Engine()
    yield made
    made.close()


@pytest.mark.parametrize("name", OVERRUNS)
def test_no_script_overruns_a_stack(name):
    ran = subprocess.run([sys.executable, "-c", RUN, OVERRUNS[name]], capture_output=True, timeout=120, text=True,
                         env={**os.environ, "PYTHONPATH": ":".join(filter(None, sys.path))})
    assert (ran.returncode, ran.stdout) == (0, "b'end'\n"), ran.stderr


@pytest.mark.parametrize("name", GREEDY)
def test_after_a_script_without_bounds_another_one_runs(engine, name):
    assert b"not enough memory" in run(engine, GREEDY[name])
    assert run(engine, "local t = {} for i = 1, 1000 do t[i] = {i} end return #t") == b":1000\r\n"
    engine.session().execute(("SET", "k", "v"))
    assert run(engine, "return redis.call('GET', 'k')") == b"$1\r\nv\r\n"


def test_after_a_text_that_is_too_much_to_compile_another_one_is_compiled(engine):
    text = "return {" + ",".join(f"'{i:07}'" for i in range(4_000_000)) + "}"
    assert b"not enough memory" in run(engine, text) or b"constant table overflow" in run(engine, text)
    assert run(engine, "return 1") == b":1\r\n"
    session = engine.session()
    greedy = "#!lua name=x\nlocal t = {} local s = 'x' while true do s = s .. s t[#t + 1] = s end"
    assert b"-ERR" in bytes(session.execute_raw(["FUNCTION", "LOAD", greedy]))
    good = "#!lua name=y\nredis.register_function('f', function() return 1 end)"
    assert bytes(session.execute_raw(["FUNCTION", "LOAD", good])) == b"$1\r\ny\r\n"
    assert bytes(session.execute_raw(["FCALL", "f", "0"])) == b":1\r\n"


def test_unpack_is_the_one_of_lua(engine):
    assert run(engine, "return {unpack({1, 2, 3})}") == b"*3\r\n:1\r\n:2\r\n:3\r\n"
    assert run(engine, "return {unpack({1, 2, 3}, 2)}") == b"*2\r\n:2\r\n:3\r\n"
    assert run(engine, "return {unpack({1, 2, 3}, 2, nil)}") == b"*2\r\n:2\r\n:3\r\n"
    assert run(engine, "return {unpack({1, 2, 3}, -1, 1.9)}") == b"*0\r\n"
    assert run(engine, "return select('#', unpack({1, 2, 3}, -1, 1))") == b":3\r\n"
    assert run(engine, "return select('#', unpack({}, 3, 2))") == b":0\r\n"
    assert run(engine, "return select(2, unpack({[2147483647] = 5}, 2147483646, 2147483647))") == b":5\r\n"
    assert b"too many results to unpack" in run(engine, "return unpack({}, 1, 8001)")
    assert b"bad argument #1 to 'unpack' (table expected, got nil)" in run(engine, "return unpack(nil)")
    assert b"bad argument #3 to 'unpack' (number expected, got string)" in run(engine, "return unpack({}, 1, 'x')")


def test_patterns_that_people_write_are_not_too_complex(engine):
    assert run(engine, "return select(2, ('a-b'):rep(5000):gsub('%a%-%a', ''))") == b":5000\r\n"
    assert run(engine, "local s = ('a-b?'):rep(5000) return {s:find(s, 1, true)}") == b"*2\r\n:1\r\n:20000\r\n"
    assert run(engine, "local s = ('ab'):rep(5000) return {s:find(s)}") == b"*2\r\n:1\r\n:10000\r\n"
    assert run(engine, "return ('a'):rep(900):match(('a?'):rep(900) .. '$')") == b"$900\r\n" + b"a" * 900 + b"\r\n"
    assert b"pattern too complex" in run(engine, "return ('a'):find(('a?'):rep(2000))")


def test_a_payload_that_names_a_library_twice_is_refused(engine):
    session = engine.session()
    for name in ("l1", "l2"):
        session.execute(("FUNCTION", "LOAD", f"#!lua name={name}\nredis.register_function('{name}f', function() return 1 end)"))
    payload = bytearray(session.execute(("FUNCTION", "DUMP")))
    body = payload[:-8].replace(b"name=l2", b"name=l1")
    payload = bytes(body + crc64(body).to_bytes(8, "little"))
    for policy in ("FLUSH", "REPLACE", "APPEND"):
        assert b" already exists\r\n" in bytes(session.execute_raw(["FUNCTION", "RESTORE", payload, policy]))
    assert len(session.execute(("FUNCTION", "LIST"))) == 2
    assert session.execute(("FCALL", "l2f", 0)) == 1


def test_functions_that_differ_in_case_only_are_refused(engine):
    session = engine.session()
    text = "#!lua name=l\nredis.register_function('f', function() return 1 end)\nredis.register_function('F', function() return 2 end)"
    assert b"-ERR Function f already exists" in bytes(session.execute_raw(["FUNCTION", "LOAD", text]))
    assert session.execute(("FUNCTION", "LIST")) == []
    session.execute(("FUNCTION", "LOAD", text.replace("'F'", "'g'")))
    assert session.execute(("FCALL", "G", 0)) == 2

