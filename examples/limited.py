"""The library `limits` with its counts in a Hutch store: by its own Redis storage, on a pool of embedded connections.

    python examples/limited.py
"""
from limits import parse
from limits.storage import RedisStorage
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter, SlidingWindowCounterRateLimiter

import hutch


def storage(name="limits"):
    return RedisStorage("redis://embedded", connection_pool=hutch.ConnectionPool(name, keep=True))


def main():
    counts = storage()
    for strategy in (FixedWindowRateLimiter, MovingWindowRateLimiter, SlidingWindowCounterRateLimiter):
        limiter = strategy(counts)
        answers = [limiter.hit(parse("3/minute"), strategy.__name__, "ada") for _ in range(5)]
        print(strategy.__name__, answers)


if __name__ == "__main__":
    main()
