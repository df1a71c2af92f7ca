"""All modules of the engine lie in one shared object, which is this module; Python finds the others in it.

Each is compiled for itself and has an initialisation of its own, as if it were a file. As files, though, more than two hundred would be looked for,
opened, mapped and relocated one after the other, which took as long as all that they do when they are imported. The table of
them is made with the build (setup.py): the core's come first, and in it each module stands behind those that it imports.

The core is loaded when the door is, since the door needs all of it: not while hutch_engine itself is imported, for then Python would ask at each of
some 2,500 imports between the modules whether another thread is still at it.
"""
import sys
from importlib.machinery import ModuleSpec

from cpython.ref cimport PyObject

cdef extern from *:
    """
    #include "engine_modules.h"
    """
    ctypedef PyObject* (*ModuleInit)() except NULL
    ctypedef struct EngineModule:
        const char* name
        ModuleInit init
    const EngineModule* engine_modules
    const int ENGINE_MODULES       # rows of the table ...
    const int CORE_MODULES         # ... of which these are the core

cdef extern from "Python.h":
    ctypedef struct PyModuleDef
    PyModuleDef* PyModule_GetDef(object module) except NULL
    object PyModule_FromDefAndSpec(PyModuleDef* definition, object spec)
    int PyModule_ExecDef(object module, PyModuleDef* definition) except -1

cdef dict _rows = {engine_modules[i].name.decode(): i for i in range(ENGINE_MODULES)}


class EngineFinder:
    """Finds and loads the engine's modules: a finder and a loader in the sense of importlib."""

    @staticmethod
    def find_spec(name, path=None, target=None):
        """What importlib has to know of a module; None for those that are not the engine's."""
        return ModuleSpec(name, EngineFinder, origin=__file__) if name in _rows else None

    @staticmethod
    def create_module(spec):
        """The module, empty; ImportError where it is not the engine's."""
        row = _rows.get(spec.name)
        if row is None:
            raise ImportError(f"{spec.name} is no module of the engine", name=spec.name)
        # What an initialisation returns is its definition, which is constant: nobody owns it.
        return PyModule_FromDefAndSpec(<PyModuleDef*>engine_modules[<int>row].init(), spec)

    @staticmethod
    def exec_module(module):
        """Run its initialisation."""
        PyModule_ExecDef(module, PyModule_GetDef(module))


def _load(str name):
    """What importlib does for a module of which all is known: a fifth of the time."""
    spec = ModuleSpec(name, EngineFinder, origin=__file__)
    module = EngineFinder.create_module(spec)
    module.__spec__ = spec
    sys.modules[name] = module
    try:
        PyModule_ExecDef(module, PyModule_GetDef(module))
    except BaseException:
        del sys.modules[name]
        raise
    room, _, last = name.rpartition(".")
    setattr(sys.modules[room], last, module)


def load_core():
    """Load every module below the door, lowest first."""
    for i in range(CORE_MODULES):
        name = engine_modules[i].name.decode()
        if name not in sys.modules:
            room = name.rpartition(".")[0]
            if room not in sys.modules:
                __import__(room)
            _load(name)


# First: what an older build left beside the sources is not looked at.
sys.meta_path.insert(0, EngineFinder)
