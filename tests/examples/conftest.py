"""The programs in examples/ as modules."""
import importlib.util
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture
def example():
    """A function that loads an example by name, and skips, saying so, where what it needs is not installed."""
    loaded = []

    def load(name, *needs):
        for need in needs:
            pytest.importorskip(need, reason=f"EXAMPLE NOT TRIED: {need} is not installed (pip install -e .[test,frameworks])")
        spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        loaded.append(spec.name)
        spec.loader.exec_module(module)
        return module
    yield load
    for name in loaded:
        sys.modules.pop(name, None)
