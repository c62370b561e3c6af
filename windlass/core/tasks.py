"""Tasks: saved ways to start an agent, version by version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any, cast
from uuid import UUID

import asyncpg

from windlass.contracts.events import Payload
from windlass.contracts.ids import TaskId, TenantId, new_id
from windlass.core.agents import Agent
from windlass.core.artifacts import preview_of
from windlass.core.audit import record
from windlass.core.beginnings import Origin
from windlass.core.callers import Caller
from windlass.core.database import Connection, Database, Row
from windlass.core.errors import Conflict, FieldError, Forbidden, Invalid, NotFound
from windlass.core.form_secrets import TASK, Forms, FormSecrets, Kept, typed
from windlass.core.masks import covered, masked, passwords
from windlass.core.parameters import Parameter, read_parameters, values_of, written
from windlass.core.permissions import Permission
from windlass.core.runs import Run, Runs, StartRun, owner
from windlass.core.templates import Previous, Variables, check, fill_in, is_template


@dataclass(frozen=True, slots=True)
class Recipe:
    """What one version of a task says: which agent, with what. Texts in `inputs` may be templates."""

    agent: str
    inputs: Payload = field(default_factory=dict[str, Any])
    parameters: tuple[Parameter, ...] = ()
    description: str = ""
    tags: tuple[str, ...] = ()
    timeout_s: int | None = None
    max_attempts: int = 1
    backoff_s: int = 1
    sealed: bytes | None = field(default=None, repr=False)
    """The inputs as they were filled in, where they hold passwords."""


@dataclass(frozen=True, slots=True)
class Task:
    """A saved way to start an agent; `version` counts the changes of its recipe."""

    id: TaskId
    name: str
    version: int
    recipe: Recipe
    created_by: UUID | None
    created_by_name: str
    created_at: datetime
    updated_at: datetime
    changed_by_name: str


@dataclass(frozen=True, slots=True)
class TaskVersion:
    """A recipe as it was, who wrote it and when."""

    version: int
    recipe: Recipe
    changed_by_name: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Made:
    """Where a run comes from, as its reader sees it."""

    task_id: TaskId
    task_name: str
    version: int
    parameters: Payload


LITERAL = "cannot hold a template: passwords are sealed as they are, and parameters would be kept in the open"
RECIPE = ", ".join(f"v.{column.name}" for column in fields(Recipe))
FACTS = "t.id, t.name, t.version, t.created_by, t.created_by_name, t.created_at, t.updated_at, v.changed_by_name"
TASKS = (
    f"select {FACTS}, {RECIPE} from task t "  # noqa: S608 - column names are constants
    "join task_version v on v.task_id = t.id and v.version = t.version where t.deleted_at is null"
)
LIST = f"""
{TASKS} and ($1::text is null or strpos(lower(concat_ws(' ', t.name, v.agent, v.description)), lower($1)) > 0)
  and ($2::timestamptz is null or (t.created_at, t.id) < ($2, $3)) order by t.created_at desc, t.id desc limit $4
