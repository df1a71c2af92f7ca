"""How bytes go between a connection and its socket: as they are, or through TLS. The listener's loop does not know which.

A Transport is a struct of functions, constant, one for each kind (`transport_plain` here, the other one in net/tls); a Wire is one
client's end of it. Nothing here waits: what cannot be done now answers SOCKET_WAIT. What a poller cannot know is in the Wire, and
`changed` says that it is to be looked at:

* `greets_for`: a handshake is under way and waits for this; there is nothing to read or write before it is over;
* `read_waits_to_write`, `write_waits_to_read`: the protocol beneath needs the other direction before it can go on;
* `unread`: bytes that were taken from the socket already wait for the next read.

Only the listener's thread uses a Wire, once it was opened.
"""
from libc.stddef cimport size_t
from libc.stdint cimport uint32_t

cdef enum GreetOutcome:
    GREETED = 0
    GREET_WAIT = 1                      # Wire.greets_for says for what
    GREET_FAILED = 2                    # to be closed; Wire.problem says why

cdef struct Wire:
    const Transport* transport
    void* state                         # owned: the transport's own (an SSL); NULL
    int fd                              # borrowed from the connection
    uint32_t greets_for                 # POLL_ bits; 0: no handshake is under way
    bint read_waits_to_write
    bint write_waits_to_read
    bint unread
    bint changed                        # one of these since the loop last looked
    bint over                           # nothing more can be read or written ...
    ssize_t end                         # ... and this is what reading answers then: 0, or SOCKET_FAILED
    unsigned long problem               # an error of the transport's own that ended it; 0: none

ctypedef GreetOutcome (*WireGreet)(Wire* wire) noexcept nogil
ctypedef ssize_t (*WireRead)(Wire* wire, char* data, size_t length) noexcept nogil
ctypedef ssize_t (*WireWrite)(Wire* wire, const char* data, size_t length) noexcept nogil
ctypedef void (*WireEnd)(Wire* wire) noexcept nogil

cdef struct Transport:
    WireGreet greet                     # go on with the handshake
    WireRead read                       # as socket_read
    WireWrite write                     # as socket_write; what it did not take is to be offered again with nothing before it changed
    WireEnd shut                        # tell the other side that this is the end, if that can be done at once
    WireEnd free                        # give back what `state` is; the socket is its owner's to close

cdef const Transport* transport_plain() noexcept nogil
"""That of sockets as they are."""
cdef void transport_open(Wire* wire, int fd) noexcept nogil
"""Make a wire that goes through a socket as it is."""
