"""Views that people save of a list."""

import pytest

from tests.core.records import somebody
from windlass.core.database import Database
from windlass.core.errors import Conflict
from windlass.core.permissions import Role
from windlass.core.views import MOST, SavedView, Views


async def test_a_view_is_replaced_under_its_name_and_forgotten(database: Database):
    views, caller = Views(database), somebody()
    await views.save(caller, "runs", SavedView("mine", "?owner=me"))
    await views.save(caller, "runs", SavedView("late", "?since=week"))
    await views.save(caller, "runs", SavedView("mine", "?owner=me&tag=a"))

    kept = await views.kept(caller, "runs")
    await views.forget(caller, "runs", "mine")
    await views.forget(caller, "runs", "mine")

    assert kept == [SavedView("mine", "?owner=me&tag=a"), SavedView("late", "?since=week")]
    assert [each.name for each in await views.kept(caller, "runs")] == ["late"]


async def test_nobody_else_sees_a_view_whether_colleague_or_stranger(database: Database):
    views, caller = Views(database), somebody()
    await views.save(caller, "runs", SavedView("mine", "?owner=me"))

    assert await views.kept(somebody(Role.OWNER, caller.tenant_id), "runs") == []
    assert await views.kept(somebody(), "runs") == []
    assert await views.kept(caller, "tasks") == []


async def test_one_view_too_many_is_refused_and_an_old_one_can_still_be_changed(database: Database):
    views, caller = Views(database), somebody()
    for number in range(MOST):
        await views.save(caller, "runs", SavedView(str(number), "?owner=me"))

    with pytest.raises(Conflict):
        await views.save(caller, "runs", SavedView("more", "?owner=me"))
    await views.save(caller, "runs", SavedView("0", "?tag=a"))

    assert (await views.kept(caller, "runs"))[0] == SavedView("0", "?tag=a")
