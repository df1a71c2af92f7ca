"""Every public class, function and method of hutch, hutch.asyncio and hutch.testing has a docstring."""
import importlib
import inspect
import pkgutil

import hutch.asyncio
import hutch.cache
import hutch.testing

# The modules whose whole public surface is looked at; those of the package hutch.testing are added.
MODULES = ["hutch", "hutch.asyncio", "hutch.cache", "hutch.testing",
           *(module.name for module in pkgutil.iter_modules(hutch.testing.__path__, "hutch.testing."))]


def is_ours(thing) -> bool:
    """Was it written in Hutch? What is inherited or re-exported from redis-py is documented there."""
    return str(getattr(thing, "__module__", "")).partition(".")[0] in ("hutch", "hutch_engine")


def functions_of(attribute):
    """The functions behind an attribute of a class: its own, or that of a property, a class method or a static method."""
    if isinstance(attribute, property):
        return [attribute.fget]
    if isinstance(attribute, (classmethod, staticmethod)):
        return [attribute.__func__]
    return [attribute] if inspect.isroutine(attribute) else []


def undocumented_in_class(kind):
    """Names, dotted, of a class and of its public methods and properties that have no docstring of their own."""
    if not (kind.__dict__.get("__doc__") or "").strip():
        yield kind.__qualname__
    for base in filter(is_ours, kind.__mro__):
        for name, attribute in vars(base).items():
            if not name.startswith("_"):
                for function in functions_of(attribute):
                    if is_ours(function) and not (function.__doc__ or "").strip():
                        yield f"{base.__qualname__}.{name}"


def undocumented(module):
    """Names, dotted, of the public classes, functions and methods of a module that have no docstring. O(names)"""
    for name in sorted(getattr(module, "__all__", vars(module))):
        thing = getattr(module, name)
        if name.startswith("_") or not is_ours(thing):
            continue
        if inspect.isclass(thing):
            yield from (f"{module.__name__}: {found}" for found in undocumented_in_class(thing))
        elif inspect.isroutine(thing) and not (thing.__doc__ or "").strip():
            yield f"{module.__name__}: {name}"


def test_everything_public_has_a_docstring():
    missing = sorted({found for name in MODULES for found in undocumented(importlib.import_module(name))})
    assert not missing, missing


def test_what_has_none_is_found():
    class Base:
        """Has one."""

        def inherited(self):
            pass

    class Bare(Base):
        def documented(self):
            """Has one."""

        def bare(self):
            pass

        @property
        def size(self):
            return 0

        @classmethod
        def made(cls):
            return cls()

        def _private(self):
            pass

    Base.__module__ = Bare.__module__ = "hutch.made_up"
    for kind in (Base, Bare):
        for attribute in vars(kind).values():
            for function in functions_of(attribute):
                function.__module__ = "hutch.made_up"
    found = {name.rpartition("<locals>.")[2] for name in undocumented_in_class(Bare)}
    assert found == {"Bare", "Bare.bare", "Bare.size", "Bare.made", "Base.inherited"}


def test_the_walk_reaches_the_clients():
    names = {name for name, thing in vars(hutch).items() if inspect.isclass(thing) and is_ours(thing)}
    assert {"Redis", "Pipeline", "Store", "EmbeddedConnection", "EmbeddedConnectionPool"} <= names
    assert functions_of(vars(hutch.asyncio.EmbeddedConnection)["is_usable"])
