"""What a machine's keeper concludes from what is in the engine and what is on record."""

from dataclasses import replace

import pytest

from activities.containers import Found
from activities.machines import news, strays
from windlass.contracts.desktops import DesktopStatus
from windlass.contracts.ids import DesktopId, TenantId, new_id
from windlass.core.machines import Known

HERE = DesktopId(new_id())
STEADY = (DesktopStatus.IDLE, DesktopStatus.BUSY, DesktopStatus.PAUSED)


def known(
    status: DesktopStatus, *, generation: int = 2, is_deleted: bool = False, is_overdue: bool = True
) -> dict[DesktopId, Known]:
    return {HERE: Known(HERE, TenantId(new_id()), generation, status, is_deleted, is_overdue)}


def everything(state: str = "running", generation: int = 2) -> list[Found]:
    """All that belongs to the desktop."""
    return [
        Found("volume", "home", str(HERE)),
        Found("network", "net", str(HERE), generation),
        Found("container", "c", str(HERE), generation, state),
    ]


def kinds(found: list[Found]) -> list[str]:
    return [each.kind for each in found]


@pytest.mark.parametrize(
    ("status", "state", "removed"),
    [
        (DesktopStatus.STARTING, "created", []),
        (DesktopStatus.IDLE, "running", []),
        (DesktopStatus.PAUSED, "paused", []),
        (DesktopStatus.OFFLINE, "running", ["container", "network"]),
        (DesktopStatus.LOST, "running", []),  # its machine was silent: it may go on
        (DesktopStatus.LOST, "exited", ["container"]),
    ],
)
def test_what_nobody_owns_is_removed_and_a_home_stays(status: DesktopStatus, state: str, removed: list[str]):
    assert kinds(strays(everything(state), known(status))) == removed


def test_of_a_deleted_or_unknown_desktop_nothing_stays():
    assert kinds(strays(everything(), known(DesktopStatus.IDLE, is_deleted=True))) == ["container", "network", "volume"]
    assert kinds(strays(everything(), known(DesktopStatus.IDLE, is_deleted=True, is_overdue=False))) == []
    assert kinds(strays(everything(), {})) == ["container", "network", "volume"]


def test_a_container_of_an_older_generation_is_nobodys():
    assert kinds(strays(everything(generation=1), known(DesktopStatus.IDLE))) == ["container"]


@pytest.mark.parametrize("status", STEADY)
def test_a_container_that_ended_is_told(status: DesktopStatus):
    told = news(everything("exited"), known(status))

    assert [(signal, what.generation) for _, signal, what in told] == [("ended", 2)]
    assert [signal for _, signal, _ in news([], known(status))] == ["ended"]
    assert news(everything(), known(status)) == []


def test_a_container_whose_time_is_over_goes_whatever_its_workflow_does_and_why_is_told():
    over = {HERE: replace(known(DesktopStatus.IDLE)[HERE], is_over=True, said="its time was over")}
    lost = {HERE: replace(over[HERE], status=DesktopStatus.LOST)}

    assert kinds(strays(everything(), over)) == kinds(strays(everything(), lost)) == ["container"]
    assert (news(everything(), over), news(everything(), lost)) == ([], [])
    assert [what.reason for _, _, what in news([], over)] == ["its time was over"]


def test_a_lost_desktop_that_runs_is_told_and_one_that_starts_is_left_to_its_workflow():
    assert [signal for _, signal, _ in news(everything(), known(DesktopStatus.LOST))] == ["found"]
    assert news([], known(DesktopStatus.STARTING)) == []
    assert news([], known(DesktopStatus.OFFLINE)) == []
    assert news([], known(DesktopStatus.IDLE, is_deleted=True)) == []
