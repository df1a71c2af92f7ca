"""Does a busy Python thread beside the listener raise its latency?

    python bench/gil.py [--seconds 3]

One program runs hutch.Server in the background; a client in another process sends GET over TCP and
takes the time of each reply, first while the program's threads sleep, then while one of them computes in
pure Python (it holds the GIL all the time). The same is done with a minimal asyncio server written in Python,
to show what the GIL would cost.
"""
import argparse
import asyncio
import socket
import subprocess
import sys
import threading
import time

CLIENT = r"""
import socket, sys, time
s = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
times, end = [], time.monotonic() + float(sys.argv[2])
while time.monotonic() < end:
    t = time.perf_counter(); s.sendall(b"*2\r\n$3\r\nGET\r\n$3\r\nkey\r\n"); s.recv(100)
    times.append(time.perf_counter() - t)
times.sort()
print(times[len(times) // 2] * 1e6, times[int(len(times) * .99)] * 1e6, len(times) / float(sys.argv[2]))
"""


def probe(port, seconds):
    shown = subprocess.run([sys.executable, "-c", CLIENT, str(port), str(seconds)], capture_output=True, text=True, check=True)
    return [float(word) for word in shown.stdout.split()]


def both(name, port, seconds):
    quiet = probe(port, seconds)
    stopping = threading.Event()

    def compute():
        total = 0
        while not stopping.is_set():
            for i in range(10000):
                total += i * i

    thread = threading.Thread(target=compute)
    thread.start()
    busy = probe(port, seconds)
    stopping.set()
    thread.join()
    for state, (median, p99, rate) in (("quiet", quiet), ("busy", busy)):
        print(f"{name:8} {state:6} median {median:8.1f} us   p99 {p99:8.1f} us   {rate:9.0f} replies/s", flush=True)


def python_server():
    """A server that answers every read with one bulk string: as little work as Python can do."""
    port = []
    ready = threading.Event()

    async def answer(reader, writer):
        while await reader.read(4096):
            writer.write(b"$5\r\nvalue\r\n")

    async def main():
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port.append(server.sockets[0].getsockname()[1])
        ready.set()
        await server.serve_forever()

    threading.Thread(target=lambda: asyncio.run(main()), daemon=True).start()
    ready.wait()
    return port[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=3)
    options = parser.parse_args()
    import hutch
    with hutch.Server(port=0) as server:
        server.client().set("key", "value")
        both("hutch", server.port, options.seconds)
    both("asyncio", python_server(), options.seconds)


if __name__ == "__main__":
    main()
