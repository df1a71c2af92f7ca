"""The event loops that the tests of asyncio run on."""
import pytest

from kit.event_loops import LOOPS


@pytest.fixture(params=LOOPS)
def loop_kind(request):
    """What makes a loop of that kind."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    return LOOPS[request.param]
