"""TLS by Python's own `ssl.MemoryBIO`, for Pythons whose OpenSSL cannot be reached (net/openssl).

It does what net/tls does, in the listener's thread but with the GIL: a busy program slows its TLS clients down, and they it. So it is used
only where the other cannot be, or where a test asks for it. Python's module lacks what it does not offer: `tls-ciphersuites` is refused,
the parameters of session caching have no effect.
"""

cdef void spare_tls_offer() noexcept nogil
"""Let net/tls use it where it must. From any thread; once is enough."""
