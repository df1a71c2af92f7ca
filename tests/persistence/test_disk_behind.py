"""A disk that takes seconds to keep what it was given: with `everysec` nobody waits for it at first, and then whoever writes does."""
import os
import shutil
import subprocess
import threading
import time

import pytest
import redis
from kit.launch import serve
from kit.waiting import SLOW

# While the file named by HELD_DISK is there, no sync ends.
HELD = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>
static void hold(void) { while (access(getenv("HELD_DISK"), F_OK) == 0) usleep(5000); }
int fsync(int fd) { hold(); return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd); }
int fdatasync(int fd) { hold(); return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd); }
"""


@pytest.fixture
def held_disk(tmp_path):
    """(the file that holds the disk, the environment of a server on that disk)"""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler")
    source, library, flag = tmp_path / "held.c", tmp_path / "held.so", tmp_path / "held"
    source.write_text(HELD)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    first = os.environ.get("LD_PRELOAD", "")             # a sanitizer's own, which has to come first
    return flag, {"LD_PRELOAD": f"{first} {library}".strip(), "HELD_DISK": str(flag)}


def _count(port, done, stop):
    client = redis.Redis(port=port)
    while not stop.is_set():
        client.set(f"key:{done[0]}", done[0])
        done[0] += 1


def test_who_writes_waits_for_a_disk_that_is_behind(tmp_path, held_disk):
    flag, environment = held_disk
    options = ("--dir", tmp_path, "--appendonly", "yes", "--appendfsync", "everysec")
    done, stop = [0], threading.Event()
    with serve(*options, env=environment) as server:
        client = redis.Redis(port=server.port)
        assert client.info("persistence")["aof_delayed_fsync"] == 0
        flag.touch()
        thread = threading.Thread(target=_count, args=(server.port, done, stop))
        thread.start()
        try:
            server.wait_for("The disk takes more than a second")
            # One may have been on its way.
            for _ in range(100):
                before = done[0]
                time.sleep(0.3)
                if done[0] == before:
                    break
            assert done[0] == before
        finally:
            flag.unlink()
            before = done[0]
            end = time.monotonic() + 60 * SLOW
            while done[0] < before + 100 and thread.is_alive() and time.monotonic() < end:
                time.sleep(0.01)
            stop.set()
            thread.join()
        assert done[0] >= before + 100, "service does not return"
        assert client.info("persistence")["aof_delayed_fsync"] >= 1
        assert server.terminate() == 0
    with serve(*options) as server:
        assert redis.Redis(port=server.port).dbsize() >= done[0]


def test_a_store_ends_on_a_disk_that_is_behind(tmp_path, held_disk):
    flag, environment = held_disk
    options = ("--dir", tmp_path, "--appendonly", "yes")
    with serve(*options, env=environment) as server:
        client = redis.Redis(port=server.port)
        client.set("a", 1)
        flag.touch()
        client.set("b", 2)
        time.sleep(0.2)
        server.process.terminate()
        time.sleep(0.3)
        flag.unlink()
        assert server.ended() == 0
    with serve(*options) as server:
        assert redis.Redis(port=server.port).mget("a", "b") == [b"1", b"2"]
