"""INFO: Redis's sections and fields, and figures that are real."""
import re
import time

import hutch
import pytest
from kit.backends import TcpBackend

ONLY_HUTCH = {"hutch_version"}           # beside redis_version, which names the Redis that it is like

# Fields that are 0 whatever happens, since Hutch does not have what they count, or has it done otherwise.
ALWAYS_ZERO = {
    "no cluster": ("cluster_connections", "mem_cluster_links", "cluster_enabled"),
    "no replicas": ("mem_replication_backlog", "mem_total_replication_buffers", "mem_replica_full_sync_buffer", "mem_clients_slaves",
                    "total_net_repl_input_bytes", "total_net_repl_output_bytes", "instantaneous_input_repl_kbps",
                    "instantaneous_output_repl_kbps", "sync_full", "sync_partial_ok", "sync_partial_err", "connected_slaves",
                    "repl_backlog_active", "repl_backlog_first_byte_offset", "repl_backlog_histlen", "slave_expires_tracked_keys",
                    "master_repl_offset", "migrate_cached_sockets", "mem_not_counted_for_evict"),
    "nothing is written to files": (
        "loading", "async_loading", "current_save_keys_processed", "current_save_keys_total", "rdb_bgsave_in_progress", "rdb_saves",
        "rdb_last_load_keys_expired", "rdb_last_load_keys_loaded", "aof_enabled", "aof_rewrite_in_progress", "aof_rewrite_scheduled",
        "aof_rewrites", "aof_rewrites_consecutive_failures", "mem_aof_buffer"),
    "no fork": ("current_cow_peak", "current_cow_size", "current_cow_size_age", "current_fork_perc", "rdb_last_cow_size",
                "aof_last_cow_size", "module_fork_in_progress", "module_fork_last_cow_size", "latest_fork_usec", "total_forks"),
    "no threads for sockets but one": ("io_threads_active", "io_threaded_reads_processed", "io_threaded_writes_processed",
                                       "io_threaded_total_prefetch_batches", "io_threaded_total_prefetch_entries"),
    "slabs are not defragmented": ("allocator_muzzy", "allocator_rss_bytes", "active_defrag_running", "active_defrag_hits",
                                   "active_defrag_misses", "active_defrag_key_hits", "active_defrag_key_misses",
                                   "total_active_defrag_time", "current_active_defrag_time"),
    "the wheel knows what is due": ("expired_stale_perc", "expired_time_cap_reached_count"),
    "eviction is part of the command that needs it": ("total_eviction_exceeded_time", "current_eviction_exceeded_time"),
    "one buffer takes all of a reply": ("reply_buffer_shrinks", "reply_buffer_expands"),
    "payloads are always checked": ("dump_payload_sanitizations",),
    "no rights but a password": ("acl_access_denied_cmd", "acl_access_denied_key", "acl_access_denied_channel"),
    "only of a Redis that replicates": ("unexpected_error_replies",),
}


@pytest.fixture(autouse=True)
def debugging(engine):
    engine.configure("enable-debug-command", "yes")


def sections(text):
    found, fields = {}, None
    for line in text.decode().splitlines():
        if line.startswith("# "):
            fields = found[line[2:]] = []
        elif line:
            fields.append(line.split(":")[0])
    return found


def test_sections_and_fields(client, oracle):
    real = TcpBackend(oracle.host, oracle.port).open()
    ours, theirs = (sections(side.run([["INFO"]])[0].value) for side in (client, real))
    real.close()
    assert list(ours) == list(theirs)
    for name in ("Server", "Clients", "Memory", "Persistence", "Threads", "Stats", "Replication", "CPU", "Modules", "Cluster"):
        mine = [field for field in ours[name] if field not in ONLY_HUTCH]
        assert mine == list(theirs[name]), name


