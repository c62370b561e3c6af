"""Files over HTTP: sent in pieces, handed out in ranges, to those alone who may see the run."""

import asyncio
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4
from zipfile import ZipFile

import httpx
import pytest

from tests.api.people import SECRET, Gateway, Organisation, Person
from tests.core.shelves import digest_of
from tests.core.test_media import PICTURES
from windlass.client import AsyncClient, Client, Moved
from windlass.client.files import Chunk, begin_upload, put_chunk, sources_of
from windlass.contracts.files import CHUNK_BYTES
from windlass.contracts.ids import TenantId
from windlass.core.identity import RunClaim, RunTokens

HTML = {"accept": "text/html"}
CONTENT = bytes(range(256)) * 8_192  # two chunks


@dataclass(frozen=True, slots=True)
class OwnRun:
    """A run of a person, and what it calls the gateway with."""

    id: str
    http: httpx.AsyncClient

    @property
    def files(self) -> str:
        """The address of its files."""
        return f"/v1/runs/{self.id}/files"


@pytest.fixture
async def ada(gateway: Gateway) -> Person:
    return await gateway.sign_up("Ada")


async def running(gateway: Gateway, person: Person) -> OwnRun:
    """A run that lives in a host."""
    started = await person.http.post("/v1/runs", json={"agent": "claude", "inputs": {"prompt": "hi"}})
    run_id, tenant_id = started.json()["id"], TenantId(person.tenant_id)
    async with gateway.state["database"].tenant(tenant_id) as connection:
        await connection.execute("update run set host_boot = 'here', status = 'running' where id = $1", UUID(run_id))
    token = RunTokens(SECRET.encode()).issue(RunClaim(tenant_id, UUID(run_id), 1, "here"))
    http = await gateway.browser(headers={"authorization": f"Bearer {token}", "x-windlass-life": "first"})
    return OwnRun(run_id, http)


async def announced(person: Person, *files: tuple[str, int]) -> dict[str, Any]:
    body = {"files": [{"path": path, "size_bytes": size} for path, size in files]}
    answer = await person.http.post("/v1/artifacts/uploads", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()


async def test_an_upload_in_chunks_goes_on_and_becomes_whole(ada: Person):
    upload = await announced(ada, ("data/a.bin", len(CONTENT)), ("b.txt", 2))
    path, (large, small) = f"/v1/artifacts/uploads/{upload['upload_id']}", upload["files"]
    chunks = [CONTENT[at : at + CHUNK_BYTES] for at in range(0, len(CONTENT), CHUNK_BYTES)]

    last = await ada.http.put(f"{path}/{large['file_id']}/1", content=chunks[1])
    early = await ada.http.post(f"{path}/complete")
    seen = (await ada.http.get(path)).json()["files"][0]["received"]
    first = await ada.http.put(f"{path}/{large['file_id']}/0", content=chunks[0])
    whole = await ada.http.put(f"{path}/{small['file_id']}", content=b"hi")
    done = await ada.http.post(f"{path}/complete")

    assert (large["chunks"], large["chunk_bytes"]) == (2, CHUNK_BYTES)
    assert (last.json(), early.status_code, seen) == ({"chunk": 1, "received_chunks": 1}, 409, [1])
    assert (first.json()["received_chunks"], whole.json()["sha256"]) == (2, digest_of(b"hi"))
    assert [each["sha256"] for each in done.json()["files"]] == [digest_of(CONTENT), digest_of(b"hi")]
    assert done.json()["complete"]


async def test_what_cannot_be_is_refused_with_words(ada: Person, acme: Organisation):
    upload = await announced(ada, ("a", 2))
    path, file_id = f"/v1/artifacts/uploads/{upload['upload_id']}", upload["files"][0]["file_id"]
    bad = ["../a", "a\0b", "x" * 300, "a\u202eb", "/etc/passwd", ""]

    for name in bad:
        refused = await ada.http.post("/v1/artifacts/uploads", json={"files": [{"path": name, "size_bytes": 1}]})
        assert (refused.status_code, "upload_id" in refused.text) == (422, False), name
    too_large = {"files": [{"path": "a", "size_bytes": 6 << 30}]}

    assert (await ada.http.post("/v1/artifacts/uploads", json=too_large)).status_code == 422
    assert (await ada.http.put(f"{path}/{file_id}", content=b"abc")).status_code == 422
    assert (await ada.http.put(f"{path}/{file_id}/0", content=bytes(CHUNK_BYTES + 1))).status_code == 413
    assert (await ada.http.put(f"{path}/{file_id}/1", content=b"ab")).status_code == 404
    assert (await ada.http.put(f"{path}/{uuid4()}", content=b"ab")).status_code == 404
    for other in (acme.owner, acme.operator):
        assert (await other.http.get(path)).status_code == 404
        assert (await other.http.put(f"{path}/{file_id}", content=b"ab")).status_code == 404
    assert (await acme.viewer.http.post("/v1/artifacts/uploads", json=too_large)).status_code == 403
    assert (await ada.http.delete(path)).status_code == 204
    assert (await ada.http.get(path)).status_code == 404


async def test_a_client_that_goes_away_leaves_nothing_half(ada: Person, gateway: Gateway):
    upload = await announced(ada, ("a", len(CONTENT)))
    path = f"/v1/artifacts/uploads/{upload['upload_id']}"
    sent = asyncio.Event()

    async def half():
        yield CONTENT[:CHUNK_BYTES]
        sent.set()
        await asyncio.Event().wait()

    sending = asyncio.create_task(
        ada.http.put(
            f"{path}/{upload['files'][0]['file_id']}", content=half(), headers={"content-length": str(len(CONTENT))}
        )
    )
    await sent.wait()
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)
    again = await ada.http.put(f"{path}/{upload['files'][0]['file_id']}", content=CONTENT)

    assert again.json()["sha256"] == digest_of(CONTENT)


