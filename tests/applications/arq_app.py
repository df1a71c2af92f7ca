"""Functions and settings for arq's worker. $ARQ_PORT is the server's."""
import os

from arq import Retry, cron
from arq.connections import RedisSettings

DB = 8


async def multiply(ctx, a, b):
    return a * b


async def stubborn(ctx):
    if ctx["job_try"] < 3:
        raise Retry(defer=0.05)
    return ctx["job_try"]


async def broken(ctx, text):
    raise ValueError(text)


async def tick(ctx):
    await ctx["redis"].incr("ticks")


def settings(port):
    return RedisSettings(host="127.0.0.1", port=port, database=DB)


class WorkerSettings:
    functions = [multiply, stubborn, broken]
    cron_jobs = [cron(tick, second=set(range(60)))]
    poll_delay = 0.1
    redis_settings = settings(int(os.environ.get("ARQ_PORT", 0)))
