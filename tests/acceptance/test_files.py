"""P18: files go into a run with its form, and come out of it, of any size."""

from tests.acceptance.cases import Json, finished, read, started
from tests.people import Person

SENT = {"inputs.txt": b"tea", **{f"data/file{n}.dat": bytes(n) for n in range(1, 5)}}
TWO_MIB, LARGE = 2 * 2**20, 180_000_000


async def uploaded(person: Person) -> str:
    """The id of an upload, as the form's page makes it."""
    files = [{"path": path, "size_bytes": len(content)} for path, content in SENT.items()]
    upload: Json = (await person.http.post("/v1/artifacts/uploads", json={"files": files})).json()
    for each in upload["files"]:
        place = f"/v1/artifacts/uploads/{upload['upload_id']}/{each['file_id']}"
        assert (await person.http.put(place, content=SENT[each["path"]])).status_code == 200
    assert (await person.http.post(f"/v1/artifacts/uploads/{upload['upload_id']}/complete")).status_code == 200
    return upload["upload_id"]


async def test_p18_a_run_sees_what_was_sent_and_sends_back_files_of_any_size(ada: Person):
    run_id = await started(ada, "a/files", files=await uploaded(ada))

    told = (await finished(ada, run_id))["dict"]
    out = (await read(ada, f"/v1/runs/{run_id}/files", root="out"))["items"]

    assert told["seen"] == sorted(f"in/{path}" for path in SENT)
    assert told["sent"] == ["out/download.dat", "out/output.dat"]
    assert told["gone"] == "FileNotFoundError"
    sizes = {"out/download.dat": 7, "out/many.mb": LARGE, "out/output.dat": 5, "out/two.mib": TWO_MIB}
    assert told["sizes"] == {each["path"]: each["size_bytes"] for each in out} == sizes
