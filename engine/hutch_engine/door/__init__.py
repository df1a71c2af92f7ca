from hutch_engine.loader import load_core as _load_core

_load_core()
