"""DUMP's payloads in the words of another server: the same value with the lowest version that has its form, or said in another form.

A server refuses payloads of versions that it does not know, and Valkey 9 those of Redis since 7.4 (version 12) altogether, although most
values look in them as they did before. So a payload is tried, in this order,

    RAW        as it came
    RESEALED   with the lowest version that has its form
    PLAIN      in the forms of old
    COMMANDS   not at all: the key is made by its type's commands
"""
from __future__ import annotations

from .rdb_bytes import sealed
from .records import FOOTER_BYTES

RAW, RESEALED, PLAIN, COMMANDS = range(4)
WAYS = ("raw", "resealed", "plain", "commands")
# Forms and the version that has them first: Redis 5 and older; 7.0 packs hashes, sorted sets, lists and streams anew, 7.2 sets and streams.
FIRST_VERSIONS = ((15, 9), (19, 10), (21, 11))


def version_of(payload: bytes) -> int | None:
    """The lowest version that has the payload's form; None for forms that are not the same everywhere."""
    form = payload[0]
    return next((version for last, version in FIRST_VERSIONS if form <= last), None)


def resealed(payload: bytes) -> bytes | None:
    """The payload with the lowest version that has its form; None where there is none, or it has that already."""
    version = version_of(payload)
    if version is None or int.from_bytes(payload[-FOOTER_BYTES:-FOOTER_BYTES + 2], "little") == version:
        return None
    return sealed(payload[:-FOOTER_BYTES], version)
