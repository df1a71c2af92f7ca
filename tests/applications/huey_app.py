"""Tasks for Huey's consumer. $HUEY_PORT and $HUEY_KIND say where and which storage."""
import os

import huey

DB = 7
KINDS = {"plain": huey.RedisHuey, "priority": huey.PriorityRedisHuey}


def make(kind, port):
    queue = KINDS[kind](kind, host="127.0.0.1", port=port, db=DB)

    @queue.task()
    def add(a, b):
        return a + b

    @queue.task(retries=3, retry_delay=0.1, context=True)
    def stubborn(task=None):
        if task.retries:
            raise RuntimeError("not yet")
        return "at last"

    @queue.task()
    @queue.lock_task("one at a time")
    def alone(number):
        return number

    return queue, {"add": add, "stubborn": stubborn, "alone": alone}


if "HUEY_PORT" in os.environ:
    queue, tasks = make(os.environ["HUEY_KIND"], int(os.environ["HUEY_PORT"]))
