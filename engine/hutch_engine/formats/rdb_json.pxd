"""JSON documents in Redis's RDB format, as RedisJSON writes them: of the module's type ReJSON-RL, version 3, one string, the compact
text. Earlier versions (0, and 2 with an index's name) are not read."""
from hutch_engine.keyspace.value_type cimport ValueType

cdef void rdb_json(ValueType* row) noexcept nogil
"""Fill save and load of TYPE_JSON's row."""
