"""What other processes do with a store, for the tests: python programs.py NAME PATH ..."""
import asyncio
import os
import sys
import threading
import time

import hutch
import hutch.asyncio


def say(*words):
    print(*words, flush=True)


def owner(path, appendfsync="always"):
    """Own the store, and do nothing."""
    r = hutch.Redis(path, appendfsync=appendfsync)
    r.set("greeting", "hello")
    assert r.store.is_owned
    say("ready")
    threading.Event().wait()


def one_write(path, how):
    """Write, and end in one of many ways."""
    r = hutch.Redis(path)
    for i in range(1000):
        r.rpush("numbers", i)
    say("ready")
    if how == "close":
        r.close()
    elif how == "exception":
        raise RuntimeError("an end by an exception")
    elif how == "exit":
        sys.exit(3)
    elif how == "wait":
        threading.Event().wait()
    elif how == "os._exit":
        time.sleep(0.5)
        os._exit(0)


def client(path):
    """Be there, a client or the owner, and answer lines: what is called is printed."""
    r = hutch.Redis(path, decode_responses=True)
    r.ping()
    say("ready")
    threading.Event().wait()


def writer(path, log, name, appendfsync):
    """Write until killed. Into `log` goes what was acknowledged: "set N" and "incr N"; and what nobody knows: "lost N"."""
    r = hutch.Redis(path, appendfsync=appendfsync)
    with open(log, "ab", buffering=0) as file:
        number = 0
        while True:
            number += 1
            value = f"{name}:{number}"
            try:
                r.set(value, number)
                file.write(b"set %s %f\n" % (value.encode(), time.time()))
                file.write(b"incr %d\n" % r.incr("counter"))
                with r.pipeline() as pipe:
                    pipe.rpush("left", value)
                    pipe.rpush("right", value)
                    pipe.execute()
                file.write(b"pair %s\n" % value.encode())
            except hutch.OwnerLostError as error:
                file.write(b"lost %s %s\n" % (value.encode(), str(error.commands[0][0]).encode()))


def async_writer(path, log, name, appendfsync):
    """The same with asyncio, in several tasks."""
    async def write(r, file, task):
        number = 0
        while True:
            number += 1
            value = f"{name}:{task}:{number}"
            try:
                await r.set(value, number)
                file.write(b"set %s %f\n" % (value.encode(), time.time()))
                file.write(b"incr %d\n" % await r.incr("counter"))
                async with r.pipeline() as pipe:
                    pipe.rpush("left", value)
                    pipe.rpush("right", value)
                    await pipe.execute()
                file.write(b"pair %s\n" % value.encode())
            except hutch.OwnerLostError as error:
                file.write(b"lost %s %s\n" % (value.encode(), str(error.commands[0][0]).encode()))
            await asyncio.sleep(0)

    async def main():
        r = hutch.asyncio.Redis(path, parameters={"appendfsync": appendfsync})
        with open(log, "ab", buffering=0) as file:
            await asyncio.gather(*(write(r, file, task) for task in range(3)))

    asyncio.run(main())


def async_client(path):
    """A client with asyncio that waits in BLPOP and for messages, and says what came."""
    async def main():
        r = hutch.asyncio.Redis(path, decode_responses=True)
        await r.ping()
        subscriber = r.pubsub()
        await subscriber.subscribe("news")

        async def listen():
            async for message in subscriber.listen():
                say("message", message["type"], message["data"])

        task = asyncio.create_task(listen())
        say("ready")
        while True:
            say("popped", (await r.blpop("async-queue"))[1])
        await task

    asyncio.run(main())


def forking(path):
    """Own the store, fork, and let the child go on alone: the parent is killed by somebody."""
    r = hutch.Redis(path, appendfsync="always")
    r.set("greeting", "hello")
    child = os.fork()
    if not child:
        say("child", os.getpid(), r.get("greeting").decode(), r.store.is_owned, r.incr("count"))
        while os.getppid() == int(os.environ.get("PARENT", os.getppid())) and not os.path.exists(path + ".killed"):
            time.sleep(0.01)
        say("alone", r.get("greeting").decode(), r.incr("count"), r.store.is_owned)
        threading.Event().wait()
    say("parent", os.getpid(), r.store.is_owned)
    threading.Event().wait()


def sleeping_children(path):
    """Own the store, and fork children that never touch it."""
    r = hutch.Redis(path, appendfsync="always")
    r.set("greeting", "hello")
    if not os.fork():
        time.sleep(600)
    import subprocess
    subprocess.Popen(["sleep", "600"], close_fds=False)
    say("ready")
    threading.Event().wait()


if __name__ == "__main__":
    globals()[sys.argv[1]](*sys.argv[2:])
