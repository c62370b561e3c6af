"""P21: the catalogue of flows, and the addresses they are at."""

from tests.acceptance.cases import are_up, read
from tests.people import Person

FLOWS = ["bench/events", "bench/fail", "bench/lock", "bench/sleep", "bench/trivial"]


async def names(person: Person, **query: str) -> list[str]:
    """The agents that are listed."""
    return [each["name"] for each in (await read(person, "/v1/agents", **query))["items"]]


async def test_p21_flows_are_listed_found_switched_off_and_called_by_their_address(ada: Person):
    two = await read(ada, "/v1/agents", service="bench", limit=2)
    rest = await names(ada, service="bench", limit="3", after=two["next"])
    found = await names(ada, q="trivial")
    tags = await read(ada, "/v1/agents/tags")
    root, files, slashed = [await read(ada, path) for path in ("/-/a", "/-/a/files", "/-/a/files/")]

    await ada.http.patch("/v1/services/bench/flows/fail", json={"enabled": False})
    await ada.http.patch("/v1/services/a", json={"enabled": False})
    left = await names(ada)
    await ada.http.patch("/v1/services/bench/flows/fail", json={"enabled": True})
    await ada.http.patch("/v1/services/a", json={"enabled": True})

    assert await names(ada, service="bench") == FLOWS
    assert [*(each["name"] for each in two["items"]), *rest] == FLOWS
    assert (len(two["items"]), found, tags) == (2, ["bench/trivial"], {"tags": {"bench": 1, "Test": 1}})
    assert {"a/root", "a/files", "bench/fail"}.isdisjoint(left)
    assert {*FLOWS[2:]} <= {*left}
    assert [each["name"] for each in root["elements"][:2]] == ["name", "active"]
    assert (files == slashed, files["elements"][0]["name"]) == (True, "files")
    await are_up(ada, "a")
    assert (await ada.http.get("/-/a/filesystem")).status_code == 404
