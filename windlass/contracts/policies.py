"""Timeouts and retries by kind of work, and how workflows show in Temporal's own pages: all take them from here."""

from collections.abc import Mapping
from datetime import timedelta

from temporalio.common import RetryPolicy, SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

# Temporal refuses a summary of more bytes, and with it the start of the workflow or the whole of its next step.
SUMMARY_BYTES = 400


def summary(text: str) -> str:
    """A text as Temporal's own pages show it, cut at a whole character."""
    return text.encode()[:SUMMARY_BYTES].decode(errors="ignore")


def keywords(facts: Mapping[str, str]) -> TypedSearchAttributes:
    """The search attributes by which a workflow is found, each a word."""
    return TypedSearchAttributes(
        [SearchAttributePair(SearchAttributeKey.for_keyword(name), text) for name, text in facts.items()]
    )


# Driving a run: attached to its host for as long as it works.
DRIVE = timedelta(days=365)
DRIVE_HEARTBEAT = timedelta(seconds=20)
DRIVE_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), backoff_coefficient=1.5, maximum_interval=timedelta(seconds=5)
)

# Short database work, and some hundreds of it.
RECORDS = timedelta(minutes=1)
RECORD = timedelta(seconds=10)
RECORD_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=5))

# Telling an executor to stop: the workflow goes on without it after a few tries.
STOP = timedelta(seconds=2)
STOP_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_attempts=3)
STOP_GRACE = timedelta(milliseconds=1500)

# Between two attempts at a run: twice as long each time up to this, or as long as the first where that is longer.
ATTEMPT_PAUSE_MAX_S = 60.0

# The container engine of one machine. Nobody takes such work when the machine is down: then the desktop is lost.
ENGINE = timedelta(seconds=60)
ENGINE_HEARTBEAT = timedelta(seconds=6)
ENGINE_WAIT = timedelta(seconds=20)
ENGINE_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=5), maximum_attempts=10
)

# Looking at a screen: whoever asked is waiting.
SCREEN = timedelta(seconds=10)
SCREEN_WAIT = timedelta(seconds=3)
SCREEN_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=100), maximum_attempts=3)

# A run whose desktop's machine does not take it has failed; one that queues is called, and asks by itself.
DESKTOP_WAIT = timedelta(seconds=60)
DESKTOP_STOP = timedelta(seconds=60)  # its worker may be about to start again, and nobody else can stop a script
CLAIM_AGAIN_S = 120.0

# A prompt task: a thought may take long and is silent never; an act is a click, or a command of two minutes at most.
THINK = timedelta(minutes=30)
THINK_HEARTBEAT = timedelta(seconds=10)
THINK_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=5))
ASK_RETRY = RetryPolicy(
    initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=5), maximum_attempts=50
)

# A use of a tool in a session: its own time limit is shorter. A refusal is a result, so a failure is an outage.
USE = timedelta(minutes=15)
USE_HEARTBEAT = timedelta(seconds=10)
USE_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=5))

# A use of a tool and the call to the model after it: within the activity each keeps to its own time limit.
USE_THEN_THINK = USE + THINK

ACT = timedelta(minutes=5)
ACT_HEARTBEAT = timedelta(seconds=6)
ACT_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=3))

# A busy desktop is looked at from time to time: its task may have ended behind its workflow's back.
BUSY_LOOK = timedelta(minutes=5)

# While every machine is full or away a desktop asks again.
PLACE_AGAIN = timedelta(seconds=5)

# Work the installation gives itself: an outage of hours is waited out, then the next due time tries.
MAINTAIN = timedelta(hours=12)
MAINTAIN_HEARTBEAT = timedelta(seconds=20)
MAINTAIN_RETRY = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(minutes=1))

# One service of a boot: what it asks for may take long to install, and it waits for its machine's worker.
BOOT_SERVICE = timedelta(hours=2)
BOOT_HEARTBEAT = timedelta(seconds=20)
BOOT_RETRY = RetryPolicy(initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=5))
BOOT_SETTLE = timedelta(minutes=30)
