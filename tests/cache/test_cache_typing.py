"""What a type checker sees: decorated functions keep their signatures, and the package is clean."""
import re

import pytest

from kit.mypy_runs import ROOT, mypy

pytest.importorskip("mypy", reason="mypy is in the test extra")

PROGRAM = '''
from hutch.cache import AsyncCache, Cache, ReadThrough, TokenBucket

cache = Cache(ttl=60)
later = AsyncCache(ttl=60)
limit = TokenBucket(cache, limit=1, per=1)

@cache.cached
def double(number: int, *, twice: bool = False) -> list[int]:
    return [number]

@cache.cached(key="x", ttl=5)
def named(text: str) -> int:
    return 1

@later.cached
async def awaited(number: int) -> str:
    return ""

@limit.limited()
def rare(number: int) -> bytes:
    return b""

class Shop:
    @cache.cached(ignore=["self"])
    def price(self, article: str) -> float:
        return 1.0

def load(key: int) -> str:
    return ""

async def main() -> None:
    reveal_type(double(1, twice=True))
    reveal_type(named("x"))
    reveal_type(await awaited(1))
    reveal_type(Shop().price("a"))
    reveal_type(double.key(1))
    reveal_type(cache.get_or_set("k", lambda: 5))
    reveal_type(rare(1))
    reveal_type(ReadThrough(cache, "x", load=load).get(1))
    double("wrong")
    awaited()
    Shop().price(1)
    rare("wrong")
    named.refresh(5)
'''


def test_decorated_functions_keep_their_signatures(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    found = mypy("program.py", cwd=tmp_path)
    types = re.findall(r'Revealed type is "(.*?)"', found)
    assert [name.replace("builtins.", "") for name in types] == ["list[int]", "int", "str", "float", "bytes", "int", "bytes", "str | None"], found
    assert len(re.findall(r"error:", found)) == 5, found


def test_the_package_is_clean(tmp_path):
    assert "Success" in (found := mypy("-p", "hutch.cache", "--cache-dir", str(tmp_path), cwd=ROOT)) or "no issues" in found, found
