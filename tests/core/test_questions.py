"""A question on record: found by those who may answer, answered by one of them, never too late."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

import pytest

from tests.core.asked import ask, question
from tests.core.records import SECRETS, Records, somebody
from windlass.contracts.events import EventKind, NewEvent
from windlass.contracts.ids import RunId, new_id
from windlass.contracts.runs import EndInput, RunStatus
from windlass.core.artifacts import Artifacts
from windlass.core.audit import Audit, AuditFilter
from windlass.core.contents import Contents
from windlass.core.database import Database
from windlass.core.errors import Invalid, NotFound
from windlass.core.executions import Attached
from windlass.core.hosts import Hosts
from windlass.core.permissions import Role
from windlass.core.questions import AlreadyClosed, QuestionFilter, Questions, Way
from windlass.core.storage.local import LocalObjects
from windlass.core.wakeup import PollOnly

GOOD = {"word": "yes", "n": "3", "more": "beside"}


@dataclass(frozen=True, slots=True)
class Asked:
    """A run of Ada's with one question, and the store of questions."""

    records: Records
    questions: Questions
    run_id: RunId
    id: UUID

    async def statuses(self) -> list[str]:
        """What the run went through."""
        found = await self.records.events.read(self.records.tenant_id, self.run_id, kinds=[EventKind.STATUS])
        return [event.payload["status"] for event in found]

    async def attached(self, attempt: int = 1) -> Attached:
        """The run as its executor takes it over."""
        taken = await self.records.executions.attach(self.records.tenant_id, self.run_id, attempt)
        assert taken is not None
        return taken

    async def states(self) -> list[str]:
        """Where the questions of the run stand."""
        found = await self.questions.oldest(self.records.caller, QuestionFilter(run_id=self.run_id))
        return [each.state for each in found]


@pytest.fixture
async def asked(database: Database, records: Records, tmp_path: Path) -> Asked:
    store = Artifacts(Contents(database, LocalObjects(tmp_path)))
    questions = Questions(database, PollOnly(), store, Way(Hosts(tmp_path), SECRETS, records.letters))
    run = await records.start()
    return Asked(records, questions, run.id, await ask(records.executions, records.tenant_id, run.id))


async def test_an_open_question_is_on_record_and_its_run_waits(asked: Asked):
    found = await asked.questions.get(asked.records.caller, asked.id)

    assert (found.name, found.state, found.data, found.run_title) == ("Really a?", "open", {"about": "a"}, "Claude")
    assert await asked.statuses() == ["queued", "starting", "awaiting"]
    assert (await asked.records.runs.get(asked.records.caller, asked.run_id)).status is RunStatus.AWAITING


async def test_an_answer_is_converted_kept_with_who_gave_it_and_the_run_goes_on(asked: Asked):
    answer = await asked.questions.answer(asked.records.caller, asked.id, GOOD)

    (event,) = await asked.records.events.read(asked.records.tenant_id, asked.run_id, kinds=[EventKind.ANSWER])
    result = {"more": "beside", "word": "yes", "n": 3}
    assert (answer.question.result, answer.question.answered_by_name, answer.is_unsettled) == (result, "Ada", False)
    assert event.payload == {"question_id": str(asked.id), "name": "Really a?", "by": "Ada", "result": result}
    assert (await asked.statuses())[-1] == "running"
    assert ("answer", asked.records.tenant_id, asked.run_id) in asked.records.letters.kept
    (told,) = (await asked.attached()).record["questions"]
    assert (told["state"], told["result"], told["by"]) == ("answered", result, "Ada")


async def test_a_wrong_answer_names_its_fields_and_leaves_the_question_open(asked: Asked):
    with pytest.raises(Invalid) as refused:
        await asked.questions.answer(asked.records.caller, asked.id, {"n": 0})

    assert {error.field for error in refused.value.errors} == {"inputs.word", "inputs.n"}
    assert await asked.states() == ["open"]


async def test_of_two_people_one_is_first_and_the_other_is_told_who(asked: Asked):
    grace = replace(asked.records.colleague(Role.OWNER), name="Grace")
    answers = [asked.questions.answer(who, asked.id, GOOD) for who in (asked.records.caller, grace)]

    done = await asyncio.gather(*answers, return_exceptions=True)

    (lost,) = [each for each in done if isinstance(each, AlreadyClosed)]
    (won,) = [each for each in done if not isinstance(each, BaseException)]
    assert str(lost).startswith(f"{won.question.answered_by_name} answered it")
    events = await asked.records.events.read(asked.records.tenant_id, asked.run_id, kinds=[EventKind.ANSWER])
    assert [event.payload["by"] for event in events] == [won.question.answered_by_name]


