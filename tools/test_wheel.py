"""Does a wheel do without its sources? `make test-wheel`.

    python tools/test_wheel.py hutch-*.whl

looks at what is in it, installs it into a fresh environment in a temporary directory and lets wheel_smoke_test.py use it there.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import venv
import zipfile
from pathlib import Path

# What has no business in a wheel: sources of the compiled modules, what is generated from them, and what only tests need.
STRANGE = re.compile(r"\.(pyx|pxd|toml|h|c|template)$|^(shims|tests|bench|tools)/")

PROGRAM = Path(__file__).with_name("wheel_smoke_test.py")


def main(path):
    wheel = Path(path).resolve()
    names = zipfile.ZipFile(wheel).namelist()
    strange = [name for name in names if STRANGE.search(name)]
    assert not strange, f"in the wheel, and should not be: {strange}"
    modules = [name for name in names if name.endswith((".so", ".pyd"))]
    assert len(modules) == 1 and "hutch/py.typed" in names and "hutch_engine/door/engine.pyi" in names, names
    with tempfile.TemporaryDirectory(prefix="hutch-wheel-") as place:
        venv.create(f"{place}/environment")
        python = f"{place}/environment/bin/python"
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "HUTCH_"))}
        subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--python", python, "install", str(wheel)],
                       check=True, cwd=place, env=clean)
        return subprocess.run([python, str(PROGRAM.resolve())], cwd=place, env=clean, timeout=300).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
