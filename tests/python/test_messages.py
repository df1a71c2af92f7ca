"""redis-py's pubsub() and monitor() on a store inside the process, and across to clients of a listener."""
import gc
import signal
import threading
import time

import pytest
import redis
from redis.cache import CacheConfig

import hutch
from hutch_engine.door.engine import Engine

PATIENCE_S = 60


@pytest.fixture(params=[2, 3], ids=["RESP2", "RESP3"])
def client(request):
    with hutch.Redis(protocol=request.param, decode_responses=True) as client:
        yield client


def everything(pubsub, timeout=0.0):
    """All messages that have come, as (type, pattern, channel, data)."""
    found = []
    while True:
        message = pubsub.get_message(timeout=timeout)
        if message is None:
            return found
        found.append((message["type"], message["pattern"], message["channel"], message["data"]))


def test_messages_come_in_order(client):
    with client.pubsub() as pubsub:
        pubsub.subscribe("a", "b")
        pubsub.psubscribe("a*")
        assert client.publish("a", "1") == 2
        assert client.publish("b", "2") == 1
        assert client.publish("c", "3") == 0
        pubsub.unsubscribe("a")
        assert client.publish("a", "4") == 1
        assert everything(pubsub) == [
            ("subscribe", None, "a", 1), ("subscribe", None, "b", 2), ("psubscribe", None, "a*", 3),
            ("message", None, "a", "1"), ("pmessage", "a*", "a", "1"), ("message", None, "b", "2"),
            ("unsubscribe", None, "a", 2), ("pmessage", "a*", "a", "4")]
        assert client.pubsub_channels() == ["b"]
        assert client.pubsub_numsub("a", "b") == [("a", 0), ("b", 1)]
        assert client.pubsub_numpat() == 1
    assert client.pubsub_numpat() == 0


@pytest.mark.parametrize("protocol", [2, 3])
def test_a_ping_stands_between_the_messages(oracle, protocol):
    """Also one whose answer comes late, and what was subscribed to meanwhile: all as a socket brings it."""
    def play(client):
        with client, client.pubsub() as pubsub:
            client.flushall()
            pubsub.subscribe("a")
            client.publish("a", "1")
            pubsub.ping()
            client.publish("a", "2")
            pubsub.ping("word")
            pubsub.psubscribe("b*")
            client.publish("a", "3")
            client.publish("bb", "4")
            pubsub.unsubscribe("a")
            pubsub.ping()
            found = [pubsub.get_message(timeout=PATIENCE_S) for _ in range(10)]
            assert pubsub.get_message(timeout=0.05) is None
            return found
    mine = play(hutch.Redis(protocol=protocol))
    # Two sockets' requests may come to a server in either order; ours is the one in which they were made.
    assert any(mine == play(redis.Redis(host=oracle.host, port=oracle.port, protocol=protocol)) for _ in range(20))
    assert [message["type"] for message in mine] == ["subscribe", "message", "pong", "message", "pong", "psubscribe", "message",
                                                     "pmessage", "unsubscribe", "pong"]


def test_health_checks_do_not_hide_messages(client):
    with hutch.Redis(store=client.store, health_check_interval=0.001, decode_responses=True) as checked, checked.pubsub() as pubsub:
        pubsub.subscribe("a")
        heard = []
        for number in range(50):
            client.publish("a", number)
            time.sleep(0.002)            # longer than the interval
            heard.append(pubsub.get_message(timeout=PATIENCE_S))
        while len([m for m in heard if m and m["type"] == "message"]) < 50:
            heard.append(pubsub.get_message(timeout=PATIENCE_S))
        assert [m["data"] for m in heard if m and m["type"] == "message"] == [str(number) for number in range(50)]


