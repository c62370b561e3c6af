"""The live view of a real screen: who looks, who acts, and who is sent away before a byte."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from playwright.async_api import Page, expect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from api.duplex import OVER, TOKEN_MARK
from tests.api.people import Gateway, Person
from tests.chromium import running_chromium
from tests.desktops.machine import Desk
from tests.desktops.viewers import gateway_of, has, idle_desktop, terminal, ticket, viewing
from tests.pages.consoles import open_console
from tests.workflows.engines import until
from windlass.core.permissions import Role
from windlass.core.wakeup import Notifier


@dataclass(frozen=True, slots=True)
class Stage:
    """A desktop with a terminal on its screen, its owner, and the gateway between them."""

    desk: Desk
    gateway: Gateway
    owner: Person
    id: UUID

    async def appears(self, path: str) -> None:
        """Wait for a file in the home."""

        async def is_there() -> bool:
            return await self.has(path)

        await until(is_there, 30)

    async def has(self, path: str) -> bool:
        """Whether there is a file in the home."""
        return await has(self.desk, self.id, path)

    async def ask(self, deed: str, person: Person | None = None) -> dict[str, Any]:
        """Take the screen over or give it back."""
        answer = await (person or self.owner).http.post(f"/v1/desktops/{self.id}/{deed}")
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module")
async def stage(desk: Desk) -> AsyncGenerator[Stage]:
    async with gateway_of(desk) as gateway:
        owner = await gateway.sign_up("Ada")
        async with idle_desktop(owner) as desktop_id:
            await terminal(desk, desktop_id)
            yield Stage(desk, gateway, owner, desktop_id)


async def test_who_looks_sees_the_screen_and_cannot_act(stage: Stage):
    async with viewing(stage.gateway, stage.owner, await ticket(stage.owner, stage.id)) as looker:
        said = await looker.greet()
        seen = await looker.sees()
        await looker.types("touch ~/looked")
        await stage.ask("takeover")
        async with viewing(stage.gateway, stage.owner, await ticket(stage.owner, stage.id, "control")) as actor:
            await actor.greet()
            await actor.types("touch ~/acted")
            await stage.appears("acted")

    await stage.ask("giveback")
    assert said[:4] == (1280).to_bytes(2, "big") + (800).to_bytes(2, "big")
    assert b"Windlass" in said
    assert seen > 0
    assert not await stage.has("looked")


async def test_whoever_gave_the_screen_back_is_out_of_it_at_once(stage: Stage):
    await stage.ask("takeover")
    async with viewing(stage.gateway, stage.owner, await ticket(stage.owner, stage.id, "control")) as actor:
        await actor.greet()
        await stage.ask("giveback")

        with pytest.raises(ConnectionClosed) as closed:
            await actor.to_the_end()

    assert closed.value.rcvd
    assert closed.value.rcvd.code == OVER


async def test_a_session_that_is_signed_out_stops_looking(stage: Stage):
    guest = await stage.gateway.sign_in(stage.owner.email, stage.owner.password)
    async with viewing(stage.gateway, guest, await ticket(guest, stage.id)) as looker:
        await looker.greet()
        assert (await guest.http.post("/v1/auth/logout")).status_code == 204

        with pytest.raises(ConnectionClosed) as closed:
            await looker.to_the_end()

    assert closed.value.rcvd
    assert closed.value.rcvd.code == OVER


async def refused(stage: Stage, person: Person, opened: dict[str, Any], **headers: str) -> int:
    """The answer to somebody who is not let in: no WebSocket ever opens."""
    with pytest.raises(InvalidStatus) as answer:
        async with viewing(stage.gateway, person, opened, **headers):
            pass
    assert b"problem" in (answer.value.response.headers["content-type"] or "").encode()
    return answer.value.response.status_code


async def test_without_a_token_that_fits_nothing_opens(stage: Stage):
    good = await ticket(stage.owner, stage.id)
    colleague = await stage.gateway.hire(stage.owner, Role.VIEWER)
    stranger = await stage.gateway.sign_up("Eve")
    altered = good | {"protocols": ["windlass", good["protocols"][1][:-4] + "AAAA"]}
    async with idle_desktop(stage.owner) as other:
        found = {
            "altered": await refused(stage, stage.owner, altered),
            "none": await refused(stage, stage.owner, good | {"protocols": ["windlass"]}),
            "a colleague's": await refused(stage, colleague, good),
            "a stranger's": await refused(stage, stranger, good),
            "another desktop's": await refused(stage, stage.owner, good | {"url": f"/v1/desktops/{other}/live"}),
            "an access token": await refused(
                stage, stage.owner, good | {"protocols": ["windlass", TOKEN_MARK + stage.owner.token]}
            ),
            "nobody": await refused(stage, stage.owner, good, authorization="Bearer x"),
        }

    assert set(found.values()) == {401}
    control = await stage.owner.http.post(f"/v1/desktops/{stage.id}/view", json={"mode": "control"})
    assert control.status_code == 409


async def test_a_view_of_a_colleague_needs_to_see_the_desktop(stage: Stage):
    viewer = await stage.gateway.hire(stage.owner, Role.VIEWER)
    operator = await stage.gateway.hire(stage.owner, Role.OPERATOR)

    async with viewing(stage.gateway, viewer, await ticket(viewer, stage.id)) as looker:
        await looker.greet()

    assert (await operator.http.post(f"/v1/desktops/{stage.id}/view")).status_code == 404
    assert (await viewer.http.post(f"/v1/desktops/{stage.id}/takeover")).status_code == 403


async def test_nonsense_ends_the_view(stage: Stage):
    async with viewing(stage.gateway, stage.owner, await ticket(stage.owner, stage.id)) as looker:
        await looker.greet()
        await looker.line.send(b"\x63nonsense")

        with pytest.raises(ConnectionClosed) as closed:
            await looker.to_the_end()

    assert closed.value.rcvd
    assert closed.value.rcvd.code == 1002


async def test_people_watch_take_the_mouse_and_give_it_back(stage: Stage):
    notifier = Notifier(stage.desk.engine.settings.require_database_url())
    async with (
        running_chromium() as chromium,
        open_console(stage.gateway, chromium, notifier) as console,
        idle_desktop(console.person) as desktop_id,
    ):
        await terminal(stage.desk, desktop_id)
        watched = Stage(stage.desk, stage.gateway, console.person, desktop_id)
        page = await console.open(f"/desktops/{desktop_id}")
        canvas = page.locator("#screen canvas")
        await expect(page.locator("#screen-said")).to_be_empty()
        await until(lambda: _shows(page, 1270, 790, [0x1D, 0x23, 0x29]))
        await canvas.click(position={"x": 100, "y": 100})
        await page.keyboard.type("touch ~/looked\n")

        await page.get_by_role("button", name="Take over").click()
        await expect(page.get_by_text("You have the screen. Tasks wait")).to_be_visible()
        await expect(page.locator("#screen-said")).to_be_empty()
        await canvas.click(position={"x": 100, "y": 100})
        await page.keyboard.type("touch ~/acted\n")
        await watched.appears("acted")
        await page.keyboard.press("Shift+Escape")
        await expect(page.locator("#desktop h1")).to_be_focused()
        await page.get_by_role("button", name="Give back").click()

        await expect(page.get_by_role("button", name="Take over")).to_be_visible()
        await expect(page.locator("#screen")).to_have_attribute("data-mode", "view")
        assert not await watched.has("looked")
        assert not console.complaints
        await page.get_by_role("button", name="Stop").click()
        await expect(page.locator("#screen-said")).to_contain_text("Off")
        await console.open("/")
        console.complaints.clear()  # a screen that is ending refuses to be opened again


async def _shows(page: Page, x: int, y: int, colour: list[int]) -> bool:
    """Whether a place of the screen has a colour."""
    read = """([x, y]) => {  // from a copy: a canvas that is read again and again makes the browser complain
      const copy = new OffscreenCanvas(1, 1).getContext("2d");
      copy.drawImage(document.querySelector("#screen canvas"), x, y, 1, 1, 0, 0, 1, 1);
      return [...copy.getImageData(0, 0, 1, 1).data];
    }"""
    return (await page.evaluate(read, [x, y]))[:3] == colour
