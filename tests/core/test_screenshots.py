"""The record of screenshots: what is kept, what is skipped, who sees it, and what goes at three in the morning."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest

from tests.core.records import somebody
from tests.core.test_desktops import Silent
from tests.parts import Postgres, another_database
from windlass.contracts.events import EventKind
from windlass.core.callers import Caller
from windlass.core.cleanups import Cleanups
from windlass.core.database import JOBS_ROLE, Database
from windlass.core.desktops import Desktop, Desktops, NewDesktop
from windlass.core.errors import NotFound
from windlass.core.events import Events
from windlass.core.housekeeping import Housekeeping
from windlass.core.machines import Machine, Machines
from windlass.core.maintenance import Maintenance
from windlass.core.screenshots import Begun, Look, Screenshots
from windlass.core.storage.local import LocalObjects
from windlass.core.wakeup import PollOnly

NIGHT = datetime(2026, 3, 4, 3, 0, tzinfo=UTC)
WORKER = """
insert into worker (slot, role, node, pid, started_at, seen_at)
values ('m/desktops-0', 'desktops', 'm', 1, now(), now() + interval '1 hour')
"""


@dataclass(frozen=True, slots=True)
class Gallery:
    """A desktop nobody makes, and its pictures."""

    database: Database
    jobs: Database
    desktops: Desktops
    screenshots: Screenshots
    housekeeping: Housekeeping
    objects: LocalObjects
    events: Events
    caller: Caller
    desktop: Desktop

    async def begin(self, digest: str) -> Begun:
        """Look at the screen."""
        begun = await self.screenshots.begin(self.caller.tenant_id, self.desktop.id, Look(digest, 1280, 800))
        assert begun is not None
        return begun

    async def keep(self, digest: str) -> UUID:
        """Look at the screen and keep the picture."""
        begun = await self.begin(digest)
        await self.objects.put(begun.key, b"picture")
        await self.screenshots.finish(self.caller.tenant_id, self.desktop.id, begun.id, 7)
        return begun.id

    async def clean(self) -> dict[str, int]:
        """Do the cleanup of the night, as its activity does; answers what its report counts."""
        reports = Maintenance(self.jobs, "UTC")
        occasion = reports.occasion("cleanup", NIGHT)
        await reports.begin(occasion)
        while await self.housekeeping.clean(occasion):
            pass
        return dict(await reports.end(occasion))

    async def alter(self, change: str, *values: object) -> None:
        """Change the record behind everybody's back."""
        async with self.database.tenant(self.caller.tenant_id) as connection:
            await connection.execute(change, *values)


@pytest.fixture
async def gallery(postgres: Postgres, tmp_path: Path) -> AsyncGenerator[Gallery]:
    async with another_database(postgres, "gallery") as url:
        database, jobs = await Database.connect(url), await Database.connect(url, role=JOBS_ROLE)
        quiet, objects, caller = PollOnly(), LocalObjects(tmp_path), somebody()
        await Machines(database, jobs, quiet).meet(Machine("m", "boot", "Docker 1"))
        async with database.open() as connection:
            await connection.execute(WORKER)
        desktops, events = Desktops(database, quiet, Silent(), 3), Events(database, quiet)
        yield Gallery(
            database,
            jobs,
            desktops,
            Screenshots(database, quiet),
            Housekeeping(jobs, objects, events, Maintenance(jobs, "UTC"), 30),
            objects,
            events,
            caller,
            await desktops.create(caller, NewDesktop()),
        )
        await jobs.close()
        await database.close()


async def test_a_screen_that_did_not_change_is_kept_once_and_becomes_younger(gallery: Gallery):
    first = await gallery.keep("a" * 64)
    await gallery.alter(
        "update screenshot set last_at = last_at - interval '1 hour', first_at = first_at - interval '1 hour'"
    )

    again = await gallery.begin("a" * 64)
    latest = await gallery.screenshots.latest(gallery.caller.tenant_id, gallery.desktop.id)

    assert (again.id, again.is_new) == (first, False)
    assert latest is not None
    assert latest.age_s < 60 < (latest.last_at - latest.first_at).total_seconds()
    events = await gallery.events.read(gallery.caller.tenant_id, gallery.desktop.id, kinds=[EventKind.SCREENSHOT])
    shown = {"screenshot": str(first), "width": 1280, "height": 800, "size_bytes": 7}
    assert [event.payload for event in events] == [shown]


