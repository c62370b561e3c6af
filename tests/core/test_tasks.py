"""Tasks: what is saved, who may change it, and which run was made of which version."""

import json

import pytest

from tests.core.records import Records
from tests.core.shelves import Shelf
from windlass.contracts.ids import new_id
from windlass.core.artifacts import Artifacts
from windlass.core.contents import Contents
from windlass.core.database import Database
from windlass.core.errors import Conflict, Forbidden, Invalid, NotFound
from windlass.core.parameters import Parameter
from windlass.core.permissions import Role
from windlass.core.runs import RunFilter
from windlass.core.tasks import Recipe, Task, plain

NEWS = Recipe("claude", {"prompt": "News of {{ parameters.topic }}"}, (Parameter("topic", default="tea"),))


async def saved(records: Records, name: str = "news", recipe: Recipe = NEWS) -> Task:
    return await records.tasks.create(records.caller, name, recipe)


async def test_a_run_remembers_the_version_it_was_made_of(records: Records):
    task = await saved(records)
    first = await records.tasks.run(records.caller, task.id, {"topic": "coffee"})
    changed = await records.tasks.change(records.caller, task.id, {"inputs": {"prompt": "{{ parameters.topic }}!"}})
    second = await records.tasks.run(records.caller, task.id)

    assert (first.inputs["prompt"], second.inputs["prompt"]) == ("News of coffee", "tea!")
    assert (changed.version, task.version) == (2, 1)
    made = [await records.tasks.made_of(records.caller, run.root_id) for run in (first, second)]
    assert [(each.version, each.parameters) for each in made if each] == [
        (1, {"topic": "coffee"}),
        (2, {"topic": "tea"}),
    ]
    assert [each.version for each in await records.tasks.versions(records.caller, task.id)] == [2, 1]


async def test_another_try_belongs_to_the_same_task(records: Records):
    task = await saved(records)
    run = await records.finish(await records.tasks.run(records.caller, task.id))
    again = await records.runs.retry(records.caller, run.id)

    assert await records.tasks.made_of(records.caller, again.root_id) is not None
    listed = await records.runs.newest(records.caller, RunFilter(task=task.id))
    assert {each.id for each in listed} == {run.id, again.id}


async def test_the_previous_result_goes_into_the_next_run(records: Records):
    task = await saved(records, recipe=Recipe("claude", {"prompt": "after [{{ previous.result }}]"}))
    first = await records.tasks.run(records.caller, task.id)
    await records.finish(first)
    second = await records.tasks.run(records.caller, task.id)

    assert (first.inputs["prompt"], second.inputs["prompt"]) == ("after []", "after [done]")


async def test_of_a_previous_result_that_is_kept_elsewhere_the_next_run_gets_the_beginning(
    records: Records, database: Database, shelf: Shelf
):
    artifacts, long = Artifacts(Contents(database, shelf.objects)), "long " * 10_000
    for result in ({"Markdown": {"body": long}}, {"str": long}, {f"part {n}": "x" * 900 for n in range(60)}):
        folded = await artifacts.fold(records.tenant_id, None, result)

        assert plain(folded) == (json.dumps(result, separators=(",", ":")) if len(result) > 1 else long)[:1000]


@pytest.mark.parametrize(
    ("recipe", "field"),
    [
        (Recipe("claude", {"prompt": "{{ topic }}"}), "inputs.prompt"),
        (Recipe("claude", {"prompt": "{% for a in range(2000) %}{% endfor %}"}), "inputs.prompt"),
        (Recipe("claude", {}), "inputs.prompt"),
    ],
)
async def test_a_task_that_could_never_start_is_not_saved(records: Records, recipe: Recipe, field: str):
    with pytest.raises(Invalid) as refused:
        await saved(records, recipe=recipe)

    assert [error.field for error in refused.value.errors] == [field]
    assert await records.tasks.newest(records.caller) == []


async def test_a_task_of_an_agent_that_does_not_exist_is_not_saved(records: Records):
    with pytest.raises(NotFound):
        await saved(records, recipe=Recipe("nobody"))


