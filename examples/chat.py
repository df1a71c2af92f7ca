"""Channels' layer over a Hutch server inside the program: groups of consumers, here in two processes.

    python examples/chat.py
"""
import asyncio
import sys

from channels_redis.core import RedisChannelLayer
from channels_redis.pubsub import RedisPubSubChannelLayer

from workers import PYTHON, served


async def talk(layer):
    """Two members of a room hear what is said in it."""
    ada, bob = await layer.new_channel(), await layer.new_channel()
    await layer.group_add("room", ada)
    await layer.group_add("room", bob)
    await layer.group_send("room", {"type": "chat.message", "text": "hello"})
    heard = [(await asyncio.wait_for(layer.receive(channel), 30))["text"] for channel in (ada, bob)]
    await layer.group_discard("room", bob)
    return heard


async def member(layer):
    """Another process: joins a room, says so at the door, and answers what it hears."""
    own = await layer.new_channel()
    await layer.group_add("hall", own)
    while True:
        await layer.send("door", {"type": "chat.entered"})
        try:
            heard = await asyncio.wait_for(layer.receive(own), 1)
        except asyncio.TimeoutError:             # who is at the door has not begun to listen
            continue
        await layer.send("answers", {"type": "chat.message", "text": heard["text"].upper()})


async def main():
    with served(PYTHON, "chat.py", "member", "{url}") as url:
        layer = RedisChannelLayer(hosts=[url])
        await asyncio.wait_for(layer.receive("door"), 120)
        await layer.group_send("hall", {"type": "chat.message", "text": "hello over there"})
        print("another process:", (await asyncio.wait_for(layer.receive("answers"), 30))["text"])
        for kind in (RedisChannelLayer, RedisPubSubChannelLayer):
            layer = kind(hosts=[url])
            print(kind.__name__, await talk(layer))
            await layer.flush()
            if hasattr(layer, "close_pools"):
                await layer.close_pools()


if __name__ == "__main__":
    asyncio.run(member(RedisChannelLayer(hosts=[sys.argv[2]])) if sys.argv[1:2] == ["member"] else main())
