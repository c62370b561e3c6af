"""Passwords in forms: sealed when they are stored, and sent to nobody new by anyone but who typed them."""

from pathlib import Path
from typing import Any

import pytest

from activities.passwords import SEALED, RunPasswords
from api.pages.forms import fields
from tests.core.asked import ask
from tests.core.records import SECRETS, Records, done, flow, somebody
from tests.programs.vaulted import filled
from windlass import forms
from windlass.contracts.hosts import ENTER
from windlass.contracts.ids import new_id
from windlass.contracts.runs import RunStatus
from windlass.core.artifacts import Artifacts
from windlass.core.callers import Caller
from windlass.core.contents import Contents
from windlass.core.database import Database
from windlass.core.errors import Invalid
from windlass.core.form_secrets import TASK, FormSecrets, Kept, run_place
from windlass.core.hosts import Hosts
from windlass.core.masks import MASK, Eraser, covered, uncovered
from windlass.core.parameters import Parameter
from windlass.core.permissions import Role
from windlass.core.questions import Questions, Way
from windlass.core.runs import Run, StartRun
from windlass.core.services import NewService
from windlass.core.storage.local import LocalObjects
from windlass.core.tasks import Recipe
from windlass.core.vault import SecretSealed, Vault
from windlass.core.wakeup import PollOnly
from windlass.core.wanted import HostFacts
from windlass.forms import json_schema

PASSWORD = "only-ada-knows-4711"  # noqa: S105
FORM = forms.Model(forms.InputText("host"), forms.InputPassword("password", required=True, min_length=10)).get_model()
GIVEN: dict[str, Any] = {"host": "here", "password": PASSWORD}
ELSEWHERE = {"host": "elsewhere", "password": MASK}


@pytest.fixture
async def records(records: Records) -> Records:
    """A tenant with two flows that ask for a password."""
    await records.services.add(records.caller, NewService("vault", "/srv", "app:app"))
    flows = [{**flow(name), "elements": FORM} for name in ("open", "send")]
    host = HostFacts(str(new_id()), 1, "here", 1)
    await records.wanted.record_up(await records.wanted_service("vault"), host, {"isolation": "shared", "flows": flows})
    return records


async def failed(records: Records, run: Run) -> Run:
    await records.end(run, RunStatus.FAILED)
    return run


async def test_a_mask_stands_for_what_its_caller_typed_and_only_for_the_same_agent(
    records: Records, database: Database
):
    runs, ada, bob = records.runs, records.caller, records.colleague(Role.OWNER)
    first = await failed(records, await runs.start(ada, StartRun("vault/open", GIVEN)))
    taken = await failed(records, await runs.retry(bob, first.id))  # as it was: nothing is sent anywhere new

    again = await runs.retry(ada, first.id, inputs=ELSEWHERE)
    copied = await runs.start(ada, StartRun("vault/open", ELSEWHERE, passwords_of=first.id))

    for attempt in (
        runs.retry(bob, first.id, inputs=ELSEWHERE),
        runs.retry(bob, taken.id, inputs=ELSEWHERE),
        runs.start(bob, StartRun("vault/open", ELSEWHERE, passwords_of=first.id)),
        runs.start(ada, StartRun("vault/send", ELSEWHERE, passwords_of=first.id)),
        runs.start(ada, StartRun("vault/open", ELSEWHERE)),
    ):
        with pytest.raises(Invalid) as refused:
            await attempt
        assert [each.field for each in refused.value.errors] == ["inputs.password"]
    assert [each.inputs["password"] for each in (first, taken, again, copied)] == [MASK] * 4
    opened = [await kept_of(database, each, ada) for each in (first, taken, again, copied)]
    assert [each.inputs["password"] for each in opened] == [PASSWORD] * 4
    assert {each.by for each in opened} == {str(ada.person_id)}


async def kept_of(database: Database, run: Run, caller: Caller) -> Kept:
    async with database.tenant(caller.tenant_id) as connection:
        sealed = await connection.fetchval("select sealed from run where id = $1", run.id)
    return SECRETS.open(caller.tenant_id, run_place(run.root_id), sealed)