"""
ADD_VERSION = f"""
insert into task_version (task_id, version, tenant_id, changed_by_name, {", ".join(c.name for c in fields(Recipe))})
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
"""  # noqa: S608 - column names are constants
PREVIOUS = """
select r.id, r.result, r.ended_at from task_run o join run r on r.root_id = o.root_id
where o.task_id = $1 and r.status = 'finished' and ($2::uuid is null or r.created_by = $2)
order by r.ended_at desc limit 1
"""


class Tasks:
    """The tasks of a tenant: everybody reads them, their maker and those who may change all change them."""

    def __init__(self, database: Database, forms: Forms, runs: Runs) -> None:
        self._database = database
        self._agents, self._secrets = forms.agents, forms.secrets
        self._runs = runs

    async def create(self, caller: Caller, name: str, recipe: Recipe, id: UUID | None = None) -> Task:
        """Save a task; a wish that is repeated under its `id` is one task. Raises Invalid, NotFound, Conflict."""
        recipe = await self._checked(caller, recipe)
        task_id = TaskId(id or new_id())
        query = "insert into task (id, tenant_id, name, created_by, created_by_name) values ($1, $2, $3, $4, $5)"
        try:
            async with self._database.tenant(caller.tenant_id) as connection:
                await connection.execute(query, task_id, caller.tenant_id, name, caller.person_id, caller.name)
                await _add_version(connection, caller, task_id, 1, recipe)
                await record(connection, caller, "task.create", f"task:{task_id}", after={"name": name})
        except asyncpg.UniqueViolationError as error:
            return await self._again(caller, task_id, name, error)
        return await self.get(caller, task_id)

    async def get(self, caller: Caller, task_id: UUID) -> Task:
        """The task. Raises NotFound."""
        async with self._database.tenant(caller.tenant_id) as connection:
            return await find(connection, task_id)

    async def newest(
        self, caller: Caller, text: str | None = None, *, limit: int = 50, after: tuple[datetime, UUID] | None = None
    ) -> list[Task]:
        """The newest tasks first, those whose words contain `text`."""
        async with self._database.tenant(caller.tenant_id) as connection:
            rows = await connection.fetch(LIST, text or None, *(after or (None, None)), limit)
        return [_task(row) for row in rows]

    async def change(
        self, caller: Caller, task_id: UUID, changes: Mapping[str, Any], version: int | None = None
    ) -> Task:
        """Change `name` or parts of the recipe, which makes a new version. Raises Conflict when it is not `version`."""
        task = await self._mine(caller, task_id)
        _unchanged(task, version)
        recipe = replace(task.recipe, **{key: value for key, value in changes.items() if key != "name"})
        name = str(changes.get("name", task.name))
        if recipe != task.recipe:
            recipe = await self._checked(caller, recipe, task.recipe)
        try:
            async with self._database.tenant(caller.tenant_id) as connection:
                await connection.execute("select from task where id = $1 for update", task_id)
                _unchanged(await find(connection, task_id), task.version)
                number = task.version + (recipe != task.recipe)
                if number > task.version:
                    await _add_version(connection, caller, task_id, number, recipe)
                query = "update task set name = $2, version = $3, updated_at = clock_timestamp() where id = $1"
                await connection.execute(query, task_id, name, number)
                before, after = {"name": task.name, "version": task.version}, {"name": name, "version": number}
                await record(connection, caller, "task.change", f"task:{task_id}", before=before, after=after)
        except asyncpg.UniqueViolationError as error:
            raise Conflict(f"There is already a task {name}. Nothing was changed.") from error
        return await self.get(caller, task_id)

    async def delete(self, caller: Caller, task_id: UUID) -> None:
        """Delete a task: it never runs again; its runs stay on record. Raises NotFound, Forbidden."""
        task = await self._mine(caller, task_id)
        async with self._database.tenant(caller.tenant_id) as connection:
            await connection.execute("update task set deleted_at = clock_timestamp() where id = $1", task_id)
            await record(connection, caller, "task.delete", f"task:{task_id}", before={"name": task.name})

    async def clone(self, caller: Caller, task_id: UUID, name: str | None = None, id: UUID | None = None) -> Task:
        """A new task with the same recipe, of one's own."""
        task = await self.get(caller, task_id)
        return await self.create(caller, name or await self._free_name(caller, task.name), task.recipe, id)

    async def versions(self, caller: Caller, task_id: UUID) -> list[TaskVersion]:
        """Every version, the newest first."""
        query = (
            f"select v.version, v.changed_by_name, v.created_at, {RECIPE} "  # noqa: S608 - column names are constants
            "from task_version v where task_id = $1 order by version desc limit 200"
        )
        await self.get(caller, task_id)
        async with self._database.tenant(caller.tenant_id) as connection:
            rows = await connection.fetch(query, task_id)
        return [TaskVersion(r["version"], recipe_of(r), r["changed_by_name"], r["created_at"]) for r in rows]

    async def run(
        self, caller: Caller, task_id: UUID, parameters: Mapping[str, Any] | None = None, id: UUID | None = None
    ) -> Run:
        """Start it now. Raises Invalid (parameters, templates, inputs), NotFound (task, agent)."""
        task = await self.get(caller, task_id)
        values, errors = values_of(task.recipe.parameters, parameters or {})
        if errors:
            raise Invalid("The parameters cannot be used; no run was started.", tuple(errors))
        now, kept = datetime.now(UTC), opened(self._secrets, caller.tenant_id, task.recipe)
        async with self._database.tenant(caller.tenant_id) as connection:
            last = await previous(connection, caller, task_id, kept.inputs)
        inputs = await fill_in(kept.inputs, Variables(now, now, last, values))
        return await self._runs.start(caller, wish(task, replace(kept, inputs=inputs), values, id))

    async def made_of(self, caller: Caller, root_id: UUID) -> Made | None:
        """The task that the tries of a root were made of."""
        query = (
            "select o.task_id, t.name, o.version, o.parameters from task_run o join task t on t.id = o.task_id "
            "where o.root_id = $1"
        )
        async with self._database.tenant(caller.tenant_id) as connection:
            row = await connection.fetchrow(query, root_id)
        return None if row is None else Made(*row.values())

    async def _checked(self, caller: Caller, recipe: Recipe, before: Recipe | None = None) -> Recipe:
        """The recipe as it may be stored, its passwords sealed: those of `before` or a copy stay.

        Raises Invalid, NotFound, Conflict (others run the agent).
        """
        agent, inputs = (await self._agents.get(caller, recipe.agent)).of_ours(), recipe.inputs
        is_kept = recipe.sealed is not None and (before is None or _feeds(before) == _feeds(recipe))
        is_same_agent = before is not None and before.agent == recipe.agent
        if recipe.sealed is not None and not is_kept and is_same_agent and masked(agent.elements, inputs):
            inputs = typed(caller, agent.elements, inputs, opened(self._secrets, caller.tenant_id, recipe))
        errors = check(inputs, recipe.parameters, datetime.now(UTC))
        errors += _plain_errors(agent, inputs, masked(agent.elements, inputs) if is_kept else ())
        if errors:
            raise Invalid("The task cannot be used like this; nothing was saved.", tuple(errors))
        if is_kept:
            return recipe
        kept = self._secrets.kept(caller, agent.elements, inputs)
        sealed = None if kept is None else self._secrets.seal(caller.tenant_id, TASK, kept)
        return replace(recipe, inputs=covered(agent.elements, inputs), sealed=sealed)

    async def _mine(self, caller: Caller, task_id: UUID) -> Task:
        """A task that the caller may change. Raises NotFound, Forbidden."""
        task = await self.get(caller, task_id)
        if not may_change(caller, task):
            raise Forbidden(f"{task.name} is {task.created_by_name}'s. Clone it to have one of your own.")
        return task

    async def _again(self, caller: Caller, task_id: TaskId, name: str, error: Exception) -> Task:
        """The same wish again, its first answer lost; or a name that is taken."""
        try:
            return await self.get(caller, task_id)
        except NotFound:
            raise Conflict(f"There is already a task {name}. It was not changed.") from error

    async def _free_name(self, caller: Caller, name: str) -> str:
        query = "select lower(name) as name from task where deleted_at is null"
        async with self._database.tenant(caller.tenant_id) as connection:
            taken = {row["name"] for row in await connection.fetch(query)}
        copies = (f"{name[:80]} copy{f' {number}' if number > 1 else ''}" for number in range(1, len(taken) + 2))
        return next(copy for copy in copies if copy.lower() not in taken)


