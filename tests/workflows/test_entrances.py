"""A flow's handler is asked before its run is recorded; what it refuses leaves no run behind."""

import pytest

from tests.workflows.engines import Engine, Meeting
from windlass.contracts.ids import new_id
from windlass.core.errors import Invalid
from windlass.core.hosts import HandlerFailed, NothingLaunched
from windlass.core.runs import RunFilter


async def runs_of(engine: Engine) -> int:
    return len(await engine.gateway.runs.newest(engine.caller, RunFilter(agent="agents/choosy")))


@pytest.mark.usefixtures("agents")
async def test_what_the_handler_refuses_names_the_fields_and_starts_nothing(engine: Engine, meeting: Meeting):
    before = await runs_of(engine)

    with pytest.raises(Invalid) as refused:
        await engine.start("agents/choosy", {**meeting.inputs, "n": 13})
    with pytest.raises(NothingLaunched, match="must return a Launch object or raise an InputsError"):
        await engine.start("agents/choosy", {**meeting.inputs, "n": 14})
    with pytest.raises(HandlerFailed, match="RuntimeError: This is a runtime error"):
        await engine.start("agents/choosy", {**meeting.inputs, "n": 15})

    messages = {error.field: error.message for error in refused.value.errors}
    assert messages == {"inputs.n": "must not be 13", "inputs._global_": "we are superstitious"}
    assert await runs_of(engine) == before


@pytest.mark.usefixtures("agents")
async def test_the_handler_is_asked_once_and_its_decision_kept(engine: Engine, meeting: Meeting):
    wish = new_id()
    run = await engine.start("agents/choosy", meeting.inputs, id=wish)

    over = await engine.ended(run.id)
    again = await engine.start("agents/choosy", meeting.inputs, id=wish)

    assert over.result == {"str": str(wish)}
    assert again.id == run.id
    assert meeting.count("asked") == 1


async def test_without_a_host_the_run_itself_asks(engine: Engine, meeting: Meeting):
    await engine.serve("absent")
    hosts = engine.settings.home / "hosts"
    moved = {path: path.with_suffix(".gone") for path in hosts.glob("*.sock")}
    for path, away in moved.items():
        path.rename(away)
    try:
        run = await engine.start("absent/choosy", {**meeting.inputs, "n": 13})
    finally:
        for path, away in moved.items():
            away.rename(path)

    over = await engine.ended(run.id)

    assert over.error is not None
    assert over.error["fields"] == {"n": ["must not be 13"], "_global_": ["we are superstitious"]}
