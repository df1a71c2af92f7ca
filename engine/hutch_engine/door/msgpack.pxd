"""Reading MessagePack from C; see msgpack.pyx."""

cdef object msgpack_read(bytes data, object restore, Py_ssize_t begin, int depth)
"""The one value that these bytes are, from `begin` on, at this depth of another one; see `unpacked`. `restore(code, payload, depth)` makes values of
extensions, or is None. O(its size); ValueError for bytes that are no MessagePack, and what `restore` raises."""
