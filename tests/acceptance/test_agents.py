"""P21: the catalogue of flows, and the addresses they are at."""

from tests.acceptance.cases import are_up, read
from tests.people import Person


async def names(person: Person, **query: str) -> list[str]:
    """The agents that are listed."""
    return [each["name"] for each in (await read(person, "/v1/agents", **query))["items"]]


async def test_p21_flows_are_listed_found_switched_off_and_called_by_their_address(ada: Person):
    listed = [name for name in await names(ada) if name.startswith("bench/")]
    found = await names(ada, q="trivial")
    await ada.http.patch("/v1/services/bench/flows/fail", json={"enabled": False})
    await ada.http.patch("/v1/services/a", json={"enabled": False})
    left = await names(ada)
    await ada.http.patch("/v1/services/bench/flows/fail", json={"enabled": True})
    await ada.http.patch("/v1/services/a", json={"enabled": True})
    await are_up(ada, "a")
    root, files, slashed = [await read(ada, path) for path in ("/-/a", "/-/a/files", "/-/a/files/")]

    assert listed == ["bench/events", "bench/fail", "bench/lock", "bench/sleep", "bench/trivial"]
    assert found == ["bench/trivial"]
    assert {"a/root", "a/files", "bench/fail"}.isdisjoint(left)
    assert [each["name"] for each in root["elements"][:2]] == ["name", "active"]
    assert files == slashed
    assert files["elements"][0]["name"] == "files"
    assert (await ada.http.get("/-/a/filesystem")).status_code == 404
