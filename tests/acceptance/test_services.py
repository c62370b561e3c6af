"""P23: services are drafts, change by what they were read as, and are called by one name at a time."""

from tests.acceptance.cases import read
from tests.people import Person


async def test_p23_a_service_is_written_down_changed_renamed_and_refused(ada: Person):
    http = ada.http
    draft = await http.post("/v1/services", json={"name": "draft1", "env": {"WORD": "tea"}})
    second = await http.post("/v1/services", json={"name": " Draft2 "})
    etag = draft.json()["etag"]

    changed = await http.patch("/v1/services/draft1", json={"env": {"MORE": "x"}}, headers={"if-match": etag})
    stale = await http.patch("/v1/services/draft1", json={"env": {}}, headers={"if-match": etag})
    bad = await http.post("/v1/services", json={"name": "Bad Name"})
    taken = await http.patch("/v1/services/draft1", json={"name": "draft2"})
    renamed = await http.patch("/v1/services/draft1", json={"name": "draft3"})
    flows = (await read(ada, "/v1/services/bench/flows"))["items"]
    shown = await http.patch("/v1/services/bench", json={"display": "Our bench"})
    gone = [await http.get(f"/v1/services/{name}") for name in ("draft1", "nothing")]

    assert (draft.status_code, draft.json()["state"], bool(etag)) == (201, "draft", True)
    assert (second.status_code, second.json()["name"]) == (201, "draft2")
    assert (changed.status_code, changed.json()["env"], changed.json()["etag"] != etag) == (200, ["MORE", "WORD"], True)
    assert [answer.status_code for answer in (stale, bad, taken, renamed, *gone)] == [412, 422, 409, 200, 404, 404]
    assert (await read(ada, "/v1/services/draft3"))["env"] == ["MORE", "WORD"]
    assert (shown.status_code, shown.json()["display"], shown.json()["env"]) == (200, "Our bench", ["WORD"])
    assert (await read(ada, "/v1/services/bench/flows"))["items"] == flows
    for name in ("draft2", "draft3"):
        assert (await http.delete(f"/v1/services/{name}")).status_code == 204
