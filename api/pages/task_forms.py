"""The form of a task: an agent's form whose fields may hold templates, and the parameters these refer to."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from api.pages.forms import Field, Option, errors_by_field, fields, read_inputs
from api.pages.rendering import Form, field
from windlass.core.agents import Agent
from windlass.core.errors import Conflict, FieldError, Invalid, NotFound
from windlass.core.parameters import Kind, Parameter, read_parameters
from windlass.core.tasks import Recipe, Task
from windlass.core.templates import is_template

BLANK_ROWS = 2
LONGEST_S = 31_536_000


@dataclass(frozen=True, slots=True)
class ParameterRow:
    """One row of the table of parameters, as it was filled in."""

    name: str = ""
    type: str = "text"
    default: str = ""
    options: str = ""


@dataclass(frozen=True, slots=True)
class TaskForm:
    """A form as somebody left it, and what is wrong with it."""

    name: str = ""
    inputs: Mapping[str, Any] | None = None
    parameters: tuple[ParameterRow, ...] = ()
    description: str = ""
    tags: str = ""
    attempts: str = "1"
    timeout: str = ""
    version: str = ""
    backoff: str = "1"
    errors: tuple[FieldError, ...] = ()

    @property
    def rows(self) -> tuple[ParameterRow, ...]:
        """The parameters, and room for more."""
        return (*self.parameters, *(ParameterRow() for _ in range(BLANK_ROWS)))

    def problems(self, drawn: Sequence[Field]) -> tuple[tuple[str, str], ...]:
        """What is wrong, each with the place in the page it leads to."""
        labels = {f"inputs.{each.name}": (each.label, each.id) for each in drawn}
        found: list[tuple[str, str]] = []
        for error in self.errors:
            path = ".".join(error.field.split(".")[:2])
            label, target = labels.get(path, (error.field.replace("_", " ").replace("parameters.", ""), "parameters"))
            found.append((f"{label} {error.message}", target if path != "name" else "name"))
        return tuple(found)


def form_of(task: Task) -> TaskForm:
    """A task as its form shows it."""
    recipe = task.recipe
    return TaskForm(
        task.name,
        recipe.inputs,
        tuple(_row(each) for each in recipe.parameters),
        recipe.description,
        ", ".join(recipe.tags),
        str(recipe.max_attempts),
        str(recipe.timeout_s or ""),
        str(task.version),
        str(recipe.backoff_s),
    )


def read_form_of_task(agent: Agent, form: Form) -> TaskForm:
    """The posted form."""
    names, kinds = form.get("p-name", []), form.get("p-type", [])
    defaults, options = form.get("p-default", []), form.get("p-options", [])
    rows = [ParameterRow(*(text.strip() for text in row)) for row in zip(names, kinds, defaults, options, strict=False)]
    return TaskForm(
        field(form, "name", 200),
        read_inputs(agent.elements, form),
        tuple(row for row in rows if row.name),
        field(form, "description", 2000),
        field(form, "tags", 500),
        field(form, "attempts", 4),
        field(form, "timeout", 9),
        field(form, "version", 9),
        field(form, "backoff", 4),
    )


def recipe_of(agent: Agent, form: TaskForm) -> Recipe:
    """The recipe that the form asks for. Raises Invalid."""
    parameters, errors = read_parameters({row.name: _described(row) for row in form.parameters})
    limits = (
        ("attempts", form.attempts, 100),
        ("backoff", form.backoff, 3600),
        ("timeout", form.timeout or "1", LONGEST_S),
    )
    for name, text, most in limits:
        if not text.isdecimal() or not 1 <= int(text) <= most:
            errors.append(FieldError(name, f"must be a whole number from 1 to {most}"))
    if errors:
        raise Invalid("The task cannot be used like this; nothing was saved.", tuple(errors))
    tags = tuple(dict.fromkeys(tag.strip()[:100] for tag in form.tags.split(",") if tag.strip()))[:20]
    timeout = int(form.timeout) if form.timeout else None
    inputs = dict(form.inputs or {})
    return Recipe(
        agent.name, inputs, parameters, form.description, tags, timeout, int(form.attempts), int(form.backoff)
    )


def task_fields(agent: Agent, form: TaskForm) -> tuple[Field, ...]:
    """The agent's form; a field that holds a template is drawn as a text."""
    found = errors_by_field(form.errors)
    drawn = fields(agent.elements, form.inputs, found)
    return tuple(_as_text(each, form.inputs or {}) for each in drawn)


