"""Screens of desktops: how one looks now, how it looked during a task, and the pictures themselves."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, Field

from api.dependencies import EngineDep, SettingsDep
from api.engine import Engine
from api.routes.desktops import DesktopReader
from windlass.core.callers import Caller
from windlass.core.screenshots import Screenshot
from windlass.core.settings import Settings
from windlass.core.tenant_settings import SCREENSHOT_LINK

router = APIRouter(prefix="/v1/desktops", tags=["desktops"])
cleaning = APIRouter(prefix="/v1/desktop-cleanups", tags=["desktops"])

WEBP = "image/webp"
KEPT = {"cache-control": "private, max-age=86400, immutable"}  # a picture never changes

Fresh = Annotated[bool, Query(description="Not one that was taken a moment ago; for a task of one's own at work.")]


class ScreenshotView(BaseModel):
    """A picture of a screen: where it is for a while, and how old it is."""

    url: str = Field(description="Signed and open to anybody for a while, or at the gateway for whoever may see it.")
    taken_at: datetime = Field(description="When the screen was last seen to look like this.")
    age_s: float
    width: int
    height: int


class Moment(ScreenshotView):
    """A picture in the course of a task; `since`: from when on the screen looked like this."""

    since: datetime


class Timeline(BaseModel):
    """The pictures of a task, the oldest first; a screen that did not change is there once."""

    items: Sequence[Moment]
    next: None = None


class CleanupView(BaseModel):
    """What one day's cleanup removed of the organisation's screenshots: old ones, and those of deleted desktops."""

    day: date
    screenshots: int
    freed_bytes: int
    at: datetime


class CleanupList(BaseModel):
    """The newest reports; a day on which nothing was old has none."""

    items: Sequence[CleanupView]
    next: None = None


@cleaning.get("")
async def cleanups(caller: DesktopReader, engine: EngineDep) -> CleanupList:
    """What the daily cleanup of screenshots has removed, the newest 31 days with something to say first."""
    found = await engine.cleanups.newest(caller)
    return CleanupList(items=[CleanupView.model_validate(each, from_attributes=True) for each in found])


@router.get("/{desktop_id}/screenshot")
async def screenshot(
    desktop_id: UUID, caller: DesktopReader, engine: EngineDep, settings: SettingsDep, fresh: Fresh = False
) -> ScreenshotView:
    """The screen as it is, looked at once in 30 seconds; of a desktop that is off or frozen, as it was last seen."""
    found = await engine.cameras.picture(caller, desktop_id, fresh=fresh)
    url = await address(engine, settings, found, await lifetime(engine, caller))
    return ScreenshotView(url=url, **shown(found))


@router.get("/{desktop_id}/tasks/{run_id}/screenshots")
async def timeline(
    desktop_id: UUID, run_id: UUID, caller: DesktopReader, engine: EngineDep, settings: SettingsDep
) -> Timeline:
    """How the screen looked in the course of a task: its first five hundred pictures."""
    await engine.desktops.get(caller, desktop_id)
    await engine.runs.get(caller, run_id)
    found = await engine.screenshots.of_task(caller.tenant_id, desktop_id, run_id)
    good_for = await lifetime(engine, caller)
    urls = [await address(engine, settings, each, good_for) for each in found]
    moments = [Moment(url=url, since=each.first_at, **shown(each)) for url, each in zip(urls, found, strict=True)]
    return Timeline(items=moments)


@router.get(
    "/{desktop_id}/screenshots/{screenshot_id}", response_class=Response, responses={200: {"content": {WEBP: {}}}}
)
async def picture(desktop_id: UUID, screenshot_id: UUID, caller: DesktopReader, engine: EngineDep) -> Response:
    """The picture itself, as WebP."""
    await engine.desktops.get(caller, desktop_id)
    found = await engine.screenshots.get(caller.tenant_id, desktop_id, screenshot_id)
    return Response(await engine.objects.get(found.key), media_type=WEBP, headers=KEPT)


async def lifetime(engine: Engine, caller: Caller) -> timedelta:
    """How long an address that is signed now is good for."""
    return timedelta(minutes=await engine.tenant_settings.value(caller.tenant_id, SCREENSHOT_LINK))


async def address(engine: Engine, settings: Settings, found: Screenshot, good_for: timedelta) -> str:
    """Where the picture is: signed now by a store that can do that, else at the gateway."""
    signed = await engine.objects.link(found.key, good_for, f"{found.id}.webp", shown_as=WEBP)
    return signed or f"{settings.url}/v1/desktops/{found.desktop_id}/screenshots/{found.id}"


def shown(found: Screenshot) -> dict[str, Any]:
    """What every view of a picture says."""
    return {"taken_at": found.last_at, "age_s": round(found.age_s, 1), "width": found.width, "height": found.height}
