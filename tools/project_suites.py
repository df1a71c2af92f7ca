"""Runs the test suites of projects that use Redis, unchanged, under hutch.testing.patch(): no server is there.

    python tools/project_suites.py [PROJECT ...] [-- arguments of pytest's]

A project's sources are those of its release that is installed here, fetched by pip into build/projects; what its tests want besides lies
there, too, apart from this environment. Tests that cannot pass are named below with their reasons, and deselected; any other
failure fails the run.
"""
from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import tarfile
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "build" / "projects"


@dataclass
class Project:
    """A project's name, what its tests need, how they are run, and what cannot pass."""
    name: str
    needs: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    patch: str = "session"
    plugin: str = ""                                             # the text of a module that pytest loads
    cannot: dict[str, tuple[str, ...]] = field(default_factory=dict)      # reason -> tests


PROJECTS = (
    Project("django-redis", needs=("pytest-mock", "lz4", "pyzstd", "msgpack", "django-redis[lz4,pyzstd]"), arguments=("tests",)),
    Project("rq", needs=("psutil",), arguments=("tests",), patch="session-sockets"),
    Project("limits", needs=("pytest-mock", "pytest-asyncio", "pytest-lazy-fixtures", "pytest-benchmark", "pytest-cov", "hiro", "flaky",
                             "pymemcache", "pymongo", "valkey", "PyYAML", "coredis", "setuptools<81"),
            arguments=("tests",)),
)


def fetch(project: Project) -> Path:
    """The directory of the project's sources."""
    version = importlib.metadata.version(project.name)
    place = PLACE / project.name
    if not (place / "sources" / version).exists():
        pip("download", "--no-deps", "--no-binary", project.name, "--dest", str(place / "sdist"), f"{project.name}=={version}")
        (archive,) = (place / "sdist").glob(f"*-{version}.tar.gz")
        with tarfile.open(archive) as files:
            files.extractall(place / "sources" / version, filter="data")
    (found,) = (place / "sources" / version).iterdir()
    return found


def pip(*words: str) -> None:
    """Run pip; SystemExit where it fails."""
    subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *words], check=True)


def packages(project: Project) -> Path:
    """A directory with what the tests want and this environment has not."""
    place = PLACE / project.name / "packages"
    if project.needs and not place.exists():
        missing = [need for need in project.needs if not installed(need)]
        if missing:
            pip("install", "--target", str(place), "--no-deps", *missing)
    return place


def installed(need: str) -> bool:
    """Is the distribution in this environment?"""
    try:
        importlib.metadata.version(need)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def run(project: Project, more: list[str]) -> int:
    """pytest's exit code."""
    sources = fetch(project)
    path = [str(ROOT / "src"), str(ROOT / "engine"), str(packages(project))]
    words = ["-q", "-p", "no:cacheprovider", "-o", f"hutch_patch={project.patch}", "-o", "addopts="]
    if project.plugin:
        module = PLACE / project.name / "run_of_hutch.py"
        module.write_text(project.plugin)
        path.append(str(module.parent))
        words += ["-p", module.stem]
    words += [f"--deselect={test}" for tests in project.cannot.values() for test in tests]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, "-m", "pytest", *words, *project.arguments, *more], cwd=sources, env=environment).returncode


def main(words: list[str]) -> int:
    names, _, more = (words, "", []) if "--" not in words else (words[:words.index("--")], "--", words[words.index("--") + 1:])
    failed = []
    for project in PROJECTS:
        if not names or project.name in names:
            print(f"== {project.name} {importlib.metadata.version(project.name)}", flush=True)
            if run(project, more):
                failed.append(project.name)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
