"""What is left of a process that dies of a fault: a report in its log, and the handlers that were there before had their turn."""
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

import hutch
from hutch.exceptions import ResponseError
from kit.launch import HUTCH, HUTCH_ENVIRONMENT, Launched, serve
from kit.oracle import free_port
from kit.resp_client import RespClient
from kit.waiting import wait_until

pytestmark = pytest.mark.skipif(bool(os.environ.get("ASAN_OPTIONS") or os.environ.get("TSAN_OPTIONS")),
                                reason="sanitizers have handlers of their own")


def die(server, *words):
    client = RespClient("127.0.0.1", server.port)
    with pytest.raises(Exception):
        client.execute(*words)
    client.close()
    return server.ended()


@pytest.mark.parametrize("words, number, name", [
    (("DEBUG", "SEGFAULT"), signal.SIGSEGV, "SIGSEGV"), (("DEBUG", "PANIC"), signal.SIGABRT, "SIGABRT"),
    (("DEBUG", "ASSERT", "some data"), signal.SIGABRT, "SIGABRT")])
def test_report_of_the_server(tmp_path, words, number, name):
    log = tmp_path / "server.log"
    port = free_port()
    with Launched(HUTCH, "--port", port, "--enable-debug-command", "yes", "--logfile", log) as server:
        server.port = port
        wait_until(lambda: log.exists() and "Ready to accept connections tcp" in log.read_text())
        assert die(server, *words) == -number
        text = log.read_text()
        assert f"crashed by signal: {int(number)} ({name}), si_code: " in text
        assert "hutch-listener" in text.split("Thread: ")[1].splitlines()[0]
        assert "--- STACK TRACE ---" in text and ".so" in text.split("--- STACK TRACE ---")[1]
        assert "Command: debug, words: " in text and f"argv[1]: '{words[1]}'" in text and "addr='127.0.0.1:" in text
        assert text.rstrip().endswith("=== HUTCH CRASH REPORT END ===")


def test_without_a_log_file_it_goes_to_standard_error_and_hides_data():
    with serve("--enable-debug-command", "yes", "--hide-user-data-from-log", "yes") as server:
        assert die(server, "DEBUG", "ASSERT", "some data") == -signal.SIGABRT
        text = server.text()
        assert "argv[0]: 'DEBUG'" in text and "argv[2]: *redacted* (9 bytes)" in text
        assert "some data" not in text and "addr=" not in text


def test_none_when_it_is_switched_off():
    with serve("--enable-debug-command", "yes", "--crash-log-enabled", "no") as server:
        assert die(server, "DEBUG", "SEGFAULT") == -signal.SIGSEGV
        assert "crashed by signal" not in server.text()
    with serve("--enable-debug-command", "yes") as server:
        client = RespClient("127.0.0.1", server.port)
        client.execute("CONFIG", "SET", "crash-log-enabled", "no")
        assert die(server, "DEBUG", "SEGFAULT") == -signal.SIGSEGV
        assert "crashed by signal" not in server.text()


def test_a_signal_from_outside():
    with serve() as server:
        server.process.send_signal(signal.SIGSEGV)
        assert server.ended() == -signal.SIGSEGV
        assert "crashed by signal: 11" in server.text() and "Sent by PID: " in server.text()
        assert "No client's command ran" in server.text()


def test_it_is_refused_without_the_parameter():
    with serve() as server:
        reply = RespClient("127.0.0.1", server.port).execute("DEBUG", "SEGFAULT")
        assert "DEBUG command not allowed" in str(reply.value)
        assert server.process.poll() is None


# ---- in somebody's program

def program(text):
    return subprocess.run([sys.executable, "-c", textwrap.dedent(text)], capture_output=True, text=True, timeout=120,
                          env=dict(HUTCH_ENVIRONMENT, PYTHONFAULTHANDLER=""))


@pytest.mark.parametrize("asked, reports", [("", False), ("crash_log=True, ", True), ("crash_log_enabled='yes', ", True)])
def test_in_a_program_only_when_asked(asked, reports):
    done = program(f"""
        import faulthandler, hutch, redis
        faulthandler.enable()
        server = hutch.Server(port=0, {asked}enable_debug_command='yes').start()
        try:
            redis.Redis(port=server.port).execute_command("DEBUG", "SEGFAULT")
        except redis.ConnectionError:
            pass
    """)
    assert done.returncode == -signal.SIGSEGV
    assert ("HUTCH CRASH REPORT" in done.stderr) == reports
    assert "Fatal Python error: Segmentation fault" in done.stderr         # faulthandler, which was there before, has its turn


def test_handlers_are_as_before_when_the_last_store_is_closed():
    done = program("""
        import faulthandler, hutch
        with hutch.Store(crash_log_enabled="yes"), hutch.Store(crash_log_enabled="yes") as other:
            hutch.Redis(store=other).config_set("crash-log-enabled", "yes")
        faulthandler._sigsegv()
    """)
    assert done.returncode == -signal.SIGSEGV and "HUTCH" not in done.stderr


def test_secrets_are_left_out():
    """A fault amid AUTH cannot be had by a command: the process is stopped in it by a script's loop and a signal."""
    with serve("--requirepass", "topsecret", "--busy-reply-threshold", "60000") as server:
        client = RespClient("127.0.0.1", server.port)
        client.execute("AUTH", "topsecret")
        client.socket.sendall(b"EVAL \"while true do end\" 0 visible\r\n")
        time.sleep(0.3)
        server.process.send_signal(signal.SIGABRT)
        assert server.ended() == -signal.SIGABRT
        text = server.text()
        assert "Command: eval, words: 4" in text and "'visible'" in text and "topsecret" not in text


def test_a_caller_in_the_process_is_refused_as_well():
    with hutch.Redis() as client:
        for word in ("SEGFAULT", "PANIC", "ASSERT"):
            with pytest.raises(ResponseError, match=f"DEBUG {word} is refused"):
                client.execute_command("DEBUG", word)
