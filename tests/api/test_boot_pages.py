"""The page of a boot: what is where, what failed, and what it offers to whom."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from api.pages.boot import Cell, log_lines, services_of, summary
from api.pages.formats import Viewer
from tests.api.people import Gateway
from windlass.contracts.events import Event, EventKind, NewEvent
from windlass.contracts.ids import TenantId
from windlass.core.permissions import Role

NOW = datetime(2026, 11, 28, 14, 31, tzinfo=UTC)


def said(*payloads: dict[str, Any]) -> list[Event]:
    """Messages of a boot."""
    return [Event(seq, NOW, EventKind.BOOT, payload) for seq, payload in enumerate(payloads, 1)]


def about(name: str, kind: str, step: str, text: str = "", **more: Any) -> dict[str, Any]:
    return {"type": kind, "step": step, "target": name, "message": text, **more}


def test_every_service_stands_where_its_last_message_says():
    (up, broken, coming) = services_of(
        said(
            about("up", "begun", "prepare"),
            about("up", "activity", "prepare", s=1.1, result="there"),
            about("up", "result", "probe", result="RUNNING"),
            about("broken", "activity", "prepare", s=0.9, result="there"),
            about("broken", "error", "start", "did not come up", s=6.2, detail="Traceback"),
            about("broken", "activity", "start", result="over"),
            about("coming", "begun", "start"),
        )
    )

    assert (up.cell("prepare"), up.cell("update"), up.now) == (
        Cell("finished", "1.1s"), Cell("queued"), Cell("finished", "Up"),
    )  # fmt: skip
    assert (broken.cell("prepare").shape, broken.cell("start")) == ("finished", Cell("failed", "6.2s"))
    assert (broken.cell("probe").shape, broken.now.text) == ("untried", "Did not come up")
    assert (coming.cell("start").shape, coming.now.text) == ("running", "Starting")
    assert summary([up, broken, coming]) == "1 up, 1 failed, 1 on the way"


def test_a_service_that_was_not_replaced_is_said_to_serve():
    (row,) = services_of(
        said(about("s", "error", "start"), about("s", "result", "start", result="RUNNING (as before)"))
    )

    assert row.now == Cell("failed", "The one before serves")


def test_a_card_says_all_of_why_a_service_did_not_come_up_but_what_is_above_it():
    silent = "nothing was heard of it for 20 minutes: is a services worker running?"
    ended = "did not come up, the others are not touched: It ended. ValueError: mine"
    rows = services_of(said(about("silent", "error", "start", silent), about("ended", "error", "start", ended)))

    assert [row.why for row in rows] == [silent, "It ended. ValueError: mine"]


def test_the_log_is_of_all_or_of_one_service():
    messages = said(
        {"type": "info", "message": "Boot started at 2026-11-28 14:31:00"},
        about("a", "begun", "start"),
        about("a", "error", "start", "It ended at 2026-11-28 14:31:02"),
        about("a", "result", "start", "Reached final state", result="UNHEALTHY"),
    )

    every, of_one = log_lines(messages, Viewer(NOW), ""), log_lines(messages, Viewer(NOW), "a")

    assert [each.text for each in every[:2]] == ["\u2139 Boot started", "✗ [a] It ended at 2026-11-28 14:31:02"]
    assert [(each.seq, each.tone) for each in of_one] == [(3, "err"), (4, "err")]


async def test_the_page_shows_the_newest_boot_and_who_may_only_read_gets_no_buttons(gateway: Gateway):
    house = await gateway.organisation("Pages")
    service = {"name": "texts", "project": "/srv/<b>texts", "import_path": "app:app"}
    await house.owner.http.post("/v1/services", json=service)
    boot = (await house.owner.http.post("/v1/boot")).json()["boot_id"]
    silent = NewEvent(EventKind.BOOT, about("texts", "error", "start", "no such folder"), "boot:texts", 1)
    await gateway.state["engine"].events.append(TenantId(house.id), UUID(boot), [silent])

    mine = await house.owner.http.get("/boot")
    theirs = await house.people[Role.VIEWER].http.get("/boot")
    await house.owner.http.delete("/v1/boot")

    assert (mine.status_code, theirs.status_code) == (200, 200)
    assert ("Boot 1" in mine.text, "texts did not come up" in mine.text) == (True, True)
    assert "Boot started" in mine.text
    assert "Boot started at" not in mine.text  # the line has its time beside it, in the zone of who reads
    assert "Take all down" in mine.text
    assert "Take all down" not in theirs.text
    assert "Set state to DEAD" in (await house.owner.http.get("/boot")).text


async def test_the_page_follows_a_boot_to_its_end(gateway: Gateway):
    house = await gateway.organisation("Followers")
    boot = (await house.owner.http.post("/v1/boot")).json()["boot_id"]
    followed = {"topics": f"boot:{boot}", "page": "boot", "id": boot, "at": "1"}
    async with house.owner.http.stream("GET", "/ui/stream", params=followed) as answer:
        texts = answer.aiter_text()
        while "Boot started" not in (await anext(texts)):
            pass

        await house.owner.http.delete("/v1/boot")

        rest = "".join([text async for text in texts])
    assert "Boot cancelled" in rest
    assert "event: over" in rest