async def test_other_inputs_are_tried_without_what_was_made_of_the_passwords_of_a_run(
    records: Records, database: Database, tmp_path: Path
):
    runs, ada, bob = records.runs, records.caller, records.colleague(Role.OWNER)
    store = Artifacts(Contents(database, LocalObjects(tmp_path)))
    questions = Questions(database, PollOnly(), store, Way(Hosts(tmp_path), SECRETS, records.letters))
    given, asked = await runs.start(ada, StartRun("vault/open", GIVEN)), await records.start()
    for run in (given, asked):
        await records.say(await records.attach(run), *done("sign in"))
    question = await ask(records.executions, ada.tenant_id, asked.id, elements=FORM)
    await questions.answer(ada, question, GIVEN)
    for run in (given, asked):
        await failed(records, run)
    others = ((given, {"host": "bob's", "password": "a password of his"}), (asked, {"prompt": "something else"}))

    again = [await runs.retry(bob, each.id) for each in (given, asked)]
    anew = [await runs.retry(bob, each.id, inputs=other) for each, other in others]

    assert [each.steps_kept for each in (*again, *anew)] == [1, 1, 0, 0]
    answers = [(await records.attach(each)).record["questions"] for each in (again[1], anew[1])]
    assert [len(each) for each in answers] == [1, 0]


async def test_a_task_keeps_its_passwords_sealed_and_its_runs_get_them(records: Records):
    tasks, ada, bob = records.tasks, records.caller, records.colleague(Role.OWNER)
    task = await tasks.create(ada, "nightly", Recipe("vault/open", GIVEN))
    tagged = await tasks.change(bob, task.id, {"tags": ("x",)})
    moved = await tasks.change(ada, task.id, {"inputs": ELSEWHERE})
    copy = await tasks.clone(bob, task.id)
    run = await tasks.run(bob, copy.id)

    for wrong, caller in ((ELSEWHERE | {"host": "bob's"}, bob), ({"host": "h", "password": "{{ now }} or never"}, ada)):
        with pytest.raises(Invalid) as refused:
            await tasks.change(caller, copy.id, {"inputs": wrong})
        assert [each.field for each in refused.value.errors] == ["inputs.password"]
    for steered, caller in (({"parameters": (Parameter("place"),)}, bob), ({"agent": "vault/send"}, ada)):
        with pytest.raises(Invalid) as refused:
            await tasks.change(caller, task.id, steered)
        assert [each.field for each in refused.value.errors] == ["inputs.password"]
    assert [each.recipe.inputs["password"] for each in (task, tagged, moved, copy)] == [MASK] * 4
    assert [SECRETS.open(ada.tenant_id, TASK, each.recipe.sealed or b"").inputs for each in (moved, copy)] == [
        {"host": "elsewhere", "password": PASSWORD}
    ] * 2
    attached = await records.attach(run)
    passwords, opened = RunPasswords.of(SECRETS, attached)
    assert (run.inputs["password"], opened.inputs) == (MASK, {"host": "elsewhere", "password": PASSWORD})
    assert passwords.cover({"op": "delta", "item": "a", "text": f"it is {PASSWORD}!"})["text"] == f"it is {MASK}!"


async def test_what_is_sealed_opens_for_its_own_tenant_its_own_run_and_with_its_own_key(records: Records):
    run = await records.runs.start(records.caller, StartRun("vault/open", GIVEN))
    attached = await records.attach(run)
    other = await records.runs.start(records.caller, StartRun("vault/open", GIVEN))
    stranger = somebody()
    kept = Kept(GIVEN, "ada", (PASSWORD,))
    sealed = SECRETS.seal(records.tenant_id, run_place(run.id), kept)

    assert SECRETS.open(records.tenant_id, run_place(run.id), sealed) == kept
    for secrets, tenant, place in (
        (SECRETS, stranger.tenant_id, run_place(run.id)),
        (SECRETS, records.tenant_id, run_place(other.id)),
        (FormSecrets(Vault(b"a key that came later, long enough")), records.tenant_id, run_place(run.id)),
    ):
        with pytest.raises(SecretSealed, match="Fill it in again"):
            secrets.open(tenant, place, sealed)
    with pytest.raises(SecretSealed):
        RunPasswords.of(FormSecrets(Vault(b"a key that came later, long enough")), attached)