def parameter_fields(task: Task, values: Mapping[str, Any] | None, errors: Sequence[FieldError]) -> tuple[Field, ...]:
    """The parameters as fields of the form that starts the task."""
    wrong: dict[str, tuple[str, ...]] = {}
    for error in errors:
        name = error.field.removeprefix("parameters.")
        wrong[name] = (*wrong.get(name, ()), error.message)
    return tuple(_parameter_field(each, values, wrong.get(each.name, ())) for each in task.recipe.parameters)


def read_values(task: Task, form: Form) -> dict[str, Any]:
    """The parameters of the form that starts the task; empty ones take their defaults."""
    values: dict[str, Any] = {}
    for each in task.recipe.parameters:
        sent = field(form, f"in-{each.name}", 16 * 1024)
        if each.type is Kind.BOOLEAN:
            values[each.name] = sent == "on"
        elif sent:
            values[each.name] = sent
    return values


def checked_name(name: str) -> str:
    """The name of a task or a schedule. Raises Invalid."""
    if not name or len(name) > 100 or not name.isprintable():
        raise Invalid("Nothing was saved.", (FieldError("name", "must be one line of 1 to 100 characters"),))
    return name


def errors_of(problem: Invalid | Conflict | NotFound) -> tuple[FieldError, ...]:
    """What is wrong with the form of a task or a schedule, by field."""
    if isinstance(problem, Invalid) and problem.errors:
        return problem.errors
    return (FieldError("name" if isinstance(problem, Conflict) else "task", problem.detail),)


def _as_text(drawn: Field, inputs: Mapping[str, Any]) -> Field:
    if drawn.look == "input":  # a template fits into no number or date
        kind = "password" if drawn.html == "password" else "text"
        return replace(drawn, html=kind, limits=(), required=drawn.required)
    if is_template(inputs.get(drawn.name)) and drawn.look in ("select", "radio", "check"):
        return replace(drawn, look="input", html="text", value=str(inputs[drawn.name]), limits=())
    return replace(drawn, limits=()) if drawn.look == "area" else drawn


def _parameter_field(each: Parameter, values: Mapping[str, Any] | None, errors: tuple[str, ...]) -> Field:
    shown = each.default if values is None else values.get(each.name)
    text = "" if shown is None else str(shown)
    looks = {Kind.BOOLEAN: "check", Kind.CHOICE: "select"}
    kinds = {Kind.DATE: "date", Kind.INTEGER: "number", Kind.NUMBER: "number", Kind.BOOLEAN: "Yes"}
    return Field(
        look=looks.get(each.type, "input"),
        name=each.name,
        label=each.label or each.name,
        value=text,
        required=each.default is None and each.type is not Kind.BOOLEAN,
        html=kinds.get(each.type, "text"),
        checked=shown is True,
        options=tuple(Option(option, option, option == shown) for option in each.options),
        limits=(("step", "any"),) if each.type is Kind.NUMBER else (),
        errors=errors,
    )


def _row(each: Parameter) -> ParameterRow:
    default = "" if each.default is None else str(each.default)
    return ParameterRow(each.name, each.type, default, ", ".join(each.options))


def _described(row: ParameterRow) -> dict[str, Any]:
    described: dict[str, Any] = {"type": row.type}
    if row.default:
        described["default"] = row.default
    if row.options:
        described["options"] = [text.strip() for text in row.options.split(",") if text.strip()]
    return described