def test_shapes_of_values(client, oracle):
    """Numbers are numbers, with as many decimals; parts in parts have the same names."""
    real = TcpBackend(oracle.host, oracle.port).open()
    for side in (client, real):
        side.run([["FLUSHALL"], ["CONFIG", "RESETSTAT"], ["SET", "a", "b", "EX", "100"], ["HSET", "h", "f", "v"], ["NOSUCH"]])
    ours, theirs = (values(side, "everything") for side in (client, real))
    real.run([["FLUSHALL"]])
    real.close()
    for field, value in theirs.items():
        if field in ("module", "config_file", "executable", "os", "mem_allocator", "listener0", "redis_build_id", "redis_git_sha1", "gcc_version"):
            continue
        if field.startswith(("cmdstat_", "latency_")) and field not in ours:
            continue                     # of a command that the fixture sent
        assert shape(ours[field]) == shape(value), field


def shape(value):
    """Words as they are, numbers by their form."""
    value = re.sub(r"[0-9a-f]{40}", "<id>", value)
    value = re.sub(r"^[0-9]+(\.[0-9][0-9])?[BKMG]$", "<size>", value)
    return re.sub(r"-?[0-9]+(?:\.([0-9]+))?(?![0-9])", lambda number: "0" + "." * bool(number.group(1)) + "0" * len(number.group(1) or ""), value)


def test_what_is_always_zero(engine, client):
    """The list of exceptions is true, and what is not on it moves. (Not a field of it does when it no longer belongs there.)"""
    busy(engine, client)
    info = values(client, "everything")
    listed = {field for fields in ALWAYS_ZERO.values() for field in fields}
    for field in listed:
        assert float(info[field]) == 0, field
    idle = {field for field, value in info.items() if value in ("0", "0.00") and field not in listed}
    assert idle <= RESTING, idle - RESTING


# What the program below does not stir.
RESTING = {
    "redis_git_sha1", "redis_git_dirty", "redis_build_id", "uptime_in_seconds", "uptime_in_days", "maxmemory", "total_blocking_keys_on_nokey",
    "lazyfree_pending_objects", "rejected_connections", "evicted_keys", "evicted_clients", "evicted_scripts",
    "client_query_buffer_limit_disconnections", "client_output_buffer_limit_disconnections", "instantaneous_ops_per_sec",
    "instantaneous_input_kbps", "instantaneous_output_kbps", "instantaneous_eventloop_cycles_per_sec", "instantaneous_eventloop_duration_usec",
    "acl_access_denied_auth", "allocator_frag_bytes", "rss_overhead_bytes", "used_cpu_sys_children", "mem_overhead_db_hashtable_rehashing",
    "expire_cycle_cpu_milliseconds", "pubsubshard_channels", "tracking_total_prefixes", "used_memory_functions", "client_recent_max_output_buffer",
}


def busy(engine, client):
    """A bit of everything."""
    held = [TcpBackend("127.0.0.1", engine.port).open() for _ in range(5)]
    held[0].run([["SUBSCRIBE", "channel"]])
    held[1].run([["PSUBSCRIBE", "pattern*"]])
    held[3].socket.sendall(b"BLPOP nokey 1000\r\n")
    held[4].socket.sendall(b"*2\r\n$4\r\nECHO\r\n$10000\r\n")
    client.run([["SET", "a", "b"], ["GET", "a"], ["GET", "nokey"], ["SET", "e", "1", "PX", "1"], ["HSET", "h", "f", "v"], ["HPEXPIRE", "h", "1", "FIELDS", "1", "f"],
                ["NOSUCH"], ["EVAL", "return 1", "0"], ["FUNCTION", "LOAD", "#!lua name=l\nredis.register_function('f', function() end)"]])
    engine.advance_clock_ms(10)
    client.run([["FLUSHALL"], ["SET", "a", "b", "EX", "1000"], ["GET", "a"], ["HSET", "h", "f", "v"], ["HEXPIRE", "h", "1000", "FIELDS", "1", "f"],
                ["DEBUG", "SLEEP", "0"]])
    held[2].run([["HELLO", "3"], ["CLIENT", "TRACKING", "ON"], ["SET", "tracked", "1"], ["GET", "tracked"], ["WATCH", "tracked"]])
    client.held = held                   # they stay until the connection goes