def may_change(caller: Caller, task: Task) -> bool:
    """Whether the task is the caller's to change."""
    is_own = task.created_by == caller.person_id and caller.may(Permission.TASKS_WRITE)
    return is_own or caller.may(Permission.TASKS_WRITE_ALL)


def opened(secrets: FormSecrets, tenant_id: TenantId, recipe: Recipe) -> Kept:
    """The inputs of a task as they were filled in, and by whom if they hold passwords. Raises SecretSealed."""
    return Kept(recipe.inputs) if recipe.sealed is None else secrets.open(tenant_id, TASK, recipe.sealed)


def wish(task: Task, filled: Kept, values: Payload, id: UUID | None) -> StartRun:
    """The run that a task asks for, its inputs filled in."""
    recipe = task.recipe
    origin = Origin(task.id, task.version, values)
    return StartRun(
        recipe.agent,
        filled.inputs,
        task.name,
        recipe.tags,
        recipe.timeout_s,
        recipe.max_attempts,
        backoff_s=recipe.backoff_s,
        id=id,
        origin=origin,
        typed_by=filled.by,
    )


async def find(connection: Connection, task_id: UUID) -> Task:
    """The task, in a transaction that sees its tenant. Raises NotFound."""
    row = await connection.fetchrow(f"{TASKS} and t.id = $1", task_id)
    if row is None:
        raise NotFound("task", task_id)
    return _task(row)


