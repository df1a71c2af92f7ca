"""docs/commands.md and docs/parameters.md are what their sources make, and miss nothing that a real Redis 8.2 has."""
import sys
from pathlib import Path

import pytest
from shims.config import Parameters, rows

from kit.backends import TcpBackend

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))

import docs_tables  # noqa: E402

# Values that the table takes for what they are not kept in a field of their own, and that something reads by name.
READ_BY_NAME = {"latency-tracking-info-percentiles", "supervised"}


@pytest.mark.parametrize("page", ["commands.md", "parameters.md"])
def test_pages_are_up_to_date(page):
    assert (ROOT / "docs" / page).read_text(encoding="utf-8") == docs_tables.pages()[page], "run `make docs-tables`"


def asked(oracle, *words):
    return TcpBackend(oracle.host, oracle.port).open().run([list(words)])[0].value


def test_every_command_of_redis_is_told_of(oracle):
    told = {name: (since, has) for name, _, since, has, _ in docs_tables.every_command()}
    listed = {name.decode().lower() for name in asked(oracle, "COMMAND", "LIST")}
    assert listed <= set(told)
    documented = asked(oracle, "COMMAND", "DOCS")
    for name, about in zip(documented[::2], documented[1::2]):
        about = dict(zip(about[::2], about[1::2]))
        assert told[name.decode().lower()][0] == about.get(b"since", told[name.decode().lower()][0].encode()).decode()
        inner = about.get(b"subcommands", [])
        for subname, sub in zip(inner[::2], inner[1::2]):
            assert told[subname.decode()][0] == dict(zip(sub[::2], sub[1::2]))[b"since"].decode()


def test_every_parameter_of_redis_is_told_of(oracle):
    known = {name for row in rows() for name in (row["name"], row["alias"])}
    shown = {name.decode() for name in asked(oracle, "CONFIG", "GET", "*")[::2]}
    # Of a Redis that was built with TLS.
    assert {name for name in shown - known if not name.startswith("tls-") and "-tls-" not in name} == set()


def test_who_has_no_effect_says_why():
    """A value that nobody looks at has no field of its own. So whoever adds a parameter makes it do something, or says why it
    does nothing."""
    assert {row["name"] for row in rows() if row["spare"] and not row["why"]} <= READ_BY_NAME
    assert all(row["why"] for row in rows() if row["default_only"])
    assert all(Parameters().get(row["name"]) is not None for row in rows())