def test_names(client):
    assert list(sections(client.run([["INFO", "server", "CPU", "nosuch"]])[0].value)) == ["Server", "CPU"]
    assert client.run([["INFO", "nosuch"]])[0].value == b""
    assert "Commandstats" in sections(client.run([["INFO", "everything"]])[0].value)


def values(client, *names):
    text = client.run([["INFO", *names]])[0].value.decode()
    return dict(line.split(":", 1) for line in text.splitlines() if ":" in line)


def test_figures(engine, client):
    client.run([["SET", "a", "b"], ["SET", "c", "d", "EX", "100"], ["GET", "a"], ["GET", "z"], ["NOSUCH"]])
    info = values(client, "everything")
    assert info["redis_version"] == "8.2.3" and info["tcp_port"] == str(engine.port)
    assert info["keyspace_hits"] == "1" and info["keyspace_misses"] == "1"
    assert info["db0"].startswith("keys=2,expires=1,avg_ttl=") and 90000 < int(info["db0"].split(",")[2][8:]) <= 100000
    assert info["cmdstat_set"].startswith("calls=2,usec=")
    assert info["errorstat_ERR"] == "count=1"
    assert int(info["used_memory_rss"]) > 1 << 20 and int(info["used_memory"]) > 0
    assert int(info["used_memory_peak"]) >= int(info["used_memory"])
    assert float(info["used_cpu_user"]) > 0
    assert len(info["run_id"]) == 40
    client.run([["CONFIG", "RESETSTAT"]])
    assert values(client, "stats")["keyspace_hits"] == "0"


# ---- single figures

def test_sockets_are_counted_when_it_happens(engine, client):
    """Not one reply later: neither bytes nor calls, of whichever connection."""
    client.run([["CONFIG", "RESETSTAT"]])
    before = values(client, "stats")
    other = TcpBackend("127.0.0.1", engine.port).open()
    other.run([["ECHO", "x" * 1000]])
    after = values(client, "stats")
    told = len(client.run([["INFO", "stats"]])[0].raw)
    assert int(after["total_net_output_bytes"]) - int(before["total_net_output_bytes"]) == pytest.approx(1008 + told, abs=100)
    assert int(after["total_reads_processed"]) - int(before["total_reads_processed"]) == 2
    assert int(after["total_writes_processed"]) - int(before["total_writes_processed"]) == 2
    threads = client.run([["INFO", "threads"]])[0].value.decode()
    now = values(client, "stats")
    found = re.search(r"io_thread_0:clients=2,reads=(\d+),writes=(\d+)\r\n", threads)
    assert int(found.group(1)) == int(now["total_reads_processed"]) - 1 and int(found.group(2)) == int(now["total_writes_processed"]) - 1
    listed = client.run([["CLIENT", "LIST"]])[0].value.decode().splitlines()
    assert " tot-net-in=1023 tot-net-out=1009 " in listed[1]
    other.close()


def test_the_loop_is_measured(engine, client):
    client.run([["CONFIG", "RESETSTAT"]])
    first = values(client, "stats")
    client.run([["DEBUG", "SLEEP", "0.02"]])
    client.run([["PING"]])
    second = values(client, "stats")
    moved = {field: int(second[field]) - int(first[field]) for field in ("eventloop_cycles", "eventloop_duration_sum", "eventloop_duration_cmd_sum")}
    assert moved["eventloop_cycles"] >= 2
    assert moved["eventloop_duration_sum"] >= moved["eventloop_duration_cmd_sum"] >= 19000
    until = time.monotonic() + 20
    while values(client, "stats")["instantaneous_eventloop_cycles_per_sec"] == "0":
        assert time.monotonic() < until


def test_the_answering_thread_s_time(client):
    info = values(client, "cpu")
    used = float(info["used_cpu_user_main_thread"]) + float(info["used_cpu_sys_main_thread"])
    assert 0 < used <= float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


