"""Damaged files of every kind through every tool: told in words, with an exit code, and without taking memory for what is only claimed."""
import os
import random
import shutil

import pytest

from hutch.tools.convert import convert
from kit.tools import saved, tool

ROUNDS = int(os.environ.get("HUTCH_TOOL_DAMAGE", 6))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """One of each kind, and where they lie."""
    place = tmp_path_factory.mktemp("whole")
    saved(place / "a.rdb", many=False, databases=(0,))
    for name in ("a.jsonl", "a.aof", "a.jsonl.gz"):
        convert(str(place / "a.rdb"), str(place / name))
    return place


@pytest.mark.parametrize("name", ("a.rdb", "a.jsonl", "a.aof", "a.jsonl.gz"))
def test_damaged_files(name, files, tmp_path, capsys):
    whole = (files / name).read_bytes()
    rng = random.Random(name)
    shutil.copy(files / "a.rdb", tmp_path / "other.rdb")
    path = tmp_path / name
    for _ in range(ROUNDS):
        data = bytearray(whole)
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(data))
            kind = rng.randrange(4)
            if kind == 0:
                data[at] = rng.randrange(256)
            elif kind == 1:
                del data[at:at + rng.randrange(1, 50)]
            elif kind == 2:
                data[at:at] = rng.randbytes(rng.randrange(1, 20))
            else:
                del data[max(at, 1):]
        path.write_bytes(data)
        before = path.read_bytes()
        for words in (("inspect", path), ("diff", path, tmp_path / "other.rdb"), ("convert", path, tmp_path / "out.rdb", "--replace"),
                      ("convert", path, "-"), *((("check", path),) if "json" not in name else ())):
            code, _, err = tool(capsys, *words)
            assert code in (0, 1, 2) and "Traceback" not in err
            assert code != 2 or err.startswith(f"hutch {words[0]}: ") or "\nhutch " in err, err
        assert path.read_bytes() == before
