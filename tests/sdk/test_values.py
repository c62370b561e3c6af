"""Values travel under the name of their class, and no value fails a run."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from windlass import response
from windlass.values import plain, typed


class Report(BaseModel):
    title: str
    pages: list[int] = []


@dataclass
class Point:
    x: int
    y: float


class Slotted:
    __slots__ = ("a",)

    def __init__(self) -> None:
        self.a = 1


class Open:
    def __init__(self) -> None:
        self.b, self._hidden = {"c": Decimal("1.5")}, 1


class Colour(Enum):
    RED = "red"


class Broken:
    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, {"NoneType": None}),
        ("x", {"str": "x"}),
        (3, {"int": 3}),
        (1.5, {"float": 1.5}),
        (True, {"bool": True}),
        ({"a": [1, (2,)], 3: None}, {"dict": {"a": [1, [2]], "3": None}}),
        ([1, "a"], {"__list__": [{"int": 1}, {"str": "a"}]}),
        ((1, [2]), {"__list__": [{"int": 1}, {"__list__": [{"int": 2}]}]}),
        ({3, 1, 2}, {"__list__": [{"int": 1}, {"int": 2}, {"int": 3}]}),
        (response.Markdown("# a"), {"Markdown": {"body": "# a"}}),
        (response.Text("a", "b"), {"Text": {"body": "a\nb"}}),
        (Report(title="t", pages=[1]), {"Report": {"title": "t", "pages": [1]}}),
        (Point(1, 2.0), {"Point": {"x": 1, "y": 2.0}}),
        (Slotted(), {"Slotted": {"a": 1}}),
        (Open(), {"Open": {"b": {"c": "1.5"}}}),
        (Colour.RED, {"Colour": "red"}),
        (date(2026, 1, 31), {"date": "2026-01-31"}),
        (datetime(2026, 1, 31, tzinfo=UTC), {"datetime": "2026-01-31T00:00:00+00:00"}),
        (UUID(int=1), {"UUID": "00000000-0000-0000-0000-000000000001"}),
        (PurePosixPath("a/b"), {"PurePosixPath": "a/b"}),
        (Decimal("1.50"), {"Decimal": "1.50"}),
        (b"ab", {"bytes": "YWI="}),
        (float("inf"), {"float": "inf"}),
        (2**64, {"int": str(2**64)}),
        (ValueError("x"), {"ValueError": "ValueError('x')"}),
        (Broken(), {"Broken": "<Broken>"}),
    ],
)
def test_a_value_is_shown_under_the_name_of_its_class(value: Any, shown: Any):
    assert typed(value) == shown


def test_a_value_without_fields_is_shown_by_its_repr():
    shown = typed(print)

    assert shown == {"builtin_function_or_method": "<built-in function print>"}


def test_a_value_that_contains_itself_comes_to_an_end():
    value: list[Any] = []
    value.append(value)

    assert len(json.dumps(typed(value))) < 10_000


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=20,
    )
)
def test_every_value_becomes_json_that_the_database_takes(value: Any):
    written = json.dumps(plain(value), allow_nan=False, ensure_ascii=False)

    written.encode()
    assert "\\u0000" not in written.replace("\\\\", "")


@pytest.mark.parametrize("wrong", [5, None, {"a": 1}])
def test_a_response_is_made_of_text_or_a_list_of_lines(wrong: Any):
    assert response.HTML(["a", 1]).body == "a\n1"
    with pytest.raises(ValueError, match="expected text"):
        response.HTML(wrong)
