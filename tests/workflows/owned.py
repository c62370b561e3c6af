"""Services as whoever they belong to sees them: added, looked at until they are up, and asked for runs."""

import asyncio
from pathlib import Path
from typing import Any

from tests.api.people import Person
from tests.workflows.engines import PROGRAMS, Meeting, until


async def served(person: Person, name: str, program: str = "pages:app", replicas: int = 1) -> None:
    """The program, up under this name."""
    wish = {"name": name, "project": str(PROGRAMS), "import_path": program, "replicas": replicas}
    assert (await person.http.post("/v1/services", json=wish)).status_code == 201
    await until(lambda: are_up(person, name, set()))


async def are_up(person: Person, name: str, before: set[int]) -> bool:
    """Every replica serves, and none by one of these processes."""
    hosts = await hosts_of(person, name)
    return {each["state"] for each in hosts} == {"running"} and not {each["pid"] for each in hosts} & {None, *before}


async def hosts_of(person: Person, name: str) -> list[dict[str, Any]]:
    """How each replica is."""
    return (await person.http.get(f"/v1/services/{name}")).json()["hosts"]


async def run_of(person: Person, agent: str, meeting: Meeting) -> str:
    """A run that works until its file is there."""
    meeting.folder.mkdir()
    run = await person.http.post("/v1/runs", json={"agent": agent, "inputs": {**meeting.inputs, "n": 3}})
    await meeting.appears("step-1")
    return run.json()["id"]


async def result_of(person: Person, run_id: str) -> str:
    """What the run came to."""

    async def is_over() -> bool:
        return (await person.http.get(f"/v1/runs/{run_id}")).json()["status"] == "finished"

    await until(is_over)
    return (await person.http.get(f"/v1/runs/{run_id}/result")).json()["value"]["str"]


async def has_some(found: list[int], number: int) -> bool:
    """Whether there are so many."""
    return len(found) >= number


async def are_over(processes: list[int]) -> bool:
    """None of these is there any more."""
    return not any([await asyncio.to_thread(Path(f"/proc/{pid}").exists) for pid in processes])


def visitors(pid: int) -> int:
    """How many have connected to a host, taken in or not: the kernel calls them by the name under which it listened."""
    return Path("/proc/net/unix").read_text().count(f"/{pid}.new")


async def have_come(pid: int, number: int) -> bool:
    """Whether so many have connected to a host."""
    return visitors(pid) >= number


async def is_taken(place: Path, pid: int) -> bool:
    """Whether the process listens there: the name it began under is gone."""
    return visitors(pid) > 0 and not place.with_name(f"{pid}.new").exists()
