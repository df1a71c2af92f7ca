"""`hutch check` of logs, beside the real redis-check-aof: the same verdict, and with --fix the same bytes."""
import os
import random
import shutil
import subprocess

import pytest

import hutch
from hutch.tools import logs
from kit.oracle import PLAIN
from kit.tools import FILES, fill, tool

LAST, BASE, MANIFEST = "appendonly.aof.1.incr.aof", "appendonly.aof.1.base.rdb", "appendonly.aof.manifest"


@pytest.fixture(scope="module")
def checker(oracle_binary, tmp_path_factory):
    """redis-check-aof: (exit code, output) for a file."""
    path = tmp_path_factory.mktemp("checker") / "redis-check-aof"
    path.symlink_to(oracle_binary)

    def run(file, *options):
        # It changes to the file's directory: in and out by what it is given.
        said = subprocess.run([str(path), *options, str(file)], input="y\n", capture_output=True, text=True, errors="replace", env=PLAIN,
                              cwd=os.path.dirname(file))
        return said.returncode, said.stdout
    return run


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A log with a base, and an increment with transactions at its end."""
    place = tmp_path_factory.mktemp("log")
    with hutch.Store(dir=str(place), appendonly=True) as store:
        r = hutch.Redis(store=store)
        r.response_callbacks.clear()
        fill(r.execute_command, json=False, many=False)
        for at in range(20):
            with r.pipeline() as pipe:
                pipe.set(f"a{at}", "x" * at).set(f"b{at}", "y").incr("count")
                pipe.execute()
            r.set(f"c{at}", b"\r\n*3\r\n$3\r\n")
    return place / "appendonlydir"


@pytest.fixture
def log(written, tmp_path):
    """A copy to damage."""
    return shutil.copytree(written, tmp_path / "appendonlydir")


def files_of(log):
    return {name: (log / name).read_bytes() for name in sorted(os.listdir(log))}


def test_a_whole_log(log, capsys, checker):
    before = files_of(log)
    for place in (log, log / MANIFEST, log.parent):
        code, out, _ = tool(capsys, "check", place)
        assert code == 0 and "can be loaded" in out and "2 parts" in out, out
    assert checker(log / MANIFEST)[0] == 0
    assert files_of(log) == before


@pytest.mark.parametrize("cut", range(1, 160, 7))
def test_a_torn_end_is_cut_where_redis_cuts_it(cut, log, tmp_path, capsys, checker):
    whole = (log / LAST).read_bytes()
    (log / LAST).write_bytes(whole[:-cut])
    twin = shutil.copytree(log, tmp_path / "twin")
    before = files_of(log)
    told, _ = checker(twin / MANIFEST)
    code, out, _ = tool(capsys, "check", log)
    assert code == told and files_of(log) == before
    assert checker(twin / MANIFEST, "--fix")[0] == 0
    code, out, _ = tool(capsys, "check", "--fix", "--yes", log)
    assert code == 0, out
    assert files_of(log) == files_of(twin)
    assert tool(capsys, "check", log)[0] == 0 and whole.startswith((log / LAST).read_bytes())


def test_damage_anywhere_has_the_same_verdict(log, tmp_path, checker):
    """Of one file: bytes changed, put in, taken out."""
    whole = (log / LAST).read_bytes()
    path = tmp_path / "damaged.aof"
    rng = random.Random(7)
    for _ in range(60):
        data = bytearray(whole)
        at = rng.randrange(len(data))
        kind = rng.randrange(3)
        if kind == 0:
            data[at] = rng.choice(b"*$#\r\n0193aM\xff")
        elif kind == 1:
            data[at:at] = rng.randbytes(rng.randrange(1, 4))
        else:
            del data[at:at + rng.randrange(1, 6)]
        path.write_bytes(data)
        code, said = checker(path)
        report = logs.check_file(path)
        assert report.is_whole == (code == 0), (said, report)
        if code and "ok_up_to=" in said:
            assert report.good == int(said.split("ok_up_to=")[1].split(",")[0]), (said, report)


def test_it_asks_first(log, capsys, monkeypatch):
    import io
    (log / LAST).write_bytes((log / LAST).read_bytes()[:-3])
    before = files_of(log)
    for answer, code in (("n\n", 1), ("\n", 1), ("", 1), ("y\n", 0)):
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        assert tool(capsys, "check", "--fix", log)[0] == code
        assert (files_of(log) == before) == (code == 1)


def test_only_the_last_part_is_cut(log, capsys, checker):
    (log / MANIFEST).write_text((log / MANIFEST).read_text() + "file appendonly.aof.2.incr.aof seq 2 type i\n")
    shutil.copy(log / LAST, log / "appendonly.aof.2.incr.aof")
    (log / LAST).write_bytes((log / LAST).read_bytes()[:-3])
    before = files_of(log)
    code, out, _ = tool(capsys, "check", "--fix", "--yes", log)
    assert code == 1 and "not the last" in out and files_of(log) == before
    assert checker(log / MANIFEST, "--fix")[0] == 1


def test_a_damaged_base_is_not_mended(log, capsys, checker):
    (log / BASE).write_bytes((log / BASE).read_bytes()[:-5])
    before = files_of(log)
    code, out, _ = tool(capsys, "check", "--fix", "--yes", log)
    assert code == 1 and "does not mend" in out and files_of(log) == before
    assert checker(log / MANIFEST, "--fix")[0] == 1
    (log / BASE).unlink()
    code, out, _ = tool(capsys, "check", log)
    assert code == 1 and "No such file" in out


@pytest.mark.parametrize("text, said", (
    ("", "empty"), ("hello\n", "line 1"), ("file a seq 1 type x\n", "line 1"), ("file ../a seq 1 type i\n", "line 1"),
    ("file a seq x type i\n", "line 1"), ("file a seq 1 type b\nfile b seq 2 type b\n", "more than one base"),
    ("file a seq 2 type i\nfile b seq 1 type i\n", "order"), ("# only this\n", "empty"), ("file a seq 1\n", "line 1")))
def test_manifests_that_are_none(text, said, log, capsys, checker):
    (log / MANIFEST).write_text(text)
    code, out, _ = tool(capsys, "check", log / MANIFEST)
    assert code == 1 and said in out
    # (It takes a manifest without a file for a log that is empty; a server does not start with one.)
    assert checker(log / MANIFEST)[0] == (0 if said == "empty" else 1)


def test_an_rdb_file_in_front_of_commands(log, tmp_path, capsys, checker):
    """As Redis 4 to 6 wrote logs."""
    path = tmp_path / "old.aof"
    path.write_bytes((log / BASE).read_bytes() + (log / LAST).read_bytes()[:-3])
    code, out, _ = tool(capsys, "check", path)
    assert code == 1 == checker(path)[0] and "an RDB file of" in out
    twin = shutil.copy(path, tmp_path / "twin.aof")
    assert tool(capsys, "check", "--fix", "--yes", path)[0] == 0 == checker(twin, "--fix")[0]
    assert path.read_bytes() == open(twin, "rb").read()


def test_annotations_and_a_moment(tmp_path, capsys, checker):
    command = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n%d\r\n"
    path = tmp_path / "dated.aof"
    path.write_bytes(b"".join(b"#TS:%d\r\n" % (1000 + at) + command % at for at in range(5)))
    twin = shutil.copy(path, tmp_path / "twin.aof")
    assert tool(capsys, "check", path)[0] == 0 == checker(path)[0]
    assert tool(capsys, "check", "--fix", "--yes", "--until", 1002, path)[0] == 0
    assert checker(twin, "--truncate-to-timestamp", "1002")[0] == 0
    assert path.read_bytes() == open(twin, "rb").read() and path.read_bytes().count(b"#TS") == 3


def test_a_log_that_somebody_has_open_is_left_alone(tmp_path, capsys):
    import subprocess
    import sys

    from kit.launch import HUTCH_ENVIRONMENT
    from kit.waiting import wait_until
    program = ("import hutch, sys; r = hutch.Redis(sys.argv[1], appendfsync='always'); r.set('a', 'b'); print('there', flush=True); sys.stdin.read(); r.close()")
    place = tmp_path / "store"
    with subprocess.Popen([sys.executable, "-c", program, str(place)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                          env=HUTCH_ENVIRONMENT) as owner:
        assert owner.stdout.readline() == "there\n"
        last = next((place / "appendonlydir").glob("*.incr.aof"))
        wait_until(lambda: last.read_bytes().endswith(b"b\r\n"))       # it is written some milliseconds later
        with open(last, "ab") as file:
            file.write(b"*3\r\n$3\r\nSET")
        code, out, _ = tool(capsys, "check", "--fix", "--yes", place)
        assert code == 1 and "another process" in out
        owner.stdin.close()
    assert last.read_bytes().endswith(b"$3\r\nSET")
    assert tool(capsys, "check", "--fix", "--yes", place)[0] == 0
    with hutch.Redis(str(place)) as r:
        assert r.get("a") == b"b"


@pytest.mark.parametrize("file", FILES, ids=lambda path: path.stem)
def test_rdb_files_are_told_of_as_before(file, capsys):
    code, out, _ = tool(capsys, "check", file)
    assert (code == 0) == ("can be loaded" in out) and "RDB file" in out
    code, out, _ = tool(capsys, "check", "--fix", "--yes", file)
    assert "not repaired" in out


def test_what_is_not_there(tmp_path, capsys):
    for place in (tmp_path / "none", tmp_path):
        assert tool(capsys, "check", place)[0] == 1
    (tmp_path / "empty.aof").write_bytes(b"")
    assert tool(capsys, "check", tmp_path / "empty.aof")[0] == 0


def test_no_length_takes_memory_that_is_not_there(tmp_path):
    path = tmp_path / "huge.aof"
    for data in (b"*3\r\n$99999999999999\r\nab", b"*99999999\r\n$1\r\na\r\n", b"*-1\r\n", b"*0\r\n", b"*" + b"1" * 5000, b"$3\r\n", b"*1\r\n$-1\r\n",
                 b"\xb2\r\n"):
        path.write_bytes(data)
        report = logs.check_file(path)
        assert not report.is_whole and report.good == 0
