"""docket over a Hutch server: a worker process, its streams, now and a little later.

    python examples/docket_jobs.py
"""
import asyncio
from datetime import datetime, timedelta, timezone

import redis.asyncio
from docket import Docket

from workers import PYTHON, served


async def note(url: str, a: int, b: int) -> None:
    """What tasks do is seen in the server."""
    async with redis.asyncio.from_url(url) as client:
        await client.rpush("sums", a + b)


tasks = [note]


async def main():
    with served(PYTHON, "-m", "docket", "worker", "--docket", "example", "--url", "{url}", "--tasks", "docket_jobs:tasks") as url:
        async with Docket(name="example", url=url) as docket, redis.asyncio.from_url(url, socket_timeout=None) as client:
            docket.register(note)
            await docket.add(note)(url, 2, 3)
            await docket.add(note, when=datetime.now(timezone.utc) + timedelta(seconds=0.5))(url, 20, 30)
            return sorted([int((await client.blpop("sums", timeout=120))[1]) for _ in range(2)])


if __name__ == "__main__":
    print(asyncio.run(main()))
