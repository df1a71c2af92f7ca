"""Native threads. They never need the GIL, and leave signals to the program's own threads, except those that a fault of
their own raises (SIGSEGV and its like)."""
from libc.stdint cimport uint64_t

cdef extern from "hutch_thread.h" nogil:
    ctypedef void (*ThreadBody "hutch_thread_body")(void* context) noexcept nogil
    bint thread_start "hutch_thread_start"(ThreadBody body, void* context, const char* name, size_t stack_bytes,
                                           uint64_t* thread_out) noexcept
    # False when there is none to be had. stack_bytes 0: as the system has it. name: up to 15 bytes. thread_out NULL:
    # nobody joins it
    void thread_join "hutch_thread_join"(uint64_t thread) noexcept
    uint64_t thread_self "hutch_thread_self"() noexcept
    void thread_pause_us "hutch_thread_pause_us"(long us) noexcept
