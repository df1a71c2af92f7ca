from collections.abc import Callable

class ReplyError(Exception): ...

class Codec:
    decode: bool
    encoding: str
    errors: str
    error_factory: Callable[[str], Exception]
    bytearrays: bool
    data_error: type[Exception]
    silence_error: type[Exception] | None
    def __init__(self, decode: bool = False, encoding: str = "utf-8", errors: str = "strict",
                 error_factory: Callable[[str], Exception] | None = None,
                 data_error: type[Exception] = ..., silence_error: type[Exception] | None = None,
                 bytearrays: bool = True) -> None: ...
