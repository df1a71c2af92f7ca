"""What docs/files.md and docs/growing.md show runs as it stands there; servers are put in the place of its addresses."""
import json
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import hutch
from hutch.tools import jsonlines
from kit.cluster import RedisCluster
from kit.launch import HUTCH_ENVIRONMENT
from kit.oracle import RedisServer
from kit.tools import saved, tool

DOCS = Path(__file__).resolve().parents[2] / "docs"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(name, language):
    return [text for kind, text in BLOCK.findall((DOCS / name).read_text()) if kind == language]


@pytest.fixture(scope="module")
def place(tmp_path_factory, oracle_binary):
    """A directory with what the guides speak of, and a function that puts real addresses into a line of theirs."""
    directory = tmp_path_factory.mktemp("guides")
    saved(directory / "dump.rdb", json=False, field_deadlines=False, databases=(0,))
    (directory / "data").mkdir()
    with hutch.Store(dir=str(directory), appendonly=True) as store:
        hutch.Redis(store=store).set("a", "b")
    with hutch.Redis(f"{directory}/app") as r:
        r.set("{tag}a", "b", ex=1000)
    with RedisServer(oracle_binary) as server, RedisCluster() as cluster:
        def here(text):
            return (text.replace("redis+cluster://localhost:7000", cluster.url).replace("localhost:6379", f"127.0.0.1:{server.port}")
                    .replace("/var/lib/app/store", f"{directory}/app"))
        yield directory, here


@pytest.mark.parametrize("name", ("files.md", "growing.md"))
def test_commands(name, place, capsys, monkeypatch):
    directory, here = place
    monkeypatch.chdir(directory)
    ran = 0
    for text in blocks(name, "sh"):
        for line in text.splitlines():
            words = shlex.split(here(line))
            assert words[0] == "hutch", line
            said = tool(capsys, *words[1:])
            # Two stores that are not the same are told so.
            assert said[0] == (1 if words[1] == "diff" and "://" in line else 0), (line, said)
            ran += 1
    assert ran == {"files.md": 16, "growing.md": 2}[name]


@pytest.mark.parametrize("name", ("files.md", "growing.md"))
def test_programs(name, place):
    directory, here = place
    for text in blocks(name, "python"):
        said = subprocess.run([sys.executable, "-c", here(text)], cwd=directory, env=HUTCH_ENVIRONMENT, capture_output=True, text=True)
        assert said.returncode == 0, (text, said.stderr)


def test_lines():
    for text in blocks("files.md", "json"):
        for line in text.splitlines():
            db, record = jsonlines.parse(line.encode())
            assert json.loads(jsonlines.line_of(record, db)) == json.loads(line)
