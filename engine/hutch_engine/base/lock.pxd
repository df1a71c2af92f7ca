"""The engine's mutex and a condition to wait on: futex words on Linux, pthread elsewhere.

A waiter count lets long-running holders (housekeeping) see that somebody waits, and give way."""
from libc.stdint cimport uint32_t, int64_t

cdef extern from "hutch_lock.h" nogil:
    ctypedef struct Lock "hutch_lock":
        pass
    ctypedef struct Signal "hutch_signal":
        pass
    void lock_init "hutch_lock_init"(Lock* lock) noexcept
    void lock_clear "hutch_lock_clear"(Lock* lock) noexcept
    bint lock_try "hutch_lock_try"(Lock* lock) noexcept
    bint lock_try_briefly "hutch_lock_try_briefly"(Lock* lock) noexcept
    # the same for about a microsecond: for callers who must not wait, as they hold the GIL
    void lock_acquire "hutch_lock_acquire"(Lock* lock) noexcept
    void lock_release "hutch_lock_release"(Lock* lock) noexcept
    bint lock_is_wanted "hutch_lock_is_wanted"(Lock* lock) noexcept
    # does another thread wait for it (a hint)?
    bint lock_is_mine "hutch_lock_is_mine"(const Lock* lock) noexcept
    # does this thread hold it? Known in builds with checks; always true in the others
    void lock_give_way "hutch_lock_give_way"(Lock* lock) noexcept
    # release it, let a waiter have it, take it again

    void signal_init "hutch_signal_init"(Signal* signal) noexcept
    void signal_clear "hutch_signal_clear"(Signal* signal) noexcept
    uint32_t signal_prepare "hutch_signal_prepare"(Signal* signal) noexcept
    # take the ticket before checking the condition ...
    bint signal_wait "hutch_signal_wait"(Signal* signal, uint32_t ticket, int64_t timeout_us) noexcept
    # ... and wait unless the signal was raised since; timeout < 0 waits without end; False on time-out
    void signal_raise "hutch_signal_raise"(Signal* signal) noexcept
    # wake all who wait
