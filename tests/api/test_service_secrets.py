"""Secrets of services: what is given is shown by name alone, stays when nothing is said of it, and goes when asked."""

from tests.api.people import Gateway, Organisation
from windlass.contracts.ids import TenantId

SECRET = "only-the-host-may-know-0815"  # noqa: S105
SERVICE = {"name": "vaulted", "project": "/srv/vaulted", "import_path": "app:app", "enabled": False}


async def test_a_secret_is_given_and_never_shown(gateway: Gateway, acme: Organisation):
    builder = acme.builder.http

    made = await builder.post("/v1/services", json={**SERVICE, "env": {"OPEN": "1"}, "secrets": {"TOKEN": SECRET}})
    changed = await builder.patch("/v1/services/vaulted", json={"secrets": {"OTHER": SECRET}})
    read = await builder.get("/v1/services/vaulted")
    kept = await builder.patch("/v1/services/vaulted", json={"secrets": {"TOKEN": None}})
    said = [made.text, changed.text, read.text, kept.text, (await builder.get("/v1/services")).text]
    said += [(await acme.owner.http.get(path)).text for path in ("/v1/audit", "/services", "/services/vaulted")]
    async with gateway.state["database"].tenant(TenantId(acme.id)) as connection:
        row = await connection.fetchrow("select * from service where name = 'vaulted'")

    assert (made.status_code, changed.status_code) == (201, 200)
    assert [each.json()["secrets"] for each in (made, read, kept)] == [["TOKEN"], ["OTHER", "TOKEN"], ["OTHER"]]
    assert len({each.json()["etag"] for each in (made, changed, kept)}) == 3
    assert [SECRET in each for each in (*said, str(row))] == [False] * 9
    assert (await builder.delete("/v1/services/vaulted")).status_code == 204


async def test_a_viewer_gives_none_and_names_are_names(acme: Organisation):
    denied = await acme.viewer.http.post("/v1/services", json={**SERVICE, "secrets": {"TOKEN": SECRET}})
    wrong = await acme.builder.http.post("/v1/services", json={**SERVICE, "secrets": {"A B": SECRET}})

    assert (denied.status_code, wrong.status_code) == (403, 422)
    assert SECRET not in denied.text + wrong.text
