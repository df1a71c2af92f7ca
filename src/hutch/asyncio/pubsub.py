"""redis.asyncio's PubSub on a store inside the process."""
from redis.asyncio.client import PubSub as RedisPubSub
from redis.exceptions import ConnectionError, TimeoutError

from .connection import EmbeddedConnection


class PubSub(RedisPubSub):
    """A redis.asyncio.client.PubSub: the same methods, messages and handlers.

    A task that waits for a message parks on the event loop's bell. When it is cancelled, nothing is lost: what comes
    meanwhile is read by the next. A subscriber whose session was killed, or cut off by `client-output-buffer-limit pubsub`,
    subscribes again, as one of redis-py does; one that was closed ends with ConnectionError where it waits.
    """

    async def parse_response(self, block=True, timeout=0):
        """The next message as it came; see redis.asyncio.client.PubSub.parse_response. With `block` false, None when there is
        none within `timeout` seconds.

        RuntimeError before the first subscription; ConnectionError when it is closed while it waits.
        """
        conn = self.connection
        if type(conn) is EmbeddedConnection:
            message = conn.message_at_hand()
            if message is not None:
                return message
        return await super().parse_response(block, timeout)

    async def _execute(self, conn, command, *args, **kwargs):
        try:
            return await command(*args, **kwargs)        # without redis-py's bookkeeping of retries
        except (ConnectionError, TimeoutError) as error:
            if self.connection is not conn:
                raise                                    # closed meanwhile: there is nothing to come back to
            failed = [error]

        async def again(*args, **kwargs):
            if failed:
                raise failed.pop()                       # the first of the tries that redis-py counts
            return await command(*args, **kwargs)

        return await super()._execute(conn, again, *args, **kwargs)
