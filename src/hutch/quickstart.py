"""`hutch quickstart` and `make run`: what Hutch does, shown by doing it."""
from __future__ import annotations

import time

import redis

import hutch


def _say(title: str) -> None:
    print(f"\n# {title}")


def _show(code: str, names: dict, shown: bool = True) -> object:
    """Print a line as a session would, run it, print what came back."""
    print(f">>> {code}")
    try:
        value = eval(compile(code, "quickstart", "eval"), names)
    except SyntaxError:
        exec(compile(code, "quickstart", "exec"), names)
        return None
    if shown and value is not None:
        print(repr(value))
    return value


def tour() -> None:
    """Run the quick start and print each step. SystemExit when a key outlives its deadline; other errors are passed on."""
    names: dict = {"hutch": hutch, "redis": redis, "time": time}

    _say("Redis in this very process: no server, no socket, no configuration")
    _show("r = hutch.Redis(decode_responses=True)", names)
    _show("r.set('greeting', 'hello')", names)
    _show("r.get('greeting')", names)
    _show("r.incrby('visits', 41), r.incr('visits')", names)
    _show("r.mset({f'user:{n}': n * n for n in range(1, 6)})", names)

    _say("A key is gone within milliseconds of its deadline, though nobody touches it")
    _show("r.set('ticket', 'valid', px=50)", names)
    _show("r.pttl('ticket')", names)
    _watch_expiry(names["r"])

    _say("Pipelines, and transactions that notice when somebody else was quicker")
    _show("r.pipeline().set('a', 1).incr('a').get('a').execute()", names)
    _transaction(names["r"])

    _say("Everything that redis-py does")
    _show("sorted(r.scan_iter(match='user:*'))", names)
    _show("r.info('server')['redis_version'], r.info('server')['hutch_version']", names)

    _say("The same store for every other Redis client, on a free port")
    with hutch.Server(names["r"], port=0) as server:
        names["server"] = server
        _show("server.url", names)
        _show("plain = redis.Redis.from_url(server.url, decode_responses=True)", names)
        _show("plain.get('greeting')", names)
        _show("plain.append('greeting', ' from over there')", names)
        _show("r.get('greeting')", names)
        names["plain"].close()

    _say("How fast is that here?")
    _speed(names["r"])


def _watch_expiry(r: "hutch.Redis") -> None:
    engine_dies = time.time() * 1000 + r.pttl("ticket")
    while r.info("stats")["expired_keys"] == 0:          # a counter: asking does not touch the key
        if time.time() * 1000 > engine_dies + 2000:
            raise SystemExit("the key outlived its deadline by two seconds")
        time.sleep(0.0005)
    late = time.time() * 1000 - engine_dies
    print(f"# counted as expired {max(late, 0):.1f} ms after its deadline; "
          f"r.get('ticket') is {r.get('ticket')!r}")


def _transaction(r: "hutch.Redis") -> None:
    print(""">>> def buy(pipe):                       # runs again until nobody interferes
...     left = int(pipe.get('stock'))
...     pipe.multi()
...     pipe.set('stock', left - 1)""")
    rounds = 0

    def buy(pipe):
        nonlocal rounds
        rounds += 1
        left = int(pipe.get("stock"))
        if rounds == 1:
            r.set("stock", 9)                            # somebody else was quicker
        pipe.multi()
        pipe.set("stock", left - 1)

    r.set("stock", 10)
    print(">>> r.set('stock', 10); r.transaction(buy, 'stock')")
    print(repr(r.transaction(buy, "stock")))
    print(f"# {rounds} rounds, as another client changed the stock to 9 during the first; "
          f"r.get('stock') is {r.get('stock')!r}")


def _speed(r: "hutch.Redis") -> None:
    calls = 200_000
    get = r.get
    began = time.perf_counter()
    for _ in range(calls):
        get("greeting")
    print(f"# r.get: {(time.perf_counter() - began) / calls * 1e9:.0f} ns a call, the loop included")


def main(port: int = 6379, once: bool = False) -> int:
    """Show the tour, then serve on `port`, or the next of a hundred that is free, until Ctrl-C; returns the exit code.

    With `once` it does not serve. Whatever the tour raises is passed on.
    """
    print(f"Hutch {hutch.__version__}")
    tour()
    if once:
        return 0
    for candidate in range(port, port + 100):
        server = hutch.Server(port=candidate)
        try:
            server.start()
            break
        except OSError as error:
            print(f"\nPort {candidate} cannot be had ({error}).")
            server.store.close()
    else:
        print("No free port found.")
        return 1
    print(f"\nServing on {server.host}:{server.port} until Ctrl-C. In another terminal: redis-cli -p {server.port}",
          flush=True)
    try:
        server.wait()
    except KeyboardInterrupt:
        pass
    server.stop()
    print("\nStopped.")
    return 0