async def test_a_run_writes_and_people_read_ranges_of_it(ada: Person, gateway: Gateway):
    run = await running(gateway, ada)
    name = "out/Bericht für März.csv"

    written = await run.http.put(f"{run.files}/{name}", content=CONTENT)
    again = await run.http.put(f"{run.files}/{name}", content=CONTENT)
    events = (await ada.http.get(f"/v1/runs/{run.id}/events")).json()["items"]
    listed = (await ada.http.get(run.files, params={"root": "out"})).json()
    whole = await ada.http.get(f"{run.files}/{name}")
    etag = whole.headers["etag"]
    ranges = {each: await ada.http.get(f"{run.files}/{name}", headers={"range": each}) for each in RANGES}
    head = await ada.http.head(f"{run.files}/{name}")
    known = await ada.http.get(f"{run.files}/{name}", headers={"if-none-match": etag})
    changed = await ada.http.get(f"{run.files}/{name}", headers={"range": "bytes=5-", "if-range": '"other"'})

    assert (written.status_code, again.json()) == (201, written.json())
    assert [each["payload"]["path"] for each in events if each["kind"] == "artifact"] == [name]
    assert (listed["items"], listed["next"]) == ([written.json()], None)
    assert (whole.content, etag) == (CONTENT, f'"{digest_of(CONTENT)}"')
    assert whole.headers["content-disposition"].startswith('attachment; filename="Bericht f_r M_rz.csv"; ')
    assert {name: (each.status_code, each.content) for name, each in ranges.items()} == RANGES
    assert ranges["bytes=5-9"].headers["content-range"] == f"bytes 5-9/{len(CONTENT)}"
    assert (head.content, head.headers["content-length"]) == (b"", str(len(CONTENT)))
    assert (known.status_code, changed.status_code, len(changed.content)) == (304, 200, len(CONTENT))


