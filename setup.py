"""Builds the engine: a module for every .pyx under engine/, each compiled for itself, and all of them linked to one shared object,
hutch_engine/loader, in which Python finds them (loader.pyx says why).

HUTCH_BUILD selects the flavour:
  release   (default) optimised, invariants compiled out
  checks    -O1 -g, structures verify themselves after every change
  sanitize  checks, with the address and undefined-behaviour sanitizers
  threads   with the thread sanitizer; without the structures' own checks, which cost minutes and say nothing of threads
HUTCH_SHIMS=1 also builds the test shims (tests/shims), which are never part of a wheel.
"""
import gc
import multiprocessing
import os
import re
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tools"))

# The engine's packages, lowest first (tests/test_layers.py).
ROOMS = ["base", "structures", "keyspace", "formats", "commands", "state", "sessions", "executor", "scripting", "persistence", "net",
         "control", "runtime", "door"]

FLAVOUR = os.environ.get("HUTCH_BUILD", "release")
FLAGS = {
    # Names stay in the symbol table; lines are what `checks` is for: they are a sixth of the compiler's time.
    "release": (["-O2", "-g0", "-DHUTCH_CHECKS=0"], []),
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

# Headers that are made, the same for all flavours.
MADE = ROOT / "build/made"
LOADER = "hutch_engine.loader"

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


def modules(root):
    """{name: source} of all modules below a source root."""
    return {".".join(path.relative_to(root).with_suffix("").parts): str(path.relative_to(ROOT))
            for path in sorted(root.rglob("*.pyx"))}


def extension(name, sources):
    return Extension(name, sources, include_dirs=["engine/hutch_engine/base", str(MADE.relative_to(ROOT))],
                     extra_compile_args=COMPILE, extra_link_args=LINK, libraries=["pthread", "m"])


def lowest_first(names):
    """The modules in an order in which each stands behind those it cimports; the door's last."""
    ordered = {}

    def add(name):
        if name not in names or name in ordered:
            return
        ordered[name] = None            # noted, so that it is not looked at again, and put behind those it needs below
        source = ROOT / names[name]
        text = "".join(path.read_text() for path in (source.with_suffix(".pxd"), source) if path.exists())
        for needed in re.findall(r"^\s*(?:from|c?import) (hutch_engine\.\w+\.\w+)", text, re.MULTILINE):
            add(needed)
        ordered[name] = ordered.pop(name)
    for name in sorted(names, key=lambda name: (name.startswith("hutch_engine.door."), name)):
        add(name)
    return list(ordered)


def init_function(name):
    """What a module's initialisation is called: Cython's PyInit_engine is the name of three of them."""
    return "PyInit_" + name.replace(".", "_")


def write_if_new(path, text):
    if not path.exists() or path.read_text() != text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def write_modules_table(names):
    names = [name for name in lowest_first(names) if name != LOADER]
    core = sum(not name.startswith("hutch_engine.door.") for name in names)
    write_if_new(MADE / "engine_modules.h", "".join([
        "/* Made by setup.py: the engine's modules, each behind those that it imports. */\n",
        "typedef struct { const char *name; PyObject *(*init)(void); } EngineModule;\n",
        *(f"extern PyObject *{init_function(name)}(void);\n" for name in names),
        "static const EngineModule engine_modules[] = {\n",
        *(f'    {{"{name}", {init_function(name)}}},\n' for name in names),
        f"}};\nenum {{ ENGINE_MODULES = {len(names)}, CORE_MODULES = {core} }};\n"]))


def is_older(made, sources):
    return not os.path.exists(made) or os.path.getmtime(made) <= max(map(os.path.getmtime, sources))


class BuildEngine(build_ext):
    """Compiles the engine's modules beside each other, the largest first; those only whose C, headers or flags are new."""

    def run(self):
        super().run()
        if self.inplace:         # what was built when each module was a file
            for path in (ROOT / "engine/hutch_engine").glob("*/*.so"):
                path.unlink()

    def build_extension(self, ext):
        if ext.name != LOADER:
            return super().build_extension(ext)
        flags = Path(self.build_temp, "flags.txt")
        write_if_new(flags, repr((COMPILE, self.compiler.compiler_so)))
        headers = [flags, MADE / "number_tables.h", *(ROOT / "engine").rglob("*.h")]

        def compiled(source):
            c_file = Path(source)
            name = ".".join(c_file.with_suffix("").parts[c_file.parts.index("hutch_engine"):])
            made = self.compiler.object_filenames([source], output_dir=self.build_temp)
            if is_older(made[0], [source, *headers, *([MADE / "engine_modules.h"] if name == LOADER else [])]):
                macros = [] if name == LOADER else [("PyInit_" + name.rpartition(".")[2], init_function(name))]
                self.compiler.compile([source], output_dir=self.build_temp, macros=macros, include_dirs=ext.include_dirs,
                                      extra_postargs=ext.extra_compile_args, depends=ext.depends)
            return made[0]
        workers = self.parallel if type(self.parallel) is int else os.cpu_count() if self.parallel else 1
        with ThreadPoolExecutor(workers) as pool:
            objects = list(pool.map(compiled, sorted(ext.sources, key=os.path.getsize, reverse=True)))
        path = Path(self.get_ext_fullpath(ext.name))
        if is_older(path, objects):
            self.compiler.link_shared_object(
                sorted(objects), str(path), libraries=self.get_libraries(ext), library_dirs=ext.library_dirs,
                runtime_library_dirs=ext.runtime_library_dirs, extra_postargs=ext.extra_link_args, export_symbols=None,
                debug=self.debug, build_temp=self.build_temp, target_lang="c")


def generate_sources():
    """The declarations (commands/*.toml) become commands/command_table.pyx and, on top, runtime/command_handlers.pyx; and the
    compiled methods of door/. The tables of numbers and of the modules become headers.

    HUTCH_HANDLERS=present accepts declarations whose handlers are not written yet.
    """
    import command_table
    import compiled_methods
    import number_tables
    command_table.generate(ROOT / "engine/hutch_engine/commands",
                           ROOT / "engine/hutch_engine/commands/command_table.pyx",
                           ROOT / "engine/hutch_engine/runtime/command_handlers.pyx",
                           handlers="present" if os.environ.get("HUTCH_HANDLERS") == "present" else True)
    compiled_methods.generate(ROOT / "engine/hutch_engine/commands", ROOT / "engine/hutch_engine/door")
    write_if_new(MADE / "number_tables.h", number_tables.text())


def cythonized():
    from Cython.Build import cythonize
    generate_sources()
    engine = modules(ROOT / "engine")
    write_modules_table(engine)
    shims = modules(ROOT / "tests") if os.environ.get("HUTCH_SHIMS") == "1" else {}
    # Cython's trees are many objects that live long: its processes would spend a fifth of their time on looking for garbage.
    gc.freeze()
    gc.set_threshold(50_000, 20, 1_000)
    if sys.platform.startswith("linux"):
        multiprocessing.set_start_method("fork", force=True)
    made = cythonize(
        [extension(name, [source]) for name, source in {**engine, **shims}.items()],
        include_path=["engine", "tests"],
        # What Cython makes is the same C in all flavours, but for the line numbers.
        build_dir="build/cython-release" if FLAVOUR == "release" else "build/cython-lines",
        compiler_directives=DIRECTIVES,
        emit_linenums=FLAVOUR != "release",
        nthreads=0 if os.environ.get("HUTCH_SERIAL") == "1" else os.cpu_count() or 1,
    )
    sources = [source for one in made if one.name in engine for source in one.sources]
    return [extension(LOADER, sources), *(one for one in made if one.name in shims)]


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
    packages=["hutch_engine", *(f"hutch_engine.{room}" for room in ROOMS), *find_packages("src", include=["hutch", "hutch.*"])],
    py_modules=["hutch_kombu", "hutch_pytest"],
    package_dir={"": "src", "hutch_engine": "engine/hutch_engine", "hutch": "src/hutch",
                 "shims": "tests/shims"},
    package_data={"hutch": ["py.typed", "*.pyi"], "hutch_engine": ["py.typed"], "hutch_engine.door": ["*.pyi"]},
    exclude_package_data={"": ["*.pyx", "*.pxd", "*.toml", "*.h"]},
    options={"build": {"build_base": build_base()}},
    ext_modules=cythonized() if building else [],
    cmdclass={"build_ext": BuildEngine},
    zip_safe=False,
)
