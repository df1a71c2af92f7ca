"""Streams: reading on from an ID, alone (XREAD) or in a consumer group (XREADGROUP), waiting where there is nothing yet.

Who waits runs the whole command again when something was added. "$" is the last ID at the time the wait begins, so
the words that are run again have that ID in its place; ">" is a group's own last ID, whenever it is looked at.
"""
from hutch_engine.commands.call cimport Call

cdef void cmd_xread(Call* call) noexcept nogil
cdef void cmd_xreadgroup(Call* call) noexcept nogil