def test_flushed_keys_are_freed_lazily(client, oracle):
    real = TcpBackend(oracle.host, oracle.port).open()
    for side in (client, real):
        side.run([["FLUSHALL"], ["CONFIG", "RESETSTAT"]])
    for line in ("FLUSHALL", "FLUSHALL SYNC", "FLUSHALL ASYNC", "FLUSHDB", "FLUSHDB ASYNC", "MULTI|FLUSHALL|EXEC", "MULTI|FLUSHDB ASYNC|EXEC",
                 "EVAL redis.call('flushall') 0", "DEL k0", "UNLINK k1", "MULTI|FLUSHALL SYNC|EXEC"):
        found = []
        for side in (client, real):
            side.run([["SET", f"k{i}", "v"] for i in range(70)])
            side.run([words.split(" ") for words in line.split("|")])
            until = time.monotonic() + 20
            while values(side, "memory")["lazyfree_pending_objects"] != "0":
                assert time.monotonic() < until
            found.append(values(side, "memory")["lazyfreed_objects"])
        assert found[0] == found[1], line
    real.run([["FLUSHALL"]])
    real.close()


# ---- errorstats

ERRORS = ["NOSPACE", "ab%c:d#e x", "ABCDEFGHIJKLMNOPQRSTUVWXYZ1234 x", "ABCDEFGHIJKLMNOPQRSTUVWXYZ12345 x", "b x", "a x", "a y", "aa x", "Z x", "- x"]


def errorstats(side):
    return side.run([["INFO", "errorstats"]])[0].value.decode()


@pytest.fixture
def both(client, oracle):
    real = TcpBackend(oracle.host, oracle.port).open()
    for side in (client, real):
        side.run([["CONFIG", "RESETSTAT"]])
    yield client, real
    real.run([["CONFIG", "RESETSTAT"]])
    real.close()


def fail(side, text):
    return side.run([["EVAL", "return redis.error_reply(ARGV[1])", "0", text]])[0].raw


def test_names_of_errors(both):
    """In the order of their bytes, cut and cleaned as Redis does it."""
    mine, its = both
    for text in ERRORS:
        assert fail(mine, text) == fail(its, text)
    for side in both:
        side.run([["GET"], ["NOSUCH"], ["AUTH", "x"], ["SET", "s", "1"], ["LPUSH", "s", "1"], ["DEL", "s"]])
    assert errorstats(mine) == errorstats(its)


def test_too_many_names(engine, both, tmp_path):
    mine, its = both
    log = tmp_path / "log"
    engine.configure("logfile", str(log))
    for number in range(1100):
        assert fail(mine, f"E{number} x") == fail(its, f"E{number} x")
        if number in (0, 127, 128, 129):
            assert errorstats(mine) == errorstats(its), number
    mine.run([["GET"]]), its.run([["GET"]])
    assert errorstats(mine) == errorstats(its) == "# Errorstats\r\nerrorstat_ERRORSTATS_DISABLED:count=1\r\n"
    assert values(mine, "stats")["total_error_replies"] == values(its, "stats")["total_error_replies"] == "1101"
    assert values(mine, "memory")["lazyfreed_objects"] == values(its, "memory")["lazyfreed_objects"] == "128"
    text = log.read_text()
    assert text.count("Errorstats stopped adding new errors because the number of errors reached the limit") == 1
    assert text.count("# Current errors code list: E0, E1, E10, E100, ") == 1
    for side in both:
        side.run([["CONFIG", "RESETSTAT"], ["GET"]])
    assert errorstats(mine) == errorstats(its) == "# Errorstats\r\nerrorstat_ERR:count=1\r\n"


# ---- latencystats

def percentiles(side):
    found = {}
    for line in side.run([["INFO", "latencystats"]])[0].value.decode().splitlines()[1:]:
        name, _, figures = line.removeprefix("latency_percentiles_usec_").partition(":")
        found[name] = dict(pair.split("=") for pair in figures.split(",")) if figures else {}
    return found


