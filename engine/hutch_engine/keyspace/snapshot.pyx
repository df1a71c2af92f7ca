"""See snapshot.pxd."""
from hutch_engine.base.buffer cimport buffer_clear


cdef void snapshot_begin(Snapshot* snapshot, void* writer) noexcept nogil:
    snapshot.writer = writer
    snapshot.early = 0
    snapshot.early_bytes = 0


cdef void snapshot_clear(Snapshot* snapshot) noexcept nogil:
    buffer_clear(&snapshot.records)
