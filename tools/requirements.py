"""Print what pyproject.toml requires, for pip: `build`, `run`, or the name of an extra.

    pip install $(python tools/requirements.py build run test)

Words are separated by newlines and hold no spaces, so that a shell passes each as one argument.
"""
import sys
from pathlib import Path

try:
    import tomllib
except ImportError:                      # Python 3.10: pip brings its own
    from pip._vendor import tomli as tomllib


def requirements(groups):
    project = tomllib.loads((Path(__file__).resolve().parents[1] / "pyproject.toml").read_text())
    for group in groups:
        if group == "build":
            yield from project["build-system"]["requires"]
        elif group == "run":
            yield from project["project"]["dependencies"]
        else:
            yield from project["project"]["optional-dependencies"][group]


if __name__ == "__main__":
    for requirement in requirements(sys.argv[1:]):
        print(requirement.replace(" ", ""))
