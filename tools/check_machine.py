"""Can this machine build Hutch? Says what to install where it cannot. Run with the interpreter to be used."""
import importlib.util
import os
import shutil
import sys
import sysconfig

WANTED = (3, 10)


def missing():
    version = "{}.{}".format(*sys.version_info)
    if sys.version_info < WANTED:
        yield ("Python {}.{} or newer; this is {} ({})".format(*WANTED, version, sys.executable),
               "a newer one, then: make PYTHON=/path/to/python3")
        return
    if importlib.util.find_spec("ensurepip") is None or importlib.util.find_spec("venv") is None:
        yield "the modules venv and ensurepip", "apt install python3-venv"
    if not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")):
        yield "Python.h, the headers of Python " + version, "apt install python3-dev"
    compiler = (sysconfig.get_config_var("CC") or "cc").split()[0]
    if not shutil.which(os.environ.get("CC", compiler).split()[0]):
        yield "a C compiler ({})".format(compiler), "apt install gcc libc6-dev"


def main():
    problems = list(missing())
    if problems:
        print("Hutch cannot be built here yet. What is missing, and what installs it on Debian:", file=sys.stderr)
        for what, how in problems:
            print("  {}: {}".format(what, how), file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
