"""What a URL or a path at the command line means."""
from __future__ import annotations

import os
import re
import ssl
import stat
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from ..store import is_path
from ..url import parse_url
from . import TerminalError

SCHEMES = "hutch://, redis://, rediss://, valkey://, valkeys://, unix://"
_ADDRESS = re.compile(r"^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9_.-]+):([0-9]{1,5})$")
_YES = ("1", "yes", "true", "y", "on", "required")


@dataclass
class Security:
    """How TLS is spoken."""

    ca_file: "str | None" = None
    ca_directory: "str | None" = None
    certificate: "str | None" = None
    key: "str | None" = None
    key_password: "str | None" = field(default=None, repr=False)
    server_name: "str | None" = None
    verify: bool = True
    check_name: bool = True

    def context(self) -> ssl.SSLContext:
        """As Python's ssl wants it. TerminalError for files that cannot be used."""
        try:
            context = ssl.create_default_context(cafile=self.ca_file, capath=self.ca_directory)
            if self.certificate:
                context.load_cert_chain(self.certificate, self.key, self.key_password)
        except OSError as error:             # ssl.SSLError is one
            raise TerminalError(f"TLS: {error.strerror or error}") from None
        if not self.verify or not self.check_name:
            context.check_hostname = False
        if not self.verify:
            context.verify_mode = ssl.CERT_NONE
        return context


@dataclass
class Target:
    """A server or a store. `kind` is tcp, unix (a socket), store (a directory), memory, or file (an RDB file, which is read into
    memory)."""

    kind: str = "tcp"
    host: str = "127.0.0.1"
    port: int = 6379
    path: str = ""
    db: int = 0
    username: "str | None" = None
    password: "str | None" = field(default=None, repr=False)
    tls: "Security | None" = None

    @property
    def label(self) -> str:
        """What a prompt calls it: never with a name or a password in it."""
        if self.kind == "tcp":
            return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        return self.path or "memory"

    @property
    def is_ours(self) -> bool:
        """Is it a store of Hutch's that this process opens itself?"""
        return self.kind in ("store", "memory", "file")


def is_target(word: str) -> bool:
    """Does a word of the command line say where to go, and is no command?

    >>> [word for word in ("redis://h", "./store", ".", "localhost:6380", ":memory:", "GET", "a:b") if is_target(word)]
    ['redis://h', './store', '.', 'localhost:6380', ':memory:']
    """
    return "://" in word or is_path(word) or word in (".", "..", ":memory:") or bool(_ADDRESS.match(word))


def parse_target(text: str) -> Target:
    """What a URL, a path, HOST:PORT or `:memory:` means. TerminalError, without what may be a password, for what means nothing.

    >>> parse_target("redis://ann:secret@example.org:7000/2").label
    'example.org:7000'
    >>> parse_target("hutch://").kind, parse_target("./data").kind
    ('memory', 'store')
    """
    if text == ":memory:":
        return Target("memory")
    if "://" not in text:
        address = _ADDRESS.match(text)
        if address:
            return Target(host=address.group(1).strip("[]"), port=_port(address.group(2)))
        return _path(text)
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise TerminalError("this URL cannot be read: a host's port is a number, a password's special characters are written as %40") from None
    query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if parts.scheme == "hutch":
        try:
            options = parse_url(text)
        except ValueError as error:
            raise TerminalError(str(error)) from None
        name = options.get("name")
        target = _path(name) if is_path(name) or name in (".", "..") else Target("memory")
        target.db = options.get("db", 0)
        target.username, target.password = options.get("username"), options.get("password")
        return target
    if parts.scheme == "unix":
        target = Target("unix", path=unquote((parts.netloc.rpartition("@")[2] or "") + parts.path))
    elif parts.scheme in ("redis", "rediss", "valkey", "valkeys"):
        target = Target(host=unquote(host or "127.0.0.1"), port=port or 6379)
        path = parts.path.strip("/")
        if path:
            target.db = _number(path)
        if parts.scheme in ("rediss", "valkeys"):
            target.tls = Security()
    else:
        raise TerminalError(f"{parts.scheme}:// is no scheme that can be reached: {SCHEMES}, or a path")
    target.username = unquote(parts.username) if parts.username else query.get("username")
    target.password = unquote(parts.password) if parts.password is not None else query.get("password")
    if "db" in query:
        target.db = _number(query["db"])
    if target.tls is not None:
        _security(target.tls, query)
    return target


def _security(tls: Security, query: "dict[str, str]") -> None:
    # Named as in the URLs of redis-py.
    tls.ca_file = query.get("ssl_ca_certs")
    tls.ca_directory = query.get("ssl_ca_path")
    tls.certificate, tls.key = query.get("ssl_certfile"), query.get("ssl_keyfile")
    tls.verify = query.get("ssl_cert_reqs", "required").lower() in ("required", "optional")
    tls.check_name = query.get("ssl_check_hostname", "yes").lower() in _YES


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise TerminalError(f"{text!r} is no database's number")
    return int(text)


def _port(text: str) -> int:
    if not 0 < int(text) < 65536:
        raise TerminalError(f"{text} is no port")
    return int(text)


def _path(text: Any) -> Target:
    path = os.fspath(text)
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        mode = stat.S_IFDIR                  # to be made
    except OSError as error:
        raise TerminalError(f"{path}: {error.strerror}") from None
    if stat.S_ISSOCK(mode):
        return Target("unix", path=path)
    return Target("file" if stat.S_ISREG(mode) else "store", path=path)
