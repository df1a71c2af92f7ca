"""Run tests on a sanitized build, and fail on any report: `make sanitize`, `make sanitize-threads`.

    python tools/sanitized_tests.py address build/sanitize/lib [pytest's arguments]
    python tools/sanitized_tests.py threads build/threads/lib [pytest's arguments]

Every process of the run, the servers that tests start too, writes its reports to a file of its own, whatever becomes of its output: a report
is neither swallowed by pytest nor lost with a worker that died of it. At the end all are printed, and one is enough to fail.
"""
import os
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SHOWN_LINES = 120                # of each report
SHOWN_REPORTS = 20

# Python never gives back all its memory at its end: leaks are looked for by tests that count blocks.
# A thread sanitizer that stopped at a fork would leave out all tests that start processes.
OPTIONS = {
    "address": {"ASAN_OPTIONS": "detect_leaks=0", "UBSAN_OPTIONS": "print_stacktrace=1"},
    "threads": {"TSAN_OPTIONS": f"suppressions={HERE / 'threads.supp'} die_after_fork=0 second_deadlock_stack=1 history_size=4"},
}
LIBRARIES = {"address": "libasan.so", "threads": "libtsan.so"}
FLAVOURS = {"address": "sanitize", "threads": "threads"}


COMPILER = os.environ.get("CC", "gcc").split()[-1]


def library(kind):
    path = subprocess.run([COMPILER, f"-print-file-name={LIBRARIES[kind]}"], capture_output=True, text=True, check=True).stdout.strip()
    if not os.path.isabs(path):
        sys.exit(f"{COMPILER} has no {LIBRARIES[kind]}")
    return path


def undefined_log(place):
    """What writes down undefined behaviour; see undefined_log.c."""
    path = place / "undefined_log.so"
    subprocess.run([COMPILER, "-O1", "-fPIC", "-shared", str(HERE / "undefined_log.c"), "-o", str(path), "-lubsan"], check=True)
    return path


def environment(kind, modules, reports):
    made = dict(os.environ, HUTCH_BUILD=FLAVOURS[kind], LD_PRELOAD=library(kind), PYTHONMALLOC="malloc",
                PYTHONPATH=os.pathsep.join([str(modules), "tests", "tests/persistence"]))     # whose files use each other
    if kind == "address":
        made["LD_PRELOAD"] += f" {undefined_log(modules.parent)}"
        made["HUTCH_UNDEFINED_LOG"] = str(reports / "undefined")
    for name, options in OPTIONS[kind].items():
        separator = " " if kind == "threads" else ":"           # suppressions are a path
        report = [f"log_path={reports / kind}"] if name != "UBSAN_OPTIONS" else []
        made[name] = separator.join([options, *report, *filter(None, [os.environ.get(name)])])
    return made


def found(reports):
    """The texts of the reports, the same ones together. Threads' reports follow each other in one file."""
    for path in sorted(reports.iterdir()):
        yield path.name, path.read_text(errors="replace")


def main():
    kind, modules, *arguments = sys.argv[1:]
    modules = Path(modules).resolve()
    reports = modules.parent / "reports"
    shutil.rmtree(reports, ignore_errors=True)
    reports.mkdir()
    # Import mode "importlib" keeps tests/ (with the release build's shims) from the front of the path.
    command = [sys.executable, "-m", "pytest", "-q", "-o", "pythonpath=", "--import-mode=importlib", *arguments]
    # The thread sanitizer wants its addresses free, which too much randomness denies it.
    if kind == "threads" and shutil.which("setarch"):
        command = ["setarch", "-R", *command]
    status = subprocess.run(command, env=environment(kind, modules, reports)).returncode
    texts = list(found(reports))
    for name, text in texts[:SHOWN_REPORTS]:
        lines = text.splitlines()
        print(f"\n== {name}", *lines[:SHOWN_LINES], *([f"... {len(lines) - SHOWN_LINES} more lines"] if len(lines) > SHOWN_LINES else []), sep="\n")
    print(f"\n== sanitizer ({kind}): {len(texts)} processes with reports in {reports}" if texts else f"\n== sanitizer ({kind}): no reports")
    return status or (1 if texts else 0)


if __name__ == "__main__":
    sys.exit(main())