@pytest.mark.parametrize("blocking", [True, False])
def test_many_threads_read_one_pubsub(client, blocking):
    """Each message goes to one of them; none is lost and none comes twice."""
    pubsub = client.pubsub(ignore_subscribe_messages=True)
    pubsub.subscribe("a")
    assert pubsub.get_message() is None
    heard, errors = [], []

    def read():
        mine = []
        try:
            while True:
                message = pubsub.get_message(timeout=None if blocking else 0.01)
                if message is not None:
                    if message["data"] == "end":
                        break
                    mine.append(int(message["data"]))
        except BaseException as error:
            errors.append(error)
        assert mine == sorted(mine)
        heard.extend(mine)

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for number in range(0, 4000, 10):
        pipe = client.pipeline()
        for one in range(number, number + 10):
            pipe.publish("a", one)
        assert pipe.execute() == [1] * 10
    for _ in threads:
        client.publish("a", "end")
    for thread in threads:
        thread.join(60)
    assert not errors and sorted(heard) == list(range(4000))
    pubsub.close()


def test_threads_share_a_batch(client):
    """What one thread received with its own message is there for the others at once."""
    pubsub = client.pubsub(ignore_subscribe_messages=True)
    pubsub.subscribe("a")
    assert pubsub.get_message() is None
    all_are_there = threading.Barrier(5)

    def read():
        message = pubsub.get_message(timeout=None)
        all_are_there.wait(PATIENCE_S)       # each needs a message to get here, and nobody reads two
        return message

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    pipe = client.pipeline()
    for number in range(4):
        pipe.publish("a", number)
    pipe.execute()
    all_are_there.wait(PATIENCE_S)
    for thread in threads:
        thread.join()
    pubsub.close()


def test_shard_channels(client):
    with client.pubsub() as pubsub:
        pubsub.ssubscribe("s")
        assert client.spublish("s", "x") == 1
        assert [message[0] for message in everything(pubsub)] == ["ssubscribe", "smessage"]
        assert client.pubsub_shardchannels() == ["s"]


def test_handlers_and_ignored_confirmations(client):
    seen = []
    with client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe(a=seen.append)
        pubsub.psubscribe(**{"b*": seen.append})
        client.publish("a", "1")
        client.publish("bb", "2")
        for _ in range(6):
            assert pubsub.get_message() is None
    assert [(message["channel"], message["data"]) for message in seen] == [("a", "1"), ("bb", "2")]


def test_run_in_thread(client):
    seen = []
    done = threading.Event()

    def hear(message):
        seen.append(message["data"])
        if message["data"] == "99":
            done.set()

    pubsub = client.pubsub()
    pubsub.subscribe(a=hear)
    thread = pubsub.run_in_thread(sleep_time=0.05)
    for number in range(100):
        client.publish("a", number)
    assert done.wait(PATIENCE_S)
    thread.stop()
    thread.join(PATIENCE_S)
    assert not thread.is_alive()
    assert seen == [str(number) for number in range(100)]
    assert client.pubsub_channels() == []


def test_get_message_waits(client):
    with client.pubsub(ignore_subscribe_messages=True) as pubsub:
        pubsub.subscribe("a")
        assert pubsub.get_message() is None
        begin = time.monotonic()
        assert pubsub.get_message(timeout=0.1) is None
        assert 0.09 < time.monotonic() - begin
        threading.Timer(0.05, client.publish, ("a", "x")).start()
        assert pubsub.get_message(timeout=PATIENCE_S)["data"] == "x"
        threading.Timer(0.05, client.publish, ("a", "y")).start()
        assert next(pubsub.listen())["data"] == "y"


def test_a_killed_subscriber_subscribes_again(client):
    with client.pubsub() as pubsub:
        pubsub.subscribe("a")
        pubsub.psubscribe("p*")
        everything(pubsub)
        assert client.client_kill_filter(_type="pubsub", skipme=False) == 1
        everything(pubsub)
        assert client.publish("a", "again") == 1
        assert everything(pubsub)[-1] == ("message", None, "a", "again")
        assert client.publish("p1", "x") == 1


