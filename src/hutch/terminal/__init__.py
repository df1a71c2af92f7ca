"""What people use at the terminal: `hutch cli`, `hutch top`, `hutch bench`.

    words      a line as it is typed <-> the words of a command
    resp       replies as they come over a socket
    target     what a URL or a path means
    link       a connection to a server or a store, which comes back when it is lost
    replies    replies as text, in redis-cli's shapes, as JSON, and raw
    syntax     what may follow the words that are typed, by the declarations of the commands
    console    runs commands and shows their replies; one at a time, or from a file
    suggest    completion
    history    what was typed, but for passwords
    prompt     the prompt
    cli        the options of `hutch cli`
    watch      what `hutch top` shows
    top        `hutch top`
    bench      `hutch bench`

`suggest`, `history`, `prompt`, `cli` and `top` need the extra hutch[cli]; nothing else of Hutch does, `hutch serve` least of all.
"""
from __future__ import annotations

import importlib.util


class TerminalError(Exception):
    """What went wrong, as one line for the person at the terminal."""


def need(extra: str, *modules: str) -> None:
    """See to it that these modules, which an extra brings, are there; TerminalError says what to install when one is not.

    >>> need("cli", "no_such_module")
    Traceback (most recent call last):
        ...
    hutch.terminal.TerminalError: this needs no_such_module: pip install 'hutch[cli]'
    """
    for module in modules:
        if importlib.util.find_spec(module) is None:         # not imported: some of them take their time
            raise TerminalError(f"this needs {module}: pip install 'hutch[{extra}]'")
