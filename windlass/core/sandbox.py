"""The language of templates: Jinja without what could run for ever, grow without bound or reach the server.

Loops end after 1,000 rounds in all, a text after 64 KiB, a template after half a second of work; nothing is assigned,
defined or included, and of the values only what is listed here can be called.
"""

import functools
import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, cast

from jinja2 import StrictUndefined, Undefined, nodes, pass_context
from jinja2.exceptions import SecurityError, TemplateError, TemplateSyntaxError, UndefinedError
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import SandboxedEnvironment
from jinja2.visitor import NodeTransformer

LONGEST, ROUNDS, SECONDS = 64 * 1024, 1000, 0.5
LONGEST_TEMPLATE = 16 * 1024
BUDGET = "the budget"  # of one rendering, in its context: a name no template can say

ALLOWED_NODES = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.Name, nodes.Const, nodes.Getattr, nodes.Getitem, nodes.If,
    nodes.For, nodes.Filter, nodes.Test, nodes.CondExpr, nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not,
    nodes.Add, nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Mod, nodes.Neg, nodes.Pos, nodes.List,
    nodes.Dict, nodes.Pair, nodes.Tuple, nodes.Keyword, nodes.Slice, nodes.Call,
)  # fmt: skip
ALLOWED_FILTERS = (
    "abs", "capitalize", "count", "d", "default", "first", "float", "int", "items", "last", "length", "list", "lower",
    "max", "min", "reverse", "round", "sort", "string", "sum", "title", "trim", "truncate", "unique", "upper",
    "urlencode", "wordcount",
)  # fmt: skip
ALLOWED_ATTRIBUTES: Mapping[type, frozenset[str]] = {
    str: frozenset(
        {"endswith", "isdigit", "lower", "lstrip", "rstrip", "split", "startswith", "strip", "title", "upper"}
    ),
    dict: frozenset({"get", "items", "keys", "values"}),
    datetime: frozenset(
        {"date", "day", "hour", "isoformat", "isoweekday", "minute", "month", "second", "strftime", "timestamp"}
        | {"weekday", "year"}
    ),
    date: frozenset({"day", "isoformat", "isoweekday", "month", "strftime", "weekday", "year"}),
    timedelta: frozenset({"days", "seconds", "total_seconds"}),
    LoopContext: frozenset({"first", "index", "index0", "last", "length", "revindex"}),
}


class BadTemplate(Exception):
    """A text is no template of ours, or cannot be filled in; the message says why, in words for its writer."""


class TooMuch(BadTemplate):
    """A template takes or makes more than it may."""


@dataclass(slots=True)
class Budget:
    """What is left to one rendering."""

    until: float = field(default_factory=lambda: time.thread_time() + SECONDS)  # what it works, not what it waits
    rounds: int = ROUNDS

    def spend(self, rounds: int = 0) -> None:
        """Take a step, or one more round of a loop. Raises BadTemplate."""
        self.rounds -= rounds
        if self.rounds < 0:
            raise TooMuch(f"loops more than {ROUNDS:,} times")
        if time.thread_time() > self.until:
            raise TooMuch(f"takes longer than {SECONDS} s")


