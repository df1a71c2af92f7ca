"""Run Redis's own Tcl test suite against `hutch serve`: python tools/redis_tcl.py [--release trixie] [UNIT ...]

The suite comes with Debian's source package of Redis, which apt-get fetches into build/redis-tcl (nothing of it is in this
repository). What is run, and what is left out and why, stands in tools/redis_tcl.toml. The suite's harness starts src/redis-server:
that is a line which starts Hutch; redis-cli and its like are the installed ones (redis-tools). `--server` names another program to start,
so that a test can be asked of a real Redis, too; `--all` leaves nothing out.
"""
import argparse
import concurrent.futures
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:                     # Python 3.10
    import tomli as tomllib

ROOT = Path(__file__).resolve().parent.parent
PLACE = ROOT / "build/redis-tcl"
TABLE = Path(__file__).with_suffix(".toml")
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
PROGRAMS = ("redis-cli", "redis-benchmark", "redis-check-aof", "redis-check-rdb")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def fetched(release):
    """The unpacked sources of that Debian release's Redis; fetched once, with a list of sources of our own."""
    place = PLACE / release
    found = [path for path in place.glob("redis-*") if (path / "runtest").exists()]
    if not found:
        for name in ("lists/partial", "cache/archives/partial"):
            (place / name).mkdir(parents=True, exist_ok=True)
        (place / "sources.list").write_text(f"deb-src [signed-by={KEYRING}] http://deb.debian.org/debian {release} main\n")
        options = {"Dir::Etc::sourcelist": place / "sources.list", "Dir::Etc::sourceparts": "-", "Dir::State::lists": place / "lists",
                   "Dir::Cache": place / "cache", "APT::Sandbox::User": "root"}
        apt = ["apt-get", "-q", *(word for name, value in options.items() for word in ("-o", f"{name}={value}"))]
        subprocess.run([*apt, "update"], check=True)
        subprocess.run([*apt, "source", "--download-only", "--tar-only", "redis"], cwd=place, check=True)
        with tarfile.open(next(place.glob("redis_*.orig.tar.*"))) as archive:
            archive.extractall(place, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
        found = [path for path in place.glob("redis-*") if (path / "runtest").exists()]
    return found[0]


def prepared(sources, server, lane, edits):
    """A copy of the suite whose src/redis-server starts `server`; one for each lane, since a run cleans up behind all of its directory."""
    place = PLACE / f"run-{os.getpid()}-{lane}"
    shutil.copytree(sources / "tests", place / "tests", symlinks=True)
    for path in place.glob("tests/**/*.tcl") if edits else ():
        text = changed = path.read_bytes()
        for edit in edits:
            changed = re.sub(edit["find"].encode(), edit["replace"].encode(), changed)
        if changed != text:
            path.write_bytes(changed)
    for name in ("runtest", "redis.conf"):
        shutil.copy2(sources / name, place / name)
    (place / "src").mkdir()
    for name in PROGRAMS:
        (place / "src" / name).symlink_to(shutil.which(name))
    program = place / "src/redis-server"
    program.write_text(f'#!/bin/sh\nexec {server} "$@"\n')
    program.chmod(0o755)
    return place


class Result:
    """What became of one file of tests."""

    def __init__(self, unit, text, seconds, ended):
        self.unit, self.text, self.seconds, self.ended = unit, text, seconds, ended
        self.passed = len(re.findall(r"^\[ok\]: ", text, re.M))
        self.skipped = len(re.findall(r"^\[(?:skip|ignore)\]: ", text, re.M))
        self.failed = re.findall(r"^\[(?:err|exception|TIMEOUT)\]: (.*)", text, re.M)
        if ended != 0 and not self.failed:
            self.failed = [f"ended by {ended}" if ended is not None else "was not done in its time"]

    def __str__(self):
        words = f"{self.unit:40} {self.passed:4} passed {self.skipped:4} left out {len(self.failed):3} failed {self.seconds:5.0f} s"
        return "\n".join([words, *(f"    {name}" for name in self.failed)])


def run(place, unit, skips, table, seconds, port, nice):
    """Run one file, in at most so many seconds; all that it started ends with it."""
    (place / "skips").write_text("".join(f"{pattern}\n" for pattern in skips))
    command = ["nice", "-n", str(nice), "./runtest", "--single", unit, "--clients", "1", "--durable", "--skipfile", "skips", "--baseport", str(port),
               "--portcount", "400", "--timeout", str(seconds), "--tags", " ".join(f"-{tag}" for tag in table["tags"])]
    began, log = time.monotonic(), place / "log"
    with open(log, "wb") as output:
        process = subprocess.Popen(command, cwd=place, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                                   start_new_session=True)
        try:
            ended = process.wait(seconds + 30)
        except subprocess.TimeoutExpired:
            ended = None
        finally:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
    return Result(unit, COLOURS.sub("", log.read_text(errors="replace")), time.monotonic() - began, ended)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("units", nargs="*", metavar="UNIT", help="files of tests, such as unit/type/list; all of the table's unless given")
    parser.add_argument("--release", default="trixie", help="the Debian release whose Redis it is (bookworm has 7.0, trixie 8.0)")
    parser.add_argument("--sources", type=Path, help="unpacked sources of Redis, instead of Debian's")
    parser.add_argument("--server", default=f"{sys.executable} -m hutch serve", help="what is started instead of Hutch")
    parser.add_argument("--all", action="store_true", help="leave out no test")
    parser.add_argument("--jobs", type=int, default=1, help="files at once")
    parser.add_argument("--seconds", type=int, default=420, help="the time that one file may take")
    parser.add_argument("--port", type=int, default=24000, help="the first of the ports that are used: 500 for each job")
    parser.add_argument("--nice", type=int, default=0)
    options = parser.parse_args()
    missing = [name for name in ("tclsh", *PROGRAMS) if not shutil.which(name)]
    if missing:
        sys.exit(f"not installed: {', '.join(missing)} (Debian: tcl, redis-tools)")

    table = tomllib.loads(TABLE.read_text())
    sources = options.sources or fetched(options.release)
    units = options.units or [unit for unit in table["units"] if (sources / f"tests/{unit}.tcl").exists()]
    skips = [] if options.all else [entry["test"] for entry in table["skip"]]
    places = [prepared(sources, options.server, lane, [] if options.all else table["edit"]) for lane in range(options.jobs)]
    free = list(range(options.jobs))
    results = []

    def one(unit):
        lane = free.pop()
        try:
            result = run(places[lane], unit, skips, table, options.seconds, options.port + 500 * lane, options.nice)
        finally:
            free.append(lane)
        print(result, flush=True)
        if result.failed:
            log = PLACE / "logs" / f"{unit.replace('/', '_')}.log"
            log.parent.mkdir(parents=True, exist_ok=True)
            log.write_text(result.text)
        return result

    print(f"== {sources.name}, {len(units)} files", flush=True)
    try:
        with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
            results = list(pool.map(one, units))
    finally:
        for place in places:
            shutil.rmtree(place, ignore_errors=True)
    failed = [result for result in results if result.failed]
    print(f"== {sum(r.passed for r in results)} passed, {sum(r.skipped for r in results)} left out (tools/redis_tcl.toml says why), "
          f"{sum(len(r.failed) for r in results)} failed" + (f"; logs in {PLACE / 'logs'}" if failed else ""))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