async def previous(connection: Connection, caller: Caller, task_id: UUID, inputs: Payload) -> Previous:
    """The last finished run of a task that the caller may see, as templates see it; looked for where they name it."""
    if "previous" not in str(inputs):  # a task may have years of runs behind it
        return Previous()
    row = await connection.fetchrow(PREVIOUS, task_id, owner(caller))
    if row is None:
        return Previous()
    return Previous(str(row["id"]), plain(row["result"]), row["ended_at"])


def plain(result: Payload | None) -> Any:
    """A typed value without its type: what templates can work with. One that is kept elsewhere: how it begins."""
    if not result or preview_of(result) is not result:
        return preview_of(result)
    if len(result) != 1:
        return result
    content = preview_of(next(iter(result.values())))
    if isinstance(content, dict):
        held = cast("dict[str, Any]", content)
        return held["body"] if set(held) == {"body"} else held
    return content


def recipe_of(row: Row) -> Recipe:
    """The recipe in a row."""
    values: dict[str, Any] = {column.name: row[column.name] for column in fields(Recipe)}
    values["parameters"], _ = read_parameters(values["parameters"])
    values["tags"] = tuple(values["tags"])
    return Recipe(**values)


def _task(row: Row) -> Task:
    facts: dict[str, Any] = {column.name: row[column.name] for column in fields(Task) if column.name != "recipe"}
    return Task(recipe=recipe_of(row), **facts)


def _unchanged(task: Task, version: int | None) -> None:
    if version is not None and task.version != version:
        changed = f"Meanwhile {task.changed_by_name} made version {task.version}; yours was made from {version}."
        raise Conflict(f"{changed} Look at it and change again; nothing was saved.")


def _plain_errors(agent: Agent, inputs: Payload, kept: Sequence[str]) -> list[FieldError]:
    """What the agent's form says of the inputs that are no templates: those will be checked when they are filled in.

    Passwords are taken as they are, for a template has them from parameters, and those are kept in the open.
    """
    found = passwords(agent.elements, inputs)
    errors = [FieldError(f"inputs.{place}", LITERAL) for place, value in found.items() if _holds_template(value)]
    try:
        agent.validated(inputs)
    except Invalid as refused:
        filled_later = {name for name, value in inputs.items() if _holds_template(value)} | set(kept)
        errors += [each for each in refused.errors if each.field.removeprefix("inputs.") not in filled_later]
    return errors


def _feeds(recipe: Recipe) -> tuple[str, Payload, tuple[Parameter, ...]]:
    """What decides where passwords go: templates take parameters to the inputs beside them."""
    return recipe.agent, recipe.inputs, recipe.parameters


def _holds_template(value: Any) -> bool:
    if isinstance(value, dict):
        return any(_holds_template(each) for each in cast("dict[str, Any]", value).values())
    if isinstance(value, list):
        return any(_holds_template(each) for each in cast("list[Any]", value))
    return is_template(value)


async def _add_version(connection: Connection, caller: Caller, task_id: UUID, number: int, recipe: Recipe) -> None:
    facts: dict[str, Any] = {column.name: getattr(recipe, column.name) for column in fields(Recipe)}
    facts |= {"parameters": written(recipe.parameters), "tags": list(recipe.tags)}
    await connection.execute(ADD_VERSION, task_id, number, caller.tenant_id, caller.name, *facts.values())
