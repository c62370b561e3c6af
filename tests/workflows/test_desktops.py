"""What the workflow of a desktop says of work that failed."""

import pytest
from temporalio.exceptions import ActivityError, ApplicationError, RetryState, TimeoutType
from temporalio.exceptions import TimeoutError as TimedOut

from workflows.desktops import said

AWAY = ApplicationError("no container engine: /engine does not exist.", type="EngineAway")
LATE = TimedOut("nobody took it", type=TimeoutType.SCHEDULE_TO_START, last_heartbeat_details=[])


@pytest.mark.parametrize(("cause", "words"), [(AWAY, AWAY.message), (LATE, "nobody took it"), (None, "it failed")])
def test_a_failure_is_told_in_its_own_words_without_the_name_of_its_class(cause: BaseException | None, words: str):
    facts = {"scheduled_event_id": 1, "started_event_id": 2, "identity": "", "activity_type": "", "activity_id": ""}
    error = ActivityError("it failed", retry_state=RetryState.MAXIMUM_ATTEMPTS_REACHED, **facts)  # pyright: ignore[reportArgumentType] - by name
    error.__cause__ = cause

    assert said(error) == words