def test_ctrl_c_ends_a_wait(client):
    """And nothing is lost by it."""
    def interrupt(number, frame):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with client.pubsub() as pubsub:
            pubsub.subscribe("a")
            everything(pubsub)
            with pytest.raises(KeyboardInterrupt):
                signal.setitimer(signal.ITIMER_REAL, 0.1)
                pubsub.get_message(timeout=PATIENCE_S)
            client.publish("a", "after")
            assert everything(pubsub) == [("message", None, "a", "after")]
    finally:
        signal.signal(signal.SIGALRM, before)


def test_a_subscriber_that_does_not_read_is_cut_off():
    with hutch.Redis() as client:
        client.config_set("client-output-buffer-limit", "pubsub 1mb 0 0")
        slow, quick = client.pubsub(), client.pubsub()
        slow.subscribe("a")
        quick.subscribe("a")
        message = b"x" * 10000
        heard = 0
        for _ in range(200):
            client.publish("a", message)
            while quick.get_message() is not None:
                heard += 1
        assert heard == 201
        assert client.info("stats")["client_output_buffer_limit_disconnections"] == 1
        assert client.pubsub_numsub("a") == [(b"a", 1)]
        slow.close()
        quick.close()


def test_soft_limit():
    with hutch.Redis() as client:
        client.config_set("client-output-buffer-limit", "pubsub 0 100kb 1")
        pubsub = client.pubsub()
        pubsub.subscribe("a")
        began = time.monotonic()
        for _ in range(30):
            client.publish("a", b"x" * 10000)
        cut_off = client.info("stats")["client_output_buffer_limit_disconnections"]
        assert cut_off == 0 or time.monotonic() - began > 0.9           # the machine may have kept us
        time.sleep(1.1)
        client.publish("a", b"x")
        assert client.info("stats")["client_output_buffer_limit_disconnections"] == 1
        pubsub.close()


def test_between_sockets_and_the_inside():
    with hutch.Server(port=0) as server, hutch.Redis(store=server.store) as inside:
        outside = redis.Redis(port=server.port)
        here, there = inside.pubsub(), outside.pubsub()
        here.subscribe("a")
        there.subscribe("a")
        assert there.get_message(timeout=PATIENCE_S)["type"] == "subscribe"
        here.get_message()
        for number in range(300):
            assert (inside if number % 2 else outside).publish("a", number) == 2
        for pubsub in here, there:
            heard = [int(pubsub.get_message(timeout=PATIENCE_S)["data"]) for _ in range(300)]
            assert heard == list(range(300))
        here.close()
        there.close()
        outside.close()


def test_order_of_each_publisher():
    with hutch.Server(port=0) as server, hutch.Redis(store=server.store) as inside:
        pubsub = inside.pubsub(ignore_subscribe_messages=True)
        pubsub.subscribe("a")
        outside = redis.Redis(port=server.port)

        def publish(name, publisher):
            for number in range(500):
                publisher.publish("a", f"{name} {number}")

        threads = [threading.Thread(target=publish, args=(name, publisher))
                   for name, publisher in (("i1", inside), ("i2", inside), ("o1", outside), ("o2", outside))]
        for thread in threads:
            thread.start()
        heard = {}
        while sum(map(len, heard.values())) < 2000:
            message = pubsub.get_message(timeout=PATIENCE_S)
            if message is None:
                continue
            name, number = message["data"].split()
            heard.setdefault(name, []).append(int(number))
        for thread in threads:
            thread.join()
        assert all(numbers == list(range(500)) for numbers in heard.values()) and len(heard) == 4
        pubsub.close()
        outside.close()


