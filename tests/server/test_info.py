"""INFO: Redis's sections and fields, and figures that are real."""
from subjects import TcpSubject

# What this oracle has beside a plain Redis, or counts by threads that Hutch does not have.
ONLY_REDIS = {"used_cpu_sys_main_thread", "used_cpu_user_main_thread", "module"}


def sections(text):
    found, fields = {}, None
    for line in text.decode().splitlines():
        if line.startswith("# "):
            fields = found[line[2:]] = []
        elif line:
            fields.append(line.split(":")[0])
    return found


def test_sections_and_fields(client, oracle):
    real = TcpSubject(oracle.host, oracle.port).open()
    ours, theirs = (sections(side.run([["INFO"]])[0].value) for side in (client, real))
    real.close()
    assert list(ours) == list(theirs)
    for name in ("Server", "Clients", "Memory", "Persistence", "Threads", "Stats", "Replication", "CPU", "Cluster"):
        mine = [field for field in ours[name] if field != "hutch_version"]
        assert mine == [field for field in theirs[name] if field not in ONLY_REDIS], name


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
