"""A step is recognised by its name and arguments, and its result is what JSON gives back."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any

import pytest
from pydantic import BaseModel

from windlass.errors import StepFailed
from windlass.host.steps import described, revived
from windlass.steps import StepCall
from windlass.testing import TracerMock


class Report(BaseModel):
    title: str


@dataclass(frozen=True)
class Point:
    x: int


def work(*args: Any, **kwargs: Any) -> None:
    """Something to do."""


def key(*args: Any, name: str = "n", branch: str = "0", **kwargs: Any) -> str:
    return StepCall(name, work, args, kwargs).fingerprint(branch)


def test_the_same_name_and_arguments_are_the_same_step_wherever_they_are():
    assert key(1, "a", c={"x": 1, "y": [2]}) == key(1, "a", c={"y": (2,), "x": 1}, branch="0.7")
    assert key(Report(title="t"), Point(1), date(2026, 1, 1)) == key(
        Report(title="t"), Point(1), date(2026, 1, 1), branch="1"
    )
    assert key(TracerMock(), branch="0") == key(TracerMock(), branch="1")


@pytest.mark.parametrize("other", [key(2), key("1"), key(1, 1), key(1, name="m"), key(Point(1)), key(x=1), key()])
def test_other_arguments_or_names_are_other_steps(other: str):
    assert other != key(1)


def test_arguments_that_are_no_data_count_by_branch():
    assert key(object(), branch="0.1") == key(object(), branch="0.1")
    assert key(object(), branch="0.1") != key(object(), branch="0.2")


def test_a_key_stands_for_the_arguments():
    keyed = [StepCall("n", work, (object(),), key="k").fingerprint(branch) for branch in ("0", "1")]

    assert keyed[0] == keyed[1] != StepCall("n", work, key="l").fingerprint("0")


def returns_model() -> Report:
    return Report(title="t")


def returns_tuple() -> tuple[int, str]:
    return (1, "a")


def returns_points() -> list[Point]:
    return [Point(1)]


async def returns_later() -> set[int]:
    return {1, 2}


def without_annotation():
    return (1, {2: None})


@pytest.mark.parametrize(
    ("function", "value", "result"),
    [
        (returns_model, Report(title="t"), Report(title="t")),
        (returns_tuple, (1, "a"), (1, "a")),
        (partial(returns_points), [Point(1)], [Point(1)]),
        (returns_later, {1, 2}, {1, 2}),
        (without_annotation, (1, {2: None}), [1, {"2": None}]),
        (lambda: None, "nul\x00", "nul\ufffd"),
    ],
)
def test_a_result_is_what_json_gives_back_by_the_annotation(function: Callable[..., Any], value: Any, result: Any):
    call = StepCall("n", function)

    assert call.unpack(call.pack(value)) == result


@pytest.mark.parametrize("value", [object(), {1, 2}, float("nan"), Report(title="t"), b"x", 2**64])
def test_what_json_cannot_hold_is_an_error_that_names_the_step(value: Any):
    with pytest.raises(TypeError, match=r"step 'find' returned a .* that JSON cannot hold"):
        StepCall("find", without_annotation).pack(value)


def test_a_result_that_belies_its_annotation_is_an_error_that_names_the_step():
    call = StepCall("find", returns_points)

    with pytest.raises(TypeError, match="step 'find' did not return what its annotation says"):
        call.unpack(call.pack("nonsense"))


def test_a_result_over_16_mib_is_refused():
    with pytest.raises(ValueError, match=r"step 'big' returned 17\.2 MiB, at most 16 MiB"):
        StepCall("big", without_annotation).pack("x" * 18_000_000)


def test_arguments_are_shown_shortened():
    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError

    assert len(StepCall("n", work, ("x" * 1000, *range(100)), {"k": 1}).shown_arguments()) == 200
    assert "Broken instance" in StepCall("n", work, (Broken(),)).shown_arguments()


class OfOurs(Exception):
    """An exception with a constructor of its own."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code


@pytest.mark.parametrize("error", [ValueError("v"), KeyError("k"), TimeoutError("t"), OfOurs(3, "why")])
def test_a_recorded_error_is_raised_again_as_what_it_was(error: Exception):
    again = revived(described(error))

    assert type(again) is type(error)
    assert str(error) in str(again)


@pytest.mark.parametrize("name", ["gone.Error", "print", "builtins.nothing", "KeyboardInterrupt", ""])
def test_a_recorded_error_of_an_unknown_class_is_a_failed_step(name: str):
    again = revived({"type": name, "message": "m"})

    assert isinstance(again, StepFailed)
    assert str(again) == f"{name}: m"
