"""What an organisation is made of, as it travels: each kind of thing by name, as JSON, without its secrets."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Protocol, TypeVar, cast
from uuid import UUID

from windlass.contracts.agents import Profile, Rule, ServerUse
from windlass.contracts.desktops import Template
from windlass.contracts.events import Payload
from windlass.core.calendars import read_timing
from windlass.core.callers import Caller
from windlass.core.desktop_templates import DesktopTemplates
from windlass.core.errors import Conflict, FieldError, Invalid, NotFound
from windlass.core.parameters import read_parameters, written
from windlass.core.saved_agents import SavedAgents, check_profile
from windlass.core.schedules import BOUNDS, PLAIN, TIMING, NewSchedule, Policy, Schedule, Schedules
from windlass.core.servers import NewServer, Servers, Way
from windlass.core.skills import Skills, checked_skill
from windlass.core.tasks import Recipe, Task, Tasks
from windlass.core.templates import check
from windlass.core.tenant_settings import TenantSettings

MOST_ITEMS = 2_000  # of a section
RECIPE = tuple(each.name for each in fields(Recipe) if each.name != "sealed")  # no password travels
Thing = TypeVar("Thing")


class Section(Protocol):
    """Things of one kind."""

    @property
    def name(self) -> str:
        """What it is called in a document."""
        ...

    async def all(self, caller: Caller) -> dict[str, Payload]:
        """Each as it stands, by name."""
        ...

    def check(self, caller: Caller, item: Payload) -> None:
        """Go on only with what can be, as far as the item itself says. Raises Invalid."""
        ...

    async def bring(self, caller: Caller, before: Payload | None, item: Payload) -> None:
        """Add it, or change what is there. The second time nothing changes. Raises what its store raises."""
        ...


@dataclass(frozen=True, slots=True)
class SettingSection:
    """What the organisation set for itself."""

    settings: TenantSettings
    name: str = "settings"

    async def all(self, caller: Caller) -> dict[str, Payload]:
        """The settings that are its own."""
        own = (each for each in await self.settings.catalogue(caller) if each.is_own)
        return {each.rule.name: {"name": each.rule.name, "value": each.value} for each in own}

    def check(self, caller: Caller, item: Payload) -> None:
        """Whether there is such a setting, with such a value."""
        self.settings.check(caller, item["name"], item["value"])

    async def bring(self, caller: Caller, before: Payload | None, item: Payload) -> None:
        """Set it."""
        await self.settings.put(caller, item["name"], item["value"])


@dataclass(frozen=True, slots=True)
class TemplateSection:
    """What its desktops are made of."""

    templates: DesktopTemplates
    name: str = "desktop_templates"

    async def all(self, caller: Caller) -> dict[str, Payload]:
        """The templates that are its own."""
        own = (each for each in await self.templates.catalogue(caller) if each.is_own)
        return {each.name: plain({"name": each.name, **asdict(each.made_of)}) for each in own}

    def check(self, caller: Caller, item: Payload) -> None:
        """Whether it is within the operator's bounds."""
        self.templates.check(caller, item["name"], Template.of(item))

    async def bring(self, caller: Caller, before: Payload | None, item: Payload) -> None:
        """Write it down."""
        await self.templates.put(caller, item["name"], Template.of(item))


@dataclass(frozen=True, slots=True)
class SkillSection:
    """What models are told before they work in a desktop."""

    skills: Skills
    name: str = "desktop_skills"

    async def all(self, caller: Caller) -> dict[str, Payload]:
        """All skills."""
        return {each.name: {"name": each.name, "text": each.text} for each in await self.skills.catalogue(caller)}

    def check(self, caller: Caller, item: Payload) -> None:
        """Whether it can be told."""
        checked_skill(item["name"], item["text"])

    async def bring(self, caller: Caller, before: Payload | None, item: Payload) -> None:
        """Write it down."""
        await self.skills.put(caller, item["name"], item["text"])


