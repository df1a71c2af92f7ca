"""Stores in directories, and processes that use them."""
import pytest

from kit.sharing import Program


@pytest.fixture
def place(tmp_path):
    """Where a store may be."""
    return str(tmp_path / "store")


@pytest.fixture
def run():
    """Starts programs, which end with the test: run("owner", path)."""
    started = []

    def start(name, *arguments, **options):
        started.append(Program(name, *arguments, **options))
        return started[-1]

    yield start
    for program in started:
        program.kill()


@pytest.fixture
def owner(run, place):
    """A process that owns the store at `place`, with a key in it, and does nothing else."""
    program = run("owner", place)
    program.wait_for("ready")
    return program
