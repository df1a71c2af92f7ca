"""Counts how often the commands of an engine are asked about (executor/admission) and shown to observers (executor/run)."""
from libc.stdint cimport uint32_t
from libc.string cimport memset
from hutch_engine.base.lock cimport lock_acquire, lock_release
from hutch_engine.door.engine cimport Engine
from hutch_engine.state.engine cimport GATE_TRIAL, Trial, engine_observe


cdef class TrialObserver:
    """While it is there, admission is never plain, and everything is shown. Of one engine, which must outlive it."""
    cdef Engine engine
    cdef Trial trial

    def __cinit__(self, Engine engine not None):
        self.engine = engine
        memset(&self.trial, 0, sizeof(Trial))
        self._watch(True)

    cdef void _watch(self, bint on):
        with nogil:
            lock_acquire(&self.engine.core.lock)
            self.engine.core.execution.trial = &self.trial if on else NULL
            if on:
                self.engine.core.execution.gate |= GATE_TRIAL
            else:
                self.engine.core.execution.gate &= ~<uint32_t>GATE_TRIAL
            engine_observe(self.engine.core)
            lock_release(&self.engine.core.lock)

    def close(self):
        """Nothing is counted any more."""
        self._watch(False)

    def take(self):
        """How many were asked about and how many were shown since the last call."""
        with nogil:
            lock_acquire(&self.engine.core.lock)
        found = self.trial.admissions, self.trial.observed
        memset(&self.trial, 0, sizeof(Trial))
        with nogil:
            lock_release(&self.engine.core.lock)
        return found
