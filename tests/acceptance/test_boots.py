"""P24 and P25: all services are brought up and taken down together, and it is told line by line."""

from tests.acceptance.cases import are_up, finished, read, started
from tests.owner import eventually
from tests.people import Person

LINES = {"accept": "text/plain"}
FLOWS = ("trivial", "sleep", "events", "lock", "fail")
TOLD = [
    "\u2139 Boot started at ",
    "▶ [DEPLOY] Starting deployment",
    "  [bench] Reached final state → RUNNING",
    "✓ Deployment complete (2/2 running)",
    "▶ [REGISTER] Registering flow endpoints",
    "  • [bench] Discovered 5 flow endpoint(s) → trivial, sleep, events, lock, fail",
    "✓ Flow registration complete (7 discovered)",
    "▶ [RETRIEVE] Testing flow endpoints",
    *(f"  [bench] HEAD /bench/{flow} → 200 OK (alive)" for flow in FLOWS),
    "✓ Retrieved 7 flow endpoints (7 alive, 0 dead)",
    "▶ [UPDATE] Updating service metadata",
    "  [bench] Updated meta → 0 new, 5 preserved",
    "✓ Metadata update complete (0 new, 7 preserved, 7 alive)",
    "✔ Boot completed at ",
]


async def test_p24_a_boot_is_told_in_lines_goes_on_alone_and_keeps_what_was_edited(ada: Person):
    """An expose is called a service here; what brings one up is told in more lines than Kodosumi has."""
    edited = {"display": "Ours", "tags": ["house"]}
    await ada.http.patch("/v1/services/bench/flows/fail", json=edited)

    async with ada.http.stream("POST", "/v1/boot", headers=LINES) as leaves:
        first = await anext(leaves.aiter_lines())
        second = await ada.http.post("/v1/boot")
    said = (await ada.http.get("/v1/boot/stream", headers=LINES)).text.splitlines()
    flows = (await read(ada, "/v1/services/bench/flows"))["items"]
    rest = iter(said)

    assert (second.status_code, "Boot already in progress" in second.json()["detail"]) == (409, True)
    assert said[0] == first
    assert all(any(line.startswith(start) for line in rest) for start in TOLD), said
    assert [line.startswith("  [bench] HEAD ") for line in said].count(True) == len(FLOWS)
    (fail,) = [flow for flow in flows if flow["name"] == "fail"]
    assert (fail["display"], fail["tags"]) == ("Ours", ["house"])
    await ada.http.patch("/v1/services/bench/flows/fail", json={"display": None, "tags": None})


async def test_p25_a_shutdown_takes_all_down_and_runs_wait_for_the_next_boot(ada: Person):
    said = (await ada.http.request("DELETE", "/v1/boot", headers=LINES)).text.splitlines()
    states = {each["state"] for each in (await read(ada, "/v1/services"))["items"]}
    run_id = await started(ada, "bench/trivial", name="late")

    async def is_quiet() -> bool:
        return all(each["pid"] is None for each in (await read(ada, "/v1/services"))["items"])

    await eventually(is_quiet)
    waits = await read(ada, f"/v1/runs/{run_id}")
    await ada.http.post("/v1/boot")

    assert said[0] == "▶ [DEPLOY] Shutting down"
    assert sorted(said[1:-1]) == ["  • [a] Set state to DEAD", "  • [bench] Set state to DEAD"]
    assert (said[-1], states) == ("✔ Shutdown complete", {"dead"})
    assert waits["status"] in ("queued", "starting"), "a worker that has taken it waits for its service"
    assert await finished(ada, run_id) == {"dict": {"ok": True, "name": "late"}}
    await are_up(ada, "a", "bench")
