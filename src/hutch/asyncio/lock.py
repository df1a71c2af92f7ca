"""redis.asyncio's lock, with tokens that cost less than the lock."""
from redis.asyncio.lock import Lock as RedisLock

from ..lock import new_token


class Lock(RedisLock):
    """A redis.asyncio.lock.Lock: the same rules, scripts and errors."""

    async def acquire(self, blocking=None, blocking_timeout=None, token=None):
        """Take the lock; see redis.asyncio.lock.Lock.acquire. Returns whether it was taken. `blocking_timeout` is in seconds."""
        if token is None:
            # Most locks are free: one try before redis-py sorts out how to wait.
            token = new_token()
            if await self.do_acquire(token):
                self.local.token = token
                return True
            if not (self.blocking if blocking is None else blocking):
                return False
        return await super().acquire(blocking, blocking_timeout, token)
