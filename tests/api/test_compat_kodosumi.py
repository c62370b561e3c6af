"""What a client of Kodosumi may send, and how it is told, without anything behind it."""

from collections.abc import AsyncGenerator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from api.errors import Gone
from api.routes.compat.kodosumi.exposes import NewExpose, keep
from api.routes.compat.kodosumi.pages import our_page
from api.routes.compat.kodosumi.words import MAIN, Telling
from windlass.core.errors import Invalid, NotFound
from windlass.core.frames import Frame


async def test_aliases_in_a_bootstrap_are_refused_before_they_multiply():
    nobody: Any = None
    merged = "\n".join(f"a{n}: &a{n}\n  <<: [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9))

    body = NewExpose.model_validate({"name": "bomb", "bootstrap": f"a0: &a0 {{x: y}}\n{merged}"})

    with pytest.raises(Invalid) as refused:
        await keep(body, nobody, nobody)

    assert [(each.field, each.message) for each in refused.value.errors] == [
        ("bootstrap", "must be YAML without aliases")
    ]


class Ended:
    """The log of a run that has ended."""

    is_over, must_resync = True, False

    def __init__(self, *frames: Frame) -> None:
        self._frames = list(frames)

    async def batches(self, _patience_s: float) -> AsyncGenerator[list[Frame]]:
        """All of it."""
        yield self._frames


async def test_a_value_with_any_kind_of_line_end_is_json_in_its_frame():
    text = "a\u2028b\x85c\r\nd"
    event = {"at": datetime.now(UTC).isoformat(), "payload": {"Text": {"body": text}}}
    news: Any = Ended(Frame(7, "final", orjson.dumps(event)))
    unfold: Any = None

    (told,), _eof = [batch async for batch in Telling(news, unfold, MAIN).batches(1)]

    data = [line.removeprefix("data: ") for line in told.decode().split("\n") if line.startswith("data: ")]
    assert orjson.loads("\n".join(data).partition(":")[2]) == {"Text": {"body": text}}


@pytest.mark.parametrize(
    ("page", "ours"),
    [
        ("", "/agents"), ("expose/boot/shutdown", "/boot"), ("status/view/01a1", "/runs/01a1"),
        ("expose/edit/a b", "/services/a%20b"), ("expose/exchange", "/services/exchange"),
        ("expose/globals", "/services/defaults"),
    ],
)  # fmt: skip
def test_a_page_of_the_panel_leads_to_the_page_of_the_same_thing(page: str, ours: str):
    assert our_page(page) == ours


def test_a_page_that_has_none_here_says_where_the_thing_is():
    with pytest.raises(Gone, match="Masumi"):
        our_page("masumi")
    with pytest.raises(NotFound):
        our_page("status/view")