async def test_the_run_waits_until_its_last_question_is_answered(asked: Asked):
    second = await ask(asked.records.executions, asked.records.tenant_id, asked.run_id, "b")

    await asked.questions.answer(asked.records.caller, asked.id, GOOD)
    after_one = await asked.statuses()
    await asked.questions.answer(asked.records.caller, second, GOOD)

    assert after_one == ["queued", "starting", "awaiting"]
    assert await asked.statuses() == [*after_one, "running"]


async def test_after_its_deadline_a_question_takes_no_answer_and_the_run_hears_of_it(asked: Asked):
    late = await ask(asked.records.executions, asked.records.tenant_id, asked.run_id, "late", seconds=-1)

    with pytest.raises(AlreadyClosed, match="expired"):
        await asked.questions.answer(asked.records.caller, late, GOOD)
    told = (await asked.attached()).record["questions"]

    assert await asked.states() == ["open", "expired"]
    assert [each["state"] for each in told] == ["open", "expired"]
    kinds = [EventKind.QUESTION]
    events = await asked.records.events.read(asked.records.tenant_id, asked.run_id, kinds=kinds)
    assert [event.payload["state"] for event in events] == ["open", "open", "expired"]


async def test_a_question_that_expired_in_an_earlier_attempt_is_asked_anew(asked: Asked):
    executions, tenant_id = asked.records.executions, asked.records.tenant_id
    await ask(executions, tenant_id, asked.run_id, "late", seconds=-1)
    await asked.attached()

    second = await asked.attached(attempt=2)
    again = question("late")
    event = NewEvent(again.kind, again.payload, "question:late:2.0", 1)
    await executions.append(tenant_id, asked.run_id, second.epoch, [event])

    assert [each["key"] for each in second.record["questions"]] == ["a"]
    assert await asked.states() == ["open", "open"]


async def test_the_end_of_a_run_withdraws_its_questions(asked: Asked):
    end = EndInput(str(asked.records.tenant_id), str(asked.run_id), RunStatus.CANCELLED)
    await asked.records.executions.end(end)

    with pytest.raises(AlreadyClosed, match="withdrawn"):
        await asked.questions.answer(asked.records.caller, asked.id, GOOD)

    assert await asked.states() == ["cancelled"]
    assert (await asked.statuses())[-1] == "cancelled"


async def test_only_those_who_may_see_the_run_find_its_questions(asked: Asked):
    operator, stranger = asked.records.colleague(Role.OPERATOR), somebody()

    for who in (operator, stranger):
        assert await asked.questions.oldest(who, QuestionFilter()) == []
        for attempt in (asked.questions.get(who, asked.id), asked.questions.answer(who, asked.id, GOOD)):
            with pytest.raises(NotFound):
                await attempt
    assert [await asked.questions.waiting(who) for who in (asked.records.caller, operator, stranger)] == [1, 0, 0]
    with pytest.raises(NotFound):
        await asked.questions.get(asked.records.caller, new_id())


async def test_an_answer_is_on_the_audit_record(asked: Asked, database: Database):
    await asked.questions.answer(asked.records.caller, asked.id, GOOD)

    (entry,) = await Audit(database).newest(asked.records.caller, AuditFilter(action="question.answer"))
    assert (entry.subject, entry.actor_name) == (f"run:{asked.run_id}", "Ada")
    assert "yes" not in str(entry.after)


async def test_a_new_try_begins_with_the_answers_of_the_old_one(asked: Asked):
    caller = asked.records.caller
    await ask(asked.records.executions, asked.records.tenant_id, asked.run_id, "open")
    await asked.questions.answer(caller, asked.id, GOOD)
    await asked.records.executions.end(EndInput(str(asked.records.tenant_id), str(asked.run_id), RunStatus.FAILED))

    kept = await asked.records.runs.retry(caller, asked.run_id)
    anew = await asked.records.runs.retry(caller, asked.run_id, "start")

    assert [(q.key_name, q.by) for q in await copied(asked, kept.id)] == [("Really a?", "Ada")]
    assert await copied(asked, anew.id) == []


@dataclass(frozen=True, slots=True)
class Copy:
    """A question of a new try."""

    key_name: str
    by: str | None


async def copied(asked: Asked, run_id: RunId) -> list[Copy]:
    found = await asked.questions.oldest(asked.records.caller, QuestionFilter(run_id=run_id))
    return [Copy(each.name, each.answered_by_name) for each in found]


async def test_a_large_question_is_whole_for_those_who_answer_it(asked: Asked, database: Database, tmp_path: Path):
    store, text = Artifacts(Contents(database, LocalObjects(tmp_path))), "x" * 100_000
    event = question("large", data={"text": text})
    folded = replace(event, payload=await store.fold(asked.records.tenant_id, asked.run_id, event.payload))
    attached = await asked.attached()
    await asked.records.executions.append(asked.records.tenant_id, asked.run_id, attached.epoch, [folded])

    found = await asked.questions.get(asked.records.caller, UUID(event.payload["question_id"]))

    assert found.data == {"text": text}