async def test_a_picture_whose_bytes_never_came_is_not_shown(gallery: Gallery):
    kept = await gallery.keep("a" * 64)
    await gallery.begin("b" * 64)

    latest = await gallery.screenshots.latest(gallery.caller.tenant_id, gallery.desktop.id)

    assert latest is not None
    assert latest.id == kept


async def test_finished_twice_is_one_event(gallery: Gallery):
    kept = await gallery.keep("a" * 64)

    await gallery.screenshots.finish(gallery.caller.tenant_id, gallery.desktop.id, kept, 7)

    events = await gallery.events.read(gallery.caller.tenant_id, gallery.desktop.id, kinds=[EventKind.SCREENSHOT])
    assert len(events) == 1


async def test_another_tenant_sees_no_picture(gallery: Gallery):
    kept = await gallery.keep("a" * 64)
    stranger = somebody()

    assert await gallery.screenshots.latest(stranger.tenant_id, gallery.desktop.id) is None
    assert await gallery.screenshots.begin(stranger.tenant_id, gallery.desktop.id, Look("c" * 64, 1, 1)) is None
    with pytest.raises(NotFound):
        await gallery.screenshots.get(stranger.tenant_id, gallery.desktop.id, kept)


async def test_at_three_what_is_old_or_never_came_goes_with_its_bytes_and_the_report_says_so_once(gallery: Gallery):
    old = await gallery.keep("a" * 64)
    await gallery.alter("update screenshot set last_at = last_at - interval '31 days'")
    half = await gallery.begin("b" * 64)
    await gallery.objects.put(half.key, b"half")
    await gallery.alter("update screenshot set first_at = first_at - interval '2 hours' where id = $1", half.id)
    young = await gallery.keep("c" * 64)
    keys = {
        row.id: row.key for row in [await gallery.screenshots.get(gallery.caller.tenant_id, gallery.desktop.id, old)]
    }

    report = await gallery.clean()
    resumed = await gallery.clean()  # as if it had died just before its end

    assert report == resumed == {"screenshots": 2, "freed_bytes": 7}
    (event,) = await gallery.events.read(gallery.caller.tenant_id, gallery.caller.tenant_id)
    assert (event.kind, event.payload["text"]) == (EventKind.LOG, "Cleaned up: 2 old screenshots removed.")
    assert event.payload["cleanup"] == {"day": "2026-03-04", "screenshots": 2, "freed_bytes": 7}
    (theirs,) = await Cleanups(gallery.database).newest(gallery.caller)
    assert (theirs.day, theirs.screenshots, theirs.freed_bytes) == (NIGHT.date(), 2, 7)
    assert await Cleanups(gallery.database).newest(somebody()) == []
    assert [await gallery.objects.size(key) for key in (keys[old], half.key)] == [None, None]
    assert (await gallery.screenshots.get(gallery.caller.tenant_id, gallery.desktop.id, young)).id == young


async def test_housekeeping_that_was_killed_in_the_middle_is_gone_on_for_and_reported_whole(gallery: Gallery):
    await gallery.keep("a" * 64)
    await gallery.keep("b" * 64)
    latest = await gallery.screenshots.latest(gallery.caller.tenant_id, gallery.desktop.id)
    assert latest is not None
    await gallery.objects.delete([latest.key])  # its bytes were removed, then the process died before the rows
    async with gallery.jobs.open() as connection:
        await connection.execute(
            "insert into maintenance (name, due_at, counts) values ('cleanup', $1, $2)",
            NIGHT,
            {"screenshots": 5, "freed_bytes": 50},
        )

    await gallery.desktops.remove(gallery.caller, gallery.desktop.id)

    assert await gallery.clean() == {"screenshots": 7, "freed_bytes": 64}