async def test_a_name_is_taken_once(records: Records):
    await saved(records, "News")

    with pytest.raises(Conflict):
        await saved(records, "news")


async def test_the_same_wish_again_is_one_task(records: Records):
    id = new_id()
    first = await records.tasks.create(records.caller, "news", NEWS, id)

    assert await records.tasks.create(records.caller, "news", NEWS, id) == first


async def test_a_change_of_something_older_is_refused(records: Records):
    task = await saved(records)
    await records.tasks.change(records.caller, task.id, {"description": "one"}, version=1)

    with pytest.raises(Conflict, match="made version 2; yours was made from 1"):
        await records.tasks.change(records.caller, task.id, {"description": "two"}, version=1)


async def test_another_name_is_no_new_version(records: Records):
    task = await saved(records)

    renamed = await records.tasks.change(records.caller, task.id, {"name": "tea news"})

    assert (renamed.name, renamed.version) == ("tea news", 1)


@pytest.mark.parametrize(("role", "may"), [(Role.OPERATOR, False), (Role.BUILDER, True), (Role.ADMIN, True)])
async def test_a_task_of_somebody_else_is_changed_by_builders_and_above(records: Records, role: Role, may: bool):
    task, colleague = await saved(records), records.colleague(role)

    if may:
        assert (await records.tasks.change(colleague, task.id, {"description": "x"})).changed_by_name == colleague.name
    else:
        with pytest.raises(Forbidden, match="Clone it"):
            await records.tasks.change(colleague, task.id, {"description": "x"})
        with pytest.raises(Forbidden):
            await records.tasks.delete(colleague, task.id)


async def test_a_copy_is_ones_own(records: Records):
    task, colleague = await saved(records), records.colleague(Role.OPERATOR)

    copies = [await records.tasks.clone(colleague, task.id) for _ in range(2)]

    assert [each.name for each in copies] == ["news copy", "news copy 2"]
    assert {each.created_by for each in copies} == {colleague.person_id}
    assert copies[0].recipe == task.recipe


async def test_a_deleted_task_never_runs_again_and_its_runs_stay(records: Records):
    task = await saved(records)
    run = await records.tasks.run(records.caller, task.id)

    await records.tasks.delete(records.caller, task.id)

    with pytest.raises(NotFound):
        await records.tasks.run(records.caller, task.id)
    assert (await records.runs.get(records.caller, run.id)).id == run.id
    assert (await saved(records)).id != task.id  # its name is free again


@pytest.mark.parametrize("given", [{"topic": 3}, {"tpic": "tea"}])
async def test_parameters_that_cannot_be_start_nothing(records: Records, given: dict[str, object]):
    task = await saved(records)

    with pytest.raises(Invalid) as refused:
        await records.tasks.run(records.caller, task.id, given)

    assert [error.field for error in refused.value.errors] == [f"parameters.{name}" for name in given]
    assert await records.runs.newest(records.caller, RunFilter()) == []


async def test_statistics_count_what_the_reader_may_see(records: Records):
    tasks, history = records.tasks, records.history
    task, operator = await saved(records), records.colleague(Role.OPERATOR)
    await records.finish(await tasks.run(records.caller, task.id))
    await tasks.run(operator, task.id)

    mine, all_of_them = await history.of_task(operator, task.id), await history.of_task(records.caller, task.id)

    assert (all_of_them.runs, all_of_them.finished, all_of_them.success_rate) == (2, 1, 1.0)
    assert (mine.runs, mine.finished, mine.success_rate) == (1, 0, None)
    assert all_of_them.took_p50_s is not None


async def test_the_previous_result_is_one_that_the_reader_may_see(records: Records):
    task = await saved(records, recipe=Recipe("claude", {"prompt": "after [{{ previous.result }}]"}))
    await records.finish(await records.tasks.run(records.caller, task.id))

    run = await records.tasks.run(records.colleague(Role.OPERATOR), task.id)

    assert run.inputs["prompt"] == "after []"
