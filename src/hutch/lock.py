"""redis-py's lock, with tokens that cost less than the lock."""
import itertools
import os
import threading

from redis.lock import Lock as RedisLock


class _Tokens:
    """Texts that no other holder has: chance of this process, the thread, a number. uuid1, redis-py's, asks the system each time."""

    def __init__(self):
        self.renew()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.renew)

    def renew(self):
        self.prefix = os.urandom(16).hex().encode()
        self.numbers = itertools.count()

    def new(self):
        return b"%b-%x-%x" % (self.prefix, threading.get_ident(), next(self.numbers))


_tokens = _Tokens()
new_token = _tokens.new


class Lock(RedisLock):
    """A redis.lock.Lock: the same rules, scripts and errors."""

    def acquire(self, sleep=None, blocking=None, blocking_timeout=None, token=None):
        """Take the lock; see redis.lock.Lock.acquire. Returns whether it was taken. `sleep` and `blocking_timeout` are in
        seconds."""
        if token is None:
            # Most locks are free: one try before redis-py sorts out how to wait.
            token = new_token()
            if self.do_acquire(token):
                self.local.token = token
                return True
            if not (self.blocking if blocking is None else blocking):
                return False
        return super().acquire(sleep, blocking, blocking_timeout, token)
