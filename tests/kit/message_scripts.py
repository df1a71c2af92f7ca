"""Scripts of several clients that are sent messages: run on two servers, and what each client got is compared.

A step is "client: command". {1} stands for client 1's ID. After each step every client is asked for a sign of life, so
that what was sent to it before is known to have come.
"""
import shlex

from kit.resp_client import Closed, RespClient


class MessageScript:
    def __init__(self, host, port, protocols="2233"):
        self.host, self.port = host, port
        self.clients = []
        self.ids = {}
        self.heard = []                  # per step: {client: [raw, ...]}
        self.signs = 0
        self.queueing = set()            # clients inside MULTI: they are given no sign of life, but QUEUED
        eye = RespClient(host, port)
        eye.execute("FLUSHALL")
        eye.close()
        for number, protocol in enumerate(protocols):
            client = RespClient(host, port)
            if protocol == "3":
                client.execute("HELLO", "3")
            self.ids[str(number)] = client.execute("CLIENT", "ID").value
            self.clients.append(client)

    def _plain(self, raw):
        if b"redir" not in raw and not self.about_clients:
            return raw
        for number, id in self.ids.items():
            raw = raw.replace(b":%d\r\n" % id, b":{%s}\r\n" % number.encode())
        return raw

    def _until_sign(self, number):
        self.signs += 1
        sign = b"sign %d" % self.signs
        client, found = self.clients[number], []
        client.send_raw(b"*2\r\n$4\r\nPING\r\n$%d\r\n%b\r\n" % (len(sign), sign))
        while True:
            raw = client.read().raw
            if sign in raw:
                return found
            found.append(self._plain(raw))

    def run(self, steps):
        for step in steps:
            number, _, line = step.partition(":")
            for name, id in self.ids.items():
                line = line.replace("{%s}" % name, str(id))
            words = [word.encode() for word in shlex.split(line)]
            at, heard = int(number), {}
            self.about_clients = words[0] == b"CLIENT"
            if words == [b"close"]:
                self.clients[at].close()
                self.clients[at] = None
            else:
                self.clients[at].send_raw(b"*%d\r\n" % len(words) + b"".join(
                    b"$%d\r\n%b\r\n" % (len(word), word) for word in words))
            if words == [b"MULTI"]:
                self.queueing.add(at)
            elif words[0] in (b"EXEC", b"DISCARD"):
                self.queueing.discard(at)
            # The one who acts comes first: the others' messages were written before its sign of life.
            for other in sorted(range(len(self.clients)), key=lambda one: one != at):
                if self.clients[other] is None or (other in self.queueing and other != at):
                    continue
                try:
                    if other in self.queueing:
                        heard[other] = [self.clients[at].read().raw]
                        continue
                    heard[other] = self._until_sign(other)
                    if other == at:
                        # Redis broadcasts at the end of a turn of its loop, which may have taken in the sign as well.
                        heard[other] += self._until_sign(other)
                    if words[0] == b"HELLO":
                        heard[other] = []            # the modules are each server's own
                except (Closed, ConnectionError):
                    heard[other] = [b"closed"]
                    self.clients[other] = None
            self.heard.append(heard)
        for client in self.clients:
            if client is not None:
                client.close()
        return self.heard


def assert_same_messages(hutch, oracle, steps, protocols="2233", unordered=()):
    """Run the steps on both. `unordered`: commands whose messages may come in any order (a server's hash order)."""
    ours = MessageScript("127.0.0.1", hutch.port, protocols).run(steps)
    theirs = MessageScript(oracle.host, oracle.port, protocols).run(steps)
    for step, mine, other in zip(steps, ours, theirs):
        if any(word in step for word in unordered):
            mine, other = ({number: sorted(b"".join(raws).split(b"\r\n")) for number, raws in heard.items()}
                           for heard in (mine, other))
        assert mine == other, (step, mine, other)