@dataclass(frozen=True, slots=True)
class ServerSection:
    """Its MCP servers: of their headers only the names."""

    servers: Servers
    name: str = "mcp_servers"

    async def all(self, caller: Caller) -> dict[str, Payload]:
        """All servers."""
        facts = ("name", "url", "command", "description", "timeout_s")
        found = await self.servers.catalogue(caller)
        return {
            each.name: {fact: getattr(each, fact) for fact in facts} | {"headers": list(each.header_names)}
            for each in found
        }

    def check(self, caller: Caller, item: Payload) -> None:
        """Where it leads is looked at when it is added."""
        if (item["url"] is None) is (item["command"] is None):
            raise Invalid("Nothing was saved.", (FieldError("url", "or command must be given, one of the two"),))

    async def bring(self, caller: Caller, before: Payload | None, item: Payload) -> None:
        """Add it without its headers; one that is there keeps them, but at another address."""
        way = Way(item["url"], item["command"])
        if before is None:
            await self.servers.create(caller, NewServer(item["name"], way, item["description"], item["timeout_s"]))
            return
        other = None if (before["url"], before["command"]) == (way.url, way.command) else way
        await self.servers.change(caller, item["name"], other, item["description"], item["timeout_s"])


@dataclass(frozen=True, slots=True)
class AgentSection:
    """Its saved agents, in their newest versions."""

    agents: SavedAgents
    name: str = "agents"

    async def all(self, caller: Caller) -> dict[str, Payload]:
        """All saved agents."""
        found = [await self.agents.get(caller, name) for name in await self.agents.names(caller)]
        return {each.name: plain({"name": each.name, **_profile(each.profile)}) for each in found}

    def check(self, caller: Caller, item: Payload) -> None:
        """Whether it could start."""
        check_profile(_read_profile(item), item["name"])

    async def bring(self, caller: Caller, before: Payload | None, item: Payload) -> None:
        """Save it, or a new version of it."""
        profile = _read_profile(item)
        if before is None:
            await self.agents.create(caller, item["name"], profile)
        else:
            changes = {each.name: getattr(profile, each.name) for each in fields(Profile)}
            await self.agents.change(caller, item["name"], changes)


@dataclass(frozen=True, slots=True)
class TaskSection:
    """Its tasks, in their newest versions."""

    tasks: Tasks
    name: str = "tasks"

    async def all(self, caller: Caller) -> dict[str, Payload]:
        """All tasks."""
        found = await self.tasks.newest(caller, limit=MOST_ITEMS + 1)
        return {each.name: plain(_task(each)) for each in _whole(found, self.name)}

    def check(self, caller: Caller, item: Payload) -> None:
        """Whether its templates can be filled in; whether there is its agent shows when it is saved."""
        recipe = _read_recipe(item)
        if errors := check(recipe.inputs, recipe.parameters, datetime.now(UTC)):
            raise Invalid("The task cannot be used like this.", tuple(errors))

    async def bring(self, caller: Caller, before: Payload | None, item: Payload) -> None:
        """Save it, or a new version of it."""
        recipe = _read_recipe(item)
        if before is None:
            await self.tasks.create(caller, item["name"], recipe)
        else:
            changes = {name: getattr(recipe, name) for name in RECIPE}
            await self.tasks.change(caller, await _task_id(self.tasks, caller, item["name"]), changes)


