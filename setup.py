"""Builds the engine: one extension module for every .pyx under engine/.

HUTCH_BUILD selects the flavour:
  release   (default) optimised, invariants compiled out
  checks    -O1 -g, structures verify themselves after every change
  sanitize  checks, with the address and undefined-behaviour sanitizers
  threads   with the thread sanitizer; without the structures' own checks, which cost minutes and say nothing of threads
HUTCH_SHIMS=1 also builds the test shims (tests/shims), which are never part of a wheel.
"""
import os
import shutil
import sys
from pathlib import Path

from setuptools import Extension, setup

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tools"))

# The engine's packages, lowest first (tests/test_layers.py).
ROOMS = ["base", "structures", "keyspace", "formats", "commands", "state", "sessions", "executor", "scripting", "persistence", "net",
         "control", "runtime", "door"]

FLAVOUR = os.environ.get("HUTCH_BUILD", "release")
FLAGS = {
    "release": (["-O2", "-g1", "-DHUTCH_CHECKS=0"], []),
    "checks": (["-O1", "-g", "-DHUTCH_CHECKS=1"], []),
    "sanitize": (
        ["-O1", "-g", "-fno-omit-frame-pointer", "-DHUTCH_CHECKS=1", "-fsanitize=address,undefined",
         "-fno-sanitize=alignment", "-fno-sanitize-recover=undefined"],
        ["-fsanitize=address,undefined"],
    ),
    "threads": (["-O1", "-g", "-fno-omit-frame-pointer", "-DHUTCH_CHECKS=0", "-fsanitize=thread"], ["-fsanitize=thread"]),
}
if FLAVOUR not in FLAGS:
    sys.exit(f"HUTCH_BUILD must be one of {', '.join(FLAGS)}, not {FLAVOUR!r}")
COMPILE, LINK = FLAGS[FLAVOUR]
COMPILE = COMPILE + [
    "-std=c11", "-D_GNU_SOURCE", "-fvisibility=hidden", "-fwrapv",
    # Cython's generated C is not ours to make warning-free; ours is held to these.
    "-Wno-unused-function", "-Wno-unused-variable", "-Wno-unused-but-set-variable", "-Wno-sign-compare",
    "-Wno-maybe-uninitialized",
]

# For quick rebuilds: HUTCH_ONLY=structures/table,shims/table names the .pyx files to build.
ONLY = [word for word in os.environ.get("HUTCH_ONLY", "").split(",") if word]

DIRECTIVES = {
    "language_level": 3,
    "boundscheck": False,
    "wraparound": False,
    "cdivision": True,
    "initializedcheck": False,
    "nonecheck": False,
    "freethreading_compatible": True,
    "embedsignature": True,
    "legacy_implicit_noexcept": False,
}


def extensions():
    found = []
    roots = [(ROOT / "engine", "engine")]
    if os.environ.get("HUTCH_SHIMS") == "1":
        roots.append((ROOT / "tests", "tests"))
    for root, name in roots:
        for path in sorted(root.rglob("*.pyx")):
            if ONLY and not any(word in path.as_posix() for word in ONLY):
                continue
            module = ".".join(path.relative_to(root).with_suffix("").parts)
            found.append(Extension(
                module, [str(path.relative_to(ROOT))],
                include_dirs=["engine/hutch_engine/base"],
                extra_compile_args=COMPILE, extra_link_args=LINK, libraries=["pthread", "m"],
            ))
    return found


def generate_sources():
    """The declarations (commands/*.toml) become commands/command_table.pyx and, on top, runtime/command_handlers.pyx; and the
    compiled methods of door/.

    HUTCH_HANDLERS=present accepts declarations whose handlers are not written yet, as does HUTCH_ONLY.
    """
    import command_table
    import compiled_methods
    present = ONLY or os.environ.get("HUTCH_HANDLERS") == "present"
    command_table.generate(ROOT / "engine/hutch_engine/commands",
                           ROOT / "engine/hutch_engine/commands/command_table.pyx",
                           ROOT / "engine/hutch_engine/runtime/command_handlers.pyx",
                           handlers="present" if present else True)
    compiled_methods.generate(ROOT / "engine/hutch_engine/commands", ROOT / "engine/hutch_engine/door")


def cythonized():
    from Cython.Build import cythonize
    generate_sources()
    return cythonize(
        extensions(),
        include_path=["engine", "tests"],
        # What Cython makes is the same C in all flavours, but for the line numbers.
        build_dir="build/cython-release" if FLAVOUR == "release" else "build/cython-lines",
        compiler_directives=DIRECTIVES,
        emit_linenums=FLAVOUR != "release",
        nthreads=0 if os.environ.get("HUTCH_SERIAL") == "1" else os.cpu_count() or 1,
    )


def version():
    text = (ROOT / "src/hutch/version.py").read_text()
    return text.split('"')[1]


def build_base():
    """Flavours are kept apart, and a wheel starts from nothing, so that no test shim and no module that
    was renamed since gets into it."""
    if "bdist_wheel" in sys.argv:
        shutil.rmtree(ROOT / "build/wheel", ignore_errors=True)
        return "build/wheel"
    return "build" if FLAVOUR == "release" else f"build/{FLAVOUR}"


building = any(word in sys.argv for word in
               ("build_ext", "build", "bdist_wheel", "install", "develop", "editable_wheel"))
if os.environ.get("HUTCH_PREBUILT") == "1":      # make installs what it has built in place already
    building = False
setup(
    version=version(),
    packages=["hutch_engine", *(f"hutch_engine.{room}" for room in ROOMS), "hutch", "hutch.asyncio", "hutch.cache", "hutch.celery",
              "hutch.testing"],
    py_modules=["hutch_kombu"],
    package_dir={"": "src", "hutch_engine": "engine/hutch_engine", "hutch": "src/hutch",
                 "shims": "tests/shims"},
    package_data={"hutch": ["py.typed", "*.pyi"], "hutch_engine": ["py.typed"], "hutch_engine.door": ["*.pyi"]},
    exclude_package_data={"": ["*.pyx", "*.pxd", "*.toml", "*.h"]},
    options={"build": {"build_base": build_base()}},
    ext_modules=cythonized() if building else [],
    zip_safe=False,
)
