from typing import Any

from .classes import CompiledClient
from .session import Session

class HotMethods(CompiledClient):
    def _hot_attach(self, session: Session, database: int) -> None: ...
    def _hot_owns(self, session: Session) -> bool: ...

def quick_methods(cls: type[HotMethods]) -> dict[str, Any]: ...