@dataclass(frozen=True, slots=True)
class ScheduleSection:
    """When its tasks start by themselves; a task is named."""

    schedules: Schedules
    tasks: Tasks
    name: str = "schedules"

    async def all(self, caller: Caller) -> dict[str, Payload]:
        """All schedules, also those that have ended."""
        found = await self.schedules.newest(caller, limit=MOST_ITEMS + 1)
        return {each.name: plain(_schedule(each)) for each in _whole(found, self.name)}

    def check(self, caller: Caller, item: Payload) -> None:
        """Whether it is ever due; whether there is its task shows when it is recorded."""
        read_timing(item, datetime.now(UTC))

    async def bring(self, caller: Caller, before: Payload | None, item: Payload) -> None:
        """Record it: it is due from now on, or paused as it was."""
        task_id = await _task_id(self.tasks, caller, item["task"])
        timing = {name: item[name] for name in (*TIMING, *BOUNDS) if item[name] is not None}
        policy = Policy(**{name: item[name] for name in PLAIN})
        if before is None:
            await self.schedules.create(caller, NewSchedule(item["name"], task_id, timing, policy, item["paused"]))
            return
        found = await self.schedules.newest(caller, item["name"], limit=MOST_ITEMS)
        schedule = next(each for each in found if each.name == item["name"])
        changes = {name: item[name] for name in (*TIMING, *BOUNDS) if item[name] != before[name]}
        changes |= {name: item[name] for name in PLAIN} | {"task_id": task_id}
        await self.schedules.change(caller, schedule.id, changes)
        if item["paused"] != before["paused"]:
            await (self.schedules.pause if item["paused"] else self.schedules.resume)(caller, schedule.id)


def _whole(found: Sequence[Thing], section: str) -> Sequence[Thing]:
    """All of a section. Raises Conflict where a document cannot hold it: one that lacks some would be no backup."""
    if len(found) > MOST_ITEMS:
        raise Conflict(
            f"There are more than {MOST_ITEMS:,} {section}, and one document holds no more. Nothing was done."
        )
    return found


async def _task_id(tasks: Tasks, caller: Caller, name: str) -> UUID:
    """The task of that name. Raises NotFound."""
    found = await tasks.newest(caller, name, limit=MOST_ITEMS)
    task = next((each for each in found if each.name == name), None)
    if task is None:
        raise NotFound("task", name)
    return task.id


def plain(value: Any) -> Any:
    """The same as JSON has it: lists, texts, moments in UTC."""
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in cast("Mapping[Any, Any]", value).items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in cast("Sequence[Any]", value)]
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    return value.value if isinstance(value, Enum) else value


def _profile(profile: Profile) -> Payload:
    said = asdict(profile)
    cost = said.pop("budget_usd")
    return said | {"budget": None if cost is None else {"usd": cost}}


def _read_profile(item: Payload) -> Profile:
    said: Payload = {each.name: item[each.name] for each in fields(Profile) if each.name != "budget_usd"}
    said["tools"] = tuple(said["tools"])
    said["policy"] = tuple(Rule(**each) for each in said["policy"])
    said["mcp_servers"] = tuple(ServerUse.from_json(each) for each in said["mcp_servers"])
    return Profile(**said, budget_usd=None if item["budget"] is None else item["budget"]["usd"])


def _task(task: Task) -> Payload:
    said = {name: getattr(task.recipe, name) for name in RECIPE}
    return said | {"name": task.name, "parameters": written(task.recipe.parameters)}


def _read_recipe(item: Payload) -> Recipe:
    """Raises Invalid."""
    said: Payload = {name: item[name] for name in RECIPE}
    said["parameters"], errors = read_parameters(said["parameters"])
    if errors:
        raise Invalid("The parameters cannot be used.", tuple(errors))
    said["tags"] = tuple(said["tags"])
    return Recipe(**said)


def _schedule(schedule: Schedule) -> Payload:
    timing = schedule.timing
    said: Payload = {name: timing.source.get(name) for name in TIMING}
    said |= {name: getattr(timing, name) for name in BOUNDS} | {name: getattr(schedule.policy, name) for name in PLAIN}
    is_paused = schedule.paused_at is not None
    return said | {"name": schedule.name, "task": schedule.task_name, "paused": is_paused}


def field_errors(refused: Invalid) -> tuple[FieldError, ...]:
    """What is wrong, by field; what is wrong with none, with its name."""
    return refused.errors or (FieldError("name", refused.detail),)
