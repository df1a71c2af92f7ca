"""Runs the test suites of projects that use Redis, unchanged, under hutch.testing.patch(): no server is there.

    python tools/project_suites.py [PROJECT ...] [-- [--loaded] arguments of pytest's]

A project's sources are those of its release that is installed here, fetched by pip into build/projects; what its tests want besides lies
there, too, apart from this environment. Tests that cannot pass are named below with their reasons, and deselected; any other
failure fails the run. --loaded leaves out those, too, that count on a machine with time for them.
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
    loaded: tuple[str, ...] = ()                                 # tests that count on a machine which has time for them
    script: str = ""                                             # in tools/: runs the suite that pytest does not


# Its containers are not started; the addresses are the stores'.
LIMITS = '''
import pytest

class Services:
    def start(self, *names): pass
    def wait_for_service(self, *names): pass

@pytest.fixture(scope="session")
def docker_services():
    return Services()
'''



PROJECTS = (
    Project("django-redis", needs=("pytest-mock", "lz4", "pyzstd", "msgpack"), arguments=("tests",), cannot={
        "a port at which nobody listens is to refuse": (
            "tests/test_cache_options.py::test_get_django_omit_exceptions", "tests/test_cache_options.py::test_get_django_omit_exceptions_priority_2"),
        "it takes away what asgiref has no more, before it comes to Redis": (
            "tests/test_backend.py::TestDjangoRedisCache::test_delete_pattern_with_settings_default_scan_count",),
    }),
    Project("rq", needs=("psutil",), arguments=("tests",), patch="session-sockets", cannot={
        "a process is started anew, which has no part in a patch": (
            "tests/test_spawn_worker.py::TestWorker::test_horse_receives_worker_configuration",
            "tests/test_spawn_worker.py::TestWorker::test_horse_uses_exception_handlers",
            "tests/test_spawn_worker.py::TestWorker::test_work_and_quit",
            "tests/test_worker.py::TestWorkerSubprocess"),
        "the class of a pool's connections is looked at, which a patch replaces": (
            "tests/test_connection.py::TestConnectionInheritance::test_parse_connection",
            "tests/test_scheduler.py::TestQueue::test_custom_connection_pool",
            "tests/test_scheduler.py::TestQueue::test_no_custom_connection_pool",
            "tests/test_spawn_worker.py::TestWorker::test_horse_rebuilds_ssl_connection",
            "tests/test_spawn_worker.py::TestWorker::test_horse_rebuilds_unix_socket_connection"),
        "a host that does not exist is to refuse": ("tests/test_cli.py::TestRQCli::test_config_file_option",),
    }, loaded=(
        "tests/test_commands.py::TestCommands::test_stop_execution_command",
        "tests/test_cron.py::TestCronScheduler::test_sigint_handling",
        "tests/test_job_dependency.py::TestJobDependency::test_execution_order_with_dual_dependency",
        "tests/test_job_dependency.py::TestJobDependency::test_execution_order_with_sole_dependency",
        "tests/test_worker_pool.py::TestWorkerPool::test_check_workers",
        "tests/test_worker_pool.py::TestWorkerPool::test_reap_workers")),
    Project("limits", needs=("pytest-mock", "pytest-asyncio", "pytest-lazy-fixtures", "pytest-benchmark", "py-cpuinfo", "hiro", "flaky",
                             "pymemcache", "pymongo"),
            # memcached and MongoDB are not Redis; tests/aio is on coredis, which opens its sockets itself.
            arguments=("tests/test_storage.py", "-m", "not memcached and not mongodb and not valkey and not valkey_cluster and not benchmark",
                       "-o", "asyncio_default_fixture_loop_scope=function"),
            plugin=LIMITS),
    Project("django", script="django_cache_suite.py"),
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
    if project.script:
        return subprocess.run([sys.executable, str(ROOT / "tools" / project.script), str(sources / "tests")],
                              env={**os.environ, "PYTHONPATH": os.pathsep.join(path)}).returncode
    words = ["-q", "-p", "no:cacheprovider", "-o", f"hutch_patch={project.patch}", "-o", "addopts="]
    if project.plugin:
        module = PLACE / project.name / "run_of_hutch.py"
        module.write_text(project.plugin)
        path.append(str(module.parent))
        words += ["-p", module.stem]
    without = [test for tests in project.cannot.values() for test in tests] + [*project.loaded] * ("--loaded" in more)
    words += [f"--deselect={test}" for test in without]
    more = [word for word in more if word != "--loaded"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run([sys.executable, "-m", "pytest", *words, *project.arguments, *more], cwd=sources, env=environment).returncode


def main(words: list[str]) -> int:
    """The program: 0 where all that was run has passed."""
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
