"""The slow log: the last commands that took longer than slowlog-log-slower-than, with their words. SLOWLOG shows it.

Whoever runs a command has looked at the clock anyway (executor/run), and compares what it took with one figure,
Engine.execution.slow_ticks: only then it comes here. The same figure lets the latency monitor hear of commands. How many ticks a
microsecond has is measured when something has come here for the first time; the figure is too low until then, never too high.

Of compiled methods one call in UNTIMED_CALLS is timed, and so only that one can be found slow; all of them are while the threshold
is below SHORT_US. Everything here requires the engine's lock.
"""
from libc.stddef cimport size_t
from libc.stdint cimport int64_t, uint32_t, uint64_t
from hutch_engine.base.slice cimport Slice
from hutch_engine.commands.command cimport Command
from hutch_engine.state.engine cimport Engine, Session

cdef enum:
    SLOW_WORDS = 32                      # of a command that are kept; of more, the last one says how many there were
    SLOW_WORD_BYTES = 128                # of a word; of a longer one its end says how much is missing
    SHORT_US = 1000
    UNTIMED_CALLS = 64                   # the time of compiled methods is taken of one call in so many, a power of two

cdef struct SlowEntry:                   # one block: behind it the words, the client's address and its name, each with its
    SlowEntry* older                     # length (8 bytes) in front
    SlowEntry* newer
    uint64_t id
    int64_t time_s                       # Unix time
    uint64_t took_us
    uint32_t words

cdef void slow_log_policy(Engine* engine) noexcept nogil
"""After the thresholds have changed, and once before any command runs: from when on a command is slow."""
cdef void slow_log_note(Session* session, const Command* command, const Slice* argv, size_t argc, uint64_t elapsed) noexcept nogil
"""A command took at least slow_ticks: the slow log and the latency monitor get it, as far as they want it. Secrets are left out. When
memory is refused the entry is lost. O(SLOW_WORDS)"""
cdef void slow_log_note_words(Session* session, const Command* command, const Slice* words, size_t count,
                              uint64_t elapsed) noexcept nogil
"""The same for an inner function, which has the words without the command's name."""
cdef const SlowEntry* slow_log_newest(const Engine* engine) noexcept nogil
"""The newest entry, borrowed; `older` leads to the others. NULL: there is none."""
cdef const char* slow_log_next_text(const char* at, Slice* text_out) noexcept nogil
"""Read the text at this place of an entry, which begins behind its struct; returns where the next one is."""
cdef void slow_log_clear(Engine* engine) noexcept nogil
"""Free all entries; the numbers of later ones go on. O(entries)"""
