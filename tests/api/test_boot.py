"""Boots over HTTP: asked for, read, followed as lines, and refused."""

from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

import pytest

from tests.api.people import Gateway, Organisation
from windlass.contracts.ids import new_id
from windlass.core.permissions import Role

SERVICE = {"name": "texts", "project": "/srv/texts", "import_path": "app:app"}


@pytest.fixture
async def house(gateway: Gateway) -> AsyncGenerator[Organisation]:
    """An organisation with one service, which nobody keeps."""
    made = await gateway.organisation("House")
    assert (await made.owner.http.post("/v1/services", json=SERVICE)).is_success
    yield made
    await made.owner.http.delete("/v1/boot")


async def test_a_boot_is_asked_for_once_at_a_time_and_read_by_everybody(house: Organisation):
    http = house.owner.http

    asked = await http.post("/v1/boot")
    again = await http.post("/v1/boot")
    forced = await http.post("/v1/boot", json={"force": True})
    read = (await house.people[Role.VIEWER].http.get("/v1/boot")).json()

    assert (asked.status_code, again.status_code, forced.status_code) == (202, 409, 202)
    assert again.json()["detail"] == "Boot already in progress. Use force=true to override."
    assert read["boot"]["boot_id"] == forced.json()["boot_id"]
    assert (read["locked"], read["messages"][0]["type"]) == (True, "info")
    assert read["messages"][0]["text"].startswith("\u2139 Boot started at ")
    assert (await http.get("/v1/boot", params={"id": asked.json()["boot_id"]})).json()["boot"]["status"] == "cancelled"


async def test_a_boot_that_is_over_is_followed_from_its_first_line_to_its_end(house: Organisation):
    http = house.owner.http
    await http.post("/v1/boot")

    lines = await http.delete("/v1/boot", headers={"accept": "text/plain"})
    events = await http.get("/v1/boot/stream")

    assert lines.text == "▶ [DEPLOY] Shutting down\n  • [texts] Set state to DEAD\n✔ Shutdown complete\n"
    assert (await http.get("/v1/boot/stream", headers={"accept": "text/plain"})).text == lines.text
    assert events.headers["content-type"].startswith("text/event-stream")
    assert events.text.count("event: boot") == 3
    assert (await http.get("/v1/services/texts")).json()["state"] == "dead"


async def test_where_nothing_was_booted_there_is_nothing_to_follow(gateway: Gateway):
    http = (await gateway.organisation("Idle")).owner.http

    nothing: dict[str, Any] = {"boot": None, "locked": False, "lock_time": None, "messages": [], "next": None}
    assert (await http.get("/v1/boot")).json() == nothing
    assert (await http.get("/v1/boot/stream")).status_code == 404
    assert (await http.get("/v1/boot/stream", headers={"accept": "text/plain"})).text == "No boot in progress\n"


async def test_boots_are_for_those_who_may_write_services_of_the_same_organisation(
    house: Organisation, acme: Organisation
):
    boot_id = UUID((await house.owner.http.post("/v1/boot")).json()["boot_id"])

    assert (await house.people[Role.VIEWER].http.post("/v1/boot")).status_code == 403
    assert (await house.people[Role.VIEWER].http.delete("/v1/boot")).status_code == 403
    for address in ("/v1/boot", "/v1/boot/stream"):
        mine = await acme.owner.http.get(address, params={"id": str(boot_id)})
        nobodys = await acme.owner.http.get(address, params={"id": str(new_id())})
        assert (mine.status_code, nobodys.status_code) == (404, 404)
