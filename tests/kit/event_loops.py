"""Running a coroutine on Python's own event loop and on uvloop."""
import asyncio

import pytest

LIMIT_S = 60


def _uvloop():
    return pytest.importorskip("uvloop").new_event_loop()


class Relayed(asyncio.SelectorEventLoop):
    """A loop that cannot watch descriptors, as there are some."""

    def add_reader(self, fd, callback, *args):
        if getattr(callback, "__self__", self).__class__.__name__ == "Doorbell":
            raise NotImplementedError
        return super().add_reader(fd, callback, *args)


LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": _uvloop, "relayed": Relayed}


def run_on(make_loop, main, limit_s=LIMIT_S):
    """asyncio.run, on a loop of that kind, and with an end."""
    loop = make_loop()
    try:
        return loop.run_until_complete(asyncio.wait_for(main, limit_s))
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait_for(asyncio.gather(*left, return_exceptions=True), 10))
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def run_on_asyncio(main):
    return run_on(asyncio.new_event_loop, main)
