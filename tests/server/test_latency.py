"""LATENCY beside a real Redis: replies, series, the graph; and events of every kind that Hutch has."""
import pytest

import hutch
from kit.backends import TcpBackend


@pytest.fixture
def both(client, oracle):
    real = TcpBackend(oracle.host, oracle.port).open()
    for side in (client, real):
        side.run([["CONFIG", "SET", "latency-monitor-threshold", "3"], ["LATENCY", "RESET"]])
    yield client, real
    real.run([["CONFIG", "SET", "latency-monitor-threshold", "0"], ["LATENCY", "RESET"], ["FLUSHALL"]])
    real.close()


def ask(side, *words):
    return side.run([words])[0].value


def test_replies(same_as_redis):
    same_as_redis("LATENCY", "LATENCY HELP", "LATENCY LATEST", "LATENCY HISTORY nosuch", "LATENCY HISTORY", "LATENCY GRAPH nosuch",
                  "LATENCY RESET", "LATENCY RESET x y", "LATENCY HISTOGRAM nosuch", "LATENCY NOSUCH", "LATENCY HISTORY command")


def test_commands(both):
    for side in both:
        assert ask(side, "LATENCY", "LATEST") == []
        side.run([["SET", "a", "b"], ["DEBUG", "SLEEP", "0.01"]])
        (event, time, latest, highest), = ask(side, "LATENCY", "LATEST")
        assert event == b"command" and time > 1_600_000_000 and latest == highest >= 10
        assert ask(side, "LATENCY", "HISTORY", "command") == [[time, latest]]
        assert ask(side, "LATENCY", "RESET", "nosuch", "command") == 1
        assert ask(side, "LATENCY", "LATEST") == [] and ask(side, "LATENCY", "RESET") == 0


def test_one_sample_a_second_the_longest(engine, client):
    client.run([["CONFIG", "SET", "latency-monitor-threshold", "1"]])
    engine.set_clock_ms(1_700_000_000_000)
    for ms, seconds in ((4, 0), (20, 0), (2, 0), (6, 1), (3, 70), (60, 0)):
        engine.advance_clock_ms(1000 * seconds)
        client.run([["DEBUG", "SLEEP", f"{ms / 1000}"]])
    history = ask(client, "LATENCY", "HISTORY", "command")
    assert [time - 1_700_000_000 for time, _ in history] == [0, 1, 71]
    assert history[0][1] >= 20 and history[1][1] >= 6 and history[2][1] >= 60
    assert ask(client, "LATENCY", "LATEST")[0][3] == max(ms for _, ms in history)
    for _ in range(200):
        engine.advance_clock_ms(1000)
        client.run([["DEBUG", "SLEEP", "0.001"]])
    assert len(ask(client, "LATENCY", "HISTORY", "command")) == 160
    engine.release_clock()


def graph(event, history, now, highest):
    """As Redis draws it (its sparklines, four rows of three steps)."""
    values = [ms for _, ms in history]
    low, high = min(values), max(values)
    lines = [f"{event} - high {high} ms, low {low} ms (all time high {highest} ms)", "-" * 80]
    for start in range(0, len(values), 80):
        part = history[start:start + 80]
        if start:
            lines.append("")
        for row in range(4):
            line = ""
            for _, ms in part:
                step = min(int((ms - low) * 12 / ((high - low) or 1)), 11) - (3 - row) * 3
                line += " " if step < 0 else "_o#"[step] if step < 3 else "|"
            lines.append(line)
        lines.append(" " * len(part))
        ages = [now - time for time, _ in part]
        labels = [f"{age}s" if age < 60 else f"{age // 60}m" if age < 3600 else f"{age // 3600}h" if age < 86400 else f"{age // 86400}d"
                  for age in ages]
        for at in range(max(map(len, labels))):
            lines.append("".join(label[at] if at < len(label) else " " for label in labels))
    return "\n".join(lines) + "\n"


def test_graph(engine, client):
    client.run([["CONFIG", "SET", "latency-monitor-threshold", "1"]])
    now = 1_700_000_000
    engine.set_clock_ms(now * 1000)
    for index in range(100):
        seconds = (1, 1, 100, 5000, 1, 90000)[index % 6]
        now += seconds
        engine.advance_clock_ms(1000 * seconds)
        client.run([["DEBUG", "SLEEP", f"{(index * 7 % 13 + 1) / 1000}"]])
    history = ask(client, "LATENCY", "HISTORY", "command")
    highest = ask(client, "LATENCY", "LATEST")[0][3]
    assert ask(client, "LATENCY", "GRAPH", "command").decode() == graph("command", history, now, highest)
    engine.release_clock()


