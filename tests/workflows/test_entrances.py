"""A flow's handler is asked before its run is recorded; what it refuses leaves no run behind."""

import json
from pathlib import Path

import pytest

from tests.owner import as_owner
from tests.programs.vaulted import hashed
from tests.workflows.engines import Engine, Meeting
from tests.workflows.test_questions import waiting
from windlass.contracts.ids import new_id
from windlass.contracts.runs import RunStatus
from windlass.core.masks import MASK


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


SECRETS = {"password": 'Tr"oub4dor ä', "code": "code of the cellar", "pin": "pin-of-ada-4711"}


async def test_a_password_reaches_the_agent_in_every_life_and_is_found_nowhere_else(
    engine: Engine, meeting: Meeting, caplog: pytest.LogCaptureFixture
):
    caplog.set_level("DEBUG")
    await engine.serve("vaulted", "vaulted:app")
    doors = [{"door": "cellar", "code": SECRETS["code"]}]
    given = {**meeting.inputs, "twice": True, "password": SECRETS["password"], "second": "short", "doors": doors}
    gateway, caller = engine.gateway, engine.caller

    first = await engine.start("vaulted/unlock", given)
    for _ in ("plain", "handled"):
        (question,) = await waiting(engine, first)
        said = await gateway.questions.answer(caller, question.id, {"pin": SECRETS["pin"]})
        assert SECRETS["pin"] not in repr(said)
    failed = await engine.ended(first.id)
    again = await gateway.runs.retry(caller, first.id)
    over = await engine.ended(again.id)

    heard = (SECRETS["password"], "short", SECRETS["code"], f"Bearer {SECRETS['password']}")
    heard += (f"session of {SECRETS['password']}", SECRETS["code"], SECRETS["pin"], SECRETS["pin"].upper())
    assert (failed.status, failed.error and failed.error["type"]) == (RunStatus.FAILED, "ValueError")
    assert (over.status, over.result) == (RunStatus.FINISHED, {"str": hashed(*heard)})
    shown = [over.inputs[name] for name in ("password", "second")] + [over.inputs["doors"][0]["code"]]
    assert shown == [MASK] * 3
    secrets = [*SECRETS.values(), SECRETS["pin"].upper(), SECRETS["password"].encode("unicode_escape").decode()]
    secrets += [json.dumps(SECRETS["password"], ensure_ascii=False)[1:-1]]
    histories = [await engine.workflow(each.id).fetch_history() for each in (first, again)]
    kept = [event.SerializeToString() for history in histories for event in history.events]
    kept += [*await rows(engine), *files_below(engine.settings.home), caplog.text.encode()]
    assert len(kept) > 100
    assert [(secret, each[:2_000]) for secret in secrets for each in kept if secret.encode() in each] == []


async def rows(engine: Engine) -> list[bytes]:
    """Every row of every table, as JSON."""
    query = (
        "select table_name from information_schema.tables where table_schema = 'public' and table_type = 'BASE TABLE'"
    )
    async with as_owner(engine.settings.require_database_url()) as connection:
        tables = [row["table_name"] for row in await connection.fetch(query)]
        found = [await connection.fetch(f'select row_to_json(t)::text as line from "{each}" t') for each in tables]  # noqa: S608
    assert {"run", "event", "step", "question", "run_words"} <= {
        table for table, lines in zip(tables, found, strict=True) if lines
    }
    return [row["line"].encode() for lines in found for row in lines]


def files_below(folder: Path) -> list[bytes]:
    """What is in the files of a stack: logs of hosts, stored bytes."""
    return [each.read_bytes() for each in folder.rglob("*") if each.is_file()]
