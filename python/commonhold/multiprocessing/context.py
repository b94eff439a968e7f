"""Contexts as those of multiprocessing, whose `Manager` is this package's.

What is not here is multiprocessing's own.
"""

import multiprocessing
from multiprocessing import context

from commonhold.multiprocessing import managers

__all__ = ["ForkContext", "ForkServerContext", "SpawnContext", "get_context"]


class _Managing:
    def Manager(self):
        """A manager that has started."""
        return managers.started(self.get_context())


class ForkContext(_Managing, context.ForkContext):
    """Processes are forked."""


class SpawnContext(_Managing, context.SpawnContext):
    """Processes are new interpreters."""


class ForkServerContext(_Managing, context.ForkServerContext):
    """Processes are forked by a process that does nothing else."""


_CONTEXTS = {made._name: made for made in (ForkContext(), SpawnContext(), ForkServerContext())}


def get_context(method=None):
    """The context of a start method, without one of that in use."""
    return _CONTEXTS[multiprocessing.get_context(method).get_start_method()]


def __getattr__(name):
    return getattr(context, name)
