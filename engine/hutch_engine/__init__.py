"""The engine of Hutch: compiled modules, a package a floor; `door` is the only one that speaks Python."""
from . import loader as _loader   # the shared object that has all of them: from here on Python finds them in it
