"""The store under a cache: a Hutch store, or any client of redis-py's kind. Replies are bytes, however the client decodes."""
from __future__ import annotations

import os
from typing import Any, Iterable

import redis
from redis.client import NEVER_DECODE
from redis.exceptions import NoScriptError

from .scripts import Script


def _is_asyncio(client: Any) -> bool:
    import sys
    module = sys.modules.get("redis.asyncio")
    return module is not None and isinstance(client, (module.Redis, module.RedisCluster))


def _open(where: Any, hutch_client: Any, redis_client: Any) -> tuple[Any, bool]:
    """A client for what a cache was given, and whether it is the cache's own."""
    from ..store import Store
    if where is None or (isinstance(where, (str, os.PathLike)) and "://" not in os.fspath(where)):
        return hutch_client(where), True
    if isinstance(where, str):
        kind = hutch_client if where.startswith("hutch://") else redis_client
        return kind.from_url(where), True
    if isinstance(where, Store) or hasattr(where, "is_owned"):
        return hutch_client(store=where), True
    return where, False


class _Adapter:
    """What both adapters share: which client, and whether its replies have to be kept from being decoded."""

    def __init__(self, client: Any, owned: bool):
        self.client = client
        self.owned = owned
        keywords = getattr(getattr(client, "connection_pool", None), "connection_kwargs", None)
        if keywords is None:             # a cluster
            keywords = getattr(getattr(client, "nodes_manager", None), "connection_kwargs", None) or {}
        self.options: dict[str, Any] = {NEVER_DECODE: True} if keywords.get("decode_responses") else {}
        self.get = client.get if not self.options else self._get

    def _get(self, key: bytes) -> Any:
        return self.client.execute_command("GET", key, **self.options)


class SyncStore(_Adapter):
    """A store that answers at once."""

    def __init__(self, where: Any = None):
        from ..client import Redis
        if _is_asyncio(where):
            raise TypeError("an asyncio client needs hutch.cache.AsyncCache")
        super().__init__(*_open(where, Redis, redis.Redis))

    def run(self, *words: Any) -> Any:
        """Run a command and return its reply. Raises redis.RedisError and its subclasses."""
        return self.client.execute_command(*words, **self.options)

    def script(self, script: Script, keys: Iterable[Any], words: Iterable[Any]) -> Any:
        """Run a script; its text is sent only to a store that does not know it."""
        keys = tuple(keys)
        try:
            if not self.options:         # the method, which is compiled where the client is Hutch's
                return self.client.evalsha(script.sha, len(keys), *keys, *words)
            return self.client.execute_command("EVALSHA", script.sha, len(keys), *keys, *words, **self.options)
        except NoScriptError:
            return self.client.execute_command("EVAL", script.text, len(keys), *keys, *words, **self.options)

    def close(self) -> None:
        """Close the client, if it was made for the cache."""
        if self.owned:
            self.client.close()


class AsyncStore(_Adapter):
    """A store whose answers are awaited."""

    def __init__(self, where: Any = None):
        import redis.asyncio
        from ..asyncio import Redis
        if isinstance(where, redis.Redis):
            raise TypeError("AsyncCache needs an asyncio client: redis.asyncio.Redis or hutch.asyncio.Redis")
        super().__init__(*_open(where, Redis, redis.asyncio.Redis))

    async def run(self, *words: Any) -> Any:
        """Run a command and return its reply. Raises redis.RedisError and its subclasses."""
        return await self.client.execute_command(*words, **self.options)

    async def script(self, script: Script, keys: Iterable[Any], words: Iterable[Any]) -> Any:
        """Run a script; its text is sent only to a store that does not know it."""
        keys = tuple(keys)
        try:
            if not self.options:         # the method, which is compiled where the client is Hutch's
                return await self.client.evalsha(script.sha, len(keys), *keys, *words)
            return await self.client.execute_command("EVALSHA", script.sha, len(keys), *keys, *words, **self.options)
        except NoScriptError:
            return await self.client.execute_command("EVAL", script.text, len(keys), *keys, *words, **self.options)

    async def close(self) -> None:
        """Close the client, if it was made for the cache."""
        if self.owned:
            await self.client.aclose()
