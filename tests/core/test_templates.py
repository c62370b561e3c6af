"""Templates: what they can say, and that they end whatever is written in them."""

import time
from datetime import UTC, datetime
from typing import Any

import pytest

from windlass.core.errors import Invalid
from windlass.core.parameters import Parameter, read_parameters
from windlass.core.sandbox import BadTemplate, Budget, render
from windlass.core.templates import Previous, Variables, check, fill_in

NOW = datetime(2026, 11, 28, 7, 30, tzinfo=UTC)
TOPIC = (Parameter("topic", default="tea"),)


def variables(**parameters: Any) -> Variables:
    return Variables(NOW, NOW, Previous("r1", {"count": 2}, NOW), parameters)


@pytest.mark.parametrize(
    ("template", "made"),
    [
        ("news of {{ parameters.topic|upper }}", "news of TEA"),
        ("{{ parameters.count + 1 }}", 4),
        ("{{ (scheduled_at - days(1))|date('%d.%m.%Y') }}", "27.11.2026"),
        ("{{ scheduled_at.isoformat() }}", "2026-11-28T07:30:00+00:00"),
        ("{% if previous %}after {{ previous.result.count }}{% endif %}", "after 2"),
        ("{% for n in range(3) %}{{ loop.index }}{% endfor %}", "123"),
        ("{{ ['a', 'b']|join('-') }} {{ {'a': 1}|tojson }}", 'a-b {"a": 1}'),
    ],
)
def test_a_template_says(template: str, made: Any):
    assert render(template, variables(topic="tea", count=3).to_dict()) == made


async def test_inputs_are_filled_in_at_every_depth_and_keep_their_kinds():
    inputs = {"prompt": "{{ parameters.topic }}", "deep": [{"at": "{{ now }}"}], "n": 3, "plain": "100%"}

    made = await fill_in(inputs, variables(topic="tea"))

    assert made == {"prompt": "tea", "deep": [{"at": "2026-11-28T07:30:00+00:00"}], "n": 3, "plain": "100%"}


def test_only_the_time_it_works_counts_however_long_it_waits_for_a_processor(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("windlass.core.sandbox.SECONDS", 0.01)
    budget = Budget()

    time.sleep(0.02)
    budget.spend()

    began = time.thread_time()
    while time.thread_time() - began < 0.01:
        pass
    with pytest.raises(BadTemplate, match="takes longer than"):
        budget.spend()


async def test_without_a_previous_run_its_parts_are_empty():
    made = await fill_in({"text": "[{{ previous.result }}]"}, Variables(NOW, NOW))

    assert made == {"text": "[]"}


@pytest.mark.parametrize(
    "endless",
    [
        "{% for a in range(1000) %}{% for b in range(1000) %}{% endfor %}{% endfor %}",
        "{{ 'a' * 1000000000 }}",
        "{{ 9 * 9 * " + "9" * 90 + " }}",
        "{{ 'a'|replace('a', 'b' * 60000)|replace('b', 'cc') }}",
        "{{ ('x' * 60000) + ('x' * 60000) }}",
        "{% for a in range(100) %}{{ 'a' * 60000 }}{% endfor %}",
        "{{ range(100000) }}",
    ],
)
def test_what_would_not_end_or_grow_without_bound_is_refused(endless: str):
    with pytest.raises(BadTemplate, match=r"loops more than|makes a"):
        render(endless, variables().to_dict())
    assert [error.field for error in check({"text": endless}, (), NOW)] == ["inputs.text"]


@pytest.mark.parametrize(
    "attempt",
    [
        "{{ ''.__class__ }}", "{{ now.__class__ }}", "{{ previous.READABLE }}", "{{ [].append(1) }}",
        "{{ 'x'.format(1) }}", "{{ 'x'|attr('upper') }}", "{{ '%9999999d' % 1 }}", "{{ parameters.pop('topic') }}",
        "{% set x = 1 %}", "{% macro m() %}{% endmacro %}", "{% include 'x' %}", "{{ 2 ** 9999 }}", "{{ lipsum() }}",
        "{{ " + "(" * 300 + "1" + ")" * 300 + " }}", "{{ x", "{{ now['__class__'] }}",
    ],
)  # fmt: skip
def test_there_is_no_way_out_of_the_language(attempt: str):
    with pytest.raises(BadTemplate):
        render(attempt, variables(topic="tea").to_dict())


@pytest.mark.parametrize("unknown", ["{{ topic }}", "{{ parameters.tpic }}", "{{ previous.cost }}", "{{ x.y }}"])
def test_an_unknown_variable_is_named_with_what_there_is(unknown: str):
    (error,) = check({"a": {"b": unknown}}, TOPIC, NOW)

    assert error.field == "inputs.a.b"
    assert "which does not exist; there are now, scheduled_at, previous, parameters.topic" in error.message


def test_what_depends_on_a_parameter_nobody_knows_yet_is_believed():
    assert check({"a": "{{ parameters.url.split('/')[3] }}"}, (Parameter("url"),), NOW) == []
    assert check({"a": "{{ parameters.topic.split('/')[3] }}"}, TOPIC, NOW) != []


def test_too_many_templates_are_not_looked_at():
    (error,) = check({"list": ["{{ now }}"] * 201}, (), NOW)

    assert "201 templates" in error.message


async def test_what_cannot_be_filled_in_is_named():
    with pytest.raises(Invalid) as refused:
        await fill_in({"a": "{{ 1 / 0 }}", "b": "fine"}, variables())

    assert [(each.field, each.message) for each in refused.value.errors] == [
        ("inputs.a", "cannot be filled in: division by zero")
    ]


@pytest.mark.parametrize(
    ("described", "given", "value"),
    [
        ({"type": "integer"}, "7", 7),
        ({"type": "number"}, "1.5", 1.5),
        ({"type": "boolean"}, "on", True),
        ({"type": "date"}, "2026-01-31", "2026-01-31"),
        ({"type": "choice", "options": ["EU", "US"]}, "US", "US"),
        ({}, "text", "text"),
    ],
)
def test_a_parameter_takes_its_kind(described: dict[str, Any], given: Any, value: Any):
    (parameter,), errors = read_parameters({"p": described})

    assert errors == []
    assert parameter.convert(given) == value


@pytest.mark.parametrize(
    ("name", "described"),
    [
        ("P", {}),
        ("items", {}),
        ("p", {"type": "colour"}),
        ("p", {"type": "integer", "default": "many"}),
        ("p", {"type": "number", "default": 10**400}),
        ("p", {"type": "choice"}),
        ("p", {"type": "text", "options": ["a"]}),
        ("p", {"type": "date", "default": "2026-02-31"}),
        ("p", "text"),
        ("p", {"size": 3}),
    ],
)
def test_a_parameter_that_cannot_be_is_refused(name: str, described: Any):
    _, errors = read_parameters({name: described})

    assert [error.field for error in errors] == [f"parameters.{name}"]
