from collections.abc import Callable

from .session import Session

class Ticket:
    @property
    def is_due(self) -> bool: ...

def use_greenlets(rest: Callable[[Session, float | None, Ticket], bool], sleep: Callable[[float], bool]) -> None: ...