async def test_texts_and_pictures_are_looked_at_and_nothing_else(ada: Person, gateway: Gateway, acme: Organisation):
    run = await running(gateway, ada)
    written = {
        "a.txt": b"<b>bold</b> \xc3\xa4",
        "long.log": b"x" + "ä".encode() * 50_000,
        "a.png": PICTURES["image/png"],
        "fake.png": b"<script>alert(1)</script>",
        "a.bin": bytes(range(256)),
        "empty": b"",
    }
    for name, content in written.items():
        assert (await run.http.put(f"{run.files}/out/{name}", content=content)).status_code == 201

    async def look(name: str, what: str = "preview", person: Person = ada) -> httpx.Response:
        return await person.http.get(f"/runs/{run.id}/{what}", params={"path": f"out/{name}"}, headers=HTML)

    pages = {name: (await look(name)).text for name in written}
    image, fake = await look("a.png", "picture"), await look("fake.png", "picture")

    assert "&lt;b&gt;bold&lt;/b&gt; ä</pre>" in pages["a.txt"]
    assert pages["long.log"].count("ä") == 32_767  # the last one is cut in half
    assert "The first 65.5 kB of 100.0 kB." in pages["long.log"]
    assert f'<img src="/runs/{run.id}/picture?path=out%2Fa.png"' in pages["a.png"]
    assert "&lt;script&gt;alert(1)" in pages["fake.png"]
    assert ("neither a text nor" in pages["a.bin"], "It is empty." in pages["empty"]) == (True, True)
    assert (image.content, image.headers["content-type"]) == (PICTURES["image/png"], "image/png")
    assert image.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    known = {"if-none-match": image.headers["etag"]}
    again = await ada.http.get(image.request.url, headers=known)
    assert (again.status_code, again.content) == (304, b"")
    assert (fake.status_code, (await look("none")).status_code) == (404, 404)
    assert [(await look("a.txt", each, acme.owner)).status_code for each in ("preview", "picture")] == [404, 404]


RANGES = {
    "bytes=5-9": (206, CONTENT[5:10]),
    "bytes=2097150-": (206, CONTENT[2_097_150:]),
    "bytes=-3": (206, CONTENT[-3:]),
    "bytes=2097152-": (416, b""),
    "bytes=9-5": (416, b""),
    "lines=1-2": (200, CONTENT),
}


async def test_a_link_opens_one_file_to_anybody_for_a_while(ada: Person, gateway: Gateway):
    run = await running(gateway, ada)
    await run.http.put(f"{run.files}/out/a.txt", content=b"abc")

    made = await ada.http.post(f"/v1/runs/{run.id}/file-links", json={"path": "out/a.txt", "minutes": 1})
    url = made.json()["url"]
    anybody = await gateway.browser()
    found, part = await anybody.get(url), await anybody.get(url, headers={"range": "bytes=1-1"})
    forged = await anybody.get(url[:-2] + ("aa" if not url.endswith("aa") else "bb"))

    assert (made.status_code, found.content, part.content, forged.status_code) == (201, b"abc", b"b", 404)
    assert (await anybody.get("/v1/file-links", params={"token": "x"})).status_code == 404
    nothing = await ada.http.post(f"/v1/runs/{run.id}/file-links", json={"path": "out/b.txt"})
    assert nothing.status_code == 404


async def test_a_run_reaches_its_own_files_and_nothing_else(ada: Person, gateway: Gateway, acme: Organisation):
    run, other = await running(gateway, ada), await running(gateway, ada)
    await other.http.put(f"{other.files}/out/a", content=b"a")

    assert (await run.http.get(f"{other.files}/out/a")).status_code == 404
    assert (await run.http.put(f"{other.files}/out/a", content=b"b")).status_code == 404
    assert (await run.http.put(f"{run.files}/in/a", content=b"b")).status_code == 422
    assert (await run.http.put(f"{run.files}/out/%2e%2e/a", content=b"b")).status_code in (404, 405, 422)
    for method, path in (("GET", "/v1/runs"), ("GET", "/v1/me"), ("POST", "/v1/artifacts/uploads")):
        assert (await run.http.request(method, path, json={"files": []})).status_code == 403
    assert (await ada.http.put(f"{run.files}/out/a", content=b"b")).status_code == 409
    for stranger in (acme.owner, acme.viewer):
        for address in (run.files, f"{run.files}/out/a"):
            assert (await stranger.http.get(address)).status_code == 404
    assert (await acme.owner.http.delete(f"{run.files}/out/a")).status_code == 404
    async with gateway.state["database"].tenant(TenantId(ada.tenant_id)) as connection:
        await connection.execute("update run set host_boot = 'elsewhere' where id = $1", UUID(run.id))
    assert (await run.http.get(run.files)).status_code == 401


