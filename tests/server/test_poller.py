"""The poller: epoll and its portable fallback answer alike."""
import os
import select
import socket
import sys
import threading

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shims.poller import PollerShim

READ, WRITE, FAILED = 1, 2, 4


@pytest.fixture(params=[False, True], ids=["native", "portable"])
def poller(request):
    return PollerShim(request.param)


def test_which_one_is_used():
    assert PollerShim(False).uses_epoll == sys.platform.startswith("linux")
    assert not PollerShim(True).uses_epoll


def test_readable_and_writable(poller):
    here, there = socket.socketpair()
    assert poller.add(here.fileno(), READ)
    assert poller.wait(0) == ({}, False)
    there.send(b"x")
    assert poller.wait(1000) == ({here.fileno(): READ}, False)
    assert poller.wait(0) == ({here.fileno(): READ}, False)      # level-triggered
    assert poller.change(here.fileno(), READ | WRITE)
    assert poller.wait(0) == ({here.fileno(): READ | WRITE}, False)
    assert poller.change(here.fileno(), 0)
    assert poller.wait(0) == ({}, False)
    there.close()
    assert poller.wait(0)[0][here.fileno()] & FAILED             # told though not asked for
    poller.remove(here.fileno())
    assert poller.wait(0) == ({}, False)


def test_wake_from_another_thread(poller):
    threading.Timer(0.02, poller.wake).start()
    found = poller.wait(60_000)
    while found == ({}, False):                 # a process that was stopped and goes on comes back early (EINTR)
        found = poller.wait(60_000)
    assert found == ({}, True)
    assert poller.wait(0) == ({}, False)


def test_many_wakes_are_one(poller):
    for _ in range(100_000):
        poller.wake()
    while poller.wait(0)[1]:
        pass
    assert poller.wait(0) == ({}, False)


def test_more_ready_than_one_report_holds(poller):
    pipes = [os.pipe() for _ in range(300)]
    try:
        for read_end, write_end in pipes:
            assert poller.add(read_end, READ)
            os.write(write_end, b"x")
        seen = set()
        for _ in range(3):
            seen |= set(poller.wait(0)[0])
        assert seen == {read_end for read_end, _ in pipes}
    finally:
        for pair in pipes:
            for fd in pair:
                os.close(fd)


class PollerMachine(RuleBasedStateMachine):
    """Against select.poll, with sockets that come, go and change."""
    portable = False

    def __init__(self):
        super().__init__()
        self.poller = PollerShim(self.portable)
        self.pairs = []
        self.interest = {}

    interests = st.sampled_from([0, READ, WRITE, READ | WRITE])

    @rule(interest=interests)
    def add(self, interest):
        pair = socket.socketpair()
        self.pairs.append(pair)
        self.interest[pair[0].fileno()] = interest
        assert self.poller.add(pair[0].fileno(), interest)

    @precondition(lambda self: self.pairs)
    @rule(data=st.data(), interest=interests)
    def change(self, data, interest):
        pair = data.draw(st.sampled_from(self.pairs))
        self.interest[pair[0].fileno()] = interest
        assert self.poller.change(pair[0].fileno(), interest)

    @precondition(lambda self: self.pairs)
    @rule(data=st.data())
    def remove(self, data):
        pair = self.pairs.pop(data.draw(st.integers(0, len(self.pairs) - 1)))
        self.poller.remove(pair[0].fileno())
        del self.interest[pair[0].fileno()]
        pair[0].close()
        pair[1].close()

    @precondition(lambda self: self.pairs)
    @rule(data=st.data())
    def send(self, data):
        data.draw(st.sampled_from(self.pairs))[1].send(b"x")

    @precondition(lambda self: self.pairs)
    @rule(data=st.data())
    def receive(self, data):
        here = data.draw(st.sampled_from(self.pairs))[0]
        here.setblocking(False)
        try:
            here.recv(100)
        except BlockingIOError:
            pass

    @invariant()
    def same_as_the_system(self):
        oracle = select.poll()
        for fd, interest in self.interest.items():
            oracle.register(fd, (select.POLLIN if interest & READ else 0) | (select.POLLOUT if interest & WRITE else 0))
        expected = {fd: (READ if ready & select.POLLIN else 0) | (WRITE if ready & select.POLLOUT else 0)
                    for fd, ready in oracle.poll(0)}
        assert self.poller.wait(0) == (expected, False)

    def teardown(self):
        for here, there in self.pairs:
            here.close()
            there.close()


class PortableMachine(PollerMachine):
    portable = True


TestNative = PollerMachine.TestCase
TestPortable = PortableMachine.TestCase
TestNative.settings = TestPortable.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)