async def test_results_are_sealed_where_a_password_is_in_them_and_nobody_forges_one(records: Records):
    attached = await records.attach(await records.runs.start(records.caller, StartRun("vault/open", GIVEN)))
    passwords, _ = RunPasswords.of(SECRETS, attached)
    results = {"a": f"session {PASSWORD}", "b": 7, "c": {SEALED: "AAAA"}, ENTER: {"inputs": None}}
    lines = [
        {
            "op": "event",
            "kind": "step",
            "producer": "p",
            "pseq": 1,
            "payload": {"key": key, "name": key, "result": each},
        }
        for key, each in results.items()
    ]

    stored = [passwords.cover(line)["payload"] for line in lines]
    attached.record["steps"] = [*stored, {"key": "d", "result": stored[0]["result"]}]
    _, opened = RunPasswords.of(SECRETS, attached)

    attached.record["secrets"]["sealed"] = None
    _, without = RunPasswords.of(SECRETS, attached)

    assert without.steps == opened.steps
    assert [SEALED in str(each["result"]) for each in stored] == [True, False, True, True]
    assert {each["key"]: each["result"] for each in opened.steps if each["key"] != "d"} == results
    assert opened.steps[-1]["result"] == stored[0]["result"]  # of another step: it stays what it is


async def test_of_a_question_its_data_and_all_that_its_form_says_is_covered(records: Records):
    run = await records.runs.start(records.caller, StartRun("vault/open", GIVEN))
    passwords, _ = RunPasswords.of(SECRETS, await records.attach(run))
    said = {"key": "k", "data": {"p": [PASSWORD]}, "errors": {"a": [PASSWORD]}, "name": f"Is it {PASSWORD}?"}
    asked = said | {"elements": filled(PASSWORD).get_model()}

    stored = [
        passwords.cover({"op": "event", "kind": "question", "payload": asked | {"handled": handled}})["payload"]
        for handled in (False, True)
    ]

    shown = stored[0]
    assert stored[1] == {**shown, "name": asked["name"], "handled": True}  # the name finds the handler
    assert PASSWORD not in str(shown)
    assert str(shown) == str(asked | {"handled": False}).replace(PASSWORD, MASK)


def test_in_a_group_a_mask_stands_for_the_password_of_the_entry_that_says_the_same():
    door = [forms.InputNumber("door"), forms.InputPassword("code")]
    form = forms.Model(forms.Group("doors", door), forms.Group("keys", door[1:])).get_model()
    kept = {"doors": [{"door": n, "code": f"code {n}"} for n in (1, 2, 3)], "keys": [{"code": "x"}, {"code": "y"}]}
    sent = {"doors": [{"door": "3", "code": MASK}, {"door": "1", "code": "new"}, {"door": "9", "code": MASK}]}

    changed = uncovered(form, {**sent, "keys": [{"code": MASK}]}, kept)
    untouched = uncovered(form, covered(form, kept), kept)

    assert [each["code"] for each in changed["doors"]] == ["code 3", "new", MASK]
    assert changed["keys"] == [{"code": MASK}]  # of two that say the same, it may be either
    assert untouched == kept


def test_passwords_are_found_as_programs_write_them_and_short_ones_are_not_looked_for():
    eraser = Eraser()
    eraser.learn(['gr"öße 7', "abc"])

    said = [r"{'p': 'gr\"\u00f6\u00dfe 7'}", "p=gr%22%C3%B6%C3%9Fe+7&x", {'gr"öße 7': ["abc", 'x gr"öße 7 y']}]

    assert eraser.clean(said) == [f"{{'p': '{MASK}'}}", f"p={MASK}&x", {MASK: ["abc", f"x {MASK} y"]}]


def test_a_page_sends_no_password_back_and_a_schema_says_that_it_is_one():
    typed = {each.name: each.value for each in fields(FORM, GIVEN)}
    kept = next(each for each in fields(FORM, {"password": MASK}) if each.name == "password")

    assert typed == {"host": "here", "password": ""}
    assert (kept.value, kept.html, kept.limits) == (MASK, "password", ())
    assert {"format": "password", "writeOnly": True}.items() <= json_schema(FORM)["properties"]["password"].items()
