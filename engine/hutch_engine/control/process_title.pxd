"""What the system calls the process of a server: proc-title-template, as `ps` shows it."""
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.state.engine cimport Engine

cdef void process_title_write(const Engine* engine, Buffer* out) noexcept nogil
"""Append what proc-title-template makes of the present configuration. `failed` is set when memory was refused."""
cdef void process_title_set(const Engine* engine) noexcept nogil
"""Give the process this title, where it is a server's (Engine.logs_to_output) and set-proc-title says so; a library leaves its
host's alone. Where the system shows none, nothing happens. A title that is longer than the command line was is cut off."""
