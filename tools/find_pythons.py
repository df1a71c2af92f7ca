"""Print the interpreters that the suite should pass with, one a line: VERSION PATH. `make test-pythons` runs it.

    python tools/find_pythons.py [3.10 3.13 3.14t]

looks on PATH and where pyenv and uv keep theirs; one interpreter a version, and the newest patch of it. Free-threaded ones are called 3.13t.
What was asked for and is not there is named on stderr.
"""
import os
import re
import subprocess
import sys
from pathlib import Path

WANTED = ("3.10", "3.11", "3.12", "3.13", "3.14", "3.13t", "3.14t")
PLACES = ("~/.pyenv/versions/*/bin", "/opt/python/*/bin", "~/.local/share/uv/python/*/bin", "/usr/local/bin", "/usr/bin")
TELL = "import sys, sysconfig; print('%d.%d%s %d' % (*sys.version_info[:2], 't' if sysconfig.get_config_var('Py_GIL_DISABLED') else '', sys.version_info[2]))"


def candidates():
    places = [Path(place) for place in os.environ.get("PATH", "").split(os.pathsep) if place]
    for pattern in PLACES:
        path = Path(pattern).expanduser()
        places += sorted(Path(path.anchor).glob(str(path.relative_to(path.anchor))))
    for place in dict.fromkeys(places):
        if "shims" in place.parts:              # pyenv's shims answer for versions that are not chosen
            continue
        for path in sorted(place.glob("python3.*")):
            if re.fullmatch(r"python3\.\d+t?", path.name) and os.access(path, os.X_OK):
                yield path


def main():
    wanted = sys.argv[1:] or WANTED
    found = {}
    for path in candidates():
        try:
            told = subprocess.run([str(path), "-c", TELL], capture_output=True, text=True, timeout=20)
        except (OSError, subprocess.TimeoutExpired):
            continue
        if told.returncode == 0:
            version, patch = told.stdout.split()
            if version in wanted and int(patch) > found.get(version, (-1,))[0]:
                found[version] = int(patch), path
    for version in wanted:
        if version in found:
            print(version, found[version][1])
        else:
            print(f"no CPython {version} here", file=sys.stderr)
    return 0 if found else 1


if __name__ == "__main__":
    sys.exit(main())
