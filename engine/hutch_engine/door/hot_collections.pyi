from .hot import HotMethods
from .methods import ClientMethods
from .session import Session

class HotCollections(HotMethods, ClientMethods):
    def _hot_attach_scripts(self, session: Session) -> None: ...
