"""Celery's tasks per second with its broker and results on Redis 8.2 and on Hutch's listener, in turn within one run.

    python bench/celery_tasks.py [--rounds 30] [--tasks 200] [--pool solo|prefork]

Each server has a worker process of its own, ready before the first round. A round sends small tasks from this process and
waits for all of their results, on one server and then on the other; the first alternates. The ratio is the median of the
rounds' ratios. Most of the time is Celery's own, so the servers' CPU time per task is shown, too.
"""
import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from celery import Celery


def application(port, **options):
    app = Celery("bench", broker=f"redis://127.0.0.1:{port}/0", backend=f"redis://127.0.0.1:{port}/1", **options)
    app.conf.update(worker_prefetch_multiplier=16, task_default_queue="bench", broker_connection_retry_on_startup=True)

    @app.task(name="bench.add", shared=False)
    def add(a, b):
        return a + b
    return app


if "BENCH_PORT" in os.environ:           # in a worker process
    app = application(os.environ["BENCH_PORT"])


class Side:
    """A server with a worker."""

    def __init__(self, peer, pool):
        self.peer = peer
        self.app = application(peer.port, set_as_current=False)
        self.log = tempfile.NamedTemporaryFile("r", suffix=".log")
        self.worker = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "celery_tasks", "worker", "-Q", "bench", "--pool", pool, "-c", "1",
             "--without-gossip", "--without-mingle", "--loglevel", "WARNING"],
            cwd=Path(__file__).parent, env=dict(os.environ, BENCH_PORT=str(peer.port)),
            stdin=subprocess.DEVNULL, stdout=self.log.file, stderr=subprocess.STDOUT, start_new_session=True)
        self.app.tasks["bench.add"].delay(1, 1).get(timeout=60)

    def run(self, tasks):
        """(tasks a second, us of the server's CPU a task)."""
        add = self.app.tasks["bench.add"]
        before, start = self.peer.cpu_seconds(), time.perf_counter()
        results = [add.delay(n, n) for n in range(tasks)]
        for number, result in enumerate(results):
            if result.get(timeout=60) != 2 * number:
                sys.exit("a wrong result")
        took = time.perf_counter() - start
        return tasks / took, (self.peer.cpu_seconds() - before) / tasks * 1e6

    def stop(self):
        os.killpg(self.worker.pid, 9)
        self.worker.wait()
        self.app.close()
        self.peer.stop()


def main():
    from peers import hutch_peer, redis_peer
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--pool", default="solo")
    options = parser.parse_args()
    sides = []
    try:
        for peer in (redis_peer, hutch_peer):
            sides.append(Side(peer(), options.pool))
        for side in sides:
            side.run(options.tasks // 5)
        rates, cpu = [], []
        for number in range(options.rounds):
            order = [0, 1] if number % 2 == 0 else [1, 0]
            row = {index: sides[index].run(options.tasks) for index in order}
            rates.append((row[0][0], row[1][0]))
            cpu.append((row[0][1], row[1][1]))
            print("round %d: redis %5.0f tasks/s, hutch %5.0f tasks/s" % (number + 1, *rates[-1]), flush=True)
        print("median:  redis %5.0f tasks/s, hutch %5.0f tasks/s, ratio %.2f" % (
            *(statistics.median(column) for column in zip(*rates)), statistics.median(h / r for r, h in rates)))
        print("server CPU a task: redis %.0f us, hutch %.0f us, ratio %.2f" % (
            *(statistics.median(column) for column in zip(*cpu)), statistics.median(h / r for r, h in cpu)))
    finally:
        for side in sides:
            side.stop()


if __name__ == "__main__":
    main()
