"""Templates of desktops: whose they are, what is out of bounds, and what a desktop that was made of one keeps."""

from dataclasses import dataclass, replace
from ipaddress import IPv4Network
from typing import Any

import pytest

from tests.core.records import somebody
from tests.core.test_desktops import Hall, hall
from windlass.contracts.desktops import STANDARD, DesktopStatus, Template
from windlass.core.audit import Audit, AuditFilter
from windlass.core.callers import Caller
from windlass.core.desktop_templates import Bounds, DesktopTemplates
from windlass.core.desktops import NewDesktop
from windlass.core.errors import Conflict, Invalid, NotFound, Stale
from windlass.core.permissions import Role

__all__ = ["hall"]  # the fixture

BOUNDS = Bounds(memory_bytes=2 << 30, cpus=2.0, lifetime_s=86_400, private=(IPv4Network("127.0.0.0/8"),))


@dataclass(frozen=True, slots=True)
class Workshop:
    """The templates of a tenant, and the desktops that are made of them."""

    hall: Hall
    templates: DesktopTemplates
    caller: Caller

    async def names(self, caller: Caller) -> list[str]:
        return [each.name for each in await self.templates.catalogue(caller)]


@pytest.fixture
async def workshop(hall: Hall) -> Workshop:
    await hall.machine("m")
    return Workshop(hall, DesktopTemplates(hall.database, BOUNDS), somebody(Role.ADMIN))


async def test_the_installations_are_there_for_everybody_and_cannot_be_deleted(workshop: Workshop):
    standard = await workshop.templates.get(workshop.caller, STANDARD)

    assert await workshop.names(somebody()) == ["standard", "large"]
    assert (standard.is_own, replace(standard.made_of, summary="")) == (False, Template())
    with pytest.raises(Conflict, match="stays"):
        await workshop.templates.remove(workshop.caller, STANDARD)


async def test_a_tenants_own_stands_before_the_installations_until_it_is_deleted(workshop: Workshop):
    templates, caller = workshop.templates, workshop.caller

    own = await templates.put(caller, STANDARD, Template("mine", width=1600))
    await templates.put(caller, "tall", Template(height=2000))

    assert (own.is_own, own.made_of.width, own.changed_by) == (True, 1600, caller.name)
    assert await workshop.names(caller) == ["standard", "large", "tall"]
    assert await workshop.names(somebody()) == ["standard", "large"]
    with pytest.raises(NotFound):
        await templates.get(somebody(), "tall")
    await templates.remove(caller, STANDARD)
    assert (await templates.get(caller, STANDARD)).made_of.width == 1280
    acts = await Audit(workshop.hall.database).newest(caller, AuditFilter(subject="desktop-template:standard"))
    assert [entry.action for entry in acts] == ["desktop-template.delete", "desktop-template.put"]
    assert acts[0].before == acts[1].after


@pytest.mark.parametrize(
    ("wish", "field"),
    [
        ({"memory_bytes": 3 << 30}, "memory_bytes"),
        ({"memory_bytes": 1}, "memory_bytes"),
        ({"cpus": 8.0}, "cpus"),
        ({"cpus": float("nan")}, "cpus"),
        ({"processes": 100_000}, "processes"),
        ({"width": 1 << 20}, "width"),
        ({"lifetime_s": 90_000}, "lifetime_s"),
        ({"idle_s": 50_000}, "idle_s"),
        ({"image": "debian:latest"}, "image"),
        ({"egress": ("10.1.2.3:443",)}, "egress.0"),
        ({"egress": ("example.org", "169.254.169.254:80")}, "egress.1"),
        ({"egress": ("example.org:0",)}, "egress.0"),
        ({"egress": tuple(f"a{n}.example.org" for n in range(101))}, "egress"),
    ],
)
async def test_what_is_out_of_bounds_is_refused_and_named(workshop: Workshop, wish: dict[str, Any], field: str):
    with pytest.raises(Invalid) as refused:
        await workshop.templates.put(workshop.caller, "mine", Template(**wish))

    assert [error.field for error in refused.value.errors] == [field]
    assert await workshop.names(workshop.caller) == ["standard", "large"]


async def test_a_change_of_something_that_was_changed_meanwhile_is_refused(workshop: Workshop):
    templates, caller = workshop.templates, workshop.caller
    first = await templates.put(caller, "mine", Template())

    second = await templates.put(caller, "mine", Template(width=1600), first.etag)

    assert second.version == first.version + 1
    for etag in (first.etag, "own-99"):
        with pytest.raises(Stale):
            await templates.put(caller, "mine", Template(width=700), etag)
    with pytest.raises(Invalid):
        await templates.put(caller, "My Own", Template())


async def test_a_desktop_keeps_what_it_was_made_of_until_it_starts_again(workshop: Workshop):
    hall, templates, caller = workshop.hall, workshop.templates, workshop.caller
    await templates.put(caller, "mine", Template(width=1600, idle_s=120, lifetime_s=600, egress=("example.org",)))
    desktop = await hall.desktops.create(caller, NewDesktop(template="mine"))
    await hall.machines.place(caller.tenant_id, desktop.id)
    await hall.record(caller, desktop, DesktopStatus.IDLE)

    await templates.put(caller, "mine", Template(width=1700))
    running = await hall.desktops.get(caller, desktop.id)
    orders = await hall.machines.look(caller.tenant_id, desktop.id)
    await hall.machines.place(caller.tenant_id, desktop.id)
    again = await hall.desktops.get(caller, desktop.id)
    await templates.remove(caller, "mine")
    await hall.machines.place(caller.tenant_id, desktop.id)
    last = await hall.desktops.get(caller, desktop.id)

    assert (running.made_of.width, running.made_of.egress, running.template_version) == (1600, ("example.org:443",), 1)
    assert orders is not None
    assert orders.idle_s == 120
    assert orders.left_s is not None
    assert orders.left_s <= 600
    assert (again.made_of.width, again.template_version) == (1700, 2)
    assert (last.made_of, last.template_version) == (again.made_of, 2)
    assert await hall.machines.made_of(caller.tenant_id, desktop.id) == last.made_of
    with pytest.raises(Invalid) as refused:
        await hall.desktops.create(caller, NewDesktop(template="mine"))
    assert refused.value.errors[0].message == "must be one of: standard, large"


def test_what_a_row_says_beyond_the_bounds_is_cut_off():
    held = BOUNDS.held(Template(memory_bytes=8 << 30, cpus=64.0, processes=1 << 20))

    assert (held.memory_bytes, held.cpus, held.processes) == (2 << 30, 2.0, 4096)