async def test_people_remove_files_and_it_is_on_record(ada: Person, gateway: Gateway):
    run = await running(gateway, ada)
    for name in ("a", "d/b", "d/c"):
        await run.http.put(f"{run.files}/out/{name}", content=name.encode())

    first = (await ada.http.get(run.files, params={"limit": 2})).json()
    rest = (await ada.http.get(run.files, params={"limit": 2, "after": first["next"]})).json()
    gone = [await ada.http.delete(f"{run.files}/out/d") for _ in range(2)]
    record = (await ada.http.get("/v1/audit", params={"action": "file.delete"})).json()["items"]

    assert [each["path"] for each in (*first["items"], *rest["items"])] == ["out/a", "out/d/b", "out/d/c"]
    assert [each.status_code for each in gone] == [204, 404]
    assert [(each["subject"], each["before"]) for each in record] == [(f"run:{run.id}", {"path": "out/d", "files": 2})]


async def test_a_run_comes_as_one_zip_and_by_the_client(ada: Person, gateway: Gateway, tmp_path: Path):
    run = await running(gateway, ada)
    contents = {"out/a.bin": CONTENT, "out/d/ü.txt": b"abc"}
    for name, content in contents.items():
        await run.http.put(f"{run.files}/{name}", content=content)

    packed = await ada.http.get(f"{run.files}.zip", params={"root": "out"})
    with ZipFile(BytesIO(packed.content)) as archive:
        unpacked = {name: archive.read(name) for name in archive.namelist()}
        problem = archive.testzip()
    with Client(gateway.url) as client:
        await asyncio.to_thread(client.login, ada.email, ada.password)
        laid = await asyncio.to_thread(lambda: list(client.files.download(run.id, "out", tmp_path)))
        link = await asyncio.to_thread(client.files.link, run.id, "out/d/ü.txt")

    assert (unpacked, problem) == (contents, None)
    assert {each.relative_to(tmp_path).as_posix(): each.read_bytes() for each in laid} == {
        name.removeprefix("out/"): content for name, content in contents.items()
    }
    assert (await (await gateway.browser()).get(link.url)).content == b"abc"
    assert (await ada.http.get(f"/v1/runs/{uuid4()}/files.zip")).status_code == 404


async def test_the_clients_send_folders_and_go_on_with_what_broke_off(ada: Person, gateway: Gateway, tmp_path: Path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "large.bin").write_bytes(CONTENT)
    (tmp_path / "b.txt").write_text("hello")
    paths, seen = [tmp_path / "data", tmp_path / "b.txt"], list[Moved]()

    async with AsyncClient(gateway.url) as client:
        await client.login(ada.email, ada.password)
        begun = await client.send(begin_upload(sources_of(paths)))
        large = next(each for each in begun.files if each.path == "data/large.bin")
        await client.send(put_chunk(begun.upload_id, Chunk(large, tmp_path / "data" / "large.bin", 1)))
        done = await client.files.upload(paths, resume=begun.upload_id, told=seen.append)
        with pytest.raises(ValueError, match="another size"):
            await client.files.upload([tmp_path / "data"], resume=done.upload_id)

    assert {each.path: each.sha256 for each in done.files} == {
        "data/large.bin": digest_of(CONTENT),
        "b.txt": digest_of(b"hello"),
    }
    assert seen[0].bytes_done > CHUNK_BYTES, "what was there already is not sent again"
    assert (seen[-1].bytes_done, seen[-1].bytes_total) == (len(CONTENT) + 5, len(CONTENT) + 5)
