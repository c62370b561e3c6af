"""P8, P9, P17 and P22: runs are followed, fail, are cancelled and listed."""

from uuid import uuid4

from tests.acceptance.cases import events, has_become, read, runs_of, started, streamed
from tests.owner import eventually
from tests.people import Person

STDIO = {"error", "stdout", "stderr", "debug", "upload"}


async def test_p08_a_stream_shows_a_view_goes_on_where_it_broke_off_and_ends_with_its_run(ada: Person):
    """What open streams cost is measured by a bench, not here: a hundred readers, at 400 events a second."""
    run_id = await started(ada, "bench/events", n=10)

    main, stdio = await streamed(ada, run_id, "main"), await streamed(ada, run_id, "stdio")
    first = await streamed(ada, run_id, "main", most=5)
    rest = await streamed(ada, run_id, "main", after=first[-1]["seq"])
    whole = await events(ada, run_id)
    end = whole[-1]["seq"]
    text = (await ada.http.get(f"/v1/runs/{run_id}/stream?view=stdio")).text
    again = await ada.http.get(f"/v1/runs/{run_id}/stream?view=stdio", headers={"last-event-id": str(end)})

    assert main[-1]["payload"]["status"] == "finished"
    assert {each["kind"] for each in main} == {"status", "inputs", "meta", "action", "result", "final"}
    assert {each["kind"] for each in stdio} == {"debug", "stdout"}
    assert main == [each for each in whole if each["kind"] not in STDIO]
    assert stdio == [each for each in whole if each["kind"] in STDIO]
    assert [*first, *rest] == main
    assert text.endswith(f"\nid: {end}\n\n"), "of the end that a view leaves out one hears that it was"
    assert again.status_code == 204


async def test_p09_a_flow_that_raises_is_a_failed_run_with_the_error(ada: Person):
    run_id = await started(ada, "bench/fail")

    run = await has_become(ada, run_id, "failed")
    told = await events(ada, run_id)

    assert (run["error"]["type"], run["error"]["message"]) == ("ValueError", "boom")
    assert [each["kind"] for each in told[-2:]] == ["error", "status"]
    assert (told[-2]["payload"]["type"], told[-2]["payload"]["message"]) == ("ValueError", "boom")
    assert told[-1]["payload"]["status"] == "failed"
    assert "final" not in {each["kind"] for each in told}


async def test_p17_a_run_is_cancelled_stays_in_the_list_and_goes_when_it_is_deleted(ada: Person):
    run_id = await started(ada, "bench/sleep", n=1000, seconds=0.05)
    await has_become(ada, run_id, "running")
    path = f"/v1/runs/{run_id}"

    cancelled = await ada.http.post(f"{path}/cancel")
    await has_become(ada, run_id, "cancelled")
    await eventually(lambda: nothing_runs(ada, "bench"))
    last = (await events(ada, run_id))[-1]
    listed = await runs_of(ada)
    again = await ada.http.post(f"{path}/cancel")
    deleted = [(await ada.http.delete(path)).status_code for _ in range(2)]

    assert (cancelled.status_code, again.status_code) == (202, 409)
    assert (last["kind"], last["payload"]["status"]) == ("status", "cancelled")
    assert run_id in listed
    assert deleted == [204, 404]
    assert (await ada.http.get(path)).status_code == 404
    assert run_id not in await runs_of(ada)


async def test_p22_the_list_is_newest_first_keeps_its_place_and_tells_what_has_changed(ada: Person):
    """`q` looks for words in inputs and results; a status is a filter of its own."""
    word = f"w{uuid4().hex[:12]}"
    ids = [await started(ada, "bench/trivial", name=f"{word} {number}") for number in range(3)]
    for run_id in ids:
        await has_become(ada, run_id, "finished")
    first = await read(ada, "/v1/runs", q=word, limit=2)
    mark = await read(ada, "/v1/runs/changes")

    late = await started(ada, "bench/trivial", name=f"{word} late")
    await has_become(ada, late, "finished")
    rest = await runs_of(ada, q=word, limit=2, after=first["next"])
    after_one = await read(ada, "/v1/runs/changes", since=mark["cursor"])
    assert (await ada.http.delete(f"/v1/runs/{late}")).status_code == 204
    after_all = await read(ada, "/v1/runs/changes", since=after_one["cursor"])

    assert [*(run["id"] for run in first["items"]), *rest] == ids[::-1]
    assert await runs_of(ada, q=word, status="finished") == ids[::-1]
    assert await runs_of(ada, q=word, status="failed") == []
    assert (mark["items"], mark["deleted"]) == ([], [])
    assert ([run["id"] for run in after_one["items"]], after_one["deleted"]) == ([late], [])
    assert (after_all["items"], after_all["deleted"]) == ([], [late])


async def nothing_runs(person: Person, service: str) -> bool:
    """Whether the host of a service executes no code of a run, as it says itself."""
    return (await person.http.post(f"/v1/services/{service}/health")).json()["runs"] == 0