def test_monitor(client):
    with client.monitor() as monitor:
        client.set("k", 'a "quoted" word')
        client.get("k")
        with pytest.raises(redis.AuthenticationError):
            client.execute_command("AUTH", "secret")
        def next_command():
            while True:
                command = monitor.next_command()
                if command["command"].split()[0] not in ("HELLO", "CLIENT"):     # a new connection's greetings
                    return command

        seen = [next_command() for _ in range(4)]
        # redis-py takes what AUTH is answered for a lost connection, and tries once more.
        assert [command["command"] for command in seen] == ['SET k a "quoted" word', "GET k"] + ["AUTH (redacted)"] * 2
        assert seen[0]["client_address"] == "embedded" and seen[0]["client_port"].isdigit()
        assert seen[0]["db"] == 0
        threading.Timer(0.05, client.incr, ("n",)).start()
        assert next_command()["command"] in ("INCRBY n 1", "INCR n")
    client.set("k", 1)


def test_keyspace_notifications(client):
    client.config_set("notify-keyspace-events", "KEA")
    with client.pubsub() as pubsub:
        pubsub.psubscribe("__keyevent@0__:*")
        client.set("k", 1)
        client.lpush("l", 1)
        client.delete("k", "l")
        client.pipeline().set("x", 1).incr("x").execute()
        assert [(channel[15:], data) for _, _, channel, data in everything(pubsub)[1:]] == [
            ("set", "k"), ("lpush", "l"), ("del", "k"), ("del", "l"), ("set", "x"), ("incrby", "x")]


def test_publish_in_a_transaction(client):
    with client.pubsub() as pubsub:
        pubsub.subscribe("a")
        assert client.pipeline().publish("a", 1).set("k", 2).publish("a", 3).execute() == [1, True, 1]
        assert [message[3] for message in everything(pubsub)] == [1, "1", "3"]


def test_memory_comes_back():
    engine = Engine(1)
    before = engine.used_memory
    sessions = [engine.session() for _ in range(20)]
    for number, session in enumerate(sessions):
        session.execute(["SUBSCRIBE", *(f"c{i}" for i in range(number, number + 50))])
        session.execute(["PSUBSCRIBE", f"p{number}*", "q*"])
        session.execute(["SSUBSCRIBE", "s"])
    sessions[0].protocol = 3
    for i in range(70):
        sessions[0].execute(["PUBLISH", f"c{i}", "x"])
    while sessions:
        sessions.pop().close()
    gc.collect()
    fresh = engine.session()
    fresh.close()
    assert engine.used_memory - before < 4096      # tables keep an array or two
    engine.close()


def test_client_tracking_inside():
    with hutch.Redis(protocol=3, decode_responses=True) as client:
        connection = client.connection_pool.get_connection()
        heard = []
        connection._parser.set_invalidation_push_handler(heard.append)
        connection.send_command("CLIENT", "TRACKING", "ON")
        assert connection.read_response() == "OK"
        connection.send_command("GET", "k")
        connection.read_response()
        client.set("k", 1)
        assert connection.can_read(PATIENCE_S)
        connection.read_response(push_request=True, timeout=0)
        assert heard == [["invalidate", ["k"]]]
        connection.disconnect()
        client.connection_pool.release(connection)


KINDS = {"pool": {}, "single": {"single_connection_client": True}}


