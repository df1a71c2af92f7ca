"""Channels' layer over a Hutch server inside the program: groups of consumers, in as many processes as know the server's address.

    python examples/chat.py
"""
import asyncio

from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer

import hutch


async def talk(layer):
    """Two members of a room hear what is said in it."""
    ada, bob = await layer.new_channel(), await layer.new_channel()
    await layer.group_add("room", ada)
    await layer.group_add("room", bob)
    await layer.group_send("room", {"type": "chat.message", "text": "hello"})
    heard = [(await asyncio.wait_for(layer.receive(channel), 30))["text"] for channel in (ada, bob)]
    await layer.group_discard("room", bob)
    return heard


async def main():
    with hutch.Server(port=0) as server:
        for kind in (RedisChannelLayer, RedisPubSubChannelLayer):
            layer = kind(hosts=[server.url])
            print(kind.__name__, await talk(layer))
            await layer.flush()
            if hasattr(layer, "close_pools"):
                await layer.close_pools()


if __name__ == "__main__":
    asyncio.run(main())
