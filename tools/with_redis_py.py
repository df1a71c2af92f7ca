"""Run pytest with other versions of redis-py, each in a directory of its own: python tools/with_redis_py.py VERSION... -- ARGS

A version is a number, or "newest". The engine is the one that is built; everything else comes from the environment.
"""
import os
import subprocess
import sys
from pathlib import Path

PLACE = Path("build/redis-py")


def directory_of(version):
    """Where this version lies, installed when it is not there yet; the newest is looked for each time."""
    place = PLACE / version
    if version == "newest" or not (place / "redis").is_dir():
        wanted = "redis" if version == "newest" else f"redis=={version}"
        subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--upgrade", "--target", place,
                        wanted], check=True)
    return place


def main():
    at = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    failed = []
    for version in sys.argv[1:at]:
        paths = [str(directory_of(version).resolve()), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        found = subprocess.run([sys.executable, "-c", "import redis; print(redis.__version__)"], env=environment,
                               capture_output=True, text=True, check=True).stdout.strip()
        print(f"== redis-py {found} ({version})", flush=True)
        if version not in (found, "newest"):
            sys.exit(f"redis-py {version} was wanted, {found} is there")
        if subprocess.run([sys.executable, "-m", "pytest", *sys.argv[at + 1:]], env=environment).returncode:
            failed.append(found)
    sys.exit(f"failed with redis-py {', '.join(failed)}" if failed else 0)


if __name__ == "__main__":
    main()
