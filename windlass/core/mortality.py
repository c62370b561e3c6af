"""Children that do not outlive the process that started them."""

import ctypes
import os
import sys
from collections.abc import Callable
from functools import partial
from signal import SIGKILL, Signals

PR_SET_PDEATHSIG = 1

# Loaded once, before any fork: the child must not take locks of the dynamic loader.
_LIBC = ctypes.CDLL(None)


def dying_with_us(death_signal: Signals = SIGKILL) -> Callable[[], None]:
    """A `preexec_fn`: the child gets this signal when the *thread* that starts it ends, so start it from the main one.

    Linux only (prctl(2), PR_SET_PDEATHSIG); what the child itself starts is not reached.
    """
    return partial(_die_with, os.getpid(), death_signal)


def _die_with(parent: int, death_signal: Signals) -> None:
    """Runs in the child between fork and exec."""
    if sys.platform == "linux":
        _LIBC.prctl(PR_SET_PDEATHSIG, int(death_signal))
        if os.getppid() != parent:
            os._exit(1)