@pytest.mark.parametrize("words", [["ON"], ["ON", "BCAST"]], ids=["default", "bcast"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("protocol", [2, 3])
def test_messages_that_nobody_reads_do_not_pile_up(protocol, kind, words):
    with hutch.Redis(protocol=protocol, decode_responses=True, **KINDS[kind]) as client, \
            hutch.Redis(store=client.store) as other:
        assert client.execute_command("CLIENT TRACKING", *words) == "OK"
        sizes = []
        for number in range(3000):
            other.set("k", number)
            if number % 3 == 0:
                assert client.get("k") == str(number)
            elif number % 3 == 1:
                assert client.pipeline().get("k").execute() == [str(number)]
            else:
                assert client.pipeline(transaction=False).get("k").incr("n").execute()[0] == str(number)
            if number in (500, 2999):
                sizes.append(client.store.engine.used_memory)
        assert sizes[1] < sizes[0] + 4096


@pytest.mark.parametrize("kind", KINDS)
def test_handlers_of_an_ordinary_client_hear_of_invalidations(kind, oracle):
    """A handler at the parser, which redis-py calls when it reads the next reply. One that fails disturbs no command."""
    def play(client, other):
        with client, other:
            other.flushall()
            heard = []

            def hear(message):
                heard.append(message)
                raise ValueError("the handler's own affair")

            client.execute_command("CLIENT TRACKING", "ON")
            connection = client.connection or client.connection_pool.get_connection()
            connection._parser.set_invalidation_push_handler(hear)
            if client.connection is None:
                client.connection_pool.release(connection)
            for number in range(5):
                client.get("k")
                other.set("k", number)
                assert other.get("k") == b"%d" % number
                client.get("other")
            client.set("own", 1)
            client.get("own")
            client.set("own", 2)
            client.get("k")
            client.get("k")
            return heard
    mine = play(hutch.Redis("heard", protocol=3, **KINDS[kind]), hutch.Redis("heard"))
    options = {"host": oracle.host, "port": oracle.port}
    # The pool of 6.4 drops a connection that has something to read, messages and all, and a handler's error is the command's.
    if redis.VERSION >= (7,):
        assert mine == play(redis.Redis(protocol=3, **options, **KINDS[kind]), redis.Redis(**options))
    assert mine == [[b"invalidate", [b"k"]]] * 5 + [[b"invalidate", [b"own"]]]


def test_what_a_client_left_over_in_its_pool(oracle):
    """A subscription by execute_command, with messages and without: as in redis-py's pool."""
    def play(client, other):
        def outcome(*words):
            try:
                return client.execute_command(*words)
            except redis.RedisError as error:
                return type(error).__name__, str(error)

        def publish():
            heard = other.publish("a", "1")
            # Over a socket it takes its time.
            assert not heard or client.connection_pool._available_connections[-1].can_read(PATIENCE_S)
            return heard

        with client, other:
            other.flushall()
            found = [outcome("SUBSCRIBE", "a"), outcome("GET", "k"), publish(), outcome("GET", "k"), outcome("SUBSCRIBE", "a"),
                     publish(), outcome("PSUBSCRIBE", "b*"), outcome("UNSUBSCRIBE", "c"), outcome("PUNSUBSCRIBE")]
            return found + [outcome("SET", "k", "1"), outcome("GET", "k"), other.pubsub_numpat()]
    mine = play(hutch.Redis("left", protocol=2), hutch.Redis("left", protocol=2))
    options = {"host": oracle.host, "port": oracle.port, "protocol": 2}
    assert mine == play(redis.Redis(**options), redis.Redis(**options))


def test_a_monitor_left_over_in_the_pool():
    with hutch.Redis(protocol=3) as client, hutch.Redis(store=client.store) as other:
        assert client.execute_command("MONITOR") == b"OK"
        sizes = []
        for number in range(2000):
            other.set("k", number)
            if number % 100 == 0:
                assert client.echo("word") == b"word"
                sizes.append(client.store.engine.used_memory)
        assert sizes[-1] < sizes[1] + 4096
        assert client.get("k") == b"1999"


def test_client_side_caching():
    """redis-py's cache before the embedded store. Inside it gains nothing; programs that ask for it get it."""
    with hutch.Redis(protocol=3, decode_responses=True, cache_config=CacheConfig()) as client, \
            hutch.Redis(store=client.store) as other:
        other.set("k", "1")
        assert [client.get("k") for _ in range(3)] == ["1"] * 3
        assert client.get_cache().size == 1
        assert other.info("commandstats")["cmdstat_get"]["calls"] == 1
        other.set("k", "2")
        assert client.get("k") == "2"
        other.flushall()
        assert client.get("k") is None
        assert client.pipeline().set("k", 3).get("k").execute() == [True, "3"]