def bounded(value: Any) -> Any:
    """The value again, if it has not grown too long. Raises BadTemplate."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 256:
        raise TooMuch("makes a number with more than 256 bits")
    if isinstance(value, Sized) and len(value) > LONGEST:
        raise TooMuch(f"makes a value longer than {LONGEST:,}")
    return value


class Language(SandboxedEnvironment):
    """The environment every template of ours is compiled in."""

    intercepted_binops = frozenset({"+", "*", "%"})

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Calculate, unless the result would be huge."""
        context[BUDGET].spend()
        if operator == "%" and isinstance(left, str):
            raise BadTemplate("formats a text with %; write {{ … }} instead")
        if operator == "*" and not (_is_number(left) and _is_number(right)):
            size = max((len(each) for each in (left, right) if isinstance(each, Sized)), default=0)
            times = next((each for each in (left, right) if isinstance(each, int)), 0)
            if size * abs(times) > LONGEST:
                raise TooMuch(f"makes a value longer than {LONGEST:,}")
        return bounded(super().call_binop(context, operator, left, right))

    def call(self, context: Context, obj: Any, *args: Any, **kwargs: Any) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride] - the names of the parameters are private there
        """Call what is allowed, and look at what comes of it."""
        context[BUDGET].spend()
        return bounded(super().call(context, obj, *args, **kwargs))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Only what is listed can be read off a value."""
        allowed: frozenset[str] | None = getattr(obj, "READABLE", None)
        if allowed is not None:
            return attr in allowed
        return any(isinstance(obj, kind) and attr in names for kind, names in ALLOWED_ATTRIBUTES.items())

    def is_safe_callable(self, obj: Any) -> bool:
        """The functions of the language, and the methods that can be read at all."""
        owner = getattr(obj, "__self__", None)
        name = getattr(obj, "__name__", "")
        return obj in FUNCTIONS.values() or (owner is not None and self.is_safe_attribute(owner, name, obj))


class Walls(NodeTransformer):
    """Refuses what is not part of the language and puts every loop under the budget."""

    def generic_visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> nodes.Node:
        """Look at one node and those in it."""
        if not isinstance(node, ALLOWED_NODES):
            raise BadTemplate(f"uses {_word(node)}, which templates do not have")
        if isinstance(node, nodes.Filter) and node.name not in LANGUAGE.filters:
            raise BadTemplate(f"uses the filter {node.name}, which templates do not have")
        return super().generic_visit(node, *args, **kwargs)

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - the name that is looked for
        """Count the rounds of a loop."""
        if node.recursive:
            raise BadTemplate("uses a recursive loop, which templates do not have")
        walked = self.generic_visit(node)
        assert isinstance(walked, nodes.For)  # noqa: S101 - it is the same node
        walked.iter = nodes.Filter(walked.iter, COUNTED, [], [], None, None, lineno=node.lineno)
        walked.set_environment(LANGUAGE)
        return walked


@pass_context
def count_rounds(context: Context, rounds: Iterable[Any]) -> Iterator[Any]:
    """Walk a loop as long as the budget lasts."""
    budget: Budget = context[BUDGET]
    for each in rounds:
        budget.spend(1)
        yield each


def join(values: Iterable[Any], between: str = "") -> str:
    """The values as one text."""
    texts = [str(each) for each in values]
    if sum(map(len, texts)) + len(between) * len(texts) > LONGEST:
        raise TooMuch(f"makes a value longer than {LONGEST:,}")
    return between.join(texts)


def replace(text: str, old: str, new: str) -> str:
    """The text with `new` in every place of `old`."""
    if not old:
        raise BadTemplate("replaces an empty text")
    if len(text) + text.count(old) * len(new) > LONGEST:
        raise TooMuch(f"makes a value longer than {LONGEST:,}")
    return text.replace(old, new)


def to_json(value: Any) -> str:
    """The value as JSON."""
    return json.dumps(value, ensure_ascii=False, default=str)


def show_date(at: datetime, pattern: str = "%Y-%m-%d") -> str:
    """A date by a pattern of strftime."""
    return at.strftime(pattern)


def numbers(*limits: int) -> range:
    """The numbers of a loop."""
    found = range(*limits)
    if len(found) > ROUNDS:
        raise TooMuch(f"loops more than {ROUNDS:,} times")
    return found


def days(count: float) -> timedelta:
    """That many days."""
    return timedelta(days=count)


def hours(count: float) -> timedelta:
    """That many hours."""
    return timedelta(hours=count)


COUNTED = "counted rounds"  # a filter no template can name
FUNCTIONS: Mapping[str, Callable[..., Any]] = {"range": numbers, "days": days, "hours": hours}


def _language() -> Language:
    language = Language(undefined=StrictUndefined, optimized=False, finalize=_finalized, cache_size=0)
    known = {name: language.filters[name] for name in ALLOWED_FILTERS}
    own: dict[str, Callable[..., Any]] = {"join": join, "replace": replace, "tojson": to_json, "date": show_date}
    language.filters = {name: _bounded_filter(each) for name, each in (known | own).items()}
    language.filters[COUNTED] = count_rounds
    language.globals = cast("Any", dict(FUNCTIONS))  # its type knows Jinja's own only
    return language


def _bounded_filter(apply: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(apply)  # keeps the mark of filters that want the environment
    def filtered(*args: Any, **kwargs: Any) -> Any:
        return bounded(apply(*args, **kwargs))

    return filtered


def _finalized(value: Any) -> Any:
    """What is not there is nothing."""
    return "" if value is None else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)


def _word(node: nodes.Node) -> str:
    words = {"Assign": "set", "AssignBlock": "set", "Concat": "~ (write + or {{ … }})", "Pow": "**"}
    return words.get(type(node).__name__, type(node).__name__.lower())


LANGUAGE = _language()


def parsed(text: str) -> nodes.Template:
    """The text as a tree inside the walls. Raises BadTemplate."""
    if len(text) > LONGEST_TEMPLATE:
        raise BadTemplate(f"is longer than {LONGEST_TEMPLATE:,} characters")
    try:
        tree = LANGUAGE.parse(text)
        Walls().visit(tree)
    except TemplateSyntaxError as error:
        raise BadTemplate(f"is no template: {error.message}") from error
    except RecursionError as error:
        raise BadTemplate("is nested too deeply") from error
    return tree


def render(text: str, variables: Mapping[str, Any], budget: Budget | None = None) -> Any:
    """Fill a template in, in its own time or in what is left of a budget. Raises BadTemplate.

    A text that is one `{{ … }}` and nothing else keeps the kind of its value.
    """
    left = Budget() if budget is None else Budget(budget.until)
    left.spend()
    tree = parsed(text)
    single = _single(tree)
    if single is not None:
        tree = nodes.Template([nodes.Assign(nodes.Name("value", "store"), single, lineno=1)], lineno=1)
        tree.set_environment(LANGUAGE)
    try:
        template = LANGUAGE.from_string(tree)
        context = template.new_context({**variables, BUDGET: left})
        written = _gathered(template.root_render_func(context))
        return written if single is None else _known(context.vars["value"])
    except (UndefinedError, SecurityError) as error:
        raise BadTemplate(f"cannot be filled in: {error.message}") from error
    except (TemplateError, ArithmeticError, TypeError, ValueError, LookupError) as error:
        raise BadTemplate(f"cannot be filled in: {error}") from error
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise BadTemplate("is nested too deeply") from error


def _known(value: Any) -> Any:
    if isinstance(value, Undefined):
        str(value)  # raises what its place would have
    return bounded(value)


def _gathered(pieces: Iterable[str]) -> str:
    texts: list[str] = []
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > LONGEST:
            raise TooMuch(f"makes a text longer than {LONGEST:,}")
        texts.append(piece)
    return "".join(texts)


def _single(tree: nodes.Template) -> nodes.Expr | None:
    """The one expression a template is made of, if it is."""
    if len(tree.body) != 1 or not isinstance(tree.body[0], nodes.Output):
        return None
    found = tree.body[0].nodes
    return found[0] if len(found) == 1 and not isinstance(found[0], nodes.TemplateData) else None
