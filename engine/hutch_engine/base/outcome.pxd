"""What a core function answers. 0 is success; "not found" is an answer, not an error."""

cdef enum Outcome:
    OK = 0
    NOT_FOUND = 1
    EXISTS = 2
    NO_MEMORY = 3       # a block whose size a client chose could not be had; nothing was changed
    INVALID = 4         # the text does not say what was asked for (not a number, out of range)
    OVERFLOW = 5        # the result would not fit
    CORRUPT = 6         # bytes from a file or a peer break their format
