"""A listener of Hutch's own, and both sides of a comparison with a real Redis."""
import pytest

from kit.backends import TcpBackend


@pytest.fixture
def engine():
    """An engine with a listener on a free port of 127.0.0.1."""
    pytest.importorskip("hutch_engine.door.engine")
    from hutch_engine.door.engine import Engine
    engine = Engine()
    engine.configure("bind", "127.0.0.1")
    engine.configure("enable-debug-command", "yes")      # as the oracle
    engine.start_listener(any_port=True)
    yield engine
    engine.close()


@pytest.fixture
def client(engine):
    connection = TcpBackend("127.0.0.1", engine.port).open()
    yield connection
    connection.close()


@pytest.fixture
def same_as_redis(client, oracle):
    """Sends the lines to both, after HELLO 2 and after HELLO 3, and wants the same bytes back."""
    real = TcpBackend(oracle.host, oracle.port).open()

    def compare(*commands):
        for protocol in ("2", "3"):
            script = [["HELLO", protocol], *[command.split(" ") if isinstance(command, str) else command
                                             for command in commands]]
            # One at a time: after a failed HELLO AUTH, Redis 8.2.3 leaves what was pipelined behind it waiting.
            ours, theirs = ([side.run([command])[0] for command in script] for side in (client, real))
            for command, mine, its in list(zip(script, ours, theirs))[1:]:
                assert mine.raw == its.raw, (protocol, command)

    yield compare
    real.run([["FLUSHALL"], ["RESET"]])
    real.close()
