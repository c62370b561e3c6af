"""The form that starts a run: what was filled in, what is wrong with it, and what it asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from api.pages.forms import Errors, Field, errors_by_field, read_inputs
from api.pages.rendering import Form
from api.pages.rendering import field as text_of
from windlass.core.agents import Agent
from windlass.core.calendars import Timing, read_timing
from windlass.core.callers import Caller
from windlass.core.errors import Invalid
from windlass.core.file_inputs import names_upload
from windlass.core.masks import masked
from windlass.core.permissions import Permission
from windlass.core.runs import StartRun
from windlass.core.tasks import Recipe

MOST_ATTEMPTS = 100
LONGEST_S = 31_536_000
MOST_TAGS = 20


@dataclass(frozen=True, slots=True)
class Filled:
    """A form as somebody left it: values (None: untouched), and what is wrong with the agent's fields and with ours."""

    values: Mapping[str, Any] | None = None
    title: str = ""
    tags: str = ""
    attempts: str = "1"
    timeout: str = ""
    at: str = ""
    errors: Errors | None = None
    own: Errors = field(default_factory=dict[str, Sequence[str]])
    copied_from: str = ""  # the run that is repeated
    is_draft: bool = False

    @property
    def is_wrong(self) -> bool:
        """Whether it cannot be sent like this."""
        return bool(self.errors or self.own)

    @property
    def is_open(self) -> bool:
        """Whether something of ours is filled in."""
        return bool(self.tags or self.timeout or self.at or self.own or self.attempts != "1")

    @property
    def named_tags(self) -> tuple[str, ...]:
        """The tags, each once."""
        return tuple(dict.fromkeys(tag.strip()[:100] for tag in self.tags.split(",") if tag.strip()))[:MOST_TAGS]


def read_filled(agent: Agent, form: Form) -> Filled:
    """The posted form."""
    return Filled(
        read_inputs(agent.elements, form),
        text_of(form, "title", 200),
        text_of(form, "tags", 500),
        text_of(form, "attempts", 4),
        text_of(form, "timeout", 9),
        text_of(form, "at", 40),
        copied_from=text_of(form, "from", 36),
        is_draft=bool(text_of(form, "draft", 1)),
    )


def checked(agent: Agent, filled: Filled, zone: str, now: datetime) -> Filled:
    """The same with what is wrong beside it: one set of rules, whether a field was left or the form was sent."""
    own: dict[str, Sequence[str]] = {}
    errors: Errors = {}
    for name, text, most in (("attempts", filled.attempts, MOST_ATTEMPTS), ("timeout", filled.timeout, LONGEST_S)):
        if (text or name == "attempts") and not (text.isdecimal() and 1 <= int(text) <= most):
            own[name] = (f"must be a whole number from 1 to {most:,}",)
    try:
        if filled.at:
            timing_of(filled, zone, now)
    except Invalid as refused:
        own["at"] = tuple(error.message for error in refused.errors)
    if filled.at and names_upload(agent.elements, filled.values or {}):
        own["at"] = ("must be empty where files are sent along: they go with a run that starts at once",)
    try:
        agent.validated(dict(filled.values or {}))
    except Invalid as refused:
        kept = masked(agent.elements, filled.values or {}) if filled.copied_from else ()  # those of the run it repeats
        errors = {name: texts for name, texts in errors_by_field(refused.errors).items() if name not in kept}
    return replace(filled, errors=errors or None, own=own)


def timing_of(filled: Filled, zone: str, now: datetime) -> Timing:
    """When it is to start, as the schedules read it. Raises Invalid."""
    return read_timing({"at": filled.at, "time_zone": zone}, now)


def wish(agent: Agent, filled: Filled) -> StartRun:
    """The run that a checked form asks for."""
    return StartRun(
        agent=agent.name,
        inputs=dict(filled.values or {}),
        title=filled.title or None,
        tags=filled.named_tags,
        timeout_s=int(filled.timeout) if filled.timeout else None,
        max_attempts=int(filled.attempts),
        passwords_of=as_id(filled.copied_from) if filled.copied_from else None,
    )


def as_id(text: str) -> UUID:
    """The id in an address or a form; what is none leads nowhere."""
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)


def recipe(agent: Agent, filled: Filled) -> Recipe:
    """The same as what a schedule starts."""
    timeout = int(filled.timeout) if filled.timeout else None
    return Recipe(agent.name, dict(filled.values or {}), (), "", filled.named_tags, timeout, int(filled.attempts))


def may_schedule(caller: Caller) -> bool:
    """Whether the caller may have runs start later."""
    return caller.may(Permission.TASKS_WRITE) and caller.may(Permission.SCHEDULES_WRITE)


def own_fields(agent: Agent, filled: Filled, caller: Caller) -> tuple[Field, ...]:
    """What every start may be given, whatever the agent asks for."""
    drawn = [
        own_field(filled, "title", "Title", placeholder=agent.summary),
        own_field(filled, "tags", "Tags", hint="Several are parted by commas."),
        own_field(
            filled, "attempts", "Attempts", "number", needed=True,
            hint="How often the run may begin anew after an error. Kept steps do not run again.",
            limits=(("min", "1"), ("max", str(MOST_ATTEMPTS))),
        ),
        own_field(
            filled, "timeout", "Time limit in seconds", "number", hint="Waiting for people does not count.",
            limits=(("min", "1"), ("max", str(LONGEST_S))),
        ),
    ]  # fmt: skip
    if may_schedule(caller):
        hint = "Without a time it starts at once. With one it becomes a schedule that fires once."
        drawn.append(own_field(filled, "at", "Start at", "datetime-local", hint=hint))
    return tuple(drawn)


def own_field(filled: Filled, name: str, label: str, kind: str = "text", **more: Any) -> Field:
    """One of them, filled in and with what is wrong with it."""
    errors = tuple(filled.own.get(name, ()))
    return Field("input", name, label, getattr(filled, name), html=kind, errors=errors, is_own=True, **more)
