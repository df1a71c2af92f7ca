"""How long does one client wait while the server does something large?

    python bench/stalls.py [--scale 1.0]

A probe sends PING over its own connection and takes the time of every reply, while
  expire   a million keys reach their deadline in the same second,
  grow     the table grows through four million keys,
  flush    FLUSHALL drops them.
The same probe runs beside an idle server of the same kind in the same seconds; what is printed is the
worst reply of each and the difference.
"""
import argparse
import subprocess
import sys
import time

from peers import hutch_peer, redis_peer


PROBE = r"""
import socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
print("ready", flush=True)
times = []
while not sys.stdin in __import__("select").select([sys.stdin], [], [], 0.0005)[0]:
    started = time.perf_counter()
    s.sendall(b"PING\r\n")
    s.recv(64)
    times.append(time.perf_counter() - started)
print(*times)
"""


class Probe:
    """PING every half millisecond until stopped, in a process of its own: no other Python thread delays it."""

    def __init__(self, peer):
        self.process = subprocess.Popen([sys.executable, "-c", PROBE, str(peer.port)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.process.stdout.readline()

    def stop(self):
        shown, _ = self.process.communicate("stop\n", timeout=60)
        return [float(word) for word in shown.split()]


def watched(peer, idle, action):
    probes = [Probe(peer), Probe(idle)]
    action()
    return [sorted(probe.stop()) for probe in probes]


def fill(client, first, last, deadline_ms=None):
    for start in range(first, last, 1000):
        pipe = client.pipeline(transaction=False)
        for i in range(start, start + 1000):
            pipe.set("key:%012d" % i, "xxx", pxat=deadline_ms)
        pipe.execute()


def report(name, what, busy, idle):
    print(f"{name:6} {what:7} worst {busy[-1] * 1e3:7.2f} ms  p99.9 {busy[int(len(busy) * .999)] * 1e3:7.2f} ms  "
          f"idle worst {idle[-1] * 1e3:6.2f} ms  beyond it {1e3 * max(0, busy[-1] - idle[-1]):7.2f} ms  ({len(busy)} probes)",
          flush=True)


def expire(peer, idle, keys):
    client = peer.client(protocol=2, socket_timeout=60)
    deadline = int(time.time() * 1000) + 30000
    fill(client, 0, keys, deadline)
    time.sleep(max(0, deadline / 1000 - time.time() - 0.5))
    gone = []

    def action():
        end = time.time() + 20
        while client.dbsize() and time.time() < end:
            time.sleep(0.05)
        gone.append(time.time() - deadline / 1000)

    report(peer.name, "expire", *watched(peer, idle, action))
    print(f"{peer.name:6} expire  all gone {gone[0]:.2f} s after their deadline", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="of the million and the four million keys")
    parser.add_argument("--only", default="redis,hutch")
    options = parser.parse_args()
    for name, start in (("redis", redis_peer), ("hutch", hutch_peer)):
        if name not in options.only.split(","):
            continue
        peer, idle = start(), start()
        try:
            client = peer.client(protocol=2, socket_timeout=60)
            expire(peer, idle, int(options.scale * 1e6) // 1000 * 1000)
            report(name, "grow", *watched(peer, idle, lambda: fill(client, 0, int(options.scale * 4e6) // 1000 * 1000)))
            report(name, "flush", *watched(peer, idle, lambda: (time.sleep(.2), client.flushall(), time.sleep(2))))
        finally:
            peer.stop()
            idle.stop()


if __name__ == "__main__":
    main()
