"""What services have where they say nothing themselves: over HTTP, as a command, on the page, for old clients."""

from pathlib import Path

import pytest

from tests.api.people import Gateway, Organisation
from tests.api.terminals import Terminal
from windlass.contracts.ids import TenantId

SECRET = "only-hosts-may-know-4711"  # noqa: S105
PATH = "/v1/services/defaults"
GLOBALS = "runtime_env: {env_vars: {PLACE: , DEPTH: '3'}}\ndeployments: [{num_replicas: 4}]"


async def test_what_is_not_said_of_a_service_is_inherited_and_what_it_says_stands(
    gateway: Gateway, acme: Organisation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    owner = await gateway.sign_up("Defaults")
    http, terminal = owner.http, Terminal.of(gateway, owner, monkeypatch, tmp_path, "service")
    senseless = {"env": {"WINDLASS_HOST_MEMORY_MIB": "9" * 5000}}
    for name, more in (("own", {"replicas": 1, "limits": {"memory_mib": 256}}), ("none", senseless)):
        await http.post("/v1/services", json={"name": name, **more})
    wish = {"env": {"PLACE": "here", "LEVEL": "3"}, "secrets": {"TOKEN": SECRET}, "limits": {"memory_mib": 512}}

    put = await http.put(PATH, json={**wish, "replicas": 3})
    own = (await http.get("/v1/services/own")).json()
    said = await terminal.say("defaults", "--env", "LEVEL=")
    late = (await http.post("/v1/services", json={"name": "late"})).json()
    back = (await http.patch("/v1/services/own", json={"replicas": None, "limits": {"memory_mib": None}})).json()
    valueless = await http.put(PATH, json={"env": {"NEW": None}})
    texts = [each.text for each in (put, await http.get("/services/defaults"), await http.get("/v1/audit"))]

    assert (own["replicas"], own["own_replicas"], own["limits"]) == (1, True, {"memory_mib": 256})
    assert (own["env"], back["env"], back["limits"]) == (["WINDLASS_HOST_MEMORY_MIB"], [], {"memory_mib": None})
    assert {each["name"]: each["replicas"] for each in (await http.get("/v1/services")).json()["items"]} == {
        "late": 3, "none": 3, "own": 3,
    }  # fmt: skip
    assert (put.json()["env"], put.json()["secrets"], put.json()["limits"]) == (
        ["LEVEL", "PLACE"], ["TOKEN"], {"memory_mib": 512},
    )  # fmt: skip
    assert "Variables: PLACE\nSecrets: TOKEN\nReplicas: 3\nMemory: 512 MiB\n" in said
    assert "next start" in said
    assert (late["own_replicas"], back["own_replicas"], valueless.status_code) == (False, False, 422)
    assert [SECRET in text for text in (*texts, said)] == [False] * 4
    assert (await acme.viewer.http.get(PATH)).json()["env"] == []
    assert (await acme.viewer.http.put(PATH, json=wish)).status_code == 403


async def test_the_page_and_the_globals_of_old_clients_say_the_same(gateway: Gateway):
    owner = await gateway.sign_up("Globals")
    http = owner.http
    await http.put(PATH, json={"secrets": {"TOKEN": SECRET}, "limits": {"memory_mib": 512}})

    filled = {"env": "PLACE=here\n\nLEVEL=a=b", "secrets": "TOKEN", "replicas": "2", "memory_mib": "700"}
    by_page = await http.post("/services/defaults", data=filled)
    wrong = await http.post("/services/defaults", data={**filled, "env": "NEW", "replicas": "9"})
    typed = await http.post("/services/defaults", data={"secrets": f"TOKEN={SECRET}\n{SECRET}"})
    shown = (await http.get(PATH)).json()
    by_client = await http.post("/compat/kodosumi/admin/expose/globals", data={"config": GLOBALS})
    refused = await http.post("/compat/kodosumi/admin/expose/globals", data={"config": "proxy_location: EveryNode"})
    then = (await http.get(PATH)).json()
    await http.post("/services/defaults", data={"env": "INDENT=  "})
    async with gateway.state["database"].tenant(TenantId(owner.tenant_id)) as connection:
        assert await connection.fetchval("select env from service_defaults") == {"INDENT": "  "}

    assert (by_page.status_code, wrong.status_code, by_client.status_code) == (303, 422, 303)
    assert (typed.status_code, "each line must be NAME=VALUE" in typed.text, SECRET in typed.text) == (422, True, False)
    assert (shown["env"], shown["secrets"], shown["replicas"]) == (["LEVEL", "PLACE"], ["TOKEN"], 2)
    assert (then["env"], then["secrets"], then["replicas"]) == (["DEPTH", "PLACE"], ["TOKEN"], 4)
    assert (shown["limits"], then["limits"]) == ({"memory_mib": 700}, {"memory_mib": 700})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "config.proxy_location")
