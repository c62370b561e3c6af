"""docker-compose.yml comes up, finishes runs, and goes on when a container is killed."""

import json
import os
from collections.abc import AsyncGenerator

import httpx
import pytest

from activities.adapters.engine import DockerEngine
from stack.golang import NotBuilt
from tests.compose.program import NoCompose
from tests.compose.ship import EMAIL, PASSWORD, SHELL, Ship, afloat, built
from tests.faults.stack import until
from tests.parts import free_ports, short_folder
from windlass.client import ApiError, AsyncClient, Unreachable
from windlass.client.credentials import believed

pytestmark = pytest.mark.timeout(900)  # the first time everything is built
STEPS = 10
UP_S, RUN_S = 240.0, 180.0


@pytest.fixture(scope="module")
async def ship(docker: DockerEngine) -> AsyncGenerator[Ship]:
    with short_folder() as folder:
        try:
            program = await built(folder)
        except (NoCompose, NotBuilt) as reason:
            said = f"compose is NOT tested here: {reason}"
            pytest.fail(said) if os.environ.get("CI") else pytest.skip(said)
    ship = afloat(program, free_ports(1)[0])
    try:
        await ship.compose("up", "--detach", "--no-build")
        yield ship
    finally:
        await ship.compose("down", "--volumes", "--timeout", "0")


@pytest.fixture(scope="module")
async def client(ship: Ship) -> AsyncGenerator[AsyncClient]:
    """A client that is signed in, with the example served in the container of workers."""
    await until(lambda: is_ready(ship), "/ready passes", UP_S)
    async with AsyncClient(ship.url) as client:
        await client.login(EMAIL, PASSWORD)
        await client.services.add("hello", "/app/examples/hello", "app:app")

        async def is_served() -> bool:
            return (await client.services.get("hello")).state == "running"

        await until(is_served, "the example is served", UP_S)
        yield client


async def is_ready(ship: Ship) -> bool:
    async with httpx.AsyncClient(base_url=ship.url, timeout=10, verify=believed(ship.url)) as http:
        try:
            return (await http.get("/ready")).status_code == 200
        except httpx.TransportError:
            return False


async def finished_steps(client: AsyncClient, run_id: str) -> list[str]:
    found = (await client.runs.events(run_id, kinds=["step"])).items
    return [event.payload["key"] for event in found if event.payload["state"] == "done"]


async def test_it_is_ready_and_a_run_finishes(client: AsyncClient):
    run = await client.runs.start("hello/steps", {"n": 3, "seconds": 0})

    assert (await client.runs.wait(run.id)).status == "finished"


@pytest.mark.parametrize("service", ["workers", "gateway", "temporal", "postgres", "store"])
async def test_a_run_goes_on_when_a_container_is_killed(ship: Ship, client: AsyncClient, service: str):
    run = await client.runs.start("hello/steps", {"n": STEPS, "seconds": 0.3})

    async def is_at_work() -> bool:
        return len(await finished_steps(client, run.id)) >= 3

    await until(is_at_work, "three steps are done", RUN_S)
    await ship.kill(service)

    async def is_over() -> bool:
        try:
            return not (await client.runs.get(run.id)).is_live
        except (ApiError, Unreachable):
            return False

    await until(is_over, "the run is over", RUN_S)
    await until(lambda: is_ready(ship), "/ready passes again", RUN_S)
    steps = await finished_steps(client, run.id)
    assert (await client.runs.get(run.id)).status == "finished"
    assert len(steps) == len(set(steps)) == STEPS


async def command_in_a_session(client: AsyncClient) -> tuple[str, str]:
    """What a command came to that a model wanted to run."""
    steps = [{"tool": {"name": "shell", "input": {"command": "id -u; ls /"}}}, {"text": "Done."}]
    session = await client.sessions.open()
    await client.sessions.say(session.id, f"Go on. <standin>{json.dumps(steps)}</standin>")

    async def is_settled() -> bool:
        found = await client.sessions.get(session.id)
        return (found.turn, found.status) == (1, "idle")

    await until(is_settled, "the turn is over", RUN_S)
    (call,) = (await client.http.get(f"/v1/sessions/{session.id}/tool-calls")).json()["items"]
    return call["outcome"], call["text"]


async def test_commands_of_sessions_run_only_where_the_operator_lets_the_workers_make_namespaces(
    ship: Ship, client: AsyncClient
):
    refused = await command_in_a_session(client)

    await ship.compose("--file", SHELL, "up", "--detach", "--no-build", "--no-deps", "workers")

    assert refused[0] == "failed"
    assert "does not let bubblewrap make namespaces" in refused[1]
    outcome, text = await command_in_a_session(client)
    assert (outcome, "work" in text, "app" in text) == ("done", True, False), text
