"""The rooms hutch.terminal and hutch.metrics: everything public is documented, examples are true, files stay short."""
import doctest
import importlib
import pkgutil
import sys
from pathlib import Path

import pytest

import hutch.metrics
import hutch.terminal

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python"))

from test_docstrings import undocumented                     # noqa: E402

MODULES = ["hutch.terminal", "hutch.metrics", *(module.name for package in (hutch.terminal, hutch.metrics)
                                                for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."))]


@pytest.mark.parametrize("name", MODULES)
def test_documented_and_true(name):
    module = importlib.import_module(name)
    assert (module.__doc__ or "").strip()
    assert list(undocumented(module)) == []
    found = doctest.testmod(module)
    assert found.failed == 0
    assert len(Path(module.__file__).read_text().splitlines()) <= 500


def test_imports_only_go_down():
    """The order of the package's docstring, backwards."""
    import re
    order = [line.split()[0] for line in hutch.terminal.__doc__.splitlines() if re.match(r"    \w", line)]
    assert set(order) == {name.rpartition(".")[2] for name in MODULES if name.startswith("hutch.terminal.")}
    for at, name in enumerate(order):
        text = Path(hutch.terminal.__path__[0], name + ".py").read_text()
        for imported in re.findall(r"^\s*from \.(\w+) import", text, re.MULTILINE):
            assert order.index(imported) < at, (name, imported)
