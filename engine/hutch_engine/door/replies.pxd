"""Replies to Python objects: the one decoder of RESP on this side, and what redis-py's callbacks make of a reply.

Replies are decoded outside the engine's lock. They are the engine's own, so their digits are digits; where they end too early
an exception says so.
"""
from hutch_engine.door.codec cimport Codec

cdef enum:
    NESTING_MAX = 1000               # of replies; the deepest Redis value (a JSON document) has 128

cdef struct Cursor:                  # where the decoder reads
    const char* at
    const char* end

cdef enum Shape:                     # what becomes of a reply (PYTHON_REPLIES in tools/declarations.py)
    SHAPE_VALUE                      # integers, bulk strings, lists of them, nulls: as they are
    SHAPE_DONE                       # +OK as True, a null as None
    SHAPE_TRUTH                      # an integer as bool
    SHAPE_NUMBER                     # a double, or its text, as float
    SHAPE_NUMBERS                    # a list of them
    SHAPE_UNIQUE                     # a list as set
    SHAPE_PAIRS                      # a map, or a flat list of pairs, as dict

cdef object no_reply(Codec codec)
"""What a caller hears whose command is not answered (CLIENT REPLY): codec.silence_error, or None."""
cdef object decode_reply(Cursor* cursor, Codec codec, bint decode, int depth)
"""The reply at the cursor, which moves behind it. Error replies are exception instances. RecursionError past NESTING_MAX.
O(bytes)."""
cdef object shape_reply(Cursor* cursor, Shape shape, Codec codec)
"""The same, as redis-py's response callback would shape it. O(bytes)"""