def test_percentiles(client):
    client.run([["PING"]] * 90 + [["DEBUG", "SLEEP", "0.01"]] + [["DEBUG", "SLEEP", "0"]] * 9 + [["CONFIG", "GET", "port"], ["NOSUCH"], ["GET"]])
    found = percentiles(client)
    assert set(found) >= {"ping", "debug", "config|get"} and "get" not in found
    assert list(found["ping"]) == ["p50", "p99", "p99.9"]
    assert 10_000 <= float(found["debug"]["p99.9"]) < 10_000_000 and float(found["debug"]["p50"]) < 10_000
    assert 0 < float(found["ping"]["p50"]) <= float(found["ping"]["p99"]) <= float(found["ping"]["p99.9"])
    client.run([["CONFIG", "SET", "latency-tracking-info-percentiles", "0 100 50.5"]])
    assert list(percentiles(client)["ping"]) == ["p0", "p100", "p50.5"]
    client.run([["CONFIG", "SET", "latency-tracking-info-percentiles", ""]])
    assert percentiles(client)["ping"] == {}


def test_percentiles_are_true_to_two_digits(client):
    """What a histogram tells lies within a hundredth of what INFO commandstats counted."""
    client.run([["DEBUG", "SLEEP", "0.005"]])
    client.run([["CONFIG", "RESETSTAT"], ["DEBUG", "SLEEP", "0.005"]])
    took = float(re.search(rb"cmdstat_debug:calls=1,usec=\d+,usec_per_call=([\d.]+)", client.run([["INFO", "commandstats"]])[0].value).group(1))
    assert float(percentiles(client)["debug"]["p50"]) == pytest.approx(took, rel=0.01)


def test_tracking_can_be_off(client):
    client.run([["CONFIG", "SET", "latency-tracking", "no"], ["CONFIG", "RESETSTAT"], ["PING"]])
    assert percentiles(client) == {}
    client.run([["CONFIG", "SET", "latency-tracking", "yes"], ["PING"]])
    assert "ping" in percentiles(client)
    client.run([["CONFIG", "SET", "latency-tracking", "no"]])
    assert percentiles(client) == {}
    client.run([["CONFIG", "SET", "latency-tracking", "yes"], ["CONFIG", "RESETSTAT"]])
    assert set(percentiles(client)) <= {"config|resetstat"}


def test_compiled_methods_are_sampled():
    """The first call's time is taken, then that of one in 64; usec speaks for all."""
    with hutch.Redis() as r:
        r.ping()
        for _ in range(1000):
            r.set("a", "b")
            r.get("a")
        r.hset("h", "f", "v")
        with r.pipeline(transaction=False) as pipe:
            for _ in range(100):
                pipe.set("p", "v")
            pipe.execute()
        stats, latency = r.info("commandstats"), r.info("latencystats")
    assert stats["cmdstat_get"]["calls"] == 1000 and stats["cmdstat_set"]["calls"] == 1100
    for name in ("get", "set", "hset"):
        assert stats[f"cmdstat_{name}"]["usec_per_call"] >= 0
        assert 0 < latency[f"latency_percentiles_usec_{name}"]["p50"] <= latency[f"latency_percentiles_usec_{name}"]["p99.9"]
    assert stats["cmdstat_get"]["usec"] > 0


# ---- clients

def test_fields_of_client_list(client, oracle):
    real = TcpBackend(oracle.host, oracle.port).open()
    ours, theirs = ([re.sub(r"=\S*", "", word) for word in side.run([["CLIENT", "INFO"]])[0].value.decode().split()] for side in (client, real))
    real.close()
    assert ours == theirs


@pytest.mark.parametrize("options, name, version", [
    ({"lib_name": "mylib", "lib_version": "1.2"}, "mylib", "1.2"), ({"lib_name": None, "lib_version": None}, "", ""),
    ({"lib_name": "mylib"}, "mylib", None), ({"lib_name": None}, "", None)])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_library_of_an_embedded_client(options, name, version):
    """Redis-py's options, as redis-py sends them to a server."""
    import asyncio
    import hutch.asyncio
    import redis
    version = redis.__version__ if version is None else version
    with hutch.Redis(**options) as r:
        mine = r.client_info()
        assert (mine["lib-name"], mine["lib-ver"]) == (name, version)

        async def ask():
            async with hutch.asyncio.Redis(store=r, **options) as client:
                return await client.client_info()

        its = asyncio.run(ask())
        assert (its["lib-name"], its["lib-ver"]) == (name, version)
        r.client_setinfo("LIB-NAME", "another")
        assert r.client_info()["lib-name"] == "another"
