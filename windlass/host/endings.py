"""How the process of a host ends, in numbers and in words."""

from contextlib import suppress
from signal import Signals

VISITS_S = 120.0  # a request under way may take so long once another host has the place, and no run is open here

EXIT_IMPORT_FAILED = 3
EXIT_REPLACED = 4  # a cancelled run did not stop
EXIT_BLOCKED = 5  # the agents' loop did not answer
EXIT_FULL = 6  # it used more memory than it may
EXIT_NOT_STARTED = 7  # no process at all: the system had no room for one
EXIT_START_FAILED = 8  # what the program does before it serves

WORDS = {
    EXIT_IMPORT_FAILED: "the service could not be imported",
    EXIT_START_FAILED: "the service could not be started",
    EXIT_REPLACED: "a cancelled run did not stop",
    EXIT_BLOCKED: "its event loop was blocked for too long",
    EXIT_FULL: "it used more memory than it may",
}


def ending(code: int) -> str:
    """What an exit code says."""
    if code >= 0:
        return WORDS.get(code, f"exit code {code}")
    with suppress(ValueError):
        return f"signal {Signals(-code).name}"
    return f"signal {-code}"
