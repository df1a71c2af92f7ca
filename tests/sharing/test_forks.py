"""Children of the owner reach the store by its socket, and keep neither its lock nor its connections alive."""
import multiprocessing
import os
import sys
import threading

import pytest

import hutch
from kit.sharing import owner_of, wait_for_owner
from kit.waiting import wait_until


def _in_child(work):
    """What `work` returns, as text, in a forked child."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            os.write(writing, repr(work()).encode())
        except BaseException as error:
            os.write(writing, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        found = pipe.read()
    os.waitpid(pid, 0)
    return found


def test_a_child_uses_the_socket(place):
    with hutch.Redis(place, decode_responses=True) as r:
        r.set("greeting", "hello")
        subscriber = r.pubsub()

        def work():
            pipe = r.pipeline()
            found = [r.get("greeting"), r.store.is_owned, r.incr("n"), pipe.set("a", 1).get("a").execute(),
                     r.eval("return 7", 0), hutch.Redis(place).get("greeting"), r.hset("h", "a", 1), r.blpop("q", 0.01)]
            return found

        assert _in_child(work) == repr(["hello", False, 1, [True, "1"], 7, b"hello", 1, None])
        assert r.get("n") == "1" and r.store.is_owned and r.get("a") == "1"
        assert _in_child(lambda: r.incr("n")) == "2"
        subscriber.close()


def test_a_child_without_a_path_is_told(place):
    r = hutch.Redis()
    r.set("a", 1)
    assert _in_child(lambda: r.get("a")).startswith("ForkedError: ")


def test_a_child_of_a_client(place, owner):
    with hutch.Redis(place) as r:
        assert r.get("greeting") == b"hello"
        assert _in_child(lambda: (r.get("greeting"), r.incr("n"))) == "(b'hello', 1)"
        assert r.incr("n") == 2
        assert _in_child(lambda: r.close()) == "None"
        assert r.incr("n") == 3


def test_closing_in_a_child_changes_nothing(place):
    with hutch.Redis(place) as r:
        r.set("greeting", "hello")
        assert _in_child(lambda: (r.close(), r.store.close())) == "(None, None)"
        assert r.get("greeting") == b"hello" and owner_of(place) == os.getpid()


def test_the_lock_is_not_inherited(place, run):
    """The owner forks, and executes, and is killed; the children live on and never touched the store."""
    program = run("sleeping_children", place, start_new_session=True)
    program.wait_for("ready")
    try:
        with hutch.Redis(place) as r:
            r.set("a", 1)
            assert not r.store.is_owned
            program.kill()
            assert r.get("greeting") == b"hello" and r.store.is_owned and r.get("a") == b"1"
    finally:
        try:
            os.killpg(program.pid, 9)
        except ProcessLookupError:
            pass


def test_a_child_takes_over(place, run):
    program = run("forking", place, start_new_session=True)
    try:
        program.wait_for("child")
        line = next(line for line in program.lines() if line.startswith("child"))
        assert line.split()[2:] == ["hello", "False", "1"]
        with hutch.Redis(place) as r:
            assert not r.store.is_owned
            program.kill()
            open(place + ".killed", "w").close()
            wait_for_owner(place, program.pid)
            assert r.get("greeting") == b"hello"
            program_lines = wait_until(lambda: [line for line in program.lines() if line.startswith("alone") and len(line.split()) > 2])
            assert program_lines[0].split()[1:3] == ["hello", "2"]
    finally:
        try:
            os.killpg(program.pid, 9)
        except ProcessLookupError:
            pass


def _count(place, start, times):
    with hutch.Redis(place) as r:
        for _ in range(times):
            r.incr("count")
        return r.store.is_owned


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
@pytest.mark.parametrize("owned", [False, True], ids=["nobody-before", "owned"])
def test_multiprocessing(place, method, owned):
    context = multiprocessing.get_context(method)
    r = hutch.Redis(place, appendfsync="always") if owned else None
    if owned:
        r.set("count", 0)
    with context.Pool(3) as pool:
        pool.starmap(_count, [(place, i, 50) for i in range(6)], chunksize=1)
        pool.close()
        pool.join()
    with hutch.Redis(place) as other:
        assert other.get("count") == b"300"
    if owned:
        assert r.get("count") == b"300" and r.store.is_owned
        r.close()


def test_forks_while_it_is_opened_and_closed(place):
    """Forks at any moment, while other threads open, use and close the store: no child keeps the lock."""
    over = threading.Event()
    errors = []

    def use():
        try:
            while not over.is_set():
                with hutch.Redis(place) as r:
                    r.incr("n")
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=use)
    thread.start()
    children = []
    reading, writing = os.pipe()
    try:
        for _ in range(25):
            pid = os.fork()
            if not pid:
                os.close(writing)
                os.read(reading, 1)      # until the parent lets it end
                os._exit(0)
            children.append(pid)
    finally:
        over.set()
        thread.join(60)
        try:
            assert not errors, errors[0]
            with hutch.Redis(place) as r:
                assert r.store.is_owned and r.incr("n") > 1
        finally:
            os.close(writing)
            os.close(reading)
            for pid in children:
                os.waitpid(pid, 0)


if sys.platform == "darwin":
    pytest.skip("forks of programs with threads end badly there", allow_module_level=True)
