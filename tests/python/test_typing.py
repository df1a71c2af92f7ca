"""What a type checker sees of the package: names that are loaded late, and calls, have types."""
import re

import pytest

from kit.mypy_runs import mypy

pytest.importorskip("mypy", reason="mypy is in the test extra")

PROGRAM = '''
import hutch
import hutch.asyncio
from hutch.testing import Clock, Model, faults, patch

client = hutch.Redis("name", decode_responses=True)
later = hutch.asyncio.Redis()
with hutch.Server(port=0) as server:
    reveal_type(server.url)
reveal_type(hutch.TLS("x.crt", "x.key"))
with Clock(client) as clock:
    reveal_type(clock.now())
with patch() as servers:
    reveal_type(servers)
with faults.inject(client, faults.readonly("SET")) as (fault,):
    reveal_type(fault.fired)

@patch
def plain(number: int) -> str:
    return ""

@patch(maxmemory="1mb")
def other(number: int) -> str:
    return ""

reveal_type(plain(1))
reveal_type(other(1))
try:
    client.ping()
except hutch.StoreClosedError as error:
    reveal_type(error)
except hutch.ReadOnlyError as error:
    reveal_type(error)
except hutch.asyncio.OwnerLostError as error:
    reveal_type(error)
reveal_type(hutch.connect("hutch://"))
'''
TYPES = ["str", "hutch.tls.TLS", "datetime.datetime", "hutch.testing.patching.Patch", "int", "str", "str", "hutch.exceptions.StoreClosedError",
         "redis.exceptions.ReadOnlyError", "hutch.exceptions.OwnerLostError", "redis.client.Redis[Any] | redis.cluster.RedisCluster[Any]"]


def test_a_strict_program_is_clean(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    found = mypy("program.py", cwd=tmp_path)
    types = [name.replace("builtins.", "") for name in re.findall(r'Revealed type is "(.*?)"', found)]
    assert [re.sub(r"\[Any\]", "", name) for name in types] == [re.sub(r"\[Any\]", "", name) for name in TYPES], found
    assert "error:" not in found, found
