"""Waiting for what another thread or process brings about, with an end; and how patient to be in builds that are slow."""
import asyncio
import os
import time

SLOW = 10 if os.environ.get("HUTCH_BUILD") in ("sanitize", "threads") else 1


def _pauses():
    """How long to sleep between two looks: what is about to happen is seen at once, and a long wait costs others little."""
    pause = 0.0005
    while True:
        yield pause
        pause = min(pause * 1.2, 0.02)


def wait_until(condition, seconds=60):
    """Wait for the condition to be true, and return its value."""
    end = time.monotonic() + seconds * SLOW
    for pause in _pauses():
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, "waited in vain"
        time.sleep(pause)


async def async_wait_until(condition, seconds=60):
    """The same in a task, while the loop goes on."""
    end = time.monotonic() + seconds * SLOW
    while not (value := condition()):
        assert time.monotonic() < end, "waited in vain"
        await asyncio.sleep(0.001)
    return value
