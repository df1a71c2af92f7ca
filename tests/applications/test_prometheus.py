"""Debian's prometheus-redis-exporter beside a listener: it finds what it looks for, and what it tells is true."""
import re
import shutil
import subprocess
import time
import urllib.request

import pytest

import hutch
from kit.oracle import PLAIN, free_port
from kit.waiting import wait_until

NAME = "prometheus-redis-exporter"


@pytest.fixture(scope="module")
def exporter(tmp_path_factory):
    """The program: the installed one, or that of Debian's package, which is only unpacked."""
    found = shutil.which(NAME)
    if found:
        return found
    place = tmp_path_factory.mktemp("exporter")
    try:
        subprocess.run(["apt-get", "-o", "APT::Sandbox::User=root", "download", NAME], cwd=place, check=True, capture_output=True, timeout=120)
        package, = place.glob("*.deb")
        subprocess.run(["dpkg-deb", "-x", package, place], check=True, capture_output=True, timeout=120)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        pytest.skip(f"NOT TESTED WITH {NAME}: it is not installed, and cannot be had: {error}")
    return str(place / "usr/bin" / NAME)


def scrape(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=30) as answer:
        text = answer.read().decode()
    return {name: float(value) for name, value in re.findall(r"^(redis_\S+(?:\{.*\})?) (\S+)$", text, re.MULTILINE)}


def test_exporter(exporter):
    with hutch.Server(port=0, latency_monitor_threshold=1, slowlog_log_slower_than=1000, enable_debug_command="yes") as server:
        client = server.client()
        for number in range(100):
            client.set(f"key:{number}", "value", ex=1000 if number % 2 else None)
        client.rpush("list", *range(10))
        client.xadd("stream", {"a": "b"})
        client.get("key:1"), client.get("nothing")
        for wrong in (("LPUSH", "key:1", "x"), ("NOSUCH",), ("GET",)):
            with pytest.raises(Exception):
                client.execute_command(*wrong)
        client.execute_command("DEBUG", "SLEEP", "0.02")
        port = free_port()
        process = subprocess.Popen(
            [exporter, f"-web.listen-address=127.0.0.1:{port}", f"-redis.addr=redis://127.0.0.1:{server.port}", "-include-system-metrics",
             "-export-client-list", "-check-keys=list", "-check-single-streams=stream", "-count-keys=db0=key:*", "-include-config-metrics"],
            env=PLAIN, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            def answers():
                try:
                    return scrape(port)
                except OSError:
                    return None
            wait_until(answers)
            metrics = scrape(port)
            info = client.info("everything")
        finally:
            process.terminate()
            said = process.communicate(timeout=30)[0]
    assert metrics["redis_up"] == 1 and metrics["redis_exporter_last_scrape_error{err=\"\"}"] == 0, said
    assert metrics['redis_db_keys{db="db0"}'] == 102 and metrics['redis_db_keys_expiring{db="db0"}'] == 50
    assert 0 < metrics['redis_db_avg_ttl_seconds{db="db0"}'] <= 1000
    assert metrics['redis_commands_total{cmd="set"}'] == 100 and metrics['redis_commands_total{cmd="rpush"}'] == 1
    assert metrics["redis_keyspace_hits_total"] >= 1 and metrics["redis_keyspace_misses_total"] >= 1
    assert metrics["redis_slowlog_length"] == 1 and metrics["redis_slowlog_last_id"] == 0
    assert metrics["redis_last_slow_execution_duration_seconds"] >= 0.02
    assert metrics['redis_latency_spike_duration_seconds{event_name="command"}'] >= 0.02
    assert time.time() - 100 < metrics['redis_latency_spike_last{event_name="command"}'] <= time.time() + 1
    assert metrics['redis_key_size{db="db0",key="list"}'] == 10 and metrics['redis_keys_count{db="db0",key="key:*"}'] == 100
    assert metrics['redis_stream_length{db="db0",stream="stream"}'] == 1
    assert abs(metrics["redis_memory_used_bytes"] - info["used_memory"]) < 1_000_000 and metrics["redis_memory_max_bytes"] == 0
    assert metrics["redis_connected_clients"] >= 2 and metrics["redis_blocked_clients"] == 0
    assert metrics["redis_config_maxclients"] == 10000
    assert any(name.startswith('redis_instance_info{') and 'role="master"' in name and 'redis_version="8.2.3"' in name for name in metrics)
    assert any(name.startswith("redis_connected_client_") or name.startswith("redis_connected_clients_details") for name in metrics)
    assert metrics["redis_uptime_in_seconds"] >= 0 and metrics["redis_total_system_memory_bytes"] > 1 << 20
    assert "level=error" not in said.replace("err=\"\"", ""), said
