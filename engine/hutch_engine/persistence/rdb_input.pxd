"""A file in Redis's RDB format, read in pieces into databases and libraries that nobody sees until the file has proved whole.

    rdb_input_begin            look at the magic and the version             no lock
    rdb_input_fill             read on, when a step says RDB_STEP_HUNGRY     no lock
    rdb_input_step             some records                                  under the lock, in slices of any size
    rdb_input_commit           put it all in place                           under the lock
    rdb_input_end              in any case; what was not put in place goes   under the lock

Versions 1 to 15 of Redis's and 80 of Valkey's own are read, every form of a value that they have written, and every record that
may stand between them. The file is read by `read`, never mapped: it may be cut short by others, and the program we live in must
not be told so by a signal.

Nothing is believed. A length is held against what is left of the file, memory follows from bytes that are there, every value is
checked as RESTORE checks one, a key that stands twice, a wrong checksum and a missing end are errors. An error names the
type, the key, its database and the byte at which its record begins. A value of a type that Hutch does not have is an error,
too, unless RDB_READ_SKIPS says that it is to be left out: then it is counted, and the log has a line for each.
"""
from libc.stdint cimport int32_t, int64_t, uint32_t, uint64_t
from hutch_engine.base.buffer cimport Buffer
from hutch_engine.base.slice cimport Slice
from hutch_engine.keyspace.keyspace cimport Database
from hutch_engine.keyspace.value_type cimport RdbReader
from hutch_engine.persistence.rdb_foreign cimport Templates
from hutch_engine.scripting.state cimport Library
from hutch_engine.state.engine cimport Engine

cdef enum:                       # RdbInput.flags
    RDB_READ_SKIPS = 1           # leave out what Hutch has no type for
    RDB_READ_CHECKS = 2          # keep the keys' names only: somebody wants to know what is in the file, errors and all
    RDB_READ_TAIL = 4            # something else may follow behind the end: the commands of a log
    RDB_READ_UNSUMMED = 8        # rdbchecksum no
    RDB_READ_KEEPS_DUE = 16      # keys whose time is over, too: commands that follow may be about them

cdef enum:                       # rdb_input_commit
    RDB_PUT_REPLACE = 0          # what was there goes, libraries included
    RDB_PUT_ADD = 1              # a key that is there already is an error
    RDB_PUT_MERGE = 2            # a key that is there already is replaced
    RDB_PUT_NOTHING = 3          # nothing is: it was only to be looked at

cdef enum RdbStep:
    RDB_STEP_MORE = 0
    RDB_STEP_HUNGRY              # rdb_input_fill
    RDB_STEP_DONE                # the file was read to its end, and is whole
    RDB_STEP_FAILED              # RdbInput.error says why

cdef struct RdbTally:            # how many keys of a type there are in a database
    int32_t database
    char[12] type                # ends with NUL; of a module's type its nine letters
    bint kept                    # False: left out
    uint64_t keys
    uint64_t position            # of the first one's record

cdef struct RdbInput:
    Engine* engine               # borrowed
    int fd                       # borrowed
    uint32_t flags
    int version
    bint of_valkey
    Buffer window                # of the file; owned, as all buffers
    uint64_t position            # where the window begins, in the file
    uint64_t file_bytes          # as far as is known: what claims to be longer is broken
    bint at_end                  # nothing follows the window
    size_t wanted                # how much the next fill should make the window hold
    RdbReader reader             # its place in the window
    size_t summed                # up to here the window's bytes are in `sum`
    uint64_t sum
    Database* databases          # owned until they are put in place
    int32_t database
    Library* libraries           # the same, newest first
    Templates templates
    int64_t deadline_ms          # of the next key: -1 none
    int64_t idle_s
    int64_t frequency
    uint64_t keys                # put in
    uint64_t expired             # left out since they were due
    uint64_t skipped             # left out since Hutch has no type for them
    uint64_t empty               # left out since they have no elements
    uint64_t end_position        # behind the checksum, once it is known
    uint64_t used_memory         # of the server that wrote it, as it says
    Buffer tallies               # RdbTallys
    size_t tally                 # of the last key ...
    const char* tally_type       # ... and its type's name, only to be compared with
    Buffer notes                 # RDB_READ_CHECKS: names and values of AUX fields and libraries, lines
    Buffer key
    Buffer storage
    Buffer said                  # a foreign value in our own words
    Buffer error                 # one line

cdef bint rdb_input_begin(RdbInput* input, Engine* engine, int fd, uint32_t flags) noexcept nogil
"""Begin to read at the descriptor's place; it stays the caller's. False when this is no such file, or of a version that is not
read, or cannot be read at all: RdbInput.error. rdb_input_end is to be called in any case. Needs no lock."""
cdef bint rdb_input_fill(RdbInput* input) noexcept nogil
"""Read on. False when that fails (RdbInput.error); the end of the file is no failure. Needs no lock."""
cdef RdbStep rdb_input_step(RdbInput* input, uint64_t records) noexcept nogil
"""Read up to so many records, fewer if they are large. Requires the lock."""
cdef bint rdb_input_commit(RdbInput* input, int how) noexcept nogil
"""Put what was read in place, as RDB_PUT_ says, after RDB_STEP_DONE. False, and nothing has changed, when it cannot be:
RdbInput.error. O(databases), else O(keys). Requires the lock."""
cdef void rdb_input_end(RdbInput* input) noexcept nogil
"""Free all that was not put in place. Requires the lock."""
cdef uint64_t rdb_input_place(const RdbInput* input) noexcept nogil
"""How many bytes of the file have been read and understood."""