def test_the_graph_of_redis_is_that_one(both):
    _, real = both
    real.run([["DEBUG", "SLEEP", "0.01"]])
    text = ask(real, "LATENCY", "GRAPH", "command").decode()
    history = ask(real, "LATENCY", "HISTORY", "command")
    highest = ask(real, "LATENCY", "LATEST")[0][3]
    assert text in [graph("command", history, history[-1][0] + late, highest) for late in range(20)]


def test_doctor(both):
    for side in both:
        assert b"Dave" in ask(side, "LATENCY", "DOCTOR")
        side.run([["DEBUG", "SLEEP", "0.01"]])
        text = ask(side, "LATENCY", "DOCTOR")
        assert b"1. command: 1 latency spikes (average " in text and b"Worst all time event" in text
        side.run([["CONFIG", "SET", "latency-monitor-threshold", "0"], ["LATENCY", "RESET"]])
        text = ask(side, "LATENCY", "DOCTOR")
        assert text.startswith(b"I'm sorry, Dave") and b"disabled" in text


def test_events_of_other_work(engine, client):
    """Eviction, made slow by how much has to go at once."""
    client.run([["CONFIG", "SET", "latency-monitor-threshold", "1"]])
    client.run([["DEBUG", "POPULATE", "60000", "key", "200"]])
    used = int(dict(line.split(b":") for line in ask(client, "INFO", "memory").splitlines() if b":" in line)[b"used_memory"])
    client.run([["CONFIG", "SET", "maxmemory-policy", "allkeys-random", "maxmemory", str(used // 4)], ["SET", "a", "b"]])
    assert b"eviction-cycle" in [event for event, *_ in ask(client, "LATENCY", "LATEST")]


def test_log_events(tmp_path):
    with hutch.Store(dir=str(tmp_path), appendonly=True, appendfsync="always", latency_monitor_threshold=1) as store:
        client = hutch.Redis(store=store)
        events = set()
        for index in range(300):
            client.set("key", "v" * 2_000_000)
            events = {event[0] for event in client.execute_command("LATENCY", "LATEST")}
            if events & {b"aof-write", b"aof-fsync-always"}:
                break
        assert events & {b"aof-write", b"aof-fsync-always"}


# ---- histograms

def histograms(side, *names):
    flat = ask(side, "LATENCY", "HISTOGRAM", *names)
    return {name: (body[1], dict(zip(body[3][::2], body[3][1::2]))) for name, body in zip(flat[::2], flat[1::2])}


def test_histograms(both):
    for side in both:
        side.run([["CONFIG", "RESETSTAT"], *[["SET", "a", "b"]] * 50, ["CLIENT", "ID"], ["CLIENT", "GETNAME"], ["DEBUG", "SLEEP", "0.01"]])
        found = histograms(side, "set", "client", "nosuch", "client|id", "get")
        assert sorted(found) == [b"client|getname", b"client|id", b"set"]
        calls, bins = found[b"set"]
        assert calls == 50 and list(bins) == sorted(bins) and list(bins.values()) == sorted(bins.values()) and max(bins.values()) == 50
        calls, bins = histograms(side, "DEBUG")[b"debug"]
        assert calls == 1 and list(bins.values()) == [1] and list(bins)[0] in (16908, 33816, 67633, 135266)
        assert set(histograms(side)) >= {b"set", b"config|resetstat", b"client|id"}
        borders = {border for _, bins in histograms(side).values() for border in bins}
        assert borders <= {(power + power // 128 - 1) // 1000 for power in (1 << bit for bit in range(10, 34))}
        side.run([["CONFIG", "RESETSTAT"]])
        assert b"set" not in histograms(side)


def test_histograms_of_compiled_calls():
    """The time of most of them is not taken; they are thought to be spread as the others."""
    with hutch.Redis() as client:
        for _ in range(1000):
            client.set("a", "b")
        found = dict(client.execute_command("LATENCY", "HISTOGRAM", "set", NEVER_DECODE=True))
        assert found[b"set"][b"calls"] == 1000 and max(found[b"set"][b"histogram_usec"].values()) == 1000
