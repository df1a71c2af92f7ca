"""Geo: places with their positions, which are the members of a sorted set and their scores. What lies in a circle or a box. See
structures/geohash."""
from hutch_engine.commands.call cimport Call

cdef void cmd_geoadd(Call* call) noexcept nogil
cdef void cmd_geodist(Call* call) noexcept nogil
cdef void cmd_geohash(Call* call) noexcept nogil
cdef void cmd_geopos(Call* call) noexcept nogil
cdef void cmd_georadius(Call* call) noexcept nogil
cdef void cmd_georadius_ro(Call* call) noexcept nogil
cdef void cmd_georadiusbymember(Call* call) noexcept nogil
cdef void cmd_georadiusbymember_ro(Call* call) noexcept nogil
cdef void cmd_geosearch(Call* call) noexcept nogil
cdef void cmd_geosearchstore(Call* call) noexcept nogil
